"""Drafters with a wanted acceptance rate, at a real draft model's full cost: ours, and Hugging Face's assistant.

Knows: how proposals are replaced. Does not know: what the script says (texts), clocks.
"""

from __future__ import annotations

from contextlib import contextmanager

from ...drafters import Draft, ModelDrafter


class ScriptedDrafter:
    """Runs the draft model for every token, as a ModelDrafter does, and proposes what a script says instead.

    model: the draft model. script: LongTensor [T], the proposal for every place of the text (see texts.script). It is
    kept on the model's device: a proposal is a slice of it, which costs nothing.
    """

    def __init__(self, model, script):
        self.inner, self.model, self.script = ModelDrafter(model), model, script.to(model.device)
        self.begin, self.accepted = self.inner.begin, self.inner.accepted

    @property
    def calls(self) -> int:
        return self.inner.calls

    def propose(self, ids, k, sampling, dice) -> Draft:
        n = len(self.inner.propose(ids, k, sampling, dice).ids)
        return Draft(self.script[len(ids) : len(ids) + n])


@contextmanager
def scripted_assistant(model, script):
    """While this is open, the model's largest last logit is the token that the script has for the place to come.

    For Hugging Face's assisted generation, which runs the assistant's own `generate`. The place is told by the cache's
    length, so nothing waits for the device.
    """
    tokens = script.tolist()

    def raise_wanted(module, args, kwargs, output):
        place = output.past_key_values.get_seq_length()
        if place < len(tokens):
            output.logits[:, -1, tokens[place]] = 1e4
        return output

    handle = model.register_forward_hook(raise_wanted, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def counted_calls(model):
    """Counts the model's forward passes: yields a list that is one entry longer after each."""
    calls = []
    handle = model.register_forward_pre_hook(lambda module, args: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


@contextmanager
def same_vocabulary(draft, target):
    """While this is open, both configs state the draft's ids to be as many as the target's. The library refuses pairs
    of unequal width without two tokenizers (Qwen2.5-7B has 128 unused ids more than the 0.5B), though greedy texts
    need nothing of the kind. No weight is changed."""
    before = draft.config.vocab_size
    draft.config.vocab_size = target.config.vocab_size
    try:
        yield
    finally:
        draft.config.vocab_size = before
