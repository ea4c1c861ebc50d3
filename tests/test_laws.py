"""The law of the text, by exact enumeration: every verifier, the decoding loop, every kind of drafter and sampling."""

from types import SimpleNamespace

import pytest
import torch

from specdec_course.checks.stages import toys
from specdec_course.decoding import engine
from specdec_course.drafters import Draft, ModelDrafter, propose_stochastic
from specdec_course.sampling import Dice, Sampling, exact_law
from specdec_course.verification import expected_acceptance, verify_block, verify_stochastic, verify_vectorised


def vectorised(draft, q, p, dice):
    """The decoding loop's verifier: it pads what it emits to k + 1 tokens."""
    tokens, n = verify_vectorised(draft, q, p, dice)
    return tokens[: int(n) + 1]


VERIFIERS = [verify_stochastic, verify_block, vectorised]
SETTINGS = [
    Sampling(1.0),
    Sampling(0.0),
    Sampling(0.5),
    Sampling(2.0, top_k=2),
    Sampling(0.7, top_p=0.6),
    Sampling(1.3, top_k=3, top_p=0.8),
]


def rng(seed):
    return torch.Generator().manual_seed(seed)


def rows_of(forward, sampling):
    """A Forward and a sampling as distributions of the next token, given the tokens after the prompt (0)."""
    return lambda text: sampling(forward(torch.tensor((0, *text)))[-1])


def round_law(rule, target, drafter, k):
    def one_round(dice):
        drawn = toys.draw_draft(drafter, k, dice)
        return rule(*toys.verification_inputs(target, *drawn), dice)

    return exact_law(one_round)


def assert_same_law(law, target, length):
    assert toys.difference(toys.completed(law, target, length), toys.target_law(target, length)) < 1e-5


@pytest.mark.parametrize("rule", VERIFIERS)
@pytest.mark.parametrize(("size", "k"), [(2, 0), (3, 1), (2, 2), (3, 2), (4, 2), (2, 3), (4, 3)])
def test_joint_law_of_a_round(rule, size, k):
    target, drafter = toys.toy_rows(size, rng(size)), toys.toy_rows(size, rng(10 * k + size))
    law = round_law(rule, target, drafter, k)
    assert_same_law(law, target, k + 1)
    assert max(map(len, law)) == k + 1


@pytest.mark.parametrize("rule", VERIFIERS)
@pytest.mark.parametrize("sampling", SETTINGS, ids=str)
def test_joint_law_under_temperature_and_filters(rule, sampling):
    target = rows_of(toys.toy_forward(4, rng(1), 2.0), sampling)
    drafter = rows_of(toys.toy_forward(4, rng(2), 2.0), sampling)
    assert_same_law(round_law(rule, target, drafter, 2), target, 3)


@pytest.mark.parametrize("rule", VERIFIERS)
def test_joint_law_with_a_drafter_that_is_certain(rule):
    target, drafter = toys.toy_rows(4, rng(3)), toys.one_hot_rows(toys.toy_rows(4, rng(4)))
    assert_same_law(round_law(rule, target, drafter, 3), target, 4)


def test_the_loops_verifier_without_q_is_the_one_with_one_hot_rows():
    target, drafter = toys.toy_rows(3, rng(5)), toys.one_hot_rows(toys.toy_rows(3, rng(6)))
    with_q = round_law(vectorised, target, drafter, 3)
    without = round_law(lambda draft, q, p, dice: vectorised(draft, None, p, dice), target, drafter, 3)
    assert toys.difference(with_q, without) < 1e-6


@pytest.mark.parametrize("rule", VERIFIERS)
def test_equal_and_nearly_equal_distributions(rule):
    p = torch.softmax(torch.randn(4, generator=rng(7)), -1)
    for q in (p, torch.nextafter(p, torch.tensor(2.0)), torch.nextafter(p, torch.tensor(0.0))):
        law = round_law(rule, toys.fixed_rows(p), toys.fixed_rows(q), 2)
        assert_same_law(law, toys.fixed_rows(p), 3)
        assert toys.mean_length(law) == pytest.approx(3, abs=1e-4)


