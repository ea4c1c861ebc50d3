"""generate_cached: the scenes that a loop with two caches has to play, and what a student reads about each mistake.

Knows: which target, draft, k, budget and end of text make a scene. Does not know: how a scene is staged and logged
(two_caches), what is right in a log and which mistake it shows (faults).
"""

from __future__ import annotations

import torch

from ..errors import Wrong
from ..exercise import Exercise
from ..stages.loop_faults import check_ends
from ..stages.loop_words import LOOP_HELP, LOOP_MISTAKES
from ..stages.loops import VOCAB, prompt_ids, toy_target
from .faults import (
    check_all_accepted,
    check_drafts,
    check_enough,
    check_rounds,
    check_target,
    check_text,
    check_work,
    judge,
)
from .two_caches import misled, play_cached

generate_cached = Exercise(
    "generate_cached", unit="05", points=4, difficulty=4, minutes=35,
    reference="specdec_course.decoding:generate_cached",
    hints=(
        "After a round, which tokens of the text does each cache hold? Write both down for a draft of 3, once with the "
        "second token rejected and once with all three accepted. What has to go, and what is missing?",
        "text = ids; for each drafted token: logits = draft.append(text[draft.length:]), join their last argmax to "
        "text. Then logits = target.append(text[target.length:]); verify_greedy judges the drafted tokens by the last "
        "k+1 rows. Cut at eos, join to ids, note a Round. At the end of the round roll each model back by "
        "max(0, model.length - (len(ids) - 1)). `text[draft.length:]` feeds whatever is missing, by itself.",
    ),
)
generate_cached.help(r"got a Tensor of shape \(0,\)",
                     "An append needs at least one id. When nothing is missing there is nothing to append, and then "
                     "there is no row of logits either. (A prompt of one token has nothing in front of its newest "
                     "token.)")
for _pattern, _text in LOOP_HELP:
    generate_cached.help(_pattern, _text)
generate_cached.help(r"cannot roll back -", "A rollback by a negative number: the cache is shorter than you think. "
                                            "The newest token of the text is in no cache yet, so all tokens but that "
                                            "one can be there to be kept; after full acceptance the draft lacks the "
                                            "last token that it drafted, too.")
generate_cached.help(r"cannot roll back", "You roll back more than the cache holds: ask `length` first.")
generate_cached.help(r"not callable", "The models are CachedModels here: target.append(ids), not target(ids).")


@generate_cached.part("the text is the target's own, whatever is accepted, k = 1 to 8", weight=3, rests_on=(
    "The text is the one that `target` alone would write."))
def _(student, rng):
    for k in range(1, 9):
        target = toy_target(rng)
        for period in (1, 2, 4):
            done = play_cached(student, target, misled(target, period), prompt_ids(rng, length=2 + k % 3), k, 11)
            judge(done, check_text)


@generate_cached.part("a perfect drafter is still accepted in full after 200 tokens", weight=3, rests_on=(
    "the draft model writes its own most probable continuation of the text, token by token"))
def _(student, rng):
    for k, budget in ((4, 200), (1, 24), (3, 41)):
        target = toy_target(rng)
        done = play_cached(student, target, target, prompt_ids(rng), k, budget)
        judge(done, check_text, check_drafts, check_all_accepted)


@generate_cached.part("every draft is the draft model's opinion of the whole text", weight=2, rests_on=(
    "the draft model writes its own most probable continuation of the text",
    "how many tokens to draft per round, >= 0; fewer may be drafted where the budget leaves less room, or where "
    "the draft ends with eos_token_id"))
def _(student, rng):
    for k, period in ((4, 3), (2, 2), (6, 8), (1, 2), (3, 1)):
        target = toy_target(rng)
        done = play_cached(student, target, misled(target, period), prompt_ids(rng), k, 40)
        judge(done, check_text, check_drafts)


@generate_cached.part("one append of the target per round, behind all but the newest token", weight=2, rests_on=(
    "the target judges it in one `append`",
    "the target's cache holds all of the text but its newest token"))
def _(student, rng):
    for k, period in ((4, 3), (2, 1), (5, 9)):
        target = toy_target(rng)
        done = play_cached(student, target, misled(target, period), prompt_ids(rng), k, 25)
        judge(done, check_text, check_target, check_enough)


@generate_cached.part("nothing is fed twice", weight=2, rests_on=(
    "nothing goes in twice, except after it was rolled back"))
def _(student, rng):
    for k, period in ((4, 3), (3, 2), (2, 50)):
        target = toy_target(rng)
        done = play_cached(student, target, misled(target, period), prompt_ids(rng, length=9), k, 40)
        judge(done, check_text, check_work, check_enough)


PROMPTS_OF_ONE = ((3, 8, 1), (0, 3, 1), (4, 1, 1), (2, 0, 1))


