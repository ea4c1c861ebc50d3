# %% setup
import json
import math

import torch
from torch.nn.utils.rnn import pad_sequence

from specdec_course import generate, load_pair
from specdec_course.cache.batch import BatchModel
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.common.guess import you_said
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding import generate_batch
from specdec_course.drafters import AheadDrafter, ModelDrafter
from specdec_course.figures.serving import kept_by_row, rows_over_passes, throughput_by_batch, two_lines
from specdec_course.measure import clocks
from specdec_course.measure.batches import alpha_of, at_work, profile_of, seconds_of_parts
from specdec_course.measure.benchmark import own_way, rows_of, timed
from specdec_course.measure.machine import machine
from specdec_course.measure.methods import as_table as table_of_methods
from specdec_course.measure.profiles import recorded_profiles
from specdec_course.sampling import Sampling
from specdec_course.theory import expected_tokens

# %% [markdown]
# # Many texts at once
#
# **You will** verify the drafts of a whole batch, compute what speculation is worth to it, and find where it stops paying.
#
# **You need** units 03 and 06; the latency curve (01); the idea of the cache (05).
#
# Speculation lives on time that is lost otherwise: the target waits for its weights to arrive from memory, and checks five
# tokens in little more than the time of one. But a server has another use for that time: the tokens of *other* texts. **If
# eight texts share every pass, what is left for speculation?**
#
# **Two guesses before you go on.** Eight texts side by side, decoded plainly: (1) how many times as many tokens per second
# as one text after the other? Then with the bundled draft model and k = 4, which makes a single text faster: (2) what
# factor does it bring to the eight?

# %%
my_guess_batch = None  # 1 means: no more than one after the other
my_guess_speculation = None  # 1 means: nothing; below 1: a loss

# %% folded
# Loads the models, and decodes the same texts one after the other and side by side.
pair = load_pair("classroom")
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
K, NEW = 4, 16 if hurry else 32
prompts = held_out_prompts(pair.tokenizer, count=4 if hurry else 16, length=40)
rate = {}
for batch in (1, 4 if hurry else 8):
    outs = generate_batch(pair.target, prompts[:8], max_new_tokens=NEW, eos_token_id=None, batch=batch)
    rate[batch] = at_work(outs, batch)[0]
    print(f"{batch} side by side: {rate[batch]:.0f} tokens per second in all")
print(f"{rate[batch] / rate[1]:.1f} times as many", you_said(my_guess_batch))

# %% [markdown]
# The pass reads every weight once, for all texts together. That is the lunch of unit 01, eaten by others. What it costs a
# single text is the rest: its own tokens now come more slowly.
#
# ## Each row its own number
#
# Speculation in a batch: every row has its draft, one pass checks them all. Row 0 keeps three tokens, row 1 none, row 2 has
# not drafted as many as the others, and in row 3 sits nobody at present. Worked example, k = 3 (`.` is padding):
#
# ```
# row   draft    choice       lengths   active     n_accepted   emitted
# 0     7 8 9    7 8 9 4      3         yes        3            7 8 9 4     all agree: the bonus
# 1     7 8 9    5 8 9 4      3         yes        0            5           what agrees behind it counts for nothing
# 2     7 . .    7 6 . .      1         yes        1            7 6         choice[2, 1] comes behind its whole draft
# 3     . . .    . . . .      .         no         0            nothing
# ```

# %% exercise: verify_batch

# %% [markdown]
# There is a simpler way: all rows keep as many tokens as the row that keeps the fewest, and the tensors stay rectangular. The
# text is right that way, too. **Predict**: six texts, four drafted tokens each. How many tokens does a text get per pass if
# each row goes its own way, and how many if all wait for the worst?

# %% folded
# plays rounds of a batch with your verify_batch; with wait=True all rows keep as many tokens as the one with the fewest
verify = yours(verify_batch)


