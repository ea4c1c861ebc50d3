"""Unit 04: verification, token by token.

Knows: what `verify_stochastic` must do, and the wrong rules that are known by their laws. Does not know: how it is
written; comparing with the target's own sample, or verifying blocks, is right too.
"""

from __future__ import annotations

import torch

from ...sampling import exact_law
from ..errors import Wrong
from ..exercise import Exercise
from ..stages import toys
from . import wrong_rules
from .distribution import random_distribution
from .laws import (
    DICE_HELP,
    TOLERANCE,
    call_with,
    expect_joint,
    expect_kept,
    many_tokens_part,
    round_off_part,
    token_law,
    toy_pair,
)

verify_stochastic = Exercise(
    "verify_stochastic", unit="04", points=3, difficulty=4, minutes=25,
    reference="specdec_course.verification:verify_stochastic",
    lent=True,
    nearly=("verify_block",),
    hints=(
        "Go through the draft from the left. For token i: with which probability does it stay (exercise 4.2)? If it "
        "does not, what is drawn in its place (exercise 4.3), and may anything follow it? If all stay, what then?",
        "for i, token in enumerate(draft.tolist()): if not dice.flip(acceptance_probability(p[i], q[i])[token]): "
        "return draft[:i] and dice.roll(residual(p[i], q[i])). After the loop: return the draft and dice.roll(p[k]). "
        "torch.cat([draft[:i], draft.new_tensor([token])]) joins them.",
    ),
)


def expect_first_token(student, p, q, when, spread=False) -> None:
    """One drafted token; only the first emitted one is looked at: the smallest law that shows a wrong rule.

    `spread` says that q is above p at more than one token: there every rule that corrects at all gives itself away.
    """
    target, drafter = toys.fixed_rows(p, p), toys.fixed_rows(q)
    used, corrected, ways = [], [], []

    def first(dice):
        drawn = toys.draw_draft(drafter, 1, dice)
        emitted = call_with(student, toys.verification_inputs(target, *drawn), dice, used)
        corrected.append(emitted[0] != drawn[0][0])
        ways.append((dice.probability, drawn[0][0], emitted))
        return emitted[:1]

    law = student.law_of(first)
    if not any(used) and max(law.values()) < 1 - 1e-6:  # one certain token is greedy's answer, which has its own name
        raise Wrong(f"{when}: your function answers without ever using the dice.", mistake="own_randomness")
    if spread and not any(corrected):
        raise Wrong(f"{when}: no drafted token is ever rejected.", mistake="emits_rejected")
    if toys.difference(law, toys.target_law(target, 1)) > TOLERANCE:
        distance = toys.total_variation(law, toys.target_law(target, 1))
        raise Wrong(f"{when}: the first emitted token does not have the law p. The total variation distance between "
                    f"the two laws is {distance:.2g}; it must be 0.", otherwise=randomness_suspect(student, p, q, used))
    expect_kept(ways, p, q, when)


def randomness_suspect(student, p, q, used) -> str | None:
    """Whether a wrong law looks as if the coin did not come from the dice: it never was used, or decides nothing."""
    if not any(used):
        return "own_randomness"
    inputs = [(torch.tensor([x]), q[None], torch.stack([p, p])) for x in range(len(p)) if 0 < p[x] < q[x]]
    laws = [exact_law(lambda dice, given=given: call_with(student, given, dice, [])[0]) for given in inputs]
    kept = [law.get(int(given[0]), 0.0) for law, given in zip(laws, inputs, strict=True)]
    if not kept or not all(chance < 1e-6 or chance > 1 - 1e-6 for chance in kept):
        return None
    return "own_randomness" if _goes_by_the_ratio(student) else "no_coin"


def _goes_by_the_ratio(student) -> bool:
    """Whether tokens are kept from some p/q on, as by a coin that always falls alike."""
    kept = {True: [], False: []}
    for ratio in (0.2, 0.4, 0.6, 0.8):
        for most in (0.9, 0.3):
            q = torch.tensor([most, 1 - most, 0.0])
            p = torch.tensor([most * ratio, (1 - most) / 2, 0.0])
            p[2] = 1 - p.sum()
            given = torch.tensor([0]), q[None], torch.stack([p, p])
            law = exact_law(lambda dice, given=given: call_with(student, given, dice, [])[0])
            kept[law.get(0, 0.0) > 0.5].append(ratio)
    return max(kept[False], default=0) < min(kept[True], default=1)


SPREAD = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.4, 0.3, 0.2, 0.1])


