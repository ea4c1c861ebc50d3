"""What a lent function of the package is given by students' code, and that no room can hold up the one who waits."""

import socket
import threading
import time
from collections import deque
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from specdec_course.grading.recover.damage import Unreadable
from specdec_course.grading.recover.formats import script_cells
from specdec_course.grading.room import wire
from specdec_course.grading.session.lending import lendable_to
from specdec_course.trace import Round

GROWS = SimpleNamespace(name="grows", largest=10_000)
TAKES = SimpleNamespace(name="takes", largest=float("inf"))


@pytest.mark.parametrize(
    "value", [1j, np.complex64(1), torch.ones(2, dtype=torch.complex64), np.ones(2, dtype=complex), [0.5, [1j]], 2**65,
              -(3**500), ["x" * 2000], (0.1, 2**70)], ids=repr
)  # fmt: skip
@pytest.mark.parametrize("exercise", [GROWS, TAKES], ids=lambda one: one.name)
def test_what_is_slow_to_reckon_with_is_not_given(value, exercise):
    with pytest.raises(ValueError, match="while your work is graded|functions take"):
        lendable_to(exercise, (value,), {})
    with pytest.raises(ValueError):
        lendable_to(exercise, (), {"alpha": value})


def test_a_fraction_becomes_a_float():
    (value, listed), named = lendable_to(GROWS, (Fraction(3**2000, 5**2000), [Fraction(1, 2)]), {"c": Fraction(1, 4)})
    assert type(value) is float and listed == [0.5] and named == {"c": 0.25}


@pytest.mark.parametrize(
    "value", [[Round(4, 2, Fraction(1, 3))], [Round(4, 2, 3**500)], {"a": Fraction(1, 3)}, [[1, {2: 1j}]],
              SimpleNamespace(hidden_size=10**40), deque([Fraction(1, 2)]), [[[[[[[[[[Fraction(1, 2)]]]]]]]]]]], ids=str
)  # fmt: skip
def test_nor_is_it_given_inside_of_something(value):
    with pytest.raises(ValueError, match="graded|take"):
        lendable_to(TAKES, (value,), {})


def test_records_of_rounds_are_given():
    rounds = [Round(4, 2, 3)] * 100
    assert lendable_to(TAKES, (rounds, SimpleNamespace(hidden_size=4096)), {})[0][0] == rounds


@pytest.mark.parametrize(
    "args", [(0.5, 10_001), (0.5, -20_000), (0.5, torch.tensor(10_001)), (torch.ones(10_001), 1_000),
             ([0.5] * 20_000, 1_000), (np.ones((200, 200)), 300)], ids=lambda args: str(args[1])
)  # fmt: skip
def test_where_the_work_grows_with_a_number_there_is_a_bound(args):
    with pytest.raises(ValueError, match="too large|more numbers"):
        lendable_to(GROWS, args, {})


@pytest.mark.parametrize(
    "args", [(0.5, 64), (True, 0), (torch.linspace(0, 1, 101), 64), (None, "cpu", [1, 2, 3]), (np.ones(1000), 100)]
)
def test_what_students_give_is_given(args):
    given, _ = lendable_to(GROWS, args, {})
    assert all(a is b or a == b for a, b in zip(given, args, strict=True))


def test_rows_of_a_real_vocabulary_are_given():
    rows = torch.ones(9, 152_064)
    assert lendable_to(TAKES, (rows,), {"top_k": 50})[0][0] is rows


class Stop(Exception):
    pass


def stopping(after):
    """An `idle` that has enough after so many looks at the clock."""
    looks = []

    def idle():
        looks.append(1)
        if len(looks) > after:
            raise Stop

    return idle


def test_a_frame_that_drips_does_not_hold_up_the_reader():
    one, other = socket.socketpair()
    over = threading.Event()

    def drip():
        one.sendall(wire.HEAD.pack(1_000_000, 0))
        while not over.is_set():
            one.sendall(b"x")
            time.sleep(0.005)

    thread = threading.Thread(target=drip, daemon=True)
    with one, other:
        thread.start()
        try:
            with pytest.raises(Stop):
                wire.Line(other, stopping(after=3)).receive()
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("reads", [True, False])
def test_one_who_reads_slowly_or_not_at_all_does_not_hold_up_the_sender(reads):
    one, other = socket.socketpair()
    over = threading.Event()

    def sip():
        while not over.is_set():
            one.recv(1)
            time.sleep(0.005)

    thread = threading.Thread(target=sip if reads else over.wait, daemon=True)
    with one, other:
        thread.start()
        try:
            with pytest.raises(Stop):
                wire.Line(other, stopping(after=3)).send({}, [bytes(8_000_000)])
        finally:
            over.set()
            other.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_replies_that_come_before_anybody_has_to_wait_still_cost_time():
    """Each answer is there at once, and the clock is looked at all the same."""
    one, other = socket.socketpair()
    line, far = wire.Line(other, stopping(after=2)), wire.Line(one)
    with one, other, pytest.raises(Stop):
        while True:
            far.send({"op": "done"})
            line.receive()


@pytest.mark.parametrize(
    "text", ["# %%\n" * 60_000, "#%%\n" * 1001, "# In[1]:\n" * 5000, "# %% " + "%%" * 450_000, "# %% [" + "[" * 10_000,
             "# <codecell>\n" * 2000], ids=lambda text: text[:12]
)  # fmt: skip
def test_a_script_that_would_take_minutes_is_not_read(text):
    with pytest.raises(Unreadable, match="cells; at most|between two cells"):
        script_cells(text.encode())


def test_a_long_honest_script_is_read():
    text = "".join(f"# %% cell {n}\ndef f{n}():\n    return {n}\n\n" for n in range(900))
    assert len(script_cells(text.encode())[0]) == 900
