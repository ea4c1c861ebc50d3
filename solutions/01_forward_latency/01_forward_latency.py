# %% setup
import time
from types import SimpleNamespace

import numpy as np
import torch

from specdec_course import generate, load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import ModelDrafter
from specdec_course.figures.latency import latency_figure, roofline_figure, speedup_figure, walls_figure
from specdec_course.figures.race import race
from specdec_course.figures.rounds import token_pieces
from specdec_course.measure import clocks, profiles
from specdec_course.measure.benchmark import compare
from specdec_course.measure.machine import machine
from specdec_course.models import as_forward

# %% [markdown]
# # Why is there a free lunch?
#
# **You will** time a forward pass, say what it waits for, and compute how many tokens a chip checks for the price of one.
#
# **You need** Python and a little PyTorch. No GPU.
#
# First, see it: one model writes one text twice, alone and with a small model that guesses ahead (shown at half the speed).

# %% folded
# Times both ways of writing, and shows them side by side. (Run it again to see it again.)
torch.set_num_threads(1)  # one core: other programs on this machine disturb the clock less
pair = load_pair("classroom")
opening = held_out_prompts(pair.tokenizer, count=1)[0]
print("the text goes on from: ...", pair.tokenizer.decode(opening[-24:]))
lanes, texts = {}, []
for way, drafter in {"alone": None, "guessing": ModelDrafter(pair.draft)}.items():
    for new_tokens in (8, 48):  # the first, short one only warms up
        out = generate(pair.target, opening, drafter, k=4, max_new_tokens=new_tokens, eos_token_id=None)
    texts.append(out.tokens)
    lanes[way] = (token_pieces(pair.tokenizer, out.tokens[len(opening) :]), out.trace.rounds, out.trace.seconds)
print("the same text, token for token:", torch.equal(*texts))
race(lanes, slower=2)

# %% [markdown]
# The same text, and yet the large model was called far less often. (On a busy machine the race may be closer.)
#
# A language model writes one token per **forward pass**: out comes a probability for every possible next token. But nothing
# forces a pass to look at just *one* new token. Give it sixteen, and it answers for all sixteen places at once. That is
# sixteen times the arithmetic.
#
# **So how much longer does a pass over 16 tokens take than a pass over 1?** Write down a factor. Nobody marks it.

# %%
my_guess_for_16 = None  # a number, for example 4

# %% [markdown]
# ## A clock that tells the truth
#
# Read the clock, run the pass, read the clock again: three things make this harder than it sounds.
#
# 1. **A GPU works behind your back.** A call comes back when its work is *queued*, as a waiter does with an order. So a
#    **barrier** that waits for the kitchen (`torch.cuda.synchronize`) belongs before the clock stops, and before it starts.
# 2. **The first calls are special.** A compiled model is compiled *in its first call*, and caches are cold. Such calls
#    are made before anybody looks at the clock: the **warm-up**.
# 3. **Other programs exist.** One call in twenty is slow for no reason of yours. So you time many, and keep them all.
#
# Suppose the calls of fn take 900, 40, 5, 5 and 6 ms: `repeats=3, warmup=2` gives `[0.005, 0.005, 0.006]`.

# %% exercise: time_call

# %% [markdown]
# Here is a kitchen that behaves like a GPU: ordering takes no time, and `wait_until_empty` is what
# `torch.cuda.synchronize` is on a real one. Every meal takes 20 ms (and a little: `sleep` is never early).

# %% folded
# A kitchen that takes orders at once and cooks each of them later, timed in three ways.
class Kitchen:
    """Takes orders at once and cooks them later: 20 ms for each."""

    def __init__(self):
        self.orders = 0

    def order(self):
        self.orders += 1

    def wait_until_empty(self):
        time.sleep(0.020 * self.orders)
        self.orders = 0


kitchen = Kitchen()

begin = time.perf_counter()
kitchen.order()
print(f"not waiting at all:        {1000 * (time.perf_counter() - begin):6.2f} ms  (the waiter's time)")

begin = time.perf_counter()
kitchen.order()
kitchen.wait_until_empty()
print(f"waiting at the end:        {1000 * (time.perf_counter() - begin):6.2f} ms  (two meals!)")

begin = time.perf_counter()
kitchen.order()
kitchen.wait_until_empty()
print(f"and empty at the start:    {1000 * (time.perf_counter() - begin):6.2f} ms")

# %% [markdown]
# The second line is as wrong as the first: the order before it was still in the oven when the clock started. And the
# warm-up? One published benchmark that did not think of this reads 1.6 passes per second for 2 tokens and 25.9 for 4.
#
# Now yours:

