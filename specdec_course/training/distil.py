"""A draft that learns its target's law from text that the target wrote: what `specdec train distil` does.

Knows: what a run keeps and where its files lie, when it stops, what is exported. Does not know: how text is written
(written), what the losses are (losses). A run may be killed at any time and goes on from its last checkpoint to the
same weights; where it was bounded by minutes, its rate follows the clock, and the weights do too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..common.paths import cache_path
from ..common.whole import write_text
from ..models.block import block_draft
from ..models.eagle import eagle_head
from ..models.glide import glide_draft
from ..models.trimmed import check_layers, first_layers, is_trimmed, reads
from .attention import use_block_attention
from .checkpoint import load_state, same_recipe, save_state
from .interrupts import deferred
from .lessons import Lessons, columns_of, measure, step_loss
from .loop import WARM_UP, optimizers_for, update
from .losses import check_kind
from .written import Writer, batch_path, check_room, load_batch, write_all

log = logging.getLogger("specdec_course")
HELD_OUT = 3  # batches, the first ones: one of each kind


@dataclass(frozen=True)
class Recipe:
    """The numbers of a run. A batch is `rows` texts of `new` tokens; a step reads `step_rows` texts.

    layers, head: of a draft that is made of the target's first layers; tokens that its head knows.
    kind: "", or of a draft that reads of its target "eagle", "glide" or "parallel"; intermediate: width of the MLPs of
    these, 0: the target's. rollout: of eagle, how many steps it goes on alone while it learns. block: of glide, after
    how many tokens it looks again; of parallel, how many it guesses in one pass.
    passes: how often every text is read, unless minutes bound the run. rate: factor on the peak learning rates of
    `loop`, which falls to zero over the last `decay` of the run. every: steps between measurements; after `patience`
    of them without a better one the run ends.
    """

    loss: str = "forward_kl"
    temperature: float = 1.0
    layers: int = 2
    head: int = 8192
    kind: str = ""
    rollout: int = 1
    block: int = 1
    intermediate: int = 0
    batches: int = 24
    rows: int = 96
    new: int = 128
    step_rows: int = 16
    passes: int = 4
    rate: float = 0.3
    decay: float = 0.6
    every: int = 50
    patience: int = 8
    seed: int = 0

    def __post_init__(self):
        check_kind(self.loss)
        for name in set(asdict(self)) - {"loss", "batches", "decay", "seed", "kind", "intermediate"}:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0")
        if self.intermediate < 0:
            raise ValueError(f"intermediate is {self.intermediate}; expected 0 or more")
        if self.batches <= HELD_OUT:
            raise ValueError(f"batches is {self.batches}; {HELD_OUT} are held out, so there have to be more")


class Run:
    """A distillation in a folder: the draft, its optimizers, how far it came, the best weights so far."""

    def __init__(self, folder: Path, recipe: Recipe, target, draft):
        self.folder, self.recipe, self.draft = folder, recipe, draft
        if recipe.kind != "parallel":  # whose rows see a block, both ways
            use_block_attention(draft, draft.device.type)
        draft.requires_grad_(True)
        if is_trimmed(draft.config):
            draft.get_input_embeddings().requires_grad_(False)  # it is the target's
        self.learns = [name for name, weight in draft.named_parameters() if weight.requires_grad]
        self.optimizers = optimizers_for(draft)
        batches = [load_batch(batch_path(folder, number)) for number in range(recipe.batches)]
        columns = columns_of(draft, target)
        how = {"reads": reads(draft.config), "block": recipe.block}
        self.lessons = Lessons(batches[HELD_OUT:], target, columns, recipe.temperature, **how)
        self.held_out = Lessons(batches[:HELD_OUT], target, columns, rows=32, **how)
        self.steps = max(1, recipe.passes * self.lessons.count // recipe.step_rows)
        self.step, self.seconds, self.logged, self.best, self.best_at = 0, 0.0, [], self.weights(), 0

    def weights(self) -> dict:
        """Copies of the weights that learn."""
        own = dict(self.draft.named_parameters())
        return {name: own[name].detach().clone() for name in self.learns}

    def put(self, weights: dict) -> None:
        with torch.no_grad():
            for name, weight in self.draft.named_parameters():
                if name in weights:
                    weight.copy_(weights[name])

    def save(self) -> None:
        state = {"step": self.step, "seconds": self.seconds, "logged": self.logged, "best_at": self.best_at}
        state |= {"weights": self.weights(), "best": self.best, "optimizers": [o.state_dict() for o in self.optimizers]}
        save_state(self.folder / "state.pt", state)

    def restore(self, state: dict) -> None:
        for name in ("step", "seconds", "logged", "best", "best_at"):
            setattr(self, name, state[name])
        self.put(state["weights"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)

    def done(self, minutes: float | None) -> float:
        """How much of the run lies behind, from 0 on; 1 and above: all of it."""
        return self.seconds / (60 * minutes) if minutes else self.step / self.steps

    def stuck(self) -> bool:
        """Whether the last `patience` measurements brought nothing better."""
        return self.step - self.best_at >= self.recipe.patience * self.recipe.every

    def look(self, loss: float | None = None) -> None:
        """Measure on held-out text, note it, keep the weights if they are the best so far."""
        figures = {name: round(value, 4) for name, value in measure(self.draft, self.held_out).items()}
        known = [line["one_minus_tv"] for line in self.logged]
        if not known or figures["one_minus_tv"] > max(known):
            self.best, self.best_at = self.weights(), self.step
        self.logged.append({"step": self.step, "seconds": round(self.seconds), "loss": loss, **figures})
        log.info("step %d: held-out 1 - TV %.4f, same likeliest token %.4f%s", self.step, figures["one_minus_tv"],
                 figures["alpha_greedy"], "" if loss is None else f"; loss {loss:.4f}")  # fmt: skip

    def learn(self, done: float) -> float:
        """One step; returns its loss."""
        recipe = self.recipe
        batch = self.lessons.drawn(recipe.step_rows, recipe.seed, self.step)
        with torch.autocast(self.draft.device.type, torch.bfloat16):
            loss, mean = step_loss(self.draft, self.lessons, batch, recipe.loss, recipe.rollout)
        factor = max(0.0, min(1.0, (self.step + 1) / WARM_UP, (1 - done) / recipe.decay))
        update(self.draft, self.optimizers, loss, recipe.rate * factor)
        self.step += 1
        return mean


def train(run: Run, minutes: float | None = None, save_every: float = 60.0, stopped=lambda: False) -> None:
    """Steps until the run is done, stuck, or `stopped()`: then the state is saved and KeyboardInterrupt raised."""
    if not run.logged:
        run.look()
    saved = began = time.perf_counter()
    before, loss = run.seconds, None
    while (done := run.done(minutes)) < 1 and not run.stuck():
        loss = run.learn(done)
        run.seconds = before + time.perf_counter() - began
        if run.step % run.recipe.every == 0:
            run.look(round(loss, 4))
        if stopped() or time.perf_counter() - saved > save_every:
            run.save()
            saved = time.perf_counter()
        if stopped():
            raise KeyboardInterrupt(f"stopped after step {run.step}")
    if run.logged[-1]["step"] != run.step:
        run.look(loss and round(loss, 4))
    run.save()


def distil(
    target, tokenizer, out, draft=None, recipe: Recipe | None = None, work=None, texts=None,
    minutes: float | None = None, save_every: float = 60.0,
) -> Path:  # fmt: skip
    """Distil a draft for `target` and write it, tokenizer and record to the folder `out`, which is returned.

    draft: a model with the target's tokenizer, whose weights change; None: one of the target's own first layers.
    work: folder of the written text and the checkpoints (default: in the cache, by the name of `out`); an interrupted
        run goes on from there. texts: LongTensor [T], a third of the target's texts go on from pieces of it.
    minutes: of learning, at most; the writing comes before. None: `recipe.passes` over all that was written.
    """
    recipe, out = recipe or Recipe(), Path(out)
    folder = Path(work) if work else cache_path("distil", out.name)
    if draft is None:
        check_layers(target.config, recipe.layers)
    check_room(out.parent, 0)
    with deferred() as stopped:
        same_recipe(folder / "recipe.json", asdict(recipe) | {"models": [fingerprint(x) for x in (target, draft)]})
        how_much = recipe.batches, recipe.rows, recipe.new
        write_all(Writer(target), tokenizer, folder, *how_much, texts, recipe.seed, stopped)
        if draft is None:
            draft = new_draft(target, often_written(target, folder, recipe), recipe)
        run = Run(folder, recipe, target, draft)
        if state := load_state(folder / "state.pt"):
            run.restore(state)
            log.info("goes on from step %d", run.step)
        train(run, minutes, save_every, stopped)
    run.put(run.best)
    export(run, tokenizer, out)
    return out


def new_draft(target, tokens, recipe: Recipe):
    """A draft of the recipe's kind, made of the target's own layers, with a head for `tokens`."""
    sizes = recipe.layers, recipe.intermediate or None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # some of them begin with weights that the target has no use for
        if recipe.kind == "parallel":
            return block_draft(target, tokens, recipe.block, *sizes)
        if recipe.kind:
            return {"eagle": eagle_head, "glide": glide_draft}[recipe.kind](target, tokens, *sizes)
        return first_layers(target, recipe.layers, tokens)


def often_written(target, folder: Path, recipe: Recipe) -> torch.Tensor:
    """The `recipe.head` tokens that the target wrote most often in the texts to learn from, LongTensor, ascending.
    Where it wrote fewer, the lowest ids besides: a tokenizer's first merges are its commonest."""
    size = target.config.get_text_config().vocab_size
    counts = torch.zeros(size, dtype=torch.double)
    for number in range(HELD_OUT, recipe.batches):
        batch = load_batch(batch_path(folder, number))
        counts += torch.bincount(batch.ids[:, -batch.new :].flatten(), minlength=size)
    order = (-counts - torch.linspace(0.5, 0, size, dtype=torch.double)).argsort()
    return order[: min(recipe.head, size)].sort().values


