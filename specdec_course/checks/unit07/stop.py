"""Unit 07: the draft length with the best rate, judged by the rate it reaches, against all others.

Knows: how to compute every rate, and what is commonly wrong. Does not know: how the best one is found: a search through
all k is as right as the marginal rule.
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import ask, mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise

optimal_stop = Exercise(
    "optimal_stop", unit="07", points=3, difficulty=4, minutes=25,
    reference="specdec_course.decoding.adaptive:optimal_stop",
    lent=True,
    hints=(
        "You have an average speed: tokens so far / time so far. One more drafted token offers survival[k] tokens for "
        "c of time. When does it raise the average? And is k = 0 a round like the others?",
        "If survival is empty: 0. Start with k = 1, gained = 1 + survival[0], spent = c + verify_cost + overhead. As "
        "long as there is a survival[k] with survival[k] * spent > c * gained: add it to gained, c to spent, 1 to k. "
        "At the end compare gained / spent with 1 / (1 + overhead): if it is not larger, answer 0.",
    ),
)
TOLERANCE = 1e-5  # of a rate: in float32, equal ones may come out in either order


def rates(survival, c, verify_cost, overhead) -> list[float]:
    """The rate of every draft length from 0 on."""
    found, gained = [1 / (1 + overhead)], 1.0
    for k, s in enumerate(survival, start=1):
        gained += float(s)
        found.append(gained / (k * c + verify_cost + overhead))
    return found


def expect_best(student, rng, cases, message: str) -> None:
    """Cases (survival, c, verify_cost, overhead), as tensors and as lists in turn; nearly the best rate will do. Where
    prices are those that the signature gives, every other case leaves them out."""

    def judge(k: int, case: tuple) -> str | None:
        all_rates = rates(*case)
        if not 0 <= k < len(all_rates):
            places = len(case[0])
            return f"{message} Your answer {k} is no draft length: with {places} places it lies in 0..{places}."
        best = all_rates.index(max(all_rates))
        if all_rates[k] >= all_rates[best] - TOLERANCE * max(1.0, all_rates[best]):
            return None
        return (f"{message} With c = {case[1]:.3g}, verify_cost = {case[2]:.3g} and overhead = {case[3]:.3g} you "
                f"draft {k}, but another length has a rate that is {all_rates[best] / all_rates[k] - 1:.1%} "
                f"higher: you draft too {'many' if k > best else 'few'} tokens.")

    asked = []
    for number, (survival, *prices) in enumerate(cases):
        given = prices[:1] if prices[1:] == [1.0, 0.0] and number % 4 > 1 else prices
        asked.append(((torch.tensor(survival) if number % 2 else list(survival), *given), (survival, *prices)))
    ask(student, values.as_int, asked, judge, rng)


def falling(rng, n: int, start: float = 1.0) -> list[float]:
    """n random chances, never increasing: a running product, as survival is."""
    steps = torch.rand(n, generator=rng, dtype=torch.float64) ** 0.4
    return (start * steps.cumprod(0)).tolist()


def powers(alpha: float, n: int) -> list[float]:
    return [alpha ** (i + 1) for i in range(n)]


def near(number: float, rng) -> float:
    """A number up to 3 per cent beside this one."""
    return number * uniform(0.97, 1.03, rng)


@optimal_stop.part("constant alpha, a flat target, no overhead", weight=2, rests_on="the k with the largest rate")
def _(student, rng):
    cases = [(powers(near(alpha, rng), whole(24, 40, rng)), near(c, rng), 1.0, 0.0)
             for alpha, c in ((0.8, 0.05), (0.7, 0.2), (0.9, 0.1), (0.6, 0.3), (0.95, 0.02), (0.5, 0.1))]
    cases += [(powers(uniform(0.5, 0.95, rng), whole(3, 30, rng)), uniform(0.01, 0.3, rng), 1.0, 0.0)
              for _ in range(whole(1, 4, rng))]
    expect_best(student, rng, cases, "survival = alpha, alpha squared, ...")


@optimal_stop.part("when drafting does not pay: 0", weight=2, rests_on=(
    "With k = 0 there is nothing to check, the round is a plain step: the rate is 1 / (1 + overhead), whatever "
    "verify_cost is."))
def _(student, rng):
    cases = [(powers(near(alpha, rng), whole(4, 9, rng)), near(c, rng), 1.0, 0.0)
             for alpha, c in ((0.3, 0.5), (0.5, 0.9), (0.2, 0.25), (0.7, 1.0))]
    cases += [(powers(near(0.6, rng), 6), 0.1, near(2.5, rng), o) for o in (0.0, 0.2)]
    cases += [([0.0, 0.0], 0.1, 1.0, 0.0)]
    pays = [([0.99] * n, 0.01, 1.0, 0.0) for n in (whole(3, 9, rng) for _ in range(whole(2, 5, rng)))]
    expect_best(student, rng, [*cases, *pays], "A draft that is not worth its price, among others that are.")


@optimal_stop.part("any falling survival, any cost", weight=3, rests_on=(
    "(1 + survival[0] + ... + survival[k-1]) / (k c + verify_cost + overhead)"))
def _(student, rng):
    cases = [(falling(rng, whole(2, 11, rng)), uniform(0.01, 0.4, rng), uniform(1.0, 1.6, rng), uniform(0.0, 0.8, rng))
             for _ in range(whole(55, 65, rng))]
    cases += [(powers(uniform(0.9, 0.99, rng), 64), 10 ** -uniform(2, 4, rng), uniform(0.9, 3.0, rng), o)
              for o in (0.0, uniform(0.0, 2.0, rng))]
    for alpha, v in ((0.9, 1.0), (0.3, 1.0), (0.9, 4.0)):  # as many places at the same price, and other answers
        cases.append((powers(near(alpha, rng), 8), 0.1, v, 0.0))
    expect_best(student, rng, cases, "survival falls at random.")


@optimal_stop.part("one token does not pay, but more do", weight=2, rests_on=(
    "Only k = 0, whose cost is another, has to be compared by itself."))
def _(student, rng):
    cases = [(powers(near(0.95, rng), whole(12, 20, rng)), 0.05, near(v, rng), o)
             for v, o in ((2.1, 0.0), (2.5, 0.3), (3.0, 0.0), (2.1, 0.8))]
    cases += [([0.9] * whole(6, 9, rng), 0.1, near(2.2, rng), 0.0), (powers(0.9, 8), 0.3, near(1.7, rng), 0.0)]
    cases += [(powers(0.95, 12), near(0.05, rng), 2.1, 0.0)] * whole(0, 2, rng)
    expect_best(student, rng, cases, "Checking a draft costs more than a plain step: a short one loses, a longer one "
                                     "wins.")


@optimal_stop.part("a free drafter, a place that is never reached, no places", weight=1, rests_on=(
    "c: time of one draft step, >= 0.",
    "n may be 0"))
def _(student, rng):
    dead = [0.0] * whole(1, 5, rng)
    cases = [(powers(near(0.5, rng), n), 0.0, 1.0, 0.0) for n in (6, 7, *[whole(2, 9, rng)] * whole(0, 2, rng))]
    cases += [([0.9, 0.8, *dead], 0.1, 1.0, 0.2), ([0.9, *dead], near(0.1, rng), 1.0, 0.0)]
    expect_best(student, rng, cases, "An extreme case.")
    for nothing in (torch.zeros(0), []):
        if student.returned_int(nothing, 0.1, 1.0, 0.0) != 0:
            raise Wrong("Without any place there is nothing to draft: 0.")


@optimal_stop.part("the smallest of equals", weight=1, rests_on="the smallest of equals")
def _(student, rng):
    # All numbers are exact in binary, so that equal rates are equal in whatever order they are computed.
    half, n = whole(1, 3, rng) / 4, whole(2, 5, rng)
    cases = [(([half], half, 1.0, 0.0), 0), (([1.0] * n, 1.0, 1.0, 0.0), 0), (([0.0] * n, 0.0, 1.0, 0.0), 0),
             (([1.0, 0.5, 0.0, 0.0][: whole(3, 4, rng)], 0.0, 1.0, 0.0), 2), (([1.0, 0.5, 0.25], 0.25, 0.75, 0.0), 1)]
    cases += [(([1.0, 2 * c, 2 * c], c, 1 - c, 0.0), 1) for c in (whole(1, 3, rng) / 8,)]
    order = mixed(range(len(cases)), rng)
    answers = {i: student.returned_int(list(cases[i][0][0]), *cases[i][0][1:]) for i in order}
    pairs = [(answers[i], wanted) for i, (_, wanted) in enumerate(cases)]
    if any(k != wanted for k, wanted in pairs):
        raise Wrong("Several draft lengths have the same, best rate. The smallest of them is the answer.",
                    otherwise="largest_of_equals" if all(k >= wanted for k, wanted in pairs) else None)


def stop_rule(rate=None, low=0, shift=0, last=False):
    """An optimal_stop that maximises another rate(gained, k, c, v, o); the arguments say what else is wrong."""
    rate = rate or (lambda g, k, c, v, o: g / (k * c + v + o) if k else g / (1 + o))

    def rule(survival, c, verify_cost=1.0, overhead=0.0):
        values = [float(s) for s in survival]
        found = [rate(1 + sum(values[:k]), k, c, verify_cost, overhead) for k in range(len(values) + 1)]
        lengths = range(low, len(found)) if len(found) > low else [0]
        best = max(found[k] for k in lengths)
        equal = [k for k in lengths if found[k] >= best - 1e-12]
        return max(0, min(len(values), (equal[-1] if last else equal[0]) + shift)) if values else 0

    return rule


def climbing_rule(from_zero):
    """Goes uphill one step at a time from k = 0 with the true rates: stuck where the first step goes down."""

    def rule(survival, c, verify_cost=1.0, overhead=0.0):
        values = rates(survival, c, verify_cost, overhead)
        if not from_zero:
            values[0] = 1 / (verify_cost + overhead)
        k = 0
        while k + 1 < len(values) and values[k + 1] > values[k]:
            k += 1
        return k

    return rule


def bar_rule(bar):
    """Drafts while survival is above a bar that does not look at the average so far."""

    def rule(survival, c, verify_cost=1.0, overhead=0.0):
        k = 0
        while k < len(survival) and survival[k] > bar(c, verify_cost, overhead):
            k += 1
        return k

    return rule


def conditional_rule(survival, c, verify_cost=1.0, overhead=0.0):
    reached, product = [], 1.0
    for s in survival:
        product *= float(s)
        reached.append(product)
    return stop_rule()(reached, c, verify_cost, overhead)


def only_last_rule(survival, c, verify_cost=1.0, overhead=0.0):
    found = [1 / (1 + overhead)] + [(1 + k * float(s)) / (k * c + verify_cost + overhead)
                                    for k, s in enumerate(survival, start=1)]
    return found.index(max(found))


optimal_stop.mistake("one_place_late", (
    "Your sum ends one place too early: a draft of k tokens yields 1 + survival[0] + ... + survival[k - 1]."
), imitate=lambda survival, *costs: stop_rule()([0.0, *survival][: len(survival)], *costs))
optimal_stop.mistake("overhead_per_token", (
    "You pay the overhead for every drafted token. It is the time of the host per round."
), imitate=stop_rule(lambda g, k, c, v, o: g / (k * (c + o) + v) if k else 1 / (1 + o)))
optimal_stop.mistake("last_place_left_out", (
    "You never draft all the places. k may be len(survival)."
), imitate=lambda survival, *costs: stop_rule()(survival[: max(1, len(survival) - 1)], *costs))
optimal_stop.mistake("one_step_free", (
    "You pay for k - 1 draft steps. A draft of k tokens takes k of them: k c."
), imitate=stop_rule(lambda g, k, c, v, o: g / ((k - 1) * c + v + o) if k else 1 / (1 + o)))
optimal_stop.mistake("clamped", (
    "You cut verify_cost to 1 at least. A clock may say that the pass over the draft takes less than one step."
), imitate=stop_rule(lambda g, k, c, v, o: g / (k * c + max(v, 1.0) + o) if k else 1 / (1 + o)))
optimal_stop.mistake("free_is_all", (
    "Where drafting costs nothing (c = 0) you draft all the places. A place that is never reached adds nothing, and a "
    "dear verify_cost can make no draft the best: the rule holds there, too."
), imitate=lambda survival, c, *costs: stop_rule()(survival, c, *costs) if c else len(survival))
optimal_stop.mistake("ignores_draft_cost", (
    "Your draft is as long as there are places. Tokens per round only grow with k; what counts is tokens per unit of "
    "*time*, and every drafted token takes c."), imitate=(
    lambda survival, *costs: len(survival), stop_rule(lambda g, k, c, v, o: g),
    stop_rule(lambda g, k, c, v, o: g / (v + o))))
optimal_stop.mistake("compares_with_c", (
    "You draft as long as survival is above c. That asks whether a token is worth c of *plain* decoding; but the round "
    "is faster than that already. One more token pays only if survival/c is above the round's own average, "
    "gained/spent."), imitate=(bar_rule(lambda c, v, o: c), bar_rule(lambda c, v, o: c / (v + o))))
optimal_stop.mistake("never_zero", (
    "You always draft at least one token. When the drafter is too bad or too dear, 0 is the right answer."
), imitate=(stop_rule(low=1), lambda survival, *costs: max(stop_rule()(survival, *costs), min(1, len(survival)))))
optimal_stop.mistake("stops_at_zero", (
    "You stop at k = 0 because k = 1 does not pay. The step from 0 to 1 is another one than all later ones: it also "
    "changes a plain step into the check of a draft (verify_cost). Look for the best k >= 1 first, then compare it "
    "with 0."), imitate=climbing_rule(True))
optimal_stop.mistake("zero_is_special", (
    "You take verify_cost at k = 0 too. Without a draft there is nothing to verify: a plain step costs 1 + overhead. "
    "So the draft must also make up for what its verification costs more than a plain step."
), imitate=(stop_rule(lambda g, k, c, v, o: g / (k * c + v + o)), climbing_rule(False)))
optimal_stop.mistake("forgets_own_token", (
    "The target's own token is missing. A round yields 1 + survival[0] + ...: the correction or the bonus comes in "
    "any case."), imitate=(
    stop_rule(lambda g, k, c, v, o: (g - 1) / (k * c + v + o) if k else 1 / (1 + o)),
    stop_rule(lambda g, k, c, v, o: (g - 1) / (k * c + v + o) if k else 0.0),
    stop_rule(lambda g, k, c, v, o: (g - 1) / (k * c + v + o), low=1)))
optimal_stop.mistake("multiplies_survival", (
    "You multiply the survivals. survival[i] already is the chance that *all* of the first i + 1 tokens are accepted: "
    "add them."), imitate=conditional_rule)
optimal_stop.mistake("last_survival_only", (
    "You count k times the chance of the last token. A round that loses its fourth token keeps the three before: the "
    "expected number of accepted tokens is the sum of all survivals up to k."), imitate=only_last_rule)
optimal_stop.mistake("ignores_overhead", (
    "The overhead does not reach your answer. It is paid once per round, whatever the round yields, so the larger it "
    "is, the longer a draft should be."), imitate=stop_rule(
    lambda g, k, c, v, o: g / (k * c + v) if k else g))
optimal_stop.mistake("plain_step_free", (
    "At k = 0 the overhead is left out. A step without a draft pays it, too: it takes 1 + overhead for its one token."
), imitate=stop_rule(lambda g, k, c, v, o: g / (k * c + v + o) if k else g))
optimal_stop.mistake("ignores_verify_cost", (
    "verify_cost does not reach your answer: a round with a draft costs k c + verify_cost + overhead."
), imitate=stop_rule(lambda g, k, c, v, o: g / (k * c + 1 + o)))
optimal_stop.mistake("largest_of_equals", (
    "Of several draft lengths with the same rate you take a longer one. The smallest is asked for: it reads and drafts "
    "less for the same."), imitate=stop_rule(last=True))
optimal_stop.mistake("off_by_one", (
    "Your answer is one beside the best. `survival[0]` belongs to a draft of *one* token: is it an index that you "
    "return, or a number of tokens?"), imitate=(stop_rule(shift=-1), stop_rule(shift=1)))
optimal_stop.help(r"ZeroDivisionError", "c may be 0 (a table drafts for nothing). Instead of survival / c > gained / "
                  "spent compare survival * spent > c * gained.")
optimal_stop.help(r"out of bounds|out of range|empty", "survival may be empty, and the best k may be all of it: look "
                  "at len(survival) before you look at survival[k].")
optimal_stop.help(r"unsupported operand|has no attribute", "survival may come as a tensor or as a list of floats: "
                  "torch.as_tensor(survival) makes one of either.")
optimal_stop.help(r"missing \d+ required", "verify_cost and overhead have default values in the signature; keep them.")
