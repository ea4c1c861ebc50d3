"""Right and wrong in `acceptance_on`: the mean of 1 - TV along a text, at the places that count.

Knows: two models as tables of logits. Does not know: how they came about, drafts that are really verified.
"""

from __future__ import annotations

import numpy as np
import torch

from .. import values
from ..ask import ask, mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from .loss import REAL, log_law

acceptance_on = Exercise(
    "acceptance_on", unit="09", points=2, difficulty=2, minutes=15,
    reference="specdec_course.training.taught:acceptance_on",
    hints=(
        "With a text of six tokens and a prompt of two: which rows of the logits are about the four tokens behind the "
        "prompt? And what is the sum of min(p, q) if p = q, and if they have no token in common?",
        "p, q = target(ids)[prompt_length - 1 : -1], and the same of the draft. No rows: 0.0. Temperature 0: the share "
        "of rows with the same argmax. Else softmax(logits / temperature, -1) of both, and the mean over the rows of "
        "torch.minimum(p, q).sum(-1).",
    ),
)


class Model:
    """A Forward that looks its logits up: row t of a text is table[text[t] and t]. Writes down what it was given."""

    def __init__(self, rows):
        self.rows, self.calls = rows, []

    def __call__(self, ids):
        self.calls.append(ids.tolist())
        if ids.dim() != 1 or not 0 < len(ids) <= len(self.rows):
            raise ValueError(f"a Forward is given one text, Ids [T]; this has the shape {list(ids.shape)}")
        return self.rows[: len(ids)].clone()


def right_acceptance(draft, target, prompt_length: int, temperature: float) -> float:
    """From the logits [T, V] of both."""
    q, p = draft[prompt_length - 1 : -1], target[prompt_length - 1 : -1]
    if not len(p):
        return 0.0
    if temperature == 0:
        return float((p.argmax(-1) == q.argmax(-1)).double().mean())
    p, q = np.exp(log_law(p, temperature)), np.exp(log_law(q, temperature))
    return float(np.minimum(p, q).sum(-1).mean())


def models(rng, length: int, size: int, apart=None, double=True):
    """Logits [T, V] of draft and target; from place to place they agree more, or less."""
    kind = torch.float64 if double else torch.float32
    target = uniform(0.5, 3.0, rng) * torch.randn(length, size, generator=rng, dtype=torch.float64)
    far = (3 * torch.rand(length, 1, generator=rng, dtype=torch.float64)) if apart is None else apart
    draft = target + far * torch.randn(length, size, generator=rng, dtype=torch.float64)
    return (draft - uniform(-20, 20, rng)).to(kind), (target - uniform(-20, 20, rng)).to(kind)


def case(rng, both, prompt_length: int | None, temperature: float | None = None) -> tuple:
    """A question of two models; None: the argument is left out."""
    draft, target = both
    ids = torch.randint(len(target[0]), (len(target),), generator=rng)
    more = () if prompt_length is None else (prompt_length,) if temperature is None else (prompt_length, temperature)
    named = {"temperature": temperature} if prompt_length is None and temperature is not None else {}
    right = right_acceptance(draft, target, prompt_length or 1, 1.0 if temperature is None else temperature)
    return (Model(draft), Model(target), ids, *more), right, named


def judge(found: float, right: float) -> str | None:
    if abs(found - right) <= 2e-5:
        return None
    if not -1e-6 <= found <= 1 + 1e-6:
        return f"A share lies between 0 and 1, yours is {found:.4g}."
    return f"Your share is too {'large' if found > right else 'small'}."


@acceptance_on.part("is the mean of 1 - TV over the places", weight=3, rests_on=(
    "1 - TV(p, q), which is the sum of min(p, q) over the vocabulary", "Which tokens these are does not enter",
    "prompt_length=1, temperature=1.0"))
def _(student, rng):
    cases = [case(rng, models(rng, whole(2, 9, rng), whole(2, 30, rng), apart), 1, 1.0)
             for apart in (0.002, uniform(0.1, 0.5, rng), 1.0, 6.0, None, None)]
    cases += [case(rng, models(rng, whole(3, 9, rng), 8), None), case(rng, models(rng, 2, 2), 1, 1.0)]
    ask(student, values.as_float, cases, judge, rng)
    ask(student.aside(), values.as_float, [case(rng, models(rng, 5, 9, double=False), 1, 1.0)], judge)


@acceptance_on.part("is that mean for any prompt: over the rows about what stands behind it", weight=3, rests_on=(
    "over the places whose next token stands in the text behind the prompt",
    "The row of its last token is the first that counts"))
def _(student, rng):
    cases = []
    for length in (3, 5, whole(6, 20, rng), whole(6, 20, rng)):
        prompts = {2, length - 1, whole(2, length - 1, rng)}
        cases += [case(rng, models(rng, length, whole(2, 12, rng)), prompt, 1.0) for prompt in sorted(prompts)]
    cases.append(case(rng, models(rng, 7, 5), 3))
    ask(student, values.as_float, cases, judge, rng)


