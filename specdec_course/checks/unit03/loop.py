"""generate_speculative: the scenes that a loop has to play, and what a student reads about each mistake.

Knows: which target, drafter, k, budget and end of text make a scene. Does not know: how a scene is staged and logged
(stages.loops), what is right in a log and which mistake it shows (stages.loop_faults).
"""

from __future__ import annotations

import torch

from ..ask import mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..stages.loop_faults import check_calls, check_ends, check_rounds, check_text
from ..stages.loop_words import LOOP_HELP, LOOP_MISTAKES
from ..stages.loops import (
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
for _pattern, _text in LOOP_HELP:
    generate_speculative.help(_pattern, _text)
generate_speculative.help(r"takes \d+ positional|missing \d+ required", "Call propose(ids, k) and target(ids).")


@generate_speculative.part("writes the target's text with a drafter that is always wrong", weight=2,
                           rests_on="The text is the one that `target` alone would write")
def _(student, rng):
    target = toy_target(rng)
    done = play(student, target, perfect(target), prompt_ids(rng), 3, 5)
    if done.stuck and done.used and done.calls[0].shown == done.calls[1].shown:
        raise Wrong("Even with a perfect drafter your second round starts where the first one did.",
                    mistake="no_progress")
    for k in (1, 3, 4):
        target = toy_target(rng)
        check_text(play(student, target, always_wrong(target), prompt_ids(rng), k, 6))


@generate_speculative.part("gets k + 1 tokens from every target call with a perfect drafter", weight=2, rests_on=(
    "It is called exactly once per round", "k: how many tokens to ask for per round"))
def _(student, rng):
    for k, rounds in mixed(((3, 3), (1, 4), (5, 2)), rng):
        target = toy_target(rng)
        done = play(student, target, perfect(target), prompt_ids(rng), k, rounds * (k + 1))
        check_text(done)
        check_calls(done)
        if len(done.calls) != rounds:
            fewer = any(call.asked < min(k, len(done.prompt) + done.budget - len(call.shown) - 1) for call in done.calls
                        if call.shown is not None)
            raise Wrong("With a perfect drafter every target call should yield k+1 tokens.",
                        mistake="asks_for_fewer" if fewer else None, otherwise="no_bonus")


@generate_speculative.part("writes it with drafters that are half-right, short, silent or moody, k = 1 to 8", weight=2,
                           rests_on="a draft to follow ids; it may be shorter than k, or empty")
def _(student, rng):
    for k in mixed(range(1, 9), rng):
        target = toy_target(rng)
        for drafter in (adversarial, short, empty, moody):
            check_text(play(student, target, drafter(target), prompt_ids(rng, length=1 + k % 3), k, 11))


@generate_speculative.part("decodes plainly with k = 0", weight=1,
                           rests_on="how many tokens to ask for per round, >= 0")
def _(student, rng):
    for drafter in (perfect, empty):
        target = toy_target(rng)
        done = play(student, target, drafter(target), prompt_ids(rng), 0, 5)
        check_text(done)
        check_calls(done)


@generate_speculative.part("adds no more than max_new_tokens, and calls nobody for 0", weight=2,
                           rests_on="at most so many tokens are added; with 0 the target is not called")
def _(student, rng):
    for k, budget in mixed(((4, 1), (4, 7), (3, 2), (8, 5), (2, 3), (5, 0)), rng):
        target = toy_target(rng)
        for drafter in (perfect, moody):
            done = play(student, target, drafter(target), prompt_ids(rng), k, budget)
            check_text(done)
            if budget == 0 and done.calls:
                raise Wrong("With max_new_tokens = 0 there is nothing to do: the target should not be called.")


@generate_speculative.part("ends the text at the first eos that is emitted, wherever in the round it comes", weight=2,
                           rests_on="the text ends with the first such token that is *emitted* (it is kept)")
def _(student, rng):
    failed, eos = {}, whole(1, 7, rng)
    ends = [((0,), eos), ((1,), 0), ((2,), eos), ((3,), 0), ((4,), eos), ((5,), 0), ((7,), eos)]
    ends += [((1, 3), eos), ((0, 1), 0)]  # the drafter knows of two, and the text ends with the first
    for offsets, eos_id in mixed(ends, rng):
        prompt = prompt_ids(rng, low=8)
        target = toy_target(rng, eos_id, eos_at=tuple(len(prompt) + offset for offset in offsets))
        for drafter in (perfect, adversarial):
            done = play(student, target, drafter(target), prompt, 4, 13, eos_id)
            try:
                check_text(done)
                check_calls(done)
            except Wrong as wrong:
                failed.setdefault(eos_id, wrong)
    check_ends(failed)


@generate_speculative.part("goes on after an eos that was rejected, stands in the prompt, or is not the eos", weight=1,
                           rests_on=("the first such token that is *emitted*", "None: there is none"))
def _(student, rng):
    for k in (1, 3, 4):
        eos_id, prompt = VOCAB - 1, prompt_ids(rng, high=VOCAB - 1)
        target = toy_target(rng, eos_id)
        for right in (lambda length: 0, lambda length: length % 3):
            check_text(play(student, target, right_then_wrong(target, right, eos_id), prompt, k, 9, eos_id))
        for at in (1, len(prompt)):  # also as the prompt's last token: a document that begins after another one
            held = torch.cat([prompt[:at], prompt.new_tensor([eos_id]), prompt[at:]])
            check_text(play(student, target, moody(target), held, k, 6, eos_id))
        check_text(play(student, toy_target(rng, eos_id, eos_at=6), moody(target), prompt, k, 6, None))


@generate_speculative.part("calls the target once per round, and shows the drafter the whole text", weight=1,
                           rests_on=("It is called exactly once per round", "a draft to follow ids"))
def _(student, rng):
    for k in mixed((1, 2, 4, 6), rng):
        target = toy_target(rng)
        for drafter in (adversarial, moody):
            done = play(student, target, drafter(target), prompt_ids(rng), k, 13)
            check_text(done)
            check_calls(done)


@generate_speculative.part("reports rounds that say what happened", weight=2, rests_on=(
    "a Round(drafted, accepted, emitted) per target call", "`accepted` = of these, kept and emitted"))
def _(student, rng):
    target = toy_target(rng)
    for k, budget, drafter in ((4, 12, adversarial), (3, 9, always_wrong), (4, 12, perfect), (3, 11, moody)):
        check_rounds(play(student, target, drafter(target), prompt_ids(rng), k, budget))
    for offset in (1, 2, 4, 6):
        prompt = prompt_ids(rng, low=8)
        target = toy_target(rng, 5, eos_at=len(prompt) + offset)
        check_rounds(play(student, target, perfect(target), prompt, 4, 12, 5))
    check_rounds(play(student, target, empty(target), prompt_ids(rng), 3, 3))


@generate_speculative.argument("target")
def _(student, rng):
    targets, prompt = (toy_target(rng), toy_target(rng)), prompt_ids(rng)
    return [play(student, target, perfect(target), prompt, 3, 12).ids for target in targets]


@generate_speculative.argument("ids")
def _(student, rng):
    target = toy_target(rng)
    return [play(student, target, perfect(target), prompt_ids(rng), 3, 12).ids for _ in range(2)]


@generate_speculative.argument("propose")
def _(student, rng):
    target, prompt = toy_target(rng), prompt_ids(rng)
    return [len(play(student, target, drafter(target), prompt, 3, 12).calls) for drafter in (perfect, always_wrong)]


@generate_speculative.argument("k")
def _(student, rng):
    target, prompt = toy_target(rng), prompt_ids(rng)
    return [len(play(student, target, perfect(target), prompt, k, 12).calls) for k in (1, 5)]


@generate_speculative.argument("max_new_tokens")
def _(student, rng):
    target, prompt = toy_target(rng), prompt_ids(rng)
    return [len(play(student, target, perfect(target), prompt, 2, budget).ids) for budget in (5, 9)]


@generate_speculative.argument("eos_token_id")
def _(student, rng):
    # Ends at three places in a row: one is the last of its round, for an answer that looks nowhere else.
    prompt = prompt_ids(rng, low=8)
    targets = [toy_target(rng, 7, eos_at=len(prompt) + offset) for offset in (3, 4, 5)]
    return [[len(play(student, target, perfect(target), prompt, 2, 9, eos_id).ids) for target in targets]
            for eos_id in (7, None)]


for _id, _message in (
    *LOOP_MISTAKES.items(),
    ("sent_twice",
     "The draft stands behind the text twice in what you send to the target. Its rows then speak about other places "
     "than you think: join the text and the draft once."),
    ("extra_call",
     "You call the target once too often. The prompt needs no call of its own (the first round's call judges the first "
     "draft), and the end of the text needs none either."),
    ("stale_text",
     "The drafter does not see the text as it stands. Every round, hand propose the prompt with everything emitted so "
     "far: with old text it guesses at the wrong place. (The output is still right: the target corrects it.)"),
):
    generate_speculative.mistake(_id, _message)
