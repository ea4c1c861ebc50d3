"""Drafters for the final project: good ones, weak ones, and ones that cheat. What each is worth is in test_project."""

import time
from collections import Counter, OrderedDict, defaultdict
from itertools import pairwise

import torch

from answers import right, wrong


def signs_of(texts, words):
    """A sign for each token: names and numbers have one for all."""
    before_a_piece, times = Counter(), Counter(texts.flatten().tolist())
    piece = [word[:1].isalpha() for word in words]  # no space in front: it goes on
    for first, second in pairwise(texts.flatten().tolist()):
        before_a_piece[first] += piece[second]
    names = [piece[i] or before_a_piece[i] > 0.5 * times[i] for i in range(len(words))]
    return [-1 if names[i] else -2 if word.strip().isdigit() else i for i, word in enumerate(words)]


def contexts(text, signs, most=7):
    """Hashes of the newest token and 0, 1, ... signs before it, a run of a sign being one."""
    key, last, found = hash((text[-1],)), signs[text[-1]], [hash((text[-1],)) & (1 << 62) - 1]
    for token in reversed(text[-40:-1]):
        if signs[token] == last < 0:
            continue
        last = signs[token]
        key = hash((key, last))
        found.append(key & (1 << 62) - 1)
        if len(found) == most:
            break
    return found


@right("ProjectDrafter")
class BySigns:
    """Counted in dicts; a context is kept where it says something else than the shorter one."""

    @staticmethod
    def train(texts, words, seconds):
        signs, counts, began = signs_of(texts, words), defaultdict(Counter), time.process_time()
        for row in texts.tolist():
            for i in range(1, len(row)):
                for key in contexts(row[max(0, i - 41) : i], signs):
                    counts[key][row[i]] += 1
            if time.process_time() - began > 0.7 * seconds:
                break
        kept = {}
        for key, after in counts.items():
            token, times = after.most_common(1)[0]
            if times > 1:
                kept[key] = token, times / (after.total() + 2)
        best = sorted(kept, key=lambda key: -counts[key].total())[:120_000]
        return {
            "keys": torch.tensor(best),
            "tokens": torch.tensor([kept[key][0] for key in best], dtype=torch.int16),
            "trust": torch.tensor([round(255 * kept[key][1]) for key in best], dtype=torch.uint8),
            "signs": torch.tensor(signs, dtype=torch.int16),
        }

    def __init__(self, state):
        self.signs = state["signs"].tolist()
        guesses = torch.stack([state["tokens"].long(), state["trust"].long()], 1).tolist()
        self.table = dict(zip(state["keys"].tolist(), guesses, strict=True))

    def guess(self, text):
        found = [self.table[key] for key in contexts(text, self.signs) if key in self.table]
        token, trust = found[-1] if found else (0, 0)
        for n in (5, 4, 3, 2, 1):
            for at in range(len(text) - n - 1, -1, -1):
                if text[at : at + n] == text[-n:]:
                    return (text[at + n], trust) if 60 * n > trust else (token, trust)
        return token, trust

    def propose(self, ids, k):
        text = ids.tolist()
        while len(text) < len(ids) + k:
            text.append(self.guess(text)[0])
        return torch.tensor(text[len(ids) :])


@right("ProjectDrafter")
class AsOneTensor(BySigns):
    """The same in other forms: one tensor, an answer that is a list, a state that is an OrderedDict of parameters."""

    @staticmethod
    def train(texts, words, seconds):
        state = BySigns.train(texts, words, seconds)
        parts = [state["keys"], *(state[name].long() for name in ("tokens", "trust", "signs"))]
        parts[1:3] = [parts[1] * 256 + parts[2]]
        return OrderedDict(
            keys=state["keys"], rest=torch.nn.Parameter(torch.cat(parts[1:]).float(), requires_grad=False)
        )

    def __init__(self, state):
        rest, n = state["rest"].long(), len(state["keys"])
        self.signs = rest[n:].tolist()
        guesses = torch.stack([rest[:n] // 256, rest[:n] % 256], 1).tolist()
        self.table = dict(zip(state["keys"].tolist(), guesses, strict=True))

    def propose(self, ids, k):
        return super().propose(ids, k).tolist()


@right("ProjectDrafter")
class StopsWhenUnsure(BySigns):
    """Drafts are as long as they are trusted; the text is followed as it grows."""

    def __init__(self, state):
        super().__init__(state)
        self.text = []

    def propose(self, ids, k):
        self.text += ids[len(self.text) :].tolist()
        draft = []
        while len(draft) < k:
            token, trust = self.guess(self.text + draft)
            if draft and trust < 10:
                break
            draft.append(token)
        return torch.tensor(draft, dtype=torch.long)


@wrong("ProjectDrafter", says="every draft is empty")
class Nothing:
    @staticmethod
    def train(texts, words, seconds):
        return {"nothing": torch.zeros(1)}

    def __init__(self, state):
        pass

    def propose(self, ids, k):
        return ids[:0]


@wrong("ProjectDrafter", says="The next bar is")
class Bigram:
    @staticmethod
    def train(texts, words, seconds):
        n = len(words)
        counts = torch.bincount((texts[:, :-1] * n + texts[:, 1:]).flatten(), minlength=n * n).view(n, n)
        return {"next": counts.argmax(-1).to(torch.int16)}

    def __init__(self, state):
        self.next = state["next"].tolist()

    def propose(self, ids, k):
        draft = [int(ids[-1])]
        for _ in range(k):
            draft.append(self.next[draft[-1]])
        return torch.tensor(draft[1:])


@wrong("ProjectDrafter", says="tokens per call")  # near a speed-up of 1: the next bar, or that it costs too much
class PromptLookup:
    @staticmethod
    def train(texts, words, seconds):
        return {"nothing": torch.zeros(1)}

    def __init__(self, state):
        pass

    def propose(self, ids, k):
        text = ids.tolist()
        for n in (3, 2, 1):
            for at in range(len(text) - n - 1, -1, -1):
                if text[at : at + n] == text[-n:]:
                    return torch.tensor(text[at + n : at + n + k])
        return ids[:0]


@wrong("ProjectDrafter", says="at most k tokens")
class DraftsTooMuch(Bigram):
    def propose(self, ids, k):
        return super().propose(ids, k + 1)


@wrong("ProjectDrafter", says="bytes of numbers")
class KeepsTooMuch(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        return Bigram.train(texts, words, seconds) | {"all": texts.to(torch.int32)}


@wrong("ProjectDrafter", says="cannot be kept")
class KeepsText(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        return {**Bigram.train(texts, words, seconds), "words": words}


@wrong("ProjectDrafter", says="no method `propose`")
class CannotPropose:
    @staticmethod
    def train(texts, words, seconds):
        return {"nothing": torch.zeros(1)}

    def __init__(self, state):
        pass


@wrong("ProjectDrafter", says="cannot be kept")
class ReturnsNothing(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        Bigram.train(texts, words, seconds)
