"""Tokens as they are decided, and one text at a time: threads wait, a stream that is still open is not disturbed."""

import inspect
import threading

import pytest
import torch
from small_models import small_model

from specdec_course import Sampling, generate, stream
from specdec_course.decoding.engine import generate_rounds
from specdec_course.decoding.turns import turn_of
from specdec_course.drafters import ModelDrafter

VOCAB, PROMPT = 41, [15, 26, 31, 7, 25]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0)])
@pytest.mark.parametrize("new", [0, 1, 2, 24])
def test_a_stream_is_the_text_of_generate(sampling, new):
    model, draft = small_model(VOCAB), small_model(VOCAB, seed=1)
    for k in (0, 1, 4):
        whole = generate(model, PROMPT, ModelDrafter(draft), k, sampling, new, None, seed=3).tokens.tolist()
        how = dict(k=k, sampling=sampling, max_new_tokens=new, eos_token_id=None, seed=3)
        assert PROMPT + list(stream(model, PROMPT, ModelDrafter(draft), **how)) == whole


def test_a_stream_ends_with_the_end_of_text():
    model = small_model(VOCAB)
    text = generate(model, PROMPT, max_new_tokens=20, eos_token_id=None).tokens.tolist()[len(PROMPT) :]
    got = list(stream(model, PROMPT, ModelDrafter(model), k=4, max_new_tokens=20, eos_token_id=text[6]))
    assert got == text[: text.index(text[6]) + 1]


def test_tokens_come_before_the_text_is_finished_and_accepted_ones_come_in_bursts():
    model = small_model(VOCAB)
    sizes, calls = [], []
    for out in generate_rounds(model, PROMPT, ModelDrafter(model), 4, max_new_tokens=20, eos_token_id=None):
        sizes.append(len(out.tokens))
        calls.append(out.trace.target_calls)
    assert sizes == [5, 10, 15, 20, 25] and calls == [0, 1, 2, 3, 4]


def test_what_was_yielded_is_not_changed_by_later_rounds():
    model = small_model(VOCAB)
    outs, kept = [], []
    for out in generate_rounds(model, PROMPT, ModelDrafter(small_model(VOCAB, seed=1)), 3, max_new_tokens=20):
        outs.append(out.tokens)
        kept.append(out.tokens.tolist())
    assert [tokens.tolist() for tokens in outs] == kept


def test_a_bad_request_is_refused_when_the_first_token_is_asked_for():
    with pytest.raises(ValueError, match="is a string"):
        next(stream(small_model(VOCAB), "text"))


def test_two_threads_with_one_drafter_write_their_own_texts():
    model, drafter = small_model(VOCAB), ModelDrafter(small_model(VOCAB, seed=1))
    prompts = [[i, i + 3, i + 7] for i in range(8)]
    expected = [generate(model, p, max_new_tokens=30, eos_token_id=None).tokens.tolist() for p in prompts]
    got = {}

    def write(number):
        out = generate(model, prompts[number], drafter, 3, max_new_tokens=30, eos_token_id=None)
        got[number] = out.tokens.tolist()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [got[number] for number in range(len(prompts))] == expected


def test_a_drafter_in_use_by_an_open_stream_is_refused_and_free_once_it_is_closed():
    model, drafter = small_model(VOCAB), ModelDrafter(small_model(VOCAB, seed=1))
    first = stream(model, PROMPT, drafter, k=2, max_new_tokens=20, eos_token_id=None)
    begun = [next(first)]
    with pytest.raises(ValueError, match="still being streamed"):
        generate(model, PROMPT, drafter, max_new_tokens=4)
    assert len(generate(model, PROMPT, max_new_tokens=4, eos_token_id=None).tokens) == 9  # the model itself is free
    begun += list(first)
    assert PROMPT + begun == generate(model, PROMPT, drafter, 2, max_new_tokens=20, eos_token_id=None).tokens.tolist()
    second = stream(model, PROMPT, drafter, k=2, max_new_tokens=20)
    next(second)
    second.close()
    generate(model, PROMPT, drafter, max_new_tokens=4)


def test_an_error_ends_the_turn():
    model, drafter = small_model(VOCAB), ModelDrafter(small_model(VOCAB, seed=1))
    for _ in range(2):
        with pytest.raises(ValueError, match="vocabulary"):
            generate(model, [VOCAB], drafter)
    generate(model, PROMPT, drafter, max_new_tokens=4)


def test_a_thing_that_is_named_twice_is_taken_once():
    thing = torch.nn.Linear(1, 1)
    with turn_of(thing, None, thing):
        pass
    with turn_of(thing):
        pass


def test_a_schedule_sees_the_rounds_of_plain_decoding_too_and_is_not_asked():
    """What measures rounds measures those of the target alone in the same way."""

    class Watching:
        rounds = 0

        def ask(self):
            raise AssertionError("nobody drafts")

        def learn(self, round, seconds):
            self.rounds += 1

    watching = Watching()
    generate(small_model(VOCAB), PROMPT, None, watching, max_new_tokens=7)
    assert watching.rounds == 7


def test_generate_and_its_rounds_take_the_same_with_the_same_defaults():
    one, other = (list(inspect.signature(f).parameters.values()) for f in (generate, generate_rounds))
    assert one == other
