"""Unit 01 on a device with a queue, on models of real configs, on curves as they are measured. Clocks are virtual."""

import time
from types import SimpleNamespace

import torch

CLOSE = {"time_call": 1e-2, "latency_profile": 1e-2, "forward_cost": 0.03, "flat_region": 0.0, "roofline_latency": 1e-6}


class Queue:
    """A device whose work is done at `wait`; without a queue it is done in the call."""

    def __init__(self, costs, queued=True, backlog=0.0):
        self.costs, self.queued, self.open, self.calls = costs, queued, backlog, 0

    def call(self):
        cost = self.costs[min(self.calls, len(self.costs) - 1)]
        self.calls += 1
        if self.queued:
            self.open += cost
        else:
            time.sleep(cost)

    def wait(self):
        time.sleep(self.open)
        self.open = 0.0


def _timed(queued, repeats, warmup, backlog=0.0):
    def scene(time_call):
        device = Queue([0.9] * warmup + [0.02 + 0.01 * (i * 7 % 5) for i in range(repeats)], queued, backlog)
        wait = device.wait if queued else None
        seconds = time_call(device.call, repeats=repeats, warmup=warmup, synchronize=wait)
        return [device.calls, device.open == 0, [float(x) for x in seconds]]

    return scene


def _by_default(time_call):
    device = Queue([0.5] * 3 + [0.01 + 0.001 * i for i in range(40)], queued=False)
    return [[float(x) for x in time_call(device.call)], device.calls]


class Model:
    """Sleeps as scripted and notes what it was fed."""

    def __init__(self, script):
        self.script, self.fed = script, {}

    def __call__(self, ids):
        calls = self.fed.setdefault(len(ids), [])
        time.sleep(self.script(len(ids), len(calls)))
        calls.append(ids.tolist())
        return torch.zeros(len(ids), 3)


def _profiled(lengths, repeats):
    def scene(latency_profile):
        script = (2, 12, 2, 40, 4)
        model = Model(lambda n, i: 0.5 if i == 0 else 1e-3 * n * script[i % 5])
        profile = latency_profile(model, lengths, 211, repeats=repeats)
        fed = {n: [len(set(rows)) >= 0, len(rows) > repeats] for n, rows in
               ((n, list(map(tuple, calls))) for n, calls in model.fed.items())}
        return [{int(n): float(x) for n, x in profile.items()}, fed]

    return scene


def _drawn(latency_profile):
    """Which ids come, what the seed does, whether one length's ids begin with another's."""
    fed = []
    for seed in (0, 5, 5, 6):
        model = Model(lambda n, i: 1e-4)
        latency_profile(model, [8, 600, 1], 5, repeats=3, seed=seed)
        fed.append(model.fed)
    all_ids = {x for model in fed for calls in model.values() for row in calls for x in row}
    begins = any(row[:8] == other for model in fed for row in model[600] for other in model[8])
    return [sorted(all_ids), fed[1] == fed[2], fed[0] == fed[1], fed[2] == fed[3], begins]


def _region(curve, *tolerance):
    return lambda flat_region: flat_region(dict(curve), *tolerance)


CURVES = [
    {1: 31.9, 16: 32.0, 32: 38.5, 64: 41.7, 128: 55.2, 256: 33.0},
    {256: 1.5, 1: 0.5, 64: 0.61, 16: 0.55, 128: 0.626, 4: 0.45},
    {1: 1.0, 2: 1.25, 4: 1.2500001, 8: 1.1}, {8: 0.25, 1: 0.5, 4: 0.6250001}, {512: 3e-3}, {3: 2.0, 2: 4.0},
    {1: 0.5, 2: 0.625, 4: 0.5, 8: 0.6251}, {i: 1.0 + 0.1 * i for i in range(1, 9)},
    {1 << i: 1.0 for i in range(18)}, {1: 8.0, 2: 9.0, 4: 9.9, 8: 10.1, 16: 20.0},
]
LLAMA = SimpleNamespace(hidden_size=3072, num_hidden_layers=28, num_attention_heads=24, num_key_value_heads=8,
                        head_dim=128, intermediate_size=8192, vocab_size=128256, tie_word_embeddings=True)
QWEN3 = SimpleNamespace(hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8,
                        head_dim=128, intermediate_size=3072, vocab_size=151936, tie_word_embeddings=True)
QWEN25 = SimpleNamespace(hidden_size=896, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
                         intermediate_size=4864, vocab_size=151936, tie_word_embeddings=True)
NULL = SimpleNamespace(**{**vars(QWEN25), "head_dim": None, "tie_word_embeddings": False})


def _cost(config, *args):
    return lambda forward_cost: [float(x) for x in forward_cost(config, *args)]


def _added(config, n, context, *width):
    """What a context adds: 3 % of a small term would drown in a large one."""
    def scene(forward_cost):
        pairs = zip(forward_cost(config, n, context, *width), forward_cost(config, n, 0, *width), strict=True)
        return [float(a) - float(b) for a, b in pairs]

    return scene


def _roof(*args):
    return lambda roofline_latency: float(roofline_latency(*args))


SCENES = {
    "time_call": [_timed(True, 5, 2), _timed(True, 4, 0, 0.3), _timed(True, 1, 3), _timed(False, 6, 1),
                  _timed(False, 1, 0), _by_default],
    "latency_profile": [_profiled([1, 2, 40], 5), _profiled([40, 1, 12], 6), _profiled([7], 1), _drawn],
    "flat_region": [_region(c, *t) for c in CURVES for t in ((), (0.1,), (0.5,), (0.0,), (1.0,))],
    "forward_cost": [_cost(c, n) for c in (LLAMA, QWEN3, QWEN25, NULL) for n in (1, 16)]
    + [_added(c, n, context, *w) for c in (LLAMA, QWEN3, QWEN25, NULL) for n, context, w in
       ((1, 8000, ()), (512, 2000, ()), (3, 30000, (4,)), (1, 1, (1,)))]
    + [_cost(LLAMA, 1, 0, 1), _cost(QWEN3, 4, 100, 4)],
    "roofline_latency": [_roof(*x) for x in ((6.4e9, 6.4e9, 65e12, 320e9), (6.4e12, 6.4e9, 65e12, 320e9), (3, 1, 2, 1),
                                             (1e15, 1, 1e12, 1e9), (1, 1e12, 1e12, 1e9), (2.0, 4.0, 1.0, 2.0))],
}  # fmt: skip
