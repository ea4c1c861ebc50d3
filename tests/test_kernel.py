"""A round of a batch with numbers drawn beforehand: its law in plain torch, and the Triton kernel against it.

Where Triton is installed, the kernel's part runs on a GPU if there is one, and in Triton's interpreter on the CPU. That
has to be asked for before Python starts: the last test does so, with this file in a process of its own.
"""

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specdec_course.decoding import kernel
from specdec_course.decoding.drawn import verify_drawn
from specdec_course.sampling import PredrawnDice, exact_law
from specdec_course.verification import verify_stochastic, verify_vectorised

TRITON = importlib.util.find_spec("triton") is not None
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
JUST_BELOW_1 = 1 - 2.0**-53  # the largest number that torch.rand draws in float64


def drawn(seed, rows, k, vocab, sharp=2.0):
    """(draft, q, p, numbers) as a model and a draft of it would give them; a third of the tokens have p or q = 0."""
    draw = torch.Generator().manual_seed(seed)
    logits = sharp * torch.randn(2, rows, k + 1, vocab, generator=draw)
    logits[torch.rand(logits.shape, generator=draw) < 0.3] = -torch.inf
    logits[..., 0] = 0.0
    p, q = logits.softmax(-1)
    draft = torch.multinomial(q[:, :k].reshape(-1, vocab), 1, generator=draw).reshape(rows, k) if k else (
        torch.empty(rows, 0, dtype=torch.long))  # fmt: skip
    return draft, q[:, :k].contiguous(), p, torch.rand(rows, k + 1, generator=draw, dtype=torch.float64)


# the law, in plain torch ----------------------------------------------------------------------------------------------


def test_the_law_is_that_of_verify_stochastic():
    """Every number that matters, once: ratios are multiples of 1/8, and the heights of a last token of 1/(16 m)."""
    q = torch.tensor([[2, 1, 1], [1, 1, 2]]) / 4
    p = torch.tensor([[5, 1, 2], [0, 7, 1], [3, 4, 1]]) / 8
    cells = {8: (torch.arange(8) + 0.5) / 8, 840: (torch.arange(840) + 0.5) / 840}
    numbers = torch.cartesian_prod(cells[8], cells[8], cells[840]).double()
    for draft in itertools.product(range(3), repeat=2):
        ids = torch.tensor(draft)
        many = len(numbers), *[-1] * 2
        tokens, n = verify_drawn(ids.expand(len(numbers), 2), q.expand(many), p.expand(many), numbers)
        found = {}
        for row, count in zip(*torch.unique(tokens, dim=0, return_counts=True), strict=True):
            found[tuple(row[row >= 0].tolist())] = count.item() / len(numbers)
        law = exact_law(lambda dice, ids=ids: verify_stochastic(ids, q, p, dice))
        assert found == pytest.approx({text: share for text, share in law.items() if share}, abs=1e-9)
        assert torch.equal((tokens >= 0).sum(-1), n + 1)


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 5), st.sampled_from([1, 2, 5, 40]), st.booleans())
def test_each_text_is_judged_as_if_it_were_alone(seed, rows, k, vocab, draws):
    draft, q, p, numbers = drawn(seed, rows, k, vocab)
    q = q if draws else None
    kept = [one.clone() for one in (draft, p, numbers)]
    tokens, n = verify_drawn(draft, q, p, numbers)
    assert all(torch.equal(a, b) for a, b in zip(kept, (draft, p, numbers), strict=True))
    assert tokens.shape == (rows, k + 1) and tokens.dtype == n.dtype == torch.long
    for b in range(rows):
        due, accepted = verify_vectorised(draft[b], None if q is None else q[b], p[b], PredrawnDice(
            numbers[b] if k else numbers[b, -1:]))  # fmt: skip
        assert int(n[b]) == int(accepted)
        assert tokens[b].tolist() == [*due[: int(accepted) + 1].tolist(), *[-1] * (k - int(accepted))]


@given(st.integers(0, 10_000), st.integers(0, 4), st.sampled_from([2, 5, 40]))
def test_nobody_drew_is_a_one_hot_row(seed, k, vocab):
    draft, _, p, numbers = drawn(seed, 3, k, vocab)
    one_hot = torch.nn.functional.one_hot(draft, vocab).to(p.dtype)
    assert all(map(torch.equal, verify_drawn(draft, one_hot, p, numbers), verify_drawn(draft, None, p, numbers)))


