"""The engine over static buffers: the same text, the same law, the same rounds as everywhere else.

Most tests leave the compiler out (it changes no result, and takes seconds per shape); the slow ones do not.
"""

import copy
import functools

import pytest
import torch
from small_models import exact_in_half_precision, small_model
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from specdec_course import Sampling, generate
from specdec_course.cache import static
from specdec_course.cache.static import WIDTHS, StaticModel, static_mask, static_model
from specdec_course.checks.stages import toys
from specdec_course.decoding import engine, greedy_decode
from specdec_course.decoding.schedules import CostModel, Fixed, Heuristic
from specdec_course.drafters import BigramDrafter, ModelDrafter
from specdec_course.drafters import model as model_drafter
from specdec_course.models import as_forward
from specdec_course.sampling import Dice, PredrawnDice, exact_law

VOCAB = 41
PROMPT = torch.tensor([15, 26, 31, 7, 25])
SHAPE = {
    "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 256, "initializer_range": 0.3, "num_hidden_layers": 2,
}


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(static, "compiled_once", lambda method, **how: method)


def fresh(kind="qwen3", seed=0, vocab=VOCAB):
    """A random tiny model of a family; made anew, since what is compiled is kept with a model."""
    if kind in ("qwen3", "llama"):
        return small_model(vocab, kind, layers=2, seed=seed)
    torch.manual_seed(seed)
    if kind == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(vocab_size=vocab, tie_word_embeddings=True, **SHAPE))
    else:
        model = MistralForCausalLM(MistralConfig(vocab_size=vocab, sliding_window=6, head_dim=8, **SHAPE))
    return exact_in_half_precision(model)


@functools.cache
def alone(kind, new):
    return greedy_decode(as_forward(fresh(kind)), PROMPT, new)


@pytest.mark.parametrize("kind", ["qwen3", "llama", "qwen2", "mistral"])
def test_every_family_writes_its_own_greedy_text(uncompiled, kind):
    """Mistral's window of 6 positions is shorter than the text."""
    target, twin, stranger = fresh(kind), fresh(kind), fresh(kind, seed=1)
    for k in (0, 1, 3, 4, 7, "heuristic", "auto"):
        for drafter in (None, ModelDrafter(twin), ModelDrafter(stranger), ModelDrafter(stranger, confidence=0.5)):
            out = generate(target, PROMPT, drafter, k, max_new_tokens=40, engine="compiled")
            assert torch.equal(out.tokens, alone(kind, 40)), (k, drafter)


@pytest.mark.parametrize("k", [1, 4, 8])
def test_rounds_and_calls_are_those_of_the_eager_engine(uncompiled, k):
    target, draft = fresh(), fresh(seed=1)
    traces = [
        generate(target, PROMPT, ModelDrafter(draft), k, max_new_tokens=37, engine=name).trace
        for name in ("eager", "compiled")
    ]
    assert traces[0].rounds == traces[1].rounds
    assert [t.target_calls for t in traces] == [len(traces[0].rounds)] * 2
    perfect = generate(target, PROMPT, ModelDrafter(target), k, max_new_tokens=10 * (k + 1), engine="compiled").trace
    assert perfect.acceptance_rate == 1.0 and perfect.target_calls == 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qwen3", "qwen2", "llama", "mistral"])
