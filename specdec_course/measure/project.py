"""The final project: its budgets, its text, and what a drafter is worth on prompts that it has never seen.

Knows: how a drafter's numbers are packed and counted, how it is asked and clocked, how its text is compared with the
target's own. Does not know: whose drafter it is, where it runs, what a figure earns.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable
from itertools import chain, pairwise
from typing import NamedTuple

import torch

from ..corpora.atlas import articles
from ..decoding.engine import generate_rounds
from ..drafters.draft import Draft, Drafter
from ..sampling import Sampling
from .threads import torch_threads

BYTES = 1_500_000  # of the numbers that a drafter may have learned, and of the code that reads them
CODE = 30_000  # of these, those of the code
SECONDS = 60.0  # of processor time to learn them
MAKING = 2.0  # seconds to make a drafter for a text, on average
K = 6  # tokens of a draft, at most
STRAY = 2  # drafts, of all, that may by chance have taken long: a machine that stood still is no fault of theirs
ARTICLES, LENGTH = 1200, 512  # of the text to learn from; tokens of a piece of it
PROMPTS, PROMPT, NEW = 12, 48, 96  # hidden prompts, tokens of each, new tokens
AT_WORK = 0.1  # of the time in which nobody asks it, at which a drafter may be at work
NOISE = 0.01  # of the time in which nobody asks: what the processor does in a room that does nothing, amply
TIE = 1e-3  # logits so near that the sum over one token and the sum over several may put them in another order


class Trial(NamedTuple):
    """What was counted on some prompts: `tokens` written in `calls` of the target with the drafter; seconds of
    `drafting` in all, asked or not, and of one `step` of the target alone; how busy the drafter was while nobody asked
    it, as a share of that time (`aside`); the seconds that a drafter was in the `making`, on average; of each place in
    a draft (drafted, kept): `places`."""

    tokens: int
    calls: int
    drafting: float
    step: float
    aside: float
    making: float
    places: list[tuple[int, int]]

    @property
    def tokens_per_call(self) -> float:
        return self.tokens / self.calls

    @property
    def speedup(self) -> float:
        """Tokens per call, divided by what a call costs: 1 step of the target, and the drafting in such steps."""
        return self.tokens_per_call / (1 + self.drafting / self.calls / self.step)


@functools.cache
def classroom_pair():
    from ..models import load_pair

    return load_pair("classroom", device="cpu", say=lambda line: None)


def words() -> list[str]:
    """The text of each token, with the space in front where it has one."""
    tokenizer = classroom_pair().tokenizer
    return [tokenizer.decode([i]) for i in range(len(tokenizer))]


def training_texts() -> torch.Tensor:
    """What drafters learn from: ARTICLES of Atlas's training split, one after the other, LongTensor [N, LENGTH]."""
    return _training_texts(ARTICLES).clone()


