"""What changes a law or ends a text on request: processors, min_p, min_new_tokens, stop strings; log-probabilities.

Held against exact laws of toy models, and against the texts of Hugging Face's own generate.
"""

import random

import pytest
import torch
from small_models import small_model, small_seq2seq, small_tokenizer
from test_laws import CertainDrafter, ToyModel, assert_cut_law, rng, rows_of
from test_trees import BranchingDrafter, GrowingDrafter
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    MinPLogitsWarper,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PrefixConstrainedLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    StopStringCriteria,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from specdec_course import Sampling, generate, stream
from specdec_course.cache import static
from specdec_course.cache.static import StaticModel
from specdec_course.checks.stages import toys
from specdec_course.decoding import engine, rounds
from specdec_course.decoding.ends import end_rule
from specdec_course.decoding.engine import generate_rounds
from specdec_course.drafters import BigramDrafter, ModelDrafter
from specdec_course.measure.equality import library_text
from specdec_course.models import as_forward
from specdec_course.sampling import exact_law

VOCAB, PROMPT = 41, torch.tensor([15, 26, 31, 7, 25])
ENGINES = ("eager", "compiled")


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    """The compiler changes no result and takes seconds a shape."""
    monkeypatch.setattr(static, "compiled_once", lambda method, **how: method)


def leaning(input_ids, scores):
    """A processor that looks at the whole text: what was there becomes less likely, and every other place leans."""
    times = torch.bincount(input_ids[0], minlength=scores.shape[1])
    return scores - 0.7 * times + 0.5 * (input_ids.shape[1] % 2) * (torch.arange(scores.shape[1]) % 3)


def drafters_for(model, text):
    """One of every kind: none, a stranger, the model itself, a table, a tree."""
    return [None, ModelDrafter(small_model(VOCAB, seed=1)), ModelDrafter(model), BigramDrafter.fit(text, VOCAB),
            BranchingDrafter(as_forward(model))]  # fmt: skip


# the law, exactly ----------------------------------------------------------------------------------------------------


def law_of_texts(monkeypatch, target, make_drafter, k, sampling, new, name="eager", **how):
    """The exact law of what generate writes after the prompt [0]."""

    def whole_text(dice):
        dice.numbers = lambda n, device: torch.empty(0)
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        monkeypatch.setattr(static, "PredrawnDice", lambda numbers: dice)
        how.setdefault("eos_token_id", None)
        return generate(target, [0], make_drafter(), k, sampling, new, engine=name, **how).tokens[1:]

    return exact_law(whole_text)


def leaning_rows(forward, sampling):
    """The distributions that a text is to have: processed first, then warmed and filtered."""

    def row(text):
        ids = torch.tensor([[0, *text]])
        return Sampling(sampling.temperature, sampling.top_k, sampling.top_p)(leaning(ids, forward(ids[0])[-1:])[0])

    return row


@pytest.mark.parametrize("sampling", [Sampling(1.0, processors=[leaning]), Sampling(0.0, processors=[leaning]),
                                      Sampling(1.4, top_k=2, processors=[leaning])],
                         ids=["T = 1", "greedy", "T = 1.4, top 2"])  # fmt: skip
@pytest.mark.parametrize("drafts", ["model", "certain", "none"])
def test_the_law_is_the_targets_after_the_processors(monkeypatch, drafts, sampling):
    forward = toys.toy_forward(3, rng(40))
    make = {"model": lambda: ModelDrafter(ToyModel(toys.toy_forward(3, rng(41)), 3)),
            "certain": lambda: CertainDrafter(3), "none": lambda: None}[drafts]  # fmt: skip
    law = law_of_texts(monkeypatch, ToyModel(forward, 3), make, 2, sampling, 3)
    assert toys.difference(law, toys.target_law(leaning_rows(forward, sampling), 3)) < 1e-5


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("drafts", ["model", "tree"])
def test_the_same_over_real_caches_with_chains_and_trees(monkeypatch, drafts, name):
    model, other, rows = small_model(2), small_model(2, seed=1), toys.toy_rows(2, rng(4))
    make = {"model": lambda: ModelDrafter(other),
            "tree": lambda: GrowingDrafter(lambda text: rows(tuple(text[1:])), (-1, -1, 0), False)}[drafts]  # fmt: skip
    sampling = Sampling(1.0, processors=[leaning])
    law = law_of_texts(monkeypatch, model, make, 2, sampling, 3, name)
    assert toys.difference(law, toys.target_law(leaning_rows(as_forward(model), sampling), 3)) < 1e-5


