"""Hints on answers that are alike beyond what the exercise makes alike. Hints, never proof.

Knows: how to compare Python text whatever its names, comments and layout, and what to subtract. Does not know: marks,
who sat beside whom, which of two came first.

An answer becomes its k-grams: every run of K tokens, the names in it numbered in order of appearance. Grams do not
count that the course's own solution has, or more than a twentieth of the class: right answers are alike by nature. All
grams are kept, none is sampled away: a class is small, and what remains of a short function is little enough.

Being alike in one exercise means nothing, unless it is a large one. Two students are reported when they are alike in so
many that chance does not explain it: if one pair in 200 is alike in the first exercise and one in 200 in the second,
then in a class of 300 about one pair is alike in both by chance, and none is reported.
"""

from __future__ import annotations

import builtins
import inspect
import io
import keyword
import math
import tokenize
from collections import Counter, defaultdict
from difflib import SequenceMatcher

import numpy as np

from ... import checks
from ..outcome import COMPARED

K = 10  # tokens of a gram
COMMON = 3  # a gram counts if at most a twentieth of the class has it, or at most this many in a small class
ENOUGH = 25  # grams of its own that the shorter answer must have left: shorter ones are alike by chance
ALIKE = 0.7  # share of the shorter answer's own grams that the other has too
SEVERAL = 2  # exercises in which two students must be alike, at least,
CHANCE = 0.05  # with at most so many pairs in the class expected to be so by chance;
LONG = 120  # or one unbroken run of so many tokens,
LARGE = 300  # or an answer that has so many grams of its own: alike in most of these, two were not written apart
AGAIN = 20  # times that a gram may come within one answer

KEPT = {*dir(builtins), *keyword.kwlist, "torch", "np", "numpy", "math", "F", "itertools", "functools", "self"}
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
    tokenize.ENCODING,
}


def hints(records: list[dict], known: dict[str, list[str]] | None = None) -> list[dict]:
    """Pairs of students whose answers are alike, the most alike first.

    Args:
        records: the records of one unit, one per student.
        known: exercise -> sources that everybody has; the course's own solutions if not given.

    Returns:
        [{"students": [a, b], "exercises": [{"name", "share", "run"}]}]. `share` of the shorter answer's own grams
        stands in the other one too; `run` is the longest unbroken run of tokens that both have and few others.
    """
    students = [r["student"] for r in records]
    names = sorted({name for r in records for name in r.get("answers", {})})
    pairs = len(records) * (len(records) - 1) / 2
    alike, rate, plain = defaultdict(list), {}, set()
    for name in names:
        sources = [r.get("answers", {}).get(name, "") for r in records]
        pairs_here = alike_in(sources, _own_sources(name) if known is None else known.get(name, []))
        rate[name] = len(pairs_here) / pairs if pairs else 0.0
        for a, b, share, run, grams_left in pairs_here:
            alike[a, b].append({"name": name, "share": round(share, 4), "run": run})
            if run >= LONG or grams_left >= LARGE:
                plain.add((a, b))
    alike_pairs = [
        {"students": [students[a], students[b]], "exercises": found}
        for (a, b), found in alike.items()
        if _beyond_chance(pairs, [rate[x["name"]] for x in found]) or (a, b) in plain
    ]
    return sorted(alike_pairs, key=lambda hint: (-len(hint["exercises"]), -_runs(hint), hint["students"]))


def _beyond_chance(pairs: float, rates: list[float]) -> bool:
    """Whether hardly a pair of the class would be alike in all these exercises if they were independent."""
    return len(rates) >= SEVERAL and pairs * math.prod(rates) <= CHANCE


def _runs(hint: dict) -> int:
    return sum(x["run"] for x in hint["exercises"])


def _own_sources(name: str) -> list[str]:
    """The package's own solution of an exercise: students can read it, so having it in common says little."""
    known = checks.exercises().get(name)
    try:
        return [inspect.getsource(known.solution)] if known else []
    except (OSError, TypeError):
        return []


