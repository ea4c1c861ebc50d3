"""Whether two models speak the same language: tokenizers that must agree, vocabularies of unequal width.

Knows: tokenizers and the last axis of logits. Does not know: models, where their files lie.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

PROBE = "The 3rd of May 1927:  naïve café, don't!\n\n = = Früh 漢字 = = \n\tdef f(x):\n    return x**2 +  42  # 10% @-@"


def compatible(draft_tokenizer, target_tokenizer) -> list[str]:
    """What keeps a draft with the one tokenizer from guessing for a target with the other.

    Draft and target exchange ids, so an id has to mean the same to both. Problems are:

    * a token that both know, under different ids;
    * a token that only one of them knows (padding tokens apart);
    * a text that becomes other ids: other merges, other rules for capitals, digits, spaces. `PROBE` is a text with all
      sorts of them: all of its ids have to agree;
    * another bos_token_id or eos_token_id.

    No problem are:

    * another padding token: another name at its id, one more token that only pads, none at all, or a token of the
      vocabulary, at the same id in both, that pads for only one;
    * another object, class or name of the tokenizer;
    * what `encode` puts around a text by itself: add_special_tokens=False leaves that out.

    Nobody guesses padding. So padding tokens and their ids may be compared like all others, or be left out of every
    comparison: two tokens that trade ids, one of which pads, are a problem or none.

    Args:
        draft_tokenizer, target_tokenizer: have get_vocab() -> {token: id}, encode(text, add_special_tokens=False) ->
            list of ids, decode(ids) -> text, bos_token_id, eos_token_id, pad_token (the last three may be None), as
            Hugging Face's tokenizers do.

    Returns:
        list of str: the problems, in words; empty when the draft may guess for the target.
    """
    problems = []
    ours, theirs = draft_tokenizer.get_vocab(), target_tokenizer.get_vocab()
    moved = [token for token in ours.keys() & theirs.keys() if ours[token] != theirs[token]]
    padding = {draft_tokenizer.pad_token, target_tokenizer.pad_token}
    missing = (ours.keys() ^ theirs.keys()) - padding
    if moved:
        problems.append(f"{len(moved)} tokens have other ids, {min(moved)!r} for one")
    if missing:
        problems.append(f"{len(missing)} tokens are known to only one of the two, {min(missing)!r} for one")
    every = max(1, len(theirs) // 500)  # words from all over the vocabulary, beside a text with all sorts of marks
    text = PROBE + target_tokenizer.decode(sorted(theirs.values())[::every], skip_special_tokens=True)
    one, other = (t.encode(text, add_special_tokens=False) for t in (draft_tokenizer, target_tokenizer))
    if one != other:
        problems.append("the same text is cut into other tokens")
    for role in ("bos_token_id", "eos_token_id"):
        one, other = getattr(draft_tokenizer, role), getattr(target_tokenizer, role)
        if one != other:
            problems.append(f"{role} is {one} here and {other} there")
    return problems


def align_vocabulary(logits, vocab_size):
    """The same logits over a vocabulary of `vocab_size` ids: wider or narrower at its end.

    Two models of one family may have one tokenizer and yet unequal rows of logits: the last
    columns belong to no token, they only make the matrix a round size. An added column must
    be impossible to draw; a column may only be cut if it was impossible to draw.

    Args:
        logits: FloatTensor [..., V_in], any number of dimensions in front, finite or -inf. Not
            changed.
        vocab_size: V_out, the width that is wanted.

    Returns:
        FloatTensor [..., V_out]: the columns of `logits` in their places, and -inf in the
        columns that were added.

    Raises ValueError when V_out < V_in and a column that would have to go is not -inf
    everywhere: its token can be drawn, and cutting it would change the distribution.
    """
    width = logits.shape[-1]
    if width <= vocab_size:
        return torch.nn.functional.pad(logits, (0, vocab_size - width), value=-torch.inf)
    live = int((logits[..., vocab_size:] != -torch.inf).sum())
    if live:
        raise ValueError(
            f"{live} logits of the columns {vocab_size} to {width - 1} are alive; expected -inf in all of them. "
            "Set them to -inf in the model that never learned these ids, or widen the other model's logits instead"
        )
    return logits[..., :vocab_size]


def texts_of(tokenizer, ids) -> Iterator[str]:
    """The text that each token adds, one str per id, as the ids come: "" for a part of a character that is not whole
    yet. Together they are the decoded text.

    A token decoded on its own may lose a blank, or be half a character: so each is read together with those before it.
    """
    known: list[int] = []
    start = read = 0  # what was decoded last begins at `start`, and all before `read` was yielded
    for token in ids:
        known.append(int(token))
        before = tokenizer.decode(known[start:read], clean_up_tokenization_spaces=False)
        text = tokenizer.decode(known[start:], clean_up_tokenization_spaces=False)
        if text.endswith("\ufffd") and len(known) - read < 8:  # no character has more bytes than four
            yield ""
        else:
            yield text[len(before) :]
            start, read = read, len(known)
