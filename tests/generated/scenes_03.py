"""Unit 03 with real ids, and logits as models give them: all negative, winners a hair ahead; loops with logs."""

import torch

from specdec_course.trace import Round

V = 151_936
CLOSE = {"tokens_per_call": 1e-6, "acceptance_rate": 1e-6}


def _counted(draft, choice):
    return lambda accepted_length: int(accepted_length(torch.tensor(draft, dtype=torch.long),
                                                       torch.tensor(choice, dtype=torch.long)))


HIGH = [151_935, 128_000, 0, 77, 100_000, 65_536 + 77, 32_768, 9]
LENGTHS = [(HIGH[:k], [*HIGH[:n], *(x + 50_000 if x < 50_000 else x - 50_000 for x in HIGH[n:])][: k + extra])
           for k in range(8) for n in range(k + 1) for extra in (0, 1) if k + extra <= 8]
LENGTHS += [([5, 6, 5, 6], [5, 7, 5, 6, 1]), ([0, 0, 0], [0, 0, 0, 0]), ([3], [3, 3, 3, 3]), ([65_541], [5]),
            ([5] * 40, [5] * 39 + [6])]  # fmt: skip


def logits_for(choice, seed, size=V, lead=1e-3, low=-40.0, dtype=torch.float32):
    """Rows as models give them, below zero, whose winner is ahead by `lead`."""
    rng = torch.Generator().manual_seed(seed)
    rows = low + 3 * torch.randn(len(choice), size, generator=rng, dtype=dtype).clamp(-4, 4)
    rows[torch.arange(len(choice)), torch.tensor(choice)] = rows.max(-1).values + lead
    return rows


def _round(draft, choice, **shape):
    logits = logits_for(choice, len(draft), **shape)
    return lambda verify_greedy: verify_greedy(torch.tensor(draft, dtype=torch.long), logits).tolist()


SMALL = dict(size=300)
ROUNDS = [_round(HIGH[:3], HIGH[:4]), _round(HIGH[:2], [HIGH[0], 5, 6]), _round([], [HIGH[0]])]
ROUNDS += [_round([10, 20, 30, 40][:k], [10, 20, 30, 40, 50][:n] + [60, 61, 62, 63, 64][n : k + 1], **SMALL)
           for k in range(5) for n in range(k + 1)]
ROUNDS += [_round([10, 20, 30], [10, 21, 30, 5], **SMALL, low=low, lead=lead) for low, lead in
           ((-300.0, 0.02), (0.0, 1e-2), (40.0, 1e-3), (-2.0, 0.3))]
ROUNDS += [_round([10, 20], [10, 20, 5], **SMALL, dtype=torch.float64, lead=1e-9)]


def _tied(verify_greedy):
    logits = torch.full((3, 50), -7.0)
    logits[0, 4] = logits[1, 7] = logits[1, 11] = logits[2, 9] = logits[2, 3] = -2.0
    return [verify_greedy(torch.tensor(d), logits).tolist() for d in ([4, 11], [4, 7])]


def target_of(seed, size=60, eos=None, at=None):
    """A pure, causal Forward whose every row depends on the whole text before it."""
    rng = torch.Generator().manual_seed(seed)
    table, weights = torch.randn(509, size, generator=rng) - 9, torch.randint(1, 509, (400,), generator=rng)

    def target(ids):
        rows = table[((ids + 1) * weights[: len(ids)]).cumsum(0) % 509].clone()
        if eos is not None:
            rows[:, eos] = -50.0
            for place in at:
                if 0 < place <= len(ids):
                    rows[place - 1, eos] = 5.0
        return rows

    return target


def decoded(target, ids, n):
    for _ in range(n):
        ids = torch.cat([ids, target(ids)[-1].argmax(-1, keepdim=True)])
    return ids


def drafter(target, mood, calls):
    def propose(ids, k):
        calls.append(ids.tolist())
        draft = decoded(target, ids, k)[len(ids) :].clone()
        cut = {"perfect": k, "half": len(ids) % 4, "never": 0, "short": k}[mood]
        draft[cut : cut + 1] = (draft[cut : cut + 1] + 1) % 60
        return draft[: len(ids) % 3] if mood == "short" else draft

    return propose


def _loop(mood, k, budget, prompt=(1, 2, 3, 4), eos=None, at=()):
    def scene(generate_speculative):
        target, calls, asked = target_of(k + budget, eos=eos, at=at), [], []

        def watched(ids):
            calls.append(len(ids))
            assert len(calls) < 60
            return target(ids)

        given = torch.tensor(prompt)
        out = generate_speculative(watched, given, drafter(target, mood, asked), k, budget, eos)
        rounds = [[r.drafted, r.accepted, r.emitted] for r in out.rounds]
        if len(out.ids) == len(prompt) + budget and rounds:
            rounds[-1][:2] = []  # the last draft may be cut, or asked for shorter: both are right
        return [out.ids.tolist(), rounds, len(calls), given.tolist() == list(prompt)]

    return scene


LOOPS = [_loop(mood, k, budget) for mood in ("perfect", "half", "never", "short") for k, budget in
         ((1, 5), (3, 9), (4, 13), (8, 6), (5, 1), (4, 0), (0, 4))]
LOOPS += [_loop(mood, 4, 12, eos=7, at=(4 + i,)) for mood in ("perfect", "half") for i in range(7)]
LOOPS += [_loop("perfect", 5, 12, eos=7, at=(5, 7)), _loop("perfect", 5, 12, eos=0, at=(6,)),
          _loop("half", 3, 8, (1, 7, 3), eos=7, at=()), _loop("perfect", 3, 8, (1, 3, 7), eos=7, at=(5,)),
          _loop("perfect", 3, 6, (1,)), _loop("never", 2, 6, eos=7, at=(9,))]  # fmt: skip


def _number(rounds):
    return lambda function: float(function([Round(*r) for r in rounds]))


TRACES = [[(4, 4, 5), (4, 1, 2), (3, 0, 1)], [(4, 4, 5), (4, 3, 3)], [(0, 0, 1)] * 3, [], [(0, 0, 1), (4, 3, 4)],
          [(7, 7, 8)], [(1, 0, 1)], [(5, 2, 3), (2, 2, 2)], [(8, 8, 9), (8, 0, 1), (1, 1, 2), (3, 2, 2)], [(4, 4, 4)],
          [(3, 0, 1)] * 500 + [(3, 3, 4)]]  # fmt: skip
SCENES = {
    "accepted_length": [_counted(*x) for x in LENGTHS],
    "verify_greedy": [*ROUNDS, _tied],
    "generate_speculative": LOOPS,
    "tokens_per_call": [_number(x) for x in TRACES],
    "acceptance_rate": [_number(x) for x in TRACES],
}
