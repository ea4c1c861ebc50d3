"""Unit 01: the least time of a pass.

Knows: what the check of `roofline_latency` establishes and which mistakes it can name. Does not know: what a pass
computes and moves (forward).
"""

from __future__ import annotations

import math

from ..ask import ask, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..values import as_float

roofline_latency = Exercise(
    "roofline_latency",
    unit="01",
    points=1,
    difficulty=1,
    minutes=5,
    reference="specdec_course.theory:roofline_latency",
    lent=True,
    hints=(
        "A kitchen needs 10 minutes of cooking and 4 of carrying, and one person does each. When is dinner ready?",
        "Two divisions, flops / peak_flops and bytes / bandwidth, and the larger of the two.",
    ),
)


def _right_seconds(value, flops, read, peak, bandwidth) -> bool:
    truth = max(flops / peak, read / bandwidth)
    return abs(value - truth) <= 1e-6 * truth


UNITS = {1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds", 1e-3: "thousands of seconds"}


def _judge_seconds(answer: float, due: tuple) -> str | Wrong | None:
    asked, what = due
    if _right_seconds(answer, *asked):
        return None
    truth = max(asked[0] / asked[2], asked[1] / asked[3])
    for factor, unit in UNITS.items():
        if abs(answer - factor * truth) <= 1e-6 * factor * truth:
            return Wrong(f"Your times are in {unit}.", mistake="unit")
    return f"Wrong time for a pass that {what}: yours is {answer / truth:.3g} times the right one."


def _expect_seconds(student, rng, cases) -> None:
    """Asks about these passes in a drawn order."""
    ask(student, as_float, [(one, (one, what)) for one, what in cases], _judge_seconds, rng)


def _pass(rng, memory: bool) -> tuple:
    """A pass that waits ten times as long for memory as for arithmetic, or the other way round."""
    peak, bandwidth, seconds = uniform(1e13, 1e15, rng), uniform(1e11, 1e13, rng), uniform(0.001, 0.1, rng)
    return (0.1 * seconds * peak, seconds * bandwidth, peak, bandwidth) if memory else (
        seconds * peak, 0.1 * seconds * bandwidth, peak, bandwidth)


def _sparse(rng) -> tuple:
    """A pass of less than one operation for each byte."""
    read = uniform(1e9, 1e11, rng)
    return uniform(0.2, 0.9, rng) * read, read, uniform(1e14, 1e15, rng), uniform(1e11, 1e13, rng)


@roofline_latency.part("is right for a pass that waits for memory", rests_on="the longer of the two times")
def _(student, rng):
    cases = [(_pass(rng, True), "moves much and computes little") for _ in range(whole(3, 6, rng))]
    cases += [(_sparse(rng), "does less than one operation for each byte") for _ in range(2)]
    _expect_seconds(student, rng, cases)


@roofline_latency.part("is right for a pass that waits for arithmetic", rests_on="the longer of the two times")
def _(student, rng):
    _expect_seconds(student, rng, [(_pass(rng, False), "computes much and moves little")
                                   for _ in range(whole(3, 6, rng))])


@roofline_latency.part("is right where the two walls meet, and for whole numbers", rests_on=(
    "float, seconds: the longer of the two times"))
def _(student, rng):
    walls = [(whole(2, 9, rng), whole(100, 300, rng)) for _ in range(whole(1, 4, rng))]
    meet = [((n * m, m, n, 1), "needs as long for the one as for the other") for n, m in walls]
    _expect_seconds(student, rng, [*meet, ((1, 3, 2, 2), "is described in whole numbers"),
                                   ((7, 2, 2, 5), "is described in whole numbers")])


roofline_latency.mistake(
    "unit",
    "The unit is wrong: the contract asks for seconds. Operations divided by operations per second are seconds "
    "already, and so are bytes divided by bytes per second.",
)
roofline_latency.mistake(
    "flops_doubled",
    "Your time for the arithmetic is twice as long as it is. A multiply-add counts as two operations in `flops` "
    "already, and in the peak of a data sheet too: divide one by the other, and that is all.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: max(2 * flops / peak_flops, bytes / bandwidth),
)
roofline_latency.mistake(
    "flops_halved",
    "Your time for the arithmetic is half of what it is. `flops` and `peak_flops` count the same thing, operations: "
    "divide one by the other, and that is all.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: max(flops / peak_flops / 2, bytes / bandwidth),
)
roofline_latency.mistake(
    "bytes_doubled",
    "Your time for the memory is twice as long as it is. `bytes` are bytes already, not numbers of two bytes: divide "
    "them by the bandwidth, and that is all.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: max(flops / peak_flops, 2 * bytes / bandwidth),
)
roofline_latency.mistake(
    "sum",
    "You add the two times. Arithmetic and memory work at the same moment: while one block of weights is multiplied, "
    "the next is already on its way.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: flops / peak_flops + bytes / bandwidth,
)
roofline_latency.mistake(
    "minimum",
    "You return the shorter time. The pass is over when both are done.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: min(flops / peak_flops, bytes / bandwidth),
)
roofline_latency.mistake(
    "only_compute",
    "Only the arithmetic is counted. At one token per pass a model hardly computes: it reads.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: flops / peak_flops,
)
roofline_latency.mistake(
    "only_memory",
    "Only the memory is counted. With enough tokens in a pass the arithmetic takes longer.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: bytes / bandwidth,
)
roofline_latency.mistake(
    "swapped",
    "The operations are divided by the bandwidth. Check the units: operations / (operations per second) = seconds.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: max(flops / bandwidth, bytes / peak_flops),
)
roofline_latency.mistake(
    "rate",
    "You answer the rate that the pass reaches, in operations per second. Asked for is its time, in seconds: its "
    "operations divided by that rate.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: min(peak_flops, flops / bytes * bandwidth),
)
roofline_latency.mistake(
    "ridge_inverted",
    "You ask for too few operations for each byte before you call a pass one that computes. The two times are equal at "
    "peak_flops / bandwidth operations for each byte, not at bandwidth / peak_flops. (Who takes the larger of the two "
    "times needs no such bound.)",
    imitate=lambda flops, bytes, peak_flops, bandwidth: flops / peak_flops if flops > bytes * bandwidth / peak_flops
    else bytes / bandwidth,
)
roofline_latency.mistake(
    "larger_count",
    "You compare the number of operations with the number of bytes, and answer the time of the larger one. It is the "
    "two *times* that have to be compared: divide first.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: flops / peak_flops if flops > bytes else bytes / bandwidth,
)
roofline_latency.mistake(
    "whole_division",
    "You divide with //, which throws away the part of a second. A pass takes less than one: divide with /.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: max(flops // peak_flops, bytes // bandwidth),
)
roofline_latency.mistake(
    "upside_down",
    "Your divisions are upside down: operations per second over operations gives passes per second. Seconds are "
    "operations / (operations per second).",
    imitate=lambda flops, bytes, peak_flops, bandwidth: max(peak_flops / flops, bandwidth / bytes),
)
roofline_latency.mistake(
    "smooth",
    "You mix the two times into one that is longer than both (the root of the sum of squares). Neither waits for the "
    "other: the pass takes exactly the longer of the two.",
    imitate=lambda flops, bytes, peak_flops, bandwidth: math.hypot(flops / peak_flops, bytes / bandwidth),
)
