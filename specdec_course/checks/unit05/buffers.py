"""static_mask and kv_cache_bytes: what is right, and the mistakes that can be named.

Knows: these two exercises. The mask is judged by what attention makes of it, on a buffer whose other places hold NaN;
the bytes are counted here from the tensors that a cache has. Does not know: engines, models.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from .. import values
from ..ask import ask, mixed, whole
from ..errors import Wrong
from ..exercise import Exercise

static_mask = Exercise(
    "static_mask", unit="05", points=1, difficulty=2, minutes=8,
    reference="specdec_course.cache.static:static_mask",
    hints=(
        "Write down the mask for length = 2, n_new = 2, max_length = 5. Which places may the first new token see? And "
        "may it see the second one?",
        "Row i may look at every place p with p <= length + i. torch.arange(max_length) gives the places; give the "
        "column length + torch.arange(n_new) an axis of its own ([:, None]) and compare.",
    ),
)
kv_cache_bytes = Exercise(
    "kv_cache_bytes", unit="05", points=1, difficulty=1, minutes=6,
    reference="specdec_course.theory:kv_cache_bytes",
    lent=True,
    hints=(
        "How many numbers does one layer keep for one position? Which heads have keys and values of their own?",
        "2 (key and value) x layers x KV heads x head_dim numbers per position; times length, batch and bytes.",
    ),
)


def _mask(answer, length: int, n_new: int, max_length: int) -> np.ndarray:
    """The student's mask as a bool array of the right shape."""
    kind = str(getattr(answer, "dtype", type(answer).__name__))
    if isinstance(answer, (list, tuple)):
        answer = np.asarray(answer)
        kind = str(answer.dtype) if answer.size else "bool"
    if "bool" not in kind:
        raise Wrong(f"Expected True and False (torch.bool); your function returned {values.describe(answer)}.",
                    mistake="not_bool")
    mask = values.as_array(answer).astype(bool)
    if n_new == 0 and isinstance(answer, np.ndarray) and mask.size == 0:  # a list of no rows shows no width
        return np.zeros((0, max_length), bool)
    if mask.shape != (n_new, max_length):
        turned, filled = mask.shape == (max_length, n_new), mask.shape == (n_new, length + n_new)
        raise Wrong(f"Expected shape [n_new, max_length] = {[n_new, max_length]}, your mask has {list(mask.shape)}.",
                    mistake="transposed" if turned else "too_narrow" if filled else None)
    return mask


def _attend(query, keys, vals, mask):
    """Attention that touches only the places that the mask allows: [n, d], a row of NaN where it allows none."""
    rows = []
    for q, allowed in zip(query, torch.from_numpy(mask), strict=True):
        rows.append(torch.softmax(keys[allowed] @ q, 0) @ vals[allowed] if allowed.any() else q * float("nan"))
    return torch.stack(rows)


def _expect(student, rng, cases) -> None:
    """Asks all cases (length, n_new, max_length) in an order that is drawn, then judges the smallest one first."""
    answers = [(case, student(*case), student.last) for case in mixed(cases, rng)]
    for case, answer, student.last in sorted(answers, key=lambda one: one[0][::-1]):
        with student.shown():
            _judge(_mask(answer, *case), rng, *case)


