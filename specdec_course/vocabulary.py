"""Whether two models speak the same language: tokenizers that must agree, vocabularies of unequal width.

Knows: tokenizers and the last axis of logits. Does not know: models, where their files lie.
"""

from __future__ import annotations

PROBE = "The 3rd of May 1927:  naïve café, don't!\n\n = = Früh 漢字 = = \n\tdef f(x):\n    return x**2 +  42  # 10% @-@"


def compatible(draft_tokenizer, target_tokenizer) -> list[str]:
    """What keeps a draft with the one tokenizer from guessing for a target with the other; empty: nothing.

    The same text must become the same ids. A padding token of another name is no problem.
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
