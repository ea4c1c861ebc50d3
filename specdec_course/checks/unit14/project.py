"""The final project: a drafter is trained, what it has learned is carried to where nothing else of the training is
left, and there it drafts for prompts that nobody has seen.

Knows: the scale, the budgets, in which order things happen, what is said of them. Does not know: how a drafter works,
where it runs (surroundings), how it is clocked (measure.project).
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import NamedTuple

import torch

from ...measure import project
from ...measure.threads import torch_threads
from .. import guard, surroundings, values
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject

ProjectDrafter = Exercise(
    "ProjectDrafter", unit="14", points=10, difficulty=5, minutes=240,
    reference="specdec_course.drafters.project:ProjectDrafter",
    seconds=2 * project.SECONDS,
    hints=(
        "What does each way of guessing know that the others do not? A table knows how sentences go on; the text "
        "itself knows its names and years. Which of them is heard may change from token to token. And what would a "
        "table know that took all names for one word?",
        "Count what follows 1, 2, ... tokens, each name and each number replaced by one sign. A longer context is "
        "worth a row of the table only where it guesses better than the shorter one: count how many tokens it puts "
        "right, and keep the rows that put most right. In `propose` choose for each token: the longest match in the "
        "text, or the table, whichever is right more often.",
    ),
)  # fmt: skip
TOKENS = ((1.3, 1), (1.6, 2), (2.0, 3), (2.3, 1))  # at least so many tokens per call: so many points
SPEEDUP = ((1.3, 1), (1.6, 1), (1.9, 1))  # the same for the cost-adjusted speed-up
PAYS = 1.0  # a speed-up below which nothing counts
ASKED = 30  # times for nothing, to know what asking takes
MARGIN = 0.97  # of a bar that is enough: prompts differ, and so do clocks


class Found(NamedTuple):
    """What a drafter is worth; `per_call`: tokens per call of the target."""

    per_call: float
    speedup: float
    bytes: int
    seconds: float
    prompts: int

    def sentence(self) -> str:
        return (f"On {self.prompts} hidden prompts: {self.per_call:.2f} tokens per call, cost-adjusted speed-up "
                f"{self.speedup:.2f}, {self.bytes:,} bytes, {self.seconds:.0f} s of training.")


_newest: dict = {}  # what was found of the function that is being judged: one training serves all parts


@ProjectDrafter.part("keeps to the budgets, and the text is the target's own", weight=0, rests_on=(
    "at most 1,500,000 bytes", "at most 30,000 of them code", "60 seconds of processor time", "2 seconds to be made",
    "a draft of at most k tokens"))
def _(student, rng):
    _newest.clear()
    try:
        found = _measured(student, int(torch.randint(1 << 30, (), generator=rng)))
    except Wrong as wrong:
        _newest.update(of=student.function, found=wrong)
        raise
    _newest.update(of=student.function, found=found)
    student.seen.figures = {name: round(value, 4) for name, value in found._asdict().items()}
    student.remark(found.sentence())


def _expect(figure: str, said: str, least: float, student, rng) -> None:
    found = _newest.get("found") if _newest.get("of") is student.function else None
    if isinstance(found, Wrong):
        raise found
    if found is None:
        raise Wrong("Your drafter could not be measured.")
    if getattr(found, figure) < MARGIN * least:
        raise Wrong(f"{found.sentence()} The next bar is {said}.")


for _least, _points in TOKENS:
    _said = f"at least {_least} tokens per call"
    ProjectDrafter.part(_said, _points, _said)(partial(_expect, "per_call", _said, _least))
for _least, _points in SPEEDUP:
    _said = f"a cost-adjusted speed-up of at least {_least}"
    ProjectDrafter.part(_said, _points, _said)(partial(_expect, "speedup", _said, _least))


def _measured(student: Subject, seed: int) -> Found:
    with torch_threads(1):
        state, seconds = _trained(student)
        data = _packed(state)
        function, code = surroundings.renewed(student.function)
        size = len(data) + code
        if code > project.CODE:
            raise Wrong(f"Your cells have {code:,} bytes of code, and {project.CODE:,} are there. What your drafter "
                        "knows it learns in `train`. Leave out what is not needed: experiments, long texts.")
        if size > project.BYTES:
            raise Wrong(f"Your drafter has {len(data):,} bytes of numbers and {code:,} bytes of code; {project.BYTES:,}"
                        " are there for both together. Fewer numbers, or smaller ones: int16, int8, float16.")
        with surroundings.of(function):
            trial = _tried(Subject(function, student.exercise), project.unpacked(data), seed)
    _expect_worth(trial)
    return Found(trial.tokens_per_call, trial.speedup, size, seconds, project.PROMPTS)


def _expect_worth(trial: project.Trial) -> None:
    """Wrong for a drafter that works while nobody asks it, or that costs more than it brings."""
    if trial.aside > project.AT_WORK:
        raise Wrong(f"Your drafter works on while nobody asks it: for {trial.aside:.0%} of the target's time. All its "
                    "work has to be done in `train`, in `__init__` and in `propose`.")
    if trial.making > project.MAKING:
        raise Wrong(f"`__init__` takes {trial.making:.1f} seconds for a text on average, and {project.MAKING:g} are "
                    "there. What takes long belongs into `train`.")
    cost = trial.drafting / trial.calls / trial.step
    if not any(drafted for drafted, _ in trial.places):
        raise Wrong("Your drafter guesses nothing: every draft is empty, and the target writes one token per call.")
    if trial.tokens == trial.calls:
        raise Wrong("None of the tokens that your drafter guessed is one that the target writes: 1.00 tokens per call. "
                    "Does the draft go on behind the last of the ids?")
    if trial.speedup < MARGIN * PAYS:
        raise Wrong(f"Your drafter costs too much: {trial.tokens_per_call:.2f} tokens per call, and drafting for one "
                    f"takes {cost:.2f} steps of the target. The cost-adjusted speed-up is {trial.speedup:.2f}; nothing "
                    f"counts below {PAYS:g}.")


def _trained(student: Subject) -> tuple[object, float]:
    """(what `train` returns, the processor seconds that it took)."""
    train = getattr(student.function, "train", None)
    if not callable(train):
        student._guarded(({},), {})  # a stub says so itself
        raise Wrong("Your class has no static method `train`.")
    given, kept = (project.training_texts(), project.words(), project.SECONDS), []
    too_long = f"{project.SECONDS:g} seconds are there. Look at a clock, time.process_time(), in its loop."
    try:
        took = surroundings.seconds(lambda: kept.append(student.method(train)._guarded(given, {})))
    except guard.OutOfTime:
        raise Wrong(f"`train` was stopped: it takes more than twice its time. {too_long}") from None
    if took > 1.1 * project.SECONDS:
        raise Wrong(f"`train` took {took:.1f} seconds of processor time. {too_long}")
    return kept[0], took


def _packed(state) -> bytes:
    try:
        return project.packed(state)
    except ValueError as error:
        raise Wrong(f"What `train` returned cannot be kept: {error}.") from None


def _tried(student: Subject, state: dict, seed: int) -> project.Trial:
    pair = project.classroom_pair()
    vocabulary = pair.target.config.vocab_size

    def make():
        made = student._guarded((values.copies(state),), {})
        try:
            propose = student.method(made.propose)
        except AttributeError:
            raise Wrong("Your class has no method `propose`.") from None
        return lambda ids, k: propose._guarded((ids, k), {})

    def read(answer, k):
        ids = values.as_ids(answer)
        if len(ids) > k:
            raise Wrong(f"`propose` answered {len(ids)} ids, and k was {k}: a draft has at most k tokens.")
        if any(not 0 <= one < vocabulary for one in ids):
            raise Wrong(f"`propose` answered an id that is none: ids go from 0 to {vocabulary - 1}.")
        return ids

    way = _way(student.exercise)
    try:
        return project.tried(pair.target, project.hidden_prompts(seed), make, surroundings.processor, way, read)
    except ValueError as error:
        raise Wrong(f"The text is not the target's own: {error}.") from None


def _way(exercise) -> tuple[float, float]:
    """What it takes to ask and to be answered, by the clock and by the processor: no fault of a drafter's."""
    given, taken = (torch.zeros(project.PROMPT + project.NEW // 2, dtype=torch.long), project.K), []
    nothing = Subject(lambda ids, k: ids[:0], exercise)
    for _ in range(ASKED):
        began = time.perf_counter()
        nothing._guarded(given, {})
        taken.append(time.perf_counter() - began)
    clock, processor = surroundings.way(*given)
    return clock + statistics.median(taken), processor


ProjectDrafter.help(r"train\(\) (missing|takes)", "`train` is asked as ProjectDrafter.train(texts, words, seconds): it "
                    "stands below @staticmethod, and takes no `self`.")