def test_a_processor_for_the_target_alone_would_be_seen_in_the_acceptance():
    """q is processed as p is: a model that guesses for itself is always right."""
    model = small_model(VOCAB)
    for sampling in (Sampling(0.0, processors=[leaning]), Sampling(1.0, processors=[leaning])):
        out = generate(model, PROMPT, ModelDrafter(model), 3, sampling, 30, None)
        assert out.trace.acceptance_rate > 0.95
    assert out.trace.tokens_per_call > 3


@pytest.mark.parametrize("drafts", ["model", "certain"])
@pytest.mark.parametrize("least", [1, 2, 4])
def test_no_end_of_text_comes_too_early_and_the_rest_of_the_law_is_the_targets(monkeypatch, drafts, least):
    forward, eos, new = toys.toy_forward(3, rng(24)), 2, 4
    make = {"model": lambda: ModelDrafter(ToyModel(toys.toy_forward(3, rng(25)), 3)),
            "certain": lambda: CertainDrafter(3)}[drafts]  # fmt: skip
    law = law_of_texts(monkeypatch, ToyModel(forward, 3), make, 2, Sampling(1.0), new,
                       eos_token_id=eos, min_new_tokens=least)  # fmt: skip

    def row(text):
        logits = forward(torch.tensor((0, *text)))[-1].clone()
        logits[[eos] if len(text) < least else []] = -torch.inf
        return logits.softmax(-1)

    assert_cut_law(law, row, eos, new)
    assert min(len(text) for text in law) == min(least + 1, new)


# the texts of the library --------------------------------------------------------------------------------------------


def asked(text):
    """{what it is called: (what the library's generate is asked for, our processors)}."""
    bad = [[int(text[9])], text[11:13].tolist()]
    return {
        "repetition": ({"repetition_penalty": 1.7}, [RepetitionPenaltyLogitsProcessor(1.7)]),
        "n-grams": ({"no_repeat_ngram_size": 2}, [NoRepeatNGramLogitsProcessor(2)]),
        "bad words": ({"bad_words_ids": bad}, [NoBadWordsLogitsProcessor(bad)]),
        "of their own": ({"logits_processor": LogitsProcessorList([leaning])}, [leaning]),
    }


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize("what", ["repetition", "n-grams", "bad words", "of their own"])
def test_greedy_texts_with_processors_are_the_librarys(kind, what):
    model = small_model(VOCAB, kind)
    plain = library_text(model, PROMPT, 24)
    theirs, ours = asked(plain)[what]
    wanted = library_text(model, PROMPT, 24, **theirs)
    assert not torch.equal(wanted, plain)
    for name in ENGINES:
        for drafter in drafters_for(model, wanted):
            out = generate(model, PROMPT, drafter, 3, Sampling(processors=ours), 24, None, engine=name)
            assert torch.equal(out.tokens, wanted), (name, drafter)


def test_several_processors_and_min_new_tokens_in_an_encoder_decoder_too():
    t5, source = small_seq2seq("t5"), torch.tensor([7, 3, 12, 4, 2])
    ours = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(1.3), NoRepeatNGramLogitsProcessor(2)])
    asked = {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2}
    end = int(library_text(t5, source, 20, **asked)[4])
    theirs = library_text(t5, source, 20, end, min_new_tokens=9, **asked)
    assert len(theirs) > 9
    for drafter in (None, ModelDrafter(t5), ModelDrafter(small_seq2seq("t5", seed=9))):
        out = generate(t5, source, drafter, 3, Sampling(processors=ours), 20, end, min_new_tokens=9)
        assert torch.equal(out.tokens, theirs)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize("least", [1, 7, 24])
