"""Medusa heads that learn from text that their target wrote: what `specdec train medusa` does.

Knows: what the heads are asked at each position, how well they answer. Does not know: how text is written (written),
how a run goes on after a kill (distil). The target's hidden states are kept with the text, so no pass of the target is
needed: the law behind every token is its output layer's answer to them.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..common.paths import cache_path
from ..common.whole import write_text
from ..drafters.heads import MedusaHeads, save_heads
from ..drafters.trees import best_tree, expected_kept, medusa_labels
from ..measure.machine import machine
from .checkpoint import load_state, same_recipe
from .distil import HELD_OUT, Run, fingerprint, train
from .export import CHECKSUMS, write_checksums
from .interrupts import deferred
from .lessons import Batch, Lessons
from .loop import WARM_UP, optimizers_for, update
from .losses import losses_of
from .written import Writer, batch_path, check_room, load_batch, write_all

log = logging.getLogger("specdec_course")
WEIGHTS = 0.8  # of a head's loss, to the power of its number (Cai et al. 2024, section 2.2.1)
RANKS = 10  # guesses of a head whose accuracy is measured
NODES = 16  # of the trees by which weights are compared


@dataclass(frozen=True)
class Recipe:
    """The numbers of a run, as in `distil.Recipe`. heads: how many; blocks: residual blocks in each."""

    heads: int = 4
    blocks: int = 1
    batches: int = 24
    rows: int = 96
    new: int = 128
    step_rows: int = 16
    passes: int = 6
    rate: float = 1.0
    decay: float = 0.6
    every: int = 50
    patience: int = 8
    seed: int = 0

    def __post_init__(self):
        for name in set(asdict(self)) - {"batches", "decay", "seed"}:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0")
        if self.batches <= HELD_OUT:
            raise ValueError(f"batches is {self.batches}; {HELD_OUT} are held out, so there have to be more")


class HeadsRun(Run):
    """A run whose learner is a set of heads; how it is kept and goes on is a distillation's."""

    def __init__(self, folder: Path, recipe: Recipe, target):
        width = target.config.get_text_config().hidden_size
        torch.manual_seed(recipe.seed)
        self.folder, self.recipe, self.target = folder, recipe, target
        self.draft = MedusaHeads(width, recipe.heads, recipe.blocks).to(target.device)
        self.learns = [name for name, _ in self.draft.named_parameters()]
        self.optimizers = optimizers_for(self.draft)
        batches = [load_batch(batch_path(folder, number)) for number in range(recipe.batches)]
        everything = torch.arange(target.config.get_text_config().vocab_size)
        self.lessons, self.held_out = Lessons(batches[HELD_OUT:], target, everything), batches[:HELD_OUT]
        self.steps = max(1, recipe.passes * self.lessons.count // recipe.step_rows)
        self.step, self.seconds, self.logged, self.best, self.best_at = 0, 0.0, [], self.weights(), 0

    def look(self, loss: float | None = None) -> None:
        """Measure on held-out text, note it, keep the weights if they are the best so far: whose trees of `NODES`
        nodes are expected to keep most, greedy and sampled taken together."""
        accuracy = accuracies(self.draft, self.lessons.weight, self.held_out, rows=32)
        kept = {kind: round(expected_kept(rows, best_tree(rows, NODES)), 4) for kind, rows in accuracy.items()}
        known = [line["greedy"] + line["sampled"] for line in self.logged]
        if not known or sum(kept.values()) > max(known):
            self.best, self.best_at = self.weights(), self.step
        self.logged.append({"step": self.step, "seconds": round(self.seconds), "loss": loss, **kept})
        log.info("step %d: a tree of %d nodes should keep %.3f tokens of a greedy text, %.3f of a sampled one%s",
                 self.step, NODES, kept["greedy"], kept["sampled"], "" if loss is None else f"; loss {loss:.4f}")

    def learn(self, done: float) -> float:
        """One step; returns its loss."""
        recipe = self.recipe
        batch = self.lessons.drawn(recipe.step_rows, recipe.seed, self.step)
        with torch.autocast(batch.hidden.device.type, torch.bfloat16):
            loss, mean = step_loss(self.draft, self.lessons, batch, recipe.new)
        factor = max(0.0, min(1.0, (self.step + 1) / WARM_UP, (1 - done) / recipe.decay))
        update(self.draft, self.optimizers, loss, recipe.rate * factor)
        self.step += 1
        return mean


def sources(part: slice, new: int, head: int):
    """Who guesses what stands at these positions of texts of `new` tokens each, laid end to end: (LongTensor [m], which
    of the positions of `part` head number `head` can reach, LongTensor [m], from which state it does)."""
    goal = torch.arange(part.start, part.stop)
    reached = (goal % new) > head
    return reached.nonzero()[:, 0], goal[reached] - 1 - head


def step_loss(heads: MedusaHeads, lessons: Lessons, batch: Batch, new: int) -> tuple[torch.Tensor, float]:
    """(a scalar to call `backward` on, the mean loss): the weighted mean over the heads of KL(p || q), p the target's
    law of a token, q what the head says of it. A few positions at a time; see `lessons`."""
    states = heads(batch.hidden)
    read, mean = states.detach().requires_grad_(), 0.0
    share = torch.tensor([WEIGHTS**i for i in range(heads.count)])
    share = share / share.sum() / len(batch.mass)
    for part in lessons.parts(batch):
        part = slice(part.start, min(part.stop, len(batch.mass)))
        log_p = lessons.law(batch, part)
        for i in range(heads.count):
            rows, origin = sources(part, new, i)
            if not len(rows):
                continue
            log_q = (read[i, origin.to(read.device)] @ lessons.weight.T).float().log_softmax(-1)
            loss = losses_of(log_q, log_p[rows.to(read.device)], "forward_kl").sum() * share[i]
            loss.backward()
            mean += loss.item()
    return (states * read.grad).sum(), mean


@torch.no_grad()
def accuracies(heads: MedusaHeads, weight, batches, rows: int | None = None) -> dict[str, list[list[float]]]:
    """{"greedy", "sampled"}: how often the guess of each rank of each head was the token that the target wrote, as
    lists [heads][ranks], on its greedy texts and on those at temperature 1, which take turns in a batch. rows: of every
    batch only the first so many."""
    hits, ranks = torch.zeros(2, heads.count, min(RANKS, len(weight))), min(RANKS, len(weight))
    asked = torch.zeros(2, heads.count)
    for batch in batches:
        ids = batch.ids[:rows, -batch.new - 1 :]
        labels = medusa_labels(ids, heads.count)[:, :-1].to(weight.device)
        for row, (hidden, wanted) in enumerate(zip(batch.hidden[:rows].to(weight.device), labels, strict=True)):
            best = (heads(hidden.float()) @ weight.T).topk(ranks).indices
            right = best == wanted.T[..., None]
            hits[row % 2] += right.sum(1).cpu()
            asked[row % 2] += (wanted >= 0).sum(0).cpu()
    share = (hits / asked.clamp(min=1)[..., None]).tolist()
    return {kind: [[round(x, 5) for x in head] for head in share[i]] for i, kind in enumerate(("greedy", "sampled"))}


def train_heads(
    target, tokenizer, out, recipe: Recipe | None = None, work=None, texts=None, minutes: float | None = None,
    save_every: float = 60.0,
) -> Path:  # fmt: skip
    """Train Medusa heads for `target` and write them and the record of the run to the folder `out`, which is returned.

    work: folder of the written text and the checkpoints (default: in the cache, by the name of `out`); an interrupted
        run goes on from there. texts: LongTensor [T], a third of the target's texts go on from pieces of it.
    minutes: of learning, at most; the writing comes before. None: `recipe.passes` over all that was written.
    """
    recipe, out = recipe or Recipe(), Path(out)
    folder = Path(work) if work else cache_path("medusa", out.name)
    check_room(out.parent, 0)
    with deferred() as stopped:
        same_recipe(folder / "recipe.json", asdict(recipe) | {"models": [fingerprint(target)]})
        how_much = recipe.batches, recipe.rows, recipe.new
        write_all(Writer(target), tokenizer, folder, *how_much, texts, recipe.seed, stopped)
        run = HeadsRun(folder, recipe, target)
        if state := load_state(folder / "state.pt"):
            run.restore(state)
            log.info("goes on from step %d", run.step)
        train(run, minutes, save_every, stopped)
    run.put(run.best)
    export(run, out)
    return out


def export(run: HeadsRun, out: Path) -> None:
    """The heads in half precision, their accuracy, and medusa.json, the record of the run, in the folder `out`."""
    save_heads(run.draft, out, run.target, accuracies(run.draft, run.lessons.weight, run.held_out))
    record = {"hardware": machine(), "date": time.strftime("%Y-%m-%d"), "minutes": round(run.seconds / 60, 1),
              "steps": run.step, "best_at": run.best_at, "tokens_written": run.lessons.count * run.recipe.new,
              "recipe": asdict(run.recipe), "log": run.logged}  # fmt: skip
    write_text(out / "medusa.json", json.dumps(record, indent=1) + "\n")
    if (out.parent / CHECKSUMS).is_file():
        write_checksums(out.parent)
    log.info("the heads are in %s", out)
