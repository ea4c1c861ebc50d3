"""Encoder-decoder targets: the text of the library's own generate, and the exact law, with a draft of the same kind."""

import copy

import pytest
import torch
from small_models import SEQ2SEQ, small_seq2seq
from test_laws import text_law

from specdec_course.cache import CachedModel
from specdec_course.cache.conditioned import Conditioned
from specdec_course.checks.stages import toys
from specdec_course.decoding import greedy_decode
from specdec_course.decoding.engine import generate
from specdec_course.drafters import ModelDrafter
from specdec_course.models import as_forward, vocabulary_size
from specdec_course.sampling import Sampling

SOURCE = torch.tensor([7, 31, 12, 12, 40, 5, 9])


def shaken(model, seed, scale=0.05):
    """A draft that is right now and then: the model with noise on its weights."""
    draft, rng = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    for weight in draft.parameters():
        weight.data += scale * weight.data.std() * torch.randn(weight.shape, generator=rng)
    return draft


@pytest.fixture(scope="module", params=SEQ2SEQ)
def model(request):
    return small_seq2seq(request.param)


@pytest.fixture(scope="module")
def t5():
    return small_seq2seq("t5")


def library_text(model, source, new, eos=None):
    return model.generate(
        source[None], max_new_tokens=new, do_sample=False, num_beams=1, eos_token_id=eos, pad_token_id=0
    )[0]


class TestGreedy:
    @pytest.mark.parametrize("k", range(6))
    def test_the_text_is_that_of_the_library(self, model, k):
        target, draft = Conditioned(model, SOURCE), Conditioned(shaken(model, 1), SOURCE)
        out = generate(target, target.start, ModelDrafter(draft), k=k, max_new_tokens=40, eos_token_id=None)
        assert torch.equal(out.tokens, library_text(model, SOURCE, 40))

    def test_the_draft_is_sometimes_right_and_sometimes_rolled_back(self, model):
        """Else the test above would say little about caches."""
        target, draft = Conditioned(model, SOURCE), Conditioned(shaken(model, 1), SOURCE)
        trace = generate(target, target.start, ModelDrafter(draft), k=4, max_new_tokens=40, eos_token_id=None).trace
        assert 0.1 < trace.acceptance_rate < 0.95

    def test_a_draft_with_fewer_layers_and_another_number_of_them_in_the_decoder(self, t5):
        target, draft = Conditioned(t5, SOURCE), Conditioned(small_seq2seq("t5", layers=1, decoder_layers=2), SOURCE)
        out = generate(target, target.start, ModelDrafter(draft), k=3, max_new_tokens=30, eos_token_id=None)
        assert torch.equal(out.tokens, library_text(t5, SOURCE, 30))

    def test_a_perfect_draft_is_never_rejected(self, t5):
        target = Conditioned(t5, SOURCE)
        drafter = ModelDrafter(Conditioned(t5, SOURCE))
        trace = generate(target, target.start, drafter, k=4, max_new_tokens=60, eos_token_id=None).trace
        assert trace.acceptance_rate == 1.0 and trace.target_calls == 12

    def test_models_given_as_they_are_take_the_prompt_as_their_source(self, model):
        draft = shaken(model, 1)
        out = generate(model, SOURCE, ModelDrafter(draft), k=3, max_new_tokens=40, eos_token_id=None)
        assert torch.equal(out.tokens, library_text(model, SOURCE, 40)) and out.trace.draft_calls > 0
        assert torch.equal(generate(model, SOURCE, max_new_tokens=40, eos_token_id=None).tokens, out.tokens)
        with pytest.raises(ValueError, match='Use engine="eager"'):
            generate(model, SOURCE, max_new_tokens=4, engine="compiled")

    def test_the_end_of_text(self, t5):
        text = library_text(t5, SOURCE, 40)
        eos = int(text[9])
        target = Conditioned(t5, SOURCE)
        out = generate(target, target.start, ModelDrafter(Conditioned(t5, SOURCE)), 4, max_new_tokens=40,
                       eos_token_id=eos)
        assert torch.equal(out.tokens, library_text(t5, SOURCE, 40, eos)) and out.tokens[-1] == eos

    def test_a_text_that_has_already_begun(self, t5):
        text = library_text(t5, SOURCE, 20)
        out = generate(Conditioned(t5, SOURCE), text[:8], ModelDrafter(Conditioned(t5, SOURCE)), max_new_tokens=13)
        assert torch.equal(out.tokens, text)

    def test_without_a_cache(self, model):
        target = Conditioned(model, SOURCE)
        assert torch.equal(greedy_decode(as_forward(target), target.start, 20), library_text(model, SOURCE, 20))


