"""Text that a target writes, for its draft to learn from: in batches, each a file, each a function of (seed, number).

Knows: how a target begins (a chat model asks itself questions: "Magpie", Xu et al. 2024), what is kept of its laws.
Does not know: drafts, losses. Whatever is on disk already is not written again; a kill costs one batch at most.
"""

from __future__ import annotations

import copy
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ..decoding.ends import ends_of
from .checkpoint import load_state, save_state

log = logging.getLogger("specdec_course")
LONGEST_PROMPT = 96  # tokens: of a prompt, the last so many are kept
OPENING = 64  # at most so many tokens are drawn at temperature 1 before a row takes its own temperature
EXACT = 64  # of the logits of a row that were made in half precision, so many are made again
KEEP_FREE = 1 << 30  # bytes that stay free on the disk


@dataclass(frozen=True)
class Written:
    """A batch of texts. Row b is ids[b, pads[b]:]: a prompt, then n tokens of the target, the same n for all rows.

    ids: LongTensor [B, P + n], in the first P columns prompts, padded on the left; pads: LongTensor [B].
    hidden: BFloat16Tensor [B, n, d], what the target's head read before each of its n tokens; its law is the softmax
        of head(hidden). mass: FloatTensor [B, n], the logsumexp of these logits: a part of the law can be had alone.
    before: BFloat16Tensor [B, P - 1, d], the same states at all tokens of the prompts but the last.
    """

    ids: torch.Tensor
    pads: torch.Tensor
    hidden: torch.Tensor
    mass: torch.Tensor
    before: torch.Tensor | None = None  # texts that an earlier version wrote come without

    @property
    def new(self) -> int:
        return self.hidden.shape[1]


class Writer:
    """A target that writes: in bfloat16 where the processor has such products, the largest logits in float32."""

    def __init__(self, target):
        self.target, self.device = target, target.device
        self.ends = sorted(ends_of(target, "model"))
        fast = target.device.type == "cuda" or getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
        body = target.base_model
        self.body = copy.deepcopy(body).to(torch.bfloat16) if fast and body.dtype == torch.float32 else body
        self.weight = head_weight(target)
        self.rough = self.weight.to(torch.bfloat16) if fast else self.weight

    @torch.inference_mode()
    def write(self, prompts: list[list[int]], new: int, temperature, opening: int, generator) -> Written:
        """`new` tokens behind each of B prompts, ends of text included: a text may go on behind its end.

        temperature: FloatTensor [B], 0 greedy. opening: every row is drawn at temperature 1 until its first end of text
        or so many tokens, so that greedy rows differ from each other.
        """
        longest = max(map(len, prompts))
        pads = torch.tensor([longest - len(prompt) for prompt in prompts])
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = (torch.arange(longest) >= pads[:, None]).long()
        own, opened = temperature.clone(), torch.full((len(prompts),), opening == 0)
        cache, before, hidden, mass, feed = None, None, [], [], ids
        for step in range(new):
            places = (mask.cumsum(-1) - 1).clamp(min=0)[:, -feed.shape[1] :]
            out = self.body(
                input_ids=feed.to(self.device), attention_mask=mask.to(self.device), use_cache=True,
                position_ids=places.to(self.device), past_key_values=cache,
            )  # fmt: skip
            cache = out.past_key_values
            if not step:
                before = out.last_hidden_state[:, :-1].to(torch.bfloat16).cpu()
            hidden.append(out.last_hidden_state[:, -1].to(torch.bfloat16).cpu())
            logits = self.logits(hidden[-1].to(self.device)).cpu()
            mass.append(logits.logsumexp(-1))
            feed = drawn(logits, torch.where(opened, own, 1.0), generator)[:, None]
            opened |= (torch.isin(feed[:, 0], torch.tensor(self.ends))) | (step + 1 >= opening)
            ids, mask = torch.cat([ids, feed], 1), torch.cat([mask, torch.ones_like(feed)], 1)
        return Written(ids, pads, torch.stack(hidden, 1), torch.stack(mass, 1), before)

    def logits(self, hidden):
        """Hidden states BFloat16Tensor [B, d] -> logits FloatTensor [B, V]; all but the largest ones are rounded."""
        if self.rough is self.weight:
            return hidden.float() @ self.weight.T
        logits = (hidden @ self.rough.T).float()
        best = logits.topk(min(EXACT, logits.shape[-1])).indices
        return logits.scatter(-1, best, torch.einsum("bd,bkd->bk", hidden.float(), self.weight[best]))


def head_weight(target) -> torch.Tensor:
    """The weights [V, d] of a target's head in float32. ValueError if its logits are more than a product with them."""
    head = target.get_output_embeddings()
    probe = torch.arange(4, device=target.device)[None]
    with torch.inference_mode():
        own = target(input_ids=probe, use_cache=False).logits[0].float()
        made = target.base_model(input_ids=probe, use_cache=False).last_hidden_state[0].float() @ head.weight.float().T
    if own.shape != made.shape or not torch.allclose(own, made, atol=0.05 * float(own.abs().max())):
        raise ValueError(
            f"the logits of {type(target).__name__} are not a plain product of its last hidden states and its head; "
            "distillation keeps hidden states in place of logits, and knows such heads only"
        )
    return head.weight.detach().float()


