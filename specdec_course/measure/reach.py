"""What a draft model would guess at every place of a text that the target wrote, and how much of it would be accepted.

Knows: greedy drafts from a cache; a made-up text of equally hard places. Does not know: rules that choose how far to
guess.
"""

from __future__ import annotations

import torch

from ..cache import CachedModel
from ..decoding import generate


class DraftedText:
    """A text of the target, and what the small model would draft at each of its places.

    ids: the text; start: where the new tokens begin.
    reach[i]: how many drafted tokens would be accepted by a round that begins at place i of the new tokens.
    sure[i]: how sure the small model is of each token of that draft.
    """

    def __init__(self, pair, prompt, longest: int, new_tokens: int = 128):
        self.ids = generate(pair.target, prompt, max_new_tokens=new_tokens, eos_token_id=None).tokens
        self.start, self.reach, self.sure = len(prompt), [], []
        small = CachedModel(pair.draft)
        small.append(self.ids[: len(prompt) - 1])
        for place in range(len(prompt), len(self.ids)):
            guesses, sure = _draft(small, self.ids[place - 1 : place], longest)
            small.rollback(longest - 1)  # the first of them was fed the true token: that one stays
            truth = self.ids[place : place + longest].tolist()
            wrong = [i for i, (a, b) in enumerate(zip(guesses, truth, strict=False)) if a != b]
            self.reach.append(wrong[0] if wrong else len(truth))
            self.sure.append(sure)


class CoinText:
    """A made-up text: each guess is right with chance alpha, independently of all others. `reach` as in DraftedText."""

    def __init__(self, alpha: float, longest: int, places: int = 20_000, seed: int = 0):
        good = (torch.rand(places, generator=torch.Generator().manual_seed(seed)) < alpha).tolist()
        self.reach, run = [], 0
        for right in reversed(good):
            run = run + 1 if right else 0
            self.reach.append(min(run, longest))
        self.reach.reverse()


def _draft(small, token, longest: int) -> tuple[list[int], list[float]]:
    guesses, sure = [], []
    for _ in range(longest):
        confidence, token = torch.softmax(small.append(token)[-1], -1).max(-1, keepdim=True)
        guesses.append(int(token))
        sure.append(float(confidence))
    return guesses, sure
