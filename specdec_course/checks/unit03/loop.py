"""generate_speculative: the scenes that a loop has to play, and what a student reads about each mistake.

Knows: which target, drafter, k, budget and end of text make a scene. Does not know: how a scene is staged and logged
(stage), what is right in a log and which mistake it shows (faults).
"""

from __future__ import annotations

import torch

from ..errors import Wrong
from ..exercise import Exercise
from .faults import check_calls, check_rounds, check_text
from .rule import TENSOR_HELP
from .stage import (
    VOCAB,
    adversarial,
    always_wrong,
    empty,
    moody,
    perfect,
    play,
    prompt_ids,
    right_then_wrong,
    short,
    toy_target,
)

generate_speculative = Exercise(
    "generate_speculative", unit="03", points=5, difficulty=4, minutes=25,
    reference="specdec_course.decoding:generate_speculative",
    hints=(
        "Write down one round for a text of 4 tokens and a draft of 2: what goes into the target, how many rows come "
        "out, and which of them judge the two guesses and the place after them? Only then write the loop.",
        "While there is room: draft = propose(ids, ...); one call of target on ids and draft joined; of the logits "
        "keep the rows from len(ids)-1 on; verify_greedy; cut what it emits to the room that is left; cut it after "
        "the first eos_token_id; join it to ids; note a Round; stop if the last token is eos_token_id.",
    ),
)
for _pattern, _text in TENSOR_HELP:
    generate_speculative.help(_pattern, _text)
generate_speculative.help(
    r"no batch axis", "A Forward takes ids as they are, [T], and answers logits [T, V]: no [None], no [0]."
)
generate_speculative.help(
    r"whole numbers", "Somewhere ids became floats: torch.tensor([]) is one. Take an empty slice of ids instead."
)
generate_speculative.help(
    r"'bool' object has no attribute|NoneType", "eos_token_id may be None: there is then no end of text to look for."
)
generate_speculative.help(r"takes \d+ positional|missing \d+ required", "Call propose(ids, k) and target(ids).")


@generate_speculative.part("a drafter that is always wrong: every round adds the correction", weight=2)
def _(student, rng):
    target = toy_target(rng)
    done = play(student, target, perfect(target), prompt_ids(rng), 3, 5)
    if done.stuck and done.used and done.calls[0].shown == done.calls[1].shown:
        raise Wrong("Even with a perfect drafter your second round starts where the first one did.",
                    mistake="no_progress")
    for k in (1, 3, 4):
        target = toy_target(rng)
        check_text(play(student, target, always_wrong(target), prompt_ids(rng), k, 6))


@generate_speculative.part("a perfect drafter: k+1 tokens from every target call", weight=2)
def _(student, rng):
    for k, rounds in ((3, 3), (1, 4), (5, 2)):
        target = toy_target(rng)
        done = play(student, target, perfect(target), prompt_ids(rng), k, rounds * (k + 1))
        check_text(done)
        check_calls(done)
        if len(done.calls) != rounds:
            raise Wrong("With a perfect drafter every target call should yield k+1 tokens.", mistake="no_bonus")


@generate_speculative.part("half-right, short, silent and moody drafters, k = 1 to 8", weight=2)
def _(student, rng):
    for k in range(1, 9):
        target = toy_target(rng)
        for drafter in (adversarial, short, empty, moody):
            check_text(play(student, target, drafter(target), prompt_ids(rng, length=1 + k % 3), k, 11))


@generate_speculative.part("k = 0 is plain decoding", weight=1)
def _(student, rng):
    for drafter in (perfect, empty):
        target = toy_target(rng)
        done = play(student, target, drafter(target), prompt_ids(rng), 0, 5)
        check_text(done)
        check_calls(done)


@generate_speculative.part("the budget: never more than max_new_tokens, and 0 calls nobody", weight=2)
def _(student, rng):
    for k, budget in ((4, 1), (4, 7), (3, 2), (8, 5), (2, 3), (5, 0)):
        target = toy_target(rng)
        for drafter in (perfect, moody):
            done = play(student, target, drafter(target), prompt_ids(rng), k, budget)
            check_text(done)
            if budget == 0 and done.calls:
                raise Wrong("With max_new_tokens = 0 there is nothing to do: the target should not be called.")


@generate_speculative.part("the end of the text, at every place of a round", weight=2)
def _(student, rng):
    for offset, eos_id in ((0, 7), (1, 0), (2, 7), (3, 0), (4, 7), (5, 0), (7, 7)):
        prompt = prompt_ids(rng, low=8)
        target = toy_target(rng, eos_id, eos_at=len(prompt) + offset)
        for drafter in (perfect, adversarial):
            done = play(student, target, drafter(target), prompt, 4, 13, eos_id)
            check_text(done)
            check_calls(done)