@generate_cached.part("the budget, k = 0, and a prompt of one token", weight=2, rests_on=(
    "max_new_tokens: at most so many tokens are added.",
    "LongTensor [T], the prompt, T >= 1"))
def _(student, rng):
    for k, budget, length in ((4, 1, 4), (4, 7, 2), (3, 2, 3), (8, 5, 2), (0, 5, 4), (0, 3, 2), (5, 0, 3), (2, 6, 2),
                              *PROMPTS_OF_ONE):
        for period in (2, 50):
            target = toy_target(rng)
            done = play_cached(student, target, misled(target, period), prompt_ids(rng, length=length), k, budget)
            judge(done, check_text, *([check_drafts] if k == 0 else []))


@generate_cached.part("the end of the text, wherever it falls", weight=2, rests_on=(
    "the text ends with the first such token that is *emitted* (it is kept); None: there is none",
    "So does the draft's, or one token fewer where it still lacks the last one that it drafted itself"))
def _(student, rng):
    failed = {}
    for offset, eos_id in ((0, 7), (1, 0), (2, 7), (3, 0), (4, 7), (5, 0), (8, 7)):
        prompt = prompt_ids(rng, low=8)
        target = toy_target(rng, eos_id, eos_at=len(prompt) + offset)
        for period in (3, 50):
            done = play_cached(student, target, misled(target, period), prompt, 4, 13, eos_id)
            try:
                judge(done, check_text)
            except Wrong as wrong:
                failed.setdefault(eos_id, wrong)
    check_ends(failed)
    for k in (1, 3, 4):
        eos_id, prompt = VOCAB - 1, prompt_ids(rng, high=VOCAB - 1)
        target = toy_target(rng, eos_id)
        for given in (prompt, prompt[:1]):  # the draft may end early here: its cache holds fewer tokens then
            done = play_cached(student, target, _wants_the_end(target, eos_id), given, k, 9, eos_id)
            judge(done, check_text, check_work)
        end = prompt.new_tensor([eos_id])
        for held in (torch.cat([prompt[:1], end, prompt[1:]]), torch.cat([prompt, end])):
            judge(play_cached(student, target, misled(target, 3), held, k, 6, eos_id), check_text)


def _wants_the_end(target, eos_id):
    """A draft model that is for ending the text after every third place."""

    def draft(ids):
        logits = target(ids).clone()
        logits[torch.arange(len(ids)) % 3 == 0, eos_id] = 30.0
        return logits

    return draft


@generate_cached.part("the rounds say what happened", weight=2, rests_on=(
    "a Round(drafted, accepted, emitted) per `target.append`, as in `generate_speculative`. The prompt may go in "
    "together with the first draft or in an append of its own, which need not be listed in `rounds`."))
def _(student, rng):
    for k, budget, period in ((4, 12, 3), (3, 9, 1), (4, 12, 50), (3, 11, 2)):
        target = toy_target(rng)
        judge(play_cached(student, target, misled(target, period), prompt_ids(rng), k, budget), check_rounds)
    for offset in (1, 2, 4, 6):
        prompt = prompt_ids(rng, low=8)
        target = toy_target(rng, 5, eos_at=len(prompt) + offset)
        judge(play_cached(student, target, target, prompt, 4, 12, 5), check_rounds)


def _appends(student, rng, k: int = 3, budget: int = 12, eos_id: int | None = None, offset: int = 5) -> tuple:
    """(appends of the target, tokens of the text, longest append) where everything drafted is right, and the text may
    end early."""
    prompt = prompt_ids(rng, low=8)
    target = toy_target(rng, 7, eos_at=len(prompt) + offset)
    done = play_cached(student, target, target, prompt, k, budget, eos_id)
    return len(done.calls), len(done.ids), max((len(call.ids) - call.start for call in done.calls[1:]), default=0)


@generate_cached.argument("target")
def _(student, rng):
    targets, prompt = (toy_target(rng), toy_target(rng)), prompt_ids(rng)
    return [play_cached(student, target, target, prompt, 3, 12).ids for target in targets]


@generate_cached.argument("ids")
def _(student, rng):
    target = toy_target(rng)
    return [play_cached(student, target, target, prompt_ids(rng), 3, 12).ids for _ in range(2)]


@generate_cached.argument("draft")
def _(student, rng):
    target, other, prompt = toy_target(rng), toy_target(rng), prompt_ids(rng)
    return [len(play_cached(student, target, draft, prompt, 3, 12).calls) for draft in (target, other)]


@generate_cached.argument("k")
def _(student, rng):
    return [_appends(student, rng, k=k) for k in (1, 6)]


@generate_cached.argument("max_new_tokens")
def _(student, rng):
    return [_appends(student, rng, budget=budget)[1] for budget in (9, 14)]


