"""Which cache a model decodes over. Buffers of the course are used for a model only after they were compared with it.

Knows: how to find out, once per model, whether static buffers, or those of a batch, lead to the logits that the model
computes by itself. Does not know: drafts, rounds.
"""

from __future__ import annotations

import warnings

import torch

from .batch import BatchModel
from .close import apart, close
from .eager import EagerModel
from .static import StaticModel, kept_with, static_model

PIECES = (6, 5)  # tokens of the comparison: a prompt, and a pass behind it


def cache_of(model, engine: str, role: str = "target") -> EagerModel | StaticModel:
    """What keeps a model's keys and values in one of the two engines, "eager" or "compiled"; call `begin` next.

    A model whose logits over static buffers are not its own runs eagerly all the same, and a warning says so once.
    """
    if engine == "compiled":
        static = static_model(model, role)
        if trusted(static):
            return static
    return EagerModel(model)


def trusted(static: StaticModel) -> bool:
    """Whether static buffers serve this model; worked out once for a model, a device and a precision."""
    model = static.model
    known = kept_with(model, "trust")
    key = (model.device, model.dtype)
    if key not in known:
        fault = difference(static)
        known[key] = fault is None
        if fault is not None:
            warnings.warn(
                f'{type(model).__name__} does not run over static buffers ({fault}); engine="compiled" runs it as '
                'engine="eager" does: the same text, but no faster',
                stacklevel=2,
            )
    return known[key]


@torch.inference_mode()
def difference(static: StaticModel) -> str | None:
    """How the logits over static buffers differ from the model's own, in a few words; None if they do not.

    Compared in two passes, uncompiled: a prompt, and tokens written over rows that a rejected draft has left.
    """
    model = static.model
    ids = torch.linspace(0, model.config.get_text_config().vocab_size - 1, sum(PIECES), device=model.device).long()
    prompt, rest = ids[: PIECES[0]], ids[PIECES[0] :]
    own = EagerModel(model)
    expected = own.append(prompt), own.append(rest)
    try:
        static.begin(len(ids))
        got = [static._prefill(prompt, static.pointer())]
        static.advance(len(prompt))
        static._pass(rest.flip(0), static.pointer())  # left behind, and written over by the next one
        got.append(static._pass(rest, static.pointer()))
    except Exception as error:  # whatever a model makes of buffers that it does not know
        return f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else 'no message'}"
    finally:
        static.calls = static.length = static.newest = 0
    return _gap(got, expected)


def _gap(got, expected) -> str | None:
    if all(close(a, b) for a, b in zip(got, expected, strict=True)):
        return None
    worst = max(apart(a, b) for a, b in zip(got, expected, strict=True))
    return f"its logits there are off by {worst:.2g} of their range"


def batch_of(model, rows: int, role: str = "target") -> BatchModel:
    """The cache for so many texts of this model side by side.

    ValueError for a model whose logits in a batch are not those that it has alone; worked out once for a model, a
    device and a precision.
    """
    batch = BatchModel(model, rows)
    known, key = kept_with(model, "batches"), (model.device, model.dtype)
    if key not in known:
        known[key] = difference_in_batch(model)
    if known[key] is not None:
        raise ValueError(
            f"the {role} is a {type(model).__name__}, which reads texts side by side otherwise than one by one "
            f"({known[key]}); decode them one by one, with generate"
        )
    return batch


@torch.inference_mode()
def difference_in_batch(model) -> str | None:
    """How the logits of two texts of different lengths differ, side by side, from those that each has alone; None if
    they do not. Two passes: the text that is the shorter one after the first has more to read in the second."""
    last = model.config.get_text_config().vocab_size - 1
    passes = torch.linspace(0, last, 4 * max(PIECES), device=model.device).long().view(2, 2, -1)
    batch, alone = BatchModel(model, 2), (EagerModel(model), EagerModel(model))
    got, expected = [], []
    try:
        for ids, counts in zip(passes, (PIECES, PIECES[::-1]), strict=True):
            logits = batch.append(ids, torch.tensor(counts))
            got += [row[:n] for row, n in zip(logits, counts, strict=True)]
            expected += [one.append(row[:n]) for one, row, n in zip(alone, ids, counts, strict=True)]
    except Exception as error:  # whatever a model makes of rows that it does not know
        return f"{type(error).__name__}: {(str(error).splitlines() or ['no message'])[0][:120]}"
    return _gap(got, expected)