@acceptance_on.part("is that mean at other temperatures, which divide both, and at 0", weight=3, rests_on=(
    "divides the logits of both", "0: greedy, all probability on the largest logit"))
def _(student, rng):
    cases = []
    for temperature in mixed((uniform(0.2, 0.6, rng), uniform(1.5, 4, rng), uniform(0.02, 0.1, rng)), rng):
        both = models(rng, whole(4, 9, rng), whole(3, 12, rng))
        cases.append(case(rng, both, whole(1, 3, rng), round(temperature, 2)))
    for _ in range(3):
        cases.append(case(rng, models(rng, whole(5, 12, rng), whole(3, 9, rng), apart=2.0), whole(1, 2, rng), 0.0))
    tied = torch.randint(2, (whole(6, 9, rng), 4), generator=rng).double()
    cases.append(case(rng, (tied, tied.flip(1) + tied), 1, 0.0))
    cases.append(case(rng, models(rng, 5, 4), None, 0.5))
    ask(student, values.as_float, cases, judge, rng)


@acceptance_on.part("is that mean with zeros, and with the vocabulary of a real model", weight=1, rests_on=(
    "Ids [T] -> Logits [T, V]", "is accepted with probability"))
def _(student, rng):
    cases = []
    for _ in range(2):
        draft, target = models(rng, whole(3, 6, rng), whole(6, 12, rng))
        hidden = torch.rand(*draft.shape, generator=rng) < 0.4
        hidden[:, 0] = False
        cases.append(case(rng, (draft.masked_fill(hidden, float("-inf")), target), 1, 1.0))
        cases.append(case(rng, (draft, target.masked_fill(hidden, float("-inf"))), 1, 1.0))
    ask(student, values.as_float, cases, judge, rng)
    ask(student.aside(), values.as_float, [case(rng, models(rng, 3, REAL, double=False), 1, 1.0)], judge)


@acceptance_on.part("is that mean where little stands behind the prompt, and 0 where nothing does", weight=1, rests_on=(
    "0.0 if there is no place to look at", "1 ... T"))
def _(student, rng):
    cases = []
    for length in (1, 2, whole(3, 9, rng)):
        cases.append(case(rng, models(rng, length, 5), length, (1.0, 0.0)[whole(0, 1, rng)]))
    cases.append(case(rng, models(rng, 6, 5), whole(4, 5, rng), 1.0))
    ask(student, values.as_float, cases, judge, rng)


@acceptance_on.part("asks each model once, about the whole text", weight=1, rests_on=(
    "Each is called once, with all of the ids",))
def _(student, rng):
    for _ in range(2):
        (draft, target, ids, *more), _right, _named = case(rng, models(rng, whole(4, 8, rng), 5), 2, 1.0)
        student.returned_float(draft, target, ids, *more)
        for name, model in (("draft", draft), ("target", target)):
            if not model.calls:
                raise Wrong(f"Your function never asks the {name} anything.")
            if len(model.calls) != 1:
                raise Wrong(f"Your function calls the {name} {len(model.calls)} times. Once is enough: every row is "
                            "about another place.", mistake="calls_often")
            if model.calls[0] != ids.tolist():  
                raise Wrong(f"The {name} is asked about {len(model.calls[0])} ids, and the text has {len(ids)}: it "
                            "has to read the text as it is.")


def _two(student, rng, change):
    """Two answers to questions that differ in one argument."""
    answers = []
    given = models(rng, 7, 5), torch.randint(5, (7,), generator=rng)
    for turn in range(2):
        (draft, target), ids, more = change(turn, *given)
        answers.append(student(Model(draft), Model(target), ids, *more))
    return answers


@acceptance_on.argument("draft")
def _(student, rng):
    other = models(rng, 7, 5)
    return _two(student, rng, lambda turn, both, ids: ((other[0] if turn else both[0], both[1]), ids, (2, 1.0)))


@acceptance_on.argument("target")
def _(student, rng):
    other = models(rng, 7, 5)
    return _two(student, rng, lambda turn, both, ids: ((both[0], other[1] if turn else both[1]), ids, (2, 1.0)))


@acceptance_on.argument("ids")
def _(student, rng):
    return _two(student, rng, lambda turn, both, ids: (both, ids[: 7 - 3 * turn], (2, 1.0)))


@acceptance_on.argument("prompt_length")
def _(student, rng):
    return _two(student, rng, lambda turn, both, ids: (both, ids, (2 + 3 * turn, 1.0)))


@acceptance_on.argument("temperature")
def _(student, rng):
    return _two(student, rng, lambda turn, both, ids: (both, ids, (2, 0.5 + 2 * turn)))
