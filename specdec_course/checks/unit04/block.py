"""Unit 04, bonus: block verification, judged by its law and by how many tokens it keeps.

Knows: the law it must have, and that it may never keep fewer tokens than token verification, on average. Does not
know: how the longest prefix is found.
"""

from __future__ import annotations

from ..errors import Wrong
from ..exercise import Exercise
from ..stages import toys
from . import wrong_rules
from .laws import DICE_HELP, TOLERANCE, expect_joint, many_tokens_part, round_off_part, token_law, toy_pair

verify_block = Exercise(
    "verify_block", unit="04", points=2, difficulty=5, minutes=40, bonus=True,
    reference="specdec_course.verification:verify_block",
    hints=(
        "Let w be the running product of p/q along the draft, cut off at 1 after every factor. What does a small w "
        "after i tokens say about how often these i tokens together were proposed? And which of the prefixes that pass "
        "should you keep, the first or the longest?",
        "w[0] = 1, w[i] = min(1, w[i-1] p(x_i)/q(x_i)). From i = k down to 1 toss a coin: w[k] for i = k, else "
        "s/(s + 1 - w[i]) with s = sum over x of (w[i] p[i](x) - q[i](x))+. The first success keeps i tokens; if none "
        "succeeds, 0. Then draw from p[k] if i = k, else from (w[i] p[i] - q[i])+ scaled to sum 1.",
    ),
)


def paper_toy():
    """The example of the paper: two tokens, k = 2, the same p and q at every place."""
    return toys.fixed_rows([1 / 3, 2 / 3]), toys.fixed_rows([2 / 3, 1 / 3])


def kept_by_tokens(target, drafter, k) -> float:
    """The mean number of tokens that a round of token verification emits, exactly."""
    return toys.mean_length(token_law(target, drafter, k))


def law_and_length(student, target, drafter, k, when) -> None:
    law = expect_joint(student, target, drafter, k, when)
    if toys.mean_length(law) < kept_by_tokens(target, drafter, k) - TOLERANCE:
        raise Wrong(f"{when}: the law is right, but on average fewer tokens are kept than by token verification.",
                    otherwise="keeps_fewer")


@verify_block.part("emits tokens of the right law for one guess, and for none", weight=1, rests_on=(
    "the same joint law as `verify_stochastic`, and on average never fewer accepted tokens", "k may be 0"))
def _(student, rng):
    for size in (2, 4):
        target, drafter = toy_pair(size, 1, rng)
        expect_joint(student, target, target, 0, "With an empty draft (k = 0)")
        law_and_length(student, target, drafter, 1, "With one drafted token")


@verify_block.part("emits tokens of the right joint law for two and three guesses", weight=2, rests_on=(
    "the same joint law as `verify_stochastic`, and on average never fewer accepted tokens"))
def _(student, rng):
    for size, k in ((3, 2), (2, 3)):
        target, drafter = toy_pair(size, k, rng)
        law_and_length(student, target, drafter, k, f"With k = {k} and {size} tokens, p depending on what came before")
    p, q = toys.fixed_rows([0.2, 0.3, 0.5], [0.5, 0.4, 0.1]), toys.fixed_rows([0.5, 0.3, 0.2], [0.1, 0.15, 0.75])
    law_and_length(student, p, q, 2, "With k = 2, where the second token's residual depends on the first one's weight")
    certain = toy_pair(4, 2, rng, lambda target, other: toys.one_hot_rows(target))
    law_and_length(student, *certain, 2, "With a drafter that is certain, k = 2")
    target = toys.toy_rows(3, rng)
    longest = max(map(len, expect_joint(student, target, target, 2, "With q = p and k = 2")))
    if longest < 3:
        raise Wrong(f"With q = p and k = 2 your function never emits a round longer than {longest}; a draft accepted "
                    "in full is followed by a bonus token from p[k].")


@verify_block.part("keeps more tokens than token verification", weight=2,
                   rests_on="The longest prefix that passes stays")
def _(student, rng):
    target, drafter = paper_toy()
    law = expect_joint(student, target, drafter, 2, "On the paper's example")
    mine, theirs = toys.mean_length(law), kept_by_tokens(target, drafter, 2)
    if abs(mine - theirs) < TOLERANCE:
        raise Wrong("On the paper's example exactly as many tokens are kept as by token verification.",
                    mistake="token_verification")
    if mine < theirs + 1 / 9 - TOLERANCE:
        raise Wrong("On the paper's example fewer tokens are kept than block verification keeps.",
                    otherwise="keeps_fewer")


@verify_block.part("is right where p and q are nearly equal, and equal up to round-off", weight=1, rests_on=(
    "Where p and q are equal up to round-off, some sums are 0", "the same joint law as `verify_stochastic`"))
