"""Knows which unit somebody means, by number (3, 03) or folder (03_greedy_verification), and nothing else of units."""

from __future__ import annotations

from collections.abc import Iterable


def is_meant(unit: str, said: str | None) -> bool:
    """Whether `said` means this unit; None means all."""
    return said is None or unit == said or unit[:2] == said.zfill(2)


def meant(said: str | None, known: Iterable[str]) -> list[str]:
    """The units that `said` means; ValueError if there is none."""
    known = sorted(known)
    found = [unit for unit in known if is_meant(unit, said)]
    if not found:
        raise ValueError(f"there is no unit {said!r}; there is: {', '.join(known)}")
    return found
