"""What happened, round by round, and the two numbers that sum it up.

Knows: rounds, counts and times of one decoding. Does not know: models, tokens' text, how a round decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Round:
    """One target call: `drafted` tokens were sent to it, `accepted` of them were kept and emitted, and the round
    added `emitted` tokens in all (accepted ones, and usually one token of the target's own)."""

    drafted: int
    accepted: int
    emitted: int


@dataclass(frozen=True)
class Decoded:
    """What a decoding loop returns: `ids` LongTensor [T_prompt + T_new], and one Round per target call."""

    ids: torch.Tensor
    rounds: list[Round]


def tokens_per_call(rounds):
    """Tokens emitted per target call: the number that plain decoding has at exactly 1.

    Args:
        rounds: a list of Round.

    Returns:
        float, not rounded: the sum of `emitted` over the number of rounds; 0.0 without any round.
    """
    return sum(r.emitted for r in rounds) / len(rounds) if rounds else 0.0


def acceptance_rate(rounds):
    """The share of the drafted tokens that were kept.

    Args:
        rounds: a list of Round.

    Returns:
        float: the sum of `accepted` over the sum of `drafted`; 0.0 if nothing was drafted. Bonus and correction
        tokens are the target's own: they are not accepted tokens.
    """
    drafted = sum(r.drafted for r in rounds)
    return sum(r.accepted for r in rounds) / drafted if drafted else 0.0


@dataclass
class Trace:
    """The record of one `generate` call: rounds, calls and seconds (wall clock, the whole call)."""

    prompt_length: int
    rounds: list[Round] = field(default_factory=list)
    target_calls: int = 0
    draft_calls: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_call(self) -> float:
        return tokens_per_call(self.rounds)

    @property
    def acceptance_rate(self) -> float:
        return acceptance_rate(self.rounds)

    @property
    def new_tokens(self) -> int:
        return sum(r.emitted for r in self.rounds)

    @property
    def tokens_per_second(self) -> float:
        return self.new_tokens / self.seconds if self.seconds else 0.0


def labels(rounds) -> list[tuple[int, str]]:
    """For every emitted token its round (from 0) and whether it was "accepted", "corrected" or "bonus".

    A round's last token is the target's own unless the text was cut inside the accepted run; it is a bonus when
    everything drafted was accepted, a correction otherwise. A round that drafted nothing emits a "bonus".
    """
    labelled = []
    for number, r in enumerate(rounds):
        labelled += [(number, "accepted")] * r.accepted
        own = "bonus" if r.accepted == r.drafted else "corrected"
        labelled += [(number, own)] * (r.emitted - r.accepted)
    return labelled
