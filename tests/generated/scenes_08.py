"""Unit 08 on texts that repeat: ids of real models, ties, rows of all lengths, long matches, many rounds."""

import torch


def _text(length, size, seed, low=0):
    """A text over few real ids, in which pieces come again."""
    rng = torch.Generator().manual_seed(seed)
    ids = [0, 151_935, 65_541, 5, 100_000, 70_000, 32_768, 17, 9, 128_255, 3, 50_001][low : low + size]
    likes = torch.randint(size, (size, size), generator=rng).tolist()
    stray = torch.randint(size, (length,), generator=rng).tolist()
    lucky = (torch.rand(length, generator=rng) < 0.6).tolist()
    text = stray[:2]
    for i in range(2, length):
        text.append(likes[text[-2]][text[-1]] if lucky[i] else stray[i])
    return [ids[i] for i in text[:length]]


def _tables(data, n):
    def scene(build_ngram_tables):
        tables = build_ngram_tables(data, n)
        return [[sorted((list(map(int, key)), int(token)) for key, token in table.items()) for table in tables],
                [all(type(one) is int for key in table for one in key) for table in tables]]

    return scene


WINDOWS = torch.tensor([_text(24, 6, seed) for seed in range(8)])
UNEVEN = [torch.tensor(_text(n, 5, n)) for n in (1, 2, 3, 9, 30)]
TIES = torch.tensor([[5, 9, 5, 7, 5, 9, 5, 7, 3, 0, 3, 2, 9, 9, 7, 7]])
TABLES = [_tables(torch.tensor([_text(200, 8, 1)]), n) for n in (1, 2, 3, 5)]
TABLES += [_tables(WINDOWS, n) for n in (2, 3, 4)] + [_tables(UNEVEN, n) for n in (1, 2, 3, 4)]
TABLES += [_tables(TIES, 2), _tables(TIES[0], 3), _tables(list(WINDOWS), 3), _tables(torch.tensor(_text(60, 4, 4)), 2)]


def _known(seed, n, share, empty=True):
    """Tables that know a part of the contexts; each with a follower of its own."""
    rng = torch.Generator().manual_seed(seed)
    ids = [0, 151_935, 65_541]
    pick = lambda: ids[int(torch.randint(3, (), generator=rng))]  # noqa: E731
    tables, contexts = [{(): pick()} if empty else {}], [()]
    for _ in range(1, n):
        contexts = [(*one, token) for one in contexts for token in ids]
        tables.append({one: pick() for one in contexts if float(torch.rand((), generator=rng)) < share})
    return tables


def _drafted(context, tables, k):
    def scene(draft_with_backoff):
        draft = draft_with_backoff(torch.tensor(context, dtype=torch.long), tables, k)
        return [draft.tolist(), str(draft.dtype)]

    return scene


DRAFTS = [
    _drafted(_text(length, 3, seed), _known(seed, n, share, empty), k)
    for seed, (length, n, share, empty, k) in enumerate(
        [
            (9, 2, 1.0, True, 5),
            (9, 3, 0.5, True, 9),
            (9, 3, 0.5, False, 9),
            (12, 4, 0.3, True, 12),
            (9, 4, 0.3, False, 7),
            (2, 4, 0.6, True, 6),
            (0, 3, 0.6, True, 6),
            (1, 3, 0.6, False, 4),
            (5, 1, 1.0, True, 4),
            (5, 3, 0.6, True, 0),
            (7, 3, 0.2, True, 8),
            (7, 4, 0.15, True, 8),
            (8, 2, 0.4, False, 8),
            (30, 5, 0.3, True, 20),
        ]
    )
]
DRAFTS += [_drafted([], [{}], 3), _drafted([4], [{}, {(4,): 0, (0,): 0}], 5), _drafted([7, 7], [{(): 0}, {}], 3)]


def _looked_up(text, k, *more, **named):
    def scene(prompt_lookup):
        ids = torch.tensor(text, dtype=torch.long)
        draft = prompt_lookup(ids, k, *more, **named)
        return [draft.tolist(), str(draft.dtype), ids.tolist() == list(text)]

    return scene


