"""What serving many texts at once changes: ragged rounds, when a batch is too large to speculate, drafting ahead.

Knows: rules on tensors of a batch, and arithmetic on measured times. Does not know: models, caches, the loop (batch).

B = texts in the batch; k = draft length; alpha = chance that a drafted token is accepted.
"""

from __future__ import annotations

import math

import torch

from ..theory import expected_tokens


def verify_batch(draft, choice, lengths, active):
    """Greedy verification of a whole batch: each row keeps its own number of drafted tokens.

    Args:
        draft: LongTensor [B, k], B >= 1, k may be 0. Row b holds lengths[b] drafted tokens; the places behind them are
            padding, and whatever stands there counts for nothing, even where it equals the target's choice.
        choice: LongTensor [B, k+1], the target's own token at each of those places. choice[b, lengths[b]] is the one
            after the whole draft of row b; what stands behind that means nothing.
        lengths: LongTensor [B], 0..k for each active row.
        active: BoolTensor [B]. A row that is not active has no text at present; what it holds, its length too, means
            nothing.

    Returns:
        (n_accepted, emitted). n_accepted: LongTensor [B], for an active row how many of its drafted tokens agree with
        the target before the first that does not, for any other row 0. emitted: a list of B LongTensors. An active row
        has n_accepted[b] + 1 tokens: those that were accepted, then the target's own. Any other row has none, shape
        [0]. No input is changed.
    """
    k = draft.shape[1]
    drafted = torch.arange(k, device=draft.device) < lengths[:, None]
    agrees = (draft == choice[:, :k]) & drafted & active[:, None]
    n_accepted = agrees.long().cumprod(1).sum(1)
    counts = torch.where(active, n_accepted + 1, 0).tolist()
    return n_accepted, [row[:n] for row, n in zip(choice, counts, strict=True)]


def batch_throughput(batch, alpha, k, profile, c=0.0):
    """Tokens per second of a batch that speculates, on average.

    A pass of the target reads batch * (k + 1) tokens: k drafted ones and the newest of each text. Before it, k steps of
    the draft model read `batch` tokens each.

    Args:
        batch: texts side by side, >= 1.
        alpha: chance that a drafted token is accepted, 0 <= alpha <= 1.
        k: tokens drafted per text and round, >= 0; with 0 the batch decodes plainly.
        profile: dict {tokens in a pass: seconds that the target takes}, in any order, at least one entry. Between two
            sizes the seconds lie on the straight line from one to the other; below the smallest size they are those of
            the smallest.
        c: time of a step of the draft model over the batch, in units of a pass of the target over as many tokens,
            >= 0. With 0 drafting costs nothing.

    Returns:
        float: batch * (1 + alpha + ... + alpha^k) tokens, divided by the seconds of a round,
        k * c * T(batch) + T(batch * (k + 1)), where T are the seconds of the profile.

    Raises ValueError for batch < 1, alpha outside 0..1, k < 0, c < 0, a profile that is empty or has a size or a time
    that is not above 0, and where batch * (k + 1) is above its largest size: nothing is known there.
    """
    if batch < 1 or k < 0 or not 0 <= alpha <= 1 or not c >= 0:
        raise ValueError(
            f"batch is {batch}, alpha {alpha}, k {k}, c {c}; expected a batch >= 1, 0 <= alpha <= 1, k >= 0, c >= 0"
        )
    sizes = sorted(profile)
    if not sizes or sizes[0] <= 0 or not all(profile[size] > 0 for size in sizes):
        raise ValueError(f"the profile is {profile}; expected {{tokens in a pass: seconds}}, all above 0")
    if batch * (k + 1) > sizes[-1]:
        raise ValueError(
            f"a pass of {batch * (k + 1)} tokens; the profile ends at {sizes[-1]}. Measure longer ones too"
        )

    def seconds(tokens):
        right = next(size for size in sizes if size >= tokens)
        left = max((size for size in sizes if size <= tokens), default=right)
        share = (tokens - left) / (right - left) if right > left else 0.0
        return profile[left] + share * (profile[right] - profile[left])

    of_a_round = k * c * seconds(batch) + seconds(batch * (k + 1))
    return batch * expected_tokens(alpha, k) / of_a_round


