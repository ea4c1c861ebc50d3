"""align_vocabulary: rows of logits made wider or narrower, and the mistakes that can be named.

Knows: this exercise. Does not know: tokenizers (language), how a verdict is reached or shown (engine).
"""

from __future__ import annotations

import numpy as np
import torch

from .. import values
from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise

INF = float("inf")

align_vocabulary = Exercise(
    "align_vocabulary", unit="06", points=1, difficulty=2, minutes=10,
    reference="specdec_course.models.vocabulary:align_vocabulary",
    hints=(
        "Which logit gives a token the probability 0, exactly? And which columns may be thrown away without changing a "
        "single probability?",
        "Wider: new = logits.new_full((*logits.shape[:-1], missing), -inf), joined behind with torch.cat(..., dim=-1). "
        "Narrower: if every entry of logits[..., vocab_size:] is -inf, return logits[..., :vocab_size], else raise "
        "ValueError.",
    ),
)
SHAPES = ((), (5,), (2, 3), (1,), (2, 1, 4))  # what may stand in front of the vocabulary
REAL = (151936, 152064)  # widths of two models that people pair
LOWEST = torch.finfo(torch.float32).min


def _logits(rng, shape, width, dtype=torch.float32):
    return 3 * torch.randn(*shape, width, generator=rng, dtype=dtype)


def _shapes(rng) -> list[tuple[int, ...]]:
    """All the shapes, and some of them again, in random order."""
    return mixed([*SHAPES, *mixed(SHAPES, rng)[: whole(0, 3, rng)]], rng)


def _aligned(student, cases) -> list[np.ndarray]:
    """The answers to (logits, vocab_size), all asked before any is judged; each of the right shape."""
    answers = [student.array(logits, size) for logits, size in cases]
    for answer, (logits, size) in zip(answers, cases, strict=True):
        wanted = (*logits.shape[:-1], size)
        if answer.shape != wanted:
            raise Wrong(f"From logits of shape {tuple(logits.shape)} and vocab_size = {size} comes the shape {wanted}; "
                        f"your answer has {answer.shape}.")
    return answers


def _judge(answers, cases) -> None:
    for answer, (logits, size) in zip(answers, cases, strict=True):
        old = logits.double().numpy()
        kept = min(size, old.shape[-1])
        if not np.allclose(answer[..., :kept], old[..., :kept], rtol=1e-5, atol=1e-6):
            raise _changed(answer[..., :kept], old, kept)
        if not np.all(answer[..., kept:] == -INF):
            raise Wrong("An added column is not -inf.",
                        otherwise="finite_padding" if np.all(answer[..., kept:] < -1000) else None)


CHANGES = (
    ("half", "Your numbers are the given ones in half precision. Leave their dtype as it is.",
     lambda old: old.half().double()),
    ("half", "Your numbers are the given ones in bfloat16. Leave their dtype as it is.",
     lambda old: old.bfloat16().double()),
    ("normalised", "You answer log-probabilities. Asked for are the logits, as they came.",
     lambda old: old.log_softmax(-1)),
    ("normalised", "You answer probabilities. Asked for are the logits, as they came.", lambda old: old.softmax(-1)),
)


def _changed(answer: np.ndarray, old: np.ndarray, kept: int) -> Wrong:
    """What was done to the columns that should have stayed."""
    place = int(np.flatnonzero(~np.isclose(answer, old[..., :kept], rtol=1e-5, atol=1e-6).reshape(-1, kept).all(0))[0])
    text = ("A column that should stay has other values, or stands in another place: id i is column i, before and "
            f"after. The first such column is {place} of {kept}.")
    for mistake, why, change in CHANGES:
        if np.allclose(answer, change(torch.from_numpy(old))[..., :kept].numpy(), rtol=1e-4, atol=1e-6):
            return Wrong(f"{why} {text}", mistake=mistake)
    other = ~np.isclose(answer, old[..., :kept], rtol=1e-5, atol=1e-6)
    if np.all(old[..., :kept][other] == -INF):
        return Wrong(f"{text} Nothing has changed but entries that were -inf.", mistake="revived")
    if np.all(answer[other] == -INF):
        return Wrong(f"{text} The entries that have changed are all -inf now, and were not.", otherwise="killed")
    return Wrong(text)


def _probabilities(row: np.ndarray) -> np.ndarray:
    weights = np.exp(row - row.max())
    return weights / weights.sum()


@align_vocabulary.part("a wider vocabulary: -inf in the added columns, all others in their places", weight=2, rests_on=(
    "the columns of `logits` in their places, and -inf in the columns that were added"))
def _(student, rng):
    cases = [(_logits(rng, shape, width := whole(3, 9, rng)), width + whole(1, 11, rng)) for shape in _shapes(rng)]
    cases += [(_logits(rng, (3,), 8, torch.float64), 12), (_logits(rng, (2,), 1), 2)]
    cases.append((_logits(rng, (), REAL[0]), REAL[1]))
    cases = mixed(cases, rng)
    _judge(_aligned(student, cases), cases)


