"""What goes over the socket between a room and the checker: frames of JSON and raw buffers. Never pickle.

`line` sends and receives frames, `writing` makes JSON of values, `reading` makes values of known types of it, `caches`
opens and fills caches of any kind, `limits` says how large anything may be. None of them knows calls, exercises, or
which side it runs on: what cannot be carried by value (functions, objects) is left to `handle` and `resolve`. Stands
alone: it is carried into the room.
"""

from .caches import fill_cache, layers_of
from .limits import DTYPES, HEAD, SMALL, Closed, Unfit
from .line import Line
from .reading import READERS, Decoder, RoomDecoder
from .writing import Encoder

__all__ = [
    "DTYPES", "HEAD", "READERS", "SMALL", "Closed", "Decoder", "Encoder", "Line", "RoomDecoder", "Unfit", "fill_cache",
    "layers_of",
]  # fmt: skip
