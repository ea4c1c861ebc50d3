"""Texts for measurements: prompts, and scripts with a wanted acceptance rate.

Knows: ids. Does not know: clocks, drafters.
"""

from __future__ import annotations

import torch

PROMPT_TOKENS = 32


def prompt_for(draft, target, n=PROMPT_TOKENS, seed=0):
    """LongTensor [n] of small ids: models that count stay inside both vocabularies for the whole text."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(min(draft.config.vocab_size, target.config.vocab_size) // 4, (n,), generator=generator)


def script(text, start: int, rate: float, vocab_size: int, seed: int):
    """What a drafter proposes at every place of a known text: the right token with probability `rate`, else another.

    Greedy verification judges every place at most once: behind a rejection the next draft starts one place further. So
    one coin per place gives independent judgements with exactly this chance.

    Args:
        text: LongTensor [T], prompt and what the target writes. start: length of the prompt. vocab_size: wrong tokens
        are drawn from 0 ... vocab_size - 1, where all of the text lies.

    Returns:
        LongTensor [T], the prompt unchanged.
    """
    generator = torch.Generator().manual_seed(seed)
    right = torch.rand(len(text), generator=generator, dtype=torch.float64) < rate
    right[:start] = True
    wrong = (text + torch.randint(1, vocab_size, (len(text),), generator=generator)) % vocab_size
    return torch.where(right, text, wrong)
