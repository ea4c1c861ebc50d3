"""Knows how to load a pair of models: whole, checked and without noise, with one tokenizer for both.

Knows nothing about caches and decoding. `as_forward` turns a model into what the first units call a model: a
plain function from ids to logits.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from .nearest import first_line
from .sources import check_place, in_hub_cache, places, usual_dtype
from .vocabulary import compatible


@dataclass(frozen=True)
class Pair:
    """A target, the draft that guesses for it (None where there is none), and the tokenizer they share."""

    name: str
    target: torch.nn.Module
    draft: torch.nn.Module | None
    tokenizer: object


def load_pair(name="classroom", *, target=None, draft=None, device=None, dtype=None, say=print) -> Pair:
    """A pair of models, ready for use: in eval mode, without gradients.

    name: "classroom" (bundled), "smollm2", "qwen2.5", "qwen3", "llama3.2", or a folder that holds `target`,
        `draft` and `tokenizer`, as `specdec train classroom` writes it
    target, draft: folders or Hub ids of your own models instead of a name; the draft may be left out
    device: CUDA if there is one, else the CPU
    dtype: float32 on the CPU and for the classroom pair, else bfloat16 if the device has it, else float16
    raises: ValueError for an unknown name, a damaged or missing file, a model that can be had neither from
        the Hub nor from a cache, and for a draft and a target with different tokenizers
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or (torch.float32 if name == "classroom" and target is None else usual_dtype(device))
    if target is not None:
        name = Path(target).name
    elif draft is not None:
        raise ValueError("a draft was given without a target: name both, load_pair(target=..., draft=...).")
    else:
        target, draft = places(name, device, dtype, say)
    for place in filter(None, (target, draft)):
        check_place(place)
    tokenizer = shared_tokenizer(target, draft)
    models = [load_model(place, device, dtype) if place else None for place in (target, draft)]
    for model in filter(None, models):
        if vocabulary_size(model) < len(tokenizer):
            raise ValueError(
                f"{model.name_or_path} has {vocabulary_size(model)} rows of embeddings for a tokenizer of "
                f"{len(tokenizer)} tokens: the two do not belong together."
            )
    return Pair(str(name), *models, tokenizer)


def as_forward(model) -> Callable[[torch.Tensor], torch.Tensor]:
    """The model as a plain function: Ids [T] -> Logits [T, V] in float32, from scratch, without a cache.

    The logits come back to the device of the ids. The function raises ValueError for ids that are not a row
    of at least one token of the vocabulary.
    """
    size = vocabulary_size(model)

    def forward(ids):
        check_ids(ids, size)
        with torch.no_grad():
            logits = model(input_ids=ids[None].to(model.device), use_cache=False).logits[0]
        return logits.float().to(ids.device)

    return forward


def check_ids(ids, size: int) -> None:
    """Raises ValueError unless `ids` is LongTensor [T >= 1] with values in 0 ... size - 1."""
    if ids.dim() != 1 or len(ids) == 0:
        raise ValueError(f"expected one row of at least one token id, got shape {list(ids.shape)}.")
    if ids.min() < 0 or ids.max() >= size:
        raise ValueError(
            f"ids must lie in 0...{size - 1}, got {int(ids.min())}...{int(ids.max())}: "
            "was the text encoded with another model's tokenizer?"
        )


def vocabulary_size(model) -> int:
    """The number V of logits that a model answers with, padding rows included."""
    return model.config.get_text_config().vocab_size


def load_model(place, device, dtype):
    """One model from a folder or Hub id. ValueError when a file is damaged or weights are missing."""
    from transformers import AutoModelForCausalLM

    local = Path(place).is_dir() or in_hub_cache(place)
    try:
        with quiet(local):
            model, report = AutoModelForCausalLM.from_pretrained(
                place, dtype=dtype, local_files_only=local, output_loading_info=True
            )
    except Exception as error:  # OSError, SafetensorError, RuntimeError: it depends on what is damaged
        raise ValueError(
            f"no model could be loaded from {place}: {first_line(error)}. Expected config.json and "
            "model.safetensors as `save_pretrained` writes them; fetch or save it again."
        ) from error
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ValueError(f"{place} lacks the weights of {missing}: fetch or save the model again.")
    return model.eval().requires_grad_(False).to(device)


def shared_tokenizer(target, draft):
    """The tokenizer of the target, after a look whether the draft's is the same. ValueError if it is not."""
    spots = [tokenizer_place(place) for place in (target, draft) if place]
    tokenizers = {spot: load_tokenizer(spot) for spot in spots}
    problems = compatible(tokenizers[spots[-1]], tokenizers[spots[0]]) if len(tokenizers) == 2 else []
    if problems:
        raise ValueError(
            f"the draft {draft} and the target {target} have different tokenizers: {'; '.join(problems)}. "
            "A draft must speak in the target's ids: take two models of one family."
        )
    return tokenizers[spots[0]]


def tokenizer_place(place):
    """Where the tokenizer of a model lies: with the model, or in the folder `tokenizer` beside it.

    Raises ValueError for a folder that has neither: transformers would make up an empty tokenizer.
    """
    if not Path(place).is_dir():
        return place
    for folder in (Path(place), Path(place).parent / "tokenizer"):
        if any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")):
            return folder
    raise ValueError(
        f"there is no tokenizer in {place} nor beside it: expected tokenizer.json and tokenizer_config.json, as "
        "`tokenizer.save_pretrained` writes them, with the model or in a folder `tokenizer` next to it."
    )


def load_tokenizer(place):
    from transformers import AutoTokenizer

    local = Path(place).is_dir() or in_hub_cache(place)
    try:
        return AutoTokenizer.from_pretrained(place, local_files_only=local)
    except Exception as error:  # the tokenizers library raises plain Exception
        raise ValueError(
            f"no tokenizer could be loaded from {place}: {first_line(error)}. Fetch it or save it again."
        ) from error


@contextmanager
def quiet(active=True):
    """Without the progress bar over a handful of tensors; a download keeps its bar."""
    from transformers.utils import logging

    if not active or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()
