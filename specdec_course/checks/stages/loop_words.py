"""What a student reads about a mistake in a decoding loop, of whatever unit.

Knows: words. Does not know: how a mistake is found (loop_faults), scenes.
"""

TENSOR_HELP = (
    (r"must match the size of tensor|Sizes of tensors must match",
     "`choice` has one entry more than `draft` (or several): compare only as many as there are drafted tokens."),
    (r"zero-dimensional tensor|expected Tensor as element",
     "torch.cat joins tensors of shape [n]. A single token x[i] has no dimension: take the slice x[i:i+1] instead, "
     "or wrap a plain number in torch.tensor([number])."),
    (r"same number of dimensions",
     "All ids here have one dimension, [T], and logits have two, [T, V]. Is there an [None] or unsqueeze too much?"),
    (r"ambiguous|only one element|converted to Scalar",
     "A comparison of two tensors gives one True or False per place. Look at one place at a time, or use .all()."),
    (r"Expected reduction dim|non-empty|empty sequence",
     "The draft may be empty (k = 0). Make sure that your code gets through with nothing to compare."),
    (r"index -?[01] is out of bounds for .*size 0",
     "You take an element of something that is empty. A draft may be empty (k = 0, or a drafter that has no proposal), "
     "and a search for the first difference finds none when all of the draft agrees."),
    (r"out of bounds|out of range",
     "With k drafted tokens there are k places to judge, and k+1 rows of logits, numbered 0 to k. Is an index one "
     "too far? Does it also happen for an empty draft?"),
)
LOOP_HELP = (
    *TENSOR_HELP,
    (r"no batch axis", "A Forward takes ids as they are, [T], and answers logits [T, V]: no [None], no [0]."),
    (r"whole numbers", "Somewhere ids became floats: torch.tensor([]) is one. Take an empty slice of ids instead."),
    (r"'bool' object has no attribute|NoneType",
     "eos_token_id may be None: there is then no end of text to look for."),
)
LOOP_MISTAKES = {
    "off_by_one": (
        "Your rows are off by one. Row i of the target's logits speaks about the token *after* place i. So the first "
        "drafted token is judged by row len(ids)-1, the last row of the text before it."
    ),
    "rows_by_k": (
        "Where the drafter answers with fewer tokens than it was asked for, your rows of logits are the wrong ones. "
        "Count them by the draft that came, len(draft), and not by k: row len(ids)-1 judges its first token."
    ),
    "no_bonus": (
        "You throw the bonus away. When the whole draft is accepted, the last row of logits already holds the token "
        "after it: paid for and right. N tokens with a perfect drafter take N/(k+1) calls, not N/k."
    ),
    "correction_dropped": (
        "You drop the correction. When a draft is rejected, the target has said in the same call what it wants "
        "there. Add that token: then a round is never lost, and the loop always ends."
    ),
    "rejected_emitted": (
        "A rejected token reached the text. Keep the draft only up to the first disagreement; what comes there is "
        "the target's own token."
    ),
    "overshoots": (
        "Your text is longer than max_new_tokens allows. A round can emit up to k+1 tokens: cut the last round to "
        "the room that is left, or ask the drafter for fewer."
    ),
    "eos_ignored": (
        "Your text goes on after its end. A round emits several tokens, and the eos token can be any of them, not "
        "only the last: look through all of them, keep the first eos, drop what follows and stop."
    ),
    "eos_zero": (
        "Your loop misses the end of the text only where its id is 0. `if eos_token_id and ...` takes 0 for 'there "
        "is no such token', and so does `eos_token_id or ...`. Ask `eos_token_id is not None`."
    ),
    "rejected_eos_stops": (
        "You stop because the *drafter* proposed the eos token. Only the target ends the text: look for eos in what "
        "was emitted, not in what was drafted."
    ),
    "eos_dropped": (
        "The eos token is missing from your text. It belongs to it: drop what follows the first eos that was emitted, "
        "keep the eos itself, and stop."
    ),
    "draft_not_sent": (
        "Your target never gets the draft: every call is given the text alone, so no row of the logits judges the "
        "guesses behind the first. Send the text with the draft behind it."
    ),
    "all_rows": (
        "The draft is judged by the first rows of the target's logits, which speak about the text that is written "
        "already. Of the rows keep those from len(ids)-1 on: len(draft)+1 of them."
    ),
    "asks_for_fewer": (
        "You ask the drafter for fewer than k tokens although there is room for more. Only near the end of the budget "
        "a shorter draft will do."
    ),
    "eos_in_prompt": (
        "You look for the eos token in the whole text. It may stand in the prompt (between two documents, say): look "
        "only at what the round emitted."
    ),
    "silence_ends": (
        "You stop because the drafter has no guess. Then the target writes this token alone: a round with an empty "
        "draft is a plain step."
    ),
    "stops_early": "Your text ends before its budget is used up.",
    "budget_with_prompt": (
        "You count the prompt into the budget. max_new_tokens says how many tokens are *added*: compare it with what "
        "is new, len(ids) less the length of the prompt."
    ),
    "many_calls": (
        "You call the target more than once per round. One call on the text with the whole draft behind it gives all "
        "k+1 rows of logits, and costs hardly more than a call for one: that is where the speed comes from."
    ),
    "never_drafts": (
        "Your loop decodes plainly. Ask propose(ids, ...) for a draft, and send ids and draft to the target together."
    ),
    "ignores_k": "You ask the drafter for more than k tokens.",
    "no_progress": "Your loop stands still.",
    "drops_prompt": "The prompt is missing from what you return: Decoded.ids is the prompt with the new tokens.",
    "bonus_counted": (
        "You count the target's own token as accepted. Accepted are drafted tokens that were kept; the correction "
        "and the bonus count in `emitted` only."
    ),
    "counts_swapped": "A Round is Round(drafted, accepted, emitted), in this order: yours has the first two swapped.",
    "cut_counted": (
        "You count before you cut. When eos or the budget ends a round early, `accepted` and `emitted` count only "
        "what is left in the text: cut first, then count."
    ),
    "emitted_less_one": (
        "You take `accepted` for `emitted` - 1. A round that the budget or eos has cut may end with a drafted token: "
        "then nothing of the target's own is left in it, and all that it emitted was accepted."
    ),
    "drafted_is_k": (
        "`drafted` is not always k: the drafter may answer with fewer tokens, and the last round may ask for fewer. "
        "Count what you really sent."
    ),
}