@functools.cache
def _training_texts(count: int) -> torch.Tensor:
    ids = classroom_pair().tokenizer([*articles(0, count)], add_special_tokens=False)["input_ids"]
    text = torch.tensor([*chain.from_iterable(ids)])
    return text[: len(text) // LENGTH * LENGTH].view(-1, LENGTH)


def hidden_prompts(seed: int, split: str = "test") -> list[torch.Tensor]:
    """Beginnings of PROMPTS articles, each of another region of Atlas, LongTensor [PROMPT] each. The split "validation"
    is there to practise on."""
    tokenizer = classroom_pair().tokenizer
    texts = (next(articles(seed + i, 1, split)) for i in range(PROMPTS))
    return [torch.tensor(tokenizer.encode(text)[:PROMPT]) for text in texts]


def packed(state) -> bytes:
    """The numbers that a drafter has learned, as a file of safetensors would hold them: what does not go in is lost.

    Raises ValueError for anything but a dict of tensors by name.
    """
    from safetensors.torch import save

    if not isinstance(state, dict) or not state:
        raise ValueError(f"it is a {type(state).__name__}; expected a dict with at least one tensor, by name")
    plain = {}
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ValueError(f"it holds a {type(tensor).__name__} by the name {name!r:.40}; expected tensors by name")
    try:
        for name, tensor in state.items():
            plain[name] = tensor.detach().as_subclass(torch.Tensor).to("cpu").contiguous().clone()
        return save(plain)
    except Exception as error:  # sparse ones, complex ones, whatever torch will have next
        raise ValueError(f"safetensors cannot hold it ({str(error)[:200]})") from None


def unpacked(data: bytes) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    return load(data)


def practised(drafter, state: dict, prompts: int = 4, seed: int = 0) -> Trial:
    """What a drafter of a class like `drafters.project.ProjectDrafter` is worth on prompts to practise on, made of what
    its `train` returned. Other seeds, other prompts."""
    kept = packed(state)
    chosen = hidden_prompts(seed, "validation")[:prompts]
    return tried(classroom_pair().target, chosen, lambda: drafter(unpacked(kept)).propose)


def plain_drafter(made) -> Drafter:
    """A drafter of the project as `generate` takes one."""
    return Clocked(made.propose, lambda: 0.0, (0.0, 0.0), lambda answer, k: torch.as_tensor(answer).tolist())


class Clocked(Drafter):
    """Asks `propose(ids, k)` for ids, and counts what that takes, by the clock and of the processor, whichever is more.

    processor(): seconds that it has worked for the drafter so far, besides what a clock around a call sees. way:
    (seconds by the clock, of the processor) that are not the drafter's fault. read(answer, k): its ids as a list; it
    raises where they are none.
    """

    def __init__(self, propose: Callable, processor: Callable, way: tuple[float, float], read: Callable):
        self.bare, self.processor, self.way, self.read = propose, processor, way, read
        self.seconds: list[tuple[float, float]] = []  # of each draft, by the clock and of the processor
        self.by_clock = self.by_processor = 0.0

    def propose(self, ids, k, sampling=None, dice=None) -> Draft:
        clock, processor = time.perf_counter(), self.processor()
        answer = self.read(self.bare(ids.clone(), k), k)  # to be read, an answer may ask its maker once more
        clock, processor = time.perf_counter() - clock, self.processor() - processor
        self.seconds.append((clock - self.way[0], processor - self.way[1]))
        self.by_clock, self.by_processor = self.by_clock + clock, self.by_processor + processor
        return Draft(torch.tensor(answer, dtype=torch.long))


def tried(target, prompts: list, make: Callable, processor: Callable = lambda: 0.0,
          way: tuple[float, float] = (0.0, 0.0), read: Callable = lambda answer, k: answer.tolist()) -> Trial:
    """What a drafter is worth on prompts. Every text is also written by the target alone, beside it.

    Args:
        make: gives a new drafter for a text: a function (ids LongTensor [T], k) -> ids.
        processor, way, read: see `Clocked`.

    Raises ValueError where the text is not the target's own.
    """
    rounds, drafters, steps, making, away, aside = [], [], [], [], 0.0, 0.0
    with torch_threads(1):
        _written(target, prompts[0][:8], None, 0)  # the first text of a process is slower
        for prompt in prompts:
            clock, worked = time.perf_counter(), processor()
            drafters.append(Clocked(make(), processor, way, read))
            making.append(max(time.perf_counter() - clock, processor() - worked))
            clock, worked = time.perf_counter(), processor()
            own, _, seconds = _written(target, prompt, None, 0)
            text, done, _ = _written(target, prompt, drafters[-1], K)
            away += time.perf_counter() - clock - drafters[-1].by_clock
            aside += processor() - worked - drafters[-1].by_processor
            if not same_text(target, own, text):
                raise ValueError("with the drafter the target has written another text than by itself")
            rounds, steps = rounds + done, steps + seconds
            if aside > AT_WORK * away or sum(making) > len(prompts) * MAKING:
                break  # nothing counts any more: no use to wait for other texts
    places = [(sum(r.drafted > i for r in rounds), sum(r.accepted > i for r in rounds)) for i in range(K)]
    drafting, step = _without_strays([*chain(*(one.seconds for one in drafters))]), statistics.median(steps)
    drafting += max(0.0, aside - NOISE * away)
    return Trial(sum(r.emitted for r in rounds), len(rounds), drafting, step, aside / away,
                 sum(making) / len(making), places)


def _without_strays(seconds: list[tuple[float, float]]) -> float:
    """The sum of the seconds by the clock, of which the STRAY longest are as long as the next one; and of any draft at
    least what the processor worked for it: who stands still does not work."""
    by_clock = sorted(clock for clock, _ in seconds)
    longest = by_clock[-1 - STRAY] if len(by_clock) > STRAY else float("inf")
    return sum(max(0.0, min(clock, longest), processor) for clock, processor in seconds)


def _written(target, prompt, drafter, k: int):
    """(text, rounds, seconds of each round but the first, in which the prompt is read)."""
    how = dict(k=k, sampling=Sampling(temperature=0.0), max_new_tokens=NEW, eos_token_id=None)
    times, states = [], []
    for state in generate_rounds(target, prompt, drafter, **how):
        times.append(time.perf_counter())
        states.append(state)
    seconds = [later - before for before, later in pairwise(times)]
    return states[-1].tokens.clone(), states[-1].trace.rounds, seconds[1:]


def same_text(target, own: torch.Tensor, text: torch.Tensor) -> bool:
    """Whether two greedy texts are one, or part where the target's two best tokens are as good as equal: there the
    order in which sums are rounded decides, and what follows is the target's own as well."""
    apart = (own != text).nonzero() if len(own) == len(text) else [[0]]
    if len(apart) == 0:
        return True
    place = int(apart[0][0])
    if place == 0:
        return False
    with torch.inference_mode():
        logits = target(own[None, :place]).logits[0, -1].float()
    return bool((logits[own[place]] - logits[text[place]]).abs() < TIE and logits.max() - logits[own[place]] < TIE)
