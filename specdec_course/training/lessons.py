"""Written texts as lessons: which of them a step reads, the target's law on them, and what a draft makes of it.

Knows: windows, masks, laws over the tokens that a draft can say. Does not know: files, optimizers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..models.trimmed import TrimmedHead
from .losses import losses_of
from .written import Written, head_weight


@dataclass(frozen=True)
class Batch:
    """Texts to read at once: ids LongTensor [B, L], padded on the right; places LongTensor [B, n], the columns of ids
    behind which the target's law is known; log_p FloatTensor [B, n, C], that law over the columns of the lessons, and
    best LongTensor [B, n], its likeliest column, -1 where that is none of them (None where nobody asked)."""

    ids: torch.Tensor
    places: torch.Tensor
    log_p: torch.Tensor
    best: torch.Tensor | None = None


class Lessons:
    """Texts, and the law of the target that wrote them over `columns` LongTensor [C], the ids that a draft can say.

    temperature: of the law. rows: of each batch of texts only the first so many.
    """

    def __init__(self, batches: list[Written], target, columns, temperature: float = 1.0, rows: int | None = None):
        self.batches, self.columns, self.temperature = batches, columns, temperature
        self.device = target.device
        self.weight = head_weight(target)
        self.some = self.weight[columns.to(self.device)]
        self.known = {}  # the likeliest columns of texts that were asked for before
        self.where = [(b, r) for b, batch in enumerate(batches) for r in range(len(batch.ids))[:rows]]

    @property
    def count(self) -> int:
        """How many texts there are."""
        return len(self.where)

    def drawn(self, size: int, seed: int, step: int) -> Batch:
        """The `size` texts of a step, in another order in every pass over all of them; fixed by (seed, step)."""
        chosen = []
        for index in range(size * step, size * (step + 1)):
            order = torch.randperm(self.count, generator=torch.Generator().manual_seed(seed + index // self.count))
            chosen.append(int(order[index % self.count]))
        return self.read(chosen)

    def read(self, chosen: list[int], with_best: bool = False) -> Batch:
        """The texts with these numbers."""
        texts = [(self.batches[b], r) for b, r in (self.where[i] for i in chosen)]
        rows = [batch.ids[r, batch.pads[r] : -1] for batch, r in texts]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths, new = torch.tensor([len(row) for row in rows]), texts[0][0].new
        places = lengths[:, None] - new + torch.arange(new)
        hidden = torch.stack([batch.hidden[r] for batch, r in texts]).to(self.device).float()
        mass = torch.stack([batch.mass[r] for batch, r in texts]).to(self.device)
        with torch.no_grad():
            if self.temperature == 1:
                log_p = hidden @ self.some.T - mass[..., None]
            else:
                logits = hidden @ self.weight.T / self.temperature
                log_p = logits.log_softmax(-1)[..., self.columns.to(self.device)]
            if with_best and tuple(chosen) not in self.known:
                self.known[tuple(chosen)] = self.likeliest(hidden, log_p)
            best = self.known[tuple(chosen)] if with_best else None
        return Batch(ids.to(self.device), places.to(self.device), log_p, best)

    def likeliest(self, hidden, log_p) -> torch.Tensor:
        """The column of the target's likeliest token, LongTensor [B, n]; -1 where a draft cannot say it."""
        value, best = log_p.max(-1)
        certain = value.exp() > 0.5  # nothing else can be likelier
        open_ = (~certain).nonzero(as_tuple=True)
        ids = (hidden[open_] @ self.weight.T).argmax(-1)
        best[open_] = torch.where(self.columns.to(self.device)[best[open_]] == ids, best[open_], -1)
        return best


def columns_of(draft, target) -> torch.Tensor:
    """The target's ids that a draft can say, LongTensor, ascending."""
    head = draft.get_output_embeddings()
    if isinstance(head, TrimmedHead):
        return head.tokens.cpu()
    widths = [model.config.get_text_config().vocab_size for model in (draft, target)]
    return torch.arange(min(widths))


def log_law(draft, batch: Batch, width: int, temperature: float = 1.0) -> torch.Tensor:
    """The draft's law on a batch, log-probabilities FloatTensor [B, n, C]: over all that it can say."""
    states = draft.base_model(input_ids=batch.ids, use_cache=False).last_hidden_state
    states = states.gather(1, batch.places[..., None].expand(-1, -1, states.shape[-1]))
    head = draft.get_output_embeddings()
    logits = head.linear(states) if isinstance(head, TrimmedHead) else head(states)[..., :width]
    return (logits.float() / temperature).log_softmax(-1)


def step_loss(draft, lessons: Lessons, batch: Batch, kind: str) -> torch.Tensor:
    """The mean loss of a draft on a batch, a scalar."""
    log_q = log_law(draft, batch, len(lessons.columns), lessons.temperature)
    return losses_of(log_q, batch.log_p, kind).mean()


@torch.no_grad()
def measure(draft, lessons: Lessons, size: int = 16) -> dict[str, float]:
    """On all lessons: the mean of 1 - TV, which is the acceptance at temperature 1, and how often the likeliest tokens
    of draft and target are the same, which is the acceptance at temperature 0."""
    kept, same, tokens = 0.0, 0.0, 0
    for start in range(0, lessons.count, size):
        batch = lessons.read(list(range(start, min(start + size, lessons.count))), with_best=True)
        with torch.autocast(draft.device.type, torch.bfloat16):
            log_q = log_law(draft, batch, len(lessons.columns))
        kept += (1 - losses_of(log_q, batch.log_p, "tv")).sum().item()
        same += (log_q.argmax(-1) == batch.best).sum().item()
        tokens += batch.best.numel()
    return {"one_minus_tv": kept / tokens, "alpha_greedy": same / tokens}