def test_compiled_for_real_it_still_writes_the_greedy_text(kind):
    target, stranger = fresh(kind), fresh(kind, seed=1)
    for drafter in (None, ModelDrafter(stranger), BigramDrafter.fit(alone(kind, 40), VOCAB)):
        out = generate(target, PROMPT, drafter, 4, max_new_tokens=40, engine="compiled")
        assert torch.equal(out.tokens, alone(kind, 40))
    out = generate(target, PROMPT, ModelDrafter(stranger), 4, Sampling(1.0, top_k=20, top_p=0.9), engine="compiled")
    assert out.tokens.max() < VOCAB and len(out.tokens) == len(PROMPT) + 128


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_what_is_compiled_is_what_was_meant(kind, caplog):
    """A program that fails is replaced by a slower one: the texts stay right, so only this shows it."""
    cached = static_model(fresh(kind)).begin(60)
    cached.append(PROMPT)
    with caplog.at_level("INFO", logger="specdec_course"):
        cached.append(PROMPT[:3])
        cached.append(PROMPT[:1])
    said = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("compiled in") for line in said) == 2
    failed = "compiled layer by layer", "compiled whole", "linear layers stay"
    assert not any(line.startswith(failed) for line in said)
    with torch.profiler.profile() as seen:
        cached.append(PROMPT[:1])
    calls = {event.key: event.count for event in seen.key_averages()}
    assert calls["specdec::few_rows"] == 2 * 7 + 1, "every linear layer of two layers, and the head"
    assert "aten::mm" not in calls and "aten::addmm" not in calls


# the buffers ---------------------------------------------------------------------------------------------------------


def test_logits_over_the_buffers_are_those_from_scratch_after_any_appends_and_rollbacks(uncompiled):
    rng = torch.Generator().manual_seed(0)
    model = fresh("mistral")
    cached, scratch, text = static_model(model).begin(200), as_forward(model), PROMPT[:0]
    for _ in range(40):
        n = int(torch.randint(1, 40, (), generator=rng)) if len(text) < 100 else 1
        new = torch.randint(VOCAB, (n,), generator=rng)
        text = torch.cat([text, new])
        torch.testing.assert_close(cached.append(new), scratch(text)[-n:], rtol=1e-4, atol=1e-4)
        drop = int(torch.randint(0, len(text) + 1, (), generator=rng))
        cached.rollback(drop)
        text = text[: len(text) - drop]
        assert cached.length == len(text)


def test_a_second_text_is_not_disturbed_by_the_rows_of_the_first(uncompiled):
    model = fresh()
    cached = static_model(model).begin(60)
    cached.append(torch.arange(40))
    with torch.inference_mode():
        for rows in (*cached.keys, *cached.values):
            rows.mul_(1e4)  # a stale row that is looked at would be seen
    again = static_model(model).begin(60)
    assert again is cached and again.length == 0
    torch.testing.assert_close(again.append(PROMPT), as_forward(model)(PROMPT), rtol=1e-4, atol=1e-4)


def test_a_copy_of_a_model_shares_nothing_with_it_and_a_saved_one_takes_nothing_along(uncompiled, tmp_path):
    target = fresh()
    generate(target, PROMPT, ModelDrafter(fresh(seed=1)), max_new_tokens=20, engine="compiled")
    torch.save(target, tmp_path / "model.pt")
    for twin in (copy.deepcopy(target), torch.load(tmp_path / "model.pt", weights_only=False)):
        twin.lm_head.weight.data.neg_()
        out = generate(twin, PROMPT, None, max_new_tokens=20, engine="compiled")
        assert torch.equal(out.tokens, greedy_decode(as_forward(twin), PROMPT, 20))
        assert static_model(twin) is not static_model(target)
    assert torch.equal(generate(target, PROMPT, None, max_new_tokens=20, engine="compiled").tokens, alone("qwen3", 20))


def test_a_text_up_to_the_very_end_of_the_context_is_right_and_one_beyond_is_refused(uncompiled):
    target, draft = fresh(), fresh(seed=1)
    for name in ("eager", "compiled"):
        out = generate(target, PROMPT, ModelDrafter(draft), 8, max_new_tokens=251, engine=name)
        assert torch.equal(out.tokens, alone("qwen3", 251))
        with pytest.raises(ValueError, match="context holds 256"):
            generate(target, PROMPT, ModelDrafter(draft), 8, max_new_tokens=252, engine=name)


