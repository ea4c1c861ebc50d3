"""Training of the bundled pair, distillation of any, and the report on what came out. Knows nothing of the command
line's words."""

from __future__ import annotations


def train(name: str, out: str, work: str | None = None, seed: int = 0, device: str | None = None, report: bool = False):
    """What `specdec train NAME` does: train a pair (only "classroom" is known) into `out`, or with `report` only
    measure the pair in `out` and write its figures to data/measurements/classroom.json and data/README.md."""
    if name != "classroom":
        raise ValueError(f"unknown pair {name!r}; only 'classroom' can be trained")
    if report:
        from .report import write_report

        return write_report(out)
    from .classroom import Recipe, train_classroom

    return train_classroom(out, work=work, recipe=Recipe(seed=seed), device=device)


def train_distil(
    target: str, out: str, draft: str | None = None, texts: str | None = None, work: str | None = None,
    device: str | None = None, minutes: float | None = None, say=print, **recipe,
):  # fmt: skip
    """What `specdec train distil` does: see `distil.distil`, whose models and texts are named here.

    target: a pair by its name (its own draft is then the default, unless `layers` are asked for), a folder or a Hub
    id. draft: a folder or Hub id. texts: a text file, or the name of a text. recipe: fields of `distil.Recipe`.
    """
    from pathlib import Path

    import torch

    from ..corpora import load_corpus
    from ..models import load_pair
    from ..models.sources import NAMES, places, usual_device
    from .distil import Recipe, distil

    recipe = {name: value for name, value in recipe.items() if value is not None}
    place = target
    if target in NAMES:
        place, own, _ = places(target, usual_device(device), torch.float32, say)
        draft = draft or (None if "layers" in recipe else own)
    if draft and (str(draft) == str(place) or Path(draft).is_dir() and Path(draft).resolve() == Path(place).resolve()):
        raise ValueError(f"the draft is the target, {draft}: it could learn nothing. Name a smaller model")
    if draft is None:
        recipe = {"rate": 1.0} | recipe  # its head was made for the output of many more layers: there is more to learn
    numbers = Recipe(**recipe)
    pair = load_pair(target=str(place), draft=draft and str(draft), device=device, dtype=torch.float32, say=say)
    if pair.target.config.is_encoder_decoder:
        raise ValueError(f"{target} is an encoder-decoder; distillation is for decoder-only models")
    ids = None if texts is None else load_corpus(texts, pair.tokenizer, say=say)
    return distil(pair.target, pair.tokenizer, out, pair.draft, numbers, work, ids, minutes)


def train_medusa(
    target: str, out: str, texts: str | None = None, work: str | None = None, device: str | None = None,
    minutes: float | None = None, say=print, **recipe,
):  # fmt: skip
    """What `specdec train medusa` does: see `heads.train_heads`, whose model and texts are named here.

    target: a pair by its name, a folder or a Hub id. texts: a text file, or the name of a text. recipe: fields of
    `heads.Recipe`.
    """
    import torch

    from ..corpora import load_corpus
    from ..models import load_pair
    from ..models.sources import NAMES, places, usual_device
    from .heads import Recipe, train_heads

    numbers = Recipe(**{name: value for name, value in recipe.items() if value is not None})
    place = places(target, usual_device(device), torch.float32, say)[0] if target in NAMES else target
    pair = load_pair(target=str(place), device=device, dtype=torch.float32, say=say)
    if pair.target.config.is_encoder_decoder:
        raise ValueError(f"{target} is an encoder-decoder; Medusa heads are for decoder-only models")
    ids = None if texts is None else load_corpus(texts, pair.tokenizer, say=say)
    return train_heads(pair.target, pair.tokenizer, out, numbers, work, ids, minutes)


def train_counts(
    target: str, out: str, texts: str | None = None, work: str | None = None, device: str | None = None, say=print,
    **recipe,
):  # fmt: skip
    """What `specdec train counts` does: see `counted.count_texts`, whose model and texts are named here.

    target: a pair by its name, a folder or a Hub id. texts: a text file, or the name of a text. recipe: batches, rows,
    new, seed.
    """
    import torch

    from ..corpora import load_corpus
    from ..models import load_pair
    from ..models.sources import NAMES, places, usual_device
    from .counted import count_texts

    place = places(target, usual_device(device), torch.float32, say)[0] if target in NAMES else target
    pair = load_pair(target=str(place), device=device, dtype=torch.float32, say=say)
    if pair.target.config.is_encoder_decoder:
        raise ValueError(f"{target} is an encoder-decoder; counts are for decoder-only models")
    ids = None if texts is None else load_corpus(texts, pair.tokenizer, say=say)
    numbers = {name: value for name, value in recipe.items() if value is not None}
    return count_texts(pair.target, pair.tokenizer, out, target, work=work, texts=ids, **numbers)