@generate_cached.argument("eos_token_id")
def _(student, rng):
    # Ends at four places in a row: one is the last of its round, for an answer that looks nowhere else.
    lengths = [[_appends(student, rng, eos_id=eos_id, offset=offset)[1] for eos_id in (None, 7)]
               for offset in (4, 5, 6, 7)]
    return list(zip(*lengths, strict=True))


for _id, _message in (
    ("last_draft_token",
     "After full acceptance your draft model misses a token. The last token that it drafted was never fed to it "
     "(nobody asked what comes after it), but now it belongs to the text. Feeding only the newest token puts "
     "that one in its place: from there on every position is off by one, and a drafter that was perfect guesses "
     "worse and worse. The text stays right, which is why this goes unnoticed."),
    ("reset",
     "You empty a cache and feed the text again instead of rolling back. The text is right, and every round costs a "
     "pass over everything: the work grows with the square of the length. Take back only what was rejected."),
    ("target_not_rolled_back",
     "The target's cache still holds rejected tokens when the next round begins, so everything after them stands at "
     "wrong positions, behind words that are not in the text. Keep all of the text but its newest token: accepted, not "
     "drafted."),
    ("rolled_back_too_far",
     "You take back too much. At the start of a round a cache holds all of the text but its newest token. (The draft "
     "model was never fed its last guess: that one is not there to be taken back.)"),
    ("draft_not_rolled_back",
     "The draft's cache still holds tokens that the target rejected. Roll back both caches."),
    ("keeps_newest",
     "You keep a position too many. The newest token of a text is the target's own: it was read off the logits, and no "
     "cache has seen it. So what stands at its place in a cache was rejected. Keep all of the text but its newest "
     "token."),
    ("draft_cache", "The draft's cache does not hold the text."),
    ("draft_gap",
     "A token of the text never reaches the draft's cache, and everything behind it stands one position too early. "
     "Feed whatever the cache lacks, from where it ends: ids[draft.length:]."),
    ("fed_twice",
     "You feed a model tokens that its cache holds already. Only what it lacks goes in: ids[model.length:]."),
    ("wrong_feed",
     "The newest token of a text is in no cache yet: it was read off the last logits, and never fed. Every round has "
     "to begin with it, for the target as for the draft."),
    ("prompt_in_pieces",
     "You feed the prompt in pieces. One append takes all of it, and costs hardly more than one token."),
    ("prompt_again",
     "You feed the prompt, take all of it back, and feed it again with the first draft: it is paid for twice. Leave it "
     "in the cache, all but its last token."),
    ("missing_turned",
     "After full acceptance the draft lacks two tokens: its own last guess, and behind it the target's own token. They "
     "go in in the order of the text: ids[draft.length:]."),
    ("bonus_unfed",
     "After full acceptance the draft lacks two tokens: its own last guess, and behind it the target's own token. "
     "Feed both: ids[draft.length:]."),
    ("no_rounds", "There is one Round for each append of the target."),
    ("last_unlisted", "The last round is not in your list: is it noted before the loop is left?"),
    ("first_unlisted", "The first round is not in your list."),
    ("last_first", "Your rounds are listed from the last to the first."),
    ("empty_rounds", "You list a round that never happened."),
    ("rounds_joined", "There is one Round for each append of the target: you join two."),
    ("rounds_split", "There is one Round for each append of the target: you split one."),
    ("fewer_appends",
     "You ask the draft model less often than you have tokens drafted. Each guess is what it says once the guess in "
     "front of it has been fed: an append for every drafted token."),
    ("other_row", "A drafted token is the argmax of the draft's *last* row, after all that was drafted before it."),
    ("drafts_with_target",
     "Your loop asks the target for the drafts. Then nothing is won: every guess costs a target call."),
    ("short_drafts",
     "You draft fewer than k tokens though there is room. (The last round may draft fewer: one place is left for the "
     "target's own token.)"),
):
    generate_cached.mistake(_id, _message)
OF_WHAT_IT_WAS_FED = {
    "off_by_one": (
        "Your rows are off by one. `append` answers one row for each id that it was *fed*, and row i speaks about the "
        "token *after* id i. So a draft of n tokens is judged by the last n + 1 rows, whatever stood in front of it."
    ),
    "rows_by_k": (
        "Where fewer than k tokens were drafted, your rows of logits are the wrong ones. Count them by the draft that "
        "there is: its n tokens are judged by the last n + 1 rows."
    ),
}
for _id, _message in (LOOP_MISTAKES | OF_WHAT_IT_WAS_FED).items():
    generate_cached.mistake(_id, _message)
generate_cached.mistake(
    "never_drafts",
    "Your loop decodes plainly. Let the draft model write up to k tokens, and append them to the target "
    "together with the newest token of the text.")