def tokens(source: str) -> list[str]:
    """The tokens that matter, with names of the author's own marked by a leading "$"; stops where it cannot be read."""
    found: list[str] = []
    at_start = True
    try:
        for token in tokenize.generate_tokens(io.StringIO(source[:COMPARED]).readline):
            if token.type in LAYOUT:
                at_start = at_start or token.type == tokenize.NEWLINE
                continue
            docstring, at_start = token.type == tokenize.STRING and at_start, False
            if docstring:
                continue
            if token.string in ")]}" and found[-1:] == [","]:
                found.pop()  # a trailing comma is layout
            found.append(_token(token, found[-1] if found else ""))
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass
    return found


def _token(token: tokenize.TokenInfo, before: str) -> str:
    if token.type == tokenize.STRING:
        return "''"
    mine = token.type == tokenize.NAME and before != "." and token.string not in KEPT
    return f"${token.string}" if mine else token.string


def grams(source: str) -> list[tuple]:
    """Every run of K tokens; names of the author's own are numbered by their order in the run."""
    found = tokens(source)
    return [_gram(found[start : start + K]) for start in range(len(found) - K + 1)]


def _gram(run: list[str]) -> tuple:
    order: dict[str, int] = {}
    return tuple(order.setdefault(token, len(order)) if token.startswith("$") else token for token in run)


def alike_in(sources: list[str], known: list[str]) -> list[tuple[int, int, float, int, int]]:
    """(a, b, share, run, grams that the shorter has left) of all pairs of answers to one exercise that are alike; a and
    b are indices into `sources`."""
    sequences = [grams(source) for source in sources]
    own = [set(sequence) for sequence in sequences]
    holders = defaultdict(list)
    for student, held in enumerate(own):
        for gram in held:
            holders[gram].append(student)
    answered = sum(bool(held) for held in own)
    limit = max(COMMON, answered // 20)
    ordinary = {gram for source in known for gram in grams(source)}
    ordinary |= {gram for gram, who in holders.items() if len(who) > limit}
    own = [held - ordinary for held in own]
    shared = [who for gram, who in holders.items() if gram not in ordinary and len(who) > 1]
    both = _shared_counts(len(sources), shared)
    sizes = np.array([len(held) for held in own])
    smaller = np.minimum.outer(sizes, sizes)
    a_all, b_all = np.nonzero(np.triu((smaller >= ENOUGH) & (both >= ALIKE * smaller), 1))
    return [
        (a, b, float(both[a, b] / n), _longest_run(sequences[a], sequences[b], ordinary), n)
        for a, b, n in zip(a_all.tolist(), b_all.tolist(), smaller[a_all, b_all].astype(int).tolist(), strict=True)
    ]


def _shared_counts(students: int, shared: list[list[int]]) -> np.ndarray:
    """[students, students] how many of the shared grams each pair has in common."""
    both = np.zeros((students, students))
    for start in range(0, len(shared), 4000):  # in pieces: memory stays small whatever is handed in
        piece = shared[start : start + 4000]
        held = np.zeros((students, len(piece)), dtype=np.float32)
        for column, who in enumerate(piece):
            held[who, column] = 1
        both += held @ held.T
    return both


def _longest_run(a: list[tuple], b: list[tuple], ordinary: set) -> int:
    """Tokens in the longest unbroken run that two answers share, not counting what is ordinary, nor what comes again
    and again within one answer: the search would take the square of that."""
    ordinary = ordinary | {gram for sequence in (a, b) for gram, n in Counter(sequence).items() if n > AGAIN}
    left = [gram if gram not in ordinary else ("a", place) for place, gram in enumerate(a)]
    right = [gram if gram not in ordinary else ("b", place) for place, gram in enumerate(b)]
    longest = SequenceMatcher(None, left, right, autojunk=False).find_longest_match().size
    return longest + K - 1 if longest else 0
