"""From the cells of a student's notebook to the steps in which it is run and judged.

Knows: where every exercise is judged, which cells have to run for that, what is worth a remark. Does not know: files,
how a cell is run, what is right.
"""

from __future__ import annotations

import builtins
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, replace

from .blank import written_names
from .code import asks_for_gpu, cost, plain_python
from .course import Release, Seen, same, see, see_code
from .formats import Cell
from .names import defined_in, names_of, only_imports, used_by_definitions

MOST_COST = 300_000  # characters of code that are looked into; a whole notebook of the course has 30,000
MOST_ANSWER = 100_000  # characters that are kept of an answer
MOST_OTHERS = 2  # further answers to an exercise that are judged
ALWAYS = frozenset(dir(builtins)) | {"get_ipython", "display", "__name__"}
RUNS = ("answer", "own")


@dataclass(frozen=True)
class Step:
    """One thing to do. `source`: code to run, plain Python, "" for a judgement. `exercise`: not None: judge it now, in
    the state that the notebook has here. `cell`: its index in the student's notebook, -1 if it has none. `role`:
    "provided" (unchanged from the release), "answer", "own" (anything else of the student's) or "judge". `others`: of a
    judgement, (where, cell, code) of what else is written for the exercise: it counts where it earns more. `calls`: the
    exercises that its answers call, each with the cell (from 1) in which it was defined once more after it was judged,
    or 0."""

    source: str
    exercise: str | None
    cell: int
    role: str
    others: tuple[tuple[str, int, str], ...] = ()
    calls: tuple[tuple[str, int], ...] = ()


def plan(cells: list[Cell], release: Release) -> tuple[tuple[Step, ...], list[str], dict[str, str]]:
    """(steps, remarks, exercise -> text of its answer) of a notebook. Every exercise is judged exactly once."""
    affordable = _affordable(cells)
    seen = [see(cell, release, analyse) for cell, analyse in zip(cells, affordable, strict=True)]
    remarks = _without_copies(seen, release, affordable) + _revive(seen, release, affordable)
    places = {}
    for exercise in release.exercises:
        places[exercise], more = _place(exercise, seen, release)
        remarks += more
    last = max(cell for cell, _ in places.values())
    templates = _templates_beside_answers(seen, release)
    running = [i for i, one in enumerate(seen[: last + 1]) if one.role in RUNS and i not in templates]
    before, added = _missing_setup(seen[: last + 1], running, release)
    chosen = {*running, *_needed(seen, running, places, last)}
    calls = _calls(seen, release)
    steps = [Step(source, None, -1, "provided") for source in before]
    for number in range(last + 1):
        if number in chosen:
            steps.append(Step(seen[number].plain.source, None, number, seen[number].role))
        here = [exercise for exercise in release.exercises if places[exercise][0] == number]
        for exercise in here:
            cell = number if places[exercise][1] else -1
            steps.append(Step("", exercise, cell, "judge", _others(exercise, seen, number),
                              _defined_since(calls[exercise], seen, places, number)))
    steps += [Step("", exercise, -1, "judge") for exercise in release.exercises if last < 0]  # a notebook without cells
    return tuple(steps), _of_cells(seen, running, release) + added + remarks, _answers(seen, release)


def _affordable(cells: list[Cell]) -> list[bool]:
    """Which cells are looked into: all of an honest notebook; the others are run as they are."""
    answer, left = [], MOST_COST
    for cell in cells:
        price = cost(cell.source) if cell.kind == "code" or defined_in(cell.source) else 0
        answer.append(price <= left)
        left -= price if price <= left else 0
    return answer


def _without_copies(seen: list[Seen], release: Release, affordable: list[bool]) -> list[str]:
    """One test cell per exercise stays one: the first that still is as it was, else the first. A copy into which the
    student wrote something is a cell like any other. Without nbgrader's mark, a `grade(...)` of its own will do."""
    remarks = []
    for exercise in release.exercises:
        marked = [i for i, one in enumerate(seen) if one.role == "test" and one.exercise == exercise]
        kept = [i for i in marked if same(seen[i].cell.source) == release.tests[exercise]]
        for i in marked:
            if i != (kept or marked)[0]:
                seen[i] = see_code(replace(seen[i].cell, grade_id=None), release, affordable[i])
        if len(marked) > 1:
            remarks.append(f"The test cell of {exercise} is there {len(marked)} times; the first one counts.")
        elif marked and not kept:
            remarks.append(f"The test cell of {exercise} was changed; the grader asks its own questions.")
        called = [i for i, one in enumerate(seen) if one.role == "check" and one.exercise == exercise]
        if not marked and called:
            seen[called[0]] = replace(seen[called[0]], role="test")
            remarks.append(f"The test cell of {exercise} had lost its mark; it was found by its text.")
    return remarks


