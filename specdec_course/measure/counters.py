"""What a serving engine counts of its own speculation, read from its page of metrics (Prometheus's text format).

Knows: the names that vLLM and SGLang give their counters, and which of our figures follow from them. Does not know: how
the page is fetched (server), what was asked of the engine meanwhile.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass

SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
POSITION = re.compile(r'(?:^|,)\s*position="(\d+)"')
VLLM, SGLANG = "vllm:spec_decode_num_", "sglang:"


@dataclass(frozen=True)
class Counted:
    """What was counted between two readings, over all that used the server.

    engine: "vLLM" or "SGLang". tokens: new tokens written. calls: passes of the target that checked a draft. accepted:
    drafted tokens that stayed. drafted: tokens that were checked; None if that is not known. places: how many drafts
    stayed up to their first token, their second, ...; empty if that is not known.
    """

    engine: str
    tokens: int
    calls: int
    accepted: int
    drafted: int | None
    places: tuple[int, ...] = ()

    @property
    def tokens_per_call(self) -> float:
        """Every pass adds what it accepts and one token of the target's own: so there were tokens - accepted passes.
        As ours, it counts those without a draft, too: the one that read the prompt, and where nobody had a guess."""
        passes = self.tokens - self.accepted
        return self.tokens / passes if passes > 0 else 0.0

    @property
    def tokens_per_draft(self) -> float:
        """Of the passes that checked a draft alone: what engines call the mean acceptance length."""
        return 1 + self.accepted / self.calls if self.calls else 0.0

    @property
    def acceptance_rate(self) -> float | None:
        """The share of the drafted tokens that stayed, 0.0 where nothing was drafted; None if it cannot be known."""
        if self.drafted is None:
            return None
        return self.accepted / self.drafted if self.drafted else 0.0


def samples(page: str) -> dict[tuple[str, int | None], float]:
    """{(name, place of a draft or None): value} of a page of metrics, summed over all other labels: an engine that runs
    as several processes has a line for each. What is no
    sample, or not finite, is left out."""
    found: dict[tuple[str, int | None], float] = {}
    for line in page.splitlines():
        sample = SAMPLE.match(line)
        if not sample:
            continue
        name, labels, value = sample.groups()
        place = POSITION.search(labels or "")
        key = name, int(place[1]) if place else None
        with suppress(ValueError):
            if math.isfinite(number := float(value)):
                found[key] = found.get(key, 0.0) + number
    return found


def counted(before: str | None, after: str | None) -> tuple[Counted | None, str]:
    """What was counted between two pages of metrics, and, where that is nothing, the reason in words ("" otherwise)."""
    if before is None or after is None:
        return None, "it has no page of metrics (for SGLang, start it with --enable-metrics)"
    first, last = samples(before), samples(after)
    grown = {key: round(value - first.get(key, 0.0)) for key, value in last.items()}
    for read in (_vllm, _sglang):
        found = read(grown, last)
        if found:
            if min(found.tokens, found.calls, found.accepted, found.drafted or 0, *found.places) < 0:
                return None, "its counters went back: it was started anew meanwhile"
            return found, ""
    return None, "its metrics do not count drafts: it does not speculate, or counts under names that are not known here"


def _vllm(grown, last) -> Counted | None:
    """vLLM has these counters only where it speculates, and counts a draft when it is checked, if it is not empty."""
    names = [f"{VLLM}{one}_total" for one in ("drafts", "draft_tokens", "accepted_tokens", "accepted_tokens_per_pos")]
    if (names[0], None) not in last:
        return None
    calls, drafted, accepted = (grown.get((name, None), 0) for name in names[:3])
    places = sorted((place, n) for (name, place), n in grown.items() if name == names[3] and place is not None)
    tokens = grown.get(("vllm:generation_tokens_total", None), 0)
    return Counted("vLLM", tokens, calls, accepted, drafted, tuple(n for _, n in places))


def _sglang(grown, last) -> Counted | None:
    """SGLang counts tokens, passes that checked a draft and requests, whose first tokens come of reading the prompts.
    How long its drafts are, with the token in front of them, is a gauge."""
    names = [f"{SGLANG}{one}_total" for one in ("generation_tokens", "spec_verify_calls", "num_requests")]
    if (names[1], None) not in last:
        return None
    tokens, calls, requests = (grown.get((name, None), 0) for name in names)
    length = last.get((f"{SGLANG}spec_num_draft_tokens", None), 0.0) - 1
    drafted = round(calls * length) if length > 0 else None
    return Counted("SGLang", tokens, calls, tokens - requests - calls, drafted)
