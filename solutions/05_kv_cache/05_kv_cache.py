# %% setup
import shutil
import time
from types import SimpleNamespace

import numpy as np
import torch
from torch.autograd.profiler_legacy import profile as watch_calls

import specdec_course.cache
import specdec_course.decoding
from specdec_course import generate, load_corpus, load_pair
from specdec_course.cache.static import static_model
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.common.guess import you_said
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding import generate_speculative, greedy_decode
from specdec_course.drafters import ModelDrafter
from specdec_course.figures.caches import (
    acceptance_along,
    before_and_after,
    break_even,
    mask_picture,
    memory_by_length,
    time_by_length,
    two_caches,
)
from specdec_course.measure import clocks
from specdec_course.measure.machine import machine
from specdec_course.models import as_forward
from specdec_course.trace import Decoded, Round, acceptance_rate, tokens_per_call
from specdec_course.verification import verify_greedy

# %% [markdown]
# # Making it actually fast
#
# **You will** decode with key-value caches that take back what was wrong, and find the bug that never shows in the text.
#
# **You need** unit 03's loop; what attention computes.
#
# The loop of unit 03 is right, and it is slow. Every target call reads the *whole* text again, and so does every guess of
# the draft model. With a **key-value cache**, which keeps what a model worked out, one more token costs a pass over one.
#
# Then speculation gets a new problem: k guesses go into the cache, and the wrong ones have to be *taken back*, in two models.
# Bugs in those few lines are easy to make, and the worst never shows in the text. So begin there, and measure later.
#
# ## What is in a cache
#
# In every attention layer, a token makes a key and a value. Later tokens look at them; they never change, because a token
# does not see what comes after it. So they can be kept: per layer one tensor of keys and one of values.

# %%
pair = load_pair("classroom")
text = load_corpus("atlas", pair.tokenizer, split="test", max_tokens=1000)
with torch.inference_mode():
    past = pair.target(input_ids=text[None, :7], use_cache=True).past_key_values
print(type(past).__name__, "with", len(past.layers), "layers and", past.get_seq_length(), "positions")
print("keys of layer 0, [batch, heads, positions, d]:", list(past.layers[0].keys.shape), "   as many values")

# %% [markdown]
# ## Taking back
#
# Suppose some of those 7 positions turn out to be wrong guesses. In each of the layers, drop the last n of them:
#
# | before | n | after |
# |---|---|---|
# | `a b c d e f g` | 2 | `a b c d e` |
# | `a b c d e f g` | 7 | (empty) |
# | `a b c d e f g` | 0 | `a b c d e f g` |
# | `a b c d e f g` | 8 | `ValueError` |
#
# The third line is the easy one to miss. `keys[..., :-2, :]` drops the last two; what does `keys[..., :-0, :]` do? And n = 0
# is not rare: it is a round in which everything was accepted.
#
# transformers has a method for it, `cache.crop`, whose meaning has changed between versions. Wrap it, and forget it:

# %% exercise: rollback
def rollback(cache, n):
    held = cache.get_seq_length()
    if not 0 <= n <= held:
        raise ValueError(f"cannot drop {n} positions from a cache that holds {held}; expected 0..{held}")
    if n:
        cache.crop(-n)

# %%
with torch.inference_mode():
    past = pair.target(input_ids=text[None, :7], use_cache=True).past_key_values
yours(rollback)(past, 2)
print("positions after a rollback by 2:", past.get_seq_length(), "  in each layer:",
      {layer.keys.shape[-2] for layer in past.layers})

# %% [markdown]
# ## What a cache is worth
#
# The hundredth token of unit 03's loop costs a pass over a hundred tokens; the thousandth, over a thousand. So the real
# question of speculation is not "is it faster than my slow loop?" but "**is it faster than plain decoding with a cache?**"
#
# **Predict** two things. With 800 tokens of text in front of it, how many times faster is a step with a cache than one
# without? And what is faster there: plain decoding with a cache, or speculation without one, if *every* guess is right?

# %%
my_guess_factor = None  # a number, for example 10
my_guess_winner = None  # "plain with a cache" or "perfect speculation without"

# %% folded
# Times a step of plain and of speculative decoding, with and without a cache, and draws the four curves.
torch.set_num_threads(1)  # one core: other programs on this machine disturb the clock less


