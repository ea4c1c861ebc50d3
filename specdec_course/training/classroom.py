"""How the classroom pair is trained: tokenizer, both models side by side on Atlas, then the draft from the target.

Knows the order of the stages and where their files lie. A run may be killed at any time and goes on from its last
checkpoint to the same weights.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from .attention import use_block_attention
from .checkpoint import load_state, save_state, write_whole
from .export import export_pair
from .loop import agreement, distillation_loss, language_loss, optimizers_for, rate, update
from .pair import CONTEXT, DRAFT, TARGET, new_model
from .text import encode_articles, windows
from .tokenizer import save_tokenizer, train_tokenizer


@dataclass(frozen=True)
class Recipe:
    """The numbers of a run. Lengths in tokens; `articles` are written for training, `vocabulary` in tokens."""

    steps: int = 620
    distil_steps: int = 200
    batch_tokens: int = 4096
    length: int = 512
    long_length: int = CONTEXT  # the windows of the last `decay` of the steps, so that all positions are learned
    decay: float = 0.25
    articles: int = 45_000
    vocabulary: int = 4096
    sampled_rows: int = 96  # texts that the target writes for the distillation
    seed: int = 0
    target: dict = field(default_factory=lambda: dict(TARGET))
    draft: dict = field(default_factory=lambda: dict(DRAFT))


class Run:
    """A training run in a folder: models, optimizers, stage and step, and the files that keep them."""

    def __init__(self, folder: Path, recipe: Recipe, device: str):
        self.folder, self.recipe, self.device = folder, recipe, device
        self.stage, self.step, self.seconds, self.logged = "language", 0, 0.0, []
        _same_recipe(folder / "recipe.json", recipe)
        self.tokenizer, self.text = _text(folder, recipe)
        self.target = new_model(recipe.target, recipe.vocabulary, recipe.seed).to(device)
        self.draft = new_model(recipe.draft, recipe.vocabulary, recipe.seed + 1).to(device)
        self.models = {"target": self.target, "draft": self.draft}
        for model in self.models.values():
            use_block_attention(model, device)
        self.optimizers = {name: optimizers_for(model) for name, model in self.models.items()}
        self.held_out = encode_articles(self.tokenizer, 400, split="validation")

    def state(self) -> dict:
        return {
            "stage": self.stage,
            "step": self.step,
            "seconds": self.seconds,
            "logged": self.logged,
            "models": {name: model.state_dict() for name, model in self.models.items()},
            "optimizers": {name: [o.state_dict() for o in both] for name, both in self.optimizers.items()},
        }

    def restore(self, state: dict) -> None:
        self.stage, self.step = state["stage"], state["step"]
        self.seconds, self.logged = state["seconds"], state["logged"]
        for name, model in self.models.items():
            model.load_state_dict(state["models"][name])
            for optimizer, kept in zip(self.optimizers[name], state["optimizers"][name], strict=True):
                optimizer.load_state_dict(kept)

    def window(self, length: int, step: int, stage_seed: int, ids=None) -> torch.Tensor:
        batch = max(1, self.recipe.batch_tokens // length)
        return windows(self.text if ids is None else ids, batch, length, self.recipe.seed + stage_seed, step).to(
            self.device
        )

    def measure(self) -> dict:
        """Loss of both models and alpha on 16 windows of held-out text."""
        held_out = windows(self.held_out, 16, min(512, len(self.held_out) - 2), 0, 0).to(self.device)
        return agreement(self.draft, self.target, held_out)

    def record(self) -> dict:
        """What there is to say about a finished run: recipe, hardware, time, tokens, losses and alpha on the way."""
        from specdec_course.measure.machine import machine

        recipe, language = self.recipe, [line for line in self.logged if line["stage"] == "language"]
        return {
            "hardware": machine(),
            "date": time.strftime("%Y-%m-%d"),
            "minutes": round(self.seconds / 60, 1),
            "tokens_seen": recipe.steps * recipe.batch_tokens,
            "tokens_distilled": recipe.distil_steps * recipe.batch_tokens,
            "training_text": {"articles": recipe.articles, "tokens": len(self.text)},
            "recipe": asdict(recipe),
            "before_distillation": language[-1],
            "log": self.logged,
        }

    def log(self, **figures) -> None:
        line = {"stage": self.stage, "step": self.step, "seconds": round(self.seconds), **figures}
        self.logged.append(line)
        tqdm.write(json.dumps(line))


def _same_recipe(path: Path, recipe: Recipe) -> None:
    """Keep the recipe beside the checkpoints. ValueError if they were made with another; only `steps` and
    `distil_steps` may change (in time: see `rate`)."""
    ours = json.loads(json.dumps(asdict(recipe) | {"steps": None, "distil_steps": None}))
    if not path.exists():
        write_whole(path, lambda part: part.write_text(json.dumps(ours, indent=1) + "\n"))
    kept = json.loads(path.read_text())
    if changed := [key for key in ours if kept.get(key) != ours[key]]:
        raise ValueError(
            f"the run in {path.parent} was begun with another {', '.join(changed)}; "
            "take up the old recipe, or another work folder to begin anew"
        )


def _text(folder: Path, recipe: Recipe):
    """The tokenizer (trained once, kept in the folder) and the training text as ids."""
    from transformers import PreTrainedTokenizerFast

    from specdec_course.corpora.atlas import articles

    place = folder / "tokenizer"
    if not (place / "tokenizer_config.json").exists():
        save_tokenizer(train_tokenizer(articles(recipe.seed, min(10_000, recipe.articles)), recipe.vocabulary), place)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(place))
    kept = folder / "text.pt"
    if not kept.exists():
        ids = torch.from_numpy(encode_articles(tokenizer, recipe.articles, recipe.seed).astype("int16"))
        write_whole(kept, lambda part: torch.save(ids, part))
    return tokenizer, torch.load(kept, weights_only=True).numpy().astype("uint16")


def language_step(run: Run) -> float:
    """Both models learn the same windows of Atlas. Returns the target's loss."""
    recipe, step = run.recipe, run.step
    long = step >= recipe.steps - round(recipe.steps * recipe.decay)
    window = run.window(recipe.long_length if long else recipe.length, step, 0)
    factor = rate(step, recipe.steps, recipe.decay)
    losses = []
    for name, model in run.models.items():
        losses.append(language_loss(model, window))
        update(model, run.optimizers[name], losses[-1], factor)
    return losses[0].item()


