"""How many tokens a decoding loop asks its drafter for, round by round.

Knows: what earlier rounds drafted, accepted and took. Does not know: models, drafters, how a round is run. Every
schedule decides before anything is drawn, from rounds that are over: the law of the text stays exact.
"""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from typing import Protocol

from ..trace import Round
from .adaptive import AcceptanceTracker, heuristic_schedule, optimal_stop


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

    A round with k drafted tokens takes about a + b k seconds (drafting and one more row to verify), a plain one t; both
    are fitted to the rounds that were run. The first rounds try several k for that, and so does a round now and then
    later: the text is the same, so trying costs little. Which k is chosen depends on measured times: where the text is
    sampled, the same seed may then give another text of the same law. Pass an int for a text that can be repeated.
    """

    PROBES = (4, 0, 1, 8, 16)

    def __init__(self, k_max: int = 16, probe_every: int = 48):
        self.k_max, self.probe_every, self.rounds = k_max, probe_every, 0
        self.places = [AcceptanceTracker(half_life=64) for _ in range(k_max)]
        self.times = defaultdict(lambda: deque(maxlen=15))
        self.first = set()

    def ask(self) -> int:
        unknown = [k for k in self.PROBES if k <= self.k_max and not self.times[k]]
        if unknown:
            return unknown[0]
        if self.rounds % self.probe_every == 0:
            return min(self.PROBES[self.rounds // self.probe_every % len(self.PROBES)], self.k_max)
        return self.best()

    def best(self) -> int:
        """What the marginal rule says of the acceptance and the times known so far."""
        a, b, plain = self.costs()
        return optimal_stop(self.survival(), b / plain, a / plain, 0.0)

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

    def costs(self) -> tuple[float, float, float]:
        """(a, b, t) in seconds: a drafted round takes a + b k, a plain one t. Of medians: a stray round is nothing."""
        medians = {k: statistics.median(seconds) for k, seconds in self.times.items() if seconds}
        drafted = {k: seconds for k, seconds in medians.items() if k > 0}
        fit = statistics.linear_regression(list(drafted), list(drafted.values()))
        slope = max(fit.slope, 0.0)
        return max(fit.intercept, 1e-9), slope, medians[0]

    def learn(self, round, seconds) -> None:
        self.rounds += 1
        for place in self.places[: round.accepted]:
            place.update(1, 0)
        cut = round.emitted == round.accepted  # by the end of the text: what follows was not rejected
        if round.accepted < min(round.drafted, self.k_max) and not cut:
            self.places[round.accepted].update(0, 1)
        if seconds is None:
            return
        if round.drafted in self.first:
            self.times[round.drafted].append(seconds)
        self.first.add(round.drafted)  # the first round of a length may compile or allocate: it does not count


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
