"""Unit 09: texts with prompts and padding, laws with zeros, heads of several sizes, toy targets with their laws."""

import math

import torch

from specdec_course.checks.stages import toys
from specdec_course.sampling import exact_law


def rng(seed):
    return torch.Generator().manual_seed(seed)


def _labels(seed, size, width, vocab=151_936, pad=0):
    random = rng(seed)
    ids = torch.randint(vocab, (size, width), generator=random)
    lengths = torch.randint(1, width + 1, (size,), generator=random)
    prompts = torch.minimum(torch.randint(1, width + 1, (size,), generator=random), lengths)
    for row, length in zip(ids, lengths.tolist(), strict=True):
        row[length - 1 :] = pad  # texts end with the id of the padding

    def scene(shift_labels):
        given = ids.clone()
        labels = shift_labels(given, prompts, lengths)
        return [labels.tolist(), str(labels.dtype), torch.equal(given, ids)]

    return scene


LABELS = [_labels(seed, size, width, pad=pad) for seed, (size, width, pad) in enumerate(
    [(1, 1, 0), (3, 1, 0), (1, 2, 5), (4, 6, 0), (6, 9, 151_935), (5, 40, 0), (8, 12, 7), (2, 300, 0)])]


def _logits(seed, shape, apart, spread=3.0, hidden=0.0, double=True):
    random = rng(seed)
    teacher = spread * torch.randn(*shape, generator=random, dtype=torch.float64) - 11
    student = teacher + apart * torch.randn(*shape, generator=random, dtype=torch.float64) + 5
    if hidden:
        off = torch.rand(*shape, generator=random) < hidden
        off[..., 0] = False
        student, teacher = student.masked_fill(off, -math.inf), teacher.masked_fill(off, -math.inf)
    return (student, teacher) if double else (student.float(), teacher.float())


def _loss(pair, mask=None, **options):
    def scene(distillation_loss):
        given = [one.clone() for one in pair]
        loss = distillation_loss(*given, mask, **options)
        return [float(loss), list(getattr(loss, "shape", [])), [torch.equal(a, b) for a, b in zip(given, pair)]]  # noqa: B905

    return scene


KINDS = ("forward_kl", "reverse_kl", "tv", "cross_entropy")
LOSSES = []
for number, kind in enumerate(KINDS):
    for apart in (0.02, 0.3, 1.5, 9.0):
        LOSSES.append(_loss(_logits(number, (4, 9), apart), kind=kind))
    LOSSES.append(_loss(_logits(number, (2, 3, 7), 1.0), torch.tensor([[True, False, True], [False, False, True]]),
                        kind=kind, temperature=0.4))
    LOSSES.append(_loss(_logits(number, (5, 7), 1.0, hidden=0.4), torch.arange(5) % 2 == 0, kind=kind, temperature=2.5))
    LOSSES.append(_loss(_logits(number, (2, 151_936), 0.5, double=False), kind=kind))
    LOSSES.append(_loss(_logits(number, (3, 4), 1.0), torch.zeros(3, dtype=torch.bool), kind=kind))
    whole, part = _logits(number, (3, 6), 0.5), _logits(number, (3, 6), 0.5, hidden=0.5)
    for student, teacher in ((whole[0], part[1]), (part[0], whole[1])):
        LOSSES.append(_loss((student, teacher), kind=kind))
        LOSSES.append(_loss((student, teacher), torch.tensor([False, True, False]), kind=kind))
LOSSES.append(_loss(_logits(9, (3, 5), 1.0)))
LOSSES.append(_loss((torch.tensor([[0.3, 2.0, 1.0, 2.0]]), torch.tensor([[1.0, 3.0, 3.0, 0.0]])), kind="cross_entropy"))


def _refused(*given):
    def scene(distillation_loss):
        try:
            return [float(distillation_loss(*given))]
        except ValueError:
            return ["refused"]

    return scene


ONE, OTHER = _logits(3, (3, 4), 1.0)
LOSSES += [_refused(ONE, OTHER, None, "kl"), _refused(ONE, OTHER, None, "tv", 0.0), _refused(ONE[:2], OTHER),
           _refused(ONE, OTHER, torch.ones(2, dtype=torch.bool)), _refused(ONE, OTHER, torch.ones(3, 1) > 0, "tv"),
           _refused(ONE, OTHER, None, "forward_kl", -0.5), _refused(ONE, OTHER, None, "reverse_kl", 1.5)]


def _head(seed, n, v, d, factor=1.0, double=True):
    random = rng(seed)
    weight, features, teacher = (torch.randn(*size, generator=random, dtype=torch.float64)
                                 for size in ((v, d), (n, d), (n, v)))
    mask = torch.rand(n, generator=random) < 0.7
    mask[0] = True
    found = weight, factor * features, 2 * teacher - 8
    return (*(found if double else (one.float() for one in found)), mask)


def _step(head, *more, **options):
    def scene(train_step):
        given = [one.clone() for one in head]
        weight, loss = train_step(*given, *more, **options)
        changed = (torch.as_tensor(weight) - head[0])[:64]
        return [changed.tolist(), float(loss), all(map(torch.equal, given, head))]

    return scene