def one_token_part(student, rng):
    expect_first_token(student, *SPREAD, "With p = (0.1, 0.2, 0.3, 0.4) and q = (0.4, 0.3, 0.2, 0.1)", spread=True)
    book = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.6, 0.25, 0.15])
    expect_first_token(student, *book, "With p = (0.5, 0.3, 0.2) and q = (0.6, 0.25, 0.15)")
    for size in (2, 4):
        p, q = (rows(()) for rows in toy_pair(size, 1, rng))
        expect_first_token(student, p, q, f"With random p and q over {size} tokens")
    certain = torch.nn.functional.one_hot(torch.randint(3, (), generator=rng), 3).float()
    expect_first_token(student, random_distribution(3, rng), certain, "With a drafter that is certain (one-hot q)")
    half = torch.tensor([0.7, 0.0, 0.3, 0.0]), torch.tensor([0.0, 0.5, 0.2, 0.3])
    expect_first_token(student, *half, "Where q proposes tokens that p excludes")


def last_token_part(student, rng):
    for size in (3, 2):
        target, drafter = toy_pair(size, 1, rng)
        expect_joint(student, target, target, 0, "With an empty draft (k = 0)")
        expect_joint(student, target, drafter, 1, "With one drafted token")
    p, q = toys.fixed_rows(SPREAD[0]), toys.fixed_rows(SPREAD[1])
    expect_joint(student, p, q, 1, "With one drafted token, p = (0.1, 0.2, 0.3, 0.4) and q = (0.4, 0.3, 0.2, 0.1)")
    target = toys.toy_rows(3, rng)
    expect_joint(student, target, target, 2, "With a drafter that equals the target (q = p)")
    fewer_kept(student, rng)


def joint_part(student, rng):
    for size, k in ((3, 2), (2, 3)):
        target, drafter = toy_pair(size, k, rng)
        expect_joint(student, target, drafter, k, f"With k = {k} and {size} tokens, p depending on what came before")
    for size, k in ((4, 2), (2, 3)):
        target, drafter = toy_pair(size, k, rng, lambda target, other: toys.one_hot_rows(other))
        expect_joint(student, target, drafter, k, f"With a drafter that is certain, k = {k}")


def bonus_part(student, rng):
    target = toys.toy_rows(3, rng)
    for k in (1, 2):
        longest = max(len(text) for text in expect_joint(student, target, target, k, f"With q = p and k = {k}"))
        if longest < k + 1:
            raise Wrong(f"With q = p and k = {k} your function never emits a round longer than {longest}.",
                        otherwise="no_bonus")


def fewer_kept(student, rng):
    """Says how many drafted tokens a right rule keeps, where the coin of the paper keeps more."""
    (target, drafter), k = toy_pair(3, 2, rng), 2
    mine, theirs = (toys.mean_length(law) - 1 for law in (expect_joint(student, target, drafter, k, f"With k = {k}"),
                                                          token_law(target, drafter, k)))
    if mine < theirs - 1e-3:
        student.remark("Its law is the target's, so it is right. It keeps fewer drafted tokens than the coin "
                       f"min(1, p/q): {mine:.2f} of {k} instead of {theirs:.2f}, on average, with p and q of this "
                       "check. The text is as good; it takes more target calls.")


verify_stochastic.part("emits a first token that has the law p, whatever q is", weight=2, rests_on=(
    "Their joint law is the target's, whatever q is", "one-hot rows for a drafter", "And the draft has to be used"))(
    one_token_part)
verify_stochastic.part("emits a last token of the target's own, after an empty draft too", weight=1, rests_on=(
    "after full acceptance, a bonus token (drawn from the last row of p)", "drawn from the rows of q; k may be 0"))(
    last_token_part)
verify_stochastic.part("emits tokens whose joint law is the target's, with two and three guesses", weight=2,
                       rests_on="Their joint law is the target's, whatever q is")(joint_part)
verify_stochastic.part("emits k + 1 tokens when the draft is accepted in full", weight=1,
                       rests_on="LongTensor [1..k+1]: the accepted part of the draft")(bonus_part)
verify_stochastic.part("is right where p and q are nearly equal, and equal up to round-off", weight=1,
                       rests_on="The law has to be exact to 1e-5, also where p and q are equal up to round-off")(
    round_off_part)
verify_stochastic.part("is right over thousands of tokens, most of them filtered out", weight=1, rests_on=(
    "q: FloatTensor [k, V]", "The law has to be exact to 1e-5"))(many_tokens_part)

