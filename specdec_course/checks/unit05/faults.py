"""What is right in the log of a loop with two caches, and which mistake a wrong one shows.

Knows: where each append has to begin, what each cache has to hold, whose opinion a draft is, how much may be fed. Does
not know: scenes and what the student reads about a mistake (loop); text and counts of rounds are judged as in unit 03.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch

from ...trace import Round
from ..errors import Wrong
from ..stages import loop_faults as of_loops
from ..stages.loops import rounds_that_happened
from .two_caches import Append, CachedPlay, Fed, fed_again, readings


def judge(done: CachedPlay, *checks: Callable[[CachedPlay], None]) -> None:
    """Raises Wrong unless the log passes all checks in one of its readings, and that one explains the whole text: in a
    reading that finds no rounds there is nothing to object to."""
    first = None
    for way in readings(done):
        try:
            for check in (*checks, of_loops.check_complete):
                check(way)
            return
        except Wrong as wrong:
            first = first or wrong
    raise _prompt_in_pieces(done) or first


def _prompt_in_pieces(done: CachedPlay) -> Wrong | None:
    """Whether the first two appends of the target lie within the prompt, and do not reach its end."""
    if len(done.calls) > 1 and 0 < done.calls[1].start < len(done.calls[1].ids) < len(done.prompt):
        return Wrong("The target read the prompt in several appends.", mistake="prompt_in_pieces")
    return None


def _again(calls: list[Append], done: CachedPlay) -> bool:
    """Whether one of these appends holds the whole prompt once more, behind what the cache held."""
    return any(fed_again(Fed(call.start, call.ids[call.start :], []), done.prompt) for call in calls)


def check_text(done: CachedPlay) -> None:
    """Raises Wrong unless the text is the target's own; a cache that is to blame is named before the text is."""
    if done.stuck and _again(done.calls, done):
        raise Wrong("Your loop never ended, and fed the target the prompt that its cache held already.",
                    mistake="fed_twice")
    if not done.draft_calls and len(done.calls) > len(done.truth) - len(done.prompt) + 1:
        raise Wrong(f"The draft model was never asked, and the target {len(done.calls)} times.",
                    mistake="drafts_with_target")
    try:
        of_loops.check_text(done)
    except Wrong as wrong:
        if wrong.mistake not in BLAMES_THE_TEXT and not (done.answer is not None and _follows_own_text(done)):
            check_target(done)
        raise


# What the caches cannot be blamed for.
BLAMES_THE_TEXT = ("never_drafts", "overshoots", "eos_ignored", "drops_prompt", "rejected_eos_stops", "eos_in_prompt")


def _follows_own_text(done: CachedPlay) -> bool:
    """Whether the target's cache always held the student's own text, right or wrong."""
    return all(call.ids[: call.start] == done.ids[: call.start] for call in done.calls[1:])


def check_rounds(done: CachedPlay) -> None:
    check_text(done)
    with contextlib.suppress(AttributeError, TypeError, KeyError, IndexError):  # what cannot be read is judged there
        _check_listed(done.rounds, [counts for _, _, counts in rounds_that_happened(done)])
    of_loops.check_rounds(done)


def _sum(one: Round, other: Round) -> Round:
    return Round(one.drafted + other.drafted, one.accepted + other.accepted, one.emitted + other.emitted)


def _joined(fewer: list[Round], more: list[Round]) -> bool:
    """Whether `fewer` is `more` with one round joined to the next."""
    return any([*more[:i], _sum(*more[i : i + 2]), *more[i + 2 :]] == fewer for i in range(len(more) - 1))


