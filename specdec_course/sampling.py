"""From logits to a token: the distribution a model is sampled from, and the randomness that draws from it.

Knows: processors, temperature and filters, one small source of randomness (`Dice`), and how to turn any procedure that
takes its randomness from a `Dice` into its exact law (`exact_law`). Does not know: models, caches, drafts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields

import torch


@dataclass(frozen=True, repr=False)
class Sampling:
    """How the next token is chosen: processors, temperature, top_k, top_p, min_p, which apply in this order, as in
    transformers. To target and draft alike: then p and q are the distributions that are really used.

    temperature: 0 is greedy. top_k, top_p, min_p: None means "no filter". min_p keeps the tokens that are at
        least min_p times as probable as the likeliest (Nguyen et al. 2024, "Turning up the heat").
    processors: functions (input_ids LongTensor [1, T], scores FloatTensor [1, V]) -> scores [1, V], for instance a
        LogitsProcessorList of transformers. Each is given the text before the token in question, prompt included,
        and logits in float32, as the one before it left them. A model that drafts asks about every token of its draft,
        kept or not; the target once about every new token. So a processor has to go by its two arguments: one that
        counts its calls, or keeps a state of the text, is right only where no model drafts.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    processors: tuple[Callable, ...] = field(default=(), hash=False)

    def __post_init__(self):
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature is {self.temperature}; expected a finite number >= 0 (0 means greedy)")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; expected an integer >= 1, or None for no filter")
        for name in ("top_p", "min_p"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name} is {share}; expected a number between 0 and 1, or None for no filter")
        if not isinstance(self.processors, (list, tuple)) or not all(map(callable, self.processors)):
            raise ValueError(
                f"processors is {self.processors!r}; expected a list of functions (input_ids, scores) -> scores, as "
                "the logits processors of transformers are"
            )
        object.__setattr__(self, "processors", tuple(self.processors))

    def __repr__(self) -> str:
        unusual = [f for f in fields(self) if f.name == "temperature" or getattr(self, f.name) != f.default]
        return f"Sampling({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in unusual)})"

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits [..., V] -> the probabilities [..., V] that a token is drawn from. `processed` comes before."""
        if 0 < self.temperature < 1e-3:  # the quotient may overflow: then all are shifted to 0 and below first
            logits = logits - logits.amax(-1, keepdim=True)
        probs = next_token_distribution(logits, self.temperature, self.top_k, self.top_p)
        if not self.min_p:
            return probs
        probs = probs.masked_fill(probs < self.min_p * probs.amax(-1, keepdim=True), 0.0)
        return probs / probs.sum(-1, keepdim=True)

    def processed(self, text: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """What the processors make of the logits FloatTensor [V] of the token that follows `text` LongTensor [T]."""
        scores = logits[None].to(torch.float32, copy=True)  # they may write into it
        return through(self.processors, text.to(logits.device)[None], scores)[0]


def through(processors, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Scores FloatTensor [1, V] after one processor after the other; ValueError where one returns something else."""
    for processor in processors:
        shape, scores = scores.shape, processor(input_ids, scores)
        if not torch.is_tensor(scores) or scores.shape != shape:
            got = f"a tensor of shape {list(scores.shape)}" if torch.is_tensor(scores) else type(scores).__name__
            name = getattr(processor, "__name__", type(processor).__name__)
            raise ValueError(f"the processor {name} returned {got}; expected the scores, FloatTensor {list(shape)}")
    return scores