def distil_step(run: Run) -> float:
    """The draft learns the target's law, every fourth time on text that the target wrote. Returns KL(p || q)."""
    recipe, step = run.recipe, run.step
    written = run.written if step % 4 == 3 else None
    window = run.window(recipe.length, step, 1, written)
    loss = distillation_loss(run.draft, run.target, window)
    update(run.draft, run.optimizers["draft"], loss, 0.6 * rate(step, recipe.distil_steps, 1.0))
    return loss.item()


@torch.no_grad()
def text_by_target(run: Run):
    """Texts that the target writes by itself at temperature 1, each from `<|endoftext|>` on, as one row of ids."""
    recipe = run.recipe
    generator = torch.Generator().manual_seed(recipe.seed)
    run.target.set_attn_implementation("sdpa")
    ids = torch.zeros(recipe.sampled_rows, 1, dtype=torch.long, device=run.device)
    cache, rows = None, [ids]
    for _ in range(recipe.length):
        out = run.target(ids, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        law = out.logits[:, -1].float().softmax(-1).cpu()
        ids = torch.multinomial(law, 1, generator=generator).to(run.device)
        rows.append(ids)
    use_block_attention(run.target, run.device)
    return torch.cat(rows, 1).flatten().cpu().numpy().astype("uint16")


def _stage(run: Run, steps: int, one_step, save_every: float, on_save) -> None:
    """Run a stage from `run.step` to `steps`, with a bar, a checkpoint every `save_every` seconds and a measurement
    every 100 steps."""
    saved = started = time.perf_counter()
    before = run.seconds
    with tqdm(total=steps, initial=run.step, desc=run.stage, unit="step", mininterval=5) as bar:
        while run.step < steps:
            loss = one_step(run)
            run.step += 1
            run.seconds = before + time.perf_counter() - started
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            if run.step % 100 == 0 or run.step == steps:
                run.log(loss=round(loss, 4), **{k: round(v, 4) for k, v in run.measure().items()})
            if time.perf_counter() - saved > save_every:
                save_state(run.folder / "state.pt", run.state())
                saved = time.perf_counter()
                on_save()


def train_classroom(
    out,
    work=None,
    recipe: Recipe | None = None,
    device: str | None = None,
    save_every: float = 60.0,
    export_every: float = 900.0,
    first_export: float = 480.0,
) -> Path:
    """Train the classroom pair and write it to the folder `out`; returns `out`.

    work: folder of checkpoints and log (default `.specdec/` beside `out`); an interrupted run goes on from there
    recipe: the numbers of the run, see `Recipe`; device: "cuda", "cpu" or None for the best there is
    save_every, export_every, first_export: seconds between checkpoints, between early exports, before the first one
    """
    out, recipe = Path(out), recipe or Recipe()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    run = Run(Path(work) if work else out.parent / ".specdec" / f"{out.name}-training", recipe, device)
    if state := load_state(run.folder / "state.pt"):
        run.restore(state)
    next_export = first_export if run.seconds < first_export else run.seconds + export_every

    def on_save() -> None:
        nonlocal next_export
        if run.seconds >= next_export:
            export_pair(run.target, run.draft, run.tokenizer, out)
            next_export = run.seconds + export_every

    if run.stage == "language":
        _stage(run, recipe.steps, language_step, save_every, on_save)
        run.stage, run.step, run.optimizers["draft"] = "distil", 0, optimizers_for(run.draft)
        save_state(run.folder / "state.pt", run.state())
    if run.stage == "distil":
        run.written = text_by_target(run)
        _stage(run, recipe.distil_steps, distil_step, save_every, on_save)
        run.stage = "done"
        save_state(run.folder / "state.pt", run.state())
    export_pair(run.target, run.draft, run.tokenizer, out)
    record = json.dumps(run.record(), indent=1) + "\n"
    write_whole(out / "training.json", lambda part: part.write_text(record))
    return out
