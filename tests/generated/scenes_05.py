"""Unit 05: caches and loops on texts that accept in part, masks and bytes at real sizes."""

from types import SimpleNamespace

import torch

from specdec_course.checks.unit05.two_caches import Remembering, misled
from specdec_course.checks.unit05.watched_model import tiny_model

from .scenes_03 import target_of

tiny_model(0)  # its library is loaded before anything is timed
CLOSE = {"CachedModel": 0.05}  # of numbers near 1: a product over one row rounds otherwise than one over many


def _cut(held, n, layers=3, batch=2):
    def scene(rollback):
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer in range(layers):
            cache.update(torch.randn(batch, 2, held, 8), torch.randn(batch, 2, held, 8), layer)
        try:
            rollback(cache, n)
        except ValueError:
            return ["ValueError", cache.get_seq_length()]
        return [[layer.keys, layer.values] if layer.keys is not None and layer.keys.numel() else "empty"
                for layer in cache.layers]

    return scene


CUTS = [_cut(held, n) for held, n in ((12, 3), (12, 0), (12, 12), (12, 11), (12, 13), (12, -1), (1, 1))]


def _steps(*steps):
    """Appends (positive) and rollbacks (not positive), on a tiny real model: logits, lengths, and what it was fed."""

    def scene(CachedModel):
        model = tiny_model(0)
        model.log.clear()
        made, other, seen = CachedModel(model), CachedModel(model), []
        for step in steps:
            if step > 0:
                ids = torch.randint(41, (step,))
                rows = made.append(ids)
                seen.append([list(rows.shape), rows])
                other.append(ids[:1])
            else:
                try:
                    made.rollback(-step)
                except ValueError:
                    seen.append("ValueError")
            seen.append([int(made.length), int(other.length)])
        return [seen, [[fed.ids, fed.held] for fed in model.log]]

    return scene


MEMORIES = [_steps(7, -2, 3, -3, 1), _steps(5, 0, 1, 1, -7, 2), _steps(0, 3, -4, 2), _steps(30, -1, 4, -4, 4)]


def _loop(period, k, budget, prompt=(3, 1, 5, 2), eos=None, at=()):
    """A loop with two watched caches; what a last draft holds behind the budget is left out."""

    def scene(generate_cached):
        target, events = target_of(k + budget, eos=eos, at=at), []
        models = [Remembering(name, forward, events, 200)
                  for name, forward in (("target", target), ("draft", misled(target, period)))]
        given = torch.tensor(prompt)
        out = generate_cached(*models, given, k, budget, eos)
        rounds = [[r.drafted, r.accepted, r.emitted] for r in out.rounds]
        begun = [one.start for name, one in events if name == "target"]
        fed = sum(len(one.ids) for _, one in events)
        return [out.ids.tolist(), rounds, begun, fed, given.tolist() == list(prompt)]

    return scene


LOOPS = [_loop(period, k, budget) for period in (1, 2, 3, 1000) for k, budget in
         ((1, 5), (3, 9), (4, 13), (8, 6), (5, 1), (4, 0), (0, 4))]
LOOPS += [_loop(period, 4, 12, eos=7, at=(4 + i,)) for period in (3, 1000) for i in range(7)]
LOOPS += [_loop(1000, 3, 8, (1, 7, 3), eos=7), _loop(1000, 3, 6, (1,)), _loop(2, 2, 6, (4, 7), eos=7)]
CONFIGS = (SimpleNamespace(num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, hidden_size=3584),
           SimpleNamespace(num_hidden_layers=36, num_attention_heads=32, num_key_value_heads=8, hidden_size=2560,
                           head_dim=128),
           SimpleNamespace(num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2, hidden_size=896,
                           head_dim=None))


def _bytes(config, *args, **named):
    return lambda kv_cache_bytes: int(kv_cache_bytes(config, *args, **named))


def _mask(*sizes):
    def scene(static_mask):
        mask = torch.as_tensor(static_mask(*sizes))
        return [str(mask.dtype), list(mask.shape), mask]

    return scene


SCENES = {
    "rollback": CUTS,
    "CachedModel": MEMORIES,
    "generate_cached": LOOPS,
    "kv_cache_bytes": [_bytes(config, *rest) for config in CONFIGS
                       for rest in ((1,), (32768,), (131072, 16), (777, 3, 4), (0,))],
    "static_mask": [_mask(*sizes) for sizes in (
        (0, 1, 6), (0, 5, 5), (7, 1, 16), (7, 5, 16), (11, 5, 16), (300, 9, 512), (4, 0, 6))],
}  # fmt: skip