def drafted(text):
    ids = list(text)
    for _ in range(K):
        ids.append(int(pair.draft(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(text) :]


@torch.inference_mode()
def play(prompts, rounds, wait=False):
    """(texts, what each row kept in each round): every round is one pass over K + 1 tokens of each text."""
    texts, kept = [one.tolist() for one in prompts], []
    target = BatchModel(pair.target, len(texts))
    counts = torch.tensor([len(text) - 1 for text in texts])
    target.append(pad_sequence([torch.tensor(text[:-1]) for text in texts], batch_first=True), counts)
    full, there = torch.full((len(texts),), K), torch.ones(len(texts), dtype=torch.bool)
    for _ in range(rounds):
        drafts = torch.tensor([drafted(text) for text in texts])
        newest = torch.tensor([text[-1:] for text in texts])
        choice = target.append(torch.cat([newest, drafts], 1), full + 1).argmax(-1)
        accepted, emitted = verify(drafts, choice, full, there)
        accepted = [min(map(int, accepted))] * len(texts) if wait else list(map(int, accepted))
        for text, own, n in zip(texts, emitted, accepted, strict=True):
            text += [int(token) for token in own[: n + 1]]
        kept.append(accepted)
        target.rollback(target.lengths - torch.tensor([len(text) - 1 for text in texts]))
    return texts, kept


some = prompts[:6]
texts, kept = play(some, 4 if hurry else 10)
_, waiting = play(some, 4 if hurry else 10, wait=True)
mean = [1 + sum(map(sum, one)) / (len(some) * len(one)) for one in (kept, waiting)]
print(f"tokens per pass and text: {mean[0]:.2f} if each row goes its own way, {mean[1]:.2f} if all wait for the worst")
alone = [generate(pair.target, one, max_new_tokens=len(text) - len(one), eos_token_id=None).tokens.tolist()
         for one, text in zip(some, texts, strict=True)]
print(f"{sum(a == b for a, b in zip(alone, texts, strict=True))} of {len(some)} texts are those that the target writes alone")
kept_by_row(kept, K, "Each row keeps its own number.")

# %% [markdown]
# With more rows the worst of them is worse: waiting costs nearly all that speculation brings. The price of not waiting: the rows
# have different lengths from now on, so positions, masks and cache have a pointer for each row (`specdec_course/cache/batch.py`).
#
# ## The next text takes the place
#
# Texts end at different times. A **static batch** goes on until its last text is done, with more and more empty rows. In
# **continuous batching** (Yu et al. 2022) a row that ends is given to the next text at once, between two passes.
#
# `generate_batch` does so. Here are twelve texts of different lengths, four at a time, speculatively. **Predict**: how many
# more calls of the target does a static batch need?

# %%
budgets = [12, 60, 20, 36, 64, 8, 28, 48, 16, 40, 24, 56][: len(prompts)]
few = prompts[: len(budgets)]
ways = {}


def serve(some, lengths, batch):
    return generate_batch(pair.target, some, pair.draft, K, max_new_tokens=lengths, eos_token_id=None, batch=batch)


outs = serve(few, budgets, 4)
ways["continuous"] = outs.passes
static = [serve(few[i : i + 4], budgets[i : i + 4], 4) for i in range(0, len(few), 4)]
ways["static"] = [call for one in static for call in one.passes]
for name, calls in ways.items():
    seconds = sum(call.seconds for call in calls)
    print(f"{name}: {len(calls)} calls, {sum(budgets) / seconds:.0f} tokens per second")
singly = serve(few, budgets, 1)
same = sum(a.tokens.tolist() == b.tokens.tolist() for a, b in zip(outs, singly, strict=True))
print(f"one after the other: {len(singly.passes)} calls; {same} of {len(few)} texts are the same")
rows_over_passes(ways)

# %% [markdown]
# No text is changed by its neighbours, by the row it gets or by the moment when it comes. That has to be so by construction:
# whoever shares a batch with strangers must not read them. (Only round-off can still decide between two tokens that are
# equally good: a matrix product of 20 rows adds up in another order than one of 5.)
#
# ## What does a larger pass cost?
#
# A pass of 8 texts with k = 4 reads 40 tokens. Unit 01 asked what a pass of 40 tokens costs for one text; for a batch it is
# the same question, nearly: the weights do not care whose tokens they are multiplied with. So measure passes of batch tokens and of
# batch * (k + 1) tokens, and steps of the draft. **Predict**: up to which batch is checking five tokens of each text nearly free?

# %%
print(machine())
batches = (1, 2, 4) if hurry else (1, 2, 4, 8, 16)
parts = {}
for batch in batches:
    parts[batch] = one = seconds_of_parts(pair.target, pair.draft, prompts[:batch], K, repeats=2 if hurry else 4)
    print(f"{batch:2} texts: {batch:2} tokens {1000 * one.plain:5.1f} ms, {batch * (K + 1):2} tokens {1000 * one.check:5.1f} ms,"
          f" {one.check / one.plain:.1f} times as long; a step of the draft {1000 * one.draft:4.1f} ms")
profile = profile_of(parts, K)
cost = {batch: one.draft / one.plain for batch, one in parts.items()}  # c, in passes of the target

# %% [markdown]
# These are all the times that we need. In a round every text gets $1 + \alpha + \dots + \alpha^k$ tokens on average (unit 06), and the
# round takes k steps of the draft and one pass. Worked example: passes take 10 ms up to 16 tokens and 20 ms at 32, alpha = 0.5, k = 3,
# c = 0.1. A batch of 6 reads 24 tokens, which lies halfway: 15 ms. Before that 3 steps of the draft at 0.1 x 10 ms. So 6 x 1.875
# tokens in 18 ms: 625 per second. Plainly: 6 tokens in 10 ms, 600 per second.

# %% exercise: batch_throughput

# %% [markdown]
# Model against measurement: the same batches for real, with and without the draft model. **Predict** where the two lines meet.

# %%
worth = yours(batch_throughput)
names = {0: "plain", K: f"k = {K}"}
measured, computed, runs = {name: {} for name in names.values()}, {name: {} for name in names.values()}, []
for batch in batches:
    served = [prompts[i % len(prompts)] for i in range(max(len(prompts) // 2, batch + batch // 2))]
    for k, name in names.items():
        outs = generate_batch(pair.target, served, pair.draft if k else None, K, max_new_tokens=NEW, eos_token_id=None,
                              batch=batch)
        measured[name][batch] = at_work(outs, batch)[0]
        runs += outs if k else []
        print(f"{batch:2} texts, {name}: {measured[name][batch]:4.0f} tokens per second")
alpha = alpha_of(runs)
for k, name in names.items():
    computed[name] = {batch: float(worth(batch, alpha, k, profile, cost[batch])) for batch in batches}
off = {(name, batch): measured[name][batch] / computed[name][batch] for name in measured for batch in batches}
print(f"\nalpha = {alpha:.2f}; measured over computed: {min(off.values()):.2f} to {max(off.values()):.2f}")
for batch in batches:
    gain = measured[names[K]][batch] / measured["plain"][batch]
    print(f"{batch:2} texts: speculation {gain:.2f} x, computed {computed[names[K]][batch] / computed['plain'][batch]:.2f} x",
          you_said(my_guess_speculation) if batch == 8 else "")
throughput_by_batch(measured, computed, "The bundled pair.")

# %% [markdown]
# What the model leaves out: texts do not all have the same alpha; rows that draft less at their end; a context that grows; and
# whatever else this machine was doing meanwhile. The record (`data/measurements/classroom_batch.json`, nothing else running) has
# 0.88 to 1.01 of what was computed, lowest where eight texts speculate. So near the crossing trust the measurement.
#
# ## Where it stops paying
#
# While a pass waits for the weights, drafted tokens ride along for next to nothing. Once it waits for the arithmetic, each costs
# as much as any other, and only some are kept: there plain decoding is as fast. Find the batch. Worked example: passes take 1 s up to 64 tokens, from there on a second for every 64. With alpha = 0.5, k = 1, c = 0 a
# batch of 32 gets 48 tokens in the second that brings 32 plainly. A batch of 47 still gains (70.5 tokens in 94/64 s: 48 a second, against
# 47), a batch of 48 gets 48 a second either way. So the answer is 48: equally fast does not pay.

# %% exercise: crossover_batch

# %%
crossing = yours(crossover_batch)
c = sorted(cost.values())[len(cost) // 2]
print(f"Computed for this machine, as far as {max(profile)} tokens, alpha = {alpha:.2f}, c = {c:.2f}:")
for k in (1, 2, 4):
    found = crossing(alpha, k, profile, c)
    print(f"  k = {k}: " + (f"stops paying at {found} texts" if found else f"pays for all of the {max(profile) // (k + 1)} batches"))
t4 = next(one for one in recorded_profiles() if one["label"].startswith("T4"))
print(f"\n{t4['label']}, recorded, {max(t4['profile'])} tokens at most; alpha = 0.8, c = 0.1:")
for k in (1, 2, 4, 8):
    print(f"  k = {k}: stops paying at {crossing(0.8, k, t4['profile'], 0.1)} texts")
print("  the best k, by batch:", ", ".join(
    f"{n}: {max(range(9), key=lambda k: worth(n, 0.8, k, t4['profile'], 0.1))}" for n in (1, 4, 16, 32, 64, 100)))

# %% [markdown]
# There is no best k any more: it depends on how many texts there are at the moment, and on a server that changes from second to
# second. Short drafts pay longest. A server that always drafts the k that is best for one text loses exactly when it is busiest.
#
# Two reservations. A profile of short texts says nothing of **long contexts**: there each text has a large cache of its own to be
# read in every pass, which no neighbour shares. A pass then waits for memory at any batch, and checking more tokens of a text is
# cheap again (Sadhukhan et al. 2024). And tokens per second of all texts are not all that counts: a reader wants *their* text soon.
#
# ## Drafting ahead
#
# While the target checks, the draft model waits; while the draft model drafts, the target waits. If each had a device of its own,
# the next block could be drafted **while the last one is being checked**, on the bet that all of it will be accepted:
#
# ```
# draft    | block 0 | block 1 |        | block 2 | (for nothing)  | block 2 anew |
# target             | check 0 (all accepted) | check 1 (rejected) |              | check 2 ...
# ```
#
# (The bonus token would have to be guessed, too. Say that a block is accepted in full if the guess behind it is right as well.)
# **Predict**: drafting takes 3 ms, checking 5 ms. Block 0 is accepted, block 1 is not. When is the check of block 2 over? One
# after the other it would be 24 ms.

# %% exercise: overlap_timeline

# %% [markdown]
# Block 2's check is over at 21 ms: block 1 is drafted from 3 to 6, while block 0 is checked until 8, and checked until 13; its
# successor is drafted anew until 16. Three ms are saved, those of the one block that was kept.
#
# Now with the bundled pair's own times for one text, and with the verdicts of a real text. (This is a computation: here both models share
# the same cores, and drafting ahead would take from the target what it gives to the draft.) **Predict** before you run it: does a
# faster or a slower draft model gain more from being ahead?

# %%
timeline_of = yours(overlap_timeline)
draft_ms, verify_ms = 1000 * K * parts[1].draft, 1000 * parts[1].check
rounds = generate(pair.target, prompts[0], ModelDrafter(pair.draft), K, max_new_tokens=64, eos_token_id=None).trace.rounds
verdicts = [r.accepted == K for r in rounds if r.drafted == K][:12]
print(f"drafting {draft_ms:.1f} ms, checking {verify_ms:.1f} ms, {sum(verdicts)} of {len(verdicts)} blocks accepted in full")
panels = {f"draft of {draft_ms:.0f} ms": draft_ms, "draft as slow as the check": verify_ms}
panels = {name: (timeline_of(ms, verify_ms, verdicts), ms) for name, ms in panels.items()}
for name, ((_, total), ms) in panels.items():
    print(f"{name}: {total:.0f} ms, one after the other {len(verdicts) * (ms + verify_ms):.0f} ms, "
          f"{len(verdicts) * (ms + verify_ms) / total:.2f} times as fast")
two_lines({name: found for name, (found, _) in panels.items()})

# %%
shares, ratios = (0.2, 0.5, 0.8, 1.0), (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
coins = torch.rand(400, generator=torch.Generator().manual_seed(0))
print("times as fast as one after the other, by drafting time (in checks) and share of blocks accepted in full:")
print("           " + "".join(f"{ratio:7g}" for ratio in ratios))
for share in shares:
    pattern = (coins <= share).tolist()
    print(f"{share:10.0%} " + "".join(f"{400 * (ratio + 1) / timeline_of(ratio, 1, pattern)[1]:7.2f}" for ratio in ratios))

# %% [markdown]
# Whatever the draft and the target take, what overlaps is the shorter of the two: never more than twice as fast, and that only where
# both take equally long and every block is accepted. A draft model that is good for speculation is *fast*: there is little to
# hide. And a block is accepted in full less often the longer it is. Drafting ahead pays for large drafts that are nearly always
# right, on a device that would be idle.
#
# With many texts there is a better use for it: draft for one half of them while the target checks the other half. Then nothing is
# drafted on a bet.
#
# ### The same with two threads
#
# `AheadDrafter` does what was computed: its draft model works in a thread of its own, and what is left of a lost bet is called off.
# **Predict**: on this machine, how many times as fast as one after the other, (1) with the draft model, (2) with the target as its
# own draft and k = 1? There no bet is lost, and drafting takes as long as checking.

# %% folded
# writes the same texts one after the other and ahead, in turns, and counts the bets
for name, draft, k in (("the draft model", pair.draft, K), ("the target as its own draft", pair.target, 1)):
    drafters = {"one after the other": ModelDrafter(draft), "ahead": AheadDrafter(draft)}
    both = {way: own_way(pair.target, drafter, k, Sampling(), NEW) for way, drafter in drafters.items()}
    _, row = rows_of(timed(both, prompts[: 2 if hurry else 6], 1))
    ahead = drafters["ahead"]
    print(f"{name}, k = {k}: {row.speedup:.2f} times as fast; {ahead.won} of {ahead.bets} bets won; "
          f"{'the same texts' if row.same_text else 'other texts'}")

# %% [markdown]
# A timeline leaves out where the two work. Each thread needs a core that is free; both read their weights over one memory bus; and
# Python itself runs in one thread at a time, which is half of an eager step of models as small as these. On one core, where two
# threads can only take turns, the record (`data/measurements/classroom_ahead.json`) has 0.81x and 0.75x where the timeline promises
# 1.07x and 1.77x. Drafting ahead is made for two devices.
#
# At a temperature a draft that was written ahead may be used, too, and the text keeps its law. Whether it is used depends on the
# verdict and on the guess in front of it, and on none of its own tokens: given the text, they are draws from q. Would that still
# hold if it were used only where its first token is a likely one?
#
# ## Faster for whom?
#
# Speculation, a distilled small model and batching are often quoted side by side, as if they were bids for one job. **Predict** for
# each of them, before you look at the table: what does one reader gain, what does the machine gain, and what is lost?
#
# (What is lost: how many nats more a token of held-out Atlas costs the draft model than the target; and the share of places in the
# target's own texts where its likeliest token is the target's.)

# %% folded
# shows the record of `specdec bench --methods`, which measures these ways in turns
record = json.loads(data_path("measurements", "classroom_methods.json").read_text(encoding="utf-8"))
print(record["hardware"])
print(table_of_methods(record["rows"], record["temperature"]))

# %% [markdown]
# They answer three questions. *I want my text sooner, and this text*: speculate. *I have many readers*: batch; every one of them waits
# longer, and the machine writes more. *Another text will do*: take the small model alone, which nothing lossless can beat; then what
# counts is how good that text is, and a distilled draft is a better one. So a factor alone says little. Ask whose it is, and what
# became of the text. (`specdec bench --methods --target ID --draft ID` asks it of any pair.)
#
# ### What real systems do
#
# | work | what it does | reported |
# |---|---|---|
# | Su et al. 2023 | speculation and batching together | the best draft length depends on the batch size |
# | SmartSpec (Liu et al. 2024) | a draft length for each request, from the load and the acceptance; 0 where nothing pays | up to 3.2x lower latency than without speculation |
# | MagicDec (Sadhukhan et al. 2024) | long contexts, batches of 32 to 256 on 8 A100 | up to 2x, LLaMA-2-7B-32K |
# | PEARL (Liu et al. 2024) | drafts while the target checks, and checks while the draft is being written | up to 1.50x of plain speculation |
#
# The figures are those of the abstracts. None was measured here. `specdec bench --server URL` asks a running engine for the
# figures of this unit, and `docs/serving.md` says which of its counters are which.
#
# **A challenge, without an answer of ours.** `generate_batch` gives every text the same k. Let the texts compete: a pass may read 24
# tokens in all, and drafted tokens go to those texts whose drafts are accepted most (`AcceptanceTracker` of unit 07 knows). Can
# you beat the best single k at 8 texts by a twentieth? Copy `decode` from `specdec_course/decoding/batch.py` into a file of
# your own: `asked` is a list with a number for each text already. Say what you expect before you measure.
#
# ## What to take along
#
# - A batch and a draft both fill the same idle time. The larger the batch, the less is left for speculation.
# - Each row keeps its own number of tokens. To wait for the worst row costs nearly all of it.
# - A row that ends goes to the next text, and no text is changed by its neighbours.
# - Tokens per second of a batch follow from a profile, alpha and c. Compute the batch at which speculation stops paying before you
#   switch it on, and let k shrink as the batch grows.
# - Drafting ahead hides the shorter of two times, and only where blocks are accepted in full and each side has a device.
# - Ask of every speed-up whose it is, the reader's or the machine's, and what became of the text.
#
# Sources: Yu et al. 2022, "Orca: a distributed serving system for Transformer-based generative models", OSDI 2022; Su et al.
# 2023, "The synergy of speculative decoding and batching in serving large language models", arXiv 2310.18813; Liu et al. 2024,
# "Optimizing speculative decoding for serving large language models using goodput", arXiv 2406.14066; Sadhukhan et al. 2024,
# "MagicDec: breaking the latency-throughput tradeoff for long context generation with speculative decoding", arXiv 2408.11049; Liu
# et al. 2024, "PEARL: parallel speculative decoding with adaptive draft length", arXiv 2408.11850.

# %%
progress()
