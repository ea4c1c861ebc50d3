"""Unit 01: how one call is timed.

Knows: what the check of `time_call` establishes and which mistakes it can name. Does not know: the scripted device's
insides (see stages.clocks).
"""

from __future__ import annotations

import time

import numpy as np

from ..ask import uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..stages.clocks import MS, SLACK, Device

time_call = Exercise(
    "time_call",
    unit="01",
    points=3,
    difficulty=2,
    minutes=15,
    reference="specdec_course.measure.clocks:time_call",
    lent=True,
    largest=10_000,
    hints=(
        "A stopwatch is honest if nothing is running when it starts and nothing is running when it stops. Which line "
        "of yours makes sure of the first, which of the second? And which calls should nobody hold a watch to?",
        "First `warmup` calls and one barrier. Then, `repeats` times: start = time.perf_counter(); fn(); barrier; "
        "append the difference. With synchronize=None the barrier is nothing at all.",
    ),
)


def _costs(repeats, rng) -> list[float]:
    """What the timed calls cost. Up and down, so that in any other order of them, and in any shift by up to three
    calls, some time is shorter by a third than its call, even where a sleep lasts longer than it was asked to."""
    return [c * uniform(0.95, 1.05, rng) * MS for c in (2, 4, 8, 5, 2.5, 6)[:repeats]]


@time_call.part("calls fn warmup + repeats times, and leaves the warm-up out of the result", rests_on=(
    "It is called exactly warmup + repeats times", "one number per timed call, in the order of the calls"))
def _(student, rng):
    repeats, warmup = whole(4, 6, rng), whole(2, 3, rng)
    costs = [12 * MS] * warmup + _costs(repeats, rng)
    device = Device(costs, asynchronous=False)
    seconds = student.array(device.call, repeats=repeats, warmup=warmup).reshape(-1)
    ended, called = time.perf_counter(), len(device.calls)
    if (called, len(seconds)) in [(repeats, repeats), (warmup + repeats, warmup + repeats)]:
        raise Wrong(
            f"With warmup={warmup} and repeats={repeats}, fn was called {called} times and {len(seconds)} times came "
            "back: the slow first calls are among them.",
            mistake="warmup_counted",
        )
    _none_dropped(device, warmup, seconds, ended)
    if called != warmup + repeats:
        raise Wrong(f"With warmup={warmup} and repeats={repeats}, fn was called {called} times.")
    _one_time_per_repeat(seconds, repeats)
    _inside_bounds(device, device.calls[-repeats:], seconds, ended)


@time_call.part("works without a barrier and with the default numbers", weight=0.5, rests_on=(
    "None: fn has finished when it returns", "repeats=20, warmup=3, synchronize=None", "May be 0"))
def _(student, rng):
    device = Device([2 * MS] * 3 + [0.3 * MS, 1.2 * MS] * 10, asynchronous=False)
    seconds = student.array(device.call).reshape(-1)
    if len(seconds) != 20 or len(device.calls) != 23:
        raise Wrong(
            f"Called as time_call(fn), it called fn {len(device.calls)} times and returned {len(seconds)} times. The "
            "signature says what repeats and warmup are when nobody names them."
        )
    _inside_bounds(device, device.calls[-20:], seconds, time.perf_counter())
    once = student.array(device.call, repeats=1, warmup=0).reshape(-1)
    if len(once) != 1 or len(device.calls) != 24:
        raise Wrong("repeats=1 with warmup=0 is one call and one time.")


@time_call.part("stops the clock when the work of an asynchronous device is done", weight=1.5, rests_on=(
    "There has to be a barrier before the clock starts", "and one before it stops"))
