"""Trees of guesses: their geometry, the rules that verify them, the caches that hold them, the loop that runs them."""

import functools

import pytest
import torch
from small_models import DECODERS, SHAPE, exact_in_half_precision, small_model, small_seq2seq
from transformers import MistralConfig, MistralForCausalLM

from specdec_course import Sampling, generate
from specdec_course.cache import static
from specdec_course.cache.chosen import cache_of
from specdec_course.cache.conditioned import Conditioned
from specdec_course.cache.static import StaticModel
from specdec_course.checks.stages import toys
from specdec_course.decoding import engine, greedy_decode
from specdec_course.decoding.rounds import placed
from specdec_course.drafters import BigramDrafter, Draft, Drafter, ModelDrafter, as_drafter
from specdec_course.drafters.draft import depths, paths
from specdec_course.drafters.trees import tree_attention_mask
from specdec_course.measure.equality import library_text
from specdec_course.models import as_forward
from specdec_course.sampling import exact_law
from specdec_course.verification import verify_stochastic, verify_tree_greedy, verify_tree_stochastic

VOCAB = 41
PROMPT = torch.tensor([15, 26, 31, 7, 25])
TWO_BRANCHES = (-1, -1, 0, 1, 3)  # two guesses for the next token, each with a continuation
SHAPES = {
    "nothing": (), "one": (-1,), "chain": (-1, 0, 1), "siblings": (-1, -1), "two branches": (-1, -1, 0, 1),
    "late sibling": (-1, 0, -1), "bushy": (-1, -1, 0, 0),
}  # fmt: skip
ENGINES = ("eager", "compiled")


