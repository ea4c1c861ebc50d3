"""Right and wrong in `sample_teacher`: the joint law of the texts, worked out, and what the target is asked.

Knows: toy targets whose law can be written down. Does not know: drafts.
"""

from __future__ import annotations

import itertools

import torch

from ...sampling import Dice
from .. import surroundings, values
from ..ask import mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..stages import toys
from ..subject import counting
from .loss import REAL

BETWEEN = -1  # between two texts, where they are one outcome

sample_teacher = Exercise(
    "sample_teacher", unit="09", points=2, difficulty=2, minutes=15,
    reference="specdec_course.training.taught:sample_teacher",
    hints=(
        "What does the target have to read before it can say something about the third new token? And which of its "
        "rows do you ask?",
        "For each prompt: ids = prompt; n times: logits = target(ids)[-1]; the token is logits.argmax() at temperature "
        "0, else dice.roll(torch.softmax(logits / temperature, -1)); append it with torch.cat, which makes a new "
        "tensor; stop if it is eos_token_id. Keep ids in a list, and begin with the next prompt.",
    ),
)
sample_teacher.help(r"dice.roll got numbers that sum", "dice.roll wants probabilities: the softmax of the logits.")
sample_teacher.help(r"object has no attribute '_?generator'",
                    "Take randomness from dice.roll only, not from a generator.")
sample_teacher.help(r"zero-dimensional tensor.*cannot be concatenated|expected Tensor as element",
                    "torch.cat joins tensors with one dimension: make the token one of shape [1] with "
                    "torch.tensor([token]).")
sample_teacher.help(r"dice.roll got a tensor of shape", "`target(ids)` answers a row of logits per position: the last "
                    "row, [-1], is about the next token.")


def texts_of(student, target, prompts, n, dice, *more) -> list[list[int]]:
    """The texts that came back, as lists of ids; Wrong where they are none."""
    state = surroundings.random_states()
    limit = counting(target, (n + 2) * len(prompts) + 4)
    answer = student.quiet(limit, [one.clone() for one in prompts], n, dice, *more)
    if surroundings.random_states() != state:
        raise Wrong("Your function draws from torch's, numpy's or Python's own random numbers.",
                    mistake="own_randomness")
    if isinstance(answer, torch.Tensor) and answer.dim() == 1 and len(prompts) == 1:
        raise Wrong("Return a list of texts, also for a single prompt.", mistake="no_list")
    if not hasattr(answer, "__len__") or len(answer) != len(prompts):
        raise Wrong(f"{len(prompts)} prompts were given: return a list of as many texts. Yours is "
                    f"{values.describe(answer)}.", mistake="no_list")
    texts = []
    for text in answer:
        if str(getattr(text, "dtype", "")).startswith(("float", "torch.float")):
            raise Wrong("Your texts hold floats; ids are whole numbers.", mistake="float_ids")
        texts.append(values.as_ids(text))
    return texts


def right_law(target, prompts, n, temperature=1.0, eos=None) -> dict:
    """{all texts in one: probability}."""
    laws = []
    for prompt in prompts:
        law, done = {tuple(prompt.tolist()): 1.0}, {}
        for _ in range(n):
            grown: dict = {}
            for text, mass in law.items():
                row = torch.softmax(target(torch.tensor(text))[-1].double() / (temperature or 1.0), -1)
                if not temperature:
                    row = torch.nn.functional.one_hot(row.argmax(), len(row)).double()
                for token, p in enumerate(row.tolist()):
                    if p:
                        where = done if token == eos else grown
                        where[(*text, token)] = where.get((*text, token), 0.0) + mass * p
            law = grown
        laws.append({**done, **law})
    joint: dict = {}
    for several in itertools.product(*(law.items() for law in laws)):
        key = [token for text, _ in several for token in (*text, BETWEEN)]
        mass = 1.0
        for _, p in several:
            mass *= p
        joint[tuple(key)] = mass
    return joint