# %%
timer = yours(time_call)
meals = timer(kitchen.order, repeats=5, warmup=2, synchronize=kitchen.wait_until_empty)
print("milliseconds:", np.round(1000 * np.asarray(meals), 1))

# %% [markdown]
# ## The model of this unit
#
# The course brings its own pair of small models, trained on an imaginary encyclopedia. The larger one is the
# **target**: the model whose text we want. The smaller one will guess for it in later units.
#
# `as_forward` makes a plain function out of a model: ids `[T]` go in, logits `[T, V]` come out. T is the number of
# tokens, V the size of the vocabulary.

# %%
forward = as_forward(pair.target)
vocab_size = pair.target.config.vocab_size

ids = torch.tensor(pair.tokenizer.encode("The river flows through the town"))
print("machine:   ", machine())
print("target:    ", f"{pair.target.num_parameters() / 1e6:.1f} million parameters,",
      f"{pair.target.config.num_hidden_layers} layers of width {pair.target.config.hidden_size}")
print("one pass:  ", list(ids.shape), "ids in,", list(forward(ids).shape), "logits out")

# %% [markdown]
# ## From one time to a curve
#
# Now the question itself. For each length n, feed the model n random tokens, time it with your `time_call`, and keep
# one number.
#
# Which one? Suppose five calls took 2, 2, 4, 5 and 47 ms. The mean is 12 ms, and no call took about that long: a
# single disturbed call moved it. The minimum is 2 ms: a lucky call, and the longer you measure, the luckier you get.
# The **median** is 4 ms: half of the calls were faster, half slower.
#
# Why random tokens, and not a row of zeros? Because no shortcut should be possible, neither in the model nor in a
# cache of the processor. And a seed, so that you can repeat your own experiment.
#
# (If your `time_call` is not finished yet, call `clocks.time_call` in its place. On a GPU, hand over
# `torch.cuda.synchronize`; on a CPU no barrier is needed. `torch.cuda.is_available()` knows which one you have.)

# %% exercise: latency_profile

# %% [markdown]
# Measure the target. This takes from a few seconds to half a minute; the long passes take most of it. (`affordable`
# leaves out the longest ones where they would take too long.)

# %%
lengths = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
print("trying which lengths this machine can afford ...")
lengths = clocks.affordable(forward, lengths, vocab_size)
print(f"measuring passes of 1 to {lengths[-1]} tokens ...\n")
profile_of = yours(latency_profile)
eager = profile_of(forward, lengths, vocab_size, repeats=7)

print(f"{'tokens':>8}{'ms':>10}{'times one token':>18}")
for n, seconds in eager.items():
    print(f"{n:>8}{1000 * seconds:>10.2f}{seconds / eager[1]:>18.2f}")
print(f"\n16 tokens against 1: {eager[16] / eager[1]:.2f} times as long")
if my_guess_for_16 is not None:
    print(f"your guess: {my_guess_for_16}")

# %% [markdown]
# Sixteen times the arithmetic. How many times as long it took is printed above, and depends on your machine: on the T4
# below it is 1.00, on the 2-core CPU that we have records of 1.78 (eager). We will find out why.
#
# Look at the last line of the table too: divide its time by its tokens, and compare the result with the time for 1.
#
# ## The same model, compiled
#
# PyTorch runs a model *eagerly*: every addition and every normalisation is a separate call from Python, written to
# memory and read again by the next one. `torch.compile` reads the model once, fuses neighbouring steps and writes
# machine code for them. On a GPU it can also record the whole pass and replay it with a single launch
# (`mode="reduce-overhead"`): there, launching hundreds of tiny kernels can take longer than running them.
#
# **Predict:** which pass gains more from compiling, the one over 1 token or the longest one?

# %%
my_guess_who_gains = None  # "1" or "longest"

# %%
began = time.perf_counter()
print("compiling: this can take a minute ...")
faster = clocks.compiled(pair.target)  # None (and a line that says why) without a C++ compiler
curves = {"eager": eager}
if faster is not None:
    curves["compiled"] = profile_of(as_forward(faster), lengths, vocab_size, repeats=7)
    print(f"compiling and measuring took {time.perf_counter() - began:.0f} s: hence the warm-up\n")
    gains = {n: eager[n] / seconds for n, seconds in curves["compiled"].items()}
    print(f"{'tokens':>8}{'eager, ms':>12}{'compiled, ms':>14}{'gain':>8}")
    for n, seconds in curves["compiled"].items():
        print(f"{n:>8}{1000 * eager[n]:>12.2f}{1000 * seconds:>14.2f}{gains[n]:>7.2f}x")
    lead = gains[1] / gains[max(gains)]
    more = "1" if lead > 1.15 else "longest" if lead < 0.87 else "neither, beyond what a busy machine disturbs"
    print(f"\nthe pass that gains more here: {more}")
    if my_guess_who_gains is not None:
        print(f"your prediction: {my_guess_who_gains}")
