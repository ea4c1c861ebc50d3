"""How far to guess ahead, decided anew every round.

Knows: rules on numbers (what was accepted, how sure the drafter is, what a step costs). Does not know: models, loops,
clocks. Speculation stays lossless whatever these rules say, as long as a rule sees only what was known before the
token that it decides about was drawn. `bild_policy` is the exception: it is lossy, with or without that.

k = draft length; alpha = chance that a drafted token is accepted; c = draft step / target step.
"""

from __future__ import annotations


def heuristic_schedule(k, n_accepted, n_drafted, k_max):
    """The draft length of the next round, from what happened in this one: two more after success, one less after not.

    Args:
        k: the draft length that was in force, an int; it may be larger than k_max.
        n_drafted: how many tokens were drafted in the round; it may be fewer than k.
        n_accepted: how many of these were accepted.
        k_max: the largest draft length allowed, >= 1.

    Returns:
        int in 1..k_max. If everything that was drafted was accepted: k + 2. If something was rejected: k - 1. What
        leaves 1..k_max is cut to it: a draft length of 0 could never show that drafting pays again. A round that
        drafted nothing saw no rejection: it counts as accepted in full.

    Source: the schedule "heuristic" of Hugging Face's assisted generation, with an upper end.
    """
    wanted = k - 1 if n_accepted < n_drafted else k + 2
    return max(1, min(wanted, k_max))


def confident_prefix(confidences, threshold):
    """How many tokens to draft: up to the first place where the drafter is not sure enough.

    Args:
        confidences: FloatTensor [n] or a sequence of n floats, n may be 0. Entry i is how sure the drafter is at
            place i, its largest probability there: known *before* a token is drawn at place i, but only after those
            in front of it have been drawn. What comes in a list is compared as it is, in double precision; a
            difference of less than one part in a million may be lost, as in single precision.
        threshold: a float. A confidence below it stops the draft; one exactly on it does not.

    Returns:
        int in 0..n: the number of places in front of the first confidence below the threshold. Confidences behind
        that place do not matter: in a real draft they never come about.

    Source: `assistant_confidence_threshold` of Hugging Face's assisted generation. (That one looks after the draw,
    at the drawn token, and keeps the token: also lossless. To look after the draw and *drop* the token is not.)
    """
    for i, confidence in enumerate(confidences):
        if confidence < threshold:
            return i
    return len(confidences)


class AcceptanceTracker:
    """An estimate of alpha that follows the text: a Beta posterior whose evidence fades.

    Args:
        prior: (a, b), both > 0: as if so many tokens had been accepted and rejected before the first round. It never
            fades.
        half_life: after so many judged tokens, what was seen before them counts half.

    Every round is told with `update(accepted, rejected)`. It multiplies all evidence seen so far by
    0.5 ** (judged / half_life), where judged = tokens of this round that the target judged, then adds this round's
    evidence in full. `alpha` (an attribute or a property, not a method) is the mean of the posterior,
    (a + A) / (a + A + b + R), with A and R the accepted and rejected evidence: a / (a + b) before the first update.

    Source: the Beta-Bernoulli model, with exponential forgetting.
    """

    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.prior, self.half_life = prior, half_life
        self.accepted = self.rejected = 0.0

    def update(self, accepted, rejected):
        """One round.

        accepted: how many drafted tokens were accepted. rejected: how many were not, drafted - accepted. Only the
        first of those was judged and rejected; the ones behind it continued a text that is no longer there, so
        nobody knows what the target thinks of them: they count as neither, and do not make evidence fade.
        """
        rejected = min(rejected, 1)
        fade = 0.5 ** ((accepted + rejected) / self.half_life)
        self.accepted = fade * self.accepted + accepted
        self.rejected = fade * self.rejected + rejected

    @property
    def alpha(self):
        """The chance that the next judged token is accepted, a float strictly between 0 and 1."""
        good, bad = self.prior[0] + self.accepted, self.prior[1] + self.rejected
        return good / (good + bad)


def optimal_stop(survival, c, verify_cost=1.0, overhead=0.0):
    """How many tokens to draft so that the round yields most tokens per unit of time.

    Args:
        survival: FloatTensor [n] or a sequence of n floats, n may be 0. survival[i] = chance that the first i + 1
            drafted tokens are all accepted; it never increases with i.
        c: time of one draft step, >= 0. verify_cost: time of the target call that checks a draft. overhead: host
            time per round. All in units of one plain target step.

    Returns:
        int in 0..n: the k with the largest rate; the smallest of equals. (Of rates that differ by less than one part
        in a million, without being equal, any will do.) For k >= 1 the rate is
        (1 + survival[0] + ... + survival[k-1]) / (k c + verify_cost + overhead). With k = 0 there is nothing to
        check, the round is a plain step: the rate is 1 / (1 + overhead), whatever verify_cost is.

    Why one may stop at the first k where one more token is a loss: write the rate as G/T. One more token adds s to G
    and c to T, and (G + s)/(T + c) lies between G/T and s/c (it is their average, weighted with T and c). If the new
    rate is not above G/T, then s/c is not above the new rate. The next token offers s'/c with s' <= s, so it cannot
    raise the rate either, and so on to the end. Only k = 0, whose cost is another, has to be compared by itself.

    Source: the marginal value theorem (Charnov 1976); Leviathan et al. 2023, theorem 3.8, for the rate.
    """
    if len(survival) == 0:
        return 0
    k, gained, spent = 1, 1 + survival[0], c + verify_cost + overhead
    while k < len(survival) and survival[k] * spent > c * gained:  # the same as s/c > G/T, and c may be 0
        gained, spent, k = gained + survival[k], spent + c, k + 1
    return k if gained * (1 + overhead) > spent else 0


def bild_policy(draft_confidence, target_probability, fallback, rollback):
    """LOSSY. The two rules of a Big Little Decoder: when the small model asks for help, and what is then redone.

    The small model writes the text by itself. As soon as it is not sure of the token it has just written, the large
    model reads all that was written since the last hand-over, in one pass, and redoes the part it finds improbable.
    What it finds probable enough stays, although it might have written something else: the text is not the large
    model's.

    Args:
        draft_confidence: FloatTensor [n] or a sequence of n floats, n may be 0: the small model's probability of
            each token it has written since the last hand-over, in order; the last entry is the newest token's. What
            comes in double precision (a list does) is compared as it is; a difference of less than one part in a
            million may be lost, as in single precision.
        target_probability: the same for the large model: its probability of each of those n tokens. Empty as long
            as the large model has not read them: then there is nothing to redo yet.
        fallback: the newest confidence below it hands over; exactly on it does not.
        rollback: a token whose probability is below it is redone; one exactly on it stays.

    Returns:
        (hand_over, positions_to_redo). hand_over: bool; False if nothing has been written. positions_to_redo: list
        of int in 0..n-1, ascending: the first place where the large model's probability is below `rollback`, and
        all places behind it (they continue a text that is no longer there). Empty if there is no such place, and
        without a hand-over always.

    Source: Kim et al. 2023, "Speculative decoding with Big Little Decoder". (There the token that the small model is
    not sure of is always the large model's to write; here it stays if the large model finds it probable enough.)
    """
    n = len(draft_confidence)
    if n == 0 or not draft_confidence[-1] < fallback:
        return False, []
    first = next((i for i, probability in enumerate(target_probability) if probability < rollback), n)
    return True, list(range(first, n))