def fingerprint(model) -> str | None:
    """A few letters that differ between models: of the shapes and first weights. None for None."""
    if model is None:
        return None
    seen = hashlib.sha256()
    for name, weight in model.named_parameters():
        first = weight.detach().flatten()[:64].float().cpu().numpy().tobytes()
        seen.update(f"{name} {list(weight.shape)}".encode() + first)
    return seen.hexdigest()[:16]


def export(run: Run, tokenizer, out: Path) -> None:
    """The draft in half precision, the tokenizer and distilled.json, the record of the run, in the folder `out`."""
    from specdec_course.measure.machine import machine

    from .export import write_model

    write_model(run.draft, out)
    tokenizer.save_pretrained(str(out))
    before, after = run.logged[0], max(run.logged, key=lambda line: line["one_minus_tv"])
    record = {"hardware": machine(), "date": time.strftime("%Y-%m-%d"), "minutes": round(run.seconds / 60, 1),
              "steps": run.step, "tokens_written": run.lessons.count * run.recipe.new, "before": before, "after": after,
              "recipe": asdict(run.recipe), "log": run.logged}  # fmt: skip
    write_text(out / "distilled.json", json.dumps(record, indent=1) + "\n")
    log.info("held-out 1 - TV: %.4f before, %.4f after; the draft is in %s", before["one_minus_tv"],
             after["one_minus_tv"], out)  # fmt: skip