def _judge(mask: np.ndarray, rng, length: int, n_new: int, max_length: int) -> None:
    """Raises Wrong unless attention over a poisoned buffer equals causal attention over the text itself."""
    keys, vals = (torch.randn(max_length, 4, generator=rng, dtype=torch.float64) for _ in range(2))
    query = torch.randn(n_new, 4, generator=rng, dtype=torch.float64)
    wanted = [_attend(query[i : i + 1], keys, vals, np.arange(max_length)[None] <= length + i) for i in range(n_new)]
    keys[length + n_new :], vals[length + n_new :] = float("nan"), float("nan")
    got = _attend(query, keys, vals, mask) if n_new else query
    if n_new == 0 or torch.allclose(got, torch.cat(wanted)):
        return
    shown = f"(length {length}, {n_new} new, a buffer of {max_length})"
    own = np.arange(n_new) + length
    if np.array_equal(~mask, np.arange(max_length)[None] <= own[:, None]):
        raise Wrong(f"Your mask is True where it should be False, and the other way round {shown}.",
                    mistake="inverted")
    if length and n_new and np.array_equal(mask, np.tri(n_new, max_length, dtype=bool)):
        raise Wrong(f"Your mask is the same for every length {shown}.", mistake="no_offset")
    if not mask.any(1).all():
        raise Wrong(f"One of the new tokens sees nothing at all, not even itself {shown}.", otherwise="not_itself")
    if mask[:, length + n_new :].any():
        raise Wrong(f"A new token looks at a place beyond the pointer, where NaN stood {shown}.", otherwise="stale")
    if (mask & (np.arange(max_length)[None] > own[:, None])).any():
        raise Wrong(f"A new token looks at one that comes after it {shown}.", otherwise="not_causal")
    if not mask[np.arange(n_new), own].all():
        raise Wrong(f"A new token does not see itself {shown}.", otherwise="not_itself")
    if mask[:, :length].all():
        raise Wrong(f"A new token does not see another new one in front of it {shown}.")
    raise Wrong(f"A new token does not see all of the text before it {shown}.",
                otherwise="no_past" if length and not mask[:, :length].any() else None)


@static_mask.part("is right where places beyond the pointer are full of NaN", weight=2, rests_on=(
    "Places further on hold whatever an earlier text or a rejected draft has left there.",
    "everything up to and including its own place, length + i"))
def _(student, rng):
    cases = [(length, 1, length + whole(2, 7, rng)) for length in (whole(2, 9, rng) for _ in range(whole(3, 6, rng)))]
    cases += [(length, n, length + n + whole(4, 12, rng))
              for length, n in ((whole(3, 9, rng), whole(2, 6, rng)) for _ in range(whole(2, 4, rng)))]
    cases += [(length, 3, length + whole(10, 20, rng)) for length in (whole(66, 90, rng), whole(400, 600, rng))]
    cases += [(whole(2, 4, rng), 3, 16), (whole(5, 9, rng), 3, 16)]  # the same shape, and another mask
    _expect(student, rng, cases)


@static_mask.part("is right for several new tokens: each sees itself and what came before", weight=1, rests_on=(
    "row i belongs to new token i and is True where it may look"))
def _(student, rng):
    shapes = [(2, 2), (7, 4), (1, 6), *((whole(1, 9, rng), whole(2, 8, rng)) for _ in range(whole(1, 4, rng)))]
    _expect(student, rng, [(length, n_new, length + n_new + whole(1, 3, rng)) for length, n_new in shapes])


@static_mask.part("is right for an empty buffer, a full one, and no new token", weight=1, rests_on=(
    "n_new: how many tokens are new, >= 0.",
    "max_length: places in the buffer, >= length + n_new."))
def _(student, rng):
    wide, full = whole(5, 9, rng), whole(3, 9, rng)
    cases = [(0, 1, 4), (0, 4, wide), (0, 5, 5), (full, 2, full + 2), (full, 1, full + 1), (3, 0, 5)]
    cases += [(0, n, n + whole(0, 3, rng)) for n in (whole(2, 6, rng) for _ in range(whole(1, 3, rng)))]
    _expect(student, rng, cases)


for _id, _message in (
    ("stale",
     "Your mask lets a token look beyond the pointer. Those places hold leftovers of rejected drafts or earlier texts, "
     "and nobody clears them: the mask alone keeps them out."),
    ("not_causal",
     "Your mask lets a new token see the ones after it. The k+1 tokens of a verification stand in the buffer together, "
     "but each may see only what came before it (and itself), as in any text."),
    ("no_offset",
     "Your triangle begins at place 0, as if the buffer were empty. The new tokens stand behind the text: row i may "
     "look at the places up to length + i, so the diagonal moves to the right by length."),
    ("not_itself",
     "A new token has to see itself: its own key and value are already in the buffer, at place length + i. A bound "
     "that is one too small shuts it out."),
    ("no_past", "Your mask shows the new tokens to each other, but not the text before them."),
    ("inverted", "Your mask is the wrong way round: True means 'may look'."),
    ("transposed", "Rows are the new tokens, columns the places of the buffer."),
    ("too_narrow",
     "Your mask ends where the filled places end. The buffer is longer, and the mask has a column for each of its "
     "max_length places: those further on are False."),
    ("not_bool", "The mask is a BoolTensor: True where a token may look, False elsewhere."),
):
    static_mask.mistake(_id, _message)