def rng(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def uncompiled(request, monkeypatch):
    """The compiler changes no result and takes seconds a shape; the slow tests do not leave it out."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(static, "compiled_once", lambda method, **how: method)


# geometry ------------------------------------------------------------------------------------------------------------


def test_depths_ancestors_and_paths():
    parents = torch.tensor(TWO_BRANCHES)
    assert depths(parents).tolist() == [1, 1, 2, 2, 3]
    assert paths(parents) == [[0, 2], [1, 3, 4]]
    assert tree_attention_mask(parents).int().tolist() == [
        [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 1, 0, 1, 0], [0, 1, 0, 1, 1]
    ]  # fmt: skip
    chain = torch.arange(5) - 1
    assert depths(chain).tolist() == [1, 2, 3, 4, 5] and paths(chain) == [[0, 1, 2, 3, 4]]
    assert torch.equal(tree_attention_mask(chain), torch.ones(5, 5, dtype=torch.bool).tril())
    assert paths(chain[:0]) == [] and depths(chain[:0]).shape == (0,) and tree_attention_mask(chain[:0]).shape == (0, 0)


@pytest.mark.parametrize("parents", [(0,), (-1, 2, 0), (-2,), (-1, 1)])
def test_parents_stand_before_their_children(parents):
    with pytest.raises(ValueError, match="parents stand before their children"):
        depths(torch.tensor(parents))


def test_a_chain_placed_as_a_tree_stands_as_a_chain():
    positions, mask = placed(torch.arange(3) - 1, 2, 4, "cpu")
    assert positions.tolist() == [4, 5, 6, 7, 8]
    assert torch.equal(mask, torch.ones(5, 9, dtype=torch.bool).tril(4))


# the rules -----------------------------------------------------------------------------------------------------------


def grown(parents, rows, text, k, draw, replacement=True):
    """A Draft of this shape, no deeper than k: each token drawn from rows(the text before it), or from what its
    siblings before it have left of that row."""
    texts, ids, probs, kept = {-1: tuple(text)}, [], [], {-1: -1}
    for i, parent in enumerate(parents):
        if parent not in kept or len(texts[parent]) - len(text) == k:
            continue
        row = rows(texts[parent]).clone()
        if not replacement:
            row[[texts[j][-1] for j in range(i) if parents[j] == parent and j in kept]] = 0
        probs.append(row / row.sum())
        kept[i] = len(ids)
        ids.append(draw(probs[-1]))
        texts[i] = (*texts[parent], ids[-1])
    shape = [kept[parents[i]] for i in kept if i >= 0]
    rows_of = torch.stack(probs) if probs else torch.zeros(0, 0)
    return Draft(torch.tensor(ids, dtype=torch.long), rows_of, torch.tensor(shape, dtype=torch.long))


def opinions(target, draft, text=()):
    """p FloatTensor [n+1, V]: the target's distributions after the root and after every node."""
    nodes = [tuple(text)]
    for token, parent in zip(draft.ids.tolist(), draft.parents.tolist(), strict=True):
        nodes.append((*nodes[parent + 1], token))
    return torch.stack([target(node) for node in nodes])


@pytest.mark.parametrize("replacement", [True, False], ids=["independent", "without replacement"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [2, 3])
def test_the_joint_law_of_a_round_is_the_targets(shape, size, replacement):
    target, drafter = toys.toy_rows(size, rng(size)), toys.toy_rows(size, rng(9))

    def one_round(dice):
        draft = grown(SHAPES[shape], drafter, (), 9, dice.roll, replacement)
        path, tokens = verify_tree_stochastic(draft, draft.probs, opinions(target, draft), dice)
        assert tokens[:-1].tolist() == draft.ids[path].tolist()
        assert [-1, *path][:-1] == draft.parents[path].tolist()
        return tokens

    law, length = exact_law(one_round), max([0, *depths(torch.tensor(SHAPES[shape], dtype=torch.long)).tolist()]) + 1
    assert toys.difference(toys.completed(law, target, length), toys.target_law(target, length)) < 1e-5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_law_with_a_drafter_that_is_certain_however_its_tree_came_about(shape):
    target, n = toys.toy_rows(3, rng(3)), len(SHAPES[shape])
    for seed in range(4):
        ids = torch.randint(3, (n,), generator=rng(seed))  # siblings may be equal
        draft = Draft(ids, None, torch.tensor(SHAPES[shape], dtype=torch.long))
        p = opinions(target, draft)
        law = exact_law(lambda dice, draft=draft, p=p: verify_tree_stochastic(draft, None, p, dice)[1])
        assert toys.difference(toys.completed(law, target, 4), toys.target_law(target, 4)) < 1e-5
        rows = torch.nn.functional.one_hot(ids, 3).float()
        same = exact_law(lambda dice, draft=draft, p=p, rows=rows: verify_tree_stochastic(draft, rows, p, dice)[1])
        assert toys.difference(law, same) < 1e-6


def test_a_chain_as_a_tree_is_a_chain():
    target, drafter = toys.toy_rows(3, rng(5)), toys.toy_rows(3, rng(6))

    def rounds(dice, tree):
        draft = grown((-1, 0, 1), drafter, (), 9, dice.roll)
        p = opinions(target, draft)
        if tree:
            return verify_tree_stochastic(draft, draft.probs, p, dice)[1]
        return verify_stochastic(draft.ids, draft.probs, p, dice)

    laws = [exact_law(lambda dice, tree=tree: rounds(dice, tree)) for tree in (True, False)]
    assert toys.difference(*laws) < 1e-6


def test_a_second_guess_keeps_more_and_a_wrong_row_would_be_seen():
    """The test of the tests: siblings drawn without replacement, but reported as independent, are off."""
    target, drafter = toys.toy_rows(3, rng(1)), toys.toy_rows(3, rng(2))

    def law(parents, honest=True):
        def one_round(dice):
            draft = grown(parents, drafter, (), 9, dice.roll, replacement=False)
            q = draft.probs if honest else drafter(()).expand(len(parents), -1)
            return verify_tree_stochastic(draft, q, opinions(target, draft), dice)[1]

        return exact_law(one_round)

    assert toys.mean_length(law((-1, -1))) > toys.mean_length(law((-1,))) + 0.01
    off = toys.completed(law((-1, -1), honest=False), target, 2)
    assert toys.total_variation(off, toys.target_law(target, 2)) > 0.01


def test_the_greedy_path_follows_the_targets_choices():
    choice = torch.tensor([2, 0, 1, 0, 0, 1])  # after the root, and after each of the five nodes
    logits = torch.nn.functional.one_hot(choice, 4).float() - 5
    parents = torch.tensor(TWO_BRANCHES)
    for ids, path, tokens in (
        ([0, 2, 0, 1, 0], [1, 3, 4], [2, 1, 0, 1]), ([0, 2, 0, 3, 3], [1], [2, 1]), ([0, 1, 2, 2, 2], [], [2]),
        ([2, 2, 0, 1, 0], [0, 2], [2, 0, 0]),
    ):  # fmt: skip
        kept, emitted = verify_tree_greedy(Draft(torch.tensor(ids), None, parents), logits)
        assert (kept, emitted.tolist()) == (path, tokens)
    empty = Draft(torch.empty(0, dtype=torch.long), None, torch.empty(0, dtype=torch.long))
    assert verify_tree_greedy(empty, logits[:1])[1].tolist() == [2]


# the caches ----------------------------------------------------------------------------------------------------------


def decoder(kind="qwen3", attention="sdpa", seed=0, vocab=VOCAB):
    if kind == "mistral":  # its window of 6 positions is shorter than the text
        torch.manual_seed(seed)
        config = MistralConfig(
            vocab_size=vocab, num_hidden_layers=2, initializer_range=0.3, sliding_window=6, **SHAPE
        )  # fmt: skip
        return MistralForCausalLM._from_config(config, attn_implementation=attention).eval()
    model = small_model(vocab, kind, seed=seed)
    if attention == "sdpa":
        return model
    torch.manual_seed(seed)
    other = DECODERS[kind][1]._from_config(model.config, attn_implementation=attention)
    other.load_state_dict(model.state_dict())
    return exact_in_half_precision(other)


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["qwen3", "llama", "mistral"])
@pytest.mark.parametrize("name", ENGINES)
def test_every_node_has_the_logits_of_its_path_and_a_kept_path_goes_on_as_a_text(name, kind, attention):
    model = decoder(kind, attention)
    cached, scratch, text = cache_of(model, name).begin(120), as_forward(model), torch.arange(9) * 3 % VOCAB
    cached.append(text[:7])
    for seed in range(6):
        parents = torch.tensor(TWO_BRANCHES) if seed == 0 else random_tree(rng(seed), 1 + 3 * seed)
        m, nodes = len(text) - cached.length, torch.randint(VOCAB, (len(parents),), generator=rng(100 + seed))
        logits = cached.append(torch.cat([text[-m:], nodes]), None, *placed(parents, m, cached.length, "cpu"))
        close(logits[:m], scratch(text)[-m:])
        for path in paths(parents):
            close(logits[m:][path], scratch(torch.cat([text, nodes[path]]))[-len(path) :])
        path = paths(parents)[-1][: 3 + seed]
        cached.keep([*range(m), *(m + i for i in path)])
        text = torch.cat([text, nodes[path]])
        assert cached.length == len(text)
        for keys, values in (cached.keys_values(0), cached.keys_values(1)):
            assert keys.shape[-2] == values.shape[-2] == len(text)
        new = torch.tensor([seed, 40 - seed])
        text = torch.cat([text, new])
        close(cached.append(new), scratch(text)[-2:])
        cached.rollback(1 + seed % 2)


def random_tree(generator, n):
    return torch.tensor([int(torch.randint(-1, max(i, 1), (), generator=generator)) if i else -1 for i in range(n)])


@pytest.mark.parametrize("name", ENGINES)
def test_a_tree_may_come_with_the_prompt(name):
    model, parents = decoder(), torch.tensor(TWO_BRANCHES)
    cached, nodes = cache_of(model, name).begin(60), torch.arange(5)
    logits = cached.append(torch.cat([PROMPT, nodes]), 6, *placed(parents, 5, 0, "cpu"))
    close(logits[0], as_forward(model)(PROMPT)[-1])
    for path in paths(parents):
        close(logits[1:][path], as_forward(model)(torch.cat([PROMPT, nodes[path]]))[-len(path) :])


@pytest.mark.parametrize("name", ENGINES)
def test_rows_that_there_are_not_are_refused_and_nothing_changes(name):
    cached = cache_of(decoder(), name).begin(60)
    cached.keep([])
    cached.append(PROMPT)
    cached.append(torch.arange(3))
    before = [x.clone() for x in cached.keys_values(1)]
    for rows in ([3], [-1, 0], [1, 0], [0, 0], torch.tensor([0, 5])):
        with pytest.raises(ValueError, match="ascending indices into the last 3"):
            cached.keep(rows)
    assert cached.length == 8 and all(map(torch.equal, cached.keys_values(1), before))
    cached.keep(torch.tensor([0, 2]))
    assert cached.length == 7 and torch.equal(cached.keys_values(1)[0][:, 6], before[0][:, 7])
    with pytest.raises(ValueError, match="last 2 appended"):
        cached.keep([2])
    cached.keep([])
    assert cached.length == 5 and torch.equal(cached.keys_values(1)[0], before[0][:, :5])


@pytest.mark.parametrize("name", ENGINES)
def test_positions_and_mask_come_together_and_fit(name):
    cached = cache_of(decoder(), name).begin(60)
    cached.append(PROMPT)
    positions, mask = torch.tensor([5, 5]), torch.ones(2, 7, dtype=torch.bool)
    for tree in ((positions, None), (None, mask), (positions, mask[:, :6]), (positions[:1], mask)):
        with pytest.raises(ValueError, match=r"for 2 tokens behind 5 that are held expected \(2,\) and \(2, 7\)"):
            cached.append(torch.arange(2), None, *tree)
    assert cached.length == 5


def test_attention_that_takes_no_mask_is_refused_in_words():
    model, tree = decoder(), (torch.arange(2), torch.ones(2, 2, dtype=torch.bool))
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ValueError, match='attn_implementation="sdpa"'):
        StaticModel(model)
    with pytest.raises(ValueError, match='attn_implementation="sdpa"'):
        cache_of(model, "eager").append(torch.arange(2), None, *tree)
    written = Conditioned(small_seq2seq("t5"), [7, 3])
    with pytest.raises(ValueError, match="a tree of guesses is for decoder-only models .* propose chains"):
        cache_of(written, "eager").append(torch.arange(2), None, *tree)


