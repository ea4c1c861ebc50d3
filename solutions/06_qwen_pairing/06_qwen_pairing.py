# %% setup
import copy
import statistics
from types import SimpleNamespace

import numpy as np
import torch

from specdec_course import generate, load_corpus, load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.checks.unit06 import tiny_tokenizers
from specdec_course.common.guess import you_said
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import BigramDrafter, ModelDrafter
from specdec_course.figures.pairing import (
    censoring_figure,
    costs_figure,
    gain_map,
    measured_figure,
    pareto,
    prediction_figure,
    predictions_figure,
    recorded_pairings,
    sizes_figure,
)
from specdec_course.measure import clocks, profiles
from specdec_course.measure.benchmark import compare
from specdec_course.measure.machine import machine
from specdec_course.measure.pairing import cost_of_drafting, cost_of_verifying, largest_trial
from specdec_course.measure.prediction import explain, measure_costs
from specdec_course.models.vocabulary import PROBE
from specdec_course.theory import Candidate, forward_cost, roofline_latency
from specdec_course.trace import acceptance_rate, tokens_per_call

# %% [markdown]
# # Choosing the small model
#
# **You will** predict a speed-up from three measured figures, choose a draft model and its k for a target, and
# say why a prediction failed.
#
# **You need** units 03 and 05. A GPU is used where there is one; all exercises work without.
#
# You want to run Qwen2.5-7B faster. The same family has models of 0.5, 1.5 and 3 billion parameters. Any of them can
# guess for it. So can a table of word pairs. **Which one do you take, and how many
# tokens do you let it guess?**
#
# You hear three sentences:
#
# 1. "A draft that is ten times as fast as the target gives about **1.5x**."
# 2. "**Half a billion** parameters is the sweet spot."
# 3. "With **k = 5** you get **2 to 3x**."
#
# Before you read on: which of them do you believe?

# %%
my_verdicts = {"ten times as fast: 1.5x": None, "half a billion": None, "k = 5: 2 to 3x": None}  # "true", "false", ...

# %% [markdown]
# You write what is needed to answer: a formula with three numbers in it, a way to measure each of them, and the choice.
#
# | | |
# |---|---|
# | **alpha** | the chance that a drafted token is accepted |
# | **c** | the time of one step of the draft, in steps of the target |
# | **k** | how many tokens are drafted in a round |

# %% [markdown]
# ## May it guess at all?
#
# The draft hands *ids* to the target, not words. If an id is not the same token for both, nothing crashes: the target
# rejects nearly everything, and you wonder why speculation is so slow.
#
# Suppose these are two tokenizers, with four tokens each. May the first guess for the second?
#
# | | id 0 | id 1 | id 2 | id 3 |
# |---|---|---|---|---|
# | draft | `the` | ` river` | ` mill` | `<end>` |
# | target | `the` | ` mill` | ` river` | `<end>` |
#
# They have the same size and the same tokens. And yet, when the draft says 1 it means the river, and the target reads
# the mill. So you have to compare *which token has which id*.
#
# That is not enough. A tokenizer is also the order in which letters are merged, and rules for capitals, digits and
# spaces. With the tokens `t`, `h`, `e`, `th`, `he`, one tokenizer cuts `the` into `th e`, and another one, which merges
# in another order, into `t he`. Same tokens, same ids, another dialect.
#
# On the other side, do not be stricter than you must. *Padding* only fills up the rows of a batch. Nobody drafts
# it, so it may have any name and any id.

# %% exercise: compatible

# %% [markdown]
# The first three pairs are one tokenizer twice, with a change that may or may not matter; the last one is the course's
# own against a stranger. Which of them will be refused?

# %%
problems_of = yours(compatible)
pair = load_pair("classroom")
plain = tiny_tokenizers.tokenizer()
for name, other in (
    ("another padding token", tiny_tokenizers.tokenizer(pad="<|endoftext|>")),
    ("merged in another order", tiny_tokenizers.tokenizer(tiny_tokenizers.other_order)),
    ("another token ends texts", tiny_tokenizers.tokenizer(eos="<|endoftext|>")),
    ("the classroom's tokenizer", pair.tokenizer),
):
    print(f"{name}:")
    found = list(problems_of(other, plain))
    for line in found[:3] or ["no problem: it may guess"]:
        print("   -", line)
    if len(found) > 3:
        print(f"   ... and {len(found) - 3:,} more")

# %% [markdown]
# `load_pair` asks the same question before it hands you a draft and a target from two places.
#
# In practice this decides most of the choice: draft and target come from **one family**. If a family has no small
# member, you can train one on the target's tokenizer, or guess without a model at all (unit 02).
#
# ## The same tokenizer, and yet another width
#
# Qwen2.5's tokenizer has 151,665 tokens. But the models answer with **151,936** logits (0.5B, 1.5B, 3B) or with
# **152,064** (7B and larger). The surplus is padding of a matrix: round numbers run faster. No text ever produces
# those ids.
#
# With sampling, draft and target have to compare distributions (unit 04), entry by entry. So the 0.5B's row must
# get 128 more columns. What belongs into them? Take two columns added to three:
#
# | | a | b | c | added | added |
# |---|---|---|---|---|---|
# | logits | -8.0 | -9.0 | -9.0 | ? | ? |
# | probabilities with 0 in the added columns | 0.0002 | 0.0001 | 0.0001 | 0.50 | 0.50 |
# | probabilities with -inf in the added columns | 0.58 | 0.21 | 0.21 | 0 | 0 |
#
# The other direction is dangerous. To *cut* a column means to say: this token never comes. If its logit was -inf,
# that is true already. If it was not, you have just changed the distribution of the target. That case must be refused.

