"""Wrong rules for labels and for acceptance: a table (id, what the student reads, the rules that behave so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

import torch

from .acceptance import acceptance_on
from .labels import NOTHING, shift_labels

# --------------------------------------------------------------------------------------------------- shift_labels


def label_rule(shift=1, begin=0, end=0, nothing=NOTHING, last=NOTHING, prompts=None, lengths=None, keep=None):
    """Labels ids[t + shift]; those count whose token stands at prompt + begin ... length - 1 + end."""

    def rule(ids, prompt_lengths, text_lengths):
        size, width = ids.shape
        firsts = prompts(prompt_lengths, ids) if prompts else prompt_lengths
        ends = lengths(text_lengths, ids) if lengths else text_lengths
        place = torch.arange(width)
        source = place + shift
        labels = ids[:, source.clamp(0, width - 1)].clone()
        labels[:, source >= width] = last if isinstance(last, int) else last(ids)[:, None]
        labels[:, source < 0] = last if isinstance(last, int) else last(ids)[:, None]
        counts = (place + 1 >= firsts[:, None] + begin) & (place + 1 < ends[:, None] + end)
        counts = keep(counts, ids, labels, prompt_lengths, text_lengths) if keep else counts
        return torch.where(counts, labels, nothing)

    return rule


def _at_own_place(counts, ids, labels, prompts, lengths):
    place = torch.arange(ids.shape[1])
    return (place >= prompts[:, None]) & (place < lengths[:, None])


def _padding_by(pad):
    """The mask of the padding is made of an id: pad(ids) [B]."""
    def keep(counts, ids, labels, prompts, lengths):
        place = torch.arange(1, ids.shape[1] + 1)
        return (place >= prompts[:, None]) & (place < ids.shape[1]) & (labels != pad(ids)[:, None])

    return keep


_zeros = lambda prompts, ids: torch.zeros_like(prompts)  # noqa: E731
_whole = lambda lengths, ids: torch.full_like(lengths, ids.shape[1])  # noqa: E731
_beyond = lambda lengths, ids: torch.full_like(lengths, ids.shape[1] + 1)  # noqa: E731
_first = lambda ids: ids[:, 0]  # noqa: E731

for _id, _message, _options in (
    ("not_shifted", "Your labels are the ids themselves. Row t of the logits is about the token *behind* place t. "
     "(Some libraries shift inside the model; here nobody does it for you.)",
     ({"shift": 0}, {"shift": 0, "keep": _at_own_place})),
    ("shifted_twice", "Your labels are shifted twice: they name the token two places behind.", ({"shift": 2},)),
    ("shifted_back", "Your labels are shifted the wrong way: they name the token in front of each place.",
     ({"shift": -1}, {"shift": -1, "keep": _at_own_place})),
    ("mask_not_shifted", "Your mask belongs to the places of the ids, and your labels are shifted. A label counts if "
     "the token that it names, at t + 1, was written by the target.",
     ({"keep": _at_own_place}, {"keep": _at_own_place, "last": _first})),
    ("prompt_counts", "The prompt counts. The target did not write it: the draft is to learn what the target says.",
     ({"prompts": _zeros},)),
    ("first_token_lost", "The first token behind the prompt is lost. The row of the prompt's last token is about it.",
     ({"begin": 1},)),
    ("prompt_token_left", "The last token of the prompt counts as if the target had written it.", ({"begin": -1},)),
    ("padding_counts", "The padding counts: nobody wrote it.",
     ({"lengths": _whole}, {"lengths": _beyond, "last": _first})),
    ("padding_token_counts", "The first place of the padding counts: it lies behind the text.", ({"end": 1},)),
    ("end_lost", "The last token of each text is lost. It is often the one that ends the text, and a draft has to "
     "learn to say it.", ({"end": -1},)),
    ("padding_by_id", "You know the padding by its id. That id may stand in a text, too, mostly at its end: go by "
     "`lengths`.", ({"keep": _padding_by(lambda ids: ids[:, -1])},
                    {"keep": _padding_by(lambda ids: torch.zeros_like(ids[:, 0]))})),
    ("one_length_for_all", "You use the numbers of one text for all of them. Every row has a prompt and a length of "
     "its own: prompt_lengths[:, None].",
     ({"prompts": lambda p, ids: p[:1].expand(len(p))}, {"lengths": lambda n, ids: n[:1].expand(len(n))},
      {"prompts": lambda p, ids: p[:1].expand(len(p)), "lengths": lambda n, ids: n[:1].expand(len(n))},
      {"prompts": lambda p, ids: p.max().expand(len(p))}, {"prompts": lambda p, ids: p.min().expand(len(p))},
      {"lengths": lambda n, ids: n.max().expand(len(n))})),
    ("prompt_and_more", "You take `lengths` for the number of *new* tokens. It counts the prompt, too.",
     ({"lengths": lambda n, ids: n, "keep": lambda counts, ids, labels, prompts, lengths: (
         torch.arange(1, ids.shape[1] + 1) >= prompts[:, None]) & (
             torch.arange(1, ids.shape[1] + 1) < (prompts + lengths).clamp(max=ids.shape[1])[:, None])},)),
    ("inverted", "Your mask is turned round: -100 stands where the target wrote.",
     ({"keep": lambda counts, *rest: ~counts},)),
):
    shift_labels.mistake(_id, _message, imitate=tuple(label_rule(**one) for one in _options))
for _id, _message in (
    ("too_short", "You drop the last column. There is a label for every place; the last one is -100, since nothing "
     "follows it."),
    ("other_number", "Where there is nothing to learn you put another number than -100. An id of a token would be "
     "learned."),
    ("float_labels", "Labels are ids, whole numbers; yours are floats. Keep the type of `ids`: torch.full_like(ids, "
     "-100)."),
):
    shift_labels.mistake(_id, _message)
shift_labels.help(r"must match the size|broadcast", "prompt_lengths and lengths are [B]: as [B, 1], with [:, None], "
                   "they "
                  "can be compared with the places [T].")
shift_labels.help(r"out of bounds|out of range", "The last place has no token behind it.")


# -------------------------------------------------------------------------------------------------- acceptance_on


def acceptance_rule(value=None, begin=-1, end=-1, scales=(True, True), scale=torch.div, reduce=torch.mean, greedy=None,
                    first=0, softmax=torch.softmax):
    """The mean of value(p, q, ids of these places) over rows prompt_length + begin ... T + end."""

    def rule(draft, target, ids, prompt_length=1, temperature=1.0):
        rows = slice(max(0, prompt_length + begin), len(ids) + end)
        q, p = draft(ids)[rows].double(), target(ids)[rows].double()
        if not len(p):
            return 0.0
        if temperature == 0 and greedy is None:
            return float((p.argmax(-1) == q.argmax(-1)).double().mean())
        heat = temperature or greedy
        p, q = (softmax(scale(one, heat) if scaled else one, -1)
                for one, scaled in zip((p, q), scales, strict=True))
        following = torch.cat([ids, ids[-1:]])[rows.start + 1 : rows.stop + 1]
        return float(reduce(value(p, q, following) if value else torch.minimum(p, q).sum(-1)))

    return rule


def _of_text(p, q, ids):
    """What is accepted of the tokens of the text itself."""
    p, q = (one.gather(-1, ids[:, None])[:, 0] for one in (p, q))
    return torch.where(q > 0, (p / q).clamp(max=1.0), 1.0)


for _id, _message, _options in (
    ("tv", "Your answer is the TV, what is rejected. Asked for is what is accepted: 1 - TV, the sum of min(p, q).",
     ({"value": lambda p, q, x: 1 - torch.minimum(p, q).sum(-1)},)),
    ("one_minus_two_tv", "You subtract the sum of |p - q| from 1. That sum is twice the TV: every piece that was moved "
     "counts where it left and where it came to.",
     ({"value": lambda p, q, x: 1 - (p - q).abs().sum(-1)},)),
    ("meeting", "Your answer is the chance that two independent draws, one of p and one of q, are the same token. A "
     "drafted token x is accepted with min(1, p(x)/q(x)), which is more.",
     ({"value": lambda p, q, x: (p * q).sum(-1)},)),
    ("greedy_only", "You compare the likeliest tokens, at every temperature. That is the acceptance at temperature 0; "
     "above it, two laws can share much and have different favourites.",
     ({"value": lambda p, q, x: (p.argmax(-1) == q.argmax(-1)).double()},)),
    ("tokens_of_the_text", "You ask what becomes of the tokens of the text, min(1, p/q) at each. These are draws of "
     "somebody else: the mean over what the *draft* would draw is the sum of min(p, q).",
     ({"value": _of_text}, {"value": lambda p, q, x: p.gather(-1, x[:, None])[:, 0]},
      {"value": lambda p, q, x: q.gather(-1, x[:, None])[:, 0]})),
    ("favourite_of_the_draft", "You ask about the draft's likeliest token alone. At a temperature above 0 it may draw "
     "any.",
     ({"value": lambda p, q, x: (p / q).clamp(max=1.0).gather(-1, q.argmax(-1, keepdim=True))[:, 0]},)),
    ("not_weighed", "You take the mean of min(1, p/q) over the vocabulary. The draft draws tokens with probability q: "
     "weigh with it, and min(p, q) is what remains.",
     ({"value": lambda p, q, x: torch.where(q > 0, p / q, 1.0).clamp(max=1.0).mean(-1)},)),
    ("mean_over_tokens", "You take the mean over the vocabulary where a sum is due: that makes everything V times "
     "smaller.", ({"value": lambda p, q, x: torch.minimum(p, q).mean(-1)},)),
    ("prompt_counts", "The prompt counts. Only rows about what stands behind it do, from the row of its last token on.",
     ({"begin": -10**6},)),
    ("row_too_late", "The first token behind the prompt is left out: the row about it is that of the prompt's last "
     "token, prompt_length - 1.", ({"begin": 0},)),
    ("row_too_early", "Your rows begin one too early: the first of them is about the last token of the prompt.",
     ({"begin": -2},)),
    ("row_behind_the_text", "The last row counts. It is about a token that does not stand in the text any more.",
     ({"end": 0},)),
    ("last_row_lost", "Your rows end one too early: the last token of the text has a row, too, the last but one.",
     ({"end": -2},)),
    ("shifted_rows", "Your rows are those of the tokens themselves, prompt_length ... T - 1. Row t is about the token "
     "*behind* place t.", ({"begin": 0, "end": 0},)),
    ("temperature_of_one", "Only one of the two is divided by the temperature.",
     ({"scales": (True, False)}, {"scales": (False, True)})),
    ("temperature_ignored", "The temperature does not reach your laws.",
     ({"scales": (False, False)}, {"scales": (False, False), "greedy": 1.0})),
    ("temperature_times", "You multiply by the temperature. Logits are divided by it.", ({"scale": torch.mul},)),
    ("nearly_greedy", "At temperature 0 you divide by a small number. Where logits are equal, or nearly so, that is "
     "not the largest one: compare argmax.",
     tuple({"greedy": heat} for heat in (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10))),
    ("sum", "You add the places. Asked for is their mean.", ({"reduce": torch.sum},)),
    ("another_mean", "You take another middle than the mean over the places.",
     ({"reduce": torch.median}, {"reduce": torch.amin}, {"reduce": torch.amax},
      {"reduce": lambda x: x.log().mean().exp()}, {"reduce": lambda x: 1 / (1 / x).mean()})),
    ("all_at_once", "You take the mean of p and of q over the places first, and compare these. That hides where they "
     "differ: compare place by place.",
     ({"value": lambda p, q, x: torch.minimum(p.mean(0), q.mean(0)).sum()},)),
    ("logits", "You compare logits. Probabilities are their softmax.",
     ({"softmax": lambda x, dim: x}, {"softmax": torch.log_softmax}, {"softmax": lambda x, dim: torch.sigmoid(x)})),
    ("along_the_text", "Your softmax runs along the text. Every *row* is a law: dim=-1.",
     ({"softmax": lambda x, dim: torch.softmax(x, 0)},)),
):
    acceptance_on.mistake(_id, _message, imitate=tuple(acceptance_rule(**one) for one in _options))
acceptance_on.mistake("calls_often", "You call a model several times. One call about the whole text gives a row for "
                      "every place.")
acceptance_on.help(r"division by zero|ZeroDivisionError", "Temperature 0 divides by zero, and so does the mean of no "
                   "rows: answer these two cases first.")
acceptance_on.help(r"a Forward is given one text", "draft and target take ids as they are, [T], without a batch.")
