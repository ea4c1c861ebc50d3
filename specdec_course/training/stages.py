"""The stages of a training run, in their order, and one step of each. Knows what is learned from which windows; nothing
of files. `run` is a `classroom.Run`; every step returns a loss in nats per token."""

from __future__ import annotations

import torch

from .attention import use_block_attention
from .loop import distillation_loss, language_loss, rate, token_losses, update


def school_step(run) -> float:
    """The shallow target learns to copy: every window is one short segment, again and again. Returns the loss on the
    second half of the windows, where all has been said before."""
    recipe = run.recipe
    losses = token_losses(run.target, run.repeats(recipe.school_length, recipe.school_tokens))
    update(run.target, run.optimizers, losses.mean(), rate(run.step, recipe.school_steps, 0))
    return losses[:, recipe.school_length // 2 :].mean().item()


def shallow_step(run) -> float:
    """The shallow target learns short windows of Atlas: many small steps, at a third of the price of the deep one."""
    loss = language_loss(run.target, run.window(run.recipe.shallow_length, run.recipe.shallow_tokens))
    update(run.target, run.optimizers, loss, rate(run.step, run.recipe.shallow_steps, 0))
    return loss.item()


def deep_step(run) -> float:
    """The whole target learns Atlas, on long windows while its rate falls, so that it knows all positions."""
    return _language_step(run, run.target, run.recipe.steps, run.recipe.deep_tokens)


def draft_step(run) -> float:
    """The draft learns Atlas by itself. It never goes to the school: one layer cannot copy, and must not try."""
    return _language_step(run, run.draft, run.recipe.draft_steps, run.recipe.draft_tokens)


def distil_step(run) -> float:
    """The draft learns the target's law, every second time on text that the target wrote. Returns KL(p || q)."""
    recipe, step = run.recipe, run.step
    window = run.window(recipe.length, recipe.draft_tokens, run.written if step % 2 else None)
    loss = distillation_loss(run.draft, run.target, window)
    update(run.draft, run.optimizers, loss, 0.6 * rate(step, recipe.distil_steps, 1.0))
    return loss.item()


def _language_step(run, model, steps: int, tokens: int) -> float:
    recipe = run.recipe
    long = run.step >= steps - round(steps * recipe.decay)
    loss = language_loss(model, run.window(recipe.long_length if long else recipe.length, tokens))
    update(model, run.optimizers, loss, rate(run.step, steps, recipe.decay))
    return loss.item()


# name: (one step, the recipe's field with the number of steps)
STAGES = {
    "school": (school_step, "school_steps"),
    "shallow": (shallow_step, "shallow_steps"),
    "deep": (deep_step, "steps"),
    "draft": (draft_step, "draft_steps"),
    "distil": (distil_step, "distil_steps"),
}
SHALLOW = ("school", "shallow")  # stages in which the target has only `shallow_layers`
OF_THE_DRAFT = ("draft", "distil")  # stages in which the draft learns and the target stays as it is


@torch.compiler.set_stance("force_eager")
@torch.no_grad()
def text_by_target(run):
    """Texts that the target writes by itself, each from `<|endoftext|>` on, as one row of ids.

    Half of them at temperature 1, half at 0.5, nearer to greedy: the draft will be asked in both kinds of text.
    """
    recipe = run.recipe
    generator = torch.Generator().manual_seed(recipe.seed)
    run.target.set_attn_implementation("sdpa")
    temperature = torch.ones(recipe.sampled_rows, 1)
    temperature[recipe.sampled_rows // 2 :] = 0.5
    ids = torch.zeros(recipe.sampled_rows, 1, dtype=torch.long, device=run.device)
    cache, rows = None, [ids]
    for _ in range(recipe.length):
        out = run.target(ids, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        law = (out.logits[:, -1].float().cpu() / temperature).softmax(-1)
        ids = torch.multinomial(law, 1, generator=generator).to(run.device)
        rows.append(ids)
    use_block_attention(run.target, run.device)
    return torch.cat(rows, 1).flatten().cpu().numpy().astype("uint16")