# %% exercise: align_vocabulary

# %%
align = yours(align_vocabulary)
row = torch.randn(151936, generator=torch.Generator().manual_seed(0))
wide = align(row, 152064)
print("Qwen2.5-0.5B's row, as wide as the 7B's:", tuple(wide.shape))
print("probability of all the added tokens together:", float(wide.softmax(-1)[151936:].sum()))
try:
    align(row, 151665)
except ValueError as error:
    print("cut to the tokenizer's size:", error or "refused")

# %% [markdown]
# (`torch.randn` plays the model here. A real one gives its padding columns small logits, but live ones. Whoever wants
# to cut them has to set them to -inf first.)

# %% [markdown]
# ## What a round brings
#
# A round drafts k tokens. Each one that is judged is accepted with probability alpha; at the first rejection the round
# stops. Then comes one token of the target's own, always: the correction or the bonus.
#
# So how many tokens does a round emit? Count with alpha = 0.5 and k = 2, over a hundred rounds:
#
# - All 100 emit a first token. (Whatever happens, there is one.)
# - In 50 of them the first guess was right. These emit a second token.
# - In 25 both guesses were right. These emit a third one, the bonus.
#
# 175 tokens in 100 rounds: 1.75. The number is called tau.

# %% exercise: expected_tokens

# %%
tau = yours(expected_tokens)
print("alpha   k = 1     2     4     8    16   without end")
for alpha in (0.5, 0.7, 0.8, 0.9):
    print(f"{alpha:>5}  ", "".join(f"{tau(alpha, k):>6.2f}" for k in (1, 2, 4, 8, 16)), f"{1 / (1 - alpha):>10.1f}")

# %% [markdown]
# Read a line from left to right. The first guesses bring most, and no draft length gets you beyond 1/(1 - alpha). At
# alpha = 0.7 that is 3.3 tokens per call, for a draft of any length.

# %% [markdown]
# ## What a round costs
#
# Take one step of the target as the unit of time. It brings one token: that is plain decoding, speed 1. A round
#
# - runs the draft k times, at **c** each;
# - runs the target once, over k + 1 tokens. On a flat latency curve (unit 01) this costs 1; if the curve is not
#   flat, it costs **v** = T(k+1)/T(1);
# - keeps the host (the CPU that runs Python) busy for a time **o**: comparing, cutting, bookkeeping.
#
# Worked example: alpha = 0.5, k = 2, c = 0.25, v = 1, o = 0. The round emits 1.75 tokens and takes 2 · 0.25 + 1 =
# 1.5. Speed-up 1.75 / 1.5 = 1.17. If v is 1.3 and o is 0.2, the round takes 2.0, and 1.75 / 2.0 = 0.88: a loss.

# %% exercise: speedup

# %% [markdown]
# Now you can look at the third sentence, "with k = 5 you get 2 to 3x", by formula alone. How much of the table will
# be inside that range? A star says that it is, a minus that k = 5 is *slower* than plain decoding.

# %%
gain = yours(speedup)
alphas_shown = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
print("k = 5        alpha:" + "".join(f"{alpha:>9}" for alpha in alphas_shown))
for c in (0.02, 0.065, 0.1, 0.2, 0.4, 0.86):
    cells = [gain(alpha, 5, c) for alpha in alphas_shown]
    print(f"       c = {c:<9}" + "".join(f"{x:>8.2f}{'*' if 2 <= x <= 3 else '-' if x < 1 else ' '}" for x in cells))
patch = [gain(alpha, 5, c) for alpha in (0.7, 0.8) for c in (0.02, 0.065, 0.1)]
print(f"alpha 0.7 or 0.8 and c at most 0.1: {sum(2 <= x <= 3 for x in patch)} of {len(patch)} cells have a star, "
      f"from {min(patch):.2f}x to {max(patch):.2f}x")

# %% [markdown]
# The sentence is about a patch of this table: a draft that is right 70 to 80 % of the time *and* costs no more than
# a tenth of the target. There it is roughly true. It is not a property of k = 5: go down or to the left, and the same
# draft length loses.
#
# ## How far ahead?
#
# For given alpha and c, some k is best. **Predict** for alpha = 0.8 and c = 0.05 (an excellent draft, twenty times
# as fast as the target): what is the best k? And for alpha = 0.6, c = 0.3?

# %%
my_best_ks = None  # for example (5, 5)

# %% [markdown]
# By hand, for alpha = 0.6 and c = 0.3:
#
# | k | tokens | time | speed-up |
# |---|---|---|---|
# | 0 | 1 | 1 | 1 |
# | 1 | 1.6 | 1.3 | **1.23** |
# | 2 | 1.96 | 1.6 | 1.225 |
# | 3 | 2.18 | 1.9 | 1.15 |
#
# And note the first row: not drafting is a choice, too. With alpha = 0.3 and c = 0.5 it is the best one.

