"""One training step, its optimizers and its learning rate. Knows models and losses; nothing of files, stages or text.

Matrices inside the layers are trained with Muon (momentum, orthogonalised; Jordan 2024), which gets
more out of a small number of tokens than AdamW; embeddings and norms are trained with AdamW.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

PEAK = {"muon": 5e-3, "adamw": 3e-3}
WARM_UP = 60  # steps


def optimizers_for(model: nn.Module) -> list[torch.optim.Optimizer]:
    """[Muon for the layers' matrices, AdamW for the rest]; their learning rates are set at every step."""
    inner = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name and "lm_head" not in name]
    chosen = {id(p) for p in inner}
    outer = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(inner, lr=PEAK["muon"], weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=PEAK["adamw"], betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate(step: int, steps: int, decay: float) -> float:
    """The factor on the learning rates: a linear warm-up, a flat middle, a linear fall to 0 over the last `decay` of
    `steps`. Up to the fall it does not depend on `steps`, so a run may be made longer until then."""
    fall = max(1, round(steps * decay))
    return max(0.0, min(1.0, (step + 1) / WARM_UP, (steps - step) / fall))


def update(model: nn.Module, optimizers, loss: torch.Tensor, factor: float, clip: float = 1.0) -> None:
    """Backward pass, clipped gradients, one step of every optimizer at `factor` times its peak rate."""
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    for optimizer, peak in zip(optimizers, PEAK.values(), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = peak * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def logits_of(model: nn.Module, ids: torch.Tensor, precise: bool = False) -> torch.Tensor:
    """Logits [N, V] in float32 for ids [B, T], rows of all windows in one; matrix products run in bfloat16, or in
    the weights' own type if `precise`."""
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=not precise):
        return model(ids, use_cache=False).logits.flatten(0, 1).float()


def token_losses(model: nn.Module, window: torch.Tensor, precise: bool = False) -> torch.Tensor:
    """Cross-entropy in nats of every token of windows [B, T + 1] after the first, as [B, T]."""
    goal = window[:, 1:]
    return F.cross_entropy(logits_of(model, window[:, :-1], precise), goal.flatten(), reduction="none").view(goal.shape)


def language_loss(model: nn.Module, window: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy in nats per token of windows [B, T + 1]."""
    return F.cross_entropy(logits_of(model, window[:, :-1]), window[:, 1:].flatten())


def distillation_loss(draft: nn.Module, target: nn.Module, window: torch.Tensor) -> torch.Tensor:
    """Mean KL(p || q) in nats per token: how far the draft's law q is from the target's p on the same prefixes."""
    with torch.no_grad():
        log_p = F.log_softmax(logits_of(target, window[:, :-1]), -1)
    log_q = F.log_softmax(logits_of(draft, window[:, :-1]), -1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


@torch.no_grad()
def agreement(draft: nn.Module, target: nn.Module, window: torch.Tensor, precise: bool = False) -> dict[str, float]:
    """On windows [B, T + 1]: loss of both in nats per token, alpha at T = 0 (same argmax) and T = 1 (mean 1 - TV)."""
    goal = window[:, 1:].flatten()
    p, q = (logits_of(model, window[:, :-1], precise) for model in (target, draft))
    alpha1 = torch.minimum(p.softmax(-1), q.softmax(-1)).sum(-1).mean()
    return {
        "target_loss": F.cross_entropy(p, goal).item(),
        "draft_loss": F.cross_entropy(q, goal).item(),
        "alpha_greedy": (p.argmax(-1) == q.argmax(-1)).float().mean().item(),
        "alpha_sampled": alpha1.item(),
    }
