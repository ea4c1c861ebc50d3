"""Unit 07: an estimate of alpha that follows the text, judged by the closed form of its posterior mean.

Knows: what a tracker must answer after a sequence of rounds, and which mistakes have a name. Does not know: what the
estimate is used for.
"""

from __future__ import annotations

import torch

from .. import values
from ..ask import mixed, uniform, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..subject import Subject

AcceptanceTracker = Exercise(
    "AcceptanceTracker", unit="07", points=2, difficulty=3, minutes=20,
    reference="specdec_course.decoding.adaptive:AcceptanceTracker",
    hints=(
        "A round drafts 5 tokens, 2 are accepted. Of how many tokens did the target say what it thinks of them? "
        "And what should happen to the evidence of the rounds before: is it multiplied before or after you add?",
        "Keep two numbers, accepted and rejected evidence, both 0 at first. update: r = min(rejected, 1); fade = "
        "0.5 ** ((accepted + r) / half_life); each of the two is multiplied by fade, then accepted and r are added. "
        "alpha (with @property) = (a + A) / (a + A + b + R), where (a, b) is the prior.",
    ),
)
NO_FADING = 1e9  # a half-life so long that nothing fades
TOLERANCE = 1e-5


class Tracked:
    """A student's tracker: its exceptions are made readable, what it answers is recorded."""

    def __init__(self, student: Subject, *args, **kwargs):
        self.student, self.tracker = student, student.quiet(*args, **kwargs)
        if not callable(getattr(self.tracker, "update", None)):
            raise Wrong("Your class has no method `update(self, accepted, rejected)`.")

    def update(self, *rounds) -> Tracked:
        """Tells it rounds (accepted, rejected), in order; returns itself."""
        for accepted, rejected in rounds:
            self.student.method(self.tracker.update).does(accepted, rejected)
        return self

    @property
    def alpha(self) -> float:
        (answer,) = self.student.method(lambda: (self.tracker.alpha,)).quiet()
        if callable(answer):
            raise Wrong("`tracker.alpha` gives a method, not a number.", mistake="alpha_is_method")
        number = values.as_float(answer)
        self.student.seen.append(number)
        return number


def closed_form(rounds, prior=(1.0, 1.0), half_life=64) -> float:
    """The posterior mean after these rounds: every round's evidence, weighted by what was judged after it."""
    good, bad, later = prior[0], prior[1], 0
    for accepted, rejected in reversed(rounds):
        weight, judged_wrong = 0.5 ** (later / half_life), min(rejected, 1)
        good, bad = good + weight * accepted, bad + weight * judged_wrong
        later += accepted + judged_wrong
    return good / (good + bad)


def expect_alphas(student, rng, cases, message: str) -> None:
    """Cases (rounds, prior, half_life): all are asked before the verdict, in an order that is drawn."""
    answers = [(len(rounds), rounds, prior, half, Tracked(student, prior=prior, half_life=half).update(*rounds).alpha)
               for rounds, prior, half in mixed(cases, rng)]
    for _, rounds, prior, half, answer in sorted(answers, key=lambda one: one[0]):
        if abs(answer - (wanted := closed_form(rounds, prior, half))) > TOLERANCE:
            what = f"the rounds {rounds}" if len(rounds) < 5 else f"{len(rounds)} rounds"
            raise Wrong(f"{message} With the prior ({prior[0]:.3g}, {prior[1]:.3g}) and half_life = {half:g}, after "
                        f"{what} your alpha is {answer:.4f}; {wanted:.4f} is due.")


def random_rounds(rng, n: int, longest: int = 6, censored: bool = True) -> list[tuple[int, int]]:
    """n rounds (accepted, rejected), none of them without a draft; with `censored`, a round may report several tokens
    as not accepted."""
    rounds = []
    for accepted, rest in torch.randint(0, longest, (n, 2), generator=rng).tolist():
        rest = rest if accepted else max(rest, 1)
        rounds.append((accepted, rest if censored else min(rest, 1)))
    return rounds


def random_prior(rng) -> tuple[float, float]:
    return uniform(0.5, 9.0, rng), uniform(0.5, 9.0, rng)


@AcceptanceTracker.part("before the first round: the prior's mean", weight=1, rests_on=(
    "a / (a + b) before the first update"))
def _(student, rng):
    if abs(Tracked(student).alpha - 0.5) > TOLERANCE:
        raise Wrong("A new tracker with the prior (1, 1) should say 0.5.")
    priors = [(2.0, 6.0), (9.0, 1.0), (0.5, 0.5), (3, 1), *(random_prior(rng) for _ in range(whole(1, 4, rng)))]
    expect_alphas(student, rng, [([], prior, 64) for prior in priors], "Before any update alpha is a / (a + b).")


