"""A model whose linear layers keep their weights in eight bits: a quarter of the bytes to read for every token.

Knows: how weights are rounded, and how a rounded layer computes. Does not know: decoding. It is *another model*: its
law is its own, close to that of the model it was made from. Speculation is lossless with respect to the rounded one.
"""

from __future__ import annotations

import torch
from torch import nn

from ..cache import linear


class Int8Linear(nn.Module):
    """y = x W^T + b with W[n, k] = scale[n] * weight[n, k], weight in -127 ... 127.

    The largest weight of a row is kept exactly, every other one is off by at most scale[n] / 2. Only weights are
    rounded: x and y stay in float32 (weight-only quantization, symmetric, one scale per output).
    """

    def __init__(self, layer: nn.Linear):
        super().__init__()
        weight = layer.weight.detach().float()
        scale = (weight.abs().amax(1) / 127).clamp_min(torch.finfo(torch.float32).tiny)  # a row of zeros stays one
        self.register_buffer("weight", (weight / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().float())
        self.in_features, self.out_features, self.fast = layer.in_features, layer.out_features, linear.available()

    def forward(self, x):
        rows = x.numel() // max(1, x.shape[-1])
        if self.fast and 0 < rows <= linear.ROWS:
            y = torch.ops.specdec.few_rows_int8(x.reshape(rows, -1).contiguous(), self.weight, self.scale)
            y = y.reshape(*x.shape[:-1], -1)
        else:
            y = nn.functional.linear(x, self.weight.float()) * self.scale
        return y if self.bias is None else y + self.bias


def to_int8(model):
    """The model with every linear layer rounded, in place; embeddings and norms stay as they are.

    A head that shares its weights with the embedding gets rounded ones of its own. ValueError where the model does not
    lie in float32 on a CPU (what is read there is what one waits for), or has linear layers of another kind.
    """
    if model.device.type != "cpu" or model.dtype != torch.float32:
        short = str(model.dtype).removeprefix("torch.")
        raise ValueError(f"int8 weights are for models in float32 on a CPU; this one is in {short} on {model.device}. "
                         "Load it with device=\"cpu\", or choose another dtype")
    layers = [(parent, name, layer) for parent in model.modules() for name, layer in parent.named_children()
              if type(layer) is nn.Linear]
    if not layers:
        raise ValueError(f"{type(model).__name__} has no linear layers that can be rounded; choose another dtype")
    for parent, name, layer in layers:
        setattr(parent, name, Int8Linear(layer))
    return model
