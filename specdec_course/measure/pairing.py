"""The two costs of a pair, each in steps of the target, and the largest pair that this machine can measure.

Knows: how the parts of a round are timed in turns; what unit 06 tries: drafts made of the target's own layers, and real
models, on which prompts. Does not know: the formula that the costs go into.
"""

from __future__ import annotations

import copy
import statistics
from typing import NamedTuple

import torch

from ..cache import CachedModel
from ..common.paths import cache_path
from ..corpora import held_out_prompts, load_corpus
from ..drafters import BigramDrafter, ModelDrafter
from ..models import load_pair
from ..models.sources import in_hub_cache
from ..sampling import Sampling
from .clocks import time_call

TEXTS = (
    "The river flows through the town and",
    "def fibonacci(n):\n    ",
    "To bake bread you need",
    "The three laws of motion say that",
    "Dear Sir or Madam,",
    "SELECT name, price FROM products WHERE",
    "In the year 1905 Albert Einstein",
    "Q: What is the capital of France?\nA:",
)
DRAFTED = 4  # tokens of a draft that is timed


def cost_of_drafting(target, drafter, text, repeats: int = 25) -> float:
    """c: a drafted token of this drafter, in steps of the target that reads `text` (LongTensor [T]) from a cache."""
    text = text.to(target.device)
    seconds = _in_turns({"draft": lambda: drafter.propose(text, DRAFTED, Sampling(0.0), None).ids.tolist(),
                         "step": _pass(target, text, 1)}, repeats)
    return seconds["draft"] / DRAFTED / seconds["step"]


def cost_of_verifying(target, text, ks, repeats: int = 25) -> dict[int, float]:
    """{k: v}: a pass over k + 1 tokens after the cached `text`, in passes over one token."""
    seconds = _in_turns({n: _pass(target, text, n) for n in (1, *(k + 1 for k in ks))}, repeats)
    return {k: seconds[k + 1] / seconds[1] for k in ks}


def _in_turns(calls: dict, repeats: int) -> dict:
    """{name: median seconds}, timed in turns, so that a busy machine slows all down alike; three turns of warm-up."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else None
    turns = [{name: float(time_call(call, 1, 0, wait)[0]) for name, call in calls.items()} for _ in range(repeats + 3)]
    return {name: statistics.median(turn[name] for turn in turns[3:]) for name in calls}


def _pass(model, text, n: int):
    """A function that runs the model over n tokens after a cached text, and takes them back."""
    held, text = CachedModel(model), text.to(model.device)
    held.append(text)

    def call():
        held.append(text[:n], last=n).argmax(-1).tolist()
        held.rollback(n)

    return call


def thinned(model, count: int):
    """The same model with only `count` of its layers, taken from both ends; no weight is changed."""
    layers = model.config.num_hidden_layers
    keep = [*range((count + 1) // 2), *range(layers - count // 2, layers)]
    thin = copy.deepcopy(model)
    thin.model.layers = torch.nn.ModuleList(thin.model.layers[i] for i in keep)
    for place, layer in enumerate(thin.model.layers):
        layer.self_attn.layer_idx = place  # its place in the cache
    thin.config.num_hidden_layers = count
    thin.config.layer_types = thin.config.layer_types[:count]
    return thin


class Trial(NamedTuple):
    """What is measured: `title` for people, models, drafter, prompts, new tokens per prompt, draft lengths."""

    title: str
    pair: object
    drafter: object
    prompts: list
    new_tokens: int
    ks: tuple
    on_gpu: bool


def largest_trial(bundled, hurry: bool = False, say=print) -> Trial:
    """Qwen2.5 on a CUDA GPU; else SmolLM2 with a bigram, where it was fetched before; else the bundled pair.

    Nothing is downloaded without a GPU. Whatever keeps a larger pair away (memory, network, disk) is said in one line.
    """
    if torch.cuda.is_available() and not hurry:
        try:
            pair = load_pair("qwen2.5")
            return _real(pair, "Qwen2.5-0.5B", ModelDrafter(pair.draft), len(TEXTS), 64, (1, 3, 5), True)
        except (ValueError, OSError, RuntimeError) as error:
            say(f"No Qwen2.5 here ({type(error).__name__}): {str(error)[:300]}")
    if not hurry and (cache_path("smollm2").is_dir() or in_hub_cache("HuggingFaceTB/SmolLM2-135M-Instruct")):
        say("loading SmolLM2 and counting the word pairs of WikiText for its bigram")
        pair = load_pair("smollm2", say=lambda line: None)
        text = load_corpus("wikitext-2", pair.tokenizer, split="train", max_tokens=200_000)
        return _real(pair, "bigram table", BigramDrafter.fit(text, pair.target.config.vocab_size), 2, 16, (1, 3), False)
    prompts = held_out_prompts(bundled.tokenizer, count=6, length=32)[4:]
    title = "classroom target, its draft, on other prompts"
    return Trial(title, bundled, ModelDrafter(bundled.draft), prompts, 32, (3, 5), False)


def _real(pair, drafter_name: str, drafter, count: int, new_tokens: int, ks: tuple, on_gpu: bool) -> Trial:
    prompts = [pair.tokenizer(text, return_tensors="pt").input_ids[0] for text in TEXTS[:count]]
    title = f"{pair.target.name_or_path.split('/')[-1]}, draft: {drafter_name}, {str(pair.target.dtype)[6:]}"
    return Trial(title, pair, drafter, prompts, new_tokens, ks, on_gpu)