def test_a_draft_model_with_a_shorter_context_falls_silent_and_the_text_goes_on(uncompiled):
    target, short = fresh(), fresh(seed=1)
    short.config.max_position_embeddings = 32
    for name in ("eager", "compiled"):
        out = generate(target, PROMPT, ModelDrafter(short), 4, max_new_tokens=60, engine=name)
        assert torch.equal(out.tokens, alone("qwen3", 60))
        assert out.trace.rounds[-1].drafted == 0 < out.trace.rounds[0].drafted


@pytest.mark.slow
def test_fifty_texts_leave_no_more_behind_than_five(uncompiled):
    """Tensors that live on, counted after each text: what is kept is kept once. What was there before is not counted:
    to look through it all after every text would take a second each."""
    import gc

    target, draft = fresh(), fresh(seed=1)

    def living():
        gc.collect()
        return sum(o.untyped_storage().nbytes() for o in gc.get_objects() if type(o) is torch.Tensor)

    counts = []
    gc.freeze()
    try:
        for number in range(50):
            name = ("eager", "compiled")[number % 2]
            generate(target, PROMPT, ModelDrafter(draft), "auto", max_new_tokens=20 + number % 7, engine=name)
            counts.append(living())
    finally:
        gc.unfreeze()
    assert 0 < max(counts[6:]) <= max(counts[:6])


def test_a_model_with_layers_that_are_not_attention_is_refused():
    model = fresh()
    model.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(ValueError, match='Use engine="eager"'):
        StaticModel(model)
    with pytest.raises(ValueError, match="expected one of 'eager', 'compiled'"):
        generate(fresh(), PROMPT, engine="fast")


def test_a_pass_that_does_not_fit_is_refused(uncompiled):
    cached = static_model(fresh()).begin(10)
    with pytest.raises(ValueError, match="call begin first|context holds"):
        for _ in range(5):
            cached.append(torch.zeros(60, dtype=torch.long))
    with pytest.raises(ValueError, match="at least one token"):
        cached.append(torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="cannot roll back"):
        cached.rollback(10_000)


def test_the_mask_lets_every_new_token_see_all_up_to_itself():
    for length, n, rows in ((0, 1, 4), (3, 2, 8), (5, 0, 5), (torch.tensor(2), 3, 9)):
        mask = static_mask(length, n, rows)
        assert mask.shape == (n, rows) and mask.dtype == torch.bool
        assert mask.sum(-1).tolist() == [int(length) + i + 1 for i in range(n)]
        assert all(row[: int(length) + i + 1].all() for i, row in enumerate(mask))