def test_greedy_texts_with_min_new_tokens_are_the_librarys(kind, least):
    model = small_model(VOCAB, kind)
    free = library_text(model, PROMPT, 24)
    ends = [int(free[6]), int(free[11])]
    wanted = library_text(model, PROMPT, 24, ends, min_new_tokens=least)
    assert len(wanted) >= len(PROMPT) + least
    for name in ENGINES:
        for drafter in drafters_for(model, free):
            how = dict(max_new_tokens=24, eos_token_id=ends, engine=name, min_new_tokens=least)
            assert torch.equal(generate(model, PROMPT, drafter, 3, **how).tokens, wanted), (name, drafter)
    assert PROMPT.tolist() + list(stream(model, PROMPT, None, **how)) == wanted.tolist()


def test_once_the_text_may_end_its_rounds_are_the_usual_ones(monkeypatch):
    model, lengths, walk = small_model(VOCAB), [], rounds._walk
    monkeypatch.setattr(rounds, "_walk", lambda *how: lengths.append(len(how[1])) or walk(*how))
    out = generate(model, PROMPT, None, 0, Sampling(), 20, 5, min_new_tokens=6)
    assert lengths == list(range(5, 11)) and len(out.tokens) > 11
    lengths.clear()
    generate(model, PROMPT, None, 0, Sampling(), 20, None, min_new_tokens=6)  # there is no end to forbid
    generate(model, PROMPT, ModelDrafter(small_model(VOCAB, seed=1)), 3, Sampling(1.0), 20, 5)
    assert lengths == []


def test_ends_that_the_model_cannot_write_are_no_trouble():
    model = small_model(VOCAB)
    out = generate(model, PROMPT, max_new_tokens=8, eos_token_id=[VOCAB + 9, -1], min_new_tokens=4)
    assert torch.equal(out.tokens, generate(model, PROMPT, max_new_tokens=8, eos_token_id=None).tokens)


@pytest.mark.parametrize("least", [-1, 9])
def test_a_min_new_tokens_that_cannot_be_is_refused(least):
    with pytest.raises(ValueError, match=f"min_new_tokens is {least}; expected 0 to 8"):
        generate(small_model(VOCAB), PROMPT, max_new_tokens=8, min_new_tokens=least)


def trie(sentences):
    """What the library's prefix_allowed_tokens_fn is often made of: what may follow; nothing may follow nonsense."""

    def allowed(batch, ids):
        written = ids[len(PROMPT) :].tolist()
        return sorted({s[len(written)] for s in sentences if s[: len(written)] == written and len(s) > len(written)})

    return allowed


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0)])
def test_a_grammar_is_asked_about_no_rejected_guess_and_not_what_follows_the_end(sampling):
    """The library's processor raises an error where nothing is allowed: behind nonsense, and behind the end."""
    model, end = small_model(VOCAB), 40
    sentences = [[3, 9, 9, end], [3, 9, 7, 7, 5, end], [8, end], [8, 8, 8, 8, 8, 2, end]]
    wanted = library_text(model, PROMPT, 12, end, prefix_allowed_tokens_fn=trie(sentences))
    law = Sampling(sampling.temperature, processors=[PrefixConstrainedLogitsProcessor(trie(sentences), 1)])
    for name in ENGINES:
        for drafter in drafters_for(model, wanted):
            out = generate(model, PROMPT, drafter, 4, law, 12, end, engine=name)
            assert out.tokens[len(PROMPT) :].tolist() in sentences
            assert not sampling.greedy or torch.equal(out.tokens, wanted)


# what a processor is given, and what it may do -----------------------------------------------------------------------


def test_where_no_model_drafts_processors_see_every_new_token_once_and_nothing_else():
    model, seen = small_model(VOCAB), []

    def noting(input_ids, scores):
        seen.append(input_ids[0].tolist())
        assert scores.shape == (1, VOCAB) and scores.dtype == torch.float32
        return scores

    for drafter in (None, BigramDrafter.fit(torch.arange(VOCAB), VOCAB), BranchingDrafter(as_forward(model))):
        seen.clear()
        text = generate(model, PROMPT, drafter, 3, Sampling(processors=[noting]), 20, None).tokens.tolist()
        assert seen == [text[:i] for i in range(len(PROMPT), len(text))]


