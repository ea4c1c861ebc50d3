"""Draft models that look into their target's cache: GLIDE (Du et al. 2024).

Every layer attends to the text, then to the keys and values that the target's last layer holds of the same text, then
computes its MLP. A row looks at rows before its own only, and only where the target has been: while it drafts, the
tokens since the target's last pass are known to the draft alone.

Knows: how such a model is made of a target's first layers, what its rows look at, how it is stored (`config.json` has
`reads_keys_values`). Does not know: where the keys and values come from (drafters.glide), training, decoding.
"""

from __future__ import annotations

import contextlib
import copy
import functools

import torch
from torch import nn
from torch.nn import functional as F

from .trimmed import borrow_embedding, check_body, first_layers, trimmed_class

SMALLEST = 256  # rows


class Sight(nn.Module):
    """What the rows of a text may look at: keys and values FloatTensor [1, G, 1 + R, D] of R positions of the target.

    Slot 0 holds zeros and belongs to no position: who may look at nothing else looks there, and gets nothing. Position
    j lies in slot j + 1. Nothing of it is stored; the buffers of a size are made once.
    """

    def __init__(self, heads: int, width: int):
        super().__init__()
        self.heads, self.width, self.sizes, self.shown = heads, width, {}, None
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(1, heads, 1 + SMALLEST, width), persistent=False)
        self.register_buffer("known", torch.tensor(0), persistent=False)

    def begin(self, positions: int) -> None:
        """A new text of at most so many positions, of which the target has read none."""
        size = SMALLEST
        while size < positions:
            size *= 2
        like = self.keys
        key = size, like.device, like.dtype
        if key not in self.sizes:
            self.sizes[key] = [like.new_zeros(1, self.heads, 1 + size, self.width) for _ in range(2)]
        self.keys, self.values = self.sizes[key]
        for buffer in (self.keys, self.values):
            buffer[:, :, 0] = 0.0
        self.known.fill_(0)

    def take(self, keys, values, first: int) -> None:
        """The target's keys and values FloatTensor [G, n, D] of the positions from `first` on."""
        end = first + keys.shape[1]
        self.keys[0, :, first + 1 : end + 1] = keys
        self.values[0, :, first + 1 : end + 1] = values
        self.known.fill_(end)

    def slots(self, places):
        """(keys, values, mask BoolTensor [n, slots]) for the rows at `places` LongTensor [n]: True where one looks."""
        if self.shown is not None:
            return self.shown
        numbers = torch.arange(self.keys.shape[2], device=places.device)
        return self.keys, self.values, numbers <= torch.minimum(places, self.known)[:, None]

    @contextlib.contextmanager
    def showing(self, keys, values, mask):
        """Inside, whole texts are read: keys and values FloatTensor [B, G, L, D], mask BoolTensor [L, L], entry [i, j]
        True where row i may look at position j."""
        nothing = keys.new_zeros(*keys.shape[:2], 1, keys.shape[3])
        slots = [torch.cat([nothing, x], 2) for x in (keys, values)]
        self.shown = (*slots, F.pad(mask, (1, 0), value=True))
        try:
            yield
        finally:
            self.shown = None


class Look(nn.Module):
    """Attention to a `Sight`: states FloatTensor [B, n, d] -> FloatTensor [B, n, d], to be added to them."""

    def __init__(self, config, head: int, sight: Sight):
        super().__init__()
        self.heads, self.head, self.sight = config.num_attention_heads, head, sight
        self.norm = nn.RMSNorm(config.hidden_size, eps=1e-6)
        self.query = nn.Linear(config.hidden_size, self.heads * head, bias=False)
        self.query_norm = nn.RMSNorm(head, eps=1e-6)  # the scores stay in range, whatever the size of these keys
        self.output = nn.Linear(self.heads * head, config.hidden_size, bias=False)

    def forward(self, states, turned, places):
        """turned: (cos, sin) FloatTensor [B or 1, n, D], by which the target turns queries at these places: its keys
        are turned by theirs."""
        query = self.query(self.norm(states)).unflatten(-1, (self.heads, self.head))
        query = rotated(self.query_norm(query).transpose(1, 2), *turned)
        keys, values, mask = self.sight.slots(places)
        keys, values = keys.to(query.dtype), values.to(query.dtype)
        seen = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, enable_gqa=True)
        return self.output(seen.transpose(1, 2).flatten(-2))