@pytest.mark.slow
class TestLaw:
    """Over two tokens: a text of k + 1 of them has 2^(k + 1) endings, each reached in many ways."""

    SOURCES = ([0, 0, 0], [1, 1])

    @pytest.fixture(scope="class")
    def pair(self):
        return [small_seq2seq("t5", vocab_size=2, layers=1, width=8, seed=seed) for seed in (5, 3)]

    def target_law(self, model, source, length, sampling):
        forward = as_forward(Conditioned(model, source))
        return toys.target_law(lambda text: sampling(forward(torch.tensor((0, *text)))[-1]), length)

    def law(self, monkeypatch, pair, source, k, length, sampling=Sampling(1.0)):
        target, draft = (Conditioned(model, source) for model in pair)
        return text_law(monkeypatch, target, lambda: ModelDrafter(draft), k, sampling, length)

    @pytest.mark.parametrize(
        ("k", "sampling"),
        [*((k, Sampling(1.0)) for k in range(4)), *((k, Sampling(1.0, top_p=0.6)) for k in (4, 5))],
        ids=str,
    )
    def test_the_joint_law_is_the_targets(self, monkeypatch, pair, k, sampling):
        """From k = 4 on with a filter that leaves some tokens no choice: else there are too many ways to count."""
        length = max(3, k + 1)
        law, wanted = (self.law(monkeypatch, pair, self.SOURCES[0], k, length, sampling),
                       self.target_law(pair[0], self.SOURCES[0], length, sampling))
        assert toys.difference(law, wanted) < 1e-5 and sum(mass > 1e-3 for mass in wanted.values()) >= 8

    @pytest.mark.parametrize("sampling", [Sampling(0.5), Sampling(1.5, top_p=0.7), Sampling(2.0, top_k=1)], ids=str)
    def test_under_temperature_and_filters(self, monkeypatch, pair, sampling):
        law = self.law(monkeypatch, pair, self.SOURCES[1], 2, 4, sampling)
        assert toys.difference(law, self.target_law(pair[0], self.SOURCES[1], 4, sampling)) < 1e-5

    def test_three_tokens(self, monkeypatch):
        pair = [small_seq2seq("t5", vocab_size=3, layers=1, width=8, seed=seed) for seed in (2, 8)]
        law = self.law(monkeypatch, pair, [2, 1], 2, 3)
        assert toys.difference(law, self.target_law(pair[0], [2, 1], 3, Sampling(1.0))) < 1e-5

    def test_the_source_matters(self, pair):
        one, other = (self.target_law(pair[0], source, 3, Sampling(1.0)) for source in self.SOURCES)
        assert toys.total_variation(one, other) > 0.01

    def test_a_draft_that_read_another_text_costs_speed_and_not_the_law(self, monkeypatch, pair):
        target, draft = Conditioned(pair[0], self.SOURCES[0]), Conditioned(pair[1], self.SOURCES[1])
        law = text_law(monkeypatch, target, lambda: ModelDrafter(draft), 2, Sampling(1.0), 3)
        assert toys.difference(law, self.target_law(pair[0], self.SOURCES[0], 3, Sampling(1.0))) < 1e-5


class TestCache:
    def test_the_encoder_runs_once(self, model):
        calls = []
        hook = model.get_encoder().register_forward_hook(lambda *_: calls.append(1))
        target = Conditioned(model, SOURCE)
        generate(target, target.start, ModelDrafter(target), k=3, max_new_tokens=20)
        hook.remove()
        assert len(calls) == 1

    def test_rollback_takes_back_the_text_and_leaves_the_source(self, model):
        cached, ids = CachedModel(Conditioned(model, SOURCE)), torch.tensor([2, 30, 6, 11, 25])
        whole = cached.append(ids)
        source = [layer.keys.clone() for layer in cached.cache.cross_attention_cache.layers]
        for n in (1, 3, 5):  # five: nothing of the text is left
            cached.rollback(n)
            assert cached.length == 5 - n
            assert torch.allclose(cached.append(ids[5 - n :]), whole[5 - n :], atol=1e-4)
        for before, layer in zip(source, cached.cache.cross_attention_cache.layers, strict=True):
            assert torch.equal(before, layer.keys) and layer.keys.shape[-2] == len(SOURCE)

    def test_only_the_last_rows(self, model):
        target, ids = Conditioned(model, SOURCE), torch.tensor([[2, 30, 6]])
        assert torch.equal(target(ids, logits_to_keep=2).logits, target(ids).logits[:, -2:])
        assert target(ids).logits.shape == (1, 3, vocabulary_size(target))


class TestRequests:
    @pytest.mark.parametrize("source", [SOURCE, SOURCE.tolist(), SOURCE[None], SOURCE.int().numpy()], ids=str)
    def test_a_source_in_any_form(self, t5, source):
        target = Conditioned(t5, source)
        assert torch.equal(target.encoded.last_hidden_state, Conditioned(t5, SOURCE).encoded.last_hidden_state)

    @pytest.mark.parametrize(
        "source, words",
        [([], "shape"), ([[1, 2], [3, 4]], "shape"), ([0.5], "type"), ([10**6], "tokenizer"), ([-1], "tokenizer")],
    )
    def test_bad_sources(self, t5, source, words):
        with pytest.raises(ValueError, match=f"the source .*{words}"):
            Conditioned(t5, source)

    def test_a_model_without_an_encoder(self):
        from small_models import small_model

        with pytest.raises(ValueError, match="Qwen3ForCausalLM is no encoder-decoder.*as the prompt"):
            Conditioned(small_model(64), SOURCE)

    def test_a_model_that_does_not_say_how_its_text_begins(self, t5):
        silent = copy.deepcopy(t5)
        silent.config.decoder_start_token_id = silent.generation_config.decoder_start_token_id = None
        with pytest.raises(ValueError, match="decoder_start_token_id"):
            Conditioned(silent, SOURCE).start  # noqa: B018

    def test_a_budget_beyond_the_decoders_context(self):
        target = Conditioned(small_seq2seq("bart"), SOURCE)
        with pytest.raises(ValueError, match="context holds 128"):
            generate(target, target.start, max_new_tokens=128)