latency_figure({f"your machine, {name}": curve for name, curve in curves.items()})

# %% [markdown]
# What compiling saves is the overhead of small steps, and that is about the same for every n: by itself it would weigh
# most where the pass is short. Where your table says otherwise, something else outweighs it: fused steps also write
# less to memory, which long passes gain from, and a busy machine disturbs both columns. (A gain below 1 means that the
# eager pass is good already, or that the machine was busy.)
#
# ## How long is it flat?
#
# Take the T4, a small data-centre GPU that Colab lends out, with Llama-3.2-3B. It makes 31.35 passes per second with
# 1 token and 31.21 with 16. Fifteen tokens *for nothing*. That is the free lunch. This course is about eating it.
#
# Let us put a number on it. Call a curve flat as long as it stays within 25 % of the time for its shortest pass. On
# the T4 (milliseconds; 1000 divided by the passes per second):
#
# | tokens | 1 | 16 | 32 | 64 | 128 | 256 |
# |---|---|---|---|---|---|---|
# | ms | 31.9 | 32.0 | 38.5 | 41.7 | 55.2 | 101.7 |
# | of the first | 1.00 | 1.00 | 1.21 | 1.31 | 1.73 | 3.19 |
#
# So its flat region ends at 32. If a noisy measurement at 256 tokens had shown 33 ms, would you believe in a flat
# region of 256? No: flat means flat *all the way*.

# %% exercise: flat_region

# %% [markdown]
# Your curves, next to those of machines that we have records of. (Each record names its hardware, precision and
# source; they lie in the course's `data/measurements`.)

# %%
region_of = yours(flat_region)
records = profiles.telling_profiles()
for name, curve in curves.items():
    print(f"your machine, {name}: flat up to n = {region_of(curve)}")
for record in records:
    print(f"{record['label']}: flat up to n = {region_of(record['profile'])}\n"
          f"    {record['hardware']}, {record['precision']}; {record['source']}")
first = next(iter(curves.values()))
latency_figure(
    {f"your machine, {name}": curve for name, curve in curves.items()},
    {record["label"]: record["profile"] for record in records},
    flat=region_of(first),
)

# %% [markdown]
# ## Why? What a pass has to do
#
# A pass does two things that take time. It **reads** the weights of the model from memory, every one of them. And it
# **calculates** with them. A chip has a limit for each: a bandwidth in bytes per second, and a peak in operations per
# second.
#
# Take one matrix with 1000 x 1000 weights of 2 bytes each, and n tokens. Reading it moves 2 million bytes, *whatever
# n is*. Multiplying takes one multiplication and one addition per weight and token, 2 million operations times n. So
# with one token, the chip does one operation for each byte. It could do a hundred or more in the time in which a byte
# arrives. It waits. With 16 tokens it still waits; it only waits less idly.
#
# **Predict:** a T4 calculates 65 000 000 000 000 operations per second and reads 320 000 000 000 bytes per second.
# From what number of tokens on is it the arithmetic that takes longer?

# %%
my_guess_for_the_t4 = None  # a number of tokens

# %% [markdown]
# To do it properly, count the operations and the bytes of a whole model. What is in a Llama or a Qwen? Per layer
# seven matrices:
#
# | matrix | from | to |
# |---|---|---|
# | q | hidden | heads · d |
# | k, v | hidden | kv_heads · d (several heads share one pair of key and value: *grouped-query attention*) |
# | o | heads · d | hidden |
# | gate, up | hidden | intermediate |
# | down | intermediate | hidden |
#
# and, after the last layer, the **LM head**, from hidden to the vocabulary. (In many models it is *tied*: the same
# matrix also serves as the embedding. It is read and multiplied all the same.)
#
# Attention adds work that has no weights. In every layer each of the n tokens is compared with all `context + n`
# positions, by a product of length d per head; then the values are summed, as much again. And it adds something to
# read: the keys and values of all those positions, again in every layer. (The example below has a single layer.)
#
# A worked example, small enough for paper. hidden = 4, one layer, 2 heads, 1 KV head, d = 2, intermediate = 8,
# vocabulary 10. Weights: q 4·4 = 16, k and v 4·2 = 8 each, o 16, the MLP 3·4·8 = 96, LM head 4·10 = 40; in all 184.
# For **3 tokens after a context of 5**, with 2 bytes per number:
#
# * projections and LM head: 2 · 3 · 184 = 1104 operations;
# * attention: 3 tokens, each with 8 positions, 2 heads, products of length 2; scores and sums: 3 · 8 · 2 · 2 · 2
#   multiply-adds = 192, so 384 operations;
# * bytes: 2 · 184 = 368 for weights, and 8 positions · 1 KV head · 2 numbers · (key and value) · 2 bytes = 64.
#
# Answer: `(1488, 432)`. Your function should say so too.

