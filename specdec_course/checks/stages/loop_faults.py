"""What is right in the log of a decoding loop, and which mistake a wrong one shows.

Knows: what has to hold between the text, the target's calls, what the drafter was shown and the reported rounds. Does
not know: scenes, how a log comes about (loops), what the student reads about a mistake (loop_words).

A mistake is named from the log, not by imitating a wrong loop: there are too many ways to write one.
"""

from __future__ import annotations

import torch

from ...trace import Round
from ..errors import Wrong
from .loops import Play, rounds_are_complete, rounds_that_happened

SHOWN = "propose was shown something else than the whole text so far."


def check_text(done: Play) -> None:
    """Raises Wrong unless the text is what the target alone would write, and drafted tokens were sent to it."""
    for call in done.calls:
        if call.shown is not None and call.draft and call.ids == [*call.shown, *call.draft, *call.draft]:
            raise Wrong("The target was sent the text with the draft behind it twice.", mistake="sent_twice")
    if done.stuck:
        raise _why_stuck(done)
    text, truth = done.ids, done.truth
    if text != truth:
        raise _why_other_text(done, text, truth)
    idle = done.questions == 0 and done.k > 0 and done.budget > 1
    shown = [call.shown for call in done.calls if call.shown is not None]
    if done.offered and not done.used and any(text != done.beyond[: len(text)] for text in shown):
        raise Wrong(SHOWN, mistake="stale_text")
    if idle or (done.offered and not done.used):
        raise Wrong("The text is right, but no drafted token ever reached the target.",
                    mistake="never_drafts" if idle else None)


def check_ends(failed: dict[int, Wrong]) -> None:
    """Raises what failed, by the id that ends the text. Where only id 0 is missed, that says why."""
    if failed.keys() == {0} and failed[0].mistake == "eos_ignored":
        raise failed[0].but(mistake="eos_zero")
    for wrong in failed.values():
        raise wrong


def check_calls(done: Play) -> None:
    """Raises Wrong unless there was exactly one target call per round, every round starting where the text ended."""
    happened = rounds_that_happened(done)
    if done.calls and done.calls[0].shown is None and done.k and done.budget > 1 and done.questions:
        raise Wrong("The target was called before the drafter was asked for the first time.", mistake="extra_call")
    for (call, start, counts), after in zip(happened, [*done.calls[1:], None], strict=False):
        if call.asked > done.k:
            raise Wrong(f"propose was asked for {call.asked} tokens where k is {done.k}.", mistake="ignores_k")
        if call.shown is not None and call.shown != done.beyond[:start]:
            raise Wrong(SHOWN, mistake="stale_text")
        if after is not None:
            _check_next(done, after, start + counts.emitted, counts)
    if len(done.calls) > len(happened):
        if done.ended_by_eos and happened and happened[-1][1] + happened[-1][2].emitted == len(done.truth):
            raise Wrong("The target is called again after the eos token.", mistake="eos_ignored")
        raise Wrong(f"The target was called {len(done.calls)} times where {len(happened)} are enough. Each call has "
                    "to get the text so far with the draft behind it, and none is needed once the text has ended.",
                    mistake="extra_call" if len(done.calls) == len(happened) + 1 else "many_calls")
    check_complete(done)


def check_complete(done: Play) -> None:
    """Raises Wrong unless the target's calls explain the whole text: else there was too little to judge."""
    if not rounds_are_complete(done):
        raise Wrong("The calls of the target do not add up to your text: somewhere it got something else than the text "
                    "so far with the draft behind it.")


def _check_next(done: Play, after, end: int, counts) -> None:
    """The next call has to continue the text where the round, with these counts, ended it."""
    if after.shown is None and done.k and end + 1 < len(done.truth):
        raise Wrong("The target was called again before the drafter was asked again.", mistake="many_calls")
    lost = after.sends_what_was_shown and after.shown == done.beyond[: end - 1] and counts.emitted > counts.accepted
    if lost and counts.accepted == counts.drafted:
        raise Wrong("After a draft that was accepted in full, the next round starts one token too early.",
                    mistake="no_bonus")
    if lost:
        raise Wrong("After a rejection, the next round starts without the correction.", mistake="correction_dropped")


def _why_stuck(done: Play) -> Wrong:
    """The loop was ended from outside: did the text stand still, or grow without end?"""
    last = [call.shown or call.ids for call in done.calls[-2:]]
    if len(last) < 2:
        return Wrong("Your loop asks the drafter again and again without calling the target.")
    if len(last[1]) > len(done.prompt) + done.budget + done.k:
        return Wrong("Your loop never ended: the text grew far beyond max_new_tokens.", mistake="overshoots")
    text = last[1][: len(done.beyond)]
    if text != done.beyond[: len(text)]:
        return _why_wrong_token(done, text, _first_difference(text, done.beyond))
    happened = rounds_that_happened(done)
    rejected = bool(happened) and happened[-1][2].accepted < happened[-1][2].drafted
    if last[0] == last[1] and done.k and done.offered and rejected:
        return Wrong("Your loop never ended: the drafter's first guess was rejected, the round added nothing, and the "
                     "next round began at the same place.", mistake="correction_dropped")
    return Wrong("Your loop never ended: a round added nothing to the text, so the next one began at the same place. "
                 "Every round has to add at least one token, and `ids` has to grow.", mistake="no_progress")