def _revive(seen: list[Seen], release: Release, affordable: list[bool]) -> list[str]:
    """An answer that stands in no code cell, but in a text cell or in the test cell, is run as code."""
    missing = {name for name in release.exercises if not any(_defines(one, name) and not one.blank for one in seen)}
    remarks = []
    for i, one in enumerate(seen):
        if one.role not in ("text", "test") or not affordable[i] or not missing & defined_in(one.cell.source):
            continue
        mark = one.cell.grade_id if one.role == "text" else None
        again = see_code(replace(one.cell, kind="code", grade_id=mark), release)
        found = sorted(missing & again.names.defines)
        if found and again.plain.tree is not None and not again.blank:
            where = f"a {one.cell.kind} cell" if one.role == "text" else "its test cell"
            remarks.append(f"{', '.join(found)} stood in {where} (cell {i + 1}); it was run as code.")
            seen[i] = again
    return remarks


def _defines(one: Seen, exercise: str) -> bool:
    return one.role in RUNS and (exercise in one.names.binds or exercise in one.names.defines)


def _templates_beside_answers(seen: list[Seen], release: Release) -> set[int]:
    """Cells in which nothing is written, of exercises that are answered in a cell above: they would undo the answer."""
    written, found = set(), set()
    for i, one in enumerate(seen):
        if not one.blank:
            written |= {name for name in release.exercises if _defines(one, name)}
        elif one.role == "answer" and not one.names.imports and one.names.defines and one.names.defines <= written:
            found.add(i)
    return found


def _place(exercise: str, seen: list[Seen], release: Release) -> tuple[tuple[int, bool], list[str]]:
    """((after which cell an exercise is judged, whether anything of it is there), remarks)."""
    test = next((i for i, one in enumerate(seen) if one.role == "test" and one.exercise == exercise), None)
    defined = [i for i, one in enumerate(seen) if _defines(one, exercise)]
    answers = [i for i in defined if exercise in seen[i].names.defines] or defined
    written = [i for i in answers if not seen[i].blank]
    remarks = _of_copies(exercise, written, test) or _of_marks(exercise, seen)
    if test is None:
        if not answers:
            return (len(seen) - 1, False), [*remarks, f"No cell of {exercise} was found in the notebook."]
        return ((written or answers)[-1], True), [
            *remarks, f"The test cell of {exercise} was missing; it was judged after its answer."
        ]
    if defined and defined[0] > test:
        early = f"The test cell of {exercise} stands before its answer; it was judged after its answer."
        return ((written or answers)[-1], True), [*remarks, early]
    if written and written[0] > test:
        remarks.append(f"{exercise} is written below its test cell (in cell {written[-1] + 1}); it was judged there. "
                       "Move it up.")
        return (written[-1], True), remarks
    if not defined:
        remarks.append(f"No cell that defines {exercise} was found in the notebook.")
    return (test, True), remarks


def _of_copies(exercise: str, written: list[int], test: int | None) -> list[str]:
    if len(written) < 2:
        return []
    above = [i for i in written if test is None or i < test] or written
    cells = ", ".join(str(i + 1) for i in written[:6])
    return [f"{exercise} is written {len(written)} times (cells {cells}). The one in cell {above[-1] + 1} counts, as "
            "in the notebook; if it is not right, another one that earns more."]


def _of_marks(exercise: str, seen: list[Seen]) -> list[str]:
    """What is said where several cells carry an exercise's mark, and one of them answers it."""
    marked = [i for i, one in enumerate(seen) if one.cell.grade_id == exercise and one.role in RUNS and not one.blank]
    if len(marked) < 2:
        return []
    cells = ", ".join(str(i + 1) for i in marked[:6])
    return [f"The cell of {exercise} is there {len(marked)} times (cells {cells}); all were run, in their order."]


def _others(exercise: str, seen: list[Seen], place: int) -> tuple[tuple[str, int, str], ...]:
    """(where, cell, code) of what else than the last answer above `place` is written for an exercise, the nearest
    first."""
    defining = [i for i, one in enumerate(seen) if exercise in one.names.defines and not one.blank
                and one.role in RUNS]
    above = [i for i in defining if i <= place] or defining
    found = [(f"the other side of the merge conflict in cell {i + 1}", i, seen[i].plain.other) for i in above[-1:]]
    for i in sorted(defining, key=lambda i: abs(i - place)):
        found += [(f"the one in cell {i + 1}", i, text) for text in (seen[i].plain.source, seen[i].plain.other)]
    known, kept = {seen[i].plain.source.strip() for i in above[-1:]} | {""}, []
    for one in found:
        if one[2].strip() not in known:
            known.add(one[2].strip())
            kept.append(one)
    return tuple(kept[:MOST_OTHERS])