def _config(rng, **fixed):
    """A random config in which no two numbers that could be mistaken for each other are equal."""
    pick = lambda low, high: int(torch.randint(low, high + 1, (), generator=rng))  # noqa: E731
    kv_heads, d = pick(2, 5), 16 * pick(2, 5)
    heads = kv_heads * pick(2, 4)
    shape = dict(
        num_hidden_layers=pick(6, 30), num_key_value_heads=kv_heads, num_attention_heads=heads, head_dim=d,
        hidden_size=heads * d + 64, intermediate_size=4 * heads * d, vocab_size=1000 * pick(3, 90),
    )
    return SimpleNamespace(**{**shape, **fixed})


def _without_head_dim(config, absent: bool):
    rest = {name: value for name, value in vars(config).items() if name != "head_dim"}
    rest["hidden_size"] = config.num_attention_heads * config.head_dim
    return SimpleNamespace(**rest, **({} if absent else {"head_dim": None}))


def _count(config, length, batch, width) -> int:
    """Layer by layer, the shape of each tensor that a cache keeps."""
    shape = (batch, config.num_key_value_heads, length, config.head_dim)
    return sum(width * int(np.prod(shape)) for _ in range(config.num_hidden_layers) for _ in ("keys", "values"))


def _ask_bytes(student, rng, cases, message) -> None:
    def judge(answer: int, wanted: int):
        if answer == wanted:
            return None
        near = abs(answer - wanted) < 1e-5 * wanted  # no factor is as near to 1
        return Wrong(message, mistake="round_off" if near else None)

    ask(student, values.as_int, cases, judge, rng)


@kv_cache_bytes.part("one text, in half and in full precision", weight=2, rests_on=(
    "one key and one value per position, layer and KV head",
    "2 for half precision, 4 for float32"))
def _(student, rng):
    cases = []
    shared = _config(rng).num_hidden_layers
    for length, *width in ((1,), (100,), (4097, 1, 4), *[(whole(2, 9000, rng),)] * whole(1, 3, rng)):
        config = _config(rng, num_hidden_layers=shared)  # as many layers, and other caches
        cases.append(((config, length, *width), _count(config, length, 1, 4 if width else 2)))
    _ask_bytes(student, rng, cases, "Count the tensors of one layer: how many are there, and what shape has each?")


@kv_cache_bytes.part("a batch, other widths, no position at all", weight=1, rests_on=(
    "batch: texts side by side, each with a cache of its own."))
def _(student, rng):
    cases = []
    for length, batch, width in ((50, 8, 2), (1000, 3, 4), (77, 5, 1), (0, 2, 2), (131072, 64, 2),
                                 *[(whole(0, 5000, rng), whole(2, 9, rng), 2)] * whole(0, 3, rng)):
        config = _config(rng)
        cases.append(((config, length, batch, width), _count(config, length, batch, width)))
    _ask_bytes(student, rng, cases, "With a batch, other widths or no position at all your number is another one. For "
                                    "one text of 2-byte values it may be fine.")


@kv_cache_bytes.part("an int, with head_dim absent or None too: hidden_size / num_attention_heads", weight=1, rests_on=(
    "(where it is absent or None) hidden_size and num_attention_heads, whose quotient it then is",
    "int, bytes: a buffer takes no float as its size"))