LOOKUPS = [_looked_up(_text(length, size, 10 * size + length), k, most) for length, size in
           ((3, 2), (9, 2), (30, 3), (30, 5), (200, 6), (200, 12)) for k in (1, 4, 20) for most in (1, 2, 3, 6)]
LOOKUPS += [
    _looked_up(text, 4)
    for text in (
        [],
        [7],
        [7, 7],
        [7, 8],
        [7, 8, 7],
        [1, 2, 3, 4],
        [1, 2, 1, 2, 1, 2],
        [6] * 9,
        [5, 1, 2, 9, 1, 2, 8, 5, 1, 2],
        [1, 2, 3, 9, 2, 3, 8, 3, 7, 1, 2, 3],
    )
]
LOOKUPS += [
    _looked_up([6] * 9, 0),
    _looked_up([1, 2, 1], 3, 99),
    _looked_up([1, 2, 3, 4, 9, 2, 3, 4, 8, 1, 2, 3, 4], 2),
    _looked_up([1, 2, 3, 4, 9, 2, 3, 4, 8, 1, 2, 3, 4], 2, max_ngram=4),
]


def behind(text):
    """The places behind the longest ending that stood in the text before."""
    best, found = 0, []
    for end in range(1, len(text)):
        n = 0
        while n < end and text[end - 1 - n] == text[-1 - n]:
            n += 1
        found = [] if n > best else found
        best = max(n, best)
        if n and n == best:
            found.append(end)
    return found


def _followed(text, begin=0, ks=(1, 3, 30), make=list):
    """Whether every draft on the way is one that followed the longest ending, of the length that is due; in numbers."""

    def scene(SuffixAutomaton):
        automaton = SuffixAutomaton(make(text[:begin])) if begin else SuffixAutomaton()
        other, seen = SuffixAutomaton(), []
        for end in range(begin, len(text)):
            automaton.extend(text[end] if end % 2 else torch.tensor(text[end]))
            known = text[: end + 1]
            for k in ks:
                draft = automaton.propose(k)
                allowed = [known[place : place + k] for place in behind(known)] or [[]]
                seen.append([draft.tolist() in allowed, str(draft.dtype)])
        return [seen, other.propose(3).tolist()]

    return scene


PERIODS = [([7] * 12, 0), ([7, 8] * 9, 0), ([1, 2, 3] * 7 + [4] + [1, 2, 3] * 6, 4)]
AUTOMATA = [_followed(_text(length, size, length), begin) for length, size, begin in
            ((40, 2, 0), (60, 3, 20), (80, 5, 0), (90, 8, 30))]
AUTOMATA += [_followed(text, begin) for text, begin in PERIODS]
AUTOMATA += [
    _followed(_text(70, 4, 3), 40, make=torch.tensor),
    _followed([1, 2, 3, 4, 5], 0, (0, 2)),
    _followed([9], 0),
]
AUTOMATA += [
    lambda made: made().propose(3).tolist(),
    lambda made: made(torch.empty(0, dtype=torch.long)).propose(2).tolist(),
]


def _turns(*sizes, k=8, rounds=2):
    def scene(combine):
        asked, drafts = [], [torch.arange(100 * (i + 1), 100 * (i + 1) + size) for i, size in enumerate(sizes)]

        def made(place):
            def drafter(ids, k):
                asked.append([place, ids.tolist(), k])
                return drafts[place][:k].clone()

            return drafter

        propose, heard = combine([made(place) for place in range(len(sizes))]), []
        for turn in range(rounds):
            draft = propose(torch.arange(3 + turn), k)
            heard.append([draft.tolist(), str(draft.dtype)])
            drafts[:] = drafts[1:] + drafts[:1]
        return [heard, asked]

    return scene


CLOSE: dict[str, float] = {}  # ids and counts are whole
SCENES = {
    "build_ngram_tables": TABLES,
    "draft_with_backoff": DRAFTS,
    "prompt_lookup": LOOKUPS,
    "SuffixAutomaton": AUTOMATA,
    "combine": [_turns(3, 5), _turns(0, 4, 1, rounds=4), _turns(0, 0), _turns(), _turns(1),
                _turns(0, 0, 2, 9, rounds=5), _turns(12, k=5), _turns(2, 0, 7, k=1, rounds=3)],
}  # fmt: skip
