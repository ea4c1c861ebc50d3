"""The greedy rule against a naive reading of its definition. (The stochastic rules are tested by their exact laws.)"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.verification import accepted_length, verify_greedy

tokens = st.integers(0, 2)  # a small alphabet: matches after a mismatch are then common


def naive(draft, choice):
    """What the round emits, said slowly."""
    out = []
    for i, own in enumerate(choice):
        out.append(own)
        if i == len(draft) or draft[i] != own:
            return out
    raise AssertionError("choice has to be longer than draft")


def logits_for(choice, dtype=torch.float32):
    return torch.nn.functional.one_hot(torch.tensor(choice), 5).to(dtype)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_round_is_the_leading_run_and_one_token_of_the_targets(data):
    k = data.draw(st.integers(0, 8))
    draft = data.draw(st.lists(tokens, min_size=k, max_size=k))
    choice = data.draw(st.lists(tokens, min_size=k + 1, max_size=k + 1))
    expected = naive(draft, choice)
    draft = torch.tensor(draft, dtype=torch.long)
    assert verify_greedy(draft, logits_for(choice)).tolist() == expected
    assert accepted_length(draft, torch.tensor(choice)) == len(expected) - 1


@pytest.mark.parametrize("extra", [0, 1, 5])
def test_choice_may_be_longer_than_the_draft(extra):
    draft = torch.tensor([5, 3, 9, 2])
    choice = torch.tensor([5, 3, 7, 2] + [8] * extra)
    assert accepted_length(draft, choice) == 2
    assert type(accepted_length(draft, choice)) is int


def test_ties_go_to_the_smallest_id():
    logits = torch.zeros(3, 4)
    logits[0, 1] = logits[0, 2] = 1.0
    assert verify_greedy(torch.tensor([2, 0]), logits).tolist() == [1]
    assert verify_greedy(torch.tensor([1, 0]), logits).tolist() == [1, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_dtypes_and_untouched_inputs(dtype):
    draft, logits = torch.tensor([2, 1]), logits_for([2, 0, 1], dtype)
    kept = draft.clone(), logits.clone()
    out = verify_greedy(draft, logits)
    assert out.tolist() == [2, 0] and out.dtype == torch.long
    assert torch.equal(draft, kept[0]) and torch.equal(logits, kept[1])


def test_an_empty_draft_is_plain_decoding():
    assert verify_greedy(torch.empty(0, dtype=torch.long), logits_for([3])).tolist() == [3]