rule = wrong_rules.token_rule
verify_stochastic.mistake("own_randomness", (
    "Your function does not take all its randomness from `dice`. Use dice.flip(probability) for every coin and "
    "dice.roll(probabilities) for every draw, and make no generator, seed or Dice of your own: a generator that is "
    "seeded anew gives every position the same number, and the tokens then hang together."))
# Rules that pass the first part come first: a rule that fails it may look like them later.
verify_stochastic.mistake("correction_dropped", (
    "After a rejection nothing is put in the place of the rejected token. If the first one is rejected the round is "
    "empty, and decoding never ends. Draw a correction from the residual: every round emits at least one token."))
verify_stochastic.mistake("no_bonus", (
    "After full acceptance there is no bonus token. The target call has already given the row p[k] for the place after "
    "the draft: draw one more token from it, it costs nothing."), imitate=(
    wrong_rules.no_bonus, wrong_rules.never_a_bonus))
verify_stochastic.mistake("bonus", (
    "The bonus token does not come from the last row of p. After full acceptance nothing was proposed for that place, "
    "so there is nothing to correct: q and the residual have no say in it. Draw it from p[k], and nothing else."
), imitate=tuple(rule(bonus=b) for b in (
    wrong_rules.bonus_from_q, wrong_rules.bonus_from_residual, wrong_rules.bonus_from_late_residual,
    wrong_rules.bonus_from_row_before, wrong_rules.argmax_of_p)))
verify_stochastic.mistake("wrong_row", (
    "The correction is drawn from the residual of the wrong position. It has to be the position that was rejected: "
    "p[i] and q[i] with the i of the rejected token."
), imitate=(rule(correct=wrong_rules.last_row), rule(correct=wrong_rules.first_row),
            rule(correct=wrong_rules.next_row), rule(correct=wrong_rules.next_row_of_p)))
verify_stochastic.mistake("judged_by_the_next_row", (
    "Token i is judged by row i + 1 of p. That row is about the place after it: p[i] and q[i] belong to draft[i], and "
    "the last row of p is for the bonus."
), imitate=wrong_rules.judged_by_the_next_row)
verify_stochastic.mistake("from_the_right", (
    "You go through the draft from its end, and a token that stays ends the search: what stands in front of it is "
    "never judged. Begin with the first token, and stop at the first one that is rejected."
), imitate=wrong_rules.from_the_right)
verify_stochastic.mistake("counts_the_heads", (
    "You keep as many tokens as coins said yes, also a yes behind a no. What stands behind a rejected token continues "
    "a text that is no longer there: the first no ends the draft."
), imitate=wrong_rules.counts_the_heads)
verify_stochastic.mistake("rounded", (
    "The chance of keeping a token is rounded. The law has to be exact: toss the coin with min(1, p/q) as it is."
), imitate=tuple(rule(keep=lambda p, q, x, dice, d=d: dice.flip(round(wrong_rules.ratio(p, q, x), d)))
                 for d in (1, 2, 3)))
verify_stochastic.mistake("all_or_none", (
    "One coin decides about the whole draft. Every token has a coin of its own, and those in front of the first "
    "rejected one stay."
), imitate=(wrong_rules.all_or_none(wrong_rules.uncovered), wrong_rules.all_or_none(wrong_rules.from_p)))
verify_stochastic.mistake("goes_on", (
    "The loop goes on after a rejection. The later drafted tokens, and their rows of p, belong to a text that is no "
    "longer there: return as soon as a token is rejected."
), imitate=wrong_rules.goes_on_after_a_correction)
verify_stochastic.mistake("ratio_inverted", (
    "The coin is upside down: it keeps a token with min(1, q/p). What the drafter proposes too often (q > p) must be "
    "kept only sometimes."), imitate=rule(keep=wrong_rules.inverted))
verify_stochastic.mistake("correction_from_p", (
    "After a rejection you draw from p. The kept tokens have already delivered a part of p; draw only what is still "
    "missing, the residual (p - q)+. As it is, the tokens that the drafter likes come too often."),
    imitate=rule(correct=wrong_rules.from_p))
verify_stochastic.mistake("another_one", (
    "After a rejection you draw from p without the rejected token. That is right only where q is certain of its token. "
    "Any token that q proposes too often would get too much: draw from what is missing everywhere, (p - q)+."),
    imitate=wrong_rules.another_one)
