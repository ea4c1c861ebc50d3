"""Unit 13 on thoughts as small reasoners have them: digits, marks and ends, chains that disagree."""

import itertools
import random

MARK, END = 16, 0


def _list(found):
    return [int(one) for one in found]


def _thinker(seed, prompt, thinks, answers, ends=False):
    def next_token(ids):
        ids = [int(one) for one in ids]
        own = ids[len(prompt) :]
        draw = random.Random(f"{seed} {ids}").randint(1, 15)
        if MARK not in own:
            return draw if len(own) != thinks else END if ends else MARK
        return END if len(own) - own.index(MARK) - 1 == answers else draw

    return next_token


def _budget(seed, thinks, budget, answers=3, longest=8, ends=False, prompt=(3, 4, 5)):
    def scene(force_budget):
        calls, given = [], list(prompt)
        model = _thinker(seed, given, thinks, answers, ends)

        def next_token(ids):
            calls.append(len(ids))
            if len(calls) > 300:
                raise RuntimeError("endless")
            return model(ids)

        ids, thought = force_budget(next_token, given, budget, MARK, END, longest)
        return [_list(ids), int(thought), calls, given == list(prompt)]

    return scene


BUDGETS = [_budget(seed, *given) for seed, given in enumerate((
    (9, 4), (4, 9), (5, 5), (5, 0), (0, 5), (0, 0), (20, 19), (19, 20), (7, 3, 5, 2), (7, 3, 5, 1), (3, 7, 1), (3, 7,
                                                                                                                0)))]
BUDGETS += [_budget(20, 5, 9, ends=True), _budget(21, 0, 9, ends=True), _budget(22, 5, 3, ends=True),
            _budget(23, 6, 4, prompt=(3, MARK, 4, END, 5)), _budget(24, 4, 6, prompt=(3, MARK, 4, END, 5)),
            _budget(25, 40, 33, 6, 20), _budget(26, 4, 2, prompt=(MARK,))]


def _route(probabilities, threshold, long=6):
    def scene(route):
        calls = []
        answer = list(range(11, 11 + len(probabilities)))

        def fast(prompt):
            calls.append(("fast", _list(prompt)))
            return list(answer), list(probabilities)

        def slow(prompt):
            calls.append(("slow", _list(prompt)))
            return list(range(30, 30 + long))

        found, spent = route(fast, slow, [1, 2, 3], threshold)
        return [_list(found), int(spent), sorted(calls)]

    return scene


ROUTES = [_route(*given) for given in (
    ([0.9, 0.8], 0.7), ([0.9, 0.8], 0.73), ([0.9, 0.8], 0.85), ([0.6, 0.9, 0.9], 0.5), ([0.6, 0.9, 0.9], 0.47),
    ([], 0.0), ([], 0.5), ([0.3], 0.2), ([0.3], 0.4), ([1.0, 1.0], 1.0), ([0.99], 1.0), ([0.5, 0.5], 0.0), ([0.9] * 8,
                                                                                                            0.5),
    ([0.9] * 8, 0.4), ([0.9, 0.8], 1.5), ([0.4, 0.4, 0.4], 0.9, 0), ([0.5, 0.5], 0.25), ([0.25, 0.5], 0.125))]


def _steps(seed, threshold, most, stops=(), lows=None):
    """stops: (number of the step, who ends it); lows: for each step the least probability of the small model's."""

    def scene(speculative_step):
        prompt, calls = [7, 8], []

        def step(who, text):
            text = _list(text)
            rng = random.Random(f"{seed} {who} {text}")
            found = [rng.randint(1, 15) for _ in range(rng.randint(1, 5))]
            number = sum(one == 16 for one in text)
            return [*found, 16, *([END] if (number, who) in stops else [])]

        def small(text):
            calls.append(("small", len(text)))
            if len(calls) > 300:
                raise RuntimeError("endless")
            return step("small", text)

        def large(text):
            calls.append(("large", len(text)))
            return step("large", text)

        def score(text, given):
            calls.append(("score", len(text), len(given)))
            rng = random.Random(f"{seed} score {_list(text)} {_list(given)}")
            found = [rng.uniform(0.7, 1.0) for _ in given]
            number = sum(one == 16 for one in _list(text))
            found[rng.randrange(len(found))] = lows[number % len(lows)] if lows else rng.uniform(0, 0.9)
            return found

        ids, kept = speculative_step(small, large, score, list(prompt), threshold, END, most)
        return [_list(ids), [bool(one) for one in kept], sorted(calls)]

    return scene


