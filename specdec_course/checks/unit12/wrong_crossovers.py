"""Wrong rules for `crossover_batch`: a table (id, what the student reads, the rules that behave so).

Knows: this exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

from .crossover import crossover_batch
from .worth import rate, seconds


def crossover_rule(pays=lambda fast, plain: fast > plain * (1 + 1e-9), first=1, ends=0, found=lambda b, k: b,
                   nothing=None, plainly=None, tried=None, price=lambda c: c, refuse=True, last=False):
    """crossover_batch with one thing changed. tried(batches, profile, k): those that it looks at."""

    def rule(alpha, k, profile, c=0.0):
        bad = k < 1 or not 0 <= alpha <= 1 or c < 0 or not profile or min(profile) <= 0 or min(profile.values()) <= 0
        if refuse and bad:
            raise ValueError
        if bad:
            return None
        batches = list(range(first, int(max(profile)) // (k + 1) + 1 + ends))
        batches = tried(batches, profile, k) if tried else batches
        plain = plainly or (lambda b: rate(b, alpha, 0, profile))
        no = [b for b in batches if not pays(rate(b, alpha, k, profile, price(c)), plain(b))]
        return found(no[-1 if last else 0], k) if no else nothing(batches) if callable(nothing) else nothing

    return rule


def _last_that_pays(alpha, k, profile, c=0.0):
    """The last batch before the first that does not; None where all pay."""
    return crossover_rule(found=lambda b, k: b - 1)(alpha, k, profile, c)


def _largest_that_pays(alpha, k, profile, c=0.0):
    return crossover_rule(found=lambda b, k: b - 1, nothing=lambda batches: len(batches))(alpha, k, profile, c)


def _largest_of_all_that_pay(alpha, k, profile, c=0.0):
    crossover_rule()(alpha, k, profile, c)
    batches = range(1, int(max(profile)) // (k + 1) + 1)
    pay = [b for b in batches if rate(b, alpha, k, profile, c) > rate(b, alpha, 0, profile) * (1 + 1e-9)]
    return pay[-1] if pay else None


def _first_that_pays(alpha, k, profile, c=0.0):
    crossover_rule()(alpha, k, profile, c)
    batches = range(1, int(max(profile)) // (k + 1) + 1)
    return next((b for b in batches if rate(b, alpha, k, profile, c) > rate(b, alpha, 0, profile) * (1 + 1e-9)), None)


def _against_one(alpha, k, profile, c=0.0):
    crossover_rule()(alpha, k, profile, c)
    alone = rate(1, alpha, 0, profile)
    return next((b for b in range(1, int(max(profile)) // (k + 1) + 1)
                 if rate(b, alpha, k, profile, c) <= alone * (1 + 1e-9)), None)


def _by_time(alpha, k, profile, c=0.0):
    """Where a round takes longer than a plain pass for as many tokens as it drafts: alpha does not matter."""
    crossover_rule()(alpha, k, profile, c)
    return next((b for b in range(1, int(max(profile)) // (k + 1) + 1)
                 if seconds(profile, b * (k + 1)) >= (k + 1) * seconds(profile, b) * (1 - 1e-9)), None)


def _bisected(alpha, k, profile, c=0.0):
    """By halves, as if speculation paid up to some batch and never again."""
    crossover_rule()(alpha, k, profile, c)
    low, high = 1, int(max(profile)) // (k + 1) + 1
    while low < high:
        middle = (low + high) // 2
        if rate(middle, alpha, k, profile, c) > rate(middle, alpha, 0, profile) * (1 + 1e-9):
            low = middle + 1
        else:
            high = middle
    return low if low <= int(max(profile)) // (k + 1) else None


def _doubling(batches, profile, k):
    return [b for b in batches if not b & (b - 1)]


for _id, _message, _rules in (
    ("equal_pays", "Where speculation is exactly as fast as plain decoding you go on. It does not pay there: compare "
     "with <=.", (crossover_rule(pays=lambda fast, plain: fast >= plain * (1 - 1e-9)),
                  crossover_rule(pays=lambda fast, plain: fast >= plain))),
    ("last_that_pays", "You answer the largest batch that pays. The smallest that does not is asked for.",
     (_last_that_pays, _largest_that_pays, _largest_of_all_that_pay)),
    ("first_that_pays", "You answer the first batch that pays. The first that does not is asked for.",
     (_first_that_pays,)),
    ("last_that_does_not", "You answer the largest batch that does not pay. The smallest is asked for.",
     (crossover_rule(last=True),)),
    ("against_one_text", "You compare with one text that is decoded plainly. The same batch, decoded plainly, is the "
     "yardstick.", (_against_one,)),
    ("alpha_left_out", "You compare the times of passes, whatever is accepted. Tokens per second are what counts.",
     (_by_time,)),
    ("draft_is_free", "c does not reach your answer: drafting takes time, too.",
     (crossover_rule(price=lambda c: 0.0),)),
    ("plain_drafts", "Your plain decoding does not decode plainly: it is batch_throughput with k = 0.",
     (lambda alpha, k, profile, c=0.0: crossover_rule(plainly=lambda b: rate(b, 0.0, k, profile, c))(
         alpha, k, profile, c),
      lambda alpha, k, profile, c=0.0: crossover_rule(plainly=lambda b: rate(b, alpha, k, profile, 0.0))(
          alpha, k, profile, c))),
    ("tokens_for_batch", "You answer with the tokens of a pass, batch * (k + 1). The number of texts is asked for.",
     (crossover_rule(found=lambda b, k: b * (k + 1)),)),
    ("begins_at_two", "You begin with a batch of 2. One text is a batch, too, and speculation may not pay even there.",
     (crossover_rule(first=2),)),
    ("begins_at_k", "You begin with a larger batch. Ask about 1, 2, 3, ... in turn.",
     (lambda alpha, k, profile, c=0.0: crossover_rule(first=k)(alpha, k, profile, c),
      lambda alpha, k, profile, c=0.0: crossover_rule(first=k + 1)(alpha, k, profile, c))),
    ("ends_too_early", "You never ask about the last batch that the profile tells of, max(profile) // (k + 1).",
     (crossover_rule(ends=-1),)),
    ("some_batches_only", "You ask about some batches only: powers of two, or the sizes of the profile. Every whole "
     "number is a batch.",
     (crossover_rule(tried=_doubling), crossover_rule(tried=lambda b, profile, k: [n for n in b if n in profile]),
      crossover_rule(tried=lambda b, profile, k: [n for n in b if n * (k + 1) in profile]))),
    ("by_halves", "You search by halves, as if speculation paid up to some batch and never again. Larger batches may "
     "pay again: the smallest that does not pay is asked for.", (_bisected,)),
    ("none_is_a_number", "Where speculation pays for all batches that the profile tells of, the answer is None, and "
     "not a number.", (crossover_rule(nothing=lambda batches: len(batches) + 1), crossover_rule(nothing=0),
                   crossover_rule(nothing=-1), crossover_rule(nothing=lambda batches: len(batches)),
                   crossover_rule(nothing=1))),
    ("refuses_nothing", "Nothing is refused: k below 1 and what batch_throughput refuses have to raise ValueError, "
     "also where no batch is asked about.", (crossover_rule(refuse=False),)),
):
    crossover_batch.mistake(_id, _message, imitate=_rules)
crossover_batch.help(r"profile ends at", "You ask batch_throughput about a pass that is larger than the profile: the "
                     "largest batch is max(profile) // (k + 1).")
