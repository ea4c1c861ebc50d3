"""Unit 06 at real widths, on measured acceptance and prices, with tokenizers of one family and of two."""

import torch

from specdec_course.checks.unit06 import tiny_tokenizers as tiny
from specdec_course.theory import Candidate

CLOSE = {}


def _asks(*args, **named):
    return lambda function: function(*args, **named)


def _usable(draft, target):
    def scene(compatible):
        found = compatible(draft(), target())
        return [isinstance(found, list), all(isinstance(line, str) and line for line in found), bool(found)]

    return scene


def _made(*changes, **roles):
    return lambda: tiny.tokenizer(*changes, **roles)


PLAIN = _made()
ROLES = (dict(name="other/name"), dict(pad=tiny.TEXT_END), dict(pad=None), dict(eos=tiny.TEXT_END), dict(bos=None),
         dict(eos=None))
CHANGES = (tiny.added("<x>"), tiny.without_last(3), tiny.swapped("35", "83"), tiny.other_order, tiny.lower_case,
           tiny.single_digits, tiny.begins_by_itself, tiny.traded_special("uu"), tiny.all_shifted)
OTHERS = (PLAIN, *(_made(**roles) for roles in ROLES), *map(_made, CHANGES), _made(tiny.added("<x>"), pad="<x>"),
          tiny.of_another_class)
PAIRS = [_usable(*pair) for other in OTHERS for pair in ((other, PLAIN), (PLAIN, other))]


def _aligned(shape, width, size, cut=None):
    """Logits as a model has them, all negative; from `cut` on they are -inf, but for what `cut` says."""

    def scene(align_vocabulary):
        logits = 4 * torch.randn(*shape, width) - 30
        if cut is not None:
            logits[..., size:] = -torch.inf
            logits[..., size:].view(-1)[-1:] = cut
        given = logits.clone()
        out = align_vocabulary(logits, size)
        return [list(out.shape), bool(torch.equal(logits, given)), out[..., : min(6, size)], out[..., -6:]]

    return scene


WIDTHS = [_aligned(shape, 9, size) for shape in ((), (3,), (2, 2)) for size in (9, 10, 14, 7)]
WIDTHS += [_aligned((2,), 9, 7, low) for low in (-torch.inf, -40.0, -900.0, -1e4, -3e9, -1e38, 0.0)]
WIDTHS += [_aligned((1,), 151936, 152064), _aligned((), 152064, 151936, -torch.inf), _aligned((), 152064, 151936, -5.0)]
SHARES = (0.0, 1e-6, 0.05, 0.31, 0.62, 0.8, 0.93, 0.999, 1.0)
TOKENS = [_asks(alpha, k) for alpha in SHARES for k in (0, 1, 2, 5, 16, 64)]
DRAFTS = ((0, 0.1), (1, 0.05), (4, 0.12), (8, 1.3), (16, 0.0))
SPEEDS = [_asks(alpha, k, c, *rest) for alpha in SHARES for k, c in DRAFTS
          for rest in ((), (1.4,), (1.4, 0.3))] + [_asks(0.8, 4, 0.1, overhead=0.2)]
BEST = [_asks(alpha, c, *rest) for alpha in (0.0, 0.05, 0.31, 0.62, 0.8, 0.93, 0.99)
        for c in (0.004, 0.06, 0.13, 0.4, 0.95) for rest in ((), (16,), (1,), (0,))]
BEST += [_asks(1.0, 0.2), _asks(1.0, 0.2, 5), _asks(1.0, 0.0, 5), _asks(0.5, 0.5)]
ROUNDS = (([4, 1, 0, 4, 2, 3], [4, 4, 4, 4, 3, 4]), ([0, 0], [4, 2]), ([5, 5], [5, 5]), ([], []), ([0, 0], [0, 0]),
          ([0, 3, 0, 1, 0], [0, 4, 1, 1, 0]), ([1] * 90 + [0] * 37, [1] * 127), ([16, 2, 7], [16, 16, 16]))
ESTIMATES = [_asks(*rounds) for rounds in ROUNDS]
MEASURED = (("0.5B", 0.66, 0.06), ("1.5B", 0.75, 0.14), ("3B", 0.8, 0.3), ("7B", 0.87, 0.62))
LISTS = ([], MEASURED, MEASURED[::-1], MEASURED[:1], MEASURED[3:], [("slow", 0.3, 0.8)], [("free", 1.0, 0.0)],
         [("a", 0.5, 0.9), ("b", 0.2, 0.9)], [("a", 0.95, 0.02), ("b", 0.99, 0.4), ("c", 0.5, 0.001)],
         [("a", 0.6, 0.3), ("b", 0.9, 0.35), ("c", 0.7, 0.08)])


def _chosen(rows):
    def scene(choose_draft):
        name, k, speed = choose_draft([Candidate(*row) for row in rows])
        return [name if k else "any", int(k), float(speed)]

    return scene


SCENES = {
    "compatible": PAIRS,
    "align_vocabulary": WIDTHS,
    "expected_tokens": TOKENS,
    "speedup": SPEEDS,
    "best_k": BEST,
    "estimate_alpha": ESTIMATES,
    "choose_draft": [_chosen(rows) for rows in LISTS],
}
