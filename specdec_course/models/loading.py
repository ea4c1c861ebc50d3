"""Knows how to load a pair of models: whole, checked and without noise, with one tokenizer for both.

Knows nothing about caches and decoding. `as_forward` turns a model into what the first units call a model: a
plain function from ids to logits.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ..common.nearest import first_line
from .block import block_class
from .eagle import eagle_class
from .glide import glide_class
from .sources import check_place, fitting_dtype, folder_of, in_hub_cache, places, usual_device, weight_files
from .trimmed import borrow_embedding, is_trimmed, reads, trimmed_class
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

    Decoder-only models, or two encoder-decoder models (see `conditioned`). The vocabularies may have unequal widths,
    as those of Qwen2.5-7B and 0.5B: rows beyond the tokenizer are padding.

    name: "classroom" (bundled), "smollm2", "qwen2.5", "qwen3", "llama3.2" (of these the largest that fits in the
        memory that is free), or a folder that holds `target`, `draft` and `tokenizer`, as `specdec train
        classroom` writes it
    target, draft: folders or Hub ids of your own models instead of a name; the draft may be left out. A draft that
        `specdec train distil` made of a target's own layers reads with that target's embedding (see `trimmed`)
    device: CUDA if there is one, else the CPU
    dtype: on CUDA bfloat16 if the device has it, else float16; elsewhere float32, or bfloat16 if that does not fit;
        for the classroom pair float32. "int8", on a CPU: float32 with weights rounded to eight bits, which is another
        model (see `int8.to_int8`)
    say: is told in one line what was chosen and why, and when the draft is larger than the target
    raises: ValueError for an unknown name, a damaged or missing file, models that will not fit in the free memory
        (before they are loaded), a model that can be had neither from the Hub nor from a cache, and for a draft
        that cannot guess for this target: another tokenizer, another kind of model
    """
    if dtype in ("int8", torch.int8):
        pair = load_pair(name, target=target, draft=draft, device=device or "cpu", dtype=torch.float32, say=say)
        return rounded(pair)
    device = usual_device(device)
    if target is not None:
        name = Path(target).name
    elif draft is not None:
        raise ValueError("a draft was given without a target: name both, load_pair(target=..., draft=...).")
    else:
        target, draft, dtype = places(name, device, dtype, say)
    pair = [place for place in (target, draft) if place]
    for place in pair:
        check_place(place)
    configs = [load_config(place) for place in pair]
    check_kinds(pair, configs)
    if is_trimmed(configs[0]):
        raise ValueError(f"{target} is a draft without an embedding of its own: it guesses for its target, it writes "
                         "no text by itself. Name it as the draft, and its target as the target.")
    tokenizer = shared_tokenizer(target, draft)
    for place, config in zip(pair, configs, strict=True):
        check_width(place, config, tokenizer)
    counts = [parameters(place, config) for place, config in zip(pair, configs, strict=True)]
    if len(counts) == 2 and counts[1] > counts[0]:
        said = f"the draft {draft} has {counts[1]:,} parameters, the target {target} only {counts[0]:,}"
        say(f"{said}: drafting will cost more than it can save")
    dtype = fitting_dtype(" and ".join(map(str, pair)), sum(counts), device, dtype, say)
    models = [load_model(place, config, device, dtype) for place, config in zip(pair, configs, strict=True)]
    if is_trimmed(configs[-1]):
        borrow_embedding(models[-1], models[0])
    return Pair(str(name), models[0], models[1] if draft else None, tokenizer)


def rounded(pair: Pair) -> Pair:
    """The same pair with weights in eight bits: another pair, with laws of its own."""
    from .int8 import to_int8

    return Pair(f"{pair.name} (int8)", to_int8(pair.target), pair.draft and to_int8(pair.draft), pair.tokenizer)


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


def load_config(place):
    """The config of a model in a folder or of a Hub id; ValueError if there is none that can be read."""
    from transformers import AutoConfig

    with readable(place):
        return AutoConfig.from_pretrained(place, local_files_only=local(place))