LISTS = (  # what may be wrong with the list as a whole: (id, what was seen, whether it was)
    ("no_rounds", "You report no rounds.", lambda mine, true: not mine),
    ("last_unlisted", "Your list lacks the last round, and is right else.", lambda mine, true: mine == true[:-1]),
    ("first_unlisted", "Your list lacks the first round, and is right else.", lambda mine, true: mine == true[1:]),
    ("last_first", "Your rounds are right, but the last one comes first.", lambda mine, true: mine == true[::-1]),
    ("empty_rounds", "Your list holds a Round(0, 0, 0) that no call belongs to.",
     lambda mine, true: [one for one in mine if one != Round(0, 0, 0)] == true),
    ("rounds_joined", "Two rounds stand in your list as one.", _joined),
    ("rounds_split", "One round stands in your list as two.", lambda mine, true: _joined(true, mine)),
)


def _check_listed(reported: list[Round], happened: list[Round]) -> None:
    for mistake, message, seen in LISTS if reported != happened else ():
        if seen(reported, happened):
            raise Wrong(f"{message} There were {len(happened)} target calls.", mistake=mistake)


def steps(done: CachedPlay) -> list[tuple[Append, int, Round, tuple[int, Round] | None]]:
    """For every right round: the append, where the text ended, its counts, and (end, counts) of the round before."""
    found, before = [], None
    for call, start, counts in rounds_that_happened(done):
        found.append((call, start, counts, before))
        before = (start, counts)
    return found


def _full(counts: Round) -> bool:
    """Whether a draft was accepted in full."""
    return counts.accepted == counts.drafted > 0


def check_target(done: CachedPlay) -> None:
    """Raises Wrong unless each round fed the target, in one append, the newest token and the draft, in place."""
    happened = steps(done)
    if _again(done.calls, done):
        raise Wrong("The target was fed the whole text when its cache held it already.", mistake="fed_twice")
    for number, call in enumerate(done.calls):
        if number < len(happened):
            _, end, _, before = happened[number]
            short = len(call.ids) - end < min(done.k, len(done.prompt) + done.budget - end - 1)
            if before is not None and short and call.start == end - 2:
                raise _own_token_dropped(before[1])
            _check_place(done, call, end, first=number == 0)
            continue
        end = happened[-1][1] + happened[-1][2].emitted if happened else 0
        if end >= len(done.truth):
            raise Wrong("The target is called again after the text has ended.", mistake="many_calls")
        if call.start == end - 2 and call.ids[: end - 1] == done.beyond[: end - 1]:
            raise _own_token_dropped(happened[-1][2])
        _check_place(done, call, end or len(done.prompt), first=number == 0)
        raise Wrong("The target's cache does not hold the text of that round: what it was fed is not the newest token "
                    "of the text with the draft behind it.", mistake="wrong_feed")


def _own_token_dropped(before: Round) -> Wrong:
    """A round began where the target's own token of the round before should stand."""
    if _full(before):
        return Wrong("After a draft that was accepted in full, the next round starts one token too early.",
                     mistake="no_bonus")
    return Wrong("After a rejection, the next round starts without the correction.", mistake="correction_dropped")


def _check_place(done: CachedPlay, call: Append, end: int, first: bool) -> None:
    """Where has this append to begin, for a text of `end` tokens?"""
    text, newest = done.beyond[:end], done.beyond[end - 1]
    if call.start == end and call.ids[: end + 1] == [*text, newest] and _guess(done, text) != newest:
        raise Wrong(f"The target's cache held all {end} tokens of the text, and was fed the last of them once more.",
                    mistake="fed_twice")
    wanted = [end - 1] if not first else [end - 1, end] if done.prefilled else [0]
    if call.start in wanted:
        return
    message = f"A round began with {call.start} positions in the target's cache; the text had {end} tokens then."
    if call.start == 0:
        began = [number for number, one in enumerate(done.calls) if one.start == 0]
        once = began == ([0] if done.prefilled else [0, 1]) and (done.prefilled or done.calls[0].ids == done.prompt)
        raise Wrong(message, mistake="prompt_again" if once else "reset")
    if call.start >= end and len(call.ids) - call.start == 1 and call.ids[: end - 1] == done.truth[: end - 1]:
        raise Wrong("The target was called again before the round was over: one call per drafted token.",
                    mistake="many_calls")
    raise Wrong(message, mistake="target_not_rolled_back" if call.start >= end else "rolled_back_too_far")


