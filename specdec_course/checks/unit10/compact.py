"""Right and wrong in `compact_cache`: which rows of the keys and values stay.

Knows: this exercise. Does not know: models, positions.
"""

from __future__ import annotations

import torch

from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise
from ..values import as_array, describe
from .trees import interesting, path_to

compact_cache = Exercise(
    "compact_cache", unit="10", points=1, difficulty=2, minutes=10,
    reference="specdec_course.cache.rows:compact_cache",
    hints=(
        "The text has 5 rows, and of the tree the nodes 1 and 3 stay. Which rows of the buffer are these? Which of its "
        "dimensions counts rows?",
        "rows = [*range(start), *(start + i for i in path)], as a LongTensor. For every pair (keys, values) of the "
        "cache: "
        "keys.index_select(-2, rows) and the same of values. Return a list of such pairs.",
    ),
)  # fmt: skip


def drawn_cache(rng, rows: int, layers: int, width: int = 3, heads=(1, 2)) -> list[tuple]:
    return [tuple(torch.randn(*heads, rows, width, generator=rng) for _ in range(2)) for _ in range(layers)]


def case(rng, start: int, path: list[int], nodes: int, layers: int = 2, heads=(1, 2), width: int = 3) -> tuple:
    cache = drawn_cache(rng, start + nodes, layers, width, heads)
    rows = [*range(start), *(start + i for i in path)]
    return (cache, path, start), [[as_array(x[..., rows, :]) for x in pair] for pair in cache]


def read_cache(answer):
    if not isinstance(answer, (list, tuple)):
        raise Wrong(f"Return a list of pairs (keys, values), one for each layer; yours is {describe(answer)}.")
    for pair in answer:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise Wrong(f"Every layer is a pair (keys, values); one of yours is {describe(pair)}.")
    return [[as_array(x) for x in pair] for pair in answer]


def judge(found, right):
    if len(found) != len(right):
        return f"The cache has {len(right)} layers; yours has {len(found)}."
    for pair, own in zip(found, right, strict=True):
        for x, y, name in zip(pair, own, ("keys", "values"), strict=True):
            if x.shape != y.shape:
                return (
                    f"The {name} of a layer have the shape {list(x.shape)}; expected {list(y.shape)}, with "
                    f"{y.shape[-2]} rows."
                )
            if not (abs(x - y) <= 1e-6).all():  # NaN is not near anything
                return f"The {name} of a layer are not those of the text and then of the path."
    return None


def paths(rng, count: int):
    """(path, nodes) of trees in which the path does not stand at the beginning."""
    for _ in range(count):
        parents = interesting(rng, whole(6, 14, rng))
        node = mixed([i for i in range(len(parents)) if (p := path_to(parents, i)) != list(range(len(p)))], rng)[0]
        yield path_to(parents, node), len(parents)


@compact_cache.part(
    "keeps the text's rows, and behind them those of the path",
    weight=3,
    rests_on=("the text's, then those of the path", "ascending indices into the tree (0 is row `start`)"),
)
def _(student, rng):
    cases = [case(rng, whole(3, 12, rng), path, nodes, whole(1, 3, rng)) for path, nodes in paths(rng, 5)]
    ask(student, read_cache, [*cases, case(rng, 1, [1], 2, 1, (1,), 1)], judge, rng)


@compact_cache.part(
    "does so in every layer, whatever its shape", weight=1, rests_on=("a pair a layer, FloatTensor [..., R, d] each",)
)
def _(student, rng):
    cases = [
        case(rng, whole(2, 9, rng), path, nodes, layers, heads, width)
        for (path, nodes), layers, heads, width in zip(
            paths(rng, 4), mixed((1, 2, 4, 5), rng), mixed(((1, 4), (3,), (), (2, 2)), rng), (1, 2, 8, 4), strict=True
        )
    ]
    ask(student, read_cache, cases, judge, rng)


@compact_cache.part(
    "keeps only the text for an empty path, and all for a path of all nodes",
    weight=1,
    rests_on=("perhaps empty", "rows of the text, 0 <= start <= R"),
)
def _(student, rng):
    nodes = whole(2, 6, rng)
    cases = [case(rng, whole(2, 7, rng), [], whole(1, 6, rng)), case(rng, 4, [], 0), case(rng, 0, [0, 2], 4),
             case(rng, whole(1, 5, rng), list(range(nodes)), nodes), case(rng, 0, [], 3)]  # fmt: skip
    ask(student, read_cache, cases, judge, rng)