def _calls(seen: list[Seen], release: Release) -> dict[str, tuple[str, ...]]:
    """The exercises that each exercise's answers call, themselves or through other functions of the student's."""
    read: dict[str, frozenset[str]] = {}
    for one in seen:
        if one.role in RUNS and not one.blank:
            for name, used in used_by_definitions(one.plain).items():
                read[name] = read.get(name, frozenset()) | used
    found = {}
    for exercise in release.exercises:
        reached, waiting = set(), [exercise]
        while waiting:
            new = read.get(waiting.pop(), frozenset()) - reached
            reached |= new
            waiting += new
        found[exercise] = tuple(name for name in release.exercises if name in reached and name != exercise)
    return found


def _defined_since(called: tuple[str, ...], seen: list[Seen], places: dict, place: int) -> tuple[tuple[str, int], ...]:
    found = []
    for name in called:
        since = [i + 1 for i in range(places[name][0] + 1, place + 1)
                 if seen[i].role in RUNS and name in seen[i].names.binds]
        found.append((name, since[-1] if since else 0))
    return tuple(found)


def _needed(seen: list[Seen], running: list[int], places: dict, last: int) -> set[int]:
    """The provided cells without which a name would be missing in a cell that runs, or in a judgement."""
    imported = frozenset(name for one in seen for name in one.names.imports)
    binders: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(seen[: last + 1]):
        if one.role == "provided":
            for name in one.names.binds | (one.names.changes - imported):
                binders[name].append(i)
        elif one.role in RUNS:
            for name in one.names.surely:
                binders[name].append(i)
    always = [i for i, one in enumerate(seen[: last + 1]) if one.role == "provided" and only_imports(one.plain)]
    needed, waiting = set(always), [*running, *always]

    def need(i):
        if seen[i].role == "provided" and i not in needed:
            needed.add(i)
            waiting.append(i)

    def need_before(name, place):
        own = binders.get(name, [])
        for i in reversed(own[: bisect_left(own, place)]):
            need(i)
            if name in seen[i].names.surely:
                return

    for exercise, (place, _) in places.items():
        need_before(exercise, place)
    while waiting:
        i = waiting.pop()
        for name in seen[i].names.now | seen[i].names.later:
            need_before(name, i)
        for name in seen[i].names.later:  # a function is called further down, where such a name may be set by then
            own = binders.get(name, [])
            for j in own[bisect_left(own, i + 1) :]:
                need(j)
    return needed


def _missing_setup(seen: list[Seen], running: list[int], release: Release) -> tuple[list[str], list[str]]:
    """(cells of imports to run first, remarks): where names are used that no cell sets and the course's setup would."""
    bound = ALWAYS.union(*(one.names.binds for one in seen if one.role in (*RUNS, "provided")))
    used = frozenset().union(*(seen[i].names.now | seen[i].names.later for i in running))
    found = {source: names_of(plain_python(source)).binds & (used - bound) for source in release.setup}
    missing = sorted(frozenset().union(*found.values()))
    if not missing:
        return [], []
    names = ", ".join(missing[:6]) + (", ..." if len(missing) > 6 else "")
    remark = f"Imports of the course's first cell were missing ({names}); they were added."
    return [source for source, names in found.items() if names], [remark]


def _of_cells(seen: list[Seen], running: list[int], release: Release) -> list[str]:
    """What was changed in the student's own cells, cell by cell."""
    remarks = []
    for i in running:
        one = seen[i]
        notes = [note for note in one.plain.notes if note not in release.notes]
        if one.role == "answer" and asks_for_gpu(one.plain):
            notes.append(
                "it asks for a GPU, whether there is one or not; use the device of what the function is given."
            )
        remarks += [f"Cell {i + 1}: {note}" for note in notes]
    return remarks


def _answers(seen: list[Seen], release: Release) -> dict[str, str]:
    """The text of the cells that answer an exercise, without those in which nothing was written: the cells that define
    it, and those that bear its mark and define no other one."""
    found: dict[str, list[str]] = {}
    for one in seen:
        if one.role == "answer" and not one.blank:
            defined = one.names.defines & set(release.exercises) or {one.exercise}
            for exercise in written_names(one.plain.source, frozenset(defined)):
                found.setdefault(exercise, []).append(one.plain.source)
    return {name: "\n\n".join(found[name])[:MOST_ANSWER] for name in release.exercises if name in found}