def _(student, rng):
    device, seconds, timed, ended = _asynchronous(student, rng, warmup=whole(1, 3, rng))
    barriers = [event for event in device.events if event.kind == "barrier"]
    if not barriers:
        raise Wrong("synchronize was never called.", mistake="no_synchronisation")
    for call in timed[1:]:
        if call.queued:
            raise Wrong("A timed call began while the one before it was still unfinished.", mistake="no_barrier_after")
    if device.queue:
        raise Wrong("When your function returned, the last call was still unfinished.", mistake="no_barrier_after")
    _inside_bounds(device, timed, seconds, ended, only_short=True)


@time_call.part("starts the clock when an asynchronous device is idle", weight=1.5,
                rests_on="There has to be a barrier before the clock starts (whatever was queued earlier is not ours)")
def _(student, rng):
    for warmup, backlog in ((2, 0.0), (0, 9 * MS)):
        device, seconds, timed, ended = _asynchronous(student, rng, warmup, backlog)
        if not any(event.kind == "barrier" for event in device.events):
            raise Wrong("synchronize was never called.", mistake="no_synchronisation")
        if timed[0].queued:
            whose = "warm-up calls" if warmup else "work that somebody had queued earlier"
            raise Wrong(f"When the first timed call began, {whose} still kept the device busy.", "no_barrier_before")
        _idle_work_outside(device, timed, seconds, ended)
        _inside_bounds(device, timed, seconds, ended)


def _idle_work_outside(device, timed, seconds, ended):
    """Wrong if the first time holds the barrier that finished older work, and nothing else is too long."""
    place = device.events.index(timed[0])
    before = device.events[place - 1] if place else None
    (low, high), others = device.bounds(timed[0], ended), [device.bounds(call, ended) for call in timed[1:]]
    if before and before.kind == "barrier" and before.worked and _inside(seconds[1:], others):
        waited = before.exit - before.enter
        if seconds[0] > high + SLACK and low - SLACK <= seconds[0] - waited:
            raise Wrong("The first time holds the barrier in front of it, which finished older work.",
                        mistake="older_work")


def _asynchronous(student, rng, warmup, backlog=0.0):
    """The device, the times returned, the calls they belong to, and when the function returned."""
    repeats = whole(4, 6, rng)
    costs = [8 * MS] * warmup + _costs(repeats, rng)
    device = Device(costs, backlog=backlog)
    seconds = student.array(device.call, repeats=repeats, warmup=warmup, synchronize=device.synchronize).reshape(-1)
    ended = time.perf_counter()
    if not 1 < len(seconds) <= len(device.calls):  # how many there are due is another part's question
        raise Wrong(f"{len(seconds)} times came back for {len(device.calls)} calls.")
    _none_dropped(device, warmup, seconds, ended)
    return device, seconds, device.calls[-len(seconds) :], ended


def _none_dropped(device, warmup, seconds, ended):
    """Wrong if the times are right, in the order of the calls, and those of the slowest calls are missing."""
    calls = device.calls[warmup:]
    kept = _in_order(seconds, [device.bounds(call, ended) for call in calls])
    if kept is None or len(kept) == len(calls):
        return
    lost = [device.bounds(call, ended)[0] for place, call in enumerate(calls) if place not in kept]
    if 1.1 * min(lost) + SLACK > max(seconds):  # of calls that cost the same either may be the one that is missing
        raise Wrong(f"{len(calls)} calls followed the warm-up and {len(seconds)} times came back: right ones, in the "
                    "order of the calls, without those of the slowest.", mistake="slowest_dropped")


def _in_order(seconds, bounds) -> list[int] | None:
    """For each time the place of the next call that it fits; None if there is none."""
    places, place = [], 0
    for value in seconds:
        while place < len(bounds) and not _inside([value], bounds[place : place + 1]):
            place += 1
        if place == len(bounds):
            return None
        places.append(place)
        place += 1
    return places