def ragged(seed, vocab):
    """(inputs, lengths): behind the drafts stands what is no id and no number."""
    draft, q, p, numbers = drawn(seed, 6, 5, vocab)
    lengths = torch.tensor([0, 1, 2, 3, 4, 5])
    behind = torch.arange(5) >= lengths[:, None]
    p[:, 1:][behind] = torch.nan
    numbers[:, :5][behind] = torch.nan
    return (draft.where(~behind, -100), q.masked_fill(behind[..., None], torch.nan), p, numbers), lengths


@given(st.integers(0, 10_000), st.sampled_from([2, 5, 40]), st.booleans())
def test_what_stands_behind_a_draft_counts_for_nothing(seed, vocab, draws):
    (draft, q, p, numbers), lengths = ragged(seed, vocab)
    tokens, n = verify_drawn(draft, q if draws else None, p, numbers, lengths)
    for b, length in enumerate(lengths.tolist()):
        alone = (draft[b : b + 1, :length], q[b : b + 1, :length] if draws else None, p[b : b + 1, : length + 1],
                 torch.cat([numbers[b, :length], numbers[b, -1:]])[None])  # fmt: skip
        due, accepted = verify_drawn(*alone)
        assert tokens[b].tolist() == [*due[0].tolist(), *[-1] * (5 - length)] and n[b] == accepted[0]


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 5, 65]), st.sampled_from([0.0, 1e-300, 0.5, JUST_BELOW_1]))
def test_no_token_is_written_that_has_no_weight(seed, vocab, number):
    draft, q, p, numbers = drawn(seed, 8, 3, vocab, sharp=20.0)
    numbers[:, -1] = number
    tokens, n = verify_drawn(draft, q, p, numbers)
    each, own = torch.arange(8), tokens[torch.arange(8), n]
    assert (p[each, n, own] > 0).all()
    uncovered = (p[each, n.clamp(max=2)] - q[each, n.clamp(max=2)]).clamp(min=0)
    some = (n < 3) & (uncovered.sum(-1) > 0)
    assert (uncovered[each, own] > 0)[some].all()


# edges, in plain torch and in the kernel ------------------------------------------------------------------------------


def edges(vocab):
    """{name: (draft, q, p, numbers, lengths, what is due: tokens of each row)} for a vocabulary of at least 5 ids."""
    one = torch.nn.functional.one_hot
    last = vocab - 1
    ids = torch.tensor([[last, 0, 2]])
    half = torch.full((1, 4), 0.5).double()
    to = [one(torch.tensor([row]), vocab).float() for row in ([last, 0, 2, 1], [last, 0, 1, 1], [3, 0, 2, 1])]
    spread = torch.zeros(1, 4, vocab)
    spread[..., [0, 2, last]] = torch.tensor([0.25, 0.5, 0.25])
    return {
        "none rejected": (ids, to[0][:, :3], to[0], half, None, [[last, 0, 2, 1]]),
        "the last rejected": (ids, to[0][:, :3], to[1], half, None, [[last, 0, 1, -1]]),
        "rejected at place 0": (ids, to[0][:, :3], to[2], half, None, [[3, -1, -1, -1]]),
        "nothing drafted": (ids[:, :0], to[0][:, :0], to[2][:, :1], half[:, :1], None, [[3]]),
        "q is 0 everywhere": (ids, torch.zeros(1, 3, vocab), to[0], half, None, [[last, 0, 2, 1]]),
        "q and p are 0 at the guess": (ids, to[2][:, :3], to[2], half, None, [[3, -1, -1, -1]]),
        "p = q": (ids * 0 + 2, spread[:, :3], spread, half, None, [[2, 2, 2, 2]]),
        "the smallest number": (ids[:, :0], None, spread[:, :1], half[:, :1] * 0, None, [[0]]),
        "the largest number": (ids[:, :0], None, spread[:, :1], half[:, :1] * 0 + JUST_BELOW_1, None, [[last]]),
        "on a height": (ids[:, :0], None, spread[:, :1], half[:, :1] * 0 + 0.25, None, [[2]]),
        "the residual leaves out the guess": (ids, None, spread, half * 0 + 0.875, None, [[2, -1, -1, -1]]),
    }


EDGES = list(edges(5))


@pytest.mark.parametrize("vocab", [5, 64, 65, 151936])
@pytest.mark.parametrize("name", EDGES)
def test_edges_in_plain_torch(name, vocab):
    *inputs, due = edges(vocab)[name]
    tokens, n = verify_drawn(*inputs)
    assert tokens.tolist() == due and n.tolist() == [sum(one >= 0 for one in row) - 1 for row in due]


