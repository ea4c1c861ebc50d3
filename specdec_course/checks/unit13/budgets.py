"""Right and wrong in `force_budget`: where the thinking ends, and what the model is asked for.

Knows: toy models that end their thinking where they are told to. Does not know: other strategies.
"""

from __future__ import annotations

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import counting
from .toys import drawn_ids, hashed, ids_in, times, two

SIZE = 60  # ids of the toys

force_budget = Exercise(
    "force_budget", unit="13", points=2, difficulty=2, minutes=15,
    reference="specdec_course.decoding.budget:force_budget",
    hints=(
        "Which tokens are thinking? Where in the text do they begin, and what ends them: which two things can happen? "
        "Who writes the mark in each case?",
        "First loop, while thought < budget: token = next_token(ids); if it is mark or end, break; else append it and "
        "count it. Behind the loop append mark, whatever ended it. Second loop, `longest` times: append "
        "next_token(ids), break behind an end.",
    ),
)
force_budget.help(r"has no attribute 'append'", "next_token reads a list of ids: make one with list(prompt).")


def toy(rng, prompt, mark: int, end: int, thinks: int, answers: int, ends: bool = False):
    """A model that thinks for `thinks` tokens behind this prompt, then says `mark` (or `end`, if `ends`); and answers
    with `answers` tokens and `end`. What it says on the way depends on the whole text; in the answer it may say
    `mark`."""
    salt, begin = whole(0, 1 << 30, rng), len(prompt)

    def next_token(ids):
        ids = ids_in(ids)
        own = ids[begin:]
        token = hashed(salt, ids) % SIZE
        if mark not in own:
            if len(own) == thinks:
                return end if ends else mark
            return token if token not in (mark, end) else (max(mark, end) + 1)
        if len(own) - own.index(mark) - 1 == answers:
            return end
        return token if token != end else mark

    return next_token


def right(next_token, prompt, budget: int, mark: int, end: int, longest: int) -> tuple:
    """(ids, thought, calls of next_token)."""
    thinking, calls = [], 0
    for _ in range(budget):
        token, calls = next_token(prompt + thinking), calls + 1
        if token == mark or token == end:
            break
        thinking.append(token)
    answer = []
    while len(answer) < longest and answer[-1:] != [end]:
        answer.append(next_token([*prompt, *thinking, mark, *answer]))
    return [*prompt, *thinking, mark, *answer], len(thinking), calls + len(answer)


def case(rng, thinks: int, budget: int, answers: int = 3, longest: int | None = None, ends: bool = False,
         marked: bool = False) -> tuple:  # fmt: skip
    """marked: the prompt holds `mark` and `end`, as the examples in a prompt do."""
    mark, end = mixed((SIZE, SIZE + 1), rng)
    prompt = drawn_ids(rng, whole(3, 9, rng), SIZE)
    if marked:
        prompt = [*prompt[:1], mark, prompt[1], end, *prompt[2:]]
    next_token = toy(rng, prompt, mark, end, thinks, answers, ends)
    longest = whole(answers + 1, answers + 4, rng) if longest is None else longest
    wanted = right(next_token, prompt, budget, mark, end, longest)
    asked = counting(next_token, 4 * (thinks + budget + longest) + 40)
    return (asked, prompt, budget, mark, end, longest), (wanted, asked, prompt, budget, mark, end, longest)


read = two(values.as_ids, values.as_int, "the ids and how many tokens of thinking")


def judge(found, wanted):
    (ids, thought, _), _, prompt, budget, mark, end, longest = wanted
    mine, count = found
    if mine != ids:
        return _about(mine, ids, thought, prompt, budget, mark) or _of_the_answer(
            *(text[len(prompt) + thought + 1 :] for text in (mine, ids)), end, longest)
    if count != thought:
        return (f"Your text is right, but you count {count} tokens of thinking; {thought} stand between the prompt and "
                "the mark. Neither the mark is thinking, nor an `end` that it takes the place of.")
    return None


def _of_the_answer(mine, due, end, longest) -> str:
    """What is wrong behind the mark."""
    same = next((i for i, (a, b) in enumerate(zip(mine, due, strict=False)) if a != b), None)
    if same is not None:
        return f"The mark stands at the right place. Token {same + 1} of the answer is not what the model says."
    how = f"`longest` is {longest}, without the mark"
    if due[-1] == end:
        how = f"`end` is the last of them{f', and {how}' if len(due) == longest else ''}"
    return (f"The mark stands at the right place. Your answer behind it has {len(mine)} tokens, and {len(due)} are "
            f"due: {how}.")