STEPS = [_steps(seed, threshold, most) for seed, (threshold, most) in enumerate(
    ((0.5, 4), (0.5, 1), (0.5, 0), (0.0, 3), (1.1, 3), (0.3, 6), (0.7, 6), (0.45, 9)))]
STEPS += [
    _steps(20, 0.5, 6, {(2, "small")}, [0.9, 0.2, 0.9]), _steps(21, 0.5, 6, {(1, "small")}, [0.9, 0.2, 0.9]),
    _steps(22, 0.5, 6, {(1, "large")}, [0.9, 0.2, 0.9]), _steps(23, 0.5, 6, {(0, "small"), (0, "large")}, [0.1]),
    _steps(24, 0.5, 4, {(2, "large")}, [0.9]), _steps(25, 0.5, 4, (), [0.5, 0.4]), _steps(26, 0.5, 1, {(0, "small")},
                                                                                          [0.9]),
]


def _vote(given, most):
    def scene(vote_until):
        asked, rest = [], iter(given)

        def think():
            asked.append(1)
            if len(asked) > 60:
                raise RuntimeError("endless")
            return next(rest, 0)

        winner, used = vote_until(think, most)
        return [winner if winner is None else int(winner), int(used), len(asked)]

    return scene


VOTES = [_vote(given, 5) for given in itertools.product((1, 2, 3), repeat=5)][::7]
VOTES += [_vote(given, 4) for given in itertools.product((1, 2, None), repeat=4)][::4]
VOTES += [_vote(given, 6) for given in itertools.product((2, 1), repeat=6)][::5]
VOTES += [_vote([1], 1), _vote([None], 1), _vote([None] * 3, 3), _vote([0, 1, 0, 1, 1], 5), _vote([5, 5], 2),
          _vote([random.Random(i).choice((3, 4, 5, None)) for i in range(20)], 20)]


def _rewards(kind, lengths, correct, *more, **numbers):
    def scene(length_reward):
        given = list(lengths), list(correct)
        try:
            found = length_reward(kind, *given, *more, **numbers)
        except ValueError:
            return ["refused", given == (list(lengths), list(correct))]
        return [[float(one) for one in found], given == (list(lengths), list(correct))]

    return scene


_SOME = ([10, 50, 100, 149, 151, 290, 400], [True, False, True, True, False, True, False])
REWARDS = [
    _rewards("lcpo_max", *_SOME, 150, 0.004, 0.5), _rewards("lcpo_max", *_SOME, 150, 0.02, 0.3),
    _rewards("lcpo_max", *_SOME, 150), _rewards("lcpo_max", [0, 2000, 5000], [True] * 3, 1500),
    _rewards("kimi", *_SOME), _rewards("kimi", *_SOME, 150), _rewards("kimi", [7, 7], [True, False]),
    _rewards("kimi", [7], [True]), _rewards("kimi", [5, 9, 6], [False, False, True]), _rewards("kimi", [], []),
    _rewards("kimi", [3, 8], [False, False]),
    _rewards("dast", *_SOME, 150), _rewards("dast", [0, 75, 150, 270, 285, 600] * 2, [True] * 6 + [False] * 6, 150),
    _rewards("dast", [], [], 10), _rewards("lcpo_max", [], [], 10), _rewards("other", *_SOME, 150),
    _rewards("", [], [], 1),
]


def _shortest(samples):
    def scene(shortest_correct):
        given = [(problem, list(chain), ok) for problem, chain, ok in samples]
        found = shortest_correct(given)
        same = given == [(problem, list(chain), ok) for problem, chain, ok in samples]
        return [[(problem, _list(chain)) for problem, chain in found], same]

    return scene


def _samples(seed, count, problems, share):
    rng = random.Random(seed)
    return [(f"{rng.randint(1, problems)}+1?", [rng.randint(1, 15) for _ in range(rng.randint(1, 6))],
             rng.random() < share)
            for _ in range(count)]


SHORTEST = [_shortest(_samples(seed, *given)) for seed, given in enumerate(
    ((12, 4, 0.5), (12, 4, 0.5), (30, 8, 0.4), (5, 5, 0.5), (10, 1, 0.5), (8, 3, 0.0), (8, 3, 1.0), (0, 1, 1.0)))]
SHORTEST += [_shortest([("a", [3, 3], False), ("b", [1], True), ("a", [2, 1, 1], True), ("a", [1, 2, 2], True)]),
             _shortest([("a", [], True), ("a", [1], True), ("b", [], False)])]

SCENES = {"force_budget": BUDGETS, "route": ROUTES, "speculative_step": STEPS, "vote_until": VOTES,
          "length_reward": REWARDS, "shortest_correct": SHORTEST}
CLOSE = {"length_reward": 2e-5}