@pytest.fixture
def launched():
    """The kernel as a function of tensors on the CPU, which may not change them."""
    if not TRITON:
        pytest.skip("Triton is not installed: the kernel is not run")
    if not INTERPRETED and not torch.cuda.is_available():
        pytest.skip("no GPU: the kernel runs in the interpreter only, in a process of its own (see the last test)")
    device = "cpu" if INTERPRETED else "cuda"

    def launch(*inputs, **how):
        inputs = [one if one is None else one.to(device) for one in inputs]
        kept = [one if one is None else one.clone() for one in inputs]
        tokens, n = kernel.verify_drawn(*inputs, **how)
        for before, after in zip(kept, inputs, strict=True):
            assert before is None or torch.equal(before.nan_to_num(-1), after.nan_to_num(-1)), "an input was changed"
        return tokens.cpu(), n.cpu()

    return launch


@pytest.fixture
def fused(launched):
    """The same, and both answers have to equal those of plain torch."""

    def compared(*inputs, **how):
        tokens, n = launched(*inputs, **how)
        due, accepted = verify_drawn(*inputs)
        assert tokens.tolist() == due.tolist() and n.tolist() == accepted.tolist()
        return tokens, n

    return compared


@pytest.mark.parametrize("vocab, block", [(5, 4096), (5, 4), (64, 64), (65, 64), (151936, 4096)])
@pytest.mark.parametrize("name", EDGES)
def test_edges_in_the_kernel(fused, name, vocab, block):
    *inputs, due = edges(vocab)[name]
    tokens, _ = fused(*inputs, block=block)
    assert tokens.tolist() == due


def test_the_kernel_writes_what_plain_torch_writes(fused):
    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 9), st.sampled_from([1, 2, 5, 63, 64, 65, 200]),
           st.booleans(), st.booleans())  # fmt: skip
    def compare(seed, rows, k, vocab, draws, of_lengths):
        draft, q, p, numbers = drawn(seed, rows, k, vocab)
        lengths = torch.randint(0, k + 1, (rows,), generator=torch.Generator().manual_seed(seed))
        fused(draft, q if draws else None, p, numbers, lengths if of_lengths else None, block=64)

    compare()


@pytest.mark.parametrize("vocab", [128256, 151936, 152064])
@pytest.mark.parametrize("draws", [True, False])
def test_the_kernel_at_real_widths(fused, vocab, draws):
    draft, q, p, numbers = drawn(vocab, 4, 4, vocab)
    q[0], draft[0] = p[0, :4], p[0, :4].argmax(-1)  # one text whose draft stays; of two unlike models hardly any would
    _, n = fused(draft, q if draws else None, p, numbers)
    assert n[0] == 4 or not draws