STEPS = [_step(_head(1, 6, 7, 3)), _step(_head(2, 6, 7, 3, 8.0)), _step(_head(3, 5, 9, 4), rate=0.2, clip=0.05),
         _step(_head(4, 5, 9, 4), "tv", 2.0, 3.0, 1e6), _step(_head(5, 5, 9, 4), "reverse_kl", 0.5, 1.0, 0.3),
         _step(_head(6, 5, 9, 4), "cross_entropy", 1.0, 0.5, 100.0), _step(_head(7, 1, 2, 1), rate=2.0),
         _step(_head(8, 24, 4096, 16, double=False), rate=2.0, clip=1e3)]
NOBODY = (*_head(9, 4, 5, 3)[:3], torch.zeros(4, dtype=torch.bool))
STEPS += [_step(NOBODY), _step(NOBODY, "tv", 2.0, 3.0, 0.1)]


def _in_a_row(train_step):
    weight, *rest = _head(10, 6, 8, 3)
    told = []
    for _ in range(4):
        weight, loss = train_step(weight, *rest, rate=0.5, clip=0.4)
        told.append(float(loss))
    return [told, weight.tolist()]


def _model(table):
    def forward(ids):
        forward.asked.append(len(ids))
        return table[: len(ids)].clone()

    forward.asked = []
    return forward


def _share(seed, length, size, apart, hidden=0.0, double=True, **options):
    draft, target = _logits(seed, (length, size), apart, 2.0, hidden, double)
    ids = torch.randint(size, (length,), generator=rng(seed))

    def scene(acceptance_on):
        models = _model(draft), _model(target)
        return [float(acceptance_on(*models, ids, **options)), [one.asked for one in models]]

    return scene


SHARES = [_share(seed, 8, size, apart, **options) for seed, (size, apart, options) in enumerate([
    (5, 0.002, {}), (5, 1.0, {}), (30, 4.0, {}), (5, 1.0, {"prompt_length": 3}), (5, 1.0, {"prompt_length": 7}),
    (5, 1.0, {"prompt_length": 8}), (9, 1.0, {"prompt_length": 2, "temperature": 0.3}), (9, 1.0, {"temperature": 3.0}),
    (9, 1.0, {"temperature": 0.0}), (4, 2.0, {"prompt_length": 4, "temperature": 0}), (12, 1.0, {"hidden": 0.5}),
    (7, 1.0, {"double": False, "prompt_length": 2}), (9, 2.0, {"temperature": 0.01})])]
SHARES += [_share(20, 1, 4, 1.0), _share(21, 2, 4, 1.0), _share(22, 4, 151_936, 1.0, double=False),
           _share(23, 1, 4, 1.0, temperature=0.0)]


def _tied(acceptance_on):
    table = torch.tensor([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    return float(acceptance_on(_model(table), _model(table.flip(1) + table), torch.tensor([0, 1, 2, 0]), 1, 0.0))


def _texts(seed, size, prompts, n, *more, spread=1.5):
    target = toys.toy_forward(size, rng(seed), spread)
    prompts = [torch.tensor(one) for one in prompts]

    def scene(sample_teacher):
        calls = []

        def watched(ids):
            calls.append(ids.tolist())
            return target(ids)

        def procedure(dice):
            texts = sample_teacher(watched, [one.clone() for one in prompts], n, dice, *more)
            return [token for text in texts for token in [*text.tolist(), -1]]

        return [{str(key): p for key, p in exact_law(procedure).items()}, len(calls)]

    return scene


TEXTS = [_texts(1, 3, [[0, 1]], 3), _texts(2, 4, [[2]], 2, 0.5), _texts(3, 3, [[0], [1, 2, 0]], 1, 2.0),
         _texts(4, 2, [[0, 1], [1]], 2), _texts(5, 5, [[4, 0, 3], [1]], 5, 0.0), _texts(6, 3, [[2, 1]], 3, 1.0, 1),
         _texts(7, 3, [[1, 0, 1]], 2, 1.0, 1), _texts(8, 3, [[1], [0, 1]], 2, 0.7, 0), _texts(9, 4, [[1], [3, 2]], 0),
         _texts(10, 4, [[3, 3, 2, 1, 0]], 4, 0.0, 2), _texts(11, 2, [[0]], 3, 1.0, 0), _texts(12, 3, [], 3)]


def _equal_logits(sample_teacher):
    row = torch.tensor([0.5, 2.0, 2.0])
    target, prompts = (lambda ids: row.expand(len(ids), 3)), [torch.tensor([2])]
    law = exact_law(lambda dice: sample_teacher(target, prompts, 2, dice, 0.0)[0])
    return {str(key): p for key, p in law.items()}


CLOSE: dict[str, float] = {}
SCENES = {
    "sample_teacher": [*TEXTS, _equal_logits],
    "shift_labels": LABELS,
    "distillation_loss": LOSSES,
    "train_step": [*STEPS, _in_a_row],
    "acceptance_on": [*SHARES, _tied],
}