# the law -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_draw_gives_every_token_its_share_of_the_numbers(size):
    """Numbers on a fine grid: the share of those that give a token is its probability, up to the grid."""
    rng = torch.Generator().manual_seed(size)
    p = torch.rand(size, generator=rng)
    p[size // 2] = 0.0 if size > 1 else 1.0
    p = p / p.sum()
    grid = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    drawn = torch.cat([PredrawnDice(number[None]).draw(p) for number in grid])
    shares = torch.bincount(drawn, minlength=size) / len(grid)
    assert (shares - p).abs().max() < 2 / len(grid)
    assert size == 1 or shares[size // 2] == 0
    ends = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert all(p[PredrawnDice(end[None]).draw(p)] > 0 for end in ends)


def test_handed_numbers_are_used_once_each_and_flips_have_their_chance():
    handed = PredrawnDice(torch.tensor([0.2, 0.6, 0.9, 0.1], dtype=torch.float64))
    assert handed.flips(torch.tensor([0.3, 0.5])).tolist() == [True, False]
    assert handed.draw(torch.tensor([0.5, 0.5])).item() == 1 and handed.draw(torch.tensor([0.5, 0.5])).item() == 0
    dice = Dice(torch.Generator().manual_seed(3))
    kept = sum(int(dice.flips(torch.full((1000,), 0.3)).sum()) for _ in range(40))
    assert abs(kept - 12_000) < 5.5 * (40_000 * 0.3 * 0.7) ** 0.5  # false alarm: 4e-8


def tiny(vocab, seed):
    model = fresh(seed=seed, vocab=vocab)
    model.config.pad_token_id = None
    return model


def compiled_law(monkeypatch, target, drafter, k, sampling, new):
    """The exact law of what the compiled engine writes: the numbers it would be handed become a Dice that tries all."""

    def whole_text(dice):
        dice.numbers = lambda n, device: torch.empty(0)
        monkeypatch.setattr(engine, "Dice", lambda generator: dice)
        monkeypatch.setattr(static, "PredrawnDice", lambda numbers: dice)
        monkeypatch.setattr(model_drafter, "PredrawnDice", lambda numbers: dice)
        schedule = k() if callable(k) else k
        return generate(target, [0], drafter, schedule, sampling, new, engine="compiled").tokens[1:]

    return exact_law(whole_text)


class Steady(CostModel):
    """A cost model whose clock says what a script says: its choices then repeat, as exact_law needs them to."""

    def seconds(self):
        return [1.0 + 0.05 * k for k in range(self.k_max + 1)]

    def ask(self):
        rates = self.rates()
        return rates.index(max(rates))


@pytest.mark.parametrize(
    ("vocab", "k", "new", "sampling", "confidence"),
    [
        (3, 1, 3, Sampling(1.0), 0.0),
        (3, 2, 3, Sampling(1.0), 0.0),
        (2, 3, 4, Sampling(0.7), 0.0),
        (4, 2, 3, Sampling(1.3, top_k=2), 0.0),
        (4, 2, 3, Sampling(0.8, top_p=0.7), 0.0),
        (4, 3, 3, Sampling(0.0), 0.0),
        (3, 2, 3, Sampling(1.0), 0.5),
        (2, lambda: Heuristic(1, 3), 4, Sampling(1.0), 0.0),
        (2, lambda: Steady(3), 4, Sampling(1.0), 0.0),
    ],
)
def test_the_joint_law_of_the_compiled_engine_is_the_targets(
    uncompiled, monkeypatch, vocab, k, new, sampling, confidence
):
    target, draft = tiny(vocab, 0), tiny(vocab, 1)
    forward = as_forward(target)
    law = compiled_law(monkeypatch, target, ModelDrafter(draft, confidence), k, sampling, new)
    wanted = toys.target_law(lambda text: sampling(forward(torch.tensor((0, *text)))[-1]), new)
    assert toys.difference(law, wanted) < 1e-5


def test_the_joint_law_with_a_drafter_that_is_certain(uncompiled, monkeypatch):
    target = tiny(3, 0)
    forward, bigram = as_forward(target), BigramDrafter([1, 2, 0])
    law = compiled_law(monkeypatch, target, bigram, 2, Sampling(1.0), 4)
    wanted = toys.target_law(lambda text: Sampling(1.0)(forward(torch.tensor((0, *text)))[-1]), 4)
    assert toys.difference(law, wanted) < 1e-5


# captured functions --------------------------------------------------------------------------------------------------


def test_what_is_captured_can_be_run_again_on_the_same_inputs(uncompiled, monkeypatch):
    """Warming up runs a function several times before it counts, so running it must be harmless: each is run thrice
    here, on clones of its inputs, as on CUDA."""

    def thrice(self, key, function, *inputs):
        clones = [x.clone() for x in inputs]
        for _ in range(2):
            function(*clones)
        return function(*clones)

    target, draft = fresh(), fresh(seed=1)
    for sampling in (Sampling(), Sampling(0.9)):
        how = {"k": 3, "sampling": sampling, "max_new_tokens": 50, "seed": 5, "engine": "compiled"}
        once = generate(target, PROMPT, ModelDrafter(draft), **how)
        with monkeypatch.context() as patch:
            patch.setattr(StaticModel, "replay", thrice)
            again = generate(target, PROMPT, ModelDrafter(draft), **how)
        assert torch.equal(once.tokens, again.tokens) and once.trace.rounds == again.trace.rounds


class NothingWaits(TorchDispatchMode):
    """Refuses what makes a program wait for its device: reading a number, or a shape that depends on the data."""

    WAITS = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "unique", "item")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert name not in self.WAITS and not name.startswith("_unique"), f"{name} waits for the device"
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(0.8), Sampling(1.2, top_k=9), Sampling(0.9, top_p=0.7)], ids=str
)
def test_drafting_and_verifying_never_wait_for_the_device(uncompiled, monkeypatch, sampling):
    """So that each can be one graph on CUDA, and the loop waits once a round, where it reads the verdict."""
    replay, count = StaticModel.replay, []

    def watched(self, key, function, *inputs):
        count.append(key[0])
        with NothingWaits():
            return replay(self, key, function, *inputs)

    for drafter in (ModelDrafter(fresh(seed=1)), BigramDrafter([i * 7 % VOCAB for i in range(VOCAB)])):
        args, how = (fresh(), PROMPT, drafter, 3, sampling), {"max_new_tokens": 30, "engine": "compiled"}
        generate(*args, **how)  # makes the programs, each of which is compared with its pass once
        with monkeypatch.context() as patch:
            patch.setattr(StaticModel, "replay", watched)
            out = generate(*args, **how)
        assert count.count("judged") == len(out.trace.rounds) - 1  # all but the first, which reads the prompt
        count.clear()