def _why_other_text(done: Play, text: list[int], truth: list[int]) -> Wrong:
    grew = text[: len(truth)] == truth
    if grew and done.ended_by_eos:
        return Wrong("The text goes on behind the eos token that it holds.", mistake="eos_ignored")
    if grew:
        return Wrong(f"{done.budget} new tokens were allowed, your text has {len(text) - len(done.prompt)}.",
                     mistake="overshoots")
    if truth[: len(text)] == text:
        return _why_early(done, text)
    if text and text == truth[-len(text) :]:
        return Wrong("You return only the new tokens: ids has to hold the prompt as well.", mistake="drops_prompt")
    if text[: len(done.prompt)] != done.prompt:
        return Wrong("The ids that you return do not begin with the prompt.")
    return _why_wrong_token(done, text, _first_difference(text, truth))


def _first_difference(text: list[int], truth: list[int]) -> int:
    return next(i for i, (a, b) in enumerate(zip(text, truth, strict=False)) if a != b)


def _why_early(done: Play, text: list[int]) -> Wrong:
    last = done.calls[-1:]
    judged = any(done.eos_id not in call.draft or call.ids[: len(done.truth)] == done.truth for call in last)
    if judged and done.ended_by_eos and text == done.truth[:-1]:
        return Wrong("Your text ends right before the eos token that the target wrote.", mistake="eos_dropped")
    if done.eos_id is not None and done.eos_id in done.prompt:
        return Wrong("Your text ends too early: the prompt holds an eos token.", mistake="eos_in_prompt")
    if done.eos_id is not None and any(done.eos_id in call.draft for call in done.calls[-1:]):
        return Wrong("Your text ends too early: the drafter proposed an eos token, and the target did not want it.",
                     mistake="rejected_eos_stops")
    if len(text) == max(done.budget, len(done.prompt)):
        return Wrong(f"With max_new_tokens = {done.budget} and a prompt of {len(done.prompt)} tokens, your text has "
                     f"{len(text)} tokens in all.", mistake="budget_with_prompt")
    new = len(text) - len(done.prompt)
    if done.left_with == [] and done.k:
        return Wrong(f"Your text ends too early: {new} new tokens of {done.budget} allowed, and the drafter had just "
                     "answered with no token.", mistake="silence_ends")
    return Wrong(f"Your text ends too early: {new} new tokens of {done.budget} allowed, and the target had not asked "
                 "for the end.", mistake="stops_early")


def _why_wrong_token(done: Play, text: list[int], place: int) -> Wrong:
    """Text and truth first differ at `place`: who put that token there?"""
    if all(call.ids == call.shown for call in done.calls) and any(call.draft for call in done.calls):
        return Wrong("A token is in the text that the target alone would not have written there.",
                     mistake="draft_not_sent")
    for call in done.calls:
        drafted_there = call.shown is not None and len(call.shown) <= place < len(call.ids)
        if drafted_there and call.ids[: place + 1] == text[: place + 1]:
            return Wrong("A drafted token is in the text although the target wanted another one there.",
                         mistake="rejected_emitted")
    for call in done.calls:
        if call.ids[:place] == text[:place]:
            choice = done.target(torch.tensor(call.ids)).argmax(-1).tolist()
            start = place if call.shown is None else len(call.shown)
            short = len(call.draft) < call.asked  # the others were judged by the right rows
            if start > 2 and place >= start and text[place] == choice[place - start]:
                return Wrong("A token of the text comes from the wrong row of the logits.",
                             mistake=None if short else "all_rows")
            if text[place] in (choice[place : place + 1] + choice[max(0, place - 2) : place - 1]):
                return Wrong("A token of the text comes from the wrong row of the logits.",
                             mistake="rows_by_k" if short else "off_by_one")
    return Wrong("A token is in the text that the target alone would not have written there. Compare your text with "
                 "greedy_decode(target, ids, max_new_tokens), and look at the round in which they part.")


def check_rounds(done: Play) -> None:
    """Raises Wrong unless the reported rounds are the ones that happened."""
    check_text(done)
    happened = [r for _, _, r in rounds_that_happened(done)]
    reported = done.rounds
    if len(reported) != len(happened):
        raise Wrong(f"There were {len(happened)} target calls, you report {len(reported)} rounds: one Round per call.")
    pairs = list(zip(reported, happened, strict=True))
    kinds = (
        ("bonus_counted", "A round reports more accepted tokens than drafted ones were kept.",
         lambda mine, true: mine.accepted == true.emitted > true.accepted),
        ("cut_counted", "A round that was cut (by the budget or by eos) reports tokens that never reached the text.",
         lambda mine, true: mine.emitted > true.emitted or mine.accepted > true.accepted),
        ("emitted_less_one", "A round that was cut reports one accepted token too few.",
         lambda mine, true: mine.accepted == mine.emitted - 1 and true.accepted == true.emitted == mine.emitted),
        ("drafted_is_k", "`drafted` should be the number of tokens that were sent to the target in that round.",
         lambda mine, true: mine.drafted != true.drafted),
    )
    if reported != happened == [Round(r.accepted, r.drafted, r.emitted) for r in reported]:
        raise Wrong("In your rounds `drafted` and `accepted` stand in each other's place.", mistake="counts_swapped")
    explained = all(mine == true or any(broken(mine, true) for _, _, broken in kinds) for mine, true in pairs)
    for mistake, message, broken in kinds if explained else ():
        if any(broken(mine, true) for mine, true in pairs):
            raise Wrong(message, mistake=mistake)
    if reported != happened:
        raise Wrong("The rounds do not add up. For each: drafted = sent to the target, accepted = of these, kept in "
                    "the text, emitted = all tokens that the round added.")
    check_complete(done)