# %% exercise: best_k

# %%
length = yours(best_k)
print("(0.8, 0.05) ->", length(0.8, 0.05), "   (0.6, 0.3) ->", length(0.6, 0.3), "", you_said(my_best_ks))
alphas, cs = np.linspace(0.05, 0.95, 37), np.geomspace(0.01, 1.0, 31)
lengths = [[int(length(float(alpha), float(c))) for alpha in alphas] for c in cs]
gains = [[gain(float(alpha), k, float(c)) for alpha, k in zip(alphas, row, strict=True)]
         for c, row in zip(cs, lengths, strict=True)]
gain_map(alphas, cs, gains, lengths, title="The best that a draft can bring (computed; flat latency curve, idle host)")

# %% [markdown]
# The whole subject on one map. To the right: better guesses. Down: cheaper guesses. The lines are speed-ups, the
# small letters the k that gives them. In the hatched part no draft length is worth anything. Its border is the line
# **alpha = c**. (Why? Look at k = 1: the guess brings alpha tokens more and costs c more.)
#
# Now the first sentence, "ten times as fast gives 1.5x": go along c = 0.1 and see how often you cross a line.

# %%
def best_gain(alpha, c):
    return gain(alpha, length(alpha, c), c)


def alpha_needed(wanted, c):
    """The acceptance rate at which a draft of cost c reaches the wanted speed-up, to three digits; None: never."""
    return next((a / 1000 for a in range(1000) if best_gain(a / 1000, c) >= wanted), None)


print("c = 0.1:", ", ".join(f"alpha {alpha}: {best_gain(alpha, 0.1):.2f}x" for alpha in (0.1, 0.3, 0.5, 0.7, 0.9)))
for wanted in (1.5, 2.0, 3.0):
    print(f"{wanted}x with a draft ten times as fast needs alpha = {alpha_needed(wanted, 0.1)}")

# %% [markdown]
# "1.5x" is the truth for one alpha, a little above one half. And "ten times *smaller*" does not even mean "ten times as
# fast": we come to that.

# %% [markdown]
# ## Measuring alpha, and how not to
#
# Simple: count. The share of the drafted tokens that were accepted. Watch the bundled pair (a target of 12 layers, a
# draft of one) at several draft lengths.
#
# **Predict:** the draft is the same model at each k. Will the share of accepted tokens be the same?

# %%
my_prediction_for_the_share = None  # "the same", "rises with k", "falls with k"

# %%
torch.set_num_threads(1)  # one core: other programs on this machine disturb the clock less
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
prompts = held_out_prompts(pair.tokenizer, count=4, length=32)


def rounds_of(target, drafter, k, prompts, new_tokens=48):
    """What happened, round by round, over all prompts (greedy)."""
    outs = [generate(target, prompt, drafter, k, max_new_tokens=new_tokens, eos_token_id=None) for prompt in prompts]
    return [r for out in outs for r in out.trace.rounds]


watched = (1, 2, 3, 5, 8)
logs = {k: rounds_of(pair.target, ModelDrafter(pair.draft), k, prompts) for k in watched}
for k, rounds in logs.items():
    print(f"k = {k}: {acceptance_rate(rounds):.2f} of the drafted tokens were accepted")
print("from the first k to the last the share", "falls" if acceptance_rate(logs[8]) < acceptance_rate(logs[1]) else
      "does not fall", you_said(my_prediction_for_the_share))

# %% [markdown]
# Did the draft get worse? No. Look at one round with k = 5: the first guess was right, the second one
# wrong.
#
# | guess | 1 | 2 | 3 | 4 | 5 |
# |---|---|---|---|---|---|
# | | accepted | rejected | ? | ? | ? |
#
# Guesses 3 to 5 continue a text that will not be written. "Accepted / drafted" is 1/5, and counts three guesses as wrong
# that **nobody judged**. The longer the draft, the more of those. Statisticians say: the data are *censored*.
#
# What do you know from this round? One success, one failure. From a round in which all five were accepted you know
# five successes and no failure. Which alpha makes what you have seen most probable? A round with a accepted tokens
# has the probability alpha^a (1 - alpha) if it ended with a rejection, and alpha^a if it did not. Multiply over all
# rounds: with A accepted tokens and R rejections it is alpha^A (1 - alpha)^R, and that is largest at
#
# $$\alpha = \frac{A}{A + R}$$
#
# Worked example: accepted = [1, 4, 0, 2], drafted = [4, 4, 4, 2]. A = 7. Two rounds ended with a rejection (the
# first and the third): R = 2. alpha = 7/9 = 0.78. Accepted / drafted would say 7/14 = 0.50.

# %% exercise: estimate_alpha

# %%
estimate = yours(estimate_alpha)


def alpha_of(rounds):
    return float(estimate([r.accepted for r in rounds], [r.drafted for r in rounds]))


estimates = [alpha_of(logs[k]) for k in watched]
shares = [acceptance_rate(logs[k]) for k in watched]
one_alpha = alpha_of([r for rounds in logs.values() for r in rounds])
by_formula = [(tau(one_alpha, k) - 1) / k for k in watched]
for k, alpha, share in zip(watched, estimates, shares, strict=True):
    print(f"k = {k}: alpha {alpha:.2f}   accepted / drafted {share:.2f}")