def _guess(done: CachedPlay, text: list[int]) -> int:
    """What the draft model says after this text."""
    return int(done.draft_model(torch.tensor(text))[-1].argmax())


def check_enough(done: CachedPlay) -> None:
    """Raises Wrong unless there was a draft in every round that had room for one; the prompt may have taken the first
    round. What is not there cannot be judged."""
    happened = steps(done)
    due = [(call, counts) for call, end, counts, _ in happened[1:] if len(done.prompt) + done.budget - end > 1]
    judged = sum(counts.drafted > 0 and bool(call.draft_fed) for call, counts in due)
    if done.k and judged < len(due):
        raise Wrong(f"In {len(due)} rounds there was room for a draft, and in {judged} of them the draft model was fed "
                    "and its guesses were sent to the target.", mistake="short_drafts" if judged else "never_drafts")


def check_drafts(done: CachedPlay) -> None:
    """Raises Wrong unless every draft is the draft model's own most probable continuation of the whole text."""
    for call, end, _, before in steps(done):
        drafted = call.ids[end:]
        left = len(done.prompt) + done.budget - end
        if len(drafted) > done.k:
            raise Wrong(f"{len(drafted)} drafted tokens went to the target where k is {done.k}.", mistake="ignores_k")
        choice = done.draft_model(torch.tensor(call.ids)).argmax(-1).tolist()[end - 1 : -1]
        if drafted != choice:
            raise _why_other_draft(call, end, before)
        silent = before is None and not call.draft_fed  # the prompt may go first, alone
        if len(drafted) < min(done.k, left - 1) and not silent and (not drafted or drafted[-1] != done.eos_id):
            if before is not None and call.start == end - 2:
                raise _own_token_dropped(before[1])
            raise Wrong(f"A draft has {len(drafted)} tokens where k is {done.k} and {left} more are allowed.",
                        mistake="short_drafts" if drafted or any(one.drafted for _, _, one, _ in steps(done))
                        else "many_calls" if call.draft_fed else "never_drafts")


def _why_other_draft(call: Append, end: int, before) -> Wrong:
    """A drafted token is not what the draft model says after this text: what did its cache hold?"""
    text = call.ids
    held = call.draft_fed[-1].text if call.draft_fed else []
    if any(fed_again(one, text[: max(2, end - 1)]) for one in call.draft_fed):
        return Wrong("The draft model was fed the whole text when its cache held it already.", mistake="fed_twice")
    place = next((i for i, (a, b) in enumerate(zip(held, text, strict=False)) if a != b), None)
    if place is None and len(held) > len(text):
        place = len(text)
    if 0 < len(call.draft_fed) < len(text) - end:
        return Wrong(f"A draft of {len(text) - end} tokens came of fewer appends of the draft model: "
                     f"{len(call.draft_fed)}.", mistake="fewer_appends")
    if place is None and len(held) < len(text) - 1:
        first, due = call.draft_fed[0], before and before[0] + before[1].drafted - 1
        if before and _full(before[1]) and first.start == due and first.ids == text[due : due + 1]:
            return Wrong("After a draft that was accepted in full, the draft was fed its last guess alone.",
                         mistake="bonus_unfed")
        return Wrong(f"The draft model was asked for its last guess with {len(held)} positions in its cache; "
                     f"{len(text) - 1} tokens stood in front of that guess.", mistake="draft_cache")
    if place is None:
        return Wrong("A drafted token is not the one that the draft model finds most probable after the whole text.",
                     mistake="other_row")
    if before is not None:
        began, counts = before
        full = _full(counts)
        first, missing = call.draft_fed[0], text[began + counts.drafted - 1 : end]  # its last guess, and the bonus
        if full and first.start == began + counts.drafted - 1 and len(first.ids) > 1 and first.ids != missing:
            if first.ids == missing[::-1]:
                return Wrong("After a draft that was accepted in full, the last guess and the target's own token went "
                             "to the draft in the wrong order.", mistake="missing_turned")
            if first.ids[0] == missing[0]:
                return Wrong("After a draft that was accepted in full, the draft was fed its last guess, but behind it "
                             "not the target's own token.", mistake="bonus_unfed")
        if full and place >= began + counts.drafted - 1:
            return Wrong("After a draft that was accepted in full, the draft's cache lacks a token.",
                         mistake="last_draft_token")
        if not full and place >= began + counts.accepted:
            return Wrong("After a rejection, the draft's cache still holds tokens that were rejected.",
                         mistake="draft_not_rolled_back")
    if 0 < place < len(held) and held[place] == held[place - 1] and held[:place] + held[place + 1 :] == text[: len(
            held) - 1]:
        return Wrong(f"The token at position {place - 1} stands twice in the draft's cache.", mistake="fed_twice")
    if seen := _misfed(call, text):
        return seen
    where = "the text" if place >= end else f"the text at position {place}"
    return Wrong(f"The draft model was asked with a cache that does not hold {where}.", mistake="draft_cache")


