"""Where a text ends: ends of text, stop strings, and what may not end it yet.

Knows: ids and strings that end a text, and the processors of one text, which hold for it up to its end. Does not know:
budgets, drafts, how a text is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from os.path import commonprefix

import torch

from ..sampling import Sampling, through


def ends_of(target, eos_token_id) -> frozenset[int]:
    """The ids that end a text: "model" asks the model's generation_config, None is no end, else an id or several."""
    if eos_token_id is None:
        return frozenset()
    if isinstance(eos_token_id, str):
        if eos_token_id != "model":
            raise ValueError(f'eos_token_id is {eos_token_id!r}; expected an id, a list of ids, None, or "model"')
        own = getattr(getattr(target, "generation_config", None), "eos_token_id", None)
        return ends_of(target, target.config.get_text_config().eos_token_id if own is None else own)
    ids = torch.as_tensor(list(eos_token_id) if isinstance(eos_token_id, (set, frozenset)) else eos_token_id)
    if ids.numel() and (ids.is_floating_point() or ids.dtype == torch.bool or ids.dim() > 1):
        raise ValueError(f"eos_token_id is {eos_token_id!r}; expected an id, a list of ids, None for no end")
    return frozenset(ids.reshape(-1).tolist())


def end_rule(ends: frozenset[int], stop_strings=(), tokenizer=None) -> Callable[..., tuple[list[int], bool]]:
    """until_end(text LongTensor [T], emitted): (the tokens emitted after a text, up to the first that ends it, which is
    kept; whether one does). One of `ends` does, and a token in which a stop string is completed.

    As in transformers a stop string may begin anywhere, in the prompt too. One that was there before, whole, ends
    nothing.
    """
    completes = _stop_rule(stop_strings, tokenizer)

    def until_end(text, emitted):
        for i, token in enumerate(emitted, 1):
            if token in ends or completes(text, emitted[:i]):
                return emitted[:i], True
        return emitted, False

    return until_end


def _stop_rule(stop_strings, tokenizer) -> Callable[[torch.Tensor, list[int]], bool]:
    """completes(text, new): whether the last of the tokens `new` after a text completes a stop string."""
    stops = [stop_strings] if isinstance(stop_strings, str) else () if stop_strings is None else stop_strings
    if not isinstance(stops, Collection) or not all(isinstance(stop, str) and stop for stop in stops):
        raise ValueError(f"stop_strings is {stop_strings!r}; expected strings of at least one character")
    if not stops:
        return lambda text, new: False
    if not hasattr(tokenizer, "decode"):
        raise ValueError(
            f"tokenizer is {tokenizer!r}; stop strings are looked for in the decoded text, so they need the model's "
            "tokenizer: generate(..., stop_strings=..., tokenizer=pair.tokenizer)"
        )
    reach = 1 + max(len(stop.encode()) for stop in stops)  # tokens: of a byte or more, and one where the window begins

    def completes(text, new):
        ids = [*text[-reach:].tolist(), *new][-reach:]
        before, now = (tokenizer.decode(x, clean_up_tokenization_spaces=False) for x in (ids[:-1], ids))
        known = len(commonprefix([before, now]))  # shorter than `before` where the token makes half a character whole
        return any(now.find(stop, max(0, known - len(stop) + 1)) >= 0 for stop in stops)

    return completes


def law_until_end(sampling: Sampling, ends: frozenset[int], start: int, min_new_tokens: int = 0):
    """law(length): the sampling of the tokens from there on, in a text that begins with `start` tokens of prompt.

    Its processors hold up to the first end behind the prompt, and as long as there are fewer than min_new_tokens new
    tokens it allows no end. Where nothing is to be processed it is the sampling as it was given.
    """

    def up_to_the_end(input_ids, scores):
        if not ends.isdisjoint(input_ids[0, start:].tolist()):
            return scores  # only a draft goes on here, and it will be cut
        scores = through(sampling.processors, input_ids, scores)
        if input_ids.shape[1] < start + min_new_tokens:
            scores = scores.clone()
            scores[:, [end for end in ends if 0 <= end < scores.shape[-1]]] = -torch.inf
        return scores

    held = replace(sampling, processors=(up_to_the_end,))
    first_end = start + min_new_tokens if ends else 0
    return lambda length: held if sampling.processors or length < first_end else sampling
