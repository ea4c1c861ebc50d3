"""Wrong rules for `batch_throughput`: a table (id, what the student reads, the rules that behave so).

Knows: this exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import math

from .worth import batch_throughput, seconds


def _mean(alpha, k):
    return sum(alpha**i for i in range(k + 1))


def _read(batch, k):
    return batch * (k + 1)


def worth_rule(tokens=lambda batch, alpha, k: batch * _mean(alpha, k), read=_read, time=seconds,
               draft=lambda T, batch, k, c: k * c * T(batch), turn=lambda tokens, time: tokens / time, refuse=True,
               beyond=True):
    """batch_throughput with one thing changed. draft(T, batch, k, c): the time of drafting."""

    def rule(batch, alpha, k, profile, c=0.0):
        bad = (batch < 1 or k < 0 or not 0 <= alpha <= 1 or c < 0 or not profile or min(profile, default=0) <= 0
               or min(profile.values(), default=0) <= 0)
        if refuse and bad or beyond and profile and batch * (k + 1) > max(profile):
            raise ValueError

        def known(n):
            n = min(n, max(profile)) if refuse or not beyond else n
            return time(profile, n)

        return turn(tokens(batch, alpha, k), draft(known, batch, k, c) + known(read(batch, k)))

    return rule


def _larger(profile, n):
    return profile[min(size for size in profile if size >= n)]


def _smaller(profile, n):
    return profile[max((size for size in profile if size <= n), default=min(profile))]


def _nearest(profile, n):
    return profile[min(sorted(profile), key=lambda size: abs(size - n))]


def _from_zero(profile, n):
    first = min(profile)
    return profile[first] * n / first if n < first else seconds(profile, n)


def _extended(profile, n):
    sizes = sorted(profile)
    if n >= sizes[0] or len(sizes) < 2:
        return seconds(profile, n)
    a, b = sizes[:2]
    return profile[a] + (n - a) * (profile[b] - profile[a]) / (b - a)


def _logarithmic(profile, n):
    return seconds({math.log2(size): time for size, time in profile.items()}, math.log2(n))


def _unsorted(profile, n):
    """numpy.interp over sizes as they come: it wants them sorted, and does not say so."""
    import numpy

    return float(numpy.interp(n, list(profile), list(profile.values())))


for _id, _message, _rules in (
    ("one_text", "You count the tokens of one text. All texts of the batch get theirs in the same round.",
     (worth_rule(lambda batch, alpha, k: _mean(alpha, k)),)),
    ("pass_of_one_text", "Your pass is as long as for one text, k + 1 tokens. It reads those of all texts: "
     "batch * (k + 1).", (worth_rule(read=lambda batch, k: k + 1),)),
    ("pass_without_drafts", "Your pass reads one token of each text. It checks the drafts, too: batch * (k + 1) "
     "tokens.", (worth_rule(read=lambda batch, k: batch),)),
    ("newest_not_read", "Your pass reads batch * k tokens. The newest token of each text is read, too: k + 1 of each.",
     (worth_rule(read=lambda batch, k: batch * k or batch), worth_rule(read=lambda batch, k: batch * k))),
    ("batch_plus_k", "Your pass reads batch + k tokens. Every text has its own draft: batch * (k + 1).",
     (worth_rule(read=lambda batch, k: batch + k), worth_rule(read=lambda batch, k: batch * k + 1))),
    ("all_accepted", "You count k + 1 tokens of each text, whatever alpha is.",
     (worth_rule(lambda batch, alpha, k: batch * (k + 1)),)),
    ("own_token_missing", "The target's own token is missing: a round emits 1 + alpha + ... + alpha^k tokens of each "
     "text.", (worth_rule(lambda batch, alpha, k: batch * (_mean(alpha, k) - 1)),
               worth_rule(lambda batch, alpha, k: batch * k * alpha))),
    ("too_few_terms", "Your sum ends too early, at alpha^(k - 1). It has k + 1 terms.",
     (worth_rule(lambda batch, alpha, k: batch * (_mean(alpha, k) - alpha**k)),)),
    ("each_counts_alone", "You count 1 + k * alpha tokens. A drafted token is judged only if those before it were "
     "accepted: 1 + alpha + ... + alpha^k.", (worth_rule(lambda batch, alpha, k: batch * (1 + k * alpha)),)),
    ("draft_is_free", "You leave out what the draft costs: k steps of c * T(batch) seconds.",
     (worth_rule(draft=lambda T, batch, k, c: 0.0),)),
    ("one_draft_step", "You count one step of the draft per round. It takes k, one after the other.",
     (worth_rule(draft=lambda T, batch, k, c: c * T(batch)),
      worth_rule(draft=lambda T, batch, k, c: c * T(batch) if k else 0.0))),
    ("extra_draft_step", "You count k + 1 steps of the draft. The last token of a round is the target's own.",
     (worth_rule(draft=lambda T, batch, k, c: (k + 1) * c * T(batch)),)),
    ("draft_of_one_text", "Your step of the draft costs c * T(1). It reads a token of every text: c * T(batch).",
     (worth_rule(draft=lambda T, batch, k, c: k * c * T(1)),)),
    ("draft_reads_the_pass", "Your drafting takes another time than k * c * T(batch). A step of the draft reads one "
     "token of each text, whatever k is, and there are k of them.",
     (worth_rule(draft=lambda T, batch, k, c: k * c * T(batch * (k + 1))),
      worth_rule(draft=lambda T, batch, k, c: c * T(batch * k) if k else 0.0),
      worth_rule(draft=lambda T, batch, k, c: k * c * T(batch * k) if k else 0.0))),
    ("c_in_seconds", "You take c for seconds. It counts in passes of the target: a step takes c * T(batch) seconds.",
     (worth_rule(draft=lambda T, batch, k, c: k * c),)),
    ("draft_per_text", "You pay the draft for every text apart. A step of it serves the whole batch.",
     (worth_rule(draft=lambda T, batch, k, c: batch * k * c * T(batch)),
      worth_rule(draft=lambda T, batch, k, c: batch * k * c * T(1)))),
    ("next_size", "Between two sizes of the profile you take the time of one of them. It lies on the straight line.",
     (worth_rule(time=_larger), worth_rule(time=_smaller), worth_rule(time=_nearest))),
    ("below_the_smallest", "Below the smallest size of the profile your time becomes less. It is that of the smallest: "
     "a pass of few tokens waits for the weights all the same.",
     (worth_rule(time=_from_zero), worth_rule(time=_extended))),
    ("logarithmic", "Your line is straight over the logarithm of the size. It is straight over the size.",
     (worth_rule(time=_logarithmic),)),
    ("unsorted", "The sizes of a profile come in any order: sort them, with their times, before you look between two.",
     (worth_rule(time=_unsorted),)),
    ("upside_down", "Your number is seconds per token. Turn it over.",
     (worth_rule(turn=lambda tokens, time: time / tokens),)),
    ("per_round", "You do not divide by the time, or not by all of it.",
     (worth_rule(turn=lambda tokens, time: tokens),)),
    ("per_text", "You divide by the number of texts. It is the tokens per second of the whole batch.",
     (lambda batch, alpha, k, profile, c=0.0: worth_rule()(batch, alpha, k, profile, c) / batch,)),
    ("beyond_the_largest", "Above the largest size you take the time of the largest. Nothing is known there: raise "
     "ValueError.", (worth_rule(beyond=False),)),
    ("refuses_nothing", "Nothing is refused: a batch, alpha, k, c or profile that makes no sense, and a pass beyond "
     "the largest size, have to raise ValueError.", (worth_rule(refuse=False, beyond=False), worth_rule(refuse=False))),
):
    batch_throughput.mistake(_id, _message, imitate=_rules)
batch_throughput.help(r"KeyError", "A pass may read a number of tokens that is not in the profile: its time lies "
                      "between those of its two neighbours.")
batch_throughput.help(r"StopIteration|IndexError|max\(\) |min\(\) |empty", "Below the smallest size there is no left "
                      "neighbour, and at the largest no right one.")