def test_a_processor_may_write_into_what_it_is_given_and_keep_what_it_returns():
    model, fixed = small_model(VOCAB), torch.zeros(1, VOCAB)
    fixed[0, 5] = 1.0

    def rough(input_ids, scores):
        input_ids.zero_()
        scores.fill_(-torch.inf)
        return fixed

    for drafter in (None, ModelDrafter(model)):
        out = generate(model, PROMPT, drafter, 2, Sampling(processors=[rough]), 6, 5, min_new_tokens=3, logprobs=True)
        assert out.tokens.tolist() == [*PROMPT.tolist(), 0, 0, 0, 5]
        torch.testing.assert_close(out.logprobs, plain_logprobs(model, out.tokens))
    assert fixed.sum() == 1


@pytest.mark.parametrize("bad, told", [
    (lambda ids, scores: None, "returned NoneType"), (lambda ids, scores: scores[0], r"shape \[41\]; expected"),
    (lambda ids, scores: scores - torch.inf, "leave no token"),
    (lambda ids, scores: scores * torch.nan, "leave no token"),
])  # fmt: skip
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0)])
def test_a_processor_that_answers_nonsense_is_told(bad, told, sampling):
    model = small_model(VOCAB)
    for drafter in (None, ModelDrafter(model)):
        with pytest.raises(ValueError, match=told):
            generate(model, PROMPT, drafter, 2, Sampling(sampling.temperature, processors=[bad]), 6)


def test_damaged_logits_are_told_as_such_though_there_are_processors():
    model = small_model(VOCAB, tied=False)
    model.lm_head.weight.data[3] = torch.nan
    with pytest.raises(ValueError, match="weights are damaged"):
        generate(model, PROMPT, None, 0, Sampling(processors=[leaning]), 4)


@pytest.mark.parametrize("bad", [leaning, 3, [3], None, "repetition"])
def test_processors_are_a_list_of_functions(bad):
    with pytest.raises(ValueError, match="expected a list of functions"):
        Sampling(processors=bad)


def test_no_captured_program_depends_on_processors(monkeypatch):
    class Unhashable:
        __hash__ = None

        def __call__(self, input_ids, scores):
            return scores

    model, keys, replay = small_model(VOCAB), [], StaticModel.replay
    monkeypatch.setattr(StaticModel, "replay", lambda self, key, *rest: keys.append(key) or replay(self, key, *rest))
    law = Sampling(1.0, processors=[Unhashable()])
    assert hash(law) == hash(Sampling(1.0)) and law != Sampling(1.0)
    generate(model, PROMPT, ModelDrafter(small_model(VOCAB, seed=1)), 3, law, 12, None, engine="compiled")
    assert keys and not any(isinstance(part, Sampling) for key in keys for part in key)


@pytest.mark.parametrize("seed", range(8))
def test_min_p_is_the_librarys_and_comes_last(seed):
    logits = 3 * torch.randn(1, VOCAB, generator=rng(seed))
    warpers = LogitsProcessorList([leaning, TemperatureLogitsWarper(1.7), TopKLogitsWarper(20), TopPLogitsWarper(0.9),
                                   MinPLogitsWarper(0.1)])  # fmt: skip
    law = Sampling(1.7, 20, 0.9, 0.1, [leaning])
    torch.testing.assert_close(law(law.processed(PROMPT, logits[0])), warpers(PROMPT[None], logits)[0].softmax(-1))


def test_min_p_is_part_of_the_law(monkeypatch):
    forward, law = toys.toy_forward(4, rng(50), 1.5), Sampling(1.0, min_p=0.3)
    draft = ToyModel(toys.toy_forward(4, rng(51)), 4)
    got = law_of_texts(monkeypatch, ToyModel(forward, 4), lambda: ModelDrafter(draft), 2, law, 3)
    assert toys.difference(got, toys.target_law(rows_of(forward, law), 3)) < 1e-5
    assert not torch.equal(law(forward(PROMPT % 4)), Sampling(1.0)(forward(PROMPT % 4)))


# stop strings --------------------------------------------------------------------------------------------------------


