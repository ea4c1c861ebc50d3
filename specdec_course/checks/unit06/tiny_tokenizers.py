"""Small tokenizers of the real kind, and what can be different about them.

Knows: a byte-level BPE over a few hundred tokens, in Hugging Face's own class, and variants of it. Does not know:
exercises, or which difference is a problem.
"""

from __future__ import annotations

import functools
import itertools
import json

TEXT_END, TURN_START, TURN_END, PAD = SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
LETTERS, DIGITS = "etaoinshrdlu", "0123456789"


@functools.cache
def _start() -> str:
    """The plain tokenizer as JSON: four special tokens, all bytes, every pair of twelve letters and of digits."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = [*itertools.product(DIGITS, repeat=2), *itertools.product(LETTERS, repeat=2)]
    words = [*SPECIALS, *alphabet, *(a + b for a, b in pairs)]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer.to_str()


def tokenizer(change=None, name: str = "", bos=TURN_START, eos=TURN_END, pad=PAD):
    """A new tokenizer. `change(model, state)` may alter its JSON: `model` holds "vocab" and "merges", `state` all."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    state = json.loads(_start())
    if change:
        change(state["model"], state)
    made = Tokenizer.from_str(json.dumps(state))
    return PreTrainedTokenizerFast(
        tokenizer_object=made, name_or_path=name, bos_token=bos, eos_token=eos, pad_token=pad, unk_token=TEXT_END
    )


def swapped(one: str, other: str):
    """A change: two tokens trade their ids."""

    def change(model, state):
        vocab = model["vocab"]
        vocab[one], vocab[other] = vocab[other], vocab[one]

    return change


def traded_special(word: str):
    """A change: the token that ends texts and an ordinary one trade their ids."""

    def change(model, state):
        swapped(TEXT_END, word)(model, state)
        for token in state["added_tokens"]:
            token["id"] = model["vocab"][token["content"]]

    return change


def renamed(old: str, new: str):
    """A change: at the id of a letter pair there is another token, made by the merge of other letters."""

    def change(model, state):
        model["vocab"][new] = model["vocab"].pop(old)
        model["merges"] = [[new[0], new[1:]] if a + b == old else [a, b] for a, b in model["merges"]]

    return change


def without_last(count: int):
    """A change: the last merges, and the tokens that they make, are not there."""

    def change(model, state):
        for a, b in model["merges"][-count:]:
            del model["vocab"][a + b]
        model["merges"] = model["merges"][:-count]

    return change


def enlarged(size: int, *last: str):
    """A change: a vocabulary of `size` tokens, at whose end stand these."""

    def change(model, state):
        old = len(model["vocab"])
        new = [f"word{i}" for i in range(old, size)]
        for i, word in enumerate([*(word for word in new if word not in last), *last]):
            model["vocab"][word] = old + i

    return change


def other_order(model, state):
    """A change: the same tokens with the same ids, merged in the opposite order."""
    model["merges"] = model["merges"][::-1]


def lower_case(model, state):
    """A change: capitals are lost before the text is cut."""
    state["normalizer"] = {"type": "Lowercase"}


def single_digits(model, state):
    """A change: a number is cut into its digits, each a token of its own."""
    before = {"type": "Digits", "individual_digits": True}
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [before, state["pre_tokenizer"]]}


def space_in_front(model, state):
    """A change: a text begins with a space that nobody wrote."""
    state["pre_tokenizer"]["add_prefix_space"] = True


def single_spaces(model, state):
    """A change: of several spaces in a row only one is left."""
    state["normalizer"] = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}


def two_digits_apart(model, state):
    """A change: a number of two digits is cut in two, a longer one is not."""
    before = {"type": "Split", "pattern": {"Regex": r"\b\d(?=\d\b)"}, "behavior": "Isolated", "invert": False}
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [before, state["pre_tokenizer"]]}


def replaced(old: str, new: str):
    """A change: wherever a text has the one, the other is read."""

    def change(model, state):
        state["normalizer"] = {"type": "Replace", "pattern": {"String": old}, "content": new}

    return change


def begins_by_itself(model, state):
    """A change: encode puts the token that begins texts in front, unless told add_special_tokens=False."""
    start = {"SpecialToken": {"id": TURN_START, "type_id": 0}}
    known = {TURN_START: {"id": TURN_START, "ids": [model["vocab"][TURN_START]], "tokens": [TURN_START]}}
    text = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    state["post_processor"] = {"type": "TemplateProcessing", "single": [start, text[0]], "pair": [start, *text],
                               "special_tokens": known}


def of_another_class():
    """The plain tokenizer, in a class of its own as many model families have one."""
    from transformers import PreTrainedTokenizerFast

    made = tokenizer()
    made.__class__ = type("FamilyTokenizerFast", (PreTrainedTokenizerFast,), {})
    return made


def pad_renamed(model, state):
    """A change: the padding token has another name at the same id."""
    model["vocab"]["[PAD]"] = model["vocab"].pop(PAD)
    for token in state["added_tokens"]:
        token["content"] = "[PAD]" if token["content"] == PAD else token["content"]


def added(word: str, special: bool = True):
    """A change: one more token at the end of the vocabulary."""

    def change(model, state):
        new = max(*model["vocab"].values(), *(token["id"] for token in state["added_tokens"])) + 1
        rest = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
        state["added_tokens"].append({"id": new, "content": word, **rest})

    return change


def all_shifted(model, state):
    """A change: as many tokens, but every ordinary one has the id of another one, and texts are cut differently."""
    vocab = model["vocab"]
    words = [word for word in vocab if word not in SPECIALS]
    ids = [vocab[word] for word in words]
    vocab.update(zip(words, ids[1:] + ids[:1], strict=True))
    model["merges"] = model["merges"][::-1]