@align_vocabulary.part("the probabilities of all tokens stay what they were", weight=1, rests_on=(
    "An added column must be impossible to draw"))
def _(student, rng):
    width = whole(20, 40, rng)
    logits = _logits(rng, (4,), width) - 8  # far below 0: a column of zeros would take almost everything
    wide = _aligned(student, [(logits, width + whole(3, 20, rng))])[0]
    for before, after in zip(logits.double().numpy(), wide, strict=True):
        if not np.allclose(_probabilities(after)[:width], _probabilities(before), atol=1e-6):
            raise Wrong("After widening, softmax gives the old tokens other probabilities than before.")


@align_vocabulary.part("the same width: nothing changes", weight=1, rests_on="the columns of `logits` in their places")
def _(student, rng):
    cases = [(_logits(rng, shape, width := whole(2, 9, rng)), width) for shape in _shapes(rng)]
    low = _logits(rng, (2,), 6)
    low[:, 2:4] = torch.tensor([-INF, LOWEST])  # what is there stays, finite or not
    _judge(_aligned(student, [*cases, (low, 6)]), [*cases, (low, 6)])


@align_vocabulary.part("a narrower one: columns that are -inf everywhere may go", weight=2, rests_on=(
    "a column may only be cut if it was impossible to draw"))
def _(student, rng):
    cases = []
    for shape in _shapes(rng):
        keep, dead = whole(2, 6, rng), whole(2, 5, rng)
        logits = _logits(rng, shape, keep + dead)
        logits[..., keep:] = -INF
        logits[..., 0] = -INF  # a token that stays may be impossible, too
        cases += [(logits, keep), (logits, keep + 1)]
    refused = [logits for logits, width in cases if student.raises(ValueError, logits, width)]
    # Whoever refuses the same logits where nothing is to be cut refuses their shape: the calls below show that.
    if refused and not any([student.raises(ValueError, logits, logits.shape[-1]) for logits in refused]):
        raise Wrong("Columns that are -inf everywhere were refused.",
                    mistake="never_cuts" if len(refused) == len(cases) else None)
    _judge(_aligned(student, cases), cases)


@align_vocabulary.part("a column that is alive is not cut: ValueError", weight=2, rests_on=(
    "Raises ValueError when V_out < V_in and a column that would have to go is not -inf everywhere"))
def _(student, rng):
    one_refused, cut = True, []
    for column in mixed((6, 7, 8), rng):
        logits = _logits(rng, (4,), 9)
        logits[:, 6:] = -INF
        logits[whole(1, 2, rng), column] = -10.0  # improbable, in one row only, and yet possible
        one_refused = student.raises(ValueError, logits, 6) and one_refused
    for shape in mixed(((), (4,), (2, 3)), rng):
        for dead in (0, 2):
            logits = _logits(rng, shape, 9)
            logits[..., 7 : 7 + dead] = -INF
            logits[..., 7 + dead :] += 8  # whoever folds them onto other columns changes those
            size = 7 if dead == 0 else 6
            if not student.raises(ValueError, logits, size):
                how = _how(student.quiet(logits, size), logits, size)
                message = "A column with ordinary logits was cut. Its token could be drawn, and now it cannot."
                if dead and how == "cuts_silently":  # without the dead ones beside it, it was refused
                    raise Wrong(message, otherwise="looks_at_one_row")
                if how == "cuts_silently" and _looks(student, rng):
                    raise Wrong(message, mistake="own_bar")
                raise Wrong(message, how)
    for surplus in (3, 1):  # columns that no token was ever trained on: their logits are often exactly 0
        logits = _logits(rng, (3,), 9)
        logits[:, 9 - surplus :] = 0.0
        if not student.raises(ValueError, logits, 9 - surplus):
            how = _how(student.quiet(logits, 9 - surplus), logits, 9 - surplus)
            raise Wrong("A column of zeros was cut. A logit of 0 is alive: only -inf gives the probability 0.",
                        mistake=None if how == "cuts_silently" else how)  # other live ones were refused
    for low in (-40.0, -120.0, -800.0, -1e4, -2e9, LOWEST):
        for shape in mixed(SHAPES, rng)[:2]:
            logits = _logits(rng, shape, 9)
            logits[..., 7:] = low
            cut += [] if student.raises(ValueError, logits, 7) else [low]
    if not one_refused:
        raise Wrong("Of the columns to cut, one has an entry that is not -inf, in one row: that is alive.",
                    otherwise="looks_at_one_row")
    if cut:
        raise Wrong(f"Columns of {cut[0]:.3g} were cut. Improbable is not impossible: only -inf is.",
                    mistake="nearly_dead")


def _looks(student, rng) -> bool:
    """Whether columns are refused whose logits are enormous, or infinite, or no numbers."""
    return any(student.aside().raises(ValueError, torch.full((2, 5), high), 3) for high in (1e2, 1e4, 1e30, INF))