class Scripted(LlamaForCausalLM):
    """Writes the tokens of `script`, wherever it is asked: its greedy text is known beforehand."""

    def forward(self, input_ids, past_key_values=None, **kwargs):
        held = 0 if past_key_values is None else past_key_values.get_seq_length()
        out = super().forward(input_ids, past_key_values=past_key_values, **kwargs)
        first = held + input_ids.shape[1] - out.logits.shape[1]
        places = (first + 1 + torch.arange(out.logits.shape[1])) % len(self.script)
        out.logits = torch.nn.functional.one_hot(self.script[places], out.logits.shape[2])[None].float()
        return out


def scripted(tokenizer, text):
    torch.manual_seed(0)
    model = Scripted(LlamaConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                 num_attention_heads=2, max_position_embeddings=128)).eval()  # fmt: skip
    model.generation_config.eos_token_id = None
    model.script = torch.tensor(tokenizer.encode(text, add_special_tokens=False))
    return model


TEXT = "The river runs past\n\nthe mill, naïve 漢字 and 👩‍🚀 in 1924.\n\n The end  of it stops here."
TOKENIZER = small_tokenizer()
BYTES = hasattr(StopStringCriteria, "_token_to_bytes")  # earlier ones find no character that is several tokens
STOPS = [  # strings, and the text as far as the end of the first of them
    (["past\n\nthe m"], "The river runs past\n\nthe m"),
    (["ver ru"], "The river ru"),
    (["naïve 漢"], "The river runs past\n\nthe mill, naïve 漢"),
    (["👩‍🚀"], "The river runs past\n\nthe mill, naïve 漢字 and 👩‍🚀"),
    (["9"], "The river runs past\n\nthe mill, naïve 漢字 and 👩‍🚀 in 19"),
    (["  of", " zebra", "1924"], "The river runs past\n\nthe mill, naïve 漢字 and 👩‍🚀 in 1924"),
    ("here", TEXT[:-1]),
    (["Zebra"], TEXT),
]


def as_ids(text):
    return torch.tensor(TOKENIZER.encode(text, add_special_tokens=False))


@pytest.mark.parametrize("stops, until", STOPS, ids=range(len(STOPS)))
def test_the_text_ends_with_the_token_that_completes_a_stop_string(stops, until):
    model, prompt, script = scripted(TOKENIZER, TEXT), as_ids(TEXT)[:2], as_ids(TEXT)
    pieces = [TOKENIZER.decode(script[:n]) for n in range(len(script) + 1)]
    length = next(n for n, piece in enumerate(pieces) if piece.startswith(until))
    how = dict(max_new_tokens=len(script) - 2, stop_strings=stops, tokenizer=TOKENIZER)
    if BYTES or "".join(stops).isascii():
        theirs = model.generate(prompt[None], do_sample=False, pad_token_id=0, **how)[0]
        assert torch.equal(theirs, script[:length])
    for k in (1, 3, 8):
        for drafter in (None, ModelDrafter(model), BigramDrafter.fit(script, len(TOKENIZER))):
            out = generate(model, prompt, drafter, k, **how)
            assert out.tokens.tolist() == script[:length].tolist() and out.trace.new_tokens == length - 2
    assert list(stream(model, prompt, ModelDrafter(model), k=4, **how)) == script[2:length].tolist()


def test_a_stop_string_in_the_prompt_ends_nothing_but_one_that_begins_there_does():
    model, script = scripted(TOKENIZER, TEXT), as_ids(TEXT)
    cut = next(n for n in range(len(script)) if TOKENIZER.decode(script[:n]).endswith("The river runs"))
    for stop, ends in (("The river", False), ("river runs", False), ("runs pa", True)):
        out = generate(model, script[:cut], ModelDrafter(model), 4, max_new_tokens=30, stop_strings=[stop],
                       tokenizer=TOKENIZER)  # fmt: skip
        theirs = model.generate(script[None, :cut], max_new_tokens=30, do_sample=False, pad_token_id=0,
                                stop_strings=[stop], tokenizer=TOKENIZER)[0]  # fmt: skip
        assert torch.equal(out.tokens, theirs) and (len(out.tokens) < cut + 30) == ends


