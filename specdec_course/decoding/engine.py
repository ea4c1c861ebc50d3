"""`generate`: the decoding loop that people use, with key-value caches, for any target and any drafter.

Knows: budgets, which tokens the target still has to see, how a text grows round by round. Does not know: how a draft
is made (drafters), how long it shall be (schedules), how it is judged (rounds), what ends a text (ends).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from ..cache.chosen import cache_of
from ..cache.conditioned import Conditioned
from ..cache.rows import check_keeps_positions
from ..cache.static import kept_with
from ..drafters.draft import Context, Draft, as_drafter
from ..sampling import Dice, Sampling
from ..trace import Round, Trace
from .ends import end_rule, ends_of, law_until_end
from .request import checked_prompt, fresh_seed
from .rounds import checked_draft, verify_round
from .schedules import schedule_for
from .turns import turn_of

ENGINES = ("eager", "compiled")


@dataclass(frozen=True)
class Output:
    """What `generate` returns: `tokens` LongTensor [T_prompt + T_new], the `trace` of its rounds, and where they were
    asked for, the `logprobs` FloatTensor [T_new] of the new tokens."""

    tokens: torch.Tensor
    trace: Trace
    logprobs: torch.Tensor | None = None


def generate(
    target,
    prompt_ids,
    drafter=None,
    k="auto",
    sampling: Sampling = Sampling(),
    max_new_tokens: int = 128,
    eos_token_id="model",
    seed: int | None = 0,
    engine: str = "eager",
    min_new_tokens: int = 0,
    stop_strings=(),
    tokenizer=None,
    logprobs: bool = False,
) -> Output:
    """Decodes with a key-value cache; with a drafter, speculatively. The law of the text is the target's alone.

    One target call per round; the prompt goes through together with the first draft. At the start of every later
    round the target's cache holds exactly len(tokens) - 1 positions. The device is waited for once per round; with
    processors, or a tree, at every token that is tried.

    Args:
        target: a Hugging Face causal language model; or an encoder-decoder (T5), in the eager engine: the prompt is
            then its source, and the text is what the decoder writes, from its start token on (see conditioned).
        prompt_ids: LongTensor [T] or a list of ids, T >= 1, or what a tokenizer returns for one text.
        drafter: anything with `propose` (see drafters); None decodes plainly. It may propose trees, in which k bounds
            the length of a path; "auto" and "heuristic" are for chains.
        k: draft length, >= 0; or "auto" (chosen from measured times and acceptance), "heuristic", or a schedule (see
            schedules). sampling: temperature, filters and processors, for target and drafter alike.
        max_new_tokens, eos_token_id: the text ends at the budget or with the first end of text, which is kept: an id, a
            list of ids, None (the text never ends), or "model": whatever the model's generation_config names.
        seed: of all the randomness of this call; None: another text every time. With "auto" and a temperature the same
            seed may give another text of the same law, since which k is chosen depends on measured times.
        engine: "eager" runs the models as they are. "compiled" runs them over static buffers, compiled during the first
            text (on CUDA captured as graphs, too): worth it for more than a few texts. A model whose
            logits change there runs eagerly, and a warning says so.
        min_new_tokens: no end of text comes before so many new tokens; a stop string may.
        stop_strings, tokenizer: the text ends, too, with the token in which one of these strings is completed, which is
            kept. They are looked for in the text as the tokenizer decodes it.
        logprobs: whether Output has them: log-softmax of the target's own logits, before processors, temperature and
            filters, at each new token. So they are what one pass of the target over the text gives, greedy or not.

    Returns:
        Output(tokens, trace, logprobs or None), tensors on the CPU.

    Raises ValueError for an empty or padded prompt, ids outside the vocabulary, k < 0, a text longer than the model's
    context, a model that keeps a state instead of positions, NaN or infinite logits, processors that leave no token,
    stop strings without a tokenizer, and a drafter whose vocabulary is not the target's.
    """
    how = k, sampling, max_new_tokens, eos_token_id, seed, engine, min_new_tokens, stop_strings, tokenizer, logprobs
    return finished(generate_rounds(target, prompt_ids, drafter, *how))


def finished(rounds: Iterator[Output]) -> Output:
    """The text that `generate_rounds` ends with."""
    last = deque(rounds, maxlen=1).pop()
    return replace(last, tokens=last.tokens.clone())


def stream(target, prompt_ids, drafter=None, **how) -> Iterator[int]:
    """The new tokens of `generate`, each as soon as it is decided: several at a time, when a draft was accepted.

    Takes what `generate` takes. Target and drafter are in use until the last token was taken or the stream is closed.
    """
    known = None
    for out in generate_rounds(target, prompt_ids, drafter, **how):
        yield from () if known is None else out.tokens[known:].tolist()
        known = len(out.tokens)


def generate_rounds(
    target,
    prompt_ids,
    drafter=None,
    k="auto",
    sampling: Sampling = Sampling(),
    max_new_tokens: int = 128,
    eos_token_id="model",
    seed: int | None = 0,
    engine: str = "eager",
    min_new_tokens: int = 0,
    stop_strings=(),
    tokenizer=None,
    logprobs: bool = False,
) -> Iterator[Output]:
    """`generate`, round by round: yields the text so far and its trace, first the prompt alone, then after every round.

    The tokens are a view that later rounds do not change; the trace is one object that grows.
    """
    ends = ends_of(target, eos_token_id)
    until_end = end_rule(ends, stop_strings, tokenizer)
    if getattr(target.config, "is_encoder_decoder", False) and not isinstance(target, Conditioned):
        target = Conditioned(target, prompt_ids)
        drafter = None if drafter is None else as_drafter(drafter).given(prompt_ids)
        prompt_ids = target.start
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; expected one of {', '.join(map(repr, ENGINES))}")
    check_keeps_positions(target, "target")
    prompt = checked_prompt(target, prompt_ids, max_new_tokens, engine, min_new_tokens)
    schedule = schedule_for(k, _memory(target, drafter, engine, bool(sampling.processors)))
    law = law_until_end(sampling, ends, len(prompt), min_new_tokens)
    buffered, drafts = (target, _model(drafter)) if engine == "compiled" else (), drafter is not None
    with turn_of(drafter, *buffered):
        dice = Dice(torch.Generator(device=target.device).manual_seed(fresh_seed(seed)))
        how, drafter = (schedule, law, max_new_tokens, until_end, dice, engine, logprobs), as_drafter(drafter)
        try:
            yield from _rounds(target, prompt, drafter, drafts, *how)
        finally:
            drafter.end()


def _rounds(
    target, prompt, drafter, drafts, schedule, law, max_new_tokens, until_end, dice, engine, logprobs
) -> Iterator[Output]:
    """The loop itself. drafts: whether there is a drafter to be asked."""
    began = time.perf_counter()
    vocab_size, end = target.config.get_text_config().vocab_size, len(prompt) + max_new_tokens
    cached = cache_of(target, engine).begin(end + drafter.nodes, drafter.wants_hidden)
    drafter.begin(vocab_size, end, engine)
    trace, target_calls, draft_calls = Trace(len(prompt)), cached.calls, drafter.calls
    text, length = torch.cat([prompt, prompt.new_empty(max_new_tokens)]), len(prompt)
    said, over = [], False  # the log-probabilities of the new tokens; whether one of them ends the text

    def so_far():
        return Output(text[:length], trace, torch.tensor(said) if logprobs else None)

    yield so_far()
    while length < end and not over:
        start = time.perf_counter()
        wanted = schedule.ask() if drafts else 0
        ask = min(wanted, end - length - 1)  # one place is for the target's own token
        ids, sampling = text[:length], law(length)
        with torch.inference_mode():
            draft = drafter.propose_from(Context(ids, cached), ask, sampling, dice) if ask > 0 else Draft(ids[:0])
            draft = checked_draft(draft, ask, vocab_size, target.device)
            usual = 0 if drafter.varies else wanted
            accepted, emitted, logs = verify_round(cached, ids, draft, sampling, dice, usual, logprobs)
            emitted, over = until_end(ids, emitted)
            said += logs[: len(emitted)]
            text[length : length + len(emitted)] = torch.tensor(emitted)
            length += len(emitted)
            cached.rollback(cached.length - (length - 1))  # the newest token is fed in the next round
            if ask > 0:
                drafter.accepted(min(accepted, len(emitted)))
        trace.rounds.append(Round(len(draft.ids), min(accepted, len(emitted)), len(emitted)))
        schedule.learn(trace.rounds[-1], time.perf_counter() - start if len(trace.rounds) > 1 else None)
        trace.target_calls, trace.draft_calls = cached.calls - target_calls, drafter.calls - draft_calls
        trace.seconds = time.perf_counter() - began
        yield so_far()


def _memory(target, drafter, *how) -> dict:
    """Where schedules keep what they measured about this pair, run like this: with the target, as long as it lives."""
    target, draft = (getattr(x, "model", x) if isinstance(x, Conditioned) else x for x in (target, _model(drafter)))
    return kept_with(target, "schedules").setdefault((type(drafter), id(draft), *how), {})


def _model(drafter):
    return getattr(drafter, "model", None)