@generate_speculative.part("an eos token that does not end the text: rejected, in the prompt, or not the eos", weight=1)
def _(student, rng):
    for k in (1, 3, 4):
        eos_id, prompt = VOCAB - 1, prompt_ids(rng, high=VOCAB - 1)
        target = toy_target(rng, eos_id)
        for right in (lambda length: 0, lambda length: length % 3):
            check_text(play(student, target, right_then_wrong(target, right, eos_id), prompt, k, 9, eos_id))
        held = torch.cat([prompt[:1], prompt.new_tensor([eos_id]), prompt[1:]])
        check_text(play(student, target, moody(target), held, k, 6, eos_id))
        check_text(play(student, toy_target(rng, eos_id, eos_at=6), moody(target), prompt, k, 6, None))


@generate_speculative.part("one target call per round; the drafter sees the whole text", weight=1)
def _(student, rng):
    for k in (1, 2, 4, 6):
        target = toy_target(rng)
        for drafter in (adversarial, moody):
            done = play(student, target, drafter(target), prompt_ids(rng), k, 13)
            check_text(done)
            check_calls(done)


@generate_speculative.part("the rounds say what happened", weight=2)
def _(student, rng):
    target = toy_target(rng)
    for k, budget, drafter in ((4, 12, adversarial), (3, 9, always_wrong), (4, 12, perfect), (3, 11, moody)):
        check_rounds(play(student, target, drafter(target), prompt_ids(rng), k, budget))
    for offset in (1, 2, 4, 6):
        prompt = prompt_ids(rng, low=8)
        target = toy_target(rng, 5, eos_at=len(prompt) + offset)
        check_rounds(play(student, target, perfect(target), prompt, 4, 12, 5))
    check_rounds(play(student, target, empty(target), prompt_ids(rng), 3, 3))


for _id, _told in (
    ("off_by_one",
     "Your rows are off by one. Row i of the target's logits speaks about the token *after* place i. So the first "
     "drafted token is judged by row len(ids)-1, the last row of the text before it."),
    ("no_bonus",
     "You throw the bonus away. When the whole draft is accepted, the last row of logits already holds the token "
     "after it: paid for and right. N tokens with a perfect drafter take N/(k+1) calls, not N/k."),
    ("correction_dropped",
     "You drop the correction. When a draft is rejected, the target has said in the same call what it wants there. "
     "Add that token: then a round is never lost, and the loop always ends."),
    ("rejected_emitted",
     "A rejected token reached the text. Keep the draft only up to the first disagreement; what comes there is the "
     "target's own token."),
    ("overshoots",
     "Your text is longer than max_new_tokens allows. A round can emit up to k+1 tokens: cut the last round to the "
     "room that is left, or ask the drafter for fewer."),
    ("eos_ignored",
     "Your text goes on after its end. A round emits several tokens, and the eos token can be any of them, not only "
     "the last: look through all of them, keep the first eos, drop what follows and stop."),
    ("rejected_eos_stops",
     "You stop because the *drafter* proposed the eos token. Only the target ends the text: look for eos in what was "
     "emitted, not in what was drafted."),
    ("eos_in_prompt",
     "You look for the eos token in the whole text. It may stand in the prompt (between two documents, say): look "
     "only at what the round emitted."),
    ("stops_early", "Your text ends before its budget is used up."),
    ("many_calls",
     "You call the target more than once per round. One call on the text with the whole draft behind it gives all k+1 "
     "rows of logits, and costs hardly more than a call for one: that is where the speed comes from."),
    ("extra_call",
     "You call the target once too often. The prompt needs no call of its own (the first round's call judges the first "
     "draft), and the end of the text needs none either."),
    ("never_drafts",
     "Your loop decodes plainly. Ask propose(ids, ...) for a draft, and send ids and draft to the target together."),
    ("stale_text",
     "The drafter does not see the text as it stands. Every round, hand propose the prompt with everything emitted so "
     "far: with old text it guesses at the wrong place. (The output is still right: the target corrects it.)"),
    ("ignores_k", "You ask the drafter for more than k tokens."),
    ("no_progress", "Your loop stands still."),
    ("drops_prompt", "The prompt is missing from what you return: Decoded.ids is the prompt with the new tokens."),
    ("bonus_counted",
     "You count the target's own token as accepted. Accepted are drafted tokens that were kept; the correction and the "
     "bonus count in `emitted` only."),
    ("cut_counted",
     "You count before you cut. When eos or the budget ends a round early, `accepted` and `emitted` count only what "
     "is left in the text: cut first, then count."),
    ("drafted_is_k",
     "`drafted` is not always k: the drafter may answer with fewer tokens, and the last round may ask for fewer. Count "
     "what you really sent."),
):
    generate_speculative.mistake(_id, _told)