@pytest.mark.parametrize("seed", range(4))
def test_any_text_ends_where_the_librarys_criterion_ends_it(seed):
    """Random tokens, rubbish that is no text among them, and stop strings of letters cut out of it."""
    dice = random.Random(seed)
    words = as_ids(TEXT).tolist()
    text = [dice.choice(words) if dice.random() < 0.8 else dice.randrange(3, len(TOKENIZER)) for _ in range(60)]
    whole = "".join(c for c in TOKENIZER.decode(text) if c.isascii())
    stops = [whole[at : at + dice.randint(1, 5)] for at in (dice.randrange(len(whole) - 5) for _ in range(3))]
    theirs = StopStringCriteria(TOKENIZER, stops)
    until_end = end_rule(frozenset(), stops, TOKENIZER)
    for start in range(0, 60, 7):
        first = next((n for n in range(start + 1, 61) if theirs(torch.tensor([text[:n]]), None).any()), None)
        emitted, over = until_end(torch.tensor(text[:start], dtype=torch.long), text[start:])
        assert (start + len(emitted) if over else None) == first


def test_an_end_of_text_and_a_stop_string_end_whichever_comes_first():
    model, script = scripted(TOKENIZER, TEXT), as_ids(TEXT)
    for place in (6, 30):
        out = generate(model, script[:2], ModelDrafter(model), 4, max_new_tokens=60, eos_token_id=int(script[place]),
                       stop_strings="mill", tokenizer=TOKENIZER)  # fmt: skip
        stop = next(n for n in range(len(script)) if "mill" in TOKENIZER.decode(script[:n]))
        assert len(out.tokens) == min(stop, script[2:].tolist().index(int(script[place])) + 3)


@pytest.mark.parametrize("how, told", [
    ({"stop_strings": [""], "tokenizer": TOKENIZER}, "at least one character"),
    ({"stop_strings": "x"}, "tokenizer is None"),
    ({"stop_strings": 7, "tokenizer": TOKENIZER}, "stop_strings is 7"),
    ({"stop_strings": [1]}, "expected strings"),
])  # fmt: skip
def test_stop_strings_that_are_none_are_refused(how, told):
    with pytest.raises(ValueError, match=told):
        generate(small_model(VOCAB), PROMPT, **how)


# log-probabilities ---------------------------------------------------------------------------------------------------


def plain_logprobs(model, tokens):
    """What one pass over a text that begins with PROMPT gives to each new token."""
    scores = as_forward(model)(tokens)[len(PROMPT) - 1 : -1].log_softmax(-1)
    return scores.gather(-1, tokens[len(PROMPT) :, None])[:, 0]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.8, top_k=9), Sampling(1.0, processors=[leaning])],
                         ids=["greedy", "sampled", "processed"])  # fmt: skip
@pytest.mark.parametrize("name", ENGINES)
def test_logprobs_are_those_of_one_pass_over_the_text(name, sampling):
    model = small_model(VOCAB)
    for drafter in drafters_for(model, torch.arange(VOCAB)):
        out = generate(model, PROMPT, drafter, 3, sampling, 20, None, engine=name, logprobs=True)
        torch.testing.assert_close(out.logprobs, plain_logprobs(model, out.tokens), rtol=1e-4, atol=1e-4)
        same = generate(model, PROMPT, drafter, 3, sampling, 20, None, engine=name)
        assert same.logprobs is None and torch.equal(same.tokens, out.tokens)


def test_there_is_one_logprob_per_new_token_round_by_round_and_up_to_the_end():
    model = small_model(VOCAB)
    end = int(generate(model, PROMPT, max_new_tokens=7, eos_token_id=None).tokens[-1])  # the second of a round of five
    for out in generate_rounds(model, PROMPT, ModelDrafter(model), 4, Sampling(), 30, end, logprobs=True):
        assert len(out.logprobs) == len(out.tokens) - len(PROMPT)
    assert out.tokens[-1] == end and out.logprobs.dtype == torch.float32


def test_logprobs_that_nobody_asks_for_are_not_computed(monkeypatch):
    monkeypatch.setattr(rounds, "logprobs_of", None)
    model = small_model(VOCAB)
    for drafter in drafters_for(model, torch.arange(VOCAB)):
        generate(model, PROMPT, drafter, 3, Sampling(processors=[leaning]), 8)
        generate(model, PROMPT, drafter, 3, max_new_tokens=8)