def _expect_slowest(pairs):
    """Wrong if all times are right but those of the slowest calls, which are too short."""
    short = [place for place, (value, (low, _)) in enumerate(pairs) if value < low - SLACK]
    others = [pair for place, pair in enumerate(pairs) if place not in short]
    if not 0 < 3 * len(short) <= len(pairs) or not _inside(*zip(*others, strict=True)):
        return
    if min(pairs[place][1][0] for place in short) > max(low for _, (low, _) in others):
        value, (low, _) = pairs[short[0]]
        raise Wrong(f"All times are right but of the slowest calls. Number {short[0] + 1} of {len(pairs)} took "
                    f"{1000 * low:.1f} ms at least, and your time for it is {1000 * value:.1f} ms.",
                    mistake="slowest_dropped")


def _one_time_per_repeat(seconds, repeats):
    if len(seconds) != repeats:
        raise Wrong(f"With repeats={repeats} there should be as many times; {len(seconds)} came back.")


def _inside_bounds(device, calls, seconds, ended, only_short=False):
    """Every time must lie between what the device saw of its call from inside and from outside."""
    if not np.isfinite(seconds).all():  # it would be neither too short nor too long
        raise Wrong("One of the times is no number (nan or inf).")
    bounds = [device.bounds(call, ended) for call in calls]
    pairs = list(zip(seconds, bounds, strict=True))
    if len(pairs) > 2 and max(seconds) == min(seconds) > 0:
        raise Wrong("All times are equal to the last digit, and the calls were not.", mistake="one_time_divided")
    grows = len(pairs) > 2 and not only_short and not _inside(seconds, bounds)
    if grows and _inside(np.diff(seconds, prepend=0), bounds):
        raise Wrong("Every time is as long as its call and all calls before it together.", mistake="adds_up")
    first = device.calls[: len(calls)]
    if first != calls and not _inside(seconds, bounds):
        if _inside(seconds, [device.bounds(call, ended) for call in first]):
            raise Wrong("The times are those of the first calls: warm-up calls are among them, and the last ones are "
                        "not.", mistake="warmup_counted")
    for thousand in (1e3, 1e6, 1e9):
        if _inside(seconds / thousand, bounds) and max(seconds) > 0.5:
            raise Wrong("The times look right, but not in seconds.", mistake="not_seconds")
    if _inside(-seconds, bounds):
        raise Wrong("Your times are below zero.", mistake="start_minus_stop")
    if not device.asynchronous and all(value < low / 4 for value, (low, _) in pairs):
        raise Wrong("All times are far shorter than the calls took, and no device is involved here.",
                    mistake="stands_still")
    _expect_slowest(pairs)
    every = [device.bounds(call, ended) for call in device.calls]
    if _in_order(seconds, every) is None and _inside(np.sort(seconds), sorted(bounds)):
        raise Wrong("The times are right, and do not come in the order of the calls.", mistake="another_order")
    short = sum(value < low - SLACK for value, (low, _) in pairs)
    for place, (value, (low, high)) in enumerate(pairs, start=1):
        if value < low - SLACK:
            raise Wrong(
                f"Time {place} of {len(pairs)} is shorter than its call really took: {1000 * value:.3f} ms, where "
                f"{1000 * low:.3f} ms is the least. That happens where the clock is read before the work is done, "
                "where it stands still while the program waits (process_time), where the time belongs to another "
                "call, and where a reading is kept in single precision: seven digits are too few for a clock.",
                mistake="no_barrier_after" if device.asynchronous and short == len(pairs) else None,
            )
        if value > high + SLACK and not only_short:
            raise Wrong(
                f"Time {place} of {len(pairs)} is longer than its call can have taken: {1000 * value:.3f} ms, where "
                f"{1000 * high:.3f} ms is the most. That happens where something else is done between start and stop "
                "(a warm-up, a barrier that finished older work, another call), where the clock is not started anew, "
                "where the time belongs to another call, and where a reading is kept in single precision: seven "
                "digits are too few for a clock."
            )


