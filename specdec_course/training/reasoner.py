"""The two models that think step by step, and how they learn it: what `specdec train reasoner` does.

Knows: shapes, the texts that they learn from, how a run goes on after a kill. Does not know: strategies of decoding.

Three kinds of texts. A chain of steps, some of them checked, with the answer behind it. The answer alone: so a model
can answer at once, and it is seldom right on hard problems. And a chain that is cut anywhere, with the answer behind
it: so a model does its best when it is made to answer. That the cut came is no part of the loss: it never cuts by
itself.
"""

from __future__ import annotations

import json
import logging
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from ..common.paths import cache_path
from ..common.whole import write_text
from ..corpora import sums
from ..measure.machine import machine
from .attention import use_block_attention
from .checkpoint import load_state, same_recipe, save_state
from .export import export_pair
from .interrupts import deferred
from .loop import logits_of, optimizers_for, rate, update

log = logging.getLogger("specdec_course")
CONTEXT = 256  # a checked chain of HARDEST steps has at most 190 signs
SHAPES = {
    "target": dict(hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4),
    "draft": dict(hidden_size=64, intermediate_size=192, num_hidden_layers=2, num_attention_heads=2),
}
HARDEST = 6  # steps


@dataclass(frozen=True)
class Recipe:
    """The numbers of a run. steps, draft_steps: of learning, for each model; tokens: of a step, about. at_once, cut:
    shares of the texts without and with a cut chain; checked: of the steps that are checked."""

    steps: int = 1100
    draft_steps: int = 1200
    tokens: int = 2048
    at_once: float = 0.15
    cut: float = 0.25
    checked: float = 0.4
    decay: float = 0.5
    seed: int = 0


def new_reasoner(shape: dict, seed: int):
    """A LlamaForCausalLM of the given shape with fresh weights drawn from `seed` (float32, on the CPU)."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=sums.VOCAB, max_position_embeddings=CONTEXT, tie_word_embeddings=True, head_dim=32,
        num_key_value_heads=shape["num_attention_heads"],
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=None, eos_token_id=sums.END, pad_token_id=sums.END, **shape,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def reasoner_tokenizer():
    """The signs of sums as a tokenizer of transformers, with the ids of `sums.encode`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from .tokenizer import END_OF_TEXT

    known = {END_OF_TEXT: sums.END} | {sign: i + 1 for i, sign in enumerate(sums.SIGNS)}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token=END_OF_TEXT))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT,
                                   clean_up_tokenization_spaces=False, model_max_length=CONTEXT)  # fmt: skip


def lesson(numbers, recipe: Recipe, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """(text LongTensor [T], which of its ids are learned BoolTensor [T]) for a problem: all behind the question but the
    mark behind a cut."""
    asked = sums.question(numbers)
    checked = [rng.random() < recipe.checked for _ in numbers[1:]]
    chain, kind = "".join(sums.steps_of(numbers, checked)), rng.random()
    cut = kind < recipe.cut
    if cut:
        chain = chain[: rng.randrange(len(chain))]
    elif kind < recipe.cut + recipe.at_once:
        chain = ""
    ids = torch.cat([sums.encode(f"{asked}{chain}#{sum(numbers)}"), torch.tensor([sums.END])])
    learned = torch.arange(len(ids)) >= len(asked)
    learned[len(asked) + len(chain)] = not cut
    return ids, learned


def batch(recipe: Recipe, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids LongTensor [B, T], learned BoolTensor [B, T]) of a step of learning: problems of one number of steps, padded
    behind their ends. A function of the seed and the step."""
    rng = random.Random(f"{recipe.seed} {step}")
    steps = rng.randint(1, HARDEST)
    rows = max(1, recipe.tokens // (15 * steps + 10))
    texts = [lesson(sums.problem(steps, rng), recipe, rng) for _ in range(rows)]
    width = max(len(ids) for ids, _ in texts)
    return tuple(torch.stack([F.pad(row[i], (0, width - len(row[i]))) for row in texts]) for i in range(2))


def lesson_loss(model, ids, learned) -> torch.Tensor:
    """Mean cross-entropy in nats of the ids that are learned."""
    rows = learned[:, 1:].flatten()
    return F.cross_entropy(logits_of(model, ids[:, :-1])[rows], ids[:, 1:].flatten()[rows])


def teach(name: str, recipe: Recipe, folder: Path, device: str, stopped, save_every: float = 30.0):
    """(the trained model, its log) for the model called `name`; goes on from the checkpoint in `folder`. None where it
    was stopped."""
    model = new_reasoner(SHAPES[name], recipe.seed).to(device)
    use_block_attention(model, device)
    optimizers, steps = optimizers_for(model), recipe.steps if name == "target" else recipe.draft_steps
    place, first, logged, before = folder / f"{name}.pt", 0, [], 0.0
    if state := load_state(place):
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        first, logged, before = state["step"], state["log"], state["seconds"]
        log.info("%s goes on from step %d of %d", name, first, steps)
    began = saved = time.monotonic()
    model.train()

    def keep(step):
        save_state(place, {"model": model.state_dict(), "optimizers": [one.state_dict() for one in optimizers],
                           "step": step, "log": logged, "seconds": before + time.monotonic() - began})  # fmt: skip

    recent = []
    for step in range(first, steps):
        loss = lesson_loss(model, *(part.to(device) for part in batch(recipe, step)))
        update(model, optimizers, loss, rate(step, steps, recipe.decay))
        recent.append(loss.item())
        if (step + 1) % 100 == 0 or step + 1 == steps:
            logged.append({"step": step + 1, "seconds": round(before + time.monotonic() - began),
                           "loss": round(sum(recent) / len(recent), 4)})  # fmt: skip
            log.info("%s, step %d of %d: loss %.4f", name, step + 1, steps, logged[-1]["loss"])
            recent = []
        stop = stopped()
        if stop or step + 1 == steps or time.monotonic() - saved > save_every:
            keep(step + 1)
            saved = time.monotonic()
        if stop:
            return None
    model.eval()
    return model, logged


def train_reasoner(out, work=None, recipe: Recipe | None = None, device: str | None = None) -> Path | None:
    """Train both models and write them, their tokenizer and the record of the run to `out`, which is returned; None
    where it was interrupted.

    work: folder of the checkpoints (default: in the cache); an interrupted run goes on from there, and ends with the
        weights of an uninterrupted one on the same machine. device: cuda or cpu; default: the CPU, which is enough.
    """
    recipe, out, device = recipe or Recipe(), Path(out), device or "cpu"
    folder = Path(work) if work else cache_path("reasoner", out.name)
    trained = {}
    with deferred() as stopped:
        same_recipe(folder / "recipe.json", asdict(recipe))
        for name in SHAPES:
            if (done := teach(name, recipe, folder, device, stopped)) is None:
                log.info("stopped; the same command goes on from here")
                return None
            trained[name] = done
    export_pair(trained["target"][0], trained["draft"][0], reasoner_tokenizer(), out)
    record = {"hardware": machine(), "date": time.strftime("%Y-%m-%d"), "recipe": asdict(recipe),
              "log": {name: logged for name, (_, logged) in trained.items()}}  # fmt: skip
    write_text(out / "training.json", json.dumps(record, indent=1) + "\n")
    log.info("the models are in %s", out)
    return out