def expect(student, target, prompts, n, when: str, *more) -> None:
    """The joint law of the texts has to be the target's."""
    right = right_law(target, prompts, n, *more)

    def procedure(dice):
        return [one for text in texts_of(student, target, prompts, n, dice, *more) for one in (*text, BETWEEN)]

    law = student.law_of(procedure, limit=50 * len(right) + 500)  # wrong rules may draw where nothing is to be drawn
    if toys.difference(law, right) <= 1e-5:
        return
    strange = next((text for text in law if text not in right), None)
    if strange is None:
        raise Wrong(f"{when} your texts are possible ones, but do not come as often as the target's own: the total "
                    f"variation distance of the laws is {toys.total_variation(law, right):.2g}.")
    found = " and ".join(str(list(text)) for text in _cut(strange))
    given = " and ".join(str(one.tolist()) for one in prompts)
    raise Wrong(f"{when} the prompt{'s' * (len(prompts) > 1)} {given} with n = {n} came back as {found}, and that is "
                "nothing that the target can write.")


def _cut(key) -> list[tuple[int, ...]]:
    texts, text = [], []
    for token in key:
        if token == BETWEEN:
            texts.append(tuple(text))
            text = []
        else:
            text.append(token)
    return texts


def prompt(rng, length: int, size: int):
    return torch.randint(size, (length,), generator=rng)


@sample_teacher.part("writes with the target's law, every text from its own prompt", weight=4, rests_on=(
    "Every token is drawn from the target's own law", "given the prompt and all that it wrote so far",
    "The joint law of the texts is the target's, exactly"))
def _(student, rng):
    for size, n in mixed(((3, 3), (4, 2), (2, 4)), rng):
        expect(student, toys.toy_forward(size, rng, 1.5), [prompt(rng, whole(1, 4, rng), size)], n, "At temperature 1")
    prompts = [prompt(rng, length, 3) for length in mixed((1, 2, whole(3, 5, rng)), rng)]
    expect(student, toys.toy_forward(3, rng, 1.5), prompts, 1, "With several prompts")
    two = [prompt(rng, whole(1, 3, rng), 2) for _ in range(2)]
    expect(student, toys.toy_forward(2, rng, 1.5), two, 2, "With several prompts")


@sample_teacher.part("divides the logits by the temperature; at 0 it takes the largest", weight=2, rests_on=(
    "temperature: > 0 divides the logits", "0: no dice, always the largest logit"))
def _(student, rng):
    for temperature in mixed((round(uniform(0.3, 0.7, rng), 2), round(uniform(1.5, 3, rng), 2)), rng):
        expect(student, toys.toy_forward(3, rng, 1.5), [prompt(rng, whole(1, 4, rng), 3)], 2,
               f"At temperature {temperature}", temperature)
    for _ in range(3):
        prompts = [prompt(rng, whole(1, 4, rng), 4) for _ in range(whole(1, 2, rng))]
        expect(student, toys.toy_forward(4, rng), prompts, whole(2, 5, rng), "At temperature 0", 0.0)
    tied = _fixed([0.0, 2.0, 2.0, -1.0])
    expect(student, tied, [torch.tensor([3, 0])], 2, "Where two logits are equal, at temperature 0,", 0.0)


def _fixed(row):
    return lambda ids: torch.tensor(row).expand(len(ids), -1).clone()


@sample_teacher.part("ends a text behind the first new eos_token_id, and no other text", weight=2, rests_on=(
    "a text ends behind the first *new* token with this id, which it keeps", "None: it never ends early"))
def _(student, rng):
    for size in mixed((3, 2), rng):
        eos = whole(0, size - 1, rng)
        target = toys.toy_forward(size, rng)
        expect(student, target, [prompt(rng, whole(1, 3, rng), size)], 3, f"With eos_token_id = {eos}", 1.0, eos)
        with_eos = torch.tensor([eos, whole(0, size - 1, rng), eos])
        expect(student, target, [with_eos], 2, f"With eos_token_id = {eos}", 1.0, eos)
        expect(student, target, [with_eos, prompt(rng, 2, size)], 2, f"With eos_token_id = {eos}", 1.0, eos)
    expect(student, toys.toy_forward(3, rng), [torch.tensor([0, 1])], 3, "With eos_token_id = 0", 1.0, 0)


