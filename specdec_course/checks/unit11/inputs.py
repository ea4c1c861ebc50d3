"""Right and wrong in `eagle_inputs`: whose state stands beside which token.

Knows: this exercise. Does not know: what is computed from it.
"""

from __future__ import annotations

import numpy as np
import torch

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise

eagle_inputs = Exercise(
    "eagle_inputs", unit="11", points=1, difficulty=2, minutes=10,
    reference="specdec_course.models.looking:eagle_inputs",
    hints=(
        "Write down three places: features f0 f1 f2, tokens a b c. From which state was c drawn? Which state is not "
        "there yet when c is the newest token?",
        "before = torch.cat([torch.zeros_like(features[:1]), features[:-1]]) are the features, one place later. Then "
        "torch.cat([before, embeddings], dim=-1).",
    ),
)


def right_inputs(features, embeddings) -> np.ndarray:
    features, embeddings = features.double().numpy(), embeddings.double().numpy()
    right = np.zeros((len(features), 2 * features.shape[1]))
    right[1:, : features.shape[1]] = features[:-1]
    right[:, features.shape[1] :] = embeddings
    return right


def case(rng, length: int, width: int, dtype=torch.float32) -> tuple:
    given = tuple(torch.randn(length, width, generator=rng).to(dtype) for _ in range(2))
    return given, right_inputs(*given)


def judge(found, right):
    length, width = len(right), right.shape[1] // 2
    if found.shape != right.shape:
        return (f"For features and embeddings of shape {[length, width]} there are {length} rows of {2 * width} "
                f"numbers; your answer has the shape {list(found.shape)}.")
    for row in range(length):
        for name, half in (("first", slice(0, width)), ("second", slice(width, 2 * width))):
            mine, due = found[row, half], right[row, half]
            if not (np.abs(mine - due) <= 1e-6).all():  # NaN is not near anything
                what = "the embedding of its own token" if name == "second" else (
                    "zeros" if row == 0 else f"the feature of position {row - 1}")
                return f"In row {row} of {length} the {name} {width} numbers are not {what}."
    return None


@eagle_inputs.part("puts the state of the position before beside every token", weight=3, rests_on=(
    "row t is features[t - 1], then embeddings[t]",))
def _(student, rng):
    cases = [case(rng, whole(2, 9, rng), width) for width in mixed((1, 2, 3, 8), rng)]
    ask(student, values.as_array, [*cases, case(rng, 2, 1), case(rng, whole(90, 150, rng), 64)], judge, rng)


@eagle_inputs.part("is right for texts of two tokens, one and none: zeros for the state that is not there", weight=1,
                   rests_on=("Before the first token there is no state: its row has zeros there", "T may be 0"))
def _(student, rng):
    cases = [case(rng, 1, whole(1, 3, rng)), case(rng, 2, 2), case(rng, 0, whole(1, 5, rng)), case(rng, 1, 4)]
    ask(student, values.as_array, cases, judge, rng)


def read_in(dtype):
    def read(answer):
        if getattr(answer, "dtype", None) != dtype:
            raise Wrong(f"For features and embeddings of {str(dtype).removeprefix('torch.')} your function returned "
                        f"{values.describe(answer)}. The answer has their dtype.", mistake="other_dtype")
        return values.as_array(answer)

    return read


@eagle_inputs.part("is right in bfloat16, float32 and float64, and answers in the same", weight=1,
                   rests_on=("of the same dtype",))
def _(student, rng):
    for dtype in mixed((torch.bfloat16, torch.float32, torch.float64), rng):
        ask(student, read_in(dtype), [case(rng, whole(2, 9, rng), whole(2, 5, rng), dtype)], judge, rng)


def _pair(place: int):
    def pair(student, rng):
        one = [torch.randn(4, 3, generator=rng) for _ in range(2)]
        other = [torch.randn(4, 3, generator=rng) if i == place else x for i, x in enumerate(one)]
        return student.array(*one), student.array(*other)

    return pair


eagle_inputs.argument("features")(_pair(0))
eagle_inputs.argument("embeddings")(_pair(1))
