"""A model that thinks learns to think less: policy gradient on a length reward, on problems whose answers can be
judged.

Knows: how samples and rewards become a gradient. Does not know: which reward is a good one (rewards), other kinds of
problems.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from ..corpora import sums
from ..decoding.chains import write_chains

LONGEST = 200  # tokens of a chain


def learn_thrift(model, reward: Callable, steps: Sequence[int] = (1, 2, 3), updates: int = 40, problems: int = 12,
                 samples: int = 8, rate: float = 3e-4, seed: int = 0, say=None) -> list[dict]:  # fmt: skip
    """Lets the model (which is changed) write chains at temperature 1 and raises the probability of those that are
    rewarded above the mean of their problem (REINFORCE, with the group's mean as baseline).

    Args:
        reward: `reward(lengths, correct)` -> list of floats, for the samples of one problem.
        steps: of the problems. updates: of the weights; each sees `problems` problems with `samples` chains each.

    Returns:
        list of {"update", "length", "accuracy", "reward"}: means over the chains that each update learned from.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    model.requires_grad_(True)
    logged = []
    for update in range(updates):
        asked = drawn(problems, steps, f"{seed} {update}")
        prompts = [sums.encode(sums.question(one)).tolist() for one in asked for _ in range(samples)]
        chains = write_chains(model, prompts, LONGEST, [sums.END], 1.0, seed=1000 * seed + update)
        lengths = [len(chain) for chain in chains]
        correct = [sums.is_right(asked[i // samples], sums.decode(chain)) for i, chain in enumerate(chains)]
        groups = [slice(i, i + samples) for i in range(0, len(chains), samples)]
        rewards = torch.tensor([reward(lengths[group], correct[group]) for group in groups])
        advantages = (rewards - rewards.mean(1, keepdim=True)).flatten()
        loss = -(advantages * log_probabilities(model, prompts, chains)).sum() / sum(lengths)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        logged.append({"update": update, "length": sum(lengths) / len(lengths),
                       "accuracy": sum(correct) / len(correct), "reward": float(rewards.mean())})  # fmt: skip
        if say and (update % 10 == 0 or update + 1 == updates):
            last = logged[-1]
            say(f"update {update}: {last['length']:.0f} tokens, right {last['accuracy']:.0%}")
    model.requires_grad_(False)
    return logged


def drawn(count: int, steps: Sequence[int], seed: str) -> list[list[int]]:
    """Problems with one of these numbers of steps each."""
    rng = random.Random(seed)
    return [sums.problem(rng.choice(list(steps)), rng) for _ in range(count)]


def log_probabilities(model, prompts: Sequence[Sequence[int]], chains: Sequence[Sequence[int]]) -> torch.Tensor:
    """FloatTensor [N]: the log-probability of each chain behind its prompt, with gradients."""
    texts = [torch.tensor([*prompt, *chain]) for prompt, chain in zip(prompts, chains, strict=True)]
    own = [torch.arange(len(text)) >= len(prompt) for text, prompt in zip(texts, prompts, strict=True)]
    ids, own = (pad_sequence(rows, batch_first=True) for rows in (texts, own))
    logits = model(ids[:, :-1], use_cache=False).logits.float()  # padding stands behind: no position sees it
    found = -F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    return (found * own[:, 1:]).sum(1)