# %% exercise: forward_cost

# %%
cost_of = yours(forward_cost)
small = SimpleNamespace(
    hidden_size=4, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=2,
    intermediate_size=8, vocab_size=10,
)
print("the example on paper:", cost_of(small, 3, context=5))

llama = SimpleNamespace(  # Llama-3.2-3B, from its config.json
    hidden_size=3072, num_hidden_layers=28, num_attention_heads=24, num_key_value_heads=8, head_dim=128,
    intermediate_size=8192, vocab_size=128256,
)
for n in (1, 16):
    operations, moved = cost_of(llama, n)
    print(f"Llama-3.2-3B, n = {n:2}: {operations / 1e9:6.1f} billion operations, {moved / 1e9:.2f} GB")

# %% [markdown]
# Sixteen tokens: sixteen times the operations, and the same 6.4 GB. There it is.
#
# How long must a pass take at least? Reading and calculating go on at the same time: while one block of weights is
# used, the next is already on its way. A pass that needs 20 ms to read and 2 ms to calculate takes 20 ms.

# %% exercise: roofline_latency

# %% [markdown]
# Draw it: two walls, and the pass can be below neither. The picture of `max(...)` looks like a roof, so this is
# called the **roofline model**. Nothing in it is measured.

# %%
time_of = yours(roofline_latency)
tokens = list(range(1, 1025))
peak, bandwidth = profiles.DATASHEETS["NVIDIA T4"]
costs = [cost_of(llama, n) for n in tokens]
walls_figure(
    "Llama-3.2-3B in float16 on a T4: the two walls (computed)",
    tokens,
    [operations / peak for operations, _ in costs],
    [moved / bandwidth for _, moved in costs],
)

# %% [markdown]
# Where do the walls meet? With b bytes per weight, reading takes `b · weights / bandwidth` and calculating
# `2 · n · weights / peak`. They are equal at
#
# $$n = \frac{b}{2} \cdot \frac{\text{peak}}{\text{bandwidth}}$$
#
# The size of the model is gone. **How wide the free lunch is, is a property of the chip.** (The picture above counts
# attention too, which multiplies more than it reads: there the walls meet a little earlier.)

# %%
print(f"{'':17}{'Tflop/s':>9}{'GB/s':>9}{'walls meet at':>15}")
for name, (peak, bandwidth) in profiles.DATASHEETS.items():  # two bytes per weight
    print(f"{name:17}{peak / 1e12:>9.0f}{bandwidth / 1e9:>9.0f}{peak / bandwidth:>15.0f}   (computed)")

limit_flops, limit_bytes = clocks.measured_limits()  # of this CPU, four bytes per weight
print(f"{'this CPU':17}{limit_flops / 1e12:>9.2f}{limit_bytes / 1e9:>9.1f}{2 * limit_flops / limit_bytes:>15.0f}"
      "   (limits measured just now)")
if my_guess_for_the_t4 is not None:
    print("your guess for the T4:", my_guess_for_the_t4)

# %%
sheets = {
    f"{name} (computed)": {n: time_of(*cost_of(llama, n), *limits) for n in tokens}
    for name, limits in profiles.DATASHEETS.items()
}
own = pair.target.config
here = {n: time_of(*cost_of(own, n, bytes_per_param=4), limit_flops, limit_bytes) for n in tokens}
t4 = next(record["profile"] for record in records if record["hardware"].startswith("NVIDIA T4"))
roofline_figure({
    "Llama-3.2-3B in float16": (sheets, {"NVIDIA T4 (measured)": t4}),
    "the classroom target on this CPU": ({"computed": here}, {f"{name} (measured)": c for name, c in curves.items()}),
})