def seconds(step, repeats=5):
    """The median time of step(), in seconds."""
    return float(np.median(clocks.time_call(step, repeats=repeats, warmup=1)))


def without_cache(model, n):
    """A pass over all n tokens, of which we want only the last row."""
    forward = as_forward(model)
    return seconds(lambda: forward(text[:n]), repeats=3)


def with_cache(model, n, new=1):
    """A pass over `new` tokens, after n that are in the cache. (It grows a little with every repeat.)"""
    with torch.inference_mode():
        past = model(input_ids=text[None, :n], use_cache=True).past_key_values
        return seconds(lambda: model(input_ids=text[None, n : n + new], past_key_values=past, use_cache=True))


lengths, k = [50, 100, 200, 400, 800], 4
plain_slow, plain_cached, perfect_slow, perfect_cached = [], [], [], []
print(machine())
for n in lengths:
    guess_slow, guess_cached = without_cache(pair.draft, n), with_cache(pair.draft, n)
    plain_slow.append(without_cache(pair.target, n))
    plain_cached.append(with_cache(pair.target, n))
    perfect_slow.append((k * guess_slow + plain_slow[-1]) / (k + 1))
    perfect_cached.append((k * guess_cached + with_cache(pair.target, n, k + 1)) / (k + 1))
    print(f"after {n:3} tokens: a step takes {1000 * plain_slow[-1]:6.1f} ms without a cache, "
          f"{1000 * plain_cached[-1]:5.1f} ms with one")
print(f"the cache makes the last one {plain_slow[-1] / plain_cached[-1]:.0f} times faster", you_said(my_guess_factor))
winner = "plain with a cache" if plain_cached[-1] < perfect_slow[-1] else "perfect speculation without"
print("faster there:", winner, you_said(my_guess_winner))
beaten = [n for n, plain, perfect in zip(lengths, plain_cached, perfect_slow, strict=True) if plain < perfect]
print("plain with a cache beats perfect speculation without one at", ", ".join(map(str, beaten)) or "none", "tokens of text")
time_by_length(lengths, {
    "plain, no cache": plain_slow,
    "speculative, no cache, every guess right": perfect_slow,
    "plain, with a cache": plain_cached,
    "speculative, with caches, every guess right": perfect_cached,
})

# %% [markdown]
# Without a cache a step costs more the longer the text is, with one hardly. Speculation moves a curve down by a *factor*,
# at best k + 1. Somewhere along the text the cache is worth more than that, and from there on **a perfect drafter without
# caches loses against plain decoding with one**. The prize is the lowest curve, and it needs both.

# %% [markdown]
# ## A model with a memory
#
# Now put model and cache into one object, so that a loop need not think about either. It has a `length` and two methods:
# `append` feeds new ids and answers their logits; `rollback` takes the last ones back.
#
# | call | the model is fed | at positions | answer | `length` after |
# |---|---|---|---|---|
# | `append([5, 3, 8, 1])` | 4 ids | 0 to 3 | 4 rows | 4 |
# | `append([7])` | 1 id | 4 | 1 row | 5 |
# | `rollback(2)` | nothing | | | 3 |
# | `append([9, 2])` | 2 ids | 3 and 4 | 2 rows | 5 |
#
# The last answer has to be the one that the model gives for `5 3 8 9 2` from scratch, as if `1` and `7` had never been
# there. You need not count positions yourself: the model takes them from the length of the cache that you hand it.
#
# What people get wrong here: feeding the whole text *on top* of the cache; keeping the cache where two objects share it;
# returning only the last row (a verification needs them all). Your class will call your `rollback`; if that is not right
# yet, call `specdec_course.cache.rollback` in its place.