@AcceptanceTracker.part("evidence is added to the prior", weight=2, rests_on=(
    "(a + A) / (a + A + b + R), with A and R the accepted and rejected evidence"))
def _(student, rng):
    cases = [([r], p, NO_FADING) for r in ((4, 0), (0, 1), (2, 1)) for p in ((1.0, 1.0), random_prior(rng))]
    cases += [(random_rounds(rng, whole(6, 9, rng), censored=False), p, NO_FADING)
              for p in ((1.0, 1.0), random_prior(rng))]
    expect_alphas(student, rng, cases, "With a half-life so long that nothing fades: (a + accepted) / (a + b + "
                                       "judged).")


@AcceptanceTracker.part("what stands behind the first rejection was never judged", weight=2, rests_on=(
    "they count as neither, and do not make evidence fade"))
def _(student, rng):
    cases = [([(2, 3)], random_prior(rng), NO_FADING), ([(0, 5), (3, 0)], (1.0, 1.0), NO_FADING)]
    cases += [(random_rounds(rng, whole(5, 9, rng)), random_prior(rng), NO_FADING)]
    expect_alphas(student, rng, cases, "A round with 2 accepted tokens and 3 others shows 2 acceptances and 1 "
                                       "rejection.")


@AcceptanceTracker.part("older evidence fades, with the half-life counted in judged tokens", weight=3, rests_on=(
    "0.5 ** (judged / half_life)",
    "then adds this round's evidence in full"))
def _(student, rng):
    """First whether the order matters at all, then by how much."""
    early = Tracked(student, half_life=8).update((0, 1), (0, 1), (6, 0), (6, 0)).alpha
    late = Tracked(student, half_life=8).update((6, 0), (6, 0), (0, 1), (0, 1)).alpha
    if not early > late:
        raise Wrong("With half_life = 8, two rejections of 12 judged tokens ago weigh as much as two new ones.")
    cases = [([(6, 0), (0, 1), (7, 0)], (1.0, 1.0), 8), ([(4, 0), (8, 0)], random_prior(rng), 8)]
    cases += [([(10, 0), (0, 4), (0, 3)], random_prior(rng), 4)]
    cases += [(random_rounds(rng, whole(15, 30, rng)), random_prior(rng), half) for half in (16, 64, whole(5, 90, rng))]
    expect_alphas(student, rng, cases, "An update multiplies the older evidence by 0.5 ** (judged tokens / half_life).")


@AcceptanceTracker.part("is right after many rounds: the prior stays", weight=1, rests_on=(
    "It never fades.",
    "prior=(1.0, 1.0), half_life=64"))
def _(student, rng):
    cases = [([(0, 1)] * whole(30, 50, rng), (uniform(4, 6, rng), 1.0), 4),
             ([(5, 0)] * whole(20, 30, rng), (1.0, uniform(3, 5, rng)), 8)]
    expect_alphas(student, rng, cases, "After many rounds with a short half-life the prior still counts in full.")
    rounds = random_rounds(rng, whole(10, 14, rng))
    if abs(Tracked(student).update(*rounds).alpha - closed_form(rounds)) > TOLERANCE:
        raise Wrong("A tracker made without arguments should have the prior (1, 1) and a half-life of 64 tokens.")
    alpha = Tracked(student).update(*[(8, 0)] * whole(50, 70, rng)).alpha
    if not 0 < alpha < 1:
        raise Wrong(f"After many rounds of full acceptance your alpha is {alpha}; the prior keeps it below 1.",
                    otherwise="prior_fades")


@AcceptanceTracker.part("is right after a round without a draft, and with two trackers", weight=1, rests_on=(
    "judged = tokens of this round that the target judged",
    "an attribute or a property, not a method"))
def _(student, rng):
    read_twice = Tracked(student).update((3, 1))
    if abs(read_twice.alpha - read_twice.alpha) > TOLERANCE:
        raise Wrong("Reading `alpha` twice gives two answers: reading must not change anything.",
                    mistake="reading_changes")
    for make in (lambda: Tracked(student), lambda: Tracked(student, prior=(3.0, 1.0), half_life=9)):
        first, second = make(), make()
        new = second.alpha
        first.update((9, 0), (9, 0))
        if abs(second.alpha - new) > TOLERANCE:
            raise Wrong("A second tracker knows what only the first one was told.", mistake="shared")
        before = first.alpha
        first.update((0, 1), (0, 1), (0, 1))
        if not first.alpha < before:
            raise Wrong("You answer the alpha of an earlier moment: three rejections after it was first read, `alpha` "
                        "has not fallen.", mistake="read_once")
    cases = [([(3, 1), (0, 0), (0, 0)], (1.0, 1.0), 4)]
    cases += [([(4, 1), (whole(1, 5, rng), 1), (0, 0), (0, 0)], random_prior(rng), whole(3, 9, rng))
              for _ in range(whole(2, 5, rng))]
    expect_alphas(student, rng, cases, "A round that drafted nothing shows nothing and fades nothing.")