@pytest.mark.parametrize("rule", VERIFIERS)
@pytest.mark.parametrize("drafted", [1, 3])
def test_a_drafted_token_that_q_excludes(rule, drafted):
    p, q = torch.tensor([0.6, 0.4, 0.0, 0.0]), torch.tensor([0.3, 0.0, 0.7, 0.0])
    law = exact_law(lambda dice: rule(torch.tensor([drafted]), q[None], torch.stack([p, p]), dice))
    assert sum(law.values()) == pytest.approx(1, abs=1e-5)
    assert all(x in (0, 1, drafted) for text in law for x in text)


@pytest.mark.parametrize("seed", range(6))
def test_block_keeps_at_least_as_many_tokens_and_token_keeps_the_overlap(seed):
    target, drafter = toys.toy_rows(3, rng(seed), 1.5), toys.toy_rows(3, rng(100 + seed), 1.5)
    token, block = (toys.mean_length(round_law(rule, target, drafter, 2)) for rule in (verify_stochastic, verify_block))
    assert block >= token - 1e-6
    one = toys.mean_length(round_law(verify_stochastic, target, drafter, 1)) - 1
    assert one == pytest.approx(expected_acceptance(target(()), drafter(())), abs=1e-5)


def test_the_papers_example():
    """Sun et al. 2024: 10/9 tokens kept by token verification, 11/9 by block verification."""
    target, drafter = toys.fixed_rows([1 / 3, 2 / 3]), toys.fixed_rows([2 / 3, 1 / 3])
    assert toys.mean_length(round_law(verify_stochastic, target, drafter, 2)) - 1 == pytest.approx(10 / 9, abs=1e-5)
    assert toys.mean_length(round_law(verify_block, target, drafter, 2)) - 1 == pytest.approx(11 / 9, abs=1e-5)


@pytest.mark.parametrize("sampling", SETTINGS, ids=str)
def test_propose_stochastic_reports_what_it_draws_from(sampling):
    forward, reported = toys.toy_forward(4, rng(8)), {}

    def draft(dice):
        ids, q = propose_stochastic(forward, torch.tensor([0, 2]), 2, sampling, dice)
        reported[tuple(ids.tolist())] = q
        return ids

    for text, mass in exact_law(draft).items():
        assert mass == pytest.approx(float(reported[text][0, text[0]] * reported[text][1, text[1]]), abs=1e-6)


# ---- engine.generate, end to end -------------------------------------------------------------------------------


class ToyCache:
    """Remembers the ids that were fed: whoever rolls back wrongly gets the logits of another text."""

    def __init__(self):
        self.ids = torch.empty(0, dtype=torch.long)

    def get_seq_length(self):
        return len(self.ids)

    def crop(self, n):
        assert n < 0
        self.ids = self.ids[:n]


class ToyModel:
    """A toy Forward in the clothes of a Hugging Face model with a cache."""

    device = torch.device("cpu")

    def __init__(self, forward, vocab_size):
        self.forward = forward
        text = SimpleNamespace(vocab_size=vocab_size, max_position_embeddings=64)
        self.config = SimpleNamespace(get_text_config=lambda: text)

    def __call__(self, input_ids, past_key_values=None, use_cache=True, logits_to_keep=0):
        cache = past_key_values or ToyCache()
        cache.ids = torch.cat([cache.ids, input_ids[0]])
        logits = self.forward(cache.ids)[-input_ids.shape[1] :]
        return SimpleNamespace(logits=logits[None, -logits_to_keep:], past_key_values=cache)


class CertainDrafter:
    """One-hot guesses, as a bigram's; `most` of them at once, though more were asked for."""

    def __init__(self, size, most=99):
        self.size, self.most = size, most

    def propose(self, ids, k, sampling, dice):
        last = int(ids[-1])
        return Draft(torch.tensor([(last + 1 + i) % self.size for i in range(min(k, self.most))], dtype=torch.long))


class ShortModelDrafter(ModelDrafter):
    """Drafts one token fewer than it is asked for."""

    def propose(self, ids, k, sampling, dice):
        return super().propose(ids, max(0, k - 1), sampling, dice)