def _(student, rng):
    cases = []
    for absent in (True, False):
        config = _config(rng)
        cases.append(((_without_head_dim(config, absent), 64), _count(config, 64, 1, 2)))
    _ask_bytes(student, rng, cases, "Where head_dim is missing, a head is hidden_size / num_attention_heads wide.")
    bare = _config(rng)
    del bare.hidden_size, bare.num_attention_heads
    _ask_bytes(student, rng, [((bare, 64), _count(bare, 64, 1, 2))],
               "A config that has head_dim need have nothing else that says how wide a head is.")
    config = _config(rng)
    for question in ((config, 64), *(args for args, _ in cases)):  # one slip costs one part: no other asks for it
        answer = student(*question)
        if values.is_float(answer):
            with student.shown():
                raise Wrong(f"The number is right, but your function returned {values.describe(answer)}.",
                            mistake="float")


def _rule(tensors=2, heads="num_key_value_heads", layers=True, batch=True, width=True, own_dim=True, more=0):
    """kv_cache_bytes with one factor wrong."""

    def wrong_bytes(config, length, batch_size=1, bytes_per_value=2):
        d = own_dim and getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        number = tensors * getattr(config, heads) * d * (length + more) * (config.num_hidden_layers if layers else 1)
        return number * (batch_size if batch else 1) * (bytes_per_value if width else 1)

    return wrong_bytes


for _id, _message, _imitate in (
    ("all_heads",
     "You count a key and a value for every query head. Several query heads share one (grouped-query attention): only "
     "num_key_value_heads of them are kept. For Qwen2.5-7B that makes a factor of 7.",
     _rule(heads="num_attention_heads")),
    ("one_tensor", "You count the keys or the values. A layer keeps both.", _rule(tensors=1)),
    ("one_layer", "You count one layer. Each layer has keys and values of its own.", _rule(layers=False)),
    ("no_bytes", "You count numbers, not bytes: each takes bytes_per_value of them.", _rule(width=False)),
    ("no_batch", "Every text of a batch has a cache of its own.", _rule(batch=False)),
    ("own_head_dim",
     "You always divide hidden_size by num_attention_heads. Many models (Qwen3 for one) have heads of another width: "
     "head_dim says so where it is present.", _rule(own_dim=False)),
    ("queries_too",
     "You count three tensors in each layer. Queries are used once and kept nowhere: keys and values are.",
     _rule(tensors=3)),
    ("one_position_more", "You count one position more than the text has.", _rule(more=1)),
    ("own_bytes",
     "You reckon with a number of bytes of your own. bytes_per_value says how many a number takes: 2 where nobody "
     "says.", (lambda config, length, batch=1, bytes_per_value=2: _rule()(config, length, batch, 2),
               lambda config, length, batch=1, bytes_per_value=4: _rule()(config, length, batch, bytes_per_value))),
    ("hidden_size",
     "You count hidden_size numbers for a key. A key is num_key_value_heads * head_dim numbers long: fewer, where "
     "several query heads share one.",
     lambda config, length, batch=1, bytes_per_value=2: (
         2 * config.num_hidden_layers * config.hidden_size * length * batch * bytes_per_value)),
):
    kv_cache_bytes.mistake(_id, _message, imitate=_imitate)
kv_cache_bytes.mistake("float", "You return a float; bytes are whole, and asked for is an int. In Python `/` makes a "
                       "float of two ints; `//` makes an int: hidden_size // num_attention_heads.")
kv_cache_bytes.mistake("round_off", "Your number is right but for a few bytes in a million: round-off. Count in whole "
                       "numbers, or in double precision; single precision has seven digits.")
kv_cache_bytes.help(r"no attribute '(hidden_size|num_attention_heads)'", "A config that has head_dim need not have "
                    "hidden_size and num_attention_heads: read them only where head_dim is absent or None. (The "
                    "default in getattr(config, 'head_dim', default) is worked out first, needed or not.)")
kv_cache_bytes.help(r"no attribute 'head_dim'|NoneType", "head_dim may be absent, or None: getattr(config, 'head_dim', "
                                                         "None) or hidden_size // num_attention_heads.")
kv_cache_bytes.help(r"has no attribute", "Use Hugging Face's names: num_hidden_layers, num_key_value_heads, head_dim.")