# %% exercise: CachedModel
class CachedModel:
    def __init__(self, model):
        self.model = model
        self.cache = None

    @property
    def length(self):
        return 0 if self.cache is None else self.cache.get_seq_length()

    @torch.inference_mode()
    def append(self, ids, last=None):
        out = self.model(input_ids=ids[None], past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[0] if last is None else out.logits[0, -last:]

    def rollback(self, n):
        if not 0 <= n <= self.length:
            raise ValueError(f"cannot roll back {n} positions; the cache holds {self.length}")
        if n:
            rollback(self.cache, n)

# %% [markdown]
# Yours, on the real target. The difference to the logits from scratch is not exactly zero: a matrix product over one row
# adds its numbers up in another order than one over a hundred rows. It should be tiny.

# %%
Remembering = yours(CachedModel)
model = Remembering(pair.target)
model.append(text[:100])
model.append(text[500:505])  # five wrong guesses
model.rollback(5)
row = model.append(text[100:101])[-1]
scratch = as_forward(pair.target)(text[:101])[-1]
print("length:", model.length, "  largest difference to the logits from scratch:", f"{(row - scratch).abs().max():.1e}")

# %% [markdown]
# ## Two caches
#
# Now the loop. The draft model writes k tokens, one `append` each. The target judges them with one `append`. Then both
# caches have to agree with the text again. What has to go, and what is missing?
#
# Take a target that writes the alphabet (after each letter the next one), and a draft model that leaves out the letter
# after each vowel. The prompt is
# `abcd`, k = 3:
#
# | | the draft is fed | it guesses | the target is fed | its verdict |
# |---|---|---|---|---|
# | round 1 | `a b c d`, then `e`, then `g` | `e g h` | `a b c d e g h` | `e`, then the correction `f` |
#
# The text is now `a b c d e f`. The target's cache holds 7 positions, `a b c d e g h`. The last two are wrong and have to
# go: 5 stay. The draft's cache holds only 6, `a b c d e g`, because nobody asked it what comes after `h`. One has to go:
# 5 stay. And `f`, the newest token, is in *no* cache. It was read off the target's logits, and never fed.
#
# So both hold 5 of 6 tokens: **all but the newest**. It is fed first thing in the next round. Now suppose round 2 guesses
# `g h i`, and all three are accepted, with the bonus `j`:
#
# | round 2 | was fed | holds | the text | missing |
# |---|---|---|---|---|
# | target | `f g h i` | `a b c d e f g h i`: 9 | `a ... i j`: 10 | `j` |
# | draft | `f g h` | `a b c d e f g h`: 8 | | `i` **and** `j` |
#
# Nothing is to be rolled back, and yet the draft's cache is one *short*: it never saw the last token that it wrote itself.
# Feed it only `j` now, and `j` takes the place of `i`.
#
# *Before you write:* what would a loop look like that never has to ask "was everything accepted?", because it always
# feeds exactly what the cache lacks? You know what a cache holds: `length` says it.
# (`verify_greedy(draft, rows)` of unit 03 is imported.)

# %% exercise: generate_cached

# %% [markdown]
# Your loop on the alphabet. The caches are lists of letters here, and they keep a diary.

# %%
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def to_ids(letters):
    return torch.tensor([LETTERS.index(letter) for letter in letters], dtype=torch.long)


def alphabet(ids):
    """A Forward that is sure of one thing: after each letter comes the next one."""
    return torch.nn.functional.one_hot((ids + 1) % 26, 26).float()


def forgetful(ids):
    """The same, but it leaves out the letter that follows a vowel."""
    return torch.nn.functional.one_hot((ids + 1 + torch.isin(ids, to_ids("aeiou")).long()) % 26, 26).float()


class Diary:
    """Has the methods of a CachedModel; its cache is the row of ids itself. Everything is written down."""

    def __init__(self, name, forward, notes):
        self.name, self.forward, self.notes, self.held = name, forward, notes, to_ids("")

    @property
    def length(self):
        return len(self.held)

    def append(self, ids, last=None):
        self.notes.append((self.name, "append", self.length, [LETTERS[i] for i in ids]))
        self.held = torch.cat([self.held, ids])
        rows = self.forward(self.held)
        return rows[-len(ids) :]

    def rollback(self, n):
        self.held = self.held[: self.length - n]
        self.notes.append((self.name, "rollback", self.length, []))


loop, notes = yours(generate_cached), []
done = loop(Diary("target", alphabet, notes), Diary("draft", forgetful, notes), to_ids("abcd"), 3, 12)
ends = [4 + sum(r.emitted for r in done.rounds[: i + 1]) for i in range(len(done.rounds))]
two_caches(notes, [LETTERS[i] for i in done.ids], ends)

# %% [markdown]
# Find three things in the picture. The crossed cells: what the target rejected. The dotted cell that *both* rows have at
# the end of a round: the newest token. (Where a rejected guess stood in its place, the two share the place: the guess
# above, the dotted cell below.) And, where a draft was accepted in full, the second dotted cell in the draft's row. (If
# your loop feeds that token at once, it belongs to the next round in this picture.)
#
# ## The bug that nobody sees
#
# What if that second cell is forgotten, and only the newest token is fed? Let us do it on purpose, with a drafter that
# *cannot* be wrong: the target itself.
#
# **Predict:** the text will be (right / wrong), and the share of accepted guesses over 160 tokens will be...

# %%
my_guess_text = None  # "right" or "wrong"
my_guess_share = None  # between 0 and 1


# %%
class OnlyTheNewest(specdec_course.cache.CachedModel):
    """After the prompt it is fed one token at a time, whatever else it may lack."""

    def append(self, ids, last=None):
        return super().append(ids[-1:] if self.length else ids, last)


prompt = held_out_prompts(pair.tokenizer, count=1, length=40)[0]
new = 40 if clocks.in_a_hurry() else 160
print("writing one text twice, the large model drafting for itself ...")
whole = loop(Remembering(pair.target), Remembering(pair.target), prompt, 4, new)
holes = specdec_course.decoding.generate_cached(Remembering(pair.target), OnlyTheNewest(pair.target), prompt, 4, new)
print("the text is", "right" if torch.equal(whole.ids, holes.ids) else "wrong", you_said(my_guess_text))
for name, done in (("everything fed", whole), ("only the newest token fed", holes)):
    print(f"{name:26} {acceptance_rate(done.rounds):.2f} accepted, {len(done.rounds)} target calls")
print(f"share accepted without the second cell: {acceptance_rate(holes.rounds):.2f}", you_said(my_guess_share))
acceptance_along({"everything fed": whole.rounds, "only the newest token fed": holes.rounds})

# %% [markdown]
# The text is right, to the last token: the target sees to that. No test of the output will ever find this bug. What it
# costs is the thing you built all this for: after every full acceptance one more token is missing from the draft's memory,
# and all positions behind it are off by one. A drafter that is never wrong is now wrong as often as you see above.
#
# So keep the two tests that find it: **a model that drafts for itself must be accepted to the end, at 100 %, for hundreds
# of tokens**; and at the start of a round, both caches hold all tokens but the newest (the draft's may lack
# one more, the last guess it wrote).
#
# ## What the caches bring
#
# Your loop against the loop of unit 03, same models, same guesses, same text. The first has caches, the second reads
# everything again.

# %%
def small_model_guesses(ids, k):
    """The draft model's own greedy continuation, from scratch."""
    return greedy_decode(as_forward(pair.draft), ids, k)[len(ids) :]


def clock(run, *inputs):
    """(seconds, answer) of run(*inputs)."""
    began = time.perf_counter()
    answer = run(*inputs)
    return time.perf_counter() - began, answer


print(machine())
for n in (50, 200) if clocks.in_a_hurry() else (50, 200, 800):
    slow, old = clock(generate_speculative, as_forward(pair.target), text[:n], small_model_guesses, 4, 24)
    fast, done = clock(loop, Remembering(pair.target), Remembering(pair.draft), text[:n], 4, 24)
    print(f"{n:4} tokens of text: {1000 * slow / 24:6.1f} ms per token without caches, {1000 * fast / 24:5.1f} ms with,"
          f" same text: {torch.equal(old.ids, done.ids)}, {tokens_per_call(done.rounds):.2f} tokens per call")

# %% [markdown]
# (The time with caches includes reading the start of the text once, the **prefill**: the longer the text before it, the
# more of it falls on each of the 24 tokens.)
#
# ## What the caches cost
#
# Memory. One position takes a key and a value in every layer, for every head that has its own. In today's models several
# query heads share one key-value head (grouped-query attention), and this is the reason.
#
# A worked example: Qwen2.5-7B has 28 layers, 28 query heads, 4 key-value heads, head_dim 128. In half precision a number
# takes 2 bytes:
#
# $$ 28 \text{ layers} \cdot 2 \cdot 4 \text{ heads} \cdot 128 \cdot 2 \text{ bytes} = 57\,344 \text{ bytes per position} $$
#
# A text of 32,768 tokens: 1.88 GB. If each of the 28 query heads had keys and values of its own, it would be 7 times that,
# 13.2 GB, nearly as much as the weights (7.6 billion of them, 15.2 GB).

# %% exercise: kv_cache_bytes

# %%
bytes_of = yours(kv_cache_bytes)
large = SimpleNamespace(num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, hidden_size=3584)
small = SimpleNamespace(num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2, hidden_size=896)
ungrouped = SimpleNamespace(**{**vars(large), "num_key_value_heads": 28})
print(f"Qwen2.5-7B, one position: {bytes_of(large, 1):,} bytes; 32,768 of them: {bytes_of(large, 32768) / 1e9:.2f} GB")
print(f"Qwen2.5-0.5B, its draft:  {bytes_of(small, 1):,} bytes, {bytes_of(small, 1) / bytes_of(large, 1):.0%} of that")
positions = [1024, 4096, 16384, 32768]
memory_by_length(
    positions,
    {
        "Qwen2.5-7B, one text": [bytes_of(large, n) for n in positions],
        "16 texts side by side": [bytes_of(large, n, batch=16) for n in positions],
        "one text, if all 28 heads had their own": [bytes_of(ungrouped, n) for n in positions],
        "Qwen2.5-0.5B, one text": [bytes_of(small, n) for n in positions],
    },
    ("the weights of Qwen2.5-7B, 15.2 GB", 15.2e9),
)

# %% [markdown]
# (Shapes from the models' `config.json`; the lines are computed, not measured.) Two surprises. With a batch of long texts
# the caches outweigh the model; that is what limits a server. And the small model, with 7 %
# of the weights, has a cache of 21 % of the size: a draft is not as cheap in memory as its number of parameters says.

# %% [markdown]
# ## Buffers that stay where they are
#
# The cache that you used grows by `torch.cat`: each step, in every layer, allocates a new tensor, copies the old one into
# it and adds a row. That is wasteful, but there is something worse. *Shapes change with every token.* A compiler cannot
# prepare a program for tensors of unknown size, and a GPU cannot record a sequence of launches once and replay it
# (a CUDA graph), because a replay needs the same addresses and the same shapes.
#
# The way out: make room for the whole text at once, and keep a **pointer** to where the text ends. Appending writes rows
# behind the pointer and moves it on. And a rollback? It moves the pointer back. Nothing is cut, nothing is copied, nothing
# is cleared.
#
# Nothing is *cleared*: behind the pointer stand the leftovers of rejected guesses. Attention now runs over the whole
# buffer, so it must be told where not to look. An example: 2 positions hold text, 2 tokens are new, the buffer has room
# for 6. The new keys and values have just been written to places 2 and 3.
#
# | | 0 | 1 | 2 | 3 | 4 | 5 |
# |---|---|---|---|---|---|---|
# | holds | text | text | new 0 | new 1 | leftover | leftover |
# | new 0 may look | yes | yes | yes | no | no | no |
# | new 1 may look | yes | yes | yes | yes | no | no |

# %% exercise: static_mask

# %%
mask_picture(yours(static_mask)(5, 3, 14), 5)

# %% [markdown]
# The staircase is the causality that you know, the rest is housekeeping. One caution, because it costs people days:
# leftovers must be *finite* numbers. A hidden place gets weight 0, and 0 times NaN is NaN. Fresh buffers are therefore
# filled with zeros, and not with whatever was in memory.
#
# ## One wait per round
#
# The other thing that makes real loops slow cannot be seen on a CPU. A GPU works behind the program's back (unit 01): Python
# queues work and runs ahead. As soon as Python wants to *know* a number (`int(tensor)`, `.item()`, `.tolist()`, an
# `if` on a tensor), it has to wait until everything queued is done, and the GPU idles while Python thinks about what to
# queue next. Count these places in your loop:
#
# * drafting: `argmax` stays on the device, and its answer can be fed again without ever being looked at. k steps, no wait.
# * verifying: how many agree, and which token comes after them, can be computed on the device as well.
# * then the loop has to know how much to roll back and whether the text ends. **One wait, for all of it together.**
#
# transformers' own assisted generation (read in version 5.23) waits for every drafted token and several times more per
# round. The `generate` of this course waits once. With `engine="compiled"` it also runs on static buffers, with a
# compiled pass; on CUDA, each draft of k steps and each verification is a recorded graph, replayed with one launch.

# %% [markdown]
# ## Before and after
#
# Six ways to write the same 64 tokens: the target alone, your loop, and the course's `generate` with k = 4, each of them
# eager and compiled. Your loop needs no change for static buffers: they come with the same `length`, `append` and `rollback`. Compiling can
# take a minute or two; a line says what is being compiled. (Without a C++ compiler, only the eager half is measured.)
#
# **Predict:** the target alone, compiled and on static buffers, against the same target eager: how many times as fast?

# %%
my_guess_compiled = None  # a number, for example 1.5

# %%
def can_compile():
    """Whether the compiled half is measured; one line says why not."""
    if clocks.in_a_hurry():
        print("Not compiled: this notebook is only being marked.")
        return False
    if pair.target.device.type == "cpu" and not any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl")):
        print("No C++ compiler on this machine, and torch.compile needs one on a CPU: only the eager half is measured.")
        return False
    return True


target, draft = pair.target, pair.draft


def course(n, k, engine):
    """The course's own `generate`, for n tokens."""
    return generate(target, prompt, ModelDrafter(draft), k, max_new_tokens=n, eos_token_id=None, engine=engine).tokens


def yours_on(make):
    """Your loop on two models with a memory that `make` makes; a function of the number of tokens."""
    return lambda n: loop(make(target, len(prompt) + n), make(draft, len(prompt) + n), prompt, 4, n).ids


ways = {
    "alone, eager": lambda n: course(n, 0, "eager"),
    "your loop, eager": yours_on(lambda model, room: Remembering(model)),
    "generate, k = 4, eager": lambda n: course(n, 4, "eager"),
}
fixed = {
    "alone, compiled": lambda n: course(n, 0, "compiled"),
    "your loop, static buffers": yours_on(lambda model, room: static_model(model).begin(room)),
    "generate, k = 4, compiled": lambda n: course(n, 4, "compiled"),
}
tokens = 16 if clocks.in_a_hurry() else 64
compiling = {}
if can_compile():
    try:
        for name, run in fixed.items():
            print(f"compiling for '{name}' ...", end=" ", flush=True)
            compiling[name], _ = clock(run, tokens)
            print(f"{compiling[name]:.0f} s")
        ways |= fixed
    except Exception as error:  # whatever the compiler lacks here (headers, a writable folder), the lesson goes on
        print(f"torch.compile fails on this machine ({type(error).__name__}): only the eager half is measured.")

print(f"timing {len(ways)} ways, each four times, in turns ...")
times, texts = {name: [] for name in ways}, {}
for repeat in range(4):  # the first one warms up; in turns, so that a busy machine hurts all of them alike
    for name, run in ways.items():
        took, texts[name] = clock(run, tokens)
        times[name] += [took] if repeat else []
per_token = {name: float(np.median(took)) / tokens for name, took in times.items()}
print(machine())
print("same text everywhere:", all(torch.equal(ids, texts["alone, eager"]) for ids in texts.values()))
for engine in ("eager", "compiled"):
    if f"alone, {engine}" in per_token:
        gain = per_token[f"alone, {engine}"] / per_token[f"generate, k = 4, {engine}"]
        print(f"{engine} against {engine}, speculation is {gain:.2f} times as fast as the target alone")
if compiling:
    gain = per_token["alone, eager"] / per_token["alone, compiled"]
    print(f"compiling makes the target alone {gain:.2f} times as fast", you_said(my_guess_compiled))
before_and_after(per_token, "alone, eager")

# %% [markdown]
# Read the grey bars first: they are the two baselines. If the compiled one is shorter, what it saved is not arithmetic
# (that is the same) but *calling*: an eager step is hundreds of small operations, each of them started from Python. If it
# is not shorter, calling was not what your machine spent its time on: on a slow or busy core the arithmetic outweighs it.
# Count the calls:

# %%
def calls_per_token(run, n):
    """How often Python asks PyTorch to do something, per token of a text of n."""
    with watch_calls() as seen:
        run(n)
    return sum(event.cpu_parent is None for event in seen.function_events) / n


calls = {}
for name, run in ways.items():
    calls[name] = calls_per_token(run, 16 if "eager" in name else tokens)  # eager, a short text will do
    print(f"{name:28}{calls[name]:7.0f} calls per token")
if compiling:
    saved = calls["alone, eager"] - calls["alone, compiled"]
    each = (per_token["alone, eager"] - per_token["alone, compiled"]) / saved
    print(f"\nthe target alone: {saved:.0f} calls saved per token, "
          + (f"{1e6 * each:.1f} microseconds for each" if each > 0 else "and no time: here the arithmetic decides"))

# %% [markdown]
# The last line is the price of one call on your machine. On a CPU calls are a part of a step, because the arithmetic is
# slow too. On a GPU the arithmetic of a small model may be done before Python has started the next operation, and then calling
# is nearly *all* there is. A published measurement of Qwen2.5-7B with its 0.5B draft (a teaching repository, eager PyTorch,
# H100, read in November 2026) shows what that does to speculation. By the bytes that have to be read, a draft step should
# cost 0.065 of a target step. By the layers that have to be *called* it is 24/28 = 0.86: the small model has 24, the large
# one 28. With 82 % of its guesses accepted, the pair ran at 0.55 times the speed of the target alone.
#
# It also works the other way round. An eager target that spends its time waiting for Python is easy to beat. **Ask of
# every speed-up: against what was it measured?** The fair baseline is the target alone, in the same engine.
#
# And see what the compiled bars cost before the first token came out. (The compiler keeps its work on disk: a second run
# of this notebook waits for less.)

# %%
if compiling:
    name = "generate, k = 4, compiled"
    once = sum(took - per_token[way] * tokens for way, took in compiling.items())
    print(machine())
    print(f"compiling took {once:.0f} s; one text of {tokens} tokens: {once + per_token[name] * tokens:.1f} s compiled, "
          f"{per_token['generate, k = 4, eager'] * tokens:.1f} s eager")
    figure = break_even(once, per_token["generate, k = 4, eager"], per_token[name])
else:
    figure = None
figure

# %% [markdown]
# ## Where it loses
#
# **Compiling, for a single answer.** The line above says what one short text costs, start to finish. Where the lines of
# the picture cross, if they do, the compiler has paid for itself. A server may cross that point soon, a script
# that writes one paragraph never.
#
# **Caches do not rescue a drafter that guesses too far.** Let your loop, with both caches, guess 48 tokens ahead. It is
# your own correct code. Is it still faster than the target alone?

# %%
guesses = {"alone": lambda: loop(Remembering(target), Remembering(draft), prompt, 0, tokens)}
for far in (4, 48):
    guesses[f"k = {far}"] = lambda far=far: loop(Remembering(target), Remembering(draft), prompt, far, tokens)
print("timing three loops, each four times, in turns (48 guesses for a round take a while) ...")
spent = {name: [] for name in guesses}
for repeat in range(4):
    for name, run in guesses.items():
        took, done = clock(run)
        spent[name] += [took] if repeat else []
print(machine())
for name, took in spent.items():
    print(f"{name:8}{1000 * np.median(took) / tokens:7.1f} ms per token, "
          f"{np.median(spent['alone']) / np.median(took):.2f} x the speed of alone")

# %% [markdown]
# A cache makes every step cheap, the target's too. It does not make a wasted step free, and a verification of 49 tokens
# costs more than one of 5, cache or no cache (unit 01).
#
# Others have met the same two walls (figures as their authors published them, read in November 2026, none measured here):
#
# | system | what it says | hardware |
# |---|---|---|
# | Vicuna-7B with a 68M draft, Hugging Face assisted generation | 2.28 tokens per call, but 1.52x: two thirds of what the acceptance promises | A100 (Spec-Bench) |
# | Llama-2-70B with a 7B draft, both int4, gpt-fast: compiled, static buffers | 25.25 to 48.4 tokens/s, 1.92x against the *compiled* target | A100 |
# | Qwen2.5-7B with its 0.5B draft, the pair from above, in vLLM | 1.04x instead of 0.55x: the same guesses, another engine | H100 |
#
# **A challenge, without an answer of ours.** In the loop of `generate_cached` every guess waits for the one before it. Let
# the draft write its next k guesses while the target still judges these, as if all were accepted. When is that faster,
# and what has to be thrown away when it was wrong?
#
# ## What to take along
#
# * Without caches speculation competes with a loop that nobody uses. The baseline is plain decoding *with* a cache, and in
#   the same engine.
# * At the start of a round a cache holds all tokens but the newest. After full acceptance the draft lacks one more.
# * That bug leaves the text right and ruins the speed. Test it with a model that drafts for itself.
# * Static buffers: a rollback is a pointer, and a mask does the forgetting.
#
# Next, unit 06: which small model should do the guessing, and how many tokens ahead? For the first time there will be a
# formula, and it can be checked against the clock.

# %%
progress()
