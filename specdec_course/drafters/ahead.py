"""Drafting ahead: while the target checks a draft, a second thread writes the one after it, on a bet.

Knows: what is bet on, who works in which thread, when a draft is thrown away. Does not know: how a token is drawn
(model), how a draft is verified.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

import torch

from ..cache.conditioned import Conditioned
from ..sampling import PredrawnDice
from .draft import Draft
from .model import ModelDrafter


class Bet(NamedTuple):
    """`text` LongTensor [T], on the CPU: the text if all of the newest draft is accepted. steps: futures of a Draft of
    one token each; the first is the guess of the token that the target adds, the others are the draft behind it."""

    text: torch.Tensor
    steps: list[Future]


class AheadDrafter(ModelDrafter):
    """A ModelDrafter that goes on in a thread of its own while the target checks its draft.

    It bets that all of the draft will be accepted, and that the target then adds the token that the draft model guesses
    there. If so, the next draft is there already, or nearly. Else what was drafted ahead is thrown away and drafted
    anew. Every step is a task of its own, so the rest of a lost bet is called off at once.

    The law of the text stays exact, and a seed gives one text whatever the threads do. Whether a draft that was written
    ahead is used depends on the verdict and on the guess in front of it, never on its own tokens: given the text they
    are draws from q. The numbers that they are drawn with are taken from the dice beforehand. With a temperature the
    guess is a draw too, and the target's token another: the bet is won less often.

    All that the draft model does is done in that thread, so it shares no state with the rest; on a GPU in a stream of
    its own. An error there is raised by the next `propose`; one in a draft that nobody needs any more, at the end of a
    text, is not. The thread ends with the text. It runs eagerly: to compile, or to capture a graph, beside other work
    is not safe.

    threads: how many of torch's threads the drafting thread uses on a CPU; None: as many as any new thread. A target
        that computes with all cores has to leave it some. bets, won: how many there were so far, and were won; `calls`
        counts the steps of lost bets, too, as far as these got.

    Source: Liu et al. 2024, "PEARL", which goes further: it also checks the first token of a draft while the rest is
    written.
    """

    def __init__(self, model, threads: int | None = None):
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}; expected at least 1, or None for torch's own number")
        self.threads, self.thread, self.bet, self.bets, self.won = threads, None, None, 0, 0
        super().__init__(model)
        self.stream = torch.cuda.Stream(model.device) if model.device.type == "cuda" else None

    def given(self, source_ids) -> AheadDrafter:
        return AheadDrafter(Conditioned(self.model, source_ids), self.threads)

    def begin(self, vocab_size: int, positions: int, engine: str) -> None:
        if engine != "eager":
            raise ValueError(f'engine is {engine!r}; drafting ahead runs beside the target, where nothing may be '
                             'compiled: use engine="eager", or a ModelDrafter')
        self.end()
        super().begin(vocab_size, positions, engine)
        self.positions = positions

    def end(self) -> None:
        """Calls off what is being drafted, and ends the thread; waits for the step that it is in the middle of."""
        thread, self.thread, self.bet = self.thread, None, None
        if thread is not None:
            thread.shutdown(wait=True, cancel_futures=True)

    def accepted(self, n: int) -> None:
        """Nothing: the cache is at work already, and finds by itself what of it is in the text."""

    def propose(self, ids, k, sampling, dice) -> Draft:
        draft = self._won(ids, k)
        if draft is None:
            draft = self._handed_over(self._there(super().propose, ids, k, sampling, dice).result())
        self._bet_on(draft, ids, k, sampling, dice)
        return draft

    def _won(self, ids, k: int) -> Draft | None:
        """What was drafted ahead for this text, at most k tokens; None if it was another text's, or nothing."""
        bet, self.bet = self.bet, None
        if bet is None:
            return None
        hoped = torch.equal(ids[:-1], bet.text)  # all was accepted, and the target has added one token
        if hoped and torch.equal(bet.steps[0].result().ids.cpu(), ids[-1:]):
            call_off(bet.steps[k + 1 :])
            self.won += 1
            return joined([self._handed_over(step.result()) for step in bet.steps[1 : k + 1]])
        call_off(bet.steps)
        return None

    def _bet_on(self, draft: Draft, ids, k: int, sampling, dice) -> None:
        """Begins to draft what follows if all of this draft is accepted, as far as the text has places."""
        if not len(draft.ids):
            return
        text = torch.cat([ids, draft.ids.cpu()])
        n = min(k, self.positions - len(text) - 2)  # behind the text come the guess, the draft, a token of the target's
        if n < 1:
            return
        numbers = PredrawnDice(dice.numbers(0 if sampling.greedy else n + 1, self.model.device))
        written = [text]
        self._there(super().accepted, len(draft.ids))
        self.bet = Bet(text, [self._there(self._step, written, sampling, numbers) for _ in range(n + 1)])
        self.bets += 1

    def _step(self, written: list, sampling, numbers) -> Draft:
        """One more token behind what is written, and it is written, too; nothing where the model falls silent."""
        draft = super().propose(torch.cat(written), 1, sampling, numbers)
        written.append(draft.ids.cpu())
        return draft

    def _there(self, function, *inputs) -> Future:
        """function(*inputs) as the next task of the drafting thread."""
        if self.thread is None:
            count = () if self.threads is None else (self.threads,)
            begin = torch.set_num_threads if count else None
            self.thread = ThreadPoolExecutor(1, "drafting ahead", begin, count)
        before = torch.cuda.current_stream(self.model.device).record_event() if self.stream else None
        return self.thread.submit(self._run, before, function, *inputs)

    @torch.inference_mode()
    def _run(self, before, function, *inputs):
        """In the thread. On a GPU the task begins behind what was launched before it, and is over when it is done."""
        with torch.cuda.stream(self.stream):  # of None nothing comes
            if before is not None:
                self.stream.wait_event(before)
            outcome = function(*inputs)
            if self.stream is not None:
                self.stream.synchronize()
        return outcome

    def _handed_over(self, draft: Draft) -> Draft:
        """The draft, whose memory the thread's stream may not use again before the caller's is through with it."""
        for tensor in (draft.ids, draft.probs) if self.stream is not None else ():
            if tensor is not None:
                tensor.record_stream(torch.cuda.current_stream(self.model.device))
        return draft


def call_off(steps: list[Future]) -> None:
    """Cancels what has not begun, waits for what has, and raises the error of one that failed."""
    begun = [step for step in steps if not step.cancel()]
    wait(begun)
    for step in begun:
        step.result()


def joined(drafts: list[Draft]) -> Draft:
    """One draft of several that follow each other, the last of which may be empty."""
    some = [one for one in drafts if len(one.ids)] or drafts[:1]
    probs = [one.probs for one in some if one.probs is not None]
    return Draft(torch.cat([one.ids for one in some]), torch.cat(probs) if probs else None)