def _how(answer, logits, size: int) -> str | None:
    """Which mistake made this answer out of columns that should have been refused; None: no telling."""
    answer = values.as_array(answer)
    made = {"cuts_silently": logits[..., :size], "wraps": _folds(logits, size)}
    return next((name for name, one in made.items() if answer.shape == tuple(one.shape)
                 and np.array_equal(answer, one.double().numpy())), None)


def _pad(value, side=-1, dim=-1, looks=True, dead=-INF):
    """Fills up with `value`, and cuts columns that are nowhere above `dead`."""

    def rule(logits, vocab_size):
        missing = vocab_size - logits.shape[-1]
        if missing <= 0:
            if looks and bool((logits[..., vocab_size:] > dead).any()):
                raise ValueError
            return logits[..., :vocab_size]
        shape = list(logits.shape)
        shape[dim] = missing
        pair = [logits, logits.new_full(shape, value)]
        return torch.cat(pair[::-1] if side == 0 else pair, dim=dim)

    return rule


def _wraps(logits, vocab_size):
    return logits[..., torch.arange(vocab_size) % logits.shape[-1]]


def _folds(logits, vocab_size):
    times = -(-logits.shape[-1] // vocab_size)
    wide = torch.nn.functional.pad(logits, (0, times * vocab_size - logits.shape[-1]), value=-INF)
    return wide.reshape(*logits.shape[:-1], times, vocab_size).amax(-2)


align_vocabulary.mistake(
    "all_dead", "Everything in your answer is -inf. The columns that were there keep their values.",
    imitate=(lambda logits, vocab_size: logits.new_full((*logits.shape[:-1], vocab_size), -INF),
             lambda logits, vocab_size: torch.full_like(_pad(-INF)(logits, vocab_size), -INF)),
)
align_vocabulary.mistake(
    "wraps",
    "You count the ids round and round: an id beyond the end becomes a small one. But id 7 of the one model is id 7 of "
    "the other, and an id that the smaller one does not have is nobody's.",
    imitate=(_wraps, _folds),
)
align_vocabulary.mistake(
    "pads_with_zero",
    "You fill up with zeros. A logit of 0 is not a probability of 0: exp(0) = 1, and next to logits of -8 such a token "
    "would be drawn almost always. Which logit makes a probability of exactly 0?",
    imitate=(_pad(0.0), _pad(0.0, looks=False)),
)
align_vocabulary.mistake(
    "finite_padding",
    "You fill up with a large negative number. Softmax makes (nearly) 0 of it, but the contract says -inf: a "
    "temperature of 100 brings -1e4 closer to life, and a column that is not -inf counts as alive when somebody wants "
    "to cut it.",
    imitate=(*(_pad(low, looks=looks) for low in (-1e9, -1e4, LOWEST) for looks in (True, False)),
             *(_pad(low, dead=low) for low in (-1e9, -1e4, LOWEST)),
             lambda logits, vocab_size: _pad(torch.finfo(logits.dtype).min)(logits, vocab_size)),
)
align_vocabulary.mistake(
    "front", "You put the new columns in front. Then every token has another id. They belong behind the last one.",
    imitate=(_pad(-INF, side=0), _pad(-INF, side=0, looks=False)),
)
align_vocabulary.mistake(
    "cuts_silently",
    "You cut columns without a look at them. If the column is alive, its token has a probability, and after the cut "
    "the others share it: another distribution, and nobody was told. Raise ValueError unless all of it is -inf.",
)
align_vocabulary.mistake(
    "own_bar",
    "You refuse only columns above a bar of your own. Below it they are alive all the same: only -inf is impossible.",
)
for _id, _message in (
    ("half", "The logits have another precision in your answer than they came with."),
    ("normalised", "You normalise on the way. The columns that stay have to stay what they are."),
    ("revived", "What was impossible, -inf, is possible in your answer. The columns that stay keep all their entries."),
):
    align_vocabulary.mistake(_id, _message)
align_vocabulary.mistake(
    "nearly_dead",
    "You cut columns that are only improbable. A logit of -10000 is alive: divided by a temperature of 10000 it is as "
    "good as any other. exp and softmax make 0 of it by round-off; so compare the logits themselves with -inf, not "
    "their probabilities with 0, and not with some very small number.",
)
align_vocabulary.mistake(
    "never_cuts",
    "You refuse every narrower vocabulary. Columns that are -inf everywhere have probability 0: they may go.",
)
align_vocabulary.help(r"same number of dimensions|Tensors must have same number|Sizes of tensors must match",
                      "There may be no, one or several dimensions in front of the vocabulary: take logits.shape[:-1].")
align_vocabulary.help(r"negative dimension|must be non-negative", "vocab_size may be smaller than the width there is.")
align_vocabulary.help(r"[Bb]oolean value of Tensor|ambiguous",
                      "A comparison gives one True or False per entry: put .all() or .any() behind it.")
align_vocabulary.help(r"too many indices|Dimension out of range|out of range \(expected to be in range",
                      "A single row has no batch dimension: index the last one, logits[..., i:].")
