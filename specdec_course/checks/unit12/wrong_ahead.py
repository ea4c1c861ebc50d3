"""Wrong rules for `overlap_timeline`: a table (id, what the student reads, the rules that behave so).

Knows: this exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import math

from .ahead import overlap_timeline


def ahead_rule(begin=max, ahead=lambda start, over, drafted: start, stop=min, anew=lambda start, over, stopped: over,
               throw=True, listed=True, flag=False, kept=lambda accepted, i: accepted[i], beyond=False, first=True,
               order=None, total=None, refuse=True, entry=None):
    """overlap_timeline with one thing changed.

    begin(over, ready): when a check begins; ahead(start, over, drafted): when the draft made ahead does; stop(end,
    over): when one ends that is thrown away; anew(start, over, stopped): when the second one begins.
    """

    def rule(draft_ms, verify_ms, accepted):
        bad = any(not (math.isfinite(x) and x >= 0) for x in (draft_ms, verify_ms))
        if refuse and (bad or any(x not in (True, False) for x in accepted)):
            raise ValueError
        found, over, ready = [], 0.0, draft_ms if first else 0.0
        for i in range(len(accepted)):
            if i == 0 and first:
                found.append(("draft", 0, 0.0, ready, True))
            drafted = ready
            start = begin(over, ready)
            over = start + verify_ms
            found.append(("verify", i, start, over, True))
            if i + 1 == len(accepted) and not beyond:
                break
            at = ahead(start, over, drafted)
            ready = at + draft_ms
            if kept(accepted, i) or not throw:
                found.append(("draft", i + 1, at, ready, True))
            else:
                stopped = stop(ready, over)
                if listed:
                    found.append(("draft", i + 1, at, stopped, flag))
                again = anew(start, over, stopped)
                ready = again + draft_ms
                found.append(("draft", i + 1, again, ready, True))
        found = order(found) if order else found
        return [entry(one) for one in found] if entry else found, float(total(found, over) if total else over)

    return rule


def _serial(draft_ms, verify_ms, accepted):
    """Nothing is drafted ahead: draft, check, draft, check."""
    ahead_rule()(draft_ms, verify_ms, accepted)  # refuses what has to be refused
    found, now = [], 0.0
    for i in range(len(accepted)):
        found += [("draft", i, now, now + draft_ms, True),
                  ("verify", i, now + draft_ms, now + draft_ms + verify_ms, True)]
        now += draft_ms + verify_ms
    return found, now


def _never_late(over, ready):
    return ready


def _at_once(over, ready):
    return over if over else ready


def _one_later(accepted, i):
    return accepted[i + 1] if i + 1 < len(accepted) else True


def _one_earlier(accepted, i):
    return accepted[i - 1] if i else True


def _by_who(found):
    return sorted(found, key=lambda one: one[0])


def _kept_first(found):
    return sorted(found, key=lambda one: (one[1] - (one[0] == "draft"), one[0] == "draft", not one[4]))


for _id, _message, _rules in (
    ("nothing_ahead", "You draft a block only when the check before it is over. The next block is drafted while the "
     "target checks, from the start of the check on.",
     (_serial, ahead_rule(ahead=lambda start, over, drafted: over))),
    ("rejection_ignored", "You keep what was drafted ahead whether the block before it was accepted or not. Behind a "
     "rejection it continues a text that is no longer there.", (ahead_rule(throw=False),)),
    ("not_listed", "The drafts that are thrown away are missing from your timeline: they took the draft model's time.",
     (ahead_rule(listed=False),)),
    ("thrown_is_kept", "You list drafts that are thrown away as kept.", (ahead_rule(flag=True),)),
    ("not_stopped", "Your draft that is thrown away goes on behind the check. When the check is over, the rejection is "
     "known: it stops there at the latest.",
     (ahead_rule(stop=lambda end, over: end), ahead_rule(stop=lambda end, over: end,
                                                         anew=lambda start, over, stopped: max(over, stopped)))),
    ("runs_to_the_check", "Your draft that is thrown away always ends with the check. It ends after draft_ms, if that "
     "is earlier.", (ahead_rule(stop=lambda end, over: over),)),
    ("anew_too_early", "You draft anew before the check is over. Until then nobody knows of the rejection.",
     (ahead_rule(anew=lambda start, over, stopped: stopped), ahead_rule(anew=lambda start, over, stopped: start))),
    ("check_does_not_wait_for_draft", "Your check begins when the check before it is over, though its block may not "
     "have been drafted yet.", (ahead_rule(begin=_at_once),)),
    ("check_does_not_wait_for_check", "Your check begins as soon as its block has been drafted. The target may still "
     "be busy with the block before it.", (ahead_rule(begin=_never_late),)),
    ("ahead_of_ahead", "Your draft model goes on as soon as it is done with a block. The next block is drafted from "
     "the start of the check before it on.", (ahead_rule(ahead=lambda start, over, drafted: drafted),)),
    ("other_blocks_verdict", "You go by the verdict on another block: accepted[i] says what becomes of the draft of "
     "block i + 1.", (ahead_rule(kept=_one_later), ahead_rule(kept=_one_earlier))),
    ("turned_round", "You turn `accepted` round: where it is True, what was drafted ahead is kept.",
     (ahead_rule(kept=lambda accepted, i: not accepted[i]),)),
    ("one_draft_too_many", "Behind the last block nothing is drafted.", (ahead_rule(beyond=True),)),
    ("first_draft_missing", "The draft of block 0 is missing: nothing can be checked before it, from 0 to draft_ms.",
     (ahead_rule(first=False),)),
    ("other_order", "Your entries are right and in another order: for one block after the other its check, then the "
     "drafts of the next block, one that is thrown away before the one that is kept.",
     (ahead_rule(order=_by_who), ahead_rule(order=_kept_first),
      ahead_rule(order=lambda found: sorted(found, key=lambda one: (one[2], one[3]))))),
    ("durations", "Your entries say how long a span takes. They say when it begins and when it ends.",
     (ahead_rule(entry=lambda one: (*one[:3], one[3] - one[2], one[4])),)),
    ("sum_of_all", "Your total adds up what works side by side. It is when the last check is over.",
     (ahead_rule(total=lambda found, over: sum(one[3] - one[2] for one in found)),
      ahead_rule(total=lambda found, over: sum(one[3] - one[2] for one in found if one[4])))),
    ("refuses_nothing", "Nothing is refused: times below 0 or not finite, and entries of `accepted` that are no bools, "
     "have to raise ValueError.", (ahead_rule(refuse=False),)),
):
    overlap_timeline.mistake(_id, _message, imitate=_rules)