def _about(mine, ids, thought, prompt, budget, mark) -> str | None:
    """What is wrong up to the mark; None if nothing is."""
    if mine[: len(prompt)] != prompt:
        return "Your text does not begin with the prompt, as it was given."
    own = mine[len(prompt) :]
    if mark not in own:
        return (f"With a budget of {budget} the model thinks for {thought} tokens and then has to answer; in your text "
                "there is no mark behind the prompt.")
    if own.index(mark) != thought:
        return (f"With a budget of {budget} the thinking takes {thought} tokens here; in your text the mark stands "
                f"behind {own.index(mark)}.")
    first = next((i for i, (a, b) in enumerate(zip(mine, ids, strict=False)) if a != b), min(len(mine), len(ids)))
    if first < len(prompt) + thought:
        return f"Token number {first - len(prompt) + 1} of the thinking is not what the model says there."
    return None


def judge_calls(found, wanted):
    (ids, thought, calls), asked, _, budget, *_ = wanted
    if found == (ids, thought) and asked.calls != calls:
        return Wrong(f"Right, but with a budget of {budget} the model was asked {times(asked.calls)} for a token; "
                     f"{calls} are enough. It is not asked for what is put there anyway, nor behind the end.",
                     mistake="calls_often")
    return judge(found, wanted)


@force_budget.part("cuts the thinking at the budget, and has the model answer", weight=3, rests_on=(
    "then `mark` is put there without asking it", "Neither the prompt nor the mark nor the answer is thinking"))
def _(student, rng):
    budgets = mixed((1, 2, 5, whole(6, 12, rng), whole(13, 30, rng)), rng)
    ask(student, read, [case(rng, b + whole(1, 9, rng), b, whole(1, 4, rng)) for b in budgets], judge, rng)


@force_budget.part("lets the model end by itself within the budget", weight=2, rests_on=(
    "The model thinks until it says `mark` by itself", "until it says `end`, which stays, or has said `longest` "
                                                       "tokens"))
def _(student, rng):
    thinks = mixed((1, 3, whole(4, 9, rng), whole(10, 20, rng)), rng)
    cases = [case(rng, n, n + whole(1, 9, rng), whole(1, 4, rng)) for n in thinks]
    n, long = whole(4, 9, rng), whole(3, 5, rng)
    ask(student, read, [*cases, case(rng, n, n), case(rng, n, n + 3, long + 3, long)], judge, rng)


@force_budget.part("is right without any thinking, for an early end, and for marks in the prompt", weight=2, rests_on=(
    "how many tokens of thinking at most, >= 0", "`mark` is put in the place of that `end`",
    "only what the model writes counts"))
def _(student, rng):
    n = whole(3, 9, rng)
    cases = [case(rng, n, 0), case(rng, 0, n), case(rng, n, 0, 3, 1), case(rng, n, n + 4, ends=True),
             case(rng, n, n + 4, marked=True), case(rng, n + 4, n, marked=True), case(rng, 0, n, ends=True,
                                                                                      marked=True)]
    ask(student, read, cases, judge, rng)


@force_budget.part("asks the model for no token that it does not need", weight=1, rests_on=(
    "The model is asked for a token only where the token is needed",))
def _(student, rng):
    n = whole(3, 9, rng)
    cases = [case(rng, n + 2, n), case(rng, n, n + 2), case(rng, n, 0), case(rng, n, n),
             case(rng, n, n + 1, ends=True), case(rng, n + 5, n, 4, 2)]
    ask(student, read, cases, judge_calls, rng)


def _pair(place: int):
    def pair(student, rng):
        (asked, prompt, _, mark, end, _), _ = case(rng, 9, 5, 6)
        one = [asked, prompt, 5, mark, end, 3]
        others = (toy(rng, prompt, mark, end, 9, 6), [*prompt[:-1], (prompt[-1] + 1) % SIZE], 4, end + 2, None, 4)
        if place == 4:  # its answer ends, or does not
            one[5] = 9
            return student.read(read, *one), student.read(read, *[*one[:4], mark + 5, 9])
        return student.read(read, *one), student.read(read, *[others[i] if i == place else x for i,
                                                              x in enumerate(one)])

    return pair


for _place, _name in enumerate(("next_token", "prompt", "budget", "mark", "end", "longest")):
    force_budget.argument(_name)(_pair(_place))
