"""Right and wrong in `eagle_rollout`: what each row of a draft reads, and how often the draft is asked.

Knows: toy drafts whose states remember what they read. Does not know: targets.
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import counting

eagle_rollout = Exercise(
    "eagle_rollout", unit="11", points=2, difficulty=3, minutes=15,
    reference="specdec_course.models.looking:eagle_rollout",
    hints=(
        "Which state and which token does the first call get? It answers with two things: what are they for? Which of "
        "them does the second call get, and what is the token beside it?",
        "drafts = []; k times: logits, feature = step(feature, token); token = int(logits.argmax()); append it to "
        "drafts. At the end torch.tensor(drafts, dtype=torch.long), so that no drafts are a LongTensor, too.",
    ),
)
eagle_rollout.help(r"expected a feature of shape", "What step reads has one dimension, and so has the state that it "
                   "answers with: hand that over as it is.")
eagle_rollout.help(r"too many values to unpack|not enough values to unpack|tuple.*argmax|argmax.*tuple",
                   "step answers with two things: logits, state = step(feature, token).")


def toy_step(rng, size: int, width: int):
    """A step that mixes state and token; nearby states soon say different tokens, as those of texts do."""
    turn = 1.6 * torch.linalg.qr(torch.randn(width, width, generator=rng, dtype=torch.float64))[0]
    tokens = torch.randn(size, width, generator=rng, dtype=torch.float64)
    says = torch.randn(size, width, generator=rng, dtype=torch.float64)

    def step(feature, token):
        feature = torch.as_tensor(feature).double()
        if feature.shape != (width,):
            raise ValueError(f"expected a feature of shape [{width}]; got {list(feature.shape)}")
        state = torch.tanh(turn @ feature + tokens[_id(token, size)]).float()
        return (says @ state.double() - 20).float(), state

    return step


def tied_step(rng, size: int, width: int):
    """As toy_step; but of every two tokens in a row both have the logits of the first: ties wherever there can be."""
    plain = toy_step(rng, size, width)

    def step(feature, token):
        logits, state = plain(feature, token)
        logits[1::2] = logits[0 : size - 1 : 2]
        return logits, state

    return step


def _id(token, size: int) -> int:
    number = int(token)
    if not 0 <= number < size or number != token:
        raise ValueError(f"expected the id of a token, 0 to {size - 1}; got {token}")
    return number


def right_logits(step, feature, token: int, k: int) -> list[torch.Tensor]:
    """What step says of every draft, when each row reads what it has to."""
    found = []
    for _ in range(k):
        logits, feature = step(feature, token)
        token = int(logits.argmax())
        found.append(logits)
    return found


def case(rng, k: int, size: int = 40, width: int = 8, kind=toy_step) -> tuple:
    step, feature, token = kind(rng, size, width), torch.randn(width, generator=rng), whole(0, size - 1, rng)
    asked = counting(step, 4 * k + 20)
    return (asked, feature, token, k), (right_logits(step, feature, token, k), asked, k)


def read_drafts(answer) -> list[int]:
    if str(getattr(answer, "dtype", "")).startswith(("float", "torch.float")):
        raise Wrong("Here your drafts are floats. Ids are whole numbers, a LongTensor: torch.tensor([]) is none, with "
                    "dtype=torch.long it is one.")  # no mistake's id: that would be said beside what else is wrong
    return values.as_ids(answer)


def judge(found, wanted):
    logits, asked, k = wanted
    if len(found) != k:
        return f"k = {k} drafts were asked for, and your function returned {len(found)}."
    for place, (mine, row) in enumerate(zip(found, logits, strict=True)):
        if mine != int(row.argmax()):
            before = f" The {place} before it {'are' if place > 1 else 'is'} right." if place else ""
            return (f"Draft number {place + 1} of {k} is not the token that the draft says there. {_says(row, mine)}"
                    f"{before}")
    return None


def _says(row, mine: int) -> str:
    """What the right logits say of a draft that is not the first of the largest."""
    best = int(row.argmax())
    if not 0 <= mine < len(row):
        return f"Yours is {mine}, and the ids are 0 to {len(row) - 1}."
    if row[mine] == row[best]:
        return (f"Token {best} and yours, {mine}, have the same logit there, {row[best]:.4f}, and none is larger: of "
                "equal logits it is the first.")
    return f"The largest logit there is that of token {best}, {row[best]:.4f}; yours, {mine}, has {row[mine]:.4f}."


def _times(count: int) -> str:
    return {0: "not at all", 1: "once"}.get(count, f"{count} times")


def judge_calls(found, wanted):
    logits, asked, k = wanted
    if asked.calls != k and found == [int(row.argmax()) for row in logits]:
        enough = f"{_times(k)} is enough" if k else "no call is needed"
        return Wrong(f"For k = {k} your drafts are right, but step was called {_times(asked.calls)}: {enough}. Each "
                     "call is a pass of the draft.", mistake="calls_often")
    return judge(found, wanted)


@eagle_rollout.part("reads the target's state and the newest token first", weight=1, rests_on=(
    "The first row reads the target's state and the newest token", "It is no draft"))
def _(student, rng):
    ask(student, read_drafts, [case(rng, 1, size) for size in mixed((12, 40, 40, 300), rng)], judge, rng)


@eagle_rollout.part("goes on from its own state and its own token", weight=3, rests_on=(
    "The next row reads that state and the token that was drafted from these logits",
    "each row reads the state that the draft made itself"))
def _(student, rng):
    ks = mixed((2, 2, 3, 4, whole(5, 8, rng), whole(9, 16, rng)), rng)
    ask(student, read_drafts, [case(rng, k, whole(20, 60, rng), whole(4, 12, rng)) for k in ks], judge, rng)


@eagle_rollout.part("is right where logits are equal, and with thousands of ids", weight=1, rests_on=(
    "Each is the largest of its logits, the first on a tie",))
def _(student, rng):
    cases = [case(rng, whole(2, 6, rng), 2 * whole(10, 30, rng), kind=tied_step) for _ in range(3)]
    ask(student, read_drafts, [*cases, case(rng, 5, 4096, 64), case(rng, 1, 30, kind=tied_step)], judge, rng)


@eagle_rollout.part("is right with k calls of step, and with none for k = 0", weight=1, rests_on=(
    "It is called exactly k times", "how many tokens to draft, >= 0", "LongTensor [k]: the drafts"))
def _(student, rng):
    cases = [case(rng, k) for k in mixed((0, 1, 2, whole(3, 9, rng)), rng)]
    ask(student, read_drafts, cases, judge_calls, rng)


def _pair(place: int):
    def pair(student, rng):
        step, feature = toy_step(rng, 200, 8), torch.randn(8, generator=rng)
        others = (toy_step(rng, 200, 8), torch.randn(8, generator=rng), 77, 3)
        one = [step, feature, 5, 6]
        other = [others[i] if i == place else x for i, x in enumerate(one)]
        return student.ids(*one), student.ids(*other)

    return pair


for _place, _name in enumerate(("step", "feature", "token", "k")):
    eagle_rollout.argument(_name)(_pair(_place))
