"""How the classroom pair is trained: tokenizer, a shallow target that learns to copy and to write, the deep target that
grows out of it, the draft on Atlas and then from the target.

Knows what a run keeps and where its files lie; `stages` knows what is learned when. A run may be killed at any time and
goes on from its last checkpoint to the same weights.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from specdec_course.common.whole import write_text, write_whole
from specdec_course.measure.names import on_names

from .attention import compile_layers, use_block_attention
from .checkpoint import load_state, same_recipe, save_state
from .export import export_pair
from .loop import agreement, language_loss, optimizers_for
from .pair import CONTEXT, DRAFT, TARGET, grow, new_model
from .stages import OF_THE_DRAFT, SHALLOW, STAGES, text_by_target
from .text import encode_articles, repeats, windows
from .tokenizer import save_tokenizer, train_tokenizer


@dataclass(frozen=True)
class Recipe:
    """The numbers of a run. Lengths in tokens, `..._tokens` are per step; `articles` are written for training,
    `vocabulary` in tokens."""

    school_steps: int = 700
    shallow_steps: int = 900
    steps: int = 450  # of the deep target
    draft_steps: int = 600
    distil_steps: int = 2400
    shallow_layers: int = 3
    school_length: int = 64
    school_tokens: int = 1024  # many small steps make heads that copy, not many tokens
    shallow_length: int = 256
    shallow_tokens: int = 2048
    length: int = 512
    long_length: int = CONTEXT  # the windows of the last `decay` of the steps, so that all positions are learned
    deep_tokens: int = 2048
    draft_tokens: int = 2048  # of the draft's two stages
    decay: float = 0.4
    articles: int = 45_000
    vocabulary: int = 4096
    sampled_rows: int = 256  # texts that the target writes for the distillation
    compiled: bool = True  # the layers, where there is a compiler
    seed: int = 0
    target: dict = field(default_factory=lambda: dict(TARGET))
    draft: dict = field(default_factory=lambda: dict(DRAFT))


class Run:
    """A training run in a folder: models, the learner's optimizers, stage and step, and the files that keep them."""

    def __init__(self, folder: Path, recipe: Recipe, device: str):
        self.folder, self.recipe, self.device = folder, recipe, device
        self.seconds, self.logged, self.written = 0.0, [], None
        steps = {field: None for _, field in STAGES.values()}  # they alone may change (in time: see `rate`)
        same_recipe(folder / "recipe.json", asdict(recipe) | steps)
        self.tokenizer, self.text = _text(folder, recipe)
        shallow = recipe.target | {"num_hidden_layers": recipe.shallow_layers}
        self.target = self.ready(new_model(shallow, recipe.vocabulary, recipe.seed))
        self.draft = self.ready(new_model(recipe.draft, recipe.vocabulary, recipe.seed + 1))
        self.held_out = encode_articles(self.tokenizer, 400, split="validation")
        self.enter("school")

    def ready(self, model):
        """The model on the run's device, with attention and layers as they learn fastest."""
        model = model.to(self.device)
        use_block_attention(model, self.device)
        if self.recipe.compiled:
            compile_layers(model)
        return model

    def enter(self, stage: str) -> None:
        """Begin a stage: the target has as many layers as the stage asks for, the learner gets fresh optimizers."""
        self.stage, self.step = stage, 0
        layers = self.recipe.target["num_hidden_layers"]
        if stage not in SHALLOW and self.target.config.num_hidden_layers < layers:
            self.target = self.ready(grow(self.target, layers, self.recipe.seed + 2))
        self.optimizers = optimizers_for(self.draft if stage in OF_THE_DRAFT else self.target)

    def state(self) -> dict:
        return {
            "stage": self.stage,
            "step": self.step,
            "seconds": self.seconds,
            "logged": self.logged,
            "models": {"target": self.target.state_dict(), "draft": self.draft.state_dict()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def restore(self, state: dict) -> None:
        self.enter(state["stage"])
        self.step, self.seconds, self.logged = state["step"], state["seconds"], state["logged"]
        self.target.load_state_dict(state["models"]["target"])
        self.draft.load_state_dict(state["models"]["draft"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)

    def window(self, length: int, tokens: int, ids=None) -> torch.Tensor:
        """`tokens` tokens of training text, or of the text `ids`, as windows [B, length + 1] of this stage and step."""
        ids = self.text if ids is None else ids
        return windows(ids, max(1, tokens // length), length, self.stage_seed(), self.step).to(self.device)

    def repeats(self, length: int, tokens: int) -> torch.Tensor:
        """`tokens` tokens of repeated segments as windows [B, length + 1] of this stage and step."""
        return repeats(self.text, max(1, tokens // length), length, self.stage_seed(), self.step).to(self.device)

    def stage_seed(self) -> int:
        return len(STAGES) * self.recipe.seed + list(STAGES).index(self.stage)

    @torch.compiler.set_stance("force_eager")  # a few windows: compiling for their shape would take longer
    def measure(self) -> dict:
        """On held-out text: the target's loss and what it pays for names; once the draft learns, its loss and alpha."""
        held_out = windows(self.held_out, 16, min(512, len(self.held_out) - 2), 0, 0).to(self.device)
        if self.stage in OF_THE_DRAFT:
            figures = agreement(self.draft, self.target, held_out)
        else:
            with torch.no_grad():
                figures = {"target_loss": language_loss(self.target, held_out).item()}
            figures |= on_names(self.tokenizer, {"target": self.target}, 6, "validation")
        return {name: value and round(value, 4) for name, value in figures.items()}

    def record(self) -> dict:
        """What there is to say about a finished run: recipe, hardware, time, tokens, losses and alpha on the way."""
        from specdec_course.measure.machine import machine

        recipe = self.recipe
        tokens = dict(school=recipe.school_tokens, shallow=recipe.shallow_tokens, deep=recipe.deep_tokens)
        steps = {stage: getattr(recipe, field) for stage, (_, field) in STAGES.items()}
        return {
            "hardware": machine(),
            "date": time.strftime("%Y-%m-%d"),
            "minutes": round(self.seconds / 60, 1),
            "tokens_seen": {stage: steps[stage] * tokens.get(stage, recipe.draft_tokens) for stage in STAGES},
            "training_text": {"articles": recipe.articles, "tokens": len(self.text)},
            "recipe": asdict(recipe),
            "before_distillation": [line for line in self.logged if line["stage"] == "draft"][-1],
            "log": self.logged,
        }

    def log(self, **figures) -> None:
        line = {"stage": self.stage, "step": self.step, "seconds": round(self.seconds), **figures}
        self.logged.append(line)
        tqdm.write(json.dumps(line))


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


def _train_stage(run: Run, save_every: float) -> None:
    """Run a stage from `run.step` to its end, with a bar, a checkpoint every `save_every` seconds and a measurement
    every 100 steps."""
    one_step, field = STAGES[run.stage]
    steps = getattr(run.recipe, field)
    if run.stage == "distil" and run.step < steps:
        run.written = text_by_target(run)
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
                run.log(loss=round(loss, 4), **run.measure())
            if time.perf_counter() - saved > save_every:
                save_state(run.folder / "state.pt", run.state())
                saved = time.perf_counter()


def train_classroom(
    out, work=None, recipe: Recipe | None = None, device: str | None = None, save_every: float = 60.0
) -> Path:
    """Train the classroom pair and write it to the folder `out`; returns `out`.

    work: folder of checkpoints and log (default `.specdec/` beside `out`); an interrupted run goes on from there
    recipe: the numbers of the run, see `Recipe`; device: "cuda", "cpu" or None for the best there is
    save_every: seconds between checkpoints
    """
    out, recipe = Path(out), recipe or Recipe()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    run = Run(Path(work) if work else out.parent / ".specdec" / f"{out.name}-training", recipe, device)
    if state := load_state(run.folder / "state.pt"):
        run.restore(state)
    stages = list(STAGES)
    for stage in stages[stages.index(run.stage) :]:
        if stage != run.stage:
            run.enter(stage)
        _train_stage(run, save_every)
        save_state(run.folder / "state.pt", run.state())
    export_pair(run.target, run.draft, run.tokenizer, out)
    write_text(out / "training.json", json.dumps(run.record(), indent=1) + "\n")
    return out