@pytest.mark.parametrize("kind", ["qwen3", "llama", "mistral"])
@pytest.mark.parametrize("name", ENGINES)
def test_attention_that_adds_its_mask_writes_the_librarys_text(name, kind):
    target, draft = decoder(kind, "eager"), decoder(kind, "eager", seed=1)
    theirs = library_text(target, PROMPT, 40, None)
    for drafter in (None, ModelDrafter(draft), BranchingDrafter(as_forward(target))):
        assert torch.equal(generate(target, PROMPT, drafter, 3, max_new_tokens=40, engine=name).tokens, theirs)
    twin = generate(target, PROMPT, ModelDrafter(decoder(kind, "eager")), 3, max_new_tokens=40, engine=name)
    assert twin.trace.acceptance_rate == 1.0


# the loop ------------------------------------------------------------------------------------------------------------


class BranchingDrafter(Drafter):
    """Two guesses for the next token, then one each, then two: the right ones lie scattered over the branches."""

    nodes = 6

    def __init__(self, forward):
        self.forward = functools.cache(lambda text: forward(torch.tensor(text))[-1].topk(2).indices.tolist())

    def propose(self, ids, k, sampling, dice):
        text, self.calls = tuple(ids.tolist()), self.calls + 1
        tokens, parents, nodes = [], [], {-1: text}
        for parent, rank, depth in ((-1, 1, 1), (-1, 0, 1), (0, 0, 2), (1, 0, 2), (3, 1, 3), (3, len(ids) % 2, 3)):
            if depth <= k:
                tokens.append(self.forward(nodes[parent])[rank])
                parents.append(parent)
                nodes[len(tokens) - 1] = (*nodes[parent], tokens[-1])
        return Draft(torch.tensor(tokens), None, torch.tensor(parents))


