"""Part "costs": what a draft of k tokens and a verification of k tokens cost, in steps of the target.

Knows: how the parts of a round are timed, in one engine and the other. Does not know: acceptance, texts.
"""

from __future__ import annotations

import torch

from ...cache.chosen import cache_of
from ...decoding.engine import verify_round
from ...drafters import Draft, ModelDrafter
from ...sampling import Dice, Sampling
from .clock import median_of
from .latency import POSITIONS
from .texts import prompt_for

LENGTHS = tuple(range(1, 17))
EAGER_LENGTHS = (1, 2, 4, 8, 16)
ENGINES = ("compiled", "eager")
STATISTIC = (
    "medians of 5 to 30 calls after 4 of warm-up, each from an idle device to finished work, the host included, behind "
    "32 positions; c = draft(k) / k / plain, v = verify(k) / plain; plain: the same call with k = 0"
)


def costs_of(draft, target, engine: str, lengths=None, say=print) -> dict:
    """Times the parts of a round.

    Args:
        draft, target: models. engine: "eager", or "compiled" (on CUDA: one graph for all k steps of a draft, one for
            pass and verdict). lengths: draft lengths k >= 1.

    Returns:
        dict: "plain" seconds of a target step; by k: "draft" and "verify" seconds, "c" per drafted token and "v".
    """
    lengths = lengths or (LENGTHS if engine == "compiled" else EAGER_LENGTHS)
    with torch.inference_mode():
        verifying = verify_seconds(target, engine, (0, *lengths))
        drafting = draft_seconds(draft, target, engine, lengths)
    plain = verifying.pop(0)
    costs = {
        "engine": engine,
        "plain": plain,
        "draft": drafting,
        "verify": verifying,
        "c": {k: drafting[k] / k / plain for k in lengths},
        "v": {k: verifying[k] / plain for k in lengths},
    }
    middle = lengths[len(lengths) // 2]
    say(f"{engine}: plain {1000 * plain:.2f} ms, c = {costs['c'][middle]:.3f} and v = {costs['v'][middle]:.2f} "
        f"at k = {middle}")
    return costs


def draft_seconds(draft, target, engine: str, lengths) -> dict[int, float]:
    """{k: seconds} of `propose`, as it is called in the middle of a text: one token is new to the draft model."""
    drafter, prompt = ModelDrafter(draft), prompt_for(draft, target)
    drafter.begin(target.config.vocab_size, POSITIONS, engine)
    dice = Dice(torch.Generator(device=draft.device).manual_seed(0))

    def seconds(k):
        return median_of(lambda: drafter.propose(prompt, k, Sampling(), dice), draft.device)["median"]

    return {k: seconds(k) for k in lengths}


def capture_all(draft, target, lengths=LENGTHS) -> None:
    """Runs every draft and every verification that a schedule may ask for, so that none is captured while a text is
    timed. A draft comes in two kinds: behind a rejection one token is new to the draft model, else two are."""
    with torch.inference_mode():
        verify_seconds(target, "compiled", (0, *lengths), once)
        drafter, prompt = ModelDrafter(draft), prompt_for(draft, target)
        drafter.begin(target.config.vocab_size, POSITIONS, "compiled")
        dice = Dice(torch.Generator(device=draft.device).manual_seed(0))
        for k in lengths:
            for seen in (1, 2):
                drafter.propose(prompt[:-seen], 1, Sampling(), dice)
                drafter.propose(prompt, k, Sampling(), dice)


def once(call, device) -> dict:
    """In the place of median_of: one call, no clock."""
    call()
    return {"median": 0.0}


def verify_seconds(target, engine: str, lengths, timed=median_of) -> dict[int, float]:
    """{k: seconds} of the target's pass over its newest token and k drafted ones, with the greedy verdict."""
    cached = cache_of(target, engine).begin(POSITIONS)
    prompt = prompt_for(target, target)
    cached.append(prompt[:-1].to(target.device), last=1)
    dice = Dice(torch.Generator(device=target.device).manual_seed(0))
    start = cached.length

    def seconds(k):
        draft = Draft(prompt[:1].repeat(k).to(target.device))

        def call():
            verify_round(cached, prompt, draft, Sampling(), dice)
            cached.rollback(cached.length - start)

        return timed(call, target.device)["median"]

    return {k: seconds(k) for k in lengths}
