"""The number of threads: fewer unless more pay, never against the user's word."""

import pytest
import torch
from small_models import small_model, small_seq2seq

from specdec_course.measure import threads
from specdec_course.measure.threads import best, choose_threads, thread_times

VOCAB = 41


@pytest.fixture
def machine(monkeypatch):
    """A machine of four cores on which a step with n threads takes as long as the test says."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 4)

    def takes(times):
        monkeypatch.setattr(threads, "_step", lambda cached: times.get(torch.get_num_threads(), 0.01))

    yield takes
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "times, wanted",
    [
        ({1: 9.0, 2: 14.0}, 1),
        ({1: 9.0, 2: 8.9}, 1),  # not worth a core
        ({1: 9.0, 2: 5.0, 4: 4.8}, 2),
        ({1: 9.0, 2: 8.5, 4: 5.0}, 4),
        ({1: 9.0, 2: 5.0, 4: 3.0, 6: 7.0}, 4),
        ({1: 9.0}, 1),
    ],
)
def test_more_threads_only_where_they_pay(times, wanted):
    assert best(times) == wanted


def test_every_number_is_tried_and_none_stays(machine):
    torch.set_num_threads(3)
    machine({1: 0.004, 2: 0.002, 4: 0.001})
    assert thread_times(small_model(VOCAB), seconds=0.05) == {1: 0.004, 2: 0.002, 4: 0.001}
    assert torch.get_num_threads() == 3


def test_the_choice_is_made_and_said_once(machine):
    torch.set_num_threads(4)
    machine({1: 0.001, 2: 0.002, 4: 0.002})
    said = []
    choose_threads(small_model(VOCAB), said.append)
    assert torch.get_num_threads() == 1 and len(said) == 1
    assert said[0].startswith("1 of 4 threads taken") and "1.0 ms with 1" in said[0]
    choose_threads(small_model(VOCAB), said.append)
    assert len(said) == 1, "nothing has changed"


def test_the_users_word_holds(machine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)
    machine({1: 0.001, 2: 0.9, 4: 0.9})
    choose_threads(small_model(VOCAB), pytest.fail)
    assert torch.get_num_threads() == 2


def test_where_there_is_nothing_to_choose_nothing_is_done(machine):
    torch.set_num_threads(4)
    machine({4: 0.3})  # a model of which a step takes that long would keep its user waiting
    assert thread_times(small_model(VOCAB)) == {} and thread_times(small_seq2seq()) == {}
    choose_threads(small_model(VOCAB), pytest.fail)
    assert torch.get_num_threads() == 4


def test_a_real_machine_is_measured():
    times = thread_times(small_model(VOCAB), seconds=0.1)
    assert sorted(times)[0] == 1 and all(seconds > 0 for seconds in times.values())