def _misfed(call: Append, text: list[int]) -> Wrong | None:
    """The first append to the draft that did not go on where the cache ended: what was fed, and what was due."""
    for fed in call.draft_fed:
        due = text[fed.start : fed.start + len(fed.ids)]
        if fed.text[: fed.start] != text[: fed.start] or fed.ids == due or not due:
            continue
        shifts = [j for j in range(-fed.start, len(text) - fed.start) if j and fed.ids == text[fed.start + j :][
            : len(fed.ids)]]
        mistake = "draft_cache" if not shifts else "fed_twice" if max(shifts) < 0 else "draft_gap" if min(
            shifts) > 0 else "draft_cache"
        return Wrong(f"The draft's cache held the first {fed.start} tokens of the text and was fed {_listed(fed.ids)}. "
                     f"The text went on with {_listed(due)}.", mistake=mistake)
    return None


def _listed(ids: list[int]) -> str:
    return " ".join(map(str, ids[:6])) + " ..." * (len(ids) > 6)


def check_all_accepted(done: CachedPlay) -> None:
    """Raises Wrong unless a perfect drafter was never rejected, and every round brought k + 1 tokens."""
    counts = [r for _, _, r, _ in steps(done)]
    if any(r.accepted < min(r.drafted, r.emitted) for r in counts):
        raise Wrong("A drafter that thinks as the target does has to be accepted always.", mistake="other_row")
    if any(r.emitted < done.k + 1 for r in counts[1:-1]):
        raise Wrong("With a perfect drafter every target call should yield k+1 tokens.", mistake="no_bonus")


def check_work(done: CachedPlay) -> None:
    """Raises Wrong when a model is fed again what its cache held already, or held less than it should."""
    check_target(done)
    for call, end, counts, before in steps(done):
        drafted = before is not None and before[1].drafted > 0
        fed = sum(len(one.ids) for one in call.draft_fed)
        if drafted and call.draft_fed:
            full = _full(before[1])
            start = call.draft_fed[0].start
            if start == 0 and end > 2:
                raise Wrong("The draft's cache was emptied, and the whole text fed to it again.", mistake="reset")
            if start not in ((end - 2, end - 1) if full else (end - 1,)):
                message = f"A round began with {start} positions in the draft's cache; the text had {end} tokens then."
                raise Wrong(message, mistake="draft_not_rolled_back" if start >= end else "rolled_back_too_far")
        if fed > counts.drafted + 2 + (0 if drafted else end):
            again = sum(one.start == 0 for one in call.draft_fed) > 1
            raise Wrong(f"In a round that drafted {counts.drafted} tokens the draft model was fed {fed}.",
                        mistake="reset" if again else "fed_twice")
