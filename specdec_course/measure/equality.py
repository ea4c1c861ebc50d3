"""Is a greedy text the one that the target alone would write? And if not: how close was the call?

Knows: first differences, and the distance of the two best logits in units of the last place. Does not know: how a text
was decoded. In half precision a pass over k + 1 tokens rounds differently from one over a single token, so two right
programs may part where the two best tokens are all but equal; in float32 they must not.
"""

from __future__ import annotations

import math

import torch

from ..sampling import Sampling
from .library import plain_settings

ALLOWED_ULP = 2.0


def first_difference(text, other) -> int | None:
    """The first place where two texts, LongTensor [T] each, differ (a shorter one differs where it ends), or None."""
    shared = min(len(text), len(other))
    differs = (text[:shared] != other[:shared]).nonzero()
    if len(differs):
        return int(differs[0])
    return None if len(text) == len(other) else shared


def ulp(value: float, dtype: torch.dtype) -> float:
    """The distance from |value| to the next number of this type."""
    return torch.finfo(dtype).eps * 2.0 ** math.floor(math.log2(max(abs(value), torch.finfo(dtype).tiny)))


def margin_in_ulp(target, text, place: int, sampling: Sampling = Sampling()) -> float:
    """How far apart the target's two best logits for text[place] are, given text[:place], in units of the last place.

    Worked out from scratch, in the target's own type; a logit's unit is that of the larger one. With processors, what
    these make of the logits.
    """
    with torch.inference_mode():
        ids = text[None, :place].to(target.device)
        logits = target(input_ids=ids, use_cache=False).logits[0, -1]
        best = (sampling.processed(ids[0], logits) if sampling.processors else logits).topk(2).values
    return float(best[0].double() - best[1].double()) / ulp(float(best[0]), logits.dtype)


def verdict(target, ours, theirs, sampling: Sampling = Sampling()) -> tuple[bool, str]:
    """(whether the texts are equal as far as they must be, a few words). Beyond float32 a close call is no error."""
    place = first_difference(ours, theirs)
    if place is None:
        return True, "equal to the library's"
    margin = margin_in_ulp(target, theirs, place, sampling) if place < min(len(ours), len(theirs)) else math.inf
    excused = target.dtype != torch.float32 and margin <= ALLOWED_ULP
    said = f"differs at token {place}, where the target's two best are {margin:.2f} ulp apart"
    return excused, said if excused else said.replace("differs", "DIFFERS")


def library_text(model, ids, max_new_tokens: int, eos_token_id=None, **more) -> torch.Tensor:
    """The greedy text of Hugging Face's own `generate`, LongTensor [T + new], for comparison.

    eos_token_id: an id, a list of ids, or None (or an empty list): nothing ends the text. more: what else `generate` is
    to be asked for, as repetition_penalty. What the checkpoint's generation_config asks for is left out, since it would
    be another law.
    """
    ids = ids[None].to(model.device)
    with plain_settings(model):
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_new_tokens, do_sample=False,
            eos_token_id=None if eos_token_id == [] else eos_token_id, pad_token_id=0, **more,
        )  # fmt: skip
    return out[0]
