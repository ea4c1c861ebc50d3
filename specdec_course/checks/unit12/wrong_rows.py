"""Wrong rules for `verify_batch`: a table (id, what the student reads, the rules that behave so).

Knows: this exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import torch

from .rows import verify_batch


def _mask(k, lengths):
    return torch.arange(k) < lengths[:, None]


def _leading(agrees):
    return agrees.long().cumprod(1).sum(1)


def _none_longer(n, lengths, active):
    return n


def rows_rule(agree=None, count=_leading, padded=False, idle=False, change=_none_longer, emit=None, total=None):
    """verify_batch with one thing changed. padded: padding takes part; idle: rows without a text do."""

    def rule(draft, choice, lengths, active):
        k = draft.shape[1]
        agrees = agree(draft, choice) if agree else draft == choice[:, :k]
        if not padded:
            agrees = agrees & _mask(k, lengths)
        there = torch.ones_like(active) if idle else active
        n = change(count(agrees & there[:, None]), lengths, there)
        emitted = [(emit(draft[b], choice[b], int(n[b]), int(lengths[b])) if emit else choice[b, : int(n[b]) + 1])
                   if there[b] else choice[b, :0] for b in range(len(n))]
        return (total(n, lengths, there) if total else n), emitted

    return rule


def _shortest(n, lengths, there):
    shared = n[there].min() if there.any() else n.new_zeros(())
    return torch.where(there, shared, torch.zeros_like(n))


def _all_or_nothing(n, lengths, there):
    return torch.where((n == lengths) & there, n, torch.zeros_like(n))


def _never(draft, choice):
    return torch.zeros_like(draft, dtype=torch.bool)


def _shifted(draft, choice):
    return draft == choice[:, 1:]


def _shifted_back(draft, choice):
    return draft == choice.roll(1, 1)[:, : draft.shape[1]]


def _by_all_rows(agrees):
    return _leading(agrees.all(0, keepdim=True)).expand(len(agrees))


def _left_out(draft, choice, lengths, active):
    n, emitted = rows_rule()(draft, choice, lengths, active)
    return n[active], [row for row, there in zip(emitted, active.tolist(), strict=True) if there]


def _left_out_of_emitted(draft, choice, lengths, active):
    n, emitted = rows_rule()(draft, choice, lengths, active)
    return n, [row for row, there in zip(emitted, active.tolist(), strict=True) if there]


def _idle_count(number):
    def rule(draft, choice, lengths, active):
        n, emitted = rows_rule()(draft, choice, lengths, active)
        return torch.where(active, n, number(lengths)), emitted

    return rule


def _idle_token(draft, choice, lengths, active):
    n, emitted = rows_rule()(draft, choice, lengths, active)
    return n, [row if there else own[:1] for row, own, there in zip(emitted, choice, active.tolist(), strict=True)]


def _idle_counted_only(draft, choice, lengths, active):
    n, _ = rows_rule(idle=True)(draft, choice, lengths, active)
    return n, rows_rule()(draft, choice, lengths, active)[1]


for _id, _message, _rules in (
    ("shortest_for_all", "All your rows keep as many tokens as the row that keeps the fewest, or the first. Each row "
     "has a number of its own: no text waits for another.",
     (rows_rule(change=_shortest), rows_rule(change=_shortest, padded=True), rows_rule(change=_shortest, idle=True),
      rows_rule(change=_shortest, padded=True, idle=True), rows_rule(count=_by_all_rows),
      rows_rule(change=lambda n, lengths, there: n[:1].expand(len(n))))),
    ("counts_all", "You count all places that agree. What stands behind the first disagreement continues a text that "
     "is no longer there: only the leading run counts.",
     (rows_rule(count=lambda a: a.long().sum(1)), rows_rule(count=lambda a: a.long().sum(1), padded=True),
      rows_rule(count=lambda a: a.long().sum(1), padded=True, idle=True),
      rows_rule(count=lambda a: a.long().sum(1), idle=True))),
    ("padding_counts", "Padding takes part with you: what stands behind the lengths[b] drafted tokens of a row is "
     "counted where it happens to equal the target's choice.",
     (rows_rule(padded=True), rows_rule(padded=True, idle=True))),
    ("idle_rows", "Rows that are not active take part with you. They have no text: they accept nothing and emit "
     "nothing.", (rows_rule(idle=True), _idle_counted_only)),
    ("idle_emits", "Rows that are not active emit a token with you. They have no text to go on with.", (_idle_token,)),
    ("idle_counted", "The n_accepted of a row that is not active is 0.",
     (_idle_count(lambda lengths: torch.full_like(lengths, -1)), _idle_count(lambda lengths: lengths))),
    ("rows_left_out", "Your answer has no place for rows that are not active. It has one entry for each row, so that "
     "row b stays row b.", (_left_out, _left_out_of_emitted)),
    ("no_own_token", "The target's own token is missing: the correction behind a rejection, or the bonus where all "
     "were accepted. A row emits n_accepted[b] + 1 tokens.",
     (rows_rule(emit=lambda d, c, n, length: c[:n]), rows_rule(emit=lambda d, c, n, length: c[: max(1, n)]),
      rows_rule(emit=lambda d, c, n, length: c[:n], padded=True, idle=True))),
    ("no_bonus", "A row whose draft is accepted in full emits no bonus with you. choice[b, lengths[b]] is the target's "
     "token behind it.", (rows_rule(emit=lambda d, c, n, length: c[: n + (n < length)]),
                          rows_rule(emit=lambda d, c, n, length: c[: n + (n < len(d))]))),
    ("bonus_from_the_end", "Your bonus is choice[b, -1] or choice[b, k], whatever the row has drafted. Behind a "
     "shorter draft it is choice[b, lengths[b]].",
     (rows_rule(emit=lambda d, c, n, length: torch.cat([c[:n], c[-1:] if n == length else c[n : n + 1]]),),
      rows_rule(emit=lambda d, c, n, length: torch.cat([c[:n], c[-1:]])))),
    ("own_token_at_length", "Your last token is choice[b, lengths[b]] also where the draft was rejected earlier. It is "
     "the one at the first disagreement.",
     (rows_rule(emit=lambda d, c, n, length: torch.cat([c[:n], c[length : length + 1]])),)),
    ("rejected_emitted", "You emit the drafted token that was rejected. The target's own stands in its place.",
     (rows_rule(emit=lambda d, c, n, length: d[: n + 1] if n < length else c[: n + 1]),
      rows_rule(emit=lambda d, c, n, length: d[: n + 1]))),
    ("one_too_many", "You emit one token too many: behind the first disagreement the target answers a text that is no "
     "longer there.", (rows_rule(emit=lambda d, c, n, length: c[: n + 2]),)),
    ("whole_rows", "You emit the target's whole row. Only what was accepted, and one token more, belongs to the text.",
     (rows_rule(emit=lambda d, c, n, length: c), rows_rule(emit=lambda d, c, n, length: c[: length + 1]))),
    ("counts_own_token", "Your n_accepted counts the target's own token, too. It was not drafted.",
     (rows_rule(total=lambda n, lengths, there: n + 1),
      rows_rule(total=lambda n, lengths, there: torch.where(there, n + 1, 0 * n)))),
    ("keeps_nothing", "No drafted token is ever kept: each round gives every text one token, as without a draft. "
     "Compare draft[b, i] with choice[b, i], for the first i as well.",
     (rows_rule(agree=_never), rows_rule(agree=_never, idle=True))),
    ("off_by_one", "You compare draft[b, i] with the target's token one place beside it. choice[b, i] is its own token "
     "at the place of draft[b, i].",
     (rows_rule(agree=_shifted), rows_rule(agree=_shifted_back), rows_rule(agree=_shifted, padded=True),
      rows_rule(agree=_shifted, padded=True, idle=True))),
    ("all_or_nothing", "You keep a draft only as a whole. What stands before the first disagreement is kept, too.",
     (rows_rule(change=_all_or_nothing),)),
):
    verify_batch.mistake(_id, _message, imitate=_rules)
verify_batch.help(r"cumprod|cumsum|prod.*Bool|not implemented for 'Bool'", "A run of True is easier to count as "
                  "numbers: agrees.long().cumprod(1).")
verify_batch.help(r"must match the size|shape mismatch|broadcast", "choice has one column more than draft: "
                  "choice[:, :k]. lengths and active have a number for each row: lengths[:, None] stands beside the "
                  "columns.")