print(f"over all k: alpha {one_alpha:.2f}, from {sum(len(rounds) for rounds in logs.values())} rounds; "
      f"alpha spans {max(estimates) - min(estimates):.2f}, accepted / drafted {max(shares) - min(shares):.2f}")
censoring_figure(watched, shares, estimates, by_formula)

# %% [markdown]
# At k = 1 the two agree: every drafted token is judged there. Then accepted / drafted slides down, roughly as the
# dashed line says it must for *one* alpha, and alpha moves much less. (It does move: these are a few hundred judged
# guesses, and each k judges other places.)
#
# When a paper or a log reports an "acceptance rate", find out which of the two it is. And the formula takes for granted
# that every guess has the same chance, while a text has easy stretches and hard ones (unit 03).

# %% [markdown]
# ## Measuring c and v, and predicting
#
# The other two numbers are times; `cost_of_drafting` and `cost_of_verifying` take them. c: how long the draft takes for
# four tokens, over four, over one step of the target. v: a pass of the target over k + 1 tokens, over a pass over one.
# All with caches, as they are when decoding; and **in turns**, so that a busy machine slows down all of them alike.

# %%
times = 5 if hurry else 15
c = cost_of_drafting(pair.target, ModelDrafter(pair.draft), prompts[0], times)
v = cost_of_verifying(pair.target, prompts[0], watched, times)
print(machine())
print(f"c = {c:.3f}: the draft is {1 / c:.1f} times as fast as the target, and "
      f"{pair.target.num_parameters() / pair.draft.num_parameters():.1f} times smaller")
print("v:", ", ".join(f"{k + 1} tokens {v[k]:.2f}" for k in watched))

# %% [markdown]
# How many times *smaller* is the draft, and how many times as *fast*? The first number is counted, the second
# measured, and they need not agree. On models as small as these the number of calls takes the time, one after the
# other, not the size of the matrices. Keep that in mind.
#
# On a CPU v is usually above 1: reading the weights once for several tokens is cheaper than once for each, but not free
# (unit 01).
#
# Now put your three numbers into your formula, for each k, and let the clock have its say. **eta** is what was measured,
# over what was predicted. And **o**, the host's time per round, comes out of the measurement: a round emits tau tokens
# and took tau / speed-up steps; take k c + v away, and o is what is left.

# %%
def predicted_and_measured(target, drafter, prompts, ks, alpha, c, v, new_tokens=48, repeats=1):
    """Prints and returns (predicted speed-ups, measured ones, what is left over per round) for the lengths `ks`."""
    print(f"{'k':>3}{'tokens per call':>24}{'v':>7}{'speed-up':>20}{'eta':>7}{'o':>7}{'tokens/s':>10}")
    print(f"{'':>3}{'predicted':>13}{'measured':>11}{'':>7}{'predicted':>11}{'measured':>9}")
    foreseen, seen, left = [], [], []
    for k in ks:
        ways = {"alone": None, "drafted": drafter}
        row = compare(target, prompts, ways, k, max_new_tokens=new_tokens, repeats=repeats)[1]
        foreseen.append(gain(alpha, k, c, v[k]))
        seen.append(row.speedup)
        left.append(row.tokens_per_call / row.speedup - k * c - v[k])
        print(f"{k:>3}{tau(alpha, k):>13.2f}{row.tokens_per_call:>11.2f}{v[k]:>7.2f}{foreseen[-1]:>11.2f}"
              f"{seen[-1]:>9.2f}{seen[-1] / foreseen[-1]:>7.2f}{left[-1]:>7.2f}{row.tokens_per_second:>10.0f}")
    return foreseen, seen, left


tried = (5,) if hurry else watched
alpha = one_alpha
print(f"alpha = {alpha:.2f}, c = {c:.3f}; {machine()}\n")
foreseen, seen, left = predicted_and_measured(
    pair.target, ModelDrafter(pair.draft), prompts[:1] if hurry else prompts, tried, alpha, c, v)
o = max(0.0, statistics.median(left))
print(f"\no = {o:.2f} steps of the target per round, the median over k (or 0)")
prediction_figure(tried, foreseen, seen, f"classroom pair, greedy, {machine()}")

# %% [markdown]
# Where the formula misses, the columns tell you who is to blame:
#
# - **tokens per call** off: the text is not equally hard everywhere, so one alpha is too simple. In an easy stretch a
#   long draft is accepted in one piece more often than alpha^k says; in a hard one, less often.
# - **tokens right, speed off**: time that is not in the prediction. That is o: comparing, cutting, rolling caches back.
#   It also holds what the reading of the prompt costs, and noise, so it may come out negative.
# - a single row far off, and another one the next time: somebody else used your machine.
#
# ## Which draft?
#
# What is left is the choice. A **candidate** is a name with an alpha and a c:
#
# | candidate | alpha | c | best k | speed-up |
# |---|---|---|---|---|
# | tiny | 0.35 | 0.02 | 3 | 1.43 |
# | small | 0.75 | 0.08 | 5 | **2.35** |
# | big | 0.90 | 0.45 | 3 | 1.46 |
#
# Not the cheapest, not the most accurate. Each is asked what it brings at *its own* best k, and the most wins. (If
# none brings anything, the honest answer is: do not draft.)

