"""Draft models that read what their target made of the text: the head of EAGLE (Li et al. 2024).

The row at position p reads the token there and the target's last hidden state of position p - 1, which that token was
drawn from; it answers with the law of the token after it. Where the target has not been yet, it reads the state that
it made itself one row before. So one layer does for a draft: it has the target's own summary of the text to go by.

Knows: how such a model is made of a target's last layer, what its rows read, how it is stored (`config.json` has
`reads_features`). Does not know: where the target's states come from (drafters.eagle), training, decoding.
"""

from __future__ import annotations

import copy
import functools

import torch
from torch import nn

from .trimmed import borrow_embedding, check_body, first_layers, trimmed_class

SMALLEST = 256  # rows
BEYOND = 64  # rows behind a text, for the padding of a pass of fixed shape


class Features(nn.Module):
    """The states that the rows of a text read: `given` FloatTensor [R, d] by the target, `made` by the draft itself;
    how many of the first rows are `known` to be given. Nothing of it is stored; the buffers of a size are made once."""

    def __init__(self, width: int):
        super().__init__()
        self.width, self.sizes = width, {}
        for name in ("given", "made"):
            self.register_buffer(name, torch.zeros(SMALLEST + BEYOND, width), persistent=False)
        self.register_buffer("known", torch.tensor(SMALLEST + BEYOND), persistent=False)

    def begin(self, positions: int) -> None:
        """A new text of at most so many positions. Until something is taken, all rows count as given."""
        size = SMALLEST
        while size < positions:
            size *= 2
        like = self.given
        key = size, like.device, like.dtype
        if key not in self.sizes:
            self.sizes[key] = [like.new_zeros(size + BEYOND, self.width) for _ in range(2)]
        self.given, self.made = self.sizes[key]
        self.given[0] = 0.0  # nothing stands before the first token
        self.known.fill_(size + BEYOND)

    def take(self, states, first: int) -> None:
        """The target's states FloatTensor [n, d] of the positions from `first` on: rows up to first + n read them."""
        self.given[first + 1 : first + 1 + len(states)] = states
        self.known.fill_(first + 1 + len(states))

    def read(self, places):
        """What the rows at `places` LongTensor [n] read, FloatTensor [n, d]. A row that is alone may read what the row
        before it made; several at once are rows of a text that the target has read, or padding."""
        given = self.given.index_select(0, places)
        if len(places) > 1:
            return given
        return torch.where((places < self.known)[:, None], given, self.made.index_select(0, places))

    def write(self, states, places) -> None:
        """What rows made, FloatTensor [n, d], for the rows behind each."""
        self.made.index_copy_(0, places + 1, states.to(self.made.dtype))


@functools.cache
def _eagle(base):
    """The class of a trimmed draft `base` whose rows read a state beside their token."""
    from transformers.modeling_outputs import CausalLMOutputWithPast

    def __init__(self, config):
        base.__init__(self, config)
        check_body(self)
        self.fuse = nn.Linear(2 * config.hidden_size, config.hidden_size, bias=False)
        self.features = Features(config.hidden_size)

    def fused(self, ids, states):
        """What the layers read: ids LongTensor [B, T], states FloatTensor [B, T, d] -> FloatTensor [B, T, d]."""
        return self.fuse(torch.cat([states, self.get_input_embeddings()(ids)], -1))

    def forward(self, input_ids, position_ids=None, past_key_values=None, logits_to_keep=0, labels=None, **options):
        """One row of a batch: what the others make would be read by it."""
        if position_ids is None:
            held = 0 if past_key_values is None else past_key_values.get_seq_length()
            position_ids = held + torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        places = position_ids[0]
        out = self.model(
            inputs_embeds=self.fused(input_ids, self.features.read(places)[None]), position_ids=position_ids,
            past_key_values=past_key_values, **options,
        )  # fmt: skip
        states = out.last_hidden_state
        self.features.write(states[0], places)
        kept = states[:, -logits_to_keep:] if logits_to_keep else states
        return CausalLMOutputWithPast(logits=self.lm_head(kept), past_key_values=out.past_key_values)

    return type(f"Eagle{base.__name__.removeprefix('Trimmed')}", (base,), {
        "__init__": __init__, "fused": fused, "forward": forward,
        "from_config": classmethod(lambda cls, config: cls._from_config(config)),
    })  # fmt: skip


def eagle_class(config):
    """The class that loads a draft with this config. ValueError for an architecture that is not built the usual way."""
    return _eagle(trimmed_class(config))


def eagle_head(target, tokens, layers: int = 1, intermediate: int | None = None):
    """A draft that reads its target's states: `layers` layers of the target's kind, its last norm and its head for
    `tokens` LongTensor [n], ascending. It begins with the target's last layers, where their shapes fit.

    intermediate: the width of its MLPs; None: the target's. ValueError for an architecture that is not built the usual
    way, more layers than the target has, or tokens that are not ids of it.
    """
    draft = first_layers(target, layers, tokens)  # checks, and how a config is cut
    config = copy.deepcopy(draft.config)
    config.reads_features = True
    config.intermediate_size = intermediate or config.intermediate_size
    made = eagle_class(config)(config).float()
    ours, theirs = made.state_dict(), draft.state_dict()
    last = target.config.num_hidden_layers - layers
    for name, weight in target.state_dict().items():
        for i in range(layers):
            if name.startswith(f"model.layers.{last + i}."):
                theirs[name.replace(f"layers.{last + i}.", f"layers.{i}.")] = weight
    fitting = {name: weight for name, weight in theirs.items() if name in ours and ours[name].shape == weight.shape}
    made.load_state_dict(fitting, strict=False)
    with torch.no_grad():  # to begin with, the state passes through and the token hardly matters
        both = torch.cat([torch.eye(config.hidden_size), 0.1 * torch.eye(config.hidden_size)], 1)
        made.fuse.weight.copy_(both)
    borrow_embedding(made, target)
    return made.eval()