verify_stochastic.mistake("residual_absolute", (
    "The correction is drawn from |p - q|. Tokens that the drafter proposes too often must get nothing there: cut "
    "p - q off at 0."), imitate=rule(correct=wrong_rules.absolute))
verify_stochastic.mistake("residual_swapped", (
    "The correction is drawn from (q - p)+, the tokens that come too often anyway: what you emit has the drafter's "
    "law, not the target's. Swap p and q."), imitate=rule(correct=wrong_rules.swapped))
verify_stochastic.mistake("argmax", (
    "A drafted token stays exactly if it is the target's most probable one. That is greedy verification (unit 03); "
    "here a token of probability 0.2 has to come out one time in five. Toss a coin with min(1, p/q)."
), imitate=tuple(rule(keep=wrong_rules.is_argmax, correct=c, bonus=b)
                 for c in (None, wrong_rules.from_p, wrong_rules.argmax_of_p)
                 for b in (None, lambda p, q, k: wrong_rules.argmax_of_p(p, q, k))))
verify_stochastic.mistake("second_sample", (
    "A drafted token x stays with probability p(x), because you compare it with a draw from p (or toss a coin with "
    "p(x)), and on a mismatch you draw a second time. Either toss min(1, p/q) and correct from the residual, or "
    "compare with one draw from p and on a mismatch emit *that same* draw: a second one gives likely tokens a second "
    "chance."
), imitate=rule(keep=wrong_rules.agrees_with_a_sample, correct=wrong_rules.from_p))
verify_stochastic.mistake("sample_and_residual", (
    "A drafted token x stays with probability p(x), because you compare it with a draw from p or toss a coin with "
    "p(x). The residual belongs to the coin min(1, p/q), divided by q: the drafter proposes x only with probability "
    "q(x). After a comparison the correction would be the draw that you compared with."
), imitate=rule(keep=wrong_rules.agrees_with_a_sample))
verify_stochastic.mistake("all_or_nothing", (
    "A token stays exactly if p >= q. Where p < q it must stay with probability p/q: toss a coin."
), imitate=(rule(keep=lambda p, q, x, dice: bool(p[x] >= q[x])),
            rule(keep=lambda p, q, x, dice: bool(p[x] >= q[x]), correct=wrong_rules.from_p)))
verify_stochastic.mistake("no_coin", (
    "Whether a drafted token stays does not depend on `dice`: with the same p and q it always stays, or never. Where "
    "p < q it has to stay with probability p/q: toss that coin with dice.flip."
), imitate=tuple(rule(keep=lambda p, q, x, dice, least=least: bool(p[x] >= least))
                 for least in (0.5, 0.3, 0.2, 0.1, 0.25, 0.05)))
verify_stochastic.mistake("small_is_none", (
    "Where little is left over you draw the correction from p. However little is missing, the correction has to supply "
    "just that: only where nothing at all is left, draw from p."
), imitate=tuple(
    rule(correct=lambda p, q, i, least=least: wrong_rules.uncovered_above(least, p, q, i))
    for least in wrong_rules.SMALL))
verify_stochastic.mistake("unscaled", (
    "The correction is drawn from a residual that does not sum to 1; the probability that is missing falls on the last "
    "token of the vocabulary. Divide the residual by its sum."), imitate=wrong_rules.unscaled_inverse_cdf)
verify_stochastic.mistake("drops_unsure", (
    "Drafted tokens of low probability under q are dropped before they are verified. They were drawn: throwing them "
    "away makes rare tokens rarer still. Verify what was drawn; to stop early, decide before drawing."
), imitate=tuple(lambda d, q, p, dice, t=t: wrong_rules.drops_the_unsure(d, q, p, dice, t)
                 for t in (0.2, 0.1, 0.3, 0.4, 0.5)))
verify_stochastic.mistake("emits_rejected", (
    "What your function emits first is always the drafted token, so the text has the drafter's law. Where q > p a "
    "token must sometimes be rejected, and a token drawn from the residual stands in its place: not the rejected one."))
verify_stochastic.mistake("draft_ignored", (
    "The draft decides nothing, or next to nothing: the tokens are drawn from p as if nobody had guessed. The text is "
    "right, but every round then emits one token, and plain decoding does that without a drafter. Look at the drafted "
    "tokens first: one that stays need not be drawn."))
verify_stochastic.mistake("zero_over_zero", (
    "A rejection by round-off, where p and q are equal, breaks your function: the residual is 0/0 there. Your residual "
    "of exercise 4.3 deals with it; use that."))

for pattern, text in DICE_HELP:
    verify_stochastic.help(pattern, text)
