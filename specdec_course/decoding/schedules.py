"""How many tokens a decoding loop asks its drafter for, round by round.

Knows: what earlier rounds drafted, accepted and took. Does not know: models, drafters, how a round is run. Every
schedule decides before anything is drawn, from rounds that are over: the law of the text stays exact.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict, deque
from typing import Protocol

from ..trace import Round
from .adaptive import AcceptanceTracker, heuristic_schedule


class Schedule(Protocol):
    """Anything with `ask`, the draft length of the next round, and `learn`, which is told how a round went."""

    def ask(self) -> int: ...

    def learn(self, round: Round, seconds: float | None) -> None:
        """`seconds` of the whole round; None where they say nothing (the first round reads the prompt as well)."""
        ...


class Fixed:
    """Always k."""

    def __init__(self, k: int):
        if k < 0:
            raise ValueError(f"k is {k}; expected a draft length >= 0 (0 decodes plainly)")
        self.k = k

    def ask(self) -> int:
        return self.k

    def learn(self, round, seconds) -> None:
        pass


class Heuristic:
    """Two more after a round that was accepted in full, one less after a rejection (see `heuristic_schedule`)."""

    def __init__(self, k: int = 5, k_max: int = 16):
        self.k, self.k_max = k, k_max

    def ask(self) -> int:
        return self.k

    def learn(self, round, seconds) -> None:
        self.k = heuristic_schedule(self.k, round.accepted, round.drafted, self.k_max)


class CostModel:
    """The k with the most tokens per second, from the acceptance so far and the measured time of a round.

    A round with k drafted tokens takes about a + b k seconds: that line is fitted to all rounds. But an engine pads its
    passes to a few widths, and six tokens may cost what eight do: so a length's own times count too, the more the more
    there are. Where the line was too hopeful, the rounds that it led to say so. A machine is faster now and slower then
    by more than two lengths differ, and one of them may have been measured then: every time is divided by the pace, how
    long rounds take just now against what the same lengths took before. A length that seems worth it is tried now and
    then; the text is the same, so trying costs little. Which k is chosen depends on measured times: where the
    text is sampled, the same seed may then give another text of the same law. Pass an int for a text that can be
    repeated.
    """

    PROBES = (4, 0, 1, 8, 16)  # lengths to try; the first three before anything is known
    PULL = 3  # times of its own that a length needs to weigh as much as the line
    HOPE, WORTH = 0.95, 0.6  # of the best rate: what a length must promise to be tried, and to be tried once more

    def __init__(self, k_max: int = 16, probe_every: int = 24):
        self.k_max, self.probe_every, self.rounds = k_max, probe_every, 0
        self.places = [AcceptanceTracker(half_life=256) for _ in range(k_max)]
        self.times = defaultdict(lambda: deque(maxlen=45))  # in seconds at the pace of the beginning
        self.paces, self.tried = deque([1.0], maxlen=9), {}  # by length: the round that it was last asked for

    def ask(self) -> int:
        probes = [k for k in self.PROBES if k <= self.k_max]
        unknown = next((k for k in probes if k in self.PROBES[:3] and not self.times[k]), None)
        if unknown is not None:
            return unknown
        rates = self.rates()
        best = max(range(self.k_max + 1), key=rates.__getitem__)  # the smallest of equals
        hopes = [k for k in probes if not self.times[k] and rates[k] >= self.HOPE * rates[best]]
        if hopes or self.rounds % self.probe_every:
            return hopes[0] if hopes else best
        worth = [k for k in probes if self.times[k] and rates[k] >= self.WORTH * rates[best]]
        return min(worth, key=self.tried.__getitem__, default=best)  # the one that was tried longest ago

    def rates(self) -> list[float]:
        """Tokens per second with k = 0, 1, ... k_max, as far as is known."""
        tokens = itertools.accumulate(self.survival(), initial=1.0)
        return [tokens / seconds for tokens, seconds in zip(tokens, self.seconds(), strict=True)]

    def survival(self) -> list[float]:
        """Entry i: the chance that the first i + 1 drafted tokens are all accepted.

        Every place of the draft has an alpha of its own: easy text is easy for several tokens on end, so a guess behind
        three good ones is better than the first. A place that was seldom judged leans on the one before it.
        """
        alpha, chance, chances = 0.75, 1.0, []
        for place in self.places:
            place.prior = (4 * alpha, 4 * (1 - alpha))
            alpha = place.alpha
            chance *= alpha
            chances.append(chance)
        return chances

    def seconds(self) -> list[float]:
        """What a round takes with k = 0, 1, ... k_max. Of medians: a stray round is nothing."""
        known = {k: statistics.median(times) for k, times in self.times.items() if times}
        lengths = sorted(known.keys() - {0})
        slope, start = 0.0, known[lengths[0]]
        if len(lengths) > 1:
            slope, start = statistics.linear_regression(lengths, [known[k] for k in lengths])
        line = [known[0], *(max(start + max(slope, 0.0) * k, 1e-9) for k in range(1, self.k_max + 1))]
        weights = [len(self.times[k]) / (len(self.times[k]) + self.PULL) for k in range(self.k_max + 1)]
        return [(1 - w) * one + w * known.get(k, one) for k, (w, one) in enumerate(zip(weights, line, strict=True))]

    def learn(self, round, seconds) -> None:
        self.rounds += 1
        for place in self.places[: round.accepted]:
            place.update(1, 0)
        cut = round.emitted == round.accepted  # by the end of the text: what follows was not rejected
        if round.accepted < min(round.drafted, self.k_max) and not cut:
            self.places[round.accepted].update(0, 1)
        if seconds is None:
            return
        if round.drafted in self.tried:  # the first round of a length may compile or allocate: it does not count
            times = self.times[round.drafted]
            if times:
                self.paces.append(seconds / statistics.median(times))
            times.append(seconds / statistics.median(self.paces))
        self.tried[round.drafted] = self.rounds


NAMED = {"auto": CostModel, "heuristic": Heuristic}


def schedule_for(k, memory: dict) -> Schedule:
    """The schedule that `k` means: an int, "auto", "heuristic", or a Schedule as it is.

    memory: where "auto" is kept from one text to the next, so that what it measured is not measured again.
    """
    if isinstance(k, str):
        if k not in NAMED:
            raise ValueError(f'k is {k!r}; expected a whole number, {", ".join(map(repr, NAMED))} or a schedule')
        return memory.setdefault(k, NAMED[k]()) if k == "auto" else NAMED[k]()
    if hasattr(k, "ask"):
        return k
    if isinstance(k, bool) or int(k) != k:
        raise ValueError(f"k is {k!r}; expected a whole number, {', '.join(map(repr, NAMED))} or a schedule")
    return Fixed(int(k))