@AcceptanceTracker.argument("prior")
def _(student, rng):
    return [Tracked(student, prior=prior, half_life=64).update((3, 1)).alpha for prior in ((1.0, 1.0), (9.0, 2.0))]


@AcceptanceTracker.argument("half_life")
def _(student, rng):
    return [Tracked(student, prior=(1.0, 1.0), half_life=half).update((9, 1), (3, 1)).alpha for half in (2, 2000)]


@AcceptanceTracker.argument("rejected")
def _(student, rng):
    return [[Tracked(student).update((3, one), (2, one)).alpha for one in both] for both in ((0, 0), (1, 2))]


@AcceptanceTracker.argument("accepted")
def _(student, rng):
    return [Tracked(student).update((accepted, 1), (accepted, 1)).alpha for accepted in (0, 7)]


def tracker_rule(censor="both", fade="judged", order="before", prior_fades=False, mean="mean", base=0.5, prior=None):
    """A tracker that is wrong in one place; the arguments say where."""
    own_prior = prior

    class Rule:
        def __init__(self, prior=(1.0, 1.0), half_life=64):
            self.prior, self.half_life = list(own_prior or prior), half_life
            self.seen = [0.0, 0.0]

        def update(self, accepted, rejected):
            one = min(rejected, 1)
            counted = one if censor in ("both", "count") else rejected
            judged = accepted + (one if censor in ("both", "fade") else rejected)
            judged = {"judged": judged, "rounds": 1, "never": 0, "accepted": accepted}[fade]
            factor = base ** (judged / self.half_life)
            new = (accepted, counted)
            self.seen = [factor * old + x if order == "before" else factor * (old + x)
                         for old, x in zip(self.seen, new, strict=True)]
            if prior_fades:
                self.prior = [factor * x for x in self.prior]

        @property
        def alpha(self):
            a, b = self.prior[0] + self.seen[0], self.prior[1] + self.seen[1]
            if mean == "mode":
                return (a - 1) / (a + b - 2) if a + b > 2 else 0.5
            return b / (a + b) if mean == "turned" else a / (a + b)

    return Rule


def token_by_token():
    """Fades after every single token, also within a round."""

    class Rule(tracker_rule()):
        def update(self, accepted, rejected):
            for _ in range(accepted):
                super().update(1, 0)
            if rejected:
                super().update(0, 1)

    return Rule


def counting(count):
    """A tracker that is told count(accepted, rejected) in the place of what happened; None: it is told nothing."""

    class Rule(tracker_rule()):
        def update(self, accepted, rejected):
            told = count(accepted, rejected)
            if told:
                super().update(*told)

    return Rule


class HalfLifeOf64(tracker_rule()):
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        super().__init__(prior, 64)


class Rounded(tracker_rule()):
    @property
    def alpha(self):
        return round(super().alpha, 2)


class RejectionsStay(tracker_rule()):
    def update(self, accepted, rejected):
        before = self.seen[1]
        super().update(accepted, rejected)
        self.seen[1] = before + min(rejected, 1)


AcceptanceTracker.mistake("counts_rounds", (
    "You count rounds. A round with 3 accepted tokens shows three acceptances, not one."
), imitate=counting(lambda accepted, rejected: (0, 1) if rejected else (1, 0)))
AcceptanceTracker.mistake("always_rejected", (
    "You count a rejection in every round. A round whose whole draft was accepted has none: min(rejected, 1)."
), imitate=counting(lambda accepted, rejected: (accepted, 1)))
AcceptanceTracker.mistake("forgets_to_store", (
    "Your alpha stays what it was, whatever `update` is told. Keep what update works out, and make alpha of it anew."
), imitate=counting(lambda accepted, rejected: None))
AcceptanceTracker.mistake("half_life_ignored", (
    "The half-life does not get into your answer: 64 is only what it is where nobody says."
), imitate=HalfLifeOf64)
AcceptanceTracker.mistake("rounded", "You round. A drafter's draft length may depend on the third decimal.",
                          imitate=Rounded)