def _(student, rng):
    law_and_length(student, *toy_pair(3, 1, rng), 1, "With one drafted token")
    round_off_part(student, rng)


verify_block.part("is right over thousands of tokens, most of them filtered out", weight=1, rests_on=(
    "q: FloatTensor [k, V], the distributions that the draft was drawn from"))(many_tokens_part)


def block_rule(cut=True, weigh=True, longest=True, coin=None, last=None, least=0.0):
    """A verify_block that is wrong in one place; the arguments say where."""

    def rule(draft, q, p, dice):
        k, w = len(draft), [1.0]
        for i, x in enumerate(draft.tolist()):
            w.append(w[-1] * float(p[i, x]) / float(q[i, x]))
            w[-1] = min(1.0, w[-1]) if cut else w[-1]
        w = [min(1.0, value) for value in w]

        def passes(i):
            if i == k or coin == "weight":
                return w[i]
            left = float(((w[i] if weigh else 1) * p[i] - q[i]).clamp(min=0).sum())
            return left / (left + 1 - w[i]) if left + 1 - w[i] > 0 else 1.0

        kept = 0
        for i in range(1, k + 1) if not longest else range(k, 0, -1):
            good = dice.flip(passes(i))
            if longest and good:
                kept = i
                break
            if not longest and not good:
                break
            kept = i if not longest else kept
        row = p[kept]
        if kept < k:
            left = ((w[kept] if weigh and last != "unweighted" else 1) * p[kept] - q[kept]).clamp(min=0)
            row = wrong_rules.scaled(left, p[kept]) if left.sum() > least else p[kept]
        return [*draft[:kept].tolist(), dice.roll(row)]

    return rule


verify_block.mistake("token_verification", (
    "This is token verification: the law is right, but no more tokens are kept than before. Judge a prefix as a whole: "
    "a token with p > q makes up for an earlier one with p < q."))
verify_block.mistake("unweighted_residual", (
    "The correction after i kept tokens is drawn from (p - q)+. Here the prefix carries its weight w[i]: the part that "
    "is still missing is (w[i] p[i] - q[i])+."), imitate=block_rule(last="unweighted"))
verify_block.mistake("unweighted", (
    "The weight w[i] of the prefix has to stand in front of p[i], in the coin and in the residual alike."
), imitate=block_rule(weigh=False))
verify_block.mistake("coin_is_weight", (
    "The coin for a prefix shorter than the draft is not w[i] itself: longer prefixes have been tried first, and what "
    "they kept must be taken into account. With s = the sum of (w[i] p[i] - q[i])+ it is s/(s + 1 - w[i])."
), imitate=(block_rule(coin="weight"), block_rule(coin="weight", last="unweighted")))
verify_block.mistake("stops_at_first", (
    "You stop at the first prefix that fails. A longer one may still pass, and the longest that passes is kept: go "
    "from the end to the front."), imitate=block_rule(longest=False))
verify_block.mistake("not_cut", (
    "The running product of p/q is not cut off at 1 after every factor, only at the end. A surplus must not be saved "
    "up for later tokens: w[i] = min(1, w[i-1] p/q)."), imitate=block_rule(cut=False))
verify_block.mistake("keeps_fewer", (
    "Right, but it keeps too few tokens. Is it the longest prefix that is kept, and the coin as large as it may be?"))
verify_block.mistake("draft_ignored", (
    "The draft decides nothing, or next to nothing: the tokens are drawn from p as if nobody had guessed."))
verify_block.mistake("correction_dropped", (
    "After a rejection nothing is put in the place of the rejected token. Every round emits at least one token: draw a "
    "correction from what is still missing there."))
verify_block.mistake("no_bonus", (
    "After full acceptance there is no bonus token, not even with an empty draft. The target has already given the row "
    "p[k] for the place after the draft: draw one more token from it."
), imitate=(lambda *given: block_rule()(*given)[: len(given[0])],
            lambda *given: block_rule()(*given)[: max(1, len(given[0]))]))
verify_block.mistake("own_randomness", (
    "Your function does not take all its randomness from `dice`: use dice.flip and dice.roll only."))
verify_block.mistake("small_is_none", (
    "Where little is left over you draw the correction from p. However little is missing, the correction has to supply "
    "just that: only where nothing at all is left, draw from p."
), imitate=tuple(
    block_rule(least=least) for least in wrong_rules.SMALL))
verify_block.mistake("zero_over_zero", (
    "p and q that are equal up to round-off break your function: something is divided by a sum that is 0."))
verify_block.help(r"ZeroDivisionError|float division", "p = q up to round-off makes a sum 0: "
                  "treat it before you divide.")
for pattern, text in DICE_HELP:
    verify_block.help(pattern, text)