def rotated(query, cos, sin):
    """Queries FloatTensor [B, H, n, D] turned by their positions, halves as pairs, as Llama and Qwen do."""
    cos, sin = cos[:, None].to(query.dtype), sin[:, None].to(query.dtype)
    first, second = query.chunk(2, -1)
    return query * cos + torch.cat([-second, first], -1) * sin


class Looking(nn.Module):
    """A decoder layer of transformers, with a look at the target between its attention and its MLP."""

    def __init__(self, layer, look: Look):
        super().__init__()
        self.layer, self.look = layer, look
        self.attention_type = getattr(layer, "attention_type", None)

    def forward(self, hidden_states, position_embeddings=None, position_ids=None, **options):
        layer, states = self.layer, hidden_states
        options |= {"position_embeddings": position_embeddings, "position_ids": position_ids}
        states = states + layer.self_attn(hidden_states=layer.input_layernorm(states), **options)[0]
        states = states + self.look(states, position_embeddings, position_ids[0])
        return states + layer.mlp(layer.post_attention_layernorm(states))


@functools.cache
def _glide(base):
    """The class of a trimmed draft `base` whose layers look at their target."""

    def __init__(self, config):
        base.__init__(self, config)
        check_body(self)
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self.sight = Sight(config.num_key_value_heads, head)
        layers = self.model.layers
        for i, layer in enumerate(layers):
            layers[i] = Looking(layer, Look(config, head, self.sight))

    return type(f"Glide{base.__name__.removeprefix('Trimmed')}", (base,), {
        "__init__": __init__, "from_config": classmethod(lambda cls, config: cls._from_config(config)),
    })  # fmt: skip


def glide_class(config):
    """The class that loads a draft with this config. ValueError for an architecture that is not built the usual way."""
    return _glide(trimmed_class(config))


def glide_draft(target, tokens, layers: int = 1, intermediate: int | None = None):
    """A draft that looks into its target's cache: the target's first `layers` layers, its last norm and its head for
    `tokens` LongTensor [n], ascending. To begin with it looks at nothing.

    intermediate: the width of its MLPs; None: the target's. ValueError for an architecture that is not built the usual
    way, more layers than the target has, or tokens that are not ids of it.
    """
    draft = first_layers(target, layers, tokens)  # checks, and how a config is cut
    config = copy.deepcopy(draft.config)
    config.reads_keys_values = True
    config.intermediate_size = intermediate or config.intermediate_size
    made = glide_class(config)(config).float()
    ours = made.state_dict()
    theirs = {inside(name): weight for name, weight in draft.state_dict().items()}
    fitting = {name: weight for name, weight in theirs.items() if name in ours and ours[name].shape == weight.shape}
    made.load_state_dict(fitting, strict=False)
    for layer in made.model.layers:
        nn.init.zeros_(layer.look.output.weight)
    check_usual(made)
    borrow_embedding(made, target)
    return made.eval()


def inside(name: str) -> str:
    """model.layers.0.mlp... -> model.layers.0.layer.mlp...; other names as they are."""
    if ".layers." not in name:
        return name
    head, number, rest = name.split(".layers.")[0], *name.split(".layers.")[1].split(".", 1)
    return f"{head}.layers.{number}.layer.{rest}"


@torch.no_grad()
def check_usual(draft) -> None:
    """ValueError unless a layer that looks at nothing computes what it computed before it could look."""
    looking, places = draft.model.layers[0], torch.arange(3)[None]
    states = torch.randn(1, 3, draft.config.hidden_size, generator=torch.Generator().manual_seed(0))
    try:
        turned = draft.model.rotary_emb(states, places)
        how = {"attention_mask": None, "position_ids": places, "position_embeddings": turned}
        own, usual = looking(states, **how), looking.layer(states, **how)
        usual = usual[0] if isinstance(usual, tuple) else usual
        same = own.shape == usual.shape and torch.allclose(own, usual, atol=1e-4 * float(usual.abs().max()))
    except (AttributeError, TypeError, RuntimeError):
        same = False
    if not same:
        kind = type(looking.layer).__name__
        raise ValueError(f"a {kind} is not attention, then an MLP, each added to what it read: GLIDE knows such layers "
                         "and rotary positions only. An EAGLE draft asks for less (specdec train eagle)")