AcceptanceTracker.mistake("rejections_stay", (
    "Your rejections never fade. Accepted and rejected evidence fade alike, by the same factor."
), imitate=RejectionsStay)
AcceptanceTracker.mistake("counts_censored", (
    "You count every token that was not accepted as a rejection. After the first rejection the rest of the draft "
    "continues a text that is no longer there: nobody knows what the target thinks of it. Of a draft of 5 with 2 "
    "accepted, 3 were judged: two acceptances and one rejection. Otherwise a long draft makes alpha look low, and "
    "the lower it looks... (And the tokens that were not judged make nothing fade either.)"
), imitate=(tracker_rule(censor="none"), tracker_rule(censor="fade")))
AcceptanceTracker.mistake("fades_by_drafted", (
    "Evidence fades by all tokens that were drafted. Those behind the first rejection were never judged, so they say "
    "nothing, and make nothing fade: count accepted + min(rejected, 1)."), imitate=tracker_rule(censor="count"))
AcceptanceTracker.mistake("fades_by_accepted", (
    "Evidence fades by the accepted tokens alone. A rejection is a judgement too: count accepted + min(rejected, 1)."
), imitate=tracker_rule(fade="accepted"))
AcceptanceTracker.mistake("no_fading", (
    "In your estimate nothing ever fades. After ten thousand tokens it could not follow the text any more."
), imitate=tracker_rule(fade="never"))
AcceptanceTracker.mistake("prior_fades", (
    "The prior fades too. It is what you believe when nothing has been seen lately: it has to stay, and it keeps alpha "
    "away from 0 and 1. Keep evidence and prior apart, and multiply only the evidence."
), imitate=tracker_rule(prior_fades=True))
AcceptanceTracker.mistake("fades_by_rounds", (
    "Evidence fades by the same factor every round in your tracker. half_life is counted in judged tokens: a round in "
    "which 6 tokens were judged makes the older evidence fade by 0.5 ** (6 / half_life)."
), imitate=tracker_rule(fade="rounds"))
AcceptanceTracker.mistake("fades_the_new", (
    "The new round fades too. Multiply what was there before, then add the new evidence in full."
), imitate=(tracker_rule(order="after"), tracker_rule(order="after", fade="rounds")))
AcceptanceTracker.mistake("token_by_token", (
    "You let evidence fade after every single token, so the first tokens of a round count less than its last. The "
    "contract treats a round as one: the older evidence fades once, then the round counts in full."
), imitate=token_by_token())
AcceptanceTracker.mistake("e_fold", (
    "You use exp(-n / half_life). After half_life tokens that is 0.37, not one half: 0.5 ** (n / half_life)."
), imitate=tracker_rule(base=0.36787944117144233))
AcceptanceTracker.mistake("mode", (
    "You answer the most probable alpha, (a - 1) / (a + b - 2). Asked for is the posterior's mean, a / (a + b)."
), imitate=tracker_rule(mean="mode"))
AcceptanceTracker.mistake("no_prior", (
    "The prior does not get into your answer: alpha = (a + accepted) / (a + b + judged), with (a, b) as given."
), imitate=(tracker_rule(prior=(1.0, 1.0)), tracker_rule(prior=(0.0, 0.0))))
AcceptanceTracker.mistake("turned_round", (
    "Your alpha is the chance of a *rejection*: accepted evidence belongs above the fraction line."
), imitate=tracker_rule(mean="turned"))
AcceptanceTracker.mistake("alpha_is_method", (
    "alpha is a method in your class; it has to be read as `tracker.alpha`, without brackets. Put @property above its "
    "def, or set self.alpha in __init__ and in update."))
AcceptanceTracker.mistake("reading_changes", (
    "Reading `alpha` changes what it is worth. It may be read at any time, and as often as one likes: only update "
    "changes anything."))
AcceptanceTracker.mistake("read_once", (
    "`alpha` is worked out once and stays what it was. Work it out whenever it is read, or again in every update."))
AcceptanceTracker.mistake("shared", (
    "Two trackers share their evidence. Numbers that belong to one tracker are set in __init__ with self., not in the "
    "body of the class."))
AcceptanceTracker.help(r"no attribute 'alpha'", "alpha has to exist before the first update too: set self.alpha in "
                       "__init__, or write it as a @property.")
AcceptanceTracker.help(r"no setter|can't set attribute", "Choose one: a @property that works alpha out, or self.alpha "
                       "= ... in __init__ and update, and then no @property.")
AcceptanceTracker.help(r"has no attribute", "What a method needs later has to be set in __init__: self.name = ...")
AcceptanceTracker.help(r"ZeroDivisionError", "0 / 0: before the first update, and in a round that drafted "
                       "nothing, nothing was judged. Only the prior is never 0: add it above and below the fraction "
                       "line.")
AcceptanceTracker.help(r"missing \d+ required positional|takes \d+ positional", "The methods are __init__(self, prior, "
                       "half_life) and update(self, accepted, rejected): is `self` there?")
AcceptanceTracker.help(r"item assignment|concatenate tuple", "The prior comes as a tuple: unpack it, a, b = prior.")
