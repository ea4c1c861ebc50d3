"""Written texts as lessons: which of them a step reads, the target's law on them, and what a draft makes of it.

Knows: windows, laws over the tokens that a draft can say. Does not know: files, optimizers. Laws are made for a few
positions at a time: of a whole step they would be gigabytes, and fresh memory costs more than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..cache.eager import layers_of
from ..models.looking import block_mask
from ..models.trimmed import TrimmedHead
from .losses import losses_of
from .written import Written, head_weight

PIECE = 1 << 22  # numbers of a law that are made at a time


@dataclass(frozen=True)
class Batch:
    """Texts to read at once: ids LongTensor [B, L], padded on the right; places LongTensor [B, n], the columns of ids
    behind which the target's law is known; hidden FloatTensor [B * n, d] and mass FloatTensor [B * n], from which it is
    made (see Written); best LongTensor [B * n], its likeliest column, -1 where a draft cannot say it (None where nobody
    asked); states FloatTensor [B, L, d], what the target made of every token of ids; sight, what rows may look at of
    the target, the arguments of `glide.Sight.showing` (both None where nobody asked); shift, by how many rows the first
    block of a text is short."""

    ids: torch.Tensor
    places: torch.Tensor
    hidden: torch.Tensor
    mass: torch.Tensor
    best: torch.Tensor | None = None
    states: torch.Tensor | None = None
    sight: tuple | None = None
    shift: int = 0


class Lessons:
    """Texts, and the law of the target that wrote them over `columns` LongTensor [C], the ids that a draft can say.

    temperature: of the law. rows: of each batch of texts only the first so many. reads: what the drafts
    read of the target beside the text (see models.trimmed.reads); block: how many tokens go by between two looks.
    """

    def __init__(self, batches: list[Written], target, columns, temperature: float = 1.0, rows: int | None = None,
                 reads: str = "", block: int = 1):  # fmt: skip
        if reads in ("states", "both") and any(batch.before is None for batch in batches):
            raise ValueError("these texts were written without the target's states at their prompts: name an empty "
                             "folder with --work, and they are written anew")
        self.reads, self.block, self.body = reads, block, target.base_model
        self.batches, self.device, self.columns, self.temperature = batches, target.device, columns, temperature
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
        return self.read(chosen, shift=step % self.block)  # blocks begin anywhere, and so do rounds

    def read(self, chosen: list[int], with_best: bool = False, shift: int = 0) -> Batch:
        """The texts with these numbers."""
        texts = [(self.batches[b], r) for b, r in (self.where[i] for i in chosen)]
        rows = [batch.ids[r, batch.pads[r] : -1] for batch, r in texts]
        lengths, new = torch.tensor([len(row) for row in rows]), texts[0][0].new
        batch = Batch(
            torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.device),
            (lengths[:, None] - new + torch.arange(new)).to(self.device),
            torch.cat([batch.hidden[r] for batch, r in texts]).to(self.device).float(),
            torch.cat([batch.mass[r] for batch, r in texts]).to(self.device),
        )
        if self.reads in ("keys_values", "both"):
            batch = replace(batch, sight=self.sight(batch.ids, shift), shift=shift)
        if self.reads in ("states", "both"):
            states = [torch.cat([batch.before[r, batch.pads[r] :], batch.hidden[r]]) for batch, r in texts]
            padded = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
            batch = replace(batch, states=padded.to(self.device).float())
        if not with_best:
            return batch
        if tuple(chosen) not in self.known:
            self.known[tuple(chosen)] = torch.cat([self.likeliest(batch, part) for part in self.parts(batch)])
        return replace(batch, best=self.known[tuple(chosen)])

    @torch.no_grad()
    def sight(self, ids, shift: int) -> tuple:
        """(keys, values FloatTensor [B, G, L, D], mask) of the target's last layer on texts LongTensor [B, L]."""
        with torch.autocast(self.device.type, torch.bfloat16):
            keys, values = layers_of(self.body(input_ids=ids, use_cache=True).past_key_values)[-1]
        mask = block_mask(ids.shape[1] + shift, self.block)[shift:, shift:]
        return keys.float(), values.float(), mask.to(ids.device)

    def parts(self, batch: Batch) -> list[slice]:
        """The positions of a batch, a few at a time."""
        size = max(1, PIECE // len(self.columns))
        return [slice(start, start + size) for start in range(0, len(batch.mass), size)]

    @torch.no_grad()
    def law(self, batch: Batch, part: slice) -> torch.Tensor:
        """The target's law over the columns at these positions, log-probabilities FloatTensor [N, C], in float32."""
        with torch.autocast(self.device.type, enabled=False):
            if self.temperature == 1:
                return (batch.hidden[part] @ self.some.T).sub_(batch.mass[part, None])
            logits = batch.hidden[part] @ self.weight.T / self.temperature
            return logits.log_softmax(-1)[..., self.columns.to(self.device)]

    def likeliest(self, batch: Batch, part: slice) -> torch.Tensor:
        """The column of the target's likeliest token, LongTensor [N]; -1 where a draft cannot say it."""
        ids = (batch.hidden[part] @ self.weight.T).argmax(-1).cpu()
        column = torch.searchsorted(self.columns, ids).clamp(max=len(self.columns) - 1)
        return torch.where(self.columns[column] == ids, column, -1).to(self.device)


def columns_of(draft, target) -> torch.Tensor:
    """The target's ids that a draft can say, LongTensor, ascending."""
    head = draft.get_output_embeddings()
    if isinstance(head, TrimmedHead):
        return head.tokens.cpu()
    widths = [model.config.get_text_config().vocab_size for model in (draft, target)]
    return torch.arange(min(widths))


def states_of(draft, batch: Batch, steps: int = 1) -> list[torch.Tensor]:
    """What the draft's head reads at the positions of a batch, [B * n, d]: one such tensor, or of a draft that reads
    states one for each of `steps` steps (see `rollout`)."""
    if batch.sight is not None:
        with draft.sight.showing(*batch.sight):
            if batch.states is not None:
                rows = [draft.whole(batch.ids, batch.states, batch.shift)]
            else:
                rows = [draft.base_model(input_ids=batch.ids, use_cache=False).last_hidden_state]
    elif batch.states is not None:
        rows = rollout(draft, batch.ids, batch.states, steps)
    else:
        rows = [draft.base_model(input_ids=batch.ids, use_cache=False).last_hidden_state]
    places = batch.places[..., None].expand(-1, -1, rows[0].shape[-1])
    return [states.gather(1, places).flatten(0, 1) for states in rows]


def rollout(draft, ids, states, steps: int) -> list[torch.Tensor]:
    """What a draft that reads states makes of whole texts, `steps` times FloatTensor [B, L, d].

    ids: LongTensor [B, L]; states FloatTensor [B, L, d], the target's at each token. The first time every row reads the
    target's state one token before its own. Every further time it reads what the row before made the last time, as the
    later tokens of a draft do ("training-time test", Li et al. 2025, "EAGLE-3"; simplified here: the rows that it looks
    back at do so as well).
    """
    made = []
    for _ in range(steps):
        before = torch.nn.functional.pad(states[:, :-1], (0, 0, 1, 0))
        embeds = draft.fused(ids, before.to(draft.dtype))
        states = draft.base_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
        made.append(states)
    return made


def log_law(draft, states, width: int, temperature: float = 1.0) -> torch.Tensor:
    """The draft's law over all that it can say: log-probabilities FloatTensor [N, C] from states [N, d]."""
    head = draft.get_output_embeddings()
    logits = head.linear(states) if isinstance(head, TrimmedHead) else head(states)[..., :width]
    return (logits.float() / temperature).log_softmax(-1)


def step_loss(draft, lessons: Lessons, batch: Batch, kind: str, steps: int = 1) -> tuple[torch.Tensor, float]:
    """(a scalar to call `backward` on, the mean loss of the draft on a batch). The head has its gradients already: its
    part is done piece by piece. steps: of a draft that reads states."""
    total, mean = 0.0, 0.0
    for states in states_of(draft, batch, steps):
        read = states.detach().requires_grad_()
        for part in lessons.parts(batch):
            log_q = log_law(draft, read[part], len(lessons.columns), lessons.temperature)
            loss = losses_of(log_q, lessons.law(batch, part), kind).sum() / len(batch.mass) / steps
            loss.backward()
            mean += loss.item()
        total = total + (states * read.grad).sum()
    return total, mean


@torch.no_grad()
def measure(draft, lessons: Lessons, size: int = 16) -> dict[str, float]:
    """On all lessons: the mean of 1 - TV, which is the acceptance at temperature 1, and how often the likeliest tokens
    of draft and target are the same, which is the acceptance at temperature 0."""
    kept, same, positions = 0.0, 0.0, 0
    for start in range(0, lessons.count, size):
        batch = lessons.read(list(range(start, min(start + size, lessons.count))), with_best=True)
        with torch.autocast(draft.device.type, torch.bfloat16):
            (states,) = states_of(draft, batch)
            for part in lessons.parts(batch):
                log_q = log_law(draft, states[part], len(lessons.columns))
                kept += (1 - losses_of(log_q, lessons.law(batch, part), "tv")).sum().item()
                same += (log_q.argmax(-1) == batch.best[part]).sum().item()
        positions += len(batch.mass)
    return {"one_minus_tv": kept / positions, "alpha_greedy": same / positions}