@pytest.mark.parametrize("kind", ["qwen3", "llama", "mistral"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_tree_drafter_writes_the_targets_greedy_text(name, kind):
    target = decoder(kind)
    alone = greedy_decode(as_forward(target), PROMPT, 41)
    for k in (1, 2, 3, 7):
        drafter = BranchingDrafter(as_forward(target))
        out = generate(target, PROMPT, drafter, k, max_new_tokens=41, engine=name)
        assert torch.equal(out.tokens, alone)
        assert out.trace.target_calls == len(out.trace.rounds) and out.trace.draft_calls == drafter.calls
        assert max(r.accepted for r in out.trace.rounds) == min(k, 3)
        assert all(r.emitted >= min(k, 2) + 1 for r in out.trace.rounds[:-1])
    eos = int(alone[20])
    out = generate(target, PROMPT, BranchingDrafter(as_forward(target)), 3, max_new_tokens=41, eos_token_id=eos)
    assert torch.equal(out.tokens, greedy_decode(as_forward(target), PROMPT, 41, eos))


def test_a_tree_up_to_the_very_end_of_the_context_is_right():
    target = decoder()
    alone = greedy_decode(as_forward(target), PROMPT, 251)
    for name in ENGINES:
        out = generate(target, PROMPT, BranchingDrafter(as_forward(target)), 3, max_new_tokens=251, engine=name)
        assert torch.equal(out.tokens, alone)


class GrowingDrafter(Drafter):
    """Draws a tree of a fixed shape from toy rows."""

    nodes = 8

    def __init__(self, rows, parents, replacement):
        self.rows, self.parents, self.replacement = rows, parents, replacement

    def propose(self, ids, k, sampling, dice):
        return grown(self.parents, self.rows, ids.tolist(), k, dice.roll, self.replacement)


@pytest.mark.parametrize(
    ("kind", "parents", "replacement"),
    [("qwen3", (-1, -1, 0), True), ("llama", (-1, -1, 1), False), ("mistral", (-1, 0, -1), True)],
)
@pytest.mark.parametrize("name", ENGINES)
def test_the_law_of_the_text_with_a_tree_drafter_is_the_targets(monkeypatch, name, kind, parents, replacement):
    model = decoder(kind, vocab=2)
    forward, rows = as_forward(model), toys.toy_rows(2, rng(4))
    drafter = GrowingDrafter(lambda text: rows(tuple(text[1:])), parents, replacement)

    def whole_text(dice):
        dice.numbers = lambda n, device: torch.empty(0)
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        monkeypatch.setattr(static, "PredrawnDice", lambda numbers: dice)
        return generate(model, [0], drafter, 2, Sampling(1.0), 3, engine=name).tokens[1:]

    wanted = toys.target_law(lambda text: Sampling(1.0)(forward(torch.tensor((0, *text)))[-1]), 3)
    assert toys.difference(exact_law(whole_text), wanted) < 1e-5


@pytest.mark.parametrize("name", ENGINES)
def test_a_sampled_tree_is_repeated_by_its_seed(name):
    model, rows = decoder(), toys.toy_rows(3, rng(4))
    wide = lambda text: torch.nn.functional.pad(rows(tuple(x % 3 for x in text[-3:])), (0, VOCAB - 3))  # noqa: E731
    texts = [
        generate(model, PROMPT, GrowingDrafter(wide, TWO_BRANCHES, False), 3, Sampling(1.5), 30, None, s, name).tokens
        for s in (0, 0, 1)
    ]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[0], texts[2])


def test_bad_trees_are_refused_in_words():
    def with_parents(*parents):
        class Bad(Drafter):
            def propose(self, ids, k, sampling, dice):
                return Draft(torch.zeros(3, dtype=torch.long), None, torch.tensor(parents))

        return Bad()

    for parents, words in (((-1, 0), "3 tokens with 2 parents"), ((-1, 0, 1), "at most 2 .* proposes 3"),
                           ((-1, 2, 0), "before their children")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            generate(decoder(), PROMPT, with_parents(*parents), 2)


# any drafter ---------------------------------------------------------------------------------------------------------


class OnlyProposes:
    def propose(self, ids, k, sampling, dice):
        return Draft(ids[-1:].repeat(k))


class KeepsCount(OnlyProposes):
    """Some of a Drafter's methods, without being one."""

    calls = 7

    def __init__(self):
        self.heard = []

    def begin(self, vocab_size, positions, engine):
        self.heard.append((vocab_size, positions, engine))

    def accepted(self, n):
        self.calls += 1
        self.heard.append(n)


@pytest.mark.parametrize("name", ENGINES)
def test_what_only_proposes_is_a_drafter(name):
    target = decoder()
    alone = greedy_decode(as_forward(target), PROMPT, 20)
    assert torch.equal(generate(target, PROMPT, OnlyProposes(), 3, max_new_tokens=20, engine=name).tokens, alone)
    counting = KeepsCount()
    out = generate(target, PROMPT, counting, 3, max_new_tokens=20, engine=name)
    asked = [r for r in out.trace.rounds if r.drafted]
    assert torch.equal(out.tokens, alone) and counting.heard[0] == (VOCAB, 25, name)
    assert counting.heard[1:] == [r.accepted for r in asked] and out.trace.draft_calls == len(asked)


def test_what_does_not_propose_is_refused_in_words():
    with pytest.raises(ValueError, match=r"is a Qwen3ForCausalLM; expected .*ModelDrafter\(model\)"):
        generate(decoder(), PROMPT, decoder())
    drafter = BigramDrafter([0])
    assert as_drafter(drafter) is drafter and as_drafter(None).propose(PROMPT, 3, None, None).ids.shape == (0,)


class Onlooker(Drafter):
    """Notes what it can see of the target."""

    wants_hidden = (-1, 1)

    def __init__(self, tree):
        self.tree, self.seen = tree, []

    def propose_from(self, context, k, sampling, dice):
        self.seen.append((context.ids.clone(), [context.hidden(i).clone() for i in self.wants_hidden],
                          [x.clone() for x in context.keys_values(1)]))
        ids, parents = torch.tensor([5, int(context.ids[-1]), 9, 9]), torch.tensor([-1, -1, 1, 0])
        return Draft(ids[: 2 * k], None, parents[: 2 * k]) if self.tree else Draft(ids[:k])


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("name", ENGINES)
def test_a_drafter_that_wants_to_sees_the_targets_features(name, tree, kind):
    target, drafter = decoder(kind), Onlooker(tree)
    out = generate(target, PROMPT, drafter, uneven_schedule(), max_new_tokens=20, engine=name)
    assert torch.equal(out.tokens, greedy_decode(as_forward(target), PROMPT, 20)) and len(drafter.seen) > 5
    assert all(len(x) == 0 for x in drafter.seen[0][1])
    for ids, states, (keys, values) in drafter.seen[1:]:
        with torch.inference_mode():
            whole = target(ids[None, :-1], output_hidden_states=True, use_cache=True)
        for layer, state in zip(drafter.wants_hidden, states, strict=True):
            close(state, whole.hidden_states[layer][0])
        close(keys, whole.past_key_values.layers[1].keys[0])
        close(values, whole.past_key_values.layers[1].values[0])


def uneven_schedule():
    """Asks for 2 tokens, and now and then for none: what the target saw in such a round is not lost."""

    class Uneven:
        rounds = 0

        def ask(self):
            self.rounds += 1
            return 0 if self.rounds % 4 == 0 else 2

        def learn(self, round, seconds):
            pass

    return Uneven()


@pytest.mark.parametrize("name", ENGINES)
def test_features_that_nobody_wants_are_not_computed(name, monkeypatch):
    target, asked = decoder(), []
    forward = type(target).forward

    def noted(self, *args, **kwargs):
        asked.append(bool(kwargs.get("output_hidden_states")))
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(type(target), "forward", noted)
    generate(target, PROMPT, OnlyProposes(), 2, max_new_tokens=12, engine=name)
    assert asked and not any(asked)
    generate(target, PROMPT, Onlooker(False), 2, max_new_tokens=12, engine=name)
    assert any(asked)
    cached = cache_of(target, name).begin(60)
    with pytest.raises(ValueError, match="wants_hidden"):
        cached.hidden(-1)


@pytest.mark.slow
def test_compiled_for_real_trees_and_features_are_the_same():
    target, drafter = decoder(), Onlooker(True)
    out = generate(target, PROMPT, drafter, 2, max_new_tokens=30, engine="compiled")
    assert torch.equal(out.tokens, greedy_decode(as_forward(target), PROMPT, 30))
    ids, (last, _), _ = drafter.seen[-1]
    with torch.inference_mode():
        close(last, target(ids[None, :-1], output_hidden_states=True).hidden_states[-1][0])
