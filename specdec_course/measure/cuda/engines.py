"""Part "equality": does the captured engine write the text that the eager one writes?

Knows: ways to decode, where texts part, by how little. In float32 they must not part. In half precision a pass over
five rows rounds otherwise than one over a single row, so they may, where the best two logits all but tie.
"""

from __future__ import annotations

import torch

from ...decoding.engine import generate
from ...drafters import ModelDrafter
from ...models.sources import short
from ..equality import first_difference, library_text, margin_in_ulp
from .scripted import ScriptedDrafter
from .shapes import SHAPES, random_model
from .texts import prompt_for, script

STATISTIC = (
    "first place where a greedy text differs from plain eager decoding, null: nowhere; margin: the eager model's two "
    "largest logits there, apart by so many units in the last place of the precision"
)
NEW_TOKENS = 96


def small_shapes() -> dict:
    """Small models of the three families, for float32: name to (target, draft)."""
    def shape(family, layers, vocab, tied):
        return (family, 64, layers, 4, 2, 16, 128, vocab, tied)

    return {
        "Qwen2": (shape("Qwen2", 4, 500, False), shape("Qwen2", 1, 500, True)),
        "Qwen3": (shape("Qwen3", 4, 500, True), shape("Qwen3", 1, 500, True)),
        "Llama": (shape("Llama", 4, 500, True), shape("Llama", 1, 500, True)),
    }


def thin(shape, layers: int) -> tuple:
    """The shape with fewer layers: matrices of the real size, less to compile."""
    return (*shape[:2], layers, *shape[3:])


def cases(half, quick=False) -> dict:
    """{name: ((target's shape, draft's shape), dtype, what the config gets besides)}.

    Small models of three families in float32, and the matrices of Qwen2.5-7B and 0.5B in half precision, with 4 layers
    and 2. Quick: two small ones.
    """
    small = small_shapes()
    names, varied = ("Llama",) if quick else small, {"initializer_range": 0.3}
    cases = {f"{name}, small, float32": (small[name], torch.float32, varied) for name in names}
    if quick:
        return cases | {f"Qwen2, small, {short(half)}": (small["Qwen2"], half, {})}
    wide = thin(SHAPES["qwen2.5-7b"], 4), thin(SHAPES["qwen2.5-0.5b"], 2)
    return cases | {f"4 layers of Qwen2.5-7B, {short(half)}": (wide, half, {})}


def made(shapes, device, dtype, **more):
    """(target, draft) with ordinary random weights, whose text hangs on every layer."""
    return [random_model(shape, device, dtype, seed, **more) for seed, shape in enumerate(shapes)]


def texts_of(target, draft, new_tokens=NEW_TOKENS) -> dict:
    """{way: greedy text}; "eager, plain" is first. The scripted drafter is right for four tokens of five."""
    prompt = prompt_for(draft, target, 16)
    reference = generate(target, prompt, max_new_tokens=new_tokens, eos_token_id=None).tokens
    size = min(target.config.vocab_size, draft.config.vocab_size)
    lines = script(reference % size, len(prompt), 0.8, size, seed=0)

    def written(drafter, engine):
        out = generate(target, prompt, drafter, 4, max_new_tokens=new_tokens, eos_token_id=None, engine=engine)
        return out.tokens

    return {
        "eager, plain": reference,
        "eager, scripted draft": written(ScriptedDrafter(draft, lines), "eager"),
        "compiled, plain": written(None, "compiled"),
        "compiled, scripted draft": written(ScriptedDrafter(draft, lines), "compiled"),
        "compiled, random draft": written(ModelDrafter(draft), "compiled"),
        "Hugging Face generate": library_text(target, prompt, new_tokens, None).cpu(),
    }


def compared(target, texts: dict) -> list[dict]:
    """A row per way but the first: "way", "differs_at", and where it differs the margin of the model's choice there."""
    reference, rows = next(iter(texts.values())), []
    for way, text in list(texts.items())[1:]:
        row = {"way": way, "differs_at": first_difference(reference, text)}
        if row["differs_at"] is not None:
            row["margin_in_ulp"] = margin_in_ulp(target, reference, row["differs_at"])
        rows.append(row)
    return rows
