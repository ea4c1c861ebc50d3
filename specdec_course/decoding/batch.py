"""Many texts at once: one pass of the target checks the drafts of all of them, and no text waits for another.

Knows: who sits in which row, who is done, and who comes next (continuous batching). Does not know: how ragged rows go
through a model (cache.batch), how drafts are made (drafters.batch), which tokens stay (verification).
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from ..cache.chosen import batch_of
from ..drafters.batch import BatchDrafter, read_prompts
from ..drafters.draft import Draft
from ..sampling import Dice, Sampling
from ..trace import Round, Trace
from .ends import end_rule, ends_of
from .engine import Output
from .request import checked_batch
from .rounds import DAMAGED, verdict_of


class Pass(NamedTuple):
    """A call of the target: how many texts took part, the tokens that it read (padding not counted), those that it
    added to the texts, 0 where it only read the prompts of new ones; and the seconds since the call before it: with the
    drafts that it checks, and all that the host does."""

    rows: int
    tokens: int
    emitted: int
    seconds: float


class Outputs(list):
    """A list of Output, one for each prompt, in their order; `passes` is a list of Pass, the calls of the target."""

    passes: list[Pass]


@dataclass
class Text:
    """A text in the making: its `ids`, of which the caches hold all but the last at most; how many it may `end` with;
    its own `dice`; the `row` that it has, if any."""

    ids: list[int]
    end: int
    dice: Dice
    row: int = -1
    over: bool = False
    began: float = 0.0
    trace: Trace = field(init=False)

    def __post_init__(self):
        self.trace, self.over = Trace(len(self.ids)), len(self.ids) >= self.end


def generate_batch(
    target,
    prompts,
    draft=None,
    k: int = 4,
    sampling: Sampling = Sampling(),
    max_new_tokens=128,
    eos_token_id="model",
    seed=0,
    batch: int = 4,
) -> Outputs:
    """Decodes several prompts side by side; with a draft model, speculatively. Each text is the one that `generate`
    writes for its prompt and seed, whatever stands beside it, unless round-off decides between two tokens.

    Up to `batch` texts share every pass. Each ends by itself, and the next prompt takes its row at once. No text shares
    its randomness. The device is waited for once per round, for all rows together.

    Args:
        target: a Hugging Face causal language model. draft: another one with its vocabulary, or None.
        prompts: a list of prompts, each as `generate` takes it: LongTensor [T] or a list of ids, T >= 1, not padded.
        k: draft length, a whole number >= 0. sampling: temperature and filters, no processors. Both for all texts.
        max_new_tokens: the budget of every text; or a list of one each. eos_token_id: as for `generate`.
        seed: text i draws from seed + i; or a list of one each; or None: other texts every time.
        batch: the most texts side by side, >= 1.

    Returns:
        Outputs: a list of Output(tokens, trace), in the order of the prompts, and the `passes` of the target. A trace
        counts the target's calls in which its text took part (the first reads a prompt of several tokens up to its last
        one), the draft's steps for it, and the seconds from the moment when it got a row.

    Raises ValueError for what `generate` refuses, for processors, and for a model that cannot read texts side by side.
    """
    requests = checked_batch(target, prompts, k, sampling, max_new_tokens, seed, batch)
    until_end = end_rule(ends_of(target, eos_token_id))
    texts = []
    for prompt, new, own in requests:
        dice = Dice(torch.Generator(device=target.device).manual_seed(own))
        texts.append(Text(prompt.tolist(), len(prompt) + new, dice))
    passes = decode(target, texts, draft, k, sampling, until_end, min(batch, max(1, len(texts))))
    outputs = Outputs(Output(torch.tensor(text.ids), text.trace) for text in texts)
    outputs.passes = passes
    return outputs


def decode(target, texts: list[Text], draft, k: int, sampling: Sampling, until_end, rows: int) -> list[Pass]:
    """The loop itself: writes the texts to their ends, at most `rows` at a time; returns the passes of the target."""
    cached = batch_of(target, rows)
    drafter = BatchDrafter(draft, rows, cached.config.vocab_size) if draft is not None and k else None
    nothing = Draft(torch.empty(0, dtype=torch.long))
    waiting, active, passes = deque(text for text in texts if not text.over), [], []
    before = time.perf_counter()
    while waiting or active:
        for row in sorted(set(range(rows)) - {text.row for text in active})[: len(waiting)]:
            active.append(waiting.popleft())
            active[-1].row, active[-1].began = row, time.perf_counter()
        active.sort(key=lambda text: text.row)  # a full batch then lies in the buffers as it goes through the model
        if new := read_prompts(cached, active):
            now = time.perf_counter()
            passes.append(Pass(len(new), sum(len(text.ids) - 1 for text in new), 0, now - before))
            before = now
            for text in new:
                text.trace.target_calls += 1
        asked = [min(k, text.end - len(text.ids) - 1) for text in active]  # one place is for the target's own token
        drafts = drafter.propose(active, asked, sampling) if drafter else [nothing] * len(active)
        told = play_round(cached, active, drafts, sampling, until_end)
        for model in (cached, *([drafter.cached] if drafter else [])):
            forget(model, active)
        now = time.perf_counter()
        passes.append(Pass(*told, now - before))
        before = now
        active = [text for text in active if not text.over]
    return passes


@torch.inference_mode()
def play_round(cached, texts: list[Text], drafts: list[Draft], sampling: Sampling, until_end) -> tuple[int, int, int]:
    """One pass over the newest token and the draft of every text, a verdict for each, and what it adds to the text:
    (texts, tokens read, tokens added), the first fields of a Pass."""
    newest = torch.tensor([text.ids[-1:] for text in texts]).to(cached.device, non_blocking=True)
    drafts = [_moved(one, cached.device) for one in drafts]
    lines = [torch.cat([first, one.ids]) for first, one in zip(newest, drafts, strict=True)]
    counts, rows = torch.tensor([len(line) for line in lines]), torch.tensor([text.row for text in texts])
    logits = cached.append(pad_sequence(lines, batch_first=True), counts, rows)
    verdicts = [
        verdict_of(one.ids, one.probs, row[: len(one.ids) + 1], sampling, text.dice, False)
        for text, one, row in zip(texts, drafts, logits, strict=True)
    ]
    said = deque(torch.cat(verdicts).tolist())  # here the device is waited for, once for all
    emitted = 0
    for text, one in zip(texts, drafts, strict=True):
        accepted, damaged, *tokens = [said.popleft() for _ in range(len(one.ids) + 3)]
        if damaged:
            raise ValueError(DAMAGED)
        emitted += _add(text, len(one.ids), accepted, tokens[: accepted + 1], until_end)
    return len(texts), int(counts.sum()), emitted


def _moved(draft: Draft, device) -> Draft:
    return Draft(*(x if x is None else x.to(device, non_blocking=True) for x in (draft.ids, draft.probs)))


def _add(text: Text, drafted: int, accepted: int, tokens: list[int], until_end) -> int:
    """The tokens of a round, up to the end of the text; returns how many came to it."""
    tokens, ended = until_end(torch.tensor(text.ids), tokens)
    text.ids += tokens
    text.over = ended or len(text.ids) >= text.end
    trace = text.trace
    trace.rounds.append(Round(drafted, min(accepted, len(tokens)), len(tokens)))
    trace.target_calls, trace.draft_calls = trace.target_calls + 1, trace.draft_calls + drafted
    trace.seconds = time.perf_counter() - text.began
    return len(tokens)


def forget(cached, texts: list[Text]) -> None:
    """Takes back what was rejected, and empties the rows of texts that are over."""
    beyond = torch.zeros_like(cached.lengths)
    for text in texts:
        beyond[text.row] = max(0, int(cached.lengths[text.row]) - (len(text.ids) - 1))
    cached.rollback(beyond)
    for text in texts:
        if text.over:
            cached.clear(text.row)