# %% exercise: choose_draft

# %% [markdown]
# For the bundled target we have the bigram table, the draft model that was trained for it, and one more idea that needs
# no second model: **leave out layers of the target itself**. (Zhang et al. 2024, "Draft & Verify"; nobody trains
# anything.) With 2, 4, 6, 8 or 10 of its 12 layers that gives drafts of five sizes. And for the end of the scale, the
# whole target as its own draft: it is never wrong.
#
# **Predict:** how many of the 12 layers are best? And will any thinned target beat the draft with one layer, which
# was trained to guess?

# %%
my_best_layers = None  # 2, 4, 6, 8, 10, or "none of them pays"


# %%
def thinned(model, count):
    """The same model with only `count` of its layers, taken from both ends; no weight is changed."""
    layers = model.config.num_hidden_layers
    keep = [*range((count + 1) // 2), *range(layers - count // 2, layers)]
    thin = copy.deepcopy(model)
    thin.model.layers = torch.nn.ModuleList(thin.model.layers[i] for i in keep)
    for place, layer in enumerate(thin.model.layers):
        layer.self_attn.layer_idx = place  # its place in the cache
    thin.config.num_hidden_layers = count
    thin.config.layer_types = thin.config.layer_types[:count]
    return thin


drafters = {"bigram table": BigramDrafter.fit(
    load_corpus("atlas", pair.tokenizer, split="train", max_tokens=200_000), pair.target.config.vocab_size)}
drafters["trained, 1 layer"] = ModelDrafter(pair.draft)
for count in (4,) if hurry else (2, 4, 6, 8, 10):
    drafters[f"{count} of 12 layers"] = ModelDrafter(thinned(pair.target, count))
drafters["the target itself"] = ModelDrafter(pair.target)

def with_v_and_o(alpha, c):
    """(k, speed-up): the best of the draft lengths at which v was measured, v and o counted; (0, 1.0): none pays."""
    return max([(0, 1.0)] + [(k, gain(alpha, k, c, v[k], o)) for k in watched], key=lambda one: one[1])


candidates = []
print(f"{'':18}{'':21}v = 1, o = 0{'':9}with v and o")
for name, drafter in drafters.items():
    own = alpha_of(rounds_of(pair.target, drafter, 4, prompts, new_tokens=16 if hurry else 32))
    candidates.append(Candidate(name, own, cost_of_drafting(pair.target, drafter, prompts[0], times)))
    best, (honest, slower) = length(own, candidates[-1].c), with_v_and_o(own, candidates[-1].c)
    print(f"{name:18} alpha {own:.2f}  c {candidates[-1].c:.3f}   k = {best:>2}: "
          f"{gain(own, best, candidates[-1].c):.2f}x predicted   k = {honest:>2}: {slower:.2f}x predicted")

# %%
chosen = yours(choose_draft)(candidates)
points = {one.name: (one.alpha, min(max(one.c, 0.01), 1.0)) for one in candidates}  # onto the map
print("chosen:", chosen[0], "with k =", chosen[1], f"for a speed-up of {chosen[2]:.2f} (predicted)")
fairer = max(candidates, key=lambda one: with_v_and_o(one.alpha, one.c)[1])
fairest_k, fairest = with_v_and_o(fairer.alpha, fairer.c)
print(f"with v and o the first would be {fairer.name}, with k = {fairest_k}, {fairest:.2f}x (predicted)")
print("nobody is both better and cheaper than:", ", ".join(pareto(points)))
alphas = np.linspace(0.05, 1.0, 39)
lengths = [[int(length(float(a), float(c))) for a in alphas] for c in cs]
gains = [[gain(float(a), k, float(c)) for a, k in zip(alphas, row, strict=True)]
         for c, row in zip(cs, lengths, strict=True)]
gain_map(alphas, cs, gains, lengths, points, chosen[0], "Drafts for the classroom target: measured alpha and c")

# %% [markdown]
# Your functions count v as 1 and o as 0, as on a flat curve with an idle host. Where the target reads k + 1 tokens more
# slowly than one, that promises too much, and too long a draft: compare the two columns of predictions.
#
# The dashed line is the **Pareto front**: the drafts that no other one beats in both respects. Everything above it costs
# more and is right less often than something else you have. The front still leaves several; your function takes the one
# on the highest contour.
#
# Every layer that a thinned target keeps has to be paid for, needed or not. From how many layers on is it right nearly
# always, and which side of alpha = c is it on before? The draft with one layer has fewer parameters than a *single* layer
# of the target. Where it is the better choice, that is because it was **trained for this job**, on what this target
# writes: distillation. (Draft & Verify reports up to 1.99x on Llama-2 models.)
#
# A prediction is a prediction. Does the clock agree about the extremes?

# %%
thin = [(*with_v_and_o(one.alpha, one.c)[::-1], one.name) for one in candidates if "layers" in one.name]
thin_speed, thin_k, thinnest = max(thin)
races = {chosen[0]: min(chosen[1], 8), "bigram table": 2, thinnest: max(1, thin_k), "the target itself": 4}
races_v = cost_of_verifying(pair.target, prompts[0], set(races.values()), times)
clocked = {}
for name, k in races.items():
    row = compare(pair.target, prompts[:2], {"alone": None, name: drafters[name]}, k, max_new_tokens=24,
                  repeats=1 if hurry else 2)[1]
    own, clocked[name] = next(one for one in candidates if one.name == name), row.speedup
    print(f"{name:18} k = {k}: {row.tokens_per_call:.2f} tokens per call, {row.speedup:.2f}x measured, "
          f"{gain(own.alpha, k, own.c, races_v[k], o):.2f}x predicted with v and o")
surest = [one.name for one in candidates if one.alpha > 0.95]
print(f"right more than 95 times in 100: {', '.join(surest)}; fastest here: {max(clocked, key=clocked.get)}")
trained = next(with_v_and_o(one.alpha, one.c)[1] for one in candidates if "trained" in one.name)
print(f"best thinned target: {thinnest}, {thin_speed:.2f}x predicted with v and o; the trained draft {trained:.2f}x",
      you_said(my_best_layers))

# %% [markdown]
# The target as its own draft has alpha = 1, the best acceptance rate there is: nearly five tokens per call, for nothing.
# **An acceptance rate alone says nothing.**

# %% [markdown]
# ## On a GPU: what the shapes say
#
# What would c be for Qwen2.5? With the two functions of unit 01 you can *compute* it: the bytes and operations of a
# pass, and the least time that a device needs. Nothing in the next cell is measured but its last line.

# %%
def shape(hidden, layers, heads, kv_heads, intermediate, vocab):
    """What forward_cost wants to know of a model, from its config.json."""
    return SimpleNamespace(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                           num_key_value_heads=kv_heads, intermediate_size=intermediate, vocab_size=vocab)


QWEN = {
    "0.5B": shape(896, 24, 14, 2, 4864, 151936),
    "1.5B": shape(1536, 28, 12, 2, 8960, 151936),
    "3B": shape(2048, 36, 16, 2, 11008, 151936),
    "7B": shape(3584, 28, 28, 4, 18944, 152064),
    "32B": shape(5120, 64, 40, 8, 27648, 152064),
}
TARGETS = ("3B", "7B", "32B")


def computed_seconds(size, n, device="NVIDIA H200", context=1000):
    """The least time of a pass of Qwen2.5 over n tokens after `context` cached ones, half precision."""
    return roofline_latency(*forward_cost(QWEN[size], n, context), *profiles.DATASHEETS[device])


def computed_c(draft, target, device="NVIDIA H200"):
    return computed_seconds(draft, 1, device) / computed_seconds(target, 1, device)


def smaller(target):
    return list(QWEN)[: list(QWEN).index(target)]


for target in TARGETS:
    print(f"target {target:>3}: one step {1000 * computed_seconds(target, 1):5.2f} ms on an H200 (computed);  c:",
          ", ".join(f"{draft} {computed_c(draft, target):.3f}" for draft in smaller(target)))
ratio = computed_seconds("7B", 9) / computed_seconds("7B", 1)
print(f"\nv, a pass of the 7B over 9 tokens against one, on an H200 (computed): {ratio:.2f}")
for record in profiles.recorded_profiles():
    if "T4" in record["hardware"]:
        curve = record["profile"]
        print(f"measured for comparison, {record['label']}: 16 tokens {curve[16] / curve[1]:.2f}, "
              f"32 tokens {curve[32] / curve[1]:.2f} passes over one")

# %% [markdown]
# As long as all models only wait for memory, c is the ratio of their bytes, whatever the chip. And v is 1: verifying a
# few tokens is free, on paper and on the recorded T4.
#
# Now the second sentence: "half a billion is the sweet spot". We do not know the alphas of these drafts for *your*
# texts. But you can ask the formula how much better a larger draft would **have to be**.

# %%
for target in TARGETS:
    small = best_gain(0.7, computed_c("0.5B", target))
    print(f"target {target}: a 0.5B draft with alpha 0.70 gives {small:.2f}x (computed). To match it,")
    for draft in smaller(target)[1:]:
        needed = alpha_needed(small, computed_c(draft, target))
        print(f"     the {draft} needs alpha {needed}" if needed else f"     the {draft} cannot, whatever its alpha")

# %%
ASSUMED = {"0.5B": 0.70, "1.5B": 0.77, "3B": 0.81, "7B": 0.85}  # assumed, to see what follows; measure your own
panels, choices = {}, {}
for target in TARGETS:
    title = f"Qwen2.5-{target} as target"
    panels[title] = {
        a: {draft: best_gain(a, computed_c(draft, target)) for draft in smaller(target)} for a in (0.5, 0.7, 0.8, 0.9)
    }
    offers = [Candidate(d, ASSUMED[d], computed_c(d, target)) for d in smaller(target)]
    name, k, speed = yours(choose_draft)(offers)
    choices[title] = (name, speed)
    behind = max((best_gain(one.alpha, one.c) for one in offers if one.name != name), default=None)
    print(f"target {target:>3}: with the assumed alphas choose_draft says {name}, k = {k}, {speed:.2f}x (computed)"
          + (f"; the next one {behind / speed - 1:+.1%}" if behind else ""))
sizes_figure(panels, choices)

# %% [markdown]
# Each coloured line is one alpha, and every one falls: at *equal* alpha the smaller draft is always better. A larger
# draft has to jump to a higher line, and how far depends on the **target**. For a 7B target the 1.5B would have to be
# right nearly nine times in ten where the 0.5B is right seven times: hard to believe. For a 32B target a few points more
# are enough; with the alphas assumed here the choice is a tie, within a few per cent. So the sweet spot is no number of
# parameters. If it is anything, it is a ratio, one to some tens.
#
# And much smaller drafts are too seldom right: at alpha = 0.3 even a free one gives at most 1.43x.
#
# ## What the shapes do not say: launches
#
# In eager PyTorch a one-token pass of a small model waits for Python and for hundreds of kernel launches, about as many
# per layer whatever the layer's width. Then c is the ratio of the *layers*: Qwen2.5-0.5B has 24, the 7B has 28.

# %%
for target in TARGETS:
    layers = {draft: QWEN[draft].num_hidden_layers / QWEN[target].num_hidden_layers for draft in smaller(target)}
    print(f"target {target:>3}: c by memory", {d: round(computed_c(d, target), 3) for d in layers},
          " by launches", {d: round(ratio, 2) for d, ratio in layers.items()})
by_launches = QWEN["0.5B"].num_hidden_layers / QWEN["7B"].num_hidden_layers
by_memory = computed_c("0.5B", "7B")
print("\n0.5B as a draft for 7B, with alpha 0.818 (computed):")
for way, ratio in (("by launches", by_launches), ("by memory", by_memory)):
    print(f"   {way:12} c = {ratio:.2f}: the best k is {length(0.818, ratio)};",
          ", ".join(f"k = {k}: {gain(0.818, k, ratio):.2f}x" for k in (1, 3, 5, 8)))

# %% [markdown]
# This goes a long way to explain the pair of unit 05: 7B with 0.5B, 81.8 % accepted, and **0.55x** in eager PyTorch. If
# the 81.8 % is our alpha (the source does not say), no draft length could have won. In vLLM the same pair ran at 1.04x.
# The cure is an engine that replays a recorded pass in one launch; then c goes down towards the ratio of bytes.
#
# What others measured, each against plain decoding in its own engine:

# %%
PUBLISHED = [  # as read in their authors' files in November 2026
    ("Qwen2.5-7B + 0.5B, eager PyTorch (a teaching repository)", "H100", 0.55),
    ("the same pair, vLLM", "H100", 1.04),
    ("Qwen2.5-Coder-7B + 0.5B, vLLM, k = 4", "RTX 4090, one request at a time", 1.72),
    ("Vicuna-7B + 68M, Hugging Face (Spec-Bench)", "A100", 1.52),
    ("Llama-2-70B int4 + 7B int4, gpt-fast, compiled", "A100", 1.92),
]
recorded = recorded_pairings()
measured_figure(PUBLISHED, recorded)

# %% [markdown]
# Which of these do you believe without its alpha, c and v? **Print them with every speed-up.**
#
# c and v depend on the shapes and the engine, not on the text. Where the course has them recorded from a GPU, the next
# cell puts them into your formula, with an alpha that is *assumed*.

# %%
supposed = 0.7
curves = {f"{one['pair']}, {cost['engine']}, {one['hardware']}":
          {k: gain(supposed, k, cost["c"][k], cost["v"][k]) for k in sorted(cost["c"].keys() & cost["v"].keys())}
          for one in recorded for cost in one["costs"]}
for which, speedups in curves.items():
    best = max(speedups, key=speedups.get)
    print(f"{which}: at alpha {supposed} the best k is {best if speedups[best] > 1 else 0}, {max(1, speedups[best]):.2f}x")
costs_figure(curves, supposed) if curves else print("There is no recorded c and v to draw.")

# %% [markdown]
# ## A real pair on your machine
#
# With a CUDA GPU this cell loads the largest Qwen2.5 that fits, with its 0.5B draft: in half precision 7B + 0.5B is a
# download of 16 GB, 3B + 0.5B (Colab's T4) one of 7 GB, to be kept on the disk; the first time it takes some minutes.
# It measures eight prompts of 64 new tokens like the bundled pair, in both engines. Without a GPU it takes SmolLM2 with
# a bigram, if `specdec fetch smollm2` has put it on this machine, else the classroom pair once more, on other prompts.
#
# **Predict**, if you have a GPU: the first table is eager PyTorch. Will it win? And where each pass is recorded once and
# then replayed in a single launch?

# %%
trial = largest_trial(pair, hurry)
real = trial.pair.target
its_rounds = rounds_of(real, trial.drafter, 3, trial.prompts, trial.new_tokens)
its_alpha = alpha_of(its_rounds)
its_c = cost_of_drafting(real, trial.drafter, trial.prompts[0], times)
its_v = cost_of_verifying(real, trial.prompts[0], trial.ks, times)
print(f"{trial.title}; {len(trial.prompts)} prompts, {trial.new_tokens} new tokens; {machine()}")
print(f"alpha = {its_alpha:.2f}, c = {its_c:.3f}, best k by the formula {length(its_alpha, its_c)}\n\neager:")
its_foreseen, its_seen, _ = predicted_and_measured(real, trial.drafter, trial.prompts, trial.ks, its_alpha, its_c, its_v,
                                                   trial.new_tokens, repeats=1 if hurry else 2)
its_engines = {"eager": (trial.ks, its_foreseen, its_seen)}
if trial.on_gpu:
    outs = [generate(real, prompt, trial.drafter, 4, max_new_tokens=trial.new_tokens, eos_token_id=None,
                     engine="compiled") for prompt in trial.prompts]
    row = compare(real, trial.prompts, {"alone": None, "drafted": trial.drafter}, 4, max_new_tokens=trial.new_tokens,
                  repeats=2, engine="compiled")[1]
    costs = measure_costs(real, trial.drafter, outs[0].tokens, len(trial.prompts[0]), engine="compiled")
    why = explain("compiled", outs, row.speedup, costs, overlap=0.0)
    print(f"\ncompiled, against plain decoding that is compiled, too:\nk = 4: c = {why.c:.3f}, v = {why.v:.2f}, "
          f"{why.predicted:.2f}x predicted, {why.measured:.2f}x measured, {row.tokens_per_second:.0f} tokens/s")
    its_engines["compiled"] = ((4,), [why.predicted], [why.measured])
predictions_figure(its_engines, f"{trial.title}\n{machine()}")

# %% [markdown]
# ## The three sentences, answered

# %%
print("1. 'Ten times as fast gives 1.5x.'", you_said(my_verdicts["ten times as fast: 1.5x"]))
print(f"   formula:  from {best_gain(0.1, 0.1):.2f}x at alpha 0.1 to {best_gain(0.9, 0.1):.2f}x at 0.9; "
      f"1.5x at alpha {alpha_needed(1.5, 0.1)}")
print(f"   measured: the bundled draft is {1 / c:.1f} times as fast, alpha {one_alpha:.2f}: at best {max(seen):.2f}x")
print(f"   on GPUs:  0.5B for 7B is {1 / computed_c('0.5B', '7B'):.0f} times as fast by memory, "
      f"{1 / by_launches:.1f} times by launches (computed); measured by others: 0.55x and 1.04x")

print("\n2. 'Half a billion is the sweet spot.'", you_said(my_verdicts["half a billion"]))
print("   formula:  at equal alpha the smaller draft always wins; what counts is c, the ratio to *this* target")
print(f"   measured: of {len(candidates)} drafts for a target of 10 million parameters, the choice was '{chosen[0]}'")
print("   on GPUs:  computed, with assumed alphas:",
      ", ".join(f"{name} for {title.split()[0][8:]}" for title, (name, _) in choices.items()))

print("\n3. 'k = 5 gives 2 to 3x.'", you_said(my_verdicts["k = 5: 2 to 3x"]))
print(f"   formula:  {gain(0.5, 5, 0.4):.2f}x at alpha 0.5, c 0.4;  {gain(0.8, 5, 0.1):.2f}x at 0.8, 0.1;  "
      f"{gain(0.9, 5, 0.02):.2f}x at 0.9, 0.02")
print(f"   measured: {seen[tried.index(5)]:.2f}x at k = 5 with the bundled pair; the best of k = {tried} was "
      f"k = {tried[int(np.argmax(seen))]}")
print(f"   on GPUs:  0.5B for 7B at alpha 0.8: {gain(0.8, 5, computed_c('0.5B', '7B')):.2f}x by memory, "
      f"{gain(0.8, 5, by_launches):.2f}x by launches (computed)")
for engine, (ks, _, measured) in its_engines.items():
    print(f"\n{trial.title}, {engine}: " + ", ".join(f"{x:.2f}x at k = {k}" for k, x in zip(ks, measured, strict=True)))

# %% [markdown]
# Each sentence is true somewhere. None says where. The first leaves out alpha, the second the target, the third
# both and the engine.
#
# **A challenge, without an answer of ours.** `best_k` takes v = 1. Write one that takes a measured curve {k: v} and an o.
# How much do you gain on your machine, and at which alpha does the difference matter most?
#
# ## What to take along
#
# - A draft may guess if its ids mean the same: tokens, merges, special tokens. Padding does not matter; surplus
#   columns get -inf, and live ones are never cut.
# - Speed-up = tau / (k c + v + o). Drafting pays only if alpha > c, and k = 0 is an answer.
# - alpha is accepted over *judged*. Accepted over drafted is biased low, the more the longer the draft.
# - c is a measured ratio of times. It is not a ratio of parameters: an engine that is busy with launches makes a
#   small draft as slow as its layers are many.
# - Choose by the speed-up at each draft's own best k. Not the smallest, not the most accurate.
# - Print alpha, c, v and eta with every speed-up.
#
# One k for a whole text is a compromise between its easy and its hard stretches. Unit 07 changes k on the way.
#
# Sources: Leviathan, Kalman and Matias 2023, "Fast inference from transformers via speculative decoding" (equation 1,
# theorem 3.8); the published speed-ups from the pages of Spec-Bench, vLLM and gpt-fast, and from a teaching repository's
# README (all read in November 2026; none was measured here); Zhang et al. 2024, "Draft & Verify: lossless large language
# model acceleration via self-speculative decoding"; Williams et al. 2009 for the roofline; the models' shapes from their
# config.json.

# %%
progress()
