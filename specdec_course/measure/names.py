"""What models pay for names: nats for the later pieces of a word, by whether it stood in the article before."""

from __future__ import annotations

import statistics

import torch

from ..corpora.atlas import articles

LONGEST = 600  # tokens of an article that are read


@torch.no_grad()
def on_names(tokenizer, models: dict, count: int = 12, split: str = "test") -> dict:
    """Mean nats that each model pays per later piece of a word (mostly of names) in `count` articles of a split.

    `NAME_seen` is over the pieces whose three tokens (the piece and the two before it) stood in the article before,
    `NAME_new` over the others; None where there are none. A model that copies pays little for `seen`.
    """
    paid = {(name, seen): [] for name in models for seen in (True, False)}
    for text in articles(count=count, split=split):
        ids = [tokenizer.eos_token_id, *tokenizer.encode(text)][:LONGEST]
        pieces = tokenizer.convert_ids_to_tokens(ids)
        nats = {name: _nats(model, ids) for name, model in models.items()}
        before = set()
        for i in range(2, len(ids)):
            three = tuple(ids[i - 2 : i + 1])
            if pieces[i].isascii() and pieces[i].isalpha():  # a space in front would be a letter beyond ASCII
                for name in models:
                    paid[name, three in before].append(nats[name][i - 1])
            before.add(three)
    figures = {
        f"{name}_{'seen' if seen else 'new'}": round(statistics.fmean(values), 3) if values else None
        for (name, seen), values in paid.items()
    }
    some = next(iter(models))
    return figures | {"pieces_seen": len(paid[some, True]), "pieces_new": len(paid[some, False])}


def _nats(model, ids: list[int]) -> list[float]:
    """Cross-entropy in nats of ids[1:], each after all before it; len(ids) - 1 numbers."""
    row = torch.tensor(ids, device=model.device)[None]
    logits = model(row[:, :-1], use_cache=False).logits[0].float()
    return torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="none").tolist()