def crossover_batch(alpha, k, profile, c=0.0):
    """The smallest batch at which speculation no longer pays.

    Args:
        alpha, profile, c: as for `batch_throughput`. k: tokens drafted per text and round, >= 1.

    Returns:
        int, the smallest batch >= 1 whose `batch_throughput` with k is not above that with 0 (equally fast does not
        pay; what is above by less than one part in 10^9 is round-off, and not above). Larger batches may pay again:
        it is the smallest all the same. None if there is none among the batches that the profile tells of,
        batch * (k + 1) <= its largest size.

    Raises ValueError for k < 1, and what `batch_throughput` raises for bad input.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1: with 0 nothing is drafted, and there is nothing to compare")
    batch_throughput(1, alpha, k, {k + 1: 1.0}, c)  # refuses the rest of the input, where no batch is asked about
    batch_throughput(1, alpha, 0, profile)
    for batch in range(1, int(max(profile)) // (k + 1) + 1):
        plainly = batch_throughput(batch, alpha, 0, profile)
        if batch_throughput(batch, alpha, k, profile, c) <= plainly * (1 + 1e-9):
            return batch
    return None


def overlap_timeline(draft_ms, verify_ms, accepted):
    """Asynchronous drafting: the next block is drafted while the target still checks the last one.

    It is drafted as if the last block were going to be accepted in full. If it is, the target checks the next block as
    soon as it has been drafted and the target is free. If not, the next block continues a text that is no longer there:
    what there is of it is thrown away when the check is over, and it is drafted anew from then on.

    Args:
        draft_ms: how long drafting a block takes, >= 0. verify_ms: how long checking it takes, >= 0. Both finite.
        accepted: a sequence of bools, one for each block that the target checks: whether all of it is accepted.

    Returns:
        (timeline, total). total: float, the ms when the last check is over, 0.0 without any block. timeline: a list of
        (who, block, start, end, kept), times in ms: first the draft of block 0, then for one block after the other its
        check and the drafts of the next block, one that is thrown away before the one that is kept. who is "draft" or
        "verify"; kept is True but for a draft that is thrown away. Spans of no length are listed as any others.

        Block 0 is drafted from 0 to draft_ms. The check of block i takes verify_ms. Block i + 1, if there is one, is
        drafted ahead from the start of that check on, for draft_ms. If accepted[i], it is kept, also where it takes
        longer than the check. If not, this draft ends with the check at the latest, and another follows from the end of
        the check on, for draft_ms. The check of block i + 1 begins when its kept draft and the check of block i are
        both over.

    Raises ValueError for a time below 0 or not finite, and for an entry of `accepted` that is no bool.
    """
    for name, ms in (("draft_ms", draft_ms), ("verify_ms", verify_ms)):
        if not (math.isfinite(ms) and ms >= 0):
            raise ValueError(f"{name} is {ms}; expected a finite number of milliseconds, >= 0")
    if any(one not in (True, False) for one in accepted):
        raise ValueError(f"accepted is {accepted}; expected a True or False for every block")
    timeline, over, ready = [], 0.0, float(draft_ms)
    for i, whole in enumerate(accepted):
        if i == 0:
            timeline.append(("draft", 0, 0.0, ready, True))
        start = max(over, ready)
        over, ready = start + verify_ms, start + draft_ms
        timeline.append(("verify", i, start, over, True))
        if i + 1 == len(accepted):
            break
        if whole:
            timeline.append(("draft", i + 1, start, ready, True))
        else:
            timeline.append(("draft", i + 1, start, min(ready, over), False))
            ready = over + draft_ms
            timeline.append(("draft", i + 1, over, ready, True))
    return timeline, over