# %%
sheet = sheets["NVIDIA T4 (computed)"]
print(f"{'milliseconds':26}{'tokens':>8}{'computed':>10}{'measured':>10}")
for name, roof, clock in (("T4, Llama-3.2-3B", sheet, t4), ("this machine, eager", here, eager)):
    for n in sorted({1, 16, max(set(clock) & set(roof))}):
        print(f"{name:26}{n:>8}{1000 * roof[n]:>10.1f}{1000 * clock[n]:>10.1f}")

# %% [markdown]
# The shape is right: flat, then a bend, then a straight climb. The numbers are kinder than reality, as a lower bound
# should be. The real T4 needs 32 ms where the data sheet promises 20, and its flat region ends near 32 tokens, not
# near 200: everyday matrix products do not reach the peak of the data sheet. And a tiny model on a CPU may spend a good
# part of a one-token pass on neither wall, but on Python and on calling hundreds of small operations. That overhead is
# about the same for every n, so it makes the curve look *flatter* than the chip is.
#
# (If a dot of your machine lies below its line, the machine was busier when its limits were measured.)
#
# Keep both lessons. A flat curve may mean "waiting for memory": good, that is the free lunch. Or it may mean "busy
# with overhead": then a better engine makes the one-token pass faster, and the lunch shrinks. A speed-up that was
# measured against a slow engine is easy to get.

# %% [markdown]
# ## What the lunch is worth, and when it is not
#
# A pass over k + 1 tokens for the price of one is of no use if there is only one token to put in. Speculative
# decoding fills the other k places with *guesses* of a cheap drafter; those that the target would have written anyway
# are kept. Unit 03 does this in full. Here we only ask what it can bring, on the machine in front of you.
#
# A round costs k steps of the drafter and one pass of the target over k + 1 tokens. It brings at most k + 1 tokens.
# The longer the draft, the more tokens per pass. **Predict:** which draft length k is fastest here: 2, 4, 16 or 48?
# And does one of them lose against not drafting at all?

# %%
my_guess_best_k = None

# %%
prompts = held_out_prompts(pair.tokenizer, count=1)
rows = [(0, 1.0, 1.0)]
print(machine(), "\n")
for k in (4,) if clocks.in_a_hurry() else (2, 4, 16, 48):  # (4,) while being marked
    print(f"k = {k:2}: ", end="", flush=True)
    ways = {"alone": None, "speculative": ModelDrafter(pair.draft)}
    alone, speculative = compare(pair.target, prompts, ways, k, max_new_tokens=49, repeats=2)
    rows.append((k, speculative.tokens_per_call, speculative.speedup))
    print(f"{speculative.tokens_per_call:.2f} tokens per target pass,"
          f" {speculative.speedup:.2f} x the speed of the target alone")
best = max(rows, key=lambda row: row[2])
print(f"fastest here: k = {best[0]}")
if my_guess_best_k is not None:
    print("your prediction:", my_guess_best_k)
speedup_figure(rows)

# %% [markdown]
# Tokens per pass grow with k at first, and then hardly any more. The speed does not even do that. A long draft pays
# for many guesses that are thrown away, and for a pass that is no longer in the flat region. At the right end of the
# picture the "acceleration" is a slow-down, and no bug is needed for it. On another machine the best k may be another
# one: **the best draft length depends on the model and the hardware.**
#
# Published systems, each against its own baseline:
#
# | system | speed-up | hardware |
# |---|---|---|
# | Qwen2.5-Coder-7B with a 0.5B draft, vLLM, k = 4 | 1.72x | RTX 4090, one request at a time |
# | Llama-2-70B int4 with Llama-2-7B int4, gpt-fast, compiled | 1.92x | A100 |
# | Qwen2.5-7B with its 0.5B draft, eager PyTorch, a teaching repository | **0.55x** | H100 |
#
# The last one accepts 82 % of its guesses and still takes almost twice as long. Its draft has 24 layers against the
# target's 28, and in eager PyTorch what counts is the number of launches: the draft is hardly cheaper than the
# target. You have seen that overhead in your own curve.
#
# ## What to take along
#
# * A one-token pass waits for memory. As long as it waits, more tokens in the same pass are nearly free.
# * The lunch is as wide as peak / bandwidth of the chip allows (times bytes per weight over two), less what overhead and
#   reality take. Large batches eat the same lunch: with many requests in a pass there is none left for guesses.
# * A clock without barriers, without warm-up, or with one lucky number tells you what you want to hear.
#
# **An open challenge.** `forward_cost` has a `context`. With 100,000 tokens in front, reading keys and values costs
# more than reading weights. Draw the walls of the T4 for that (`walls_figure`). Where do they meet now, and is a long
# text good or bad for guessing?
#
# Next, unit 02: the cheapest drafter in the world.

# %%
progress()