def model_class(config):
    """The class of transformers that loads models of this kind."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    if is_trimmed(config):
        kinds = {"": trimmed_class, "states": eagle_class, "keys_values": glide_class, "both": block_class}
        return kinds[reads(config)](config)
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def parameters(place, config) -> int:
    """How many numbers the model has, tied ones counted once; nothing is loaded."""
    with readable(place), quiet(), torch.device("meta"):
        return sum(weight.numel() for weight in model_class(config).from_config(config).parameters())


def check_kinds(pair, configs) -> None:
    """Raises ValueError if one of the two is an encoder-decoder and the other is not."""
    if len({config.is_encoder_decoder for config in configs}) == 2:
        kinds = ("decoder-only", "an encoder-decoder")
        said = " and ".join(f"{p} is {kinds[c.is_encoder_decoder]}" for p, c in zip(pair, configs, strict=True))
        raise ValueError(f"{said}: such a pair cannot work. Take two models of one family.")


def check_width(place, config, tokenizer) -> None:
    """Raises ValueError if the model has no embeddings for some token. More embeddings than tokens are padding.

    Tokens that were added to the tokenizer, to pad or for pictures (Gemma 3), may have none: no text becomes them.
    """
    width = config.get_text_config().vocab_size
    beyond = {id for id in tokenizer.get_vocab().values() if id >= width}
    if beyond - set(tokenizer.added_tokens_decoder):
        raise ValueError(
            f"{place} has {width} rows of embeddings for a tokenizer of {len(tokenizer)} tokens: "
            "the two do not belong together."
        )


def load_model(place, config, device, dtype):
    """One model from a folder or Hub id. ValueError when a file is damaged or weights are missing or misshapen."""
    with readable(place), quiet(local(place)):
        model, report = model_class(config).from_pretrained(
            place,
            dtype=dtype,
            local_files_only=local(place),
            ignore_mismatched_sizes=True,  # they are in the report, from which a better error can be made
            output_loading_info=True,
        )
    if report["mismatched_keys"]:
        key, found, expected = sorted(report["mismatched_keys"])[0]
        raise ValueError(
            f"{place}: {key} has the shape {list(found)} in the file, config.json says {list(expected)}. "
            "Weights and config are of different models: fetch or save the model again."
        )
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise ValueError(f"{place} lacks the weights of {missing}: fetch or save the model again.")
    return model.eval().requires_grad_(False).to(device)


def load_draft(place, target):
    """A draft that leans on its target (`specdec train eagle` and its like, `distil --layers`), for a loaded target."""
    draft = load_model(place, load_config(place), target.device, target.dtype)
    borrow_embedding(draft, target)
    return draft


def local(place) -> bool:
    """Is all of the model on this machine, so that the Hub need not be asked?"""
    return Path(place).is_dir() or in_hub_cache(place)


@contextmanager
def readable(place):
    """Whatever goes wrong inside while a model is read becomes a ValueError of one line that says what to do."""
    try:
        yield
    except Exception as error:  # OSError, SafetensorError, RuntimeError: it depends on what is damaged
        said = "; ".join(damaged_weights(place)) or f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        raise ValueError(
            f"no model could be loaded from {place}: {said.rstrip('.')}. Expected config.json and model.safetensors "
            "(or shards and their index) as `save_pretrained` writes them; fetch or save it again."
        ) from error


def damaged_weights(place) -> list[str]:
    """What is wrong with the safetensors files of a model on this machine, a few words per file."""
    from safetensors import safe_open

    folder, problems = folder_of(place), []
    try:
        files = weight_files(folder) if folder and any(folder.glob("*.safetensors*")) else []
    except ValueError as error:
        return [str(error)]
    for file in files:
        try:
            with safe_open(file, framework="pt"):
                pass
        except FileNotFoundError:
            problems.append(f"{file.name} is missing")
        except Exception as error:  # SafetensorError
            problems.append(f"{file.name} is damaged ({error})")
    return problems


def shared_tokenizer(target, draft):
    """The tokenizer of the target, after a look whether the draft's is the same. ValueError if it is not.

    They may disagree on where a text begins and ends, as those of a base and an instruct model do: that is decided by
    the target alone.
    """
    spots = [tokenizer_place(place) for place in (target, draft) if place]
    tokenizers = {spot: load_tokenizer(spot) for spot in spots}
    problems = compatible(tokenizers[spots[-1]], tokenizers[spots[0]]) if len(tokenizers) == 2 else []
    problems = [said for said in problems if not said.startswith(("bos_token_id", "eos_token_id"))]
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

    try:
        return AutoTokenizer.from_pretrained(place, local_files_only=local(place))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise ValueError(
            f"no tokenizer could be loaded from {place}: {first_line(error)}. Fetch it or save it again."
        ) from error


@contextmanager
def quiet(bars=True):
    """Without the library's own report of what is missing, which becomes an error of one line, and unless it is a
    download (bars = False) without the progress bar over a handful of tensors."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