@pytest.mark.slow
def test_one_program_can_serve_several_widths():
    """As it does on CUDA."""
    model = fresh()
    cached = static_model(model).begin(60)
    cached.append(PROMPT)
    program = static.compiled_once(cached._pass, several_widths=True)
    for width in (2, 5, 9):
        ids = torch.arange(width)
        with torch.inference_mode():
            logits = program(ids, cached.pointer())
        torch.testing.assert_close(logits, as_forward(model)(torch.cat([PROMPT, ids]))[-width:], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_nine_hundred_tokens_up_to_the_end_of_the_bundled_pairs_context(uncompiled):
    from specdec_course import load_pair
    from specdec_course.corpora import held_out_prompts
    from specdec_course.measure.equality import library_text

    pair = load_pair("classroom", say=lambda line: None)
    prompt = held_out_prompts(pair.tokenizer, 1, length=124)[0]
    theirs = library_text(pair.target, prompt, 900, None)
    for name in ("eager", "compiled"):
        out = generate(pair.target, prompt, ModelDrafter(pair.draft), "auto", max_new_tokens=900, eos_token_id=None,
                       engine=name)
        assert len(out.tokens) == 1024 and torch.equal(out.tokens, theirs)
        with pytest.raises(ValueError, match="context holds 1024"):
            generate(pair.target, prompt, ModelDrafter(pair.draft), max_new_tokens=901, engine=name)


def test_few_shapes_and_keys_are_ever_asked_for(uncompiled, monkeypatch):
    keys = set()
    replay = StaticModel.replay

    def noted(self, key, function, *inputs):
        keys.add(key[0] if key[0] != "append" else key)
        shapes.add(tuple(len(x) for x in inputs[:1]))
        return replay(self, key, function, *inputs)

    shapes = set()
    monkeypatch.setattr(StaticModel, "replay", noted)
    generate(fresh(), PROMPT, ModelDrafter(fresh(seed=1)), "heuristic", max_new_tokens=120, engine="compiled")
    assert {width for (width,) in shapes} <= set(WIDTHS)


# schedules -----------------------------------------------------------------------------------------------------------


def test_a_fixed_length_refuses_what_is_no_length():
    for bad in (-1, 1.5, True, "automatic", None):
        with pytest.raises((ValueError, TypeError)):
            generate(fresh(), PROMPT, None, k=bad, max_new_tokens=1)
    assert Fixed(3).ask() == 3


def scripted(alpha, cost, rounds, seed=0, k_max=16):
    """A CostModel that is told of rounds with independent acceptance alpha and time cost(k); its last choices."""
    from specdec_course.trace import Round

    rng, schedule, asked = torch.Generator().manual_seed(seed), CostModel(k_max), []
    for _ in range(rounds):
        k = schedule.ask()
        wrong = (torch.rand(k, generator=rng) >= alpha).nonzero()
        accepted = int(wrong[0]) if len(wrong) else k
        schedule.learn(Round(k, accepted, accepted + 1), cost(k))
        asked.append(k)
    return asked


@pytest.mark.parametrize(("alpha", "c", "v"), [(0.8, 0.05, 1.0), (0.6, 0.3, 1.0), (0.9, 0.1, 1.3), (0.8, 0.02, 1.2)])
def test_auto_finds_nearly_the_best_fixed_length(alpha, c, v):
    from specdec_course.theory import expected_tokens

    def rate(k):
        return expected_tokens(alpha, k) / (k * c + v if k else 1.0)

    asked = scripted(alpha, lambda k: 1e-3 * (k * c + v if k else 1.0), 600)[300:]
    mean = sum(expected_tokens(alpha, k) for k in asked) / sum(k * c + v if k else 1.0 for k in asked)
    assert mean > 0.95 * max(rate(k) for k in range(17))


@pytest.mark.parametrize("row", [0.03, 0.1])
@pytest.mark.parametrize(("alpha", "c"), [(0.8, 0.05), (0.7, 0.12), (0.9, 0.1), (0.4, 0.05)])
def test_auto_learns_that_passes_are_padded(alpha, c, row):
    """A straight line through the times would promise for 5, 6 and 7 tokens what they do not keep."""
    from specdec_course.theory import expected_tokens

    def cost(k):
        return k * c + next(width for width in static.WIDTHS if width > k) * row + 0.9

    rates = [expected_tokens(alpha, k) / cost(k) for k in range(17)]
    asked = scripted(alpha, cost, 600)[300:]
    mean = sum(expected_tokens(alpha, k) for k in asked) / sum(map(cost, asked))
    assert mean > 0.95 * max(rates)


@pytest.mark.parametrize("k_max", [1, 2, 3, 4, 5])
def test_auto_may_be_kept_short(k_max):
    asked = scripted(0.9, lambda k: 1e-3 * (1 + 0.02 * k), 300, k_max=k_max)
    assert max(asked) == k_max and asked[-100:].count(k_max) > 80


def test_auto_gives_up_drafting_where_it_does_not_pay_and_looks_again_now_and_then():
    asked = scripted(0.2, lambda k: 1e-3 * (1 + 0.5 * k), 400)
    assert asked[200:].count(0) > 150 and any(asked[200:])


@pytest.mark.parametrize("seed", range(8))
def test_auto_keeps_its_choice_on_a_machine_that_is_slower_now_and_then(seed):
    """What was measured while a neighbour was busy is no reason against the length that it was measured with."""
    from specdec_course.theory import expected_tokens

    def cost(k):  # by the padded pass, and 8 % of noise
        return 1e-3 * (0.11 * k + 1 + 0.07 * (next(w for w in WIDTHS if w > k) - 1))

    noise, pace = torch.Generator().manual_seed(seed), [1.0]

    def clock(k):
        draw = torch.rand(2, generator=noise)
        if draw[0] < 0.005:  # now and then the machine changes its pace
            pace[0] = 1.0 + 0.8 * float(draw[1])
        return cost(k) * pace[0] * float(1 + 0.08 * torch.randn((), generator=noise))

    asked = scripted(0.75, clock, 900, seed)[300:]
    mean = sum(expected_tokens(0.75, k) for k in asked) / sum(map(cost, asked))
    assert mean > 0.95 * max(expected_tokens(0.75, k) / cost(k) for k in range(17))