@sample_teacher.part("gives back prompts in their order, of any lengths, for n = 0 as they are", weight=1, rests_on=(
    "for every prompt, in their order, prompt and new tokens in one",
    "at most so many new tokens for every prompt, >= 0"))
def _(student, rng):
    lengths = mixed((1, 2, 3, 5, whole(6, 9, rng)), rng)
    prompts = [prompt(rng, length, 30) for length in lengths]
    expect(student, toys.toy_forward(30, rng, 4.0), prompts, 3, "At temperature 0", 0.0)
    few = [one % 3 for one in prompts]
    expect(student, toys.toy_forward(3, rng), few, 0, "With n = 0")
    expect(student, toys.toy_forward(3, rng), few[:1], 0, "With n = 0", 1.0, 0)


@sample_teacher.part("asks the target once for every new token, about the whole text", weight=1, rests_on=(
    "It is given one whole text at a time, prompt included, and called once for every new token",))
def _(student, rng):
    target, seen = toys.toy_forward(5, rng, 3.0), []

    def watched(ids):
        seen.append(ids.tolist())
        return target(ids)

    prompts, n = [prompt(rng, whole(1, 5, rng), 5) for _ in range(whole(1, 3, rng))], whole(2, 4, rng)

    def procedure(dice):
        return [one for text in texts_of(student, watched, prompts, n, dice, 0.0) for one in (*text, BETWEEN)]

    texts = _cut(next(iter(student.law_of(procedure))))
    due = [list(text[:end]) for text in texts for end in range(len(text) - n, len(text))]
    if sorted(seen) != sorted(due):
        more = len(seen) > len(due)
        raise Wrong(f"For {len(prompts)} prompts and n = {n} your function calls the target {len(seen)} times" + (
            ": once for every new token is enough." if more else ", or not about the whole text so far."),
            mistake="calls_often" if more else None)


@sample_teacher.part("takes the vocabulary of a real model, with tokens of probability 0", weight=1, rests_on=(
    "the softmax of its logits over the temperature",))
def _(student, rng):
    row = torch.full((REAL,), float("-inf"))
    open_ = torch.randperm(REAL, generator=rng)[: whole(3, 6, rng)]
    row[open_] = torch.randn(len(open_), generator=rng) - 20
    drawn = Dice(torch.Generator().manual_seed(whole(0, 10**6, rng)))
    text = texts_of(student, lambda ids: row.expand(len(ids), -1), [torch.tensor([0, REAL - 1])], 3, drawn)[0]
    student.seen.append(text)
    if len(text) != 5 or not set(text[2:]) <= set(open_.tolist()):
        raise Wrong(f"With {REAL:,} tokens, of which a few are possible, your text holds one that is not, or not as "
                    "many tokens as were asked for.")


def _law(student, target, prompts, n, *more):
    return student.law_of(lambda dice: [one for text in texts_of(student, target, prompts, n, dice, *more)
                                        for one in (*text, BETWEEN)])


@sample_teacher.argument("target")
def _(student, rng):
    return [_law(student, toys.toy_forward(3, rng, 2.0), [torch.tensor([0, 1])], 2) for _ in range(2)]


@sample_teacher.argument("prompts")
def _(student, rng):
    target = toys.toy_forward(3, rng, 2.0)
    return [_law(student, target, [torch.tensor(one)], 2) for one in ([0, 1], [2])]


@sample_teacher.argument("n")
def _(student, rng):
    target = toys.toy_forward(3, rng, 2.0)
    return [_law(student, target, [torch.tensor([0, 1])], n) for n in (1, 2)]


@sample_teacher.argument("temperature")
def _(student, rng):
    target = toys.toy_forward(3, rng, 2.0)
    return [_law(student, target, [torch.tensor([0, 1])], 2, temperature) for temperature in (0.5, 3.0)]


@sample_teacher.argument("eos_token_id")
def _(student, rng):
    target = toys.toy_forward(3, rng, 1.0)
    return [_law(student, target, [torch.tensor([0, 1])], 3, 1.0, eos) for eos in (0, 2)]