def _inside(seconds, bounds) -> bool:
    return all(low - SLACK <= value <= high + SLACK for value, (low, high) in zip(seconds, bounds, strict=True))


def _ran(student, **asked) -> tuple[int, int]:
    """(calls of fn, times that came back)."""
    device = Device([0.0], asynchronous=False)
    return len(student.array(device.call, **asked).reshape(-1)), len(device.calls)


@time_call.argument("fn")
def _(student, rng):
    devices = [Device([cost], asynchronous=False) for cost in (MS, 4 * MS)]
    return [student.array(device.call, repeats=3, warmup=1).tolist() for device in devices]


@time_call.argument("repeats")
def _(student, rng):
    return [_ran(student, repeats=repeats, warmup=2) for repeats in (whole(2, 3, rng), whole(6, 9, rng))]


@time_call.argument("warmup")
def _(student, rng):
    return [_ran(student, repeats=2, warmup=warmup) for warmup in (whole(0, 1, rng), whole(6, 9, rng))]


@time_call.argument("synchronize")
def _(student, rng):
    called = []
    student.array(lambda: None, repeats=2, warmup=1, synchronize=lambda: called.append(1))
    return [len(called) > 0, False]


time_call.mistake(
    "warmup_counted",
    "The warm-up is counted. The first calls of a compiled function compile it: they can be 100 times slower than all "
    "later ones, and a real benchmark once read 1.6 passes per second for 2 tokens and 25.9 for 4 because of that. "
    "Make the warm-up calls first, and keep no time of them.",
)
time_call.mistake(
    "no_synchronisation",
    "The barrier is never used. On a GPU, fn() comes back as soon as its work is queued: you have timed the queueing, "
    "a few microseconds whatever the model. When does `synchronize` have to be called so that the work is inside?",
)
time_call.mistake(
    "no_barrier_after",
    "The clock stops too early. When fn() returns, its work is only queued; it is done when `synchronize()` returns. "
    "Look at what stands between fn() and the line that reads the clock the second time.",
)
time_call.mistake(
    "no_barrier_before",
    "The clock starts on a busy device. Whatever is still queued then is done first, and its time is added to your "
    "first call. What has to be finished before the first start? (With warmup=0 too: others use the device as well.)",
)
time_call.mistake(
    "older_work",
    "The clock is read before the barrier that empties the device, so your first time holds the older work. The "
    "barrier comes first, then the clock is started.",
)
time_call.mistake(
    "stands_still",
    "Your times hold next to nothing of the calls, although fn had finished when it returned. Is the clock read "
    "before fn() and once more after it? And is it one that goes on while the program waits, as time.perf_counter does "
    "and time.process_time does not?",
)
time_call.mistake(
    "start_minus_stop",
    "You subtract the later reading of the clock from the earlier one. What lies between them is stop - start.",
)
time_call.mistake(
    "another_order",
    "The times are sorted or shuffled. The contract asks for one per timed call, in the order of the calls: what "
    "changes while a program runs can only be seen there.",
)
time_call.mistake(
    "slowest_dropped",
    "The slowest calls are left out, or their times are changed. The contract asks for one number per timed call, of "
    "all of them: a slow one is what somebody waits for. Who wants to be safe from it takes a median later.",
)
time_call.mistake(
    "one_time_divided",
    "Do you time all calls together and divide? That hides what differs between them, a slow one above all: read the "
    "clock before and after every single call.",
)
time_call.mistake(
    "adds_up",
    "The clock is not started anew: each of your times holds all the calls before it as well. Read the clock right "
    "before every call, inside the loop.",
)
time_call.mistake(
    "not_seconds",
    "The unit is wrong: the contract asks for seconds. Milliseconds are for printing.",
)
time_call.help(
    r"NoneType' object is not callable",
    "`synchronize` is None when the device needs no barrier: call it only if it is there.",
)
time_call.help(r"TypeError.*positional argument", "fn and synchronize take no arguments: call them as fn().")
