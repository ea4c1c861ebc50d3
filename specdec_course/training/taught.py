"""Distillation as unit 09 teaches it: what counts in a text, one step of learning, what a step brought, and the text to
learn from. As pure functions of tensors.

Knows: laws, gradients of a single matrix. Does not know: optimizers, files, batches of text (written), whole models
(distil).
"""

from __future__ import annotations

import torch

from .losses import distillation_loss


def shift_labels(ids, prompt_lengths, lengths):
    """What every row of logits is to be taught: the next token, where the target wrote it.

    Row t of a model's logits is about the token *behind* place t. So the label of place t is the id at t + 1. It counts
    if the target wrote that token: the token lies behind the prompt and inside the text. The first token behind the
    prompt counts, too: the row of the prompt's last token is about it.

    Args:
        ids: LongTensor [B, T], a text in every row, padded on the right. It is not changed. Padding is known by its
            place alone: its id may be one that texts contain, such as the one that ends them.
        prompt_lengths: LongTensor [B], how many tokens of each text are its prompt, >= 1.
        lengths: LongTensor [B], how many tokens each text has, prompt included; prompt_lengths <= lengths <= T.

    Returns:
        LongTensor [B, T]: labels, and -100 wherever there is nothing to learn. The last column has no next token: it
        is -100.
    """
    following = torch.cat([ids[:, 1:], torch.full_like(ids[:, :1], -100)], dim=1)
    place = torch.arange(1, ids.shape[1] + 1)  # where the label stands in its text
    written = (place >= prompt_lengths[:, None]) & (place < lengths[:, None])
    return torch.where(written, following, -100)


def train_step(weight, features, teacher, mask, kind="forward_kl", temperature=1.0, rate=1.0, clip=1.0):
    """One step of gradient descent on the head of a draft: forward, loss, backward, clip, step.

    The draft's logits are features @ weight.T. Its loss is `distillation_loss(logits, teacher, mask, kind,
    temperature)`, and only the weight learns: the new one is weight - rate * gradient. Every step begins with a
    gradient of its own; nothing is left of the step before.

    Args:
        weight: FloatTensor [V, d], the head. It is not changed.
        features: FloatTensor [N, d], what the draft's body says at N positions. Plain numbers, as is the teacher.
        teacher: FloatTensor [N, V], the target's logits there.
        mask: BoolTensor [N], True where a position counts. kind, temperature: of the loss.
        rate: how far to go, > 0.
        clip: the longest gradient allowed, > 0. If its norm, the root of the sum of the squares of all its numbers, is
            above clip, the whole gradient is scaled to that norm; a shorter one stays as it is.

    Returns:
        (FloatTensor [V, d], float): the new weight, and the loss before the step. If no position counts, the weight
        stays as it is, and the loss is 0.
    """
    weight = weight.detach().clone().requires_grad_()
    loss = distillation_loss(features @ weight.T, teacher, mask, kind, temperature)
    loss.backward()
    norm = float(weight.grad.norm())
    step = rate * min(1.0, clip / norm) if norm > 0 else 0.0
    return weight.detach() - step * weight.grad, loss.item()


def acceptance_on(draft, target, ids, prompt_length=1, temperature=1.0):
    """How often a token of the draft would be accepted along this text, without decoding: the mean of 1 - TV.

    At a place where the draft's law is q and the target's is p, a drafted token is accepted with probability
    1 - TV(p, q), which is the sum of min(p, q) over the vocabulary. The mean is over the places whose next token stands
    in the text behind the prompt. Which tokens these are does not enter, only what both models say about them.

    Args:
        draft, target: Forward, Ids [T] -> Logits [T, V]; row t is about the token behind place t. Each is called once,
            with all of the ids.
        ids: LongTensor [T], prompt and text.
        prompt_length: how many of the ids are the prompt, 1 ... T. The row of its last token is the first that counts.
        temperature: > 0 divides the logits of both. 0: greedy, all probability on the largest logit (the first, on a
            tie).

    Returns:
        float in [0, 1]: the mean. 0.0 if there is no place to look at, because nothing stands behind the prompt.
    """
    p, q = target(ids)[prompt_length - 1 : -1], draft(ids)[prompt_length - 1 : -1]
    if len(p) == 0:
        return 0.0
    if temperature == 0:
        return float((p.argmax(-1) == q.argmax(-1)).double().mean())
    p, q = (torch.softmax(logits.double() / temperature, dim=-1) for logits in (p, q))
    return float(torch.minimum(p, q).sum(-1).mean())


def sample_teacher(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    """Texts that the target writes itself: what a draft should learn from.

    Every token is drawn from the target's own law, the softmax of its logits over the temperature, given the prompt and
    all that it wrote so far. The joint law of the texts is the target's, exactly.

    Args:
        target: Forward, Ids [T] -> Logits [T, V]; the last row is about the next token. It is given one whole text at a
            time, prompt included, and called once for every new token.
        prompts: list of LongTensor [T >= 1], of any lengths. They are not changed.
        n: at most so many new tokens for every prompt, >= 0.
        dice: dice.roll(probabilities FloatTensor [V], which sum to 1) -> int draws a token. All randomness comes from
            it.
        temperature: > 0 divides the logits. 0: no dice, always the largest logit (the first, on a tie).
        eos_token_id: a text ends behind the first *new* token with this id, which it keeps. None: it never ends early.

    Returns:
        list of LongTensor: for every prompt, in their order, prompt and new tokens in one.
    """
    texts = []
    for ids in prompts:
        for _ in range(n):
            logits = target(ids)[-1].double()
            token = int(logits.argmax()) if temperature == 0 else dice.roll(torch.softmax(logits / temperature, -1))
            ids = torch.cat([ids, torch.tensor([token])])
            if token == eos_token_id:
                break
        texts.append(ids)
    return texts