def test_the_kernel_with_drafts_of_unequal_lengths(fused):
    for seed in range(3):
        (draft, q, p, numbers), lengths = ragged(seed, 40)
        fused(draft, q, p, numbers, lengths, block=16)
        fused(draft, None, p, numbers, lengths, block=16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_kernel_in_other_precisions(fused, dtype):
    draft, q, p, numbers = drawn(5, 4, 4, 200)
    fused(draft, q.to(dtype), p.to(dtype), numbers, block=64)
    fused(draft, q.to(dtype), p, numbers.float(), block=64)


def test_the_kernel_reads_views_as_they_lie(fused):
    draft, q, p, numbers = drawn(6, 4, 4, 65, sharp=0.3)
    turned = [one.transpose(0, 1).contiguous().transpose(0, 1) for one in (draft, q, p, numbers)]
    assert not any(one.is_contiguous() for one in turned)
    fused(*turned, block=64)
    p[:, 1:4] = q[:, 1:]  # so that several guesses stay, and it matters which are looked at
    for one in range(4):
        draft[one], p[one, 0], numbers[one, :4] = q[one].argmax(-1), q[one, 0], 0.9

    def along(*tensors):
        return [one.transpose(1, 2).contiguous().transpose(1, 2) for one in tensors]

    _, n = fused(draft, *along(q, p), numbers, block=64)
    assert n.tolist() == [4] * 4
    p[:, 2] = q[:, 2].roll(1, -1).scatter(-1, draft[:, 2:3], 0.0)
    _, n = fused(draft, *along(q, p), numbers, block=64)
    assert n.tolist() == [2] * 4
    fused(draft[:1].expand(3, 4), q[:1].expand(3, -1, -1), p[:1].expand(3, -1, -1), numbers[:3], block=64)


def rounded_rows():
    """Rows [1, 1, 128] in float64, each with a number that falls where round-off decides: sums of the first 64 ids
    differ in the last bit by the order of additions, the 32 behind have no weight, and the whole is exactly 1."""
    for seed in range(40):
        row = torch.rand(128, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) / 100
        row[64:96] = 0.0
        for number in {float(row[:64].sum()), float(row[:64].cumsum(0)[-1]), JUST_BELOW_1}:
            row[127] = 0.0
            row[127] = 1 - row.sum()
            yield row[None, None], torch.tensor([[number]], dtype=torch.float64)


def test_round_off_in_the_kernel_draws_nothing_without_weight(launched):
    nothing = torch.empty(1, 0, dtype=torch.long)
    for row, number in rounded_rows():
        for block in (64, 128):
            [[token]] = launched(nothing, None, row, number, block=block)[0].tolist()
            assert 0 <= token < 128 and row[0, 0, token] > 0, f"{number.item()!r} draws {token}"


def test_the_end_of_a_row_in_the_kernel_is_its_last_token_with_weight(fused):
    nothing = torch.empty(1, 0, dtype=torch.long)
    for seed in range(30):
        row = torch.rand(1, 1, 1000, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        row[..., 990:] = 0.0
        tokens, _ = fused(nothing, None, row, torch.tensor([[JUST_BELOW_1]], dtype=torch.float64), block=1024)
        assert tokens.item() == 989


def test_no_text_is_no_launch(fused):
    tokens, n = fused(*(one[:0] for one in drawn(0, 1, 2, 5)))
    assert tokens.shape == (0, 3) and n.shape == (0,)


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", [verify_drawn, kernel.verify_drawn])
@pytest.mark.parametrize(
    "which, wrong", [(0, (2,)), (1, (2, 3, 4)), (2, (2, 3, 5)), (3, (2, 3)), (4, (3,)), (2, (2, 4, 0))]
)
def test_shapes_that_do_not_belong_together_are_named(verify, which, wrong):
    inputs = [*drawn(0, 2, 3, 5), torch.tensor([3, 3])]
    inputs[which] = torch.zeros(wrong, dtype=inputs[which].dtype)
    with pytest.raises(ValueError, match=r"got draft \[2.*expected draft \[B, k\], q \[B, k, V\] or None"):
        verify(*inputs)


def test_a_block_is_a_power_of_2():
    with pytest.raises(ValueError, match="block is 48; expected a power of 2"):
        kernel.verify_drawn(*drawn(0, 2, 3, 5), block=48)


@pytest.mark.skipif(INTERPRETED, reason="the interpreter was asked for")
def test_on_a_cpu_the_kernel_wants_to_be_asked():
    with pytest.raises(ValueError, match="set TRITON_INTERPRET=1 before Python starts, or use decoding.drawn"):
        kernel.verify_drawn(*drawn(0, 2, 3, 5))


def test_without_triton_that_is_said(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setitem(sys.modules, "triton", None)
    kernel._program.cache_clear()
    with pytest.raises(ValueError, match="needs Triton, which is not installed: pip install triton"):
        kernel.verify_drawn(*drawn(0, 2, 3, 5))
    kernel._program.cache_clear()


# without a GPU --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not TRITON, reason="Triton is not installed: the kernel is not compiled")
@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("card, floats, draws", [(75, "fp16", True), (80, "fp32", False), (90, "bf16", True)])
def test_the_kernel_compiles_for_a_t4_an_a100_and_an_h100(card, floats, draws):
    """Down to machine code; no card is needed for that."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    program = kernel._program(False)
    kinds = {"q": f"*{floats}", "p": f"*{floats}", "numbers": "*fp64"} | dict.fromkeys(
        ("draft", "lengths", "tokens", "n_of"), "*i64")  # fmt: skip
    fixed = {"PLACES": 8, "BLOCK": kernel.BLOCK, "DRAWN": draws, "RAGGED": True}
    signature = {name: "constexpr" if name in fixed else kinds.get(name, "i32") for name in program.arg_names}
    made = triton.compile(ASTSource(program, signature, fixed), target=GPUTarget("cuda", card, 32))
    assert made.asm["cubin"] and f".target sm_{card}" in made.asm["ptx"]


@pytest.mark.slow
@pytest.mark.skipif(not TRITON, reason="Triton is not installed: its interpreter is not asked")
@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_the_kernel_in_tritons_interpreter():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", __file__, "-rs", "-p", "no:cacheprovider"],
        env=os.environ | {"TRITON_INTERPRET": "1"}, cwd=Path(__file__).parents[1], capture_output=True, text=True,
    )  # fmt: skip
    ran = done.returncode == 0 and " passed" in done.stdout and "the kernel is not run" not in done.stdout
    assert ran and "no GPU" not in done.stdout, done.stdout[-3000:] + done.stderr[-1000:]