def drawn(logits, temperature, generator) -> torch.Tensor:
    """A token for each row: logits FloatTensor [B, V], temperature FloatTensor [B], 0 greedy -> LongTensor [B]."""
    tokens, some = logits.argmax(-1), (temperature > 0).nonzero()[:, 0]
    if len(some):
        heights = (logits[some] / temperature[some, None]).softmax(-1).cumsum(-1)
        places = torch.rand(len(some), 1, generator=generator) * heights[:, -1:]
        tokens[some] = torch.searchsorted(heights, places, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    return tokens


def beginnings(target, tokenizer, folder: Path, number: int, rows: int, texts, seed: int):
    """(prompts, opening) of batch `number`: how `rows` texts begin, each a list of ids, and how long they are opened.

    A chat model writes questions and answers by turns: from the head of its template on; then answers to the questions
    alone, as they are without a template. Other models write from their beginning of text on. With `texts`, LongTensor
    [T], every third batch goes on from pieces of them.
    """
    random = torch.Generator().manual_seed(mixed(seed, number, 1))
    if texts is not None and number % 3 == 2:
        starts = torch.randint(len(texts) - 48, (rows,), generator=random).tolist()
        sizes = torch.randint(8, 48, (rows,), generator=random).tolist()
        return [texts[start : start + size].tolist() for start, size in zip(starts, sizes, strict=True)], 0
    head = chat_head(tokenizer)
    if head is None:
        begin = next(x for x in (tokenizer.bos_token_id, *sorted(ends_of(target, "model")), 0) if x is not None)
        return [[begin]] * rows, OPENING // 2
    if number % 3 == 0:
        return [head] * rows, OPENING
    asked = questions(load_batch(batch_path(folder, number - number % 3)), sorted(ends_of(target, "model")))
    order = torch.randperm(len(asked), generator=random).tolist()
    return [asked[order[i % len(asked)]] for i in range(rows)], 0


def chat_head(tokenizer) -> list[int] | None:
    """The ids of a chat template up to where a user speaks; None where there is no template."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    mark = "QUESTION"
    text = tokenizer.apply_chat_template([{"role": "user", "content": mark}], tokenize=False)
    return tokenizer.encode(text.split(mark)[0], add_special_tokens=False)


def questions(batch: Written, ends: list[int]) -> list[list[int]]:
    """What the target made users ask in a batch that began with the head of its template: the ids up to the first end
    of text. Rows that ask nothing, or never end, are left out; if all are, they are taken up to `OPENING` tokens."""
    asked = []
    for row in batch.ids[:, -batch.new :].tolist():
        end = next((i for i, token in enumerate(row) if token in ends), None)
        if end is not None and end > 2:
            asked.append(row[:end][-LONGEST_PROMPT:])
    return asked or [row[:OPENING] for row in batch.ids[:, -batch.new :].tolist()]


def written_batch(writer: Writer, tokenizer, folder: Path, number: int, rows: int, new: int, texts, seed: int):
    """Batch `number` of the texts in `folder`, a Written: from disk, or written now and kept. Half of its rows are
    greedy, half at temperature 1. ValueError if the disk has no room for it."""
    path = batch_path(folder, number)
    if path.exists():
        return load_batch(path)
    prompts, opening = beginnings(writer.target, tokenizer, folder, number, rows, texts, seed)
    longest = max(map(len, prompts))
    check_room(folder, rows * (new + longest) * (2 * writer.weight.shape[1] + 12))
    temperature = (torch.arange(rows) % 2).float()
    generator = torch.Generator().manual_seed(mixed(seed, number, 2))
    batch = writer.write(prompts, new, temperature, opening, generator)
    save_state(path, {**vars(batch), "ids": batch.ids.to(torch.int32)})
    return batch


def write_all(
    writer: Writer, tokenizer, folder: Path, batches: int, rows: int, new: int, texts=None, seed: int = 0,
    stopped=lambda: False,
) -> None:  # fmt: skip
    """Sees to it that batches 0 ... batches - 1 are on disk, with a line of progress after each that had to be written.
    After any of them KeyboardInterrupt, if `stopped()`."""
    began, made = time.perf_counter(), 0
    for number in range(batches):
        if batch_path(folder, number).exists():
            continue
        written_batch(writer, tokenizer, folder, number, rows, new, texts, seed)
        made += rows * new
        speed = made / (time.perf_counter() - began)
        left = (batches - number - 1) * rows * new / speed / 60
        log.info("written: %d of %d batches, %.0f tokens/s, %.0f min left", number + 1, batches, speed, left)
        if stopped():
            raise KeyboardInterrupt(f"stopped after batch {number + 1} of {batches}")


def batch_path(folder: Path, number: int) -> Path:
    return folder / f"written-{number:04d}.pt"


def load_batch(path: Path) -> Written:
    state = load_state(path)
    return Written(**{**state, "ids": state["ids"].long()})


def check_room(folder: Path, needed: int) -> None:
    """ValueError unless the disk of `folder` has room for `needed` bytes and some more."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed + KEEP_FREE:
        raise ValueError(
            f"{folder} has {free / 1e9:.1f} GB free, and {(needed + KEEP_FREE) / 1e9:.1f} GB are needed: "
            "make room, or name another folder with --work"
        )


def mixed(*numbers: int) -> int:
    """One seed of several numbers."""
    import numpy as np

    return int(np.random.default_rng(numbers).integers(2**62))