def next_token_distribution(logits, temperature, top_k=None, top_p=None):
    """The distribution that the next token is drawn from.

    They apply in this order, each to what the one before has left: temperature, top_k, top_p. After each filter the
    rest is scaled to sum to 1 again, so top_p looks at shares of what top_k has kept.

    Args:
        logits: FloatTensor [..., V], one row per position. It is not changed.
        temperature: divides the logits, however small it is. 0 means greedy: all probability on the largest logit
            (the first, on a tie), whatever the filters are.
        top_k: keep the k most probable tokens; None keeps all, and so does a top_k above V. Tokens that tie with the
            k-th may stay or go.
        top_p: keep the most probable tokens until their probabilities reach top_p. The token that crosses the
            threshold stays; top_p = 0 keeps just the first. None keeps all. Where a sum equals top_p to the last bit,
            round-off may decide about one token more. Of tokens that tie with the one that crosses, as many stay as
            are needed, whichever, or all of them.

    Returns:
        FloatTensor [..., V]: every row sums to 1, filtered tokens have probability 0.

    Source: top-p is nucleus sampling (Holtzman et al. 2020).
    """
    vocab_size = logits.shape[-1]
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), vocab_size).to(logits.dtype)
    probs = torch.softmax(logits / temperature, dim=-1)
    if top_k is not None:
        kth = probs.topk(min(top_k, vocab_size), dim=-1).values[..., -1:]
        probs = probs.masked_fill(probs < kth, 0.0)
        probs = probs / probs.sum(-1, keepdim=True)
    if top_p is not None:
        ordered, order = probs.sort(dim=-1, descending=True, stable=True)
        ahead = ordered.cumsum(-1) - ordered  # mass in front of each token: the one that crosses top_p still stays
        keep = ahead < top_p
        keep[..., 0] = True
        probs = probs * torch.zeros_like(probs).scatter(-1, order, keep.to(probs.dtype))
    return probs / probs.sum(-1, keepdim=True)


class Dice:
    """All the randomness of verification: `flip` a biased coin, `roll` a loaded die.

    Because a procedure can be handed another Dice, `exact_law` can replay it down every branch. `Dice(generator)`
    draws with a torch.Generator; without one it makes its own, seeded 0.
    """

    def __init__(self, generator: torch.Generator | None = None):
        self.generator = torch.Generator().manual_seed(0) if generator is None else generator

    def flip(self, probability) -> bool:
        """True with the given probability (float or 0-d tensor). Anything above 1 counts as 1."""
        return self._flip(_coin(probability))

    def roll(self, probabilities) -> int:
        """An index drawn from `probabilities` (FloatTensor [V], summing to 1 up to round-off; else ValueError)."""
        return self._roll(_die(probabilities))

    def flips(self, probabilities: torch.Tensor) -> torch.Tensor:
        """One independent flip per entry: FloatTensor [k] -> BoolTensor [k], in one draw, left on the device."""
        return self.numbers(len(probabilities), probabilities.device) < probabilities

    def draw(self, probabilities: torch.Tensor) -> torch.Tensor:
        """`roll` for the decoding loop: FloatTensor [V] -> LongTensor [1], unchecked and left on the device.

        Turns one uniform number into a token: the first whose cumulated probability is above it. In float64, where the
        round-off of 150,000 sums is of no account; a token of probability 0 is never the first.
        """
        heights = probabilities.double().cumsum(-1)
        place = torch.searchsorted(heights, self.numbers(1, probabilities.device) * heights[-1:], right=True)
        return place.clamp(max=len(probabilities) - 1)

    def numbers(self, n: int, device) -> torch.Tensor:
        """n independent uniform numbers in [0, 1), float64."""
        numbers = torch.rand(n, generator=self.generator, dtype=torch.float64, device=self.generator.device)
        return numbers.to(device)

    def _flip(self, probability: float) -> bool:
        at = self.generator.device
        return torch.rand((), generator=self.generator, dtype=torch.float64, device=at).item() < probability

    def _roll(self, probabilities: torch.Tensor) -> int:
        return int(torch.multinomial(probabilities.to(self.generator.device), 1, generator=self.generator))


class PredrawnDice(Dice):
    """A Dice whose numbers were drawn beforehand: FloatTensor [n] in [0, 1), each used once. A captured graph draws
    nothing itself; it is given fresh numbers at every replay."""

    def __init__(self, numbers: torch.Tensor):
        self.rest = numbers

    def numbers(self, n: int, device) -> torch.Tensor:
        taken, self.rest = self.rest[:n], self.rest[n:]
        return taken