def text_law(monkeypatch, target, make_drafter, k, sampling, new, eos=None, prompt=(0,)):
    """The exact law of everything that generate writes: the loop's Dice is replaced by one that tries every branch."""

    def whole_text(dice):
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        out = engine.generate(target, torch.tensor(prompt), make_drafter(), k, sampling, new, eos)
        assert sum(r.emitted for r in out.trace.rounds) == len(out.tokens) - len(prompt) <= new
        return out.tokens[len(prompt) :]

    return exact_law(whole_text)


DRAFTERS = {
    "model": lambda size: ModelDrafter(ToyModel(toys.toy_forward(size, rng(21)), size)),
    "short model": lambda size: ShortModelDrafter(ToyModel(toys.toy_forward(size, rng(22)), size)),
    "certain": lambda size: CertainDrafter(size),
    "certain, one at a time": lambda size: CertainDrafter(size, most=1),
    "certain, silent": lambda size: CertainDrafter(size, most=0),
    "none": lambda size: None,
}


@pytest.mark.parametrize("name", DRAFTERS)
@pytest.mark.parametrize(("size", "k", "new"), [(2, 1, 4), (2, 2, 5), (3, 2, 3), (2, 3, 4)])
def test_generate_writes_the_targets_law(monkeypatch, name, size, k, new):
    forward = toys.toy_forward(size, rng(20))
    law = text_law(monkeypatch, ToyModel(forward, size), lambda: DRAFTERS[name](size), k, Sampling(1.0), new)
    wanted = toys.target_law(rows_of(forward, Sampling(1.0)), new)
    assert toys.difference(law, wanted) < 1e-5


@pytest.mark.parametrize("sampling", SETTINGS, ids=str)
@pytest.mark.parametrize("name", ["model", "certain"])
def test_generate_under_temperature_and_filters(monkeypatch, sampling, name):
    forward = toys.toy_forward(4, rng(23), 1.5)
    law = text_law(monkeypatch, ToyModel(forward, 4), lambda: DRAFTERS[name](4), 2, sampling, 3)
    assert toys.difference(law, toys.target_law(rows_of(forward, sampling), 3)) < 1e-5


def assert_cut_law(law, target, eos, new):
    """The law of texts that were cut after their first end."""
    wanted = {}
    for text, mass in toys.target_law(target, new).items():
        cut = text[: text.index(eos) + 1] if eos in text else text
        wanted[cut] = wanted.get(cut, 0.0) + mass
    assert toys.difference(law, wanted) < 1e-5


@pytest.mark.parametrize("name", ["model", "certain"])
def test_generate_with_an_end_of_text(monkeypatch, name):
    """The law of the text cut after its first EOS."""
    forward, eos, new = toys.toy_forward(3, rng(24)), 2, 4
    law = text_law(monkeypatch, ToyModel(forward, 3), lambda: DRAFTERS[name](3), 2, Sampling(1.0), new, eos)
    assert_cut_law(law, rows_of(forward, Sampling(1.0)), eos, new)


def test_a_wrong_rule_in_the_loop_would_be_seen(monkeypatch):
    """The test of the tests: with a q that was not drawn from, the law of the text is off."""

    class Liar(ModelDrafter):
        def propose(self, ids, k, sampling, dice):
            drawn = super().propose(ids, k, sampling, dice)
            return Draft(drawn.ids, drawn.probs.flip(-1))

    forward = toys.toy_forward(2, rng(20))
    make = lambda: Liar(ToyModel(toys.toy_forward(2, rng(21)), 2))  # noqa: E731
    law = text_law(monkeypatch, ToyModel(forward, 2), make, 2, Sampling(1.0), 4)
    assert toys.total_variation(law, toys.target_law(rows_of(forward, Sampling(1.0)), 4)) > 0.01


def test_real_dice_and_replayed_dice_agree():
    """A frequency check, so that the replay itself is not trusted blindly."""
    target, drafter = toys.toy_rows(3, rng(30)), toys.toy_rows(3, rng(31))
    law, dice, counts, n = round_law(verify_stochastic, target, drafter, 1), Dice(rng(0)), {}, 3000
    for _ in range(n):
        drawn = toys.draw_draft(drafter, 1, dice)
        text = tuple(verify_stochastic(*toys.verification_inputs(target, *drawn), dice).tolist())
        counts[text] = counts.get(text, 0) + 1 / n
    assert toys.total_variation(law, counts) < 0.04
