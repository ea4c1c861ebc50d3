"""The same experiment on somebody else's engine: how vLLM and SGLang are told to run a pair of ours.

Knows: the names of their options, in vLLM 0.33 and SGLang 0.5.23, and where their ways differ from ours. Does not know:
how what they serve is measured (server). Nothing is started here, and neither engine is needed.
"""

from __future__ import annotations

import json
import shlex
from numbers import Integral

from ..common.nearest import did_you_mean
from ..common.paths import data_path
from ..models.sources import HUB_PAIRS, NAMES

METHODS = ("plain", "draft_model", "ngram", "eagle", "eagle3")
LOOKUP = (1, 3)  # of n-grams, the shortest and the longest that are looked for, as `prompt_lookup` does
UNEQUAL = ("Qwen/Qwen2.5-7B-Instruct",)  # more ids than its draft: both engines refuse a draft model of another width


def vllm_config(pair, method="draft_model", k=4, head=None, context=1024):
    """What vLLM is started with, to run a pair of ours.

    Args:
        pair: a name that `load_pair` knows, of whose sizes the largest is taken that both engines accept; or (target,
            draft), two Hub ids or folders. The draft may be None where the method has no use for it.
        method: "plain", "draft_model", "ngram" (prompt lookup), "eagle" or "eagle3".
        k: draft length, >= 1; "plain" has none. head: Hub id or folder of the EAGLE head, for the two that need one.
        context: the longest text, prompt included. Little is enough for our prompts, and saves memory.

    Returns:
        (arguments, command): the keyword arguments of `vllm.LLM`, a dict of plain values, and the line that starts the
        same as a server.

    Raises ValueError for an unknown pair or method, a missing draft or head, and k or context below 1.
    """
    target, draft, tokenizer = _checked(pair, method, k, head, context)
    arguments = {"model": target, "seed": 0, "max_model_len": context, "enable_prefix_caching": False}
    arguments |= {"tokenizer": tokenizer} if tokenizer else {}
    if method == "ngram":
        arguments["speculative_config"] = {
            "method": "ngram", "num_speculative_tokens": k,
            "prompt_lookup_min": LOOKUP[0], "prompt_lookup_max": LOOKUP[1],
        }  # fmt: skip
    elif method != "plain":
        arguments["speculative_config"] = {
            "method": method, "model": draft if method == "draft_model" else head, "num_speculative_tokens": k,
            "draft_sample_method": "probabilistic",  # its default takes the draft's likeliest token at any temperature
        }  # fmt: skip
    words = ["vllm", "serve", target]
    for name, value in arguments.items():
        if name != "model":
            words += _option(name, value)
    return arguments, shlex.join(words)


def sglang_config(pair, method="draft_model", k=4, head=None, context=1024):
    """What SGLang is started with, to run a pair of ours.

    Args, Raises: as for `vllm_config`.

    Returns:
        (arguments, command): the keyword arguments of `sglang.Engine`, a dict of plain values, and the line that starts
        the same as a server. Its counters are switched on. A draft is a chain of k tokens; SGLang counts the newest
        token of the text to it, so that it is told of k + 1.
    """
    target, draft, tokenizer = _checked(pair, method, k, head, context)
    arguments = {"model_path": target, "random_seed": 0, "context_length": context, "disable_radix_cache": True,
                 "enable_metrics": True}  # fmt: skip
    arguments |= {"tokenizer_path": tokenizer} if tokenizer else {}
    if method != "plain":
        names = {"draft_model": "STANDALONE", "ngram": "NGRAM", "eagle": "EAGLE", "eagle3": "EAGLE3"}
        arguments |= {"speculative_algorithm": names[method], "speculative_num_steps": k,
                      "speculative_num_draft_tokens": k + 1}  # fmt: skip
        arguments |= {"speculative_ngram_max_bfs_breadth": 1} if method == "ngram" else {
            "speculative_draft_model_path": draft if method == "draft_model" else head, "speculative_eagle_topk": 1,
        }  # fmt: skip
    if method in ("eagle", "eagle3"):
        arguments["speculative_use_rejection_sampling"] = True  # else q is not asked, and fewer drawn tokens stay
    words = ["sglang", "serve"]
    for name, value in arguments.items():
        words += _option(name, value)
    return arguments, shlex.join(words)


def _option(name: str, value) -> list[str]:
    """An argument as it is written on a command line."""
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    return [option, json.dumps(value) if isinstance(value, dict) else str(value)]


def _checked(pair, method: str, k: int, head, context: int) -> tuple[str, str | None, str | None]:
    """Target, draft and, where it does not lie with the target, the tokenizer; ValueError for what is not possible."""
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}.{did_you_mean(method, METHODS)}")
    for name, value in (("k", k), ("context", context)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} is {value!r}; expected a whole number >= 1")
    target, draft, tokenizer = _models(pair)
    if method == "draft_model" and draft is None:
        raise ValueError(f"{target} has no draft: give one, as (target, draft), or take another method")
    if method in ("eagle", "eagle3") and not head:
        raise ValueError(
            f"EAGLE needs a head that was trained for {target}: say which, head=\"...\", a Hub id or a folder in the "
            "engine's own format. The heads that `specdec train eagle` makes are not"
        )
    return target, draft, tokenizer


def _models(pair) -> tuple[str, str | None, str | None]:
    if isinstance(pair, (tuple, list)):
        if len(pair) != 2 or not pair[0]:
            raise ValueError(f"the pair is {pair!r}; expected (target, draft), the draft may be None")
        return str(pair[0]), pair[1] and str(pair[1]), None
    if pair == "classroom":
        return tuple(str(data_path("classroom", part)) for part in ("target", "draft", "tokenizer"))
    if pair not in HUB_PAIRS:
        raise ValueError(f"there is no pair {pair!r}.{did_you_mean(pair, NAMES)}")
    return next((target, draft, None) for target, draft, _ in HUB_PAIRS[pair] if draft and target not in UNEQUAL)