def _coin(probability) -> float:
    value = float(probability)
    if math.isnan(value) or value < -1e-6:
        raise ValueError(
            f"dice.flip got {value}; expected a probability between 0 and 1. A NaN usually comes from 0/0: is a "
            "probability divided by q where q is 0?"
        )
    return min(max(value, 0.0), 1.0)


def _die(probabilities) -> torch.Tensor:
    weights = torch.as_tensor(probabilities).detach().double().cpu()
    if weights.dim() != 1 or len(weights) == 0:
        raise ValueError(
            f"dice.roll got a tensor of shape {tuple(weights.shape)}; expected one row of probabilities, shape [V]"
        )
    total = float(weights.sum())
    if math.isnan(total) or float(weights.min()) < -1e-6 or abs(total - 1) > 1e-5:
        raise ValueError(
            f"dice.roll got numbers that sum to {total:.6g} with smallest {float(weights.min()):.3g}; expected "
            "probabilities >= 0 that sum to 1: normalise before rolling"
        )
    return weights.clamp(min=0) / weights.clamp(min=0).sum()


class _Replay(Dice):
    """A Dice that follows a script of outcomes, then takes the first possible branch and notes the others."""

    def __init__(self, script: tuple[int, ...]):
        self.script = script
        self.taken: list[int] = []
        self.untaken: list[tuple[int, ...]] = []
        self.probability = 1.0

    def _choose(self, weights: list[float]) -> int:
        possible = [i for i, weight in enumerate(weights) if weight > 0]
        if len(self.taken) < len(self.script):
            choice = self.script[len(self.taken)]
            if choice not in possible:
                raise ValueError("the procedure did not repeat itself: it must take all its randomness from the dice")
        else:
            choice = possible[0]
            self.untaken += [(*self.taken, other) for other in possible[1:]]
        self.taken.append(choice)
        self.probability *= weights[choice]
        return choice

    def _flip(self, probability: float) -> bool:
        return self._choose([1.0 - probability, probability]) == 1

    def _roll(self, probabilities: torch.Tensor) -> int:
        return self._choose(probabilities.tolist())

    def flips(self, probabilities: torch.Tensor) -> torch.Tensor:
        return torch.tensor([self.flip(p) for p in probabilities], dtype=torch.bool)

    def draw(self, probabilities: torch.Tensor) -> torch.Tensor:
        return torch.tensor([self.roll(probabilities)])


def exact_law(procedure: Callable[[Dice], object], limit: int = 100_000) -> dict[Hashable, float]:
    """The exact distribution of what `procedure(dice)` returns: {outcome: probability}, no sampling involved.

    The procedure is replayed once for every branch that its flips and rolls can take, and the probabilities along
    the branch are multiplied. It must be deterministic apart from the dice.

    Args:
        procedure: called with a Dice; returns a tensor, array, list or tuple (which become tuples) or a scalar.
        limit: the largest number of branches followed; ValueError beyond it (an endless loop, usually).
    """
    law: dict[Hashable, float] = defaultdict(float)
    pending: list[tuple[int, ...]] = [()]
    for _ in range(limit):
        if not pending:
            return dict(law)
        dice = _Replay(pending.pop())
        outcome = procedure(dice)
        if len(dice.taken) < len(dice.script):
            raise ValueError("the procedure did not repeat itself: it must take all its randomness from the dice")
        law[_as_key(outcome)] += dice.probability
        pending += dice.untaken
    raise ValueError(f"more than {limit} branches: use a smaller vocabulary or fewer draws")


def _as_key(outcome) -> Hashable:
    if hasattr(outcome, "tolist"):
        outcome = outcome.tolist()
    if isinstance(outcome, (list, tuple)):
        return tuple(_as_key(item) for item in outcome)
    return outcome
