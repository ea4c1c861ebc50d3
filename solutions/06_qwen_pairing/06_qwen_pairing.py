# %% setup
import statistics

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
    lengths_figure,
    measured_figure,
    pareto,
    prediction_figure,
    predictions_figure,
    recorded_pairings,
    sizes_figure,
)
from specdec_course.figures.sliders import with_sliders
from specdec_course.measure import clocks, profiles
from specdec_course.measure.benchmark import compare
from specdec_course.measure.machine import machine
from specdec_course.measure.pairing import cost_of_drafting, cost_of_verifying, largest_trial, thinned
from specdec_course.measure.prediction import explain, measure_costs
from specdec_course.models.vocabulary import PROBE
from specdec_course.theory import Candidate, forward_cost, roofline_latency
from specdec_course.trace import acceptance_rate, tokens_per_call

# %% [markdown]
# # Choosing the small model
#
# **You will** predict a speed-up from measured figures, choose a draft model and its k, and say why a prediction failed.
#
# **You need** units 01 to 05. A GPU is used where there is one; all exercises work without.
#
# You want to run Qwen2.5-7B faster. Models of 0.5, 1.5 and 3 billion parameters of the same family can guess for it, and
# so can a table of word pairs. **Which one do you take, and how many tokens do you let it guess?** You hear three sentences:
#
# 1. "A draft that is ten times as fast as the target gives about **1.5x**."
# 2. "**Half a billion** parameters is the sweet spot."
# 3. "With **k = 5** you get **2 to 3x**."
#
# Which of them do you believe?

# %%
my_verdicts = {"ten times as fast: 1.5x": None, "half a billion": None, "k = 5: 2 to 3x": None}  # "true", "false", ...

# %% [markdown]
# ## May it guess at all?
#
# The draft hands *ids* to the target, not words. Say both know the same tokens, but `river` is 1 and `mill` is 2 for the
# draft, and for the target it is the other way round. The draft says 1 and means the river; the target reads the mill.
# Nothing crashes: the guesses are rejected, and you wonder why speculation is so slow. So compare *which token has which id*.
#
# That is not enough. A tokenizer is also the order in which letters are merged, and rules for capitals, digits and
# spaces. With the tokens `t`, `h`, `e`, `th`, `he`, one tokenizer cuts `the` into `th e`, and another one, which merges
# in another order, into `t he`.
#
# But do not be stricter than you have to. *Padding* only fills up the rows of a batch. Nobody drafts it, so it may have
# another name, or be missing.

# %% exercise: compatible

# %% [markdown]
# One tokenizer with three different changes, and the course's own against a stranger. Which pairs will be refused?

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
    found = list(problems_of(other, plain))
    print(f"{name}: {len(found):,} problem(s)", *found[:2], sep="\n   - ")

# %% [markdown]
# So draft and target usually come from **one family**. Without a small member of it you can train one on the target's
# tokenizer, or guess without a model at all (unit 02).
#
# ## The same tokenizer, and yet another width
#
# Qwen2.5's tokenizer has 151,665 tokens. But the models answer with **151,936** logits (0.5B, 1.5B, 3B) or with
# **152,064** (7B and larger). The surplus only pads a matrix; no text produces those ids.
#
# With sampling, distributions are compared entry by entry (unit 04). So the 0.5B's row must get 128 more columns. What
# belongs in them? Take two columns added to three:
#
# | | a | b | c | added | added |
# |---|---|---|---|---|---|
# | logits | -8.0 | -9.0 | -9.0 | ? | ? |
# | probabilities with 0 in the added columns | 0.0002 | 0.0001 | 0.0001 | 0.50 | 0.50 |
# | probabilities with -inf in the added columns | 0.58 | 0.21 | 0.21 | 0 | 0 |
#
# The other direction is dangerous. To *cut* a column means to say: this token never comes. If its logit was not -inf, you
# have just changed the distribution of the target. That case must be refused.

# %% exercise: align_vocabulary

# %%
align = yours(align_vocabulary)
row = torch.randn(151936, generator=torch.Generator().manual_seed(0))  # in the place of a model's
wide = torch.as_tensor(align(row, 152064))
print(f"{tuple(wide.shape)}; probability of all the added tokens together: {float(wide.softmax(-1)[151936:].sum())}")
try:
    align(row, 151665)
except ValueError as error:
    print("cut to the tokenizer's size:", error or "refused")

# %% [markdown]
# ## What a round brings
#
# You write a formula, a way to measure each number in it, and the choice. **alpha** is the chance that a drafted token is
# accepted, **c** the time of a step of the draft, in steps of the target, **k** how many tokens are drafted in a round.
#
# Each drafted token that is judged is accepted with probability alpha; at the first rejection the round stops. Then comes
# one token of the target's own, always: the correction or the bonus.
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
    print(f"{alpha:>5}  ", "".join(f"{tau(alpha, k):>6.2f}" for k in (1, 2, 4, 8, 16)), f"{1 / (1 - alpha):>10.2f}")

# %% [markdown]
# Read a line from left to right: the first guesses bring the most, and no draft length gets you beyond 1/(1 - alpha).
#
# ## What a round costs
#
# The unit of time is one step of the target, which brings one token. A round
#
# - runs the draft k times, at **c** each;
# - runs the target once, over k + 1 tokens, at **v** = T(k+1)/T(1). On a flat latency curve (unit 01) that is 1;
# - keeps the host (the CPU that runs Python) busy for a time **o**: comparing, cutting, bookkeeping.
#
# Worked example: alpha = 0.5, k = 2, c = 0.25, v = 1, o = 0. The round emits 1.75 tokens and takes 2 · 0.25 + 1 =
# 1.5. Speed-up 1.75 / 1.5 = 1.17. If v is 1.3 and o is 0.2, the round takes 2.0, and 1.75 / 2.0 = 0.88: a loss.

# %% exercise: speedup

# %% [markdown]
# Now the third sentence, "with k = 5 you get 2 to 3x", by formula. How much of the table will be inside that range? A star
# says that it is, a minus that k = 5 is *slower* than plain decoding.

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
# The sentence is about a part of this table: a draft that is right 70 to 80 % of the time *and* costs no more than a
# tenth of the target. Not all of these cells have a star, and a few others have. It is not a property of k = 5: the cells
# with a minus have the same draft length.
#
# ## How far ahead?
#
# **Predict** for alpha = 0.8 and c = 0.05 (a draft twenty times as fast as the target): what is the best k?

# %%
my_best_length = None  # for example 5

# %% [markdown]
# By hand, for another draft, with alpha = 0.6 and c = 0.3:
#
# | k | tokens | time | speed-up |
# |---|---|---|---|
# | 0 | 1 | 1 | 1 |
# | 1 | 1.6 | 1.3 | **1.23** |
# | 2 | 1.96 | 1.6 | 1.225 |
# | 3 | 2.18 | 1.9 | 1.15 |
#
# Note the first row: not drafting is a choice, too. With alpha = 0.3 and c = 0.5 it is the best one.

# %% exercise: best_k

# %%
length = yours(best_k)
print("alpha = 0.6, c = 0.3:  the best k is", length(0.6, 0.3))
print("alpha = 0.8, c = 0.05: the best k is", length(0.8, 0.05), you_said(my_best_length))


def the_map(alphas, title, points=None, chosen=None):
    cs = np.geomspace(0.01, 1.0, 31)
    lengths = [[int(length(float(alpha), float(c))) for alpha in alphas] for c in cs]
    gains = [[gain(float(alpha), k, float(c)) for alpha, k in zip(alphas, row, strict=True)]
             for c, row in zip(cs, lengths, strict=True)]
    return gain_map(alphas, cs, gains, lengths, points, chosen, title)


the_map(np.linspace(0.05, 0.95, 37), "The best that a draft can bring (computed; flat latency curve, idle host)")

# %% [markdown]
# To the right: better guesses. Down: cheaper guesses. The lines are speed-ups, the small letters the k that gives them. In
# the hatched part no draft length is worth anything. Its border is the line **alpha = c**. (Why? Look at k = 1: the guess
# brings alpha tokens more and costs c more.)
#
# One point of the map, seen up close. **How much is lost by a k that is twice the best one?** Is that dearer with a good
# draft or with a poor one? The next cell computes it for two drafts of the same cost. Where your page has sliders, try
# other points. (The picture ends at k = 16.)

# %%
for draft, alpha in (("a good draft", 0.8), ("a poor one", 0.4)):
    k = length(alpha, 0.1)
    best, twice = gain(alpha, k, 0.1), gain(alpha, 2 * k, 0.1)
    print(f"{draft + ',':13} alpha {alpha}, c 0.1: {best:.2f}x at the best k, {k}; {twice:.2f}x at k = {2 * k}, "
          f"{100 * (1 - twice / best):.0f} % less")
with_sliders(lambda alpha, c, k: lengths_figure([gain(alpha, n, c) for n in range(17)], k),
             alpha=(0.0, 0.7, 1.0, 0.05), c=(0.01, 0.1, 1.0, 0.01), k=(0, 8, 16, 1))

# %% [markdown]
# Now the first sentence, "ten times as fast gives 1.5x": go along c = 0.1 on the map and see how often you cross a line.

# %%
def best_gain(alpha, c):
    return gain(alpha, length(alpha, c), c)


def alpha_needed(wanted, c):
    """The acceptance rate at which a draft of cost c reaches the wanted speed-up, to three digits; None: never."""
    return next((a / 1000 for a in range(1000) if best_gain(a / 1000, c) >= wanted), None)


print("c = 0.1:", ", ".join(f"alpha {alpha}: {best_gain(alpha, 0.1):.2f}x" for alpha in (0.1, 0.3, 0.5, 0.7, 0.9)))
for wanted in (1.5, 2.0, 3.0):
    print(f"{wanted}x with a draft ten times as fast needs alpha = {alpha_needed(wanted, 0.1):.3f}")

# %% [markdown]
# "1.5x" is the truth for one alpha, a little above one half.
#
# ## Measuring alpha, and how not to
#
# Simple: count the share of the drafted tokens that were accepted, for the bundled pair (a target of 12 layers, a draft of
# one). **Predict:** the draft is the same model at each k. Will the share of accepted tokens be the same?

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
logs = {}
for k in watched:
    logs[k] = rounds_of(pair.target, ModelDrafter(pair.draft), k, prompts)
    print(f"k = {k}: {acceptance_rate(logs[k]):.2f} of the drafted tokens were accepted")
print("from the first k to the last the share", "falls" if acceptance_rate(logs[8]) < acceptance_rate(logs[1]) else
      "does not fall", you_said(my_prediction_for_the_share))

# %% [markdown]
# The draft did not change. Look at one round with k = 5: the first guess was right, the second one wrong.
#
# | guess | 1 | 2 | 3 | 4 | 5 |
# |---|---|---|---|---|---|
# | | accepted | rejected | ? | ? | ? |
#
# Guesses 3 to 5 continue a text that will not be written. "Accepted / drafted" is 1/5, and counts three guesses as wrong
# that **nobody judged**. The longer the draft, the more of those. Statisticians say: the data are *censored*.
#
# What do you know from this round? One success, one failure. From a round in which all five were accepted: five successes
# and no failure. Which alpha makes what you have seen most probable? A round with $a$ accepted tokens has the probability
# alpha^a (1 - alpha) if it ended with a rejection, and alpha^a if not. Multiply over all rounds: with A accepted tokens
# and R rejections it is alpha^A (1 - alpha)^R, and that is largest at
#
# $$\alpha = \frac{A}{A + R}$$
#
# Worked example: accepted = [1, 4, 0, 2], drafted = [4, 4, 4, 2]. A = 7. Two rounds ended with a rejection (the
# first and the third): R = 2. alpha = 7/9 = 0.7778. Accepted / drafted would say 7/14 = 0.50.

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
# At k = 1 the two agree: every drafted token is judged there. Compare how much each of them moves, and how near
# accepted / drafted comes to the dashed line, which says what it must be for *one* alpha. When a paper or a log reports an
# "acceptance rate", find out which of the two it is.
#
# ## Measuring c and v, and predicting
#
# The other two numbers are ratios of times:
#
# - **c** = T_draft(4 tokens) / 4 / T_target(1)
# - **v** = T_target(k+1) / T_target(1)
#
# All with caches, and **in turns**, so that a machine that is busy for a while disturbs all of them. How far can you trust
# them? Further down the target is timed as its own draft. Its c should be 1.

# %%
times = 5 if hurry else 15
c = cost_of_drafting(pair.target, ModelDrafter(pair.draft), prompts[0], times)
v = cost_of_verifying(pair.target, prompts[0], watched, times)
print(machine())
print(f"c = {c:.3f}: the draft is {1 / c:.1f} times as fast as the target, and "
      f"{pair.target.num_parameters() / pair.draft.num_parameters():.1f} times smaller")
print("v:", ", ".join(f"{k + 1} tokens {v[k]:.2f}" for k in watched))

# %% [markdown]
# How many times *smaller* is the draft, and how many times as *fast*? The two need not agree.
#
# Now put your numbers into your formula, for each k, and let the clock have its say. **eta** is what was measured, over
# what was predicted. **o**, the host's time per round, comes out of the measurement: a round emits tau tokens and took
# tau / speed-up steps; take k c + v away, and o is what is left.

# %%
def a_dot(line):
    print(".", end="", flush=True)  # so that you see that something is going on


def predicted_and_measured(target, drafter, prompts, ks, alpha, c, v, new_tokens=32, repeats=1):
    """Prints and returns (predicted speed-ups, measured ones, what is left over per round) for the lengths `ks`."""
    dots = 2 + repeats
    print(f"{'k':>{dots + 3}}{'tokens per call':>24}{'v':>7}{'speed-up':>20}{'eta':>7}{'o':>7}{'tokens/s':>10}")
    print(f"{'':>{dots + 3}}{'predicted':>13}{'measured':>11}{'':>7}{'predicted':>11}{'measured':>9}")
    foreseen, seen, left = [], [], []
    for k in ks:
        ways = {"alone": None, "drafted": drafter}
        row = compare(target, prompts, ways, k, max_new_tokens=new_tokens, repeats=repeats, say=a_dot)[1]
        foreseen.append(gain(alpha, k, c, v[k]))
        seen.append(row.speedup)
        left.append(row.tokens_per_call / row.speedup - k * c - v[k])
        print(f"{k:>3}{tau(alpha, k):>13.2f}{row.tokens_per_call:>11.2f}{v[k]:>7.2f}{foreseen[-1]:>11.2f}"
              f"{seen[-1]:>9.2f}{seen[-1] / foreseen[-1]:>7.2f}{left[-1]:>7.2f}{row.tokens_per_second:>10.0f}")
    return foreseen, seen, left


tried = (5,) if hurry else watched
print(f"alpha = {one_alpha:.2f}, c = {c:.3f}; {machine()}\n")
foreseen, seen, left = predicted_and_measured(
    pair.target, ModelDrafter(pair.draft), prompts[:1] if hurry else prompts, tried, one_alpha, c, v)
o = max(0.0, statistics.median(left))
print(f"\no = {o:.2f} steps of the target per round, the median over k (or 0)")
prediction_figure(tried, foreseen, seen, f"classroom pair, greedy, {machine()}")

# %% [markdown]
# Where the formula misses, the columns tell you who is to blame:
#
# - **tokens per call** off: the text is not equally hard everywhere (unit 03), so one alpha is too simple.
# - **tokens right, speed off**: time that is not in the prediction. That is o: comparing, cutting, rolling caches back.
#   It also holds what the reading of the prompt costs, and noise, so it may come out negative.
# - **all rows off the same way**, tokens right: c or v was measured while something else was running. Measure them again.
# - a single row far off, and another one the next time: perhaps somebody else used your machine.
#
# ## Which draft?
#
# A **candidate** is a name with an alpha and a c:
#
# | candidate | alpha | c | best k | speed-up |
# |---|---|---|---|---|
# | tiny | 0.35 | 0.02 | 3 | 1.43 |
# | small | 0.75 | 0.08 | 5 | **2.35** |
# | big | 0.90 | 0.45 | 3 | 1.46 |
#
# Not the cheapest, not the most accurate. Each is asked what it brings at *its own* best k. (If none brings anything, the
# answer is: do not draft.)

# %% exercise: choose_draft

# %% [markdown]
# For the bundled target we have the bigram table, the draft model that was trained for it, and an idea that needs no
# second model: **leave out layers of the target itself** (Zhang et al. 2024, "Draft & Verify"). And for the end of the
# scale, the whole target as its own draft: it is never wrong. (Where the end of a text cuts its last round short, its tokens
# per call come out a little below k + 1.)
#
# **Predict:** how many of the 12 layers are best? And will any thinned target beat the draft with one layer, which was
# trained to guess?

# %%
my_best_layers = None  # 2, 4, 6, 8, 10, or "none of them pays"

# %%
drafters = {"bigram table": BigramDrafter.fit(
    load_corpus("atlas", pair.tokenizer, split="train", max_tokens=200_000), pair.target.config.vocab_size)}
drafters["trained, 1 layer"] = ModelDrafter(pair.draft)
for count in (4,) if hurry else (2, 4, 6, 8, 10):
    drafters[f"{count} of 12 layers"] = ModelDrafter(thinned(pair.target, count))
drafters["the target itself"] = ModelDrafter(pair.target)


def with_v_and_o(alpha, c):
    """(k, speed-up): the best of the draft lengths at which v was measured, v and o counted; (0, 1.0): none pays."""
    return max([(0, 1.0)] + [(k, gain(alpha, k, c, v[k], o)) for k in watched], key=lambda one: one[1])


candidates, honest = [], {}
print(f"{'':18}{'':21}v = 1, o = 0{'':9}with v and o")
for name, drafter in drafters.items():
    rounds = rounds_of(pair.target, drafter, 4, prompts, new_tokens=16 if hurry else 24)
    one = Candidate(name, alpha_of(rounds), cost_of_drafting(pair.target, drafter, prompts[0], times))
    candidates.append(one)
    best, honest[name] = length(one.alpha, one.c), with_v_and_o(one.alpha, one.c)
    print(f"{name:18} alpha {one.alpha:.2f}  c {one.c:.3f}   k = {best:>2}: {gain(one.alpha, best, one.c):.2f}x predicted"
          f"   k = {honest[name][0]:>2}: {honest[name][1]:.2f}x predicted")

# %%
chosen = yours(choose_draft)(candidates)
points = {one.name: (one.alpha, one.c) for one in candidates}
print("chosen:", chosen[0], "with k =", chosen[1], f"for a speed-up of {chosen[2]:.2f} (predicted)")
fairer = max(honest, key=lambda name: honest[name][1])
print(f"with v and o the first would be {fairer}, with k = {honest[fairer][0]}, {honest[fairer][1]:.2f}x (predicted)")
print("nobody is both better and cheaper than:", ", ".join(pareto(points)))
the_map(np.linspace(0.05, 1.0, 39), "Drafts for the classroom target: measured alpha and c", points, chosen[0])

# %% [markdown]
# Your functions count v as 1 and o as 0, as on a flat curve with an idle host. Where the target reads k + 1 tokens more
# slowly than one, that promises too much, and too long a draft: compare the two columns of predictions.
#
# The dashed line is the **Pareto front**: the drafts that no other one beats in both respects. It leaves several; your
# function takes the one on the highest contour. A draft with a c off the map is drawn at its edge, with its c.
#
# From how many layers on is a thinned target right nearly always? And with fewer: is its alpha above its c (then it may
# pay), or below? The draft
# with one layer was **trained for this job**, on what this target writes: distillation. (Draft & Verify, which trains
# nothing, reports up to 1.99x on Llama-2 models.)
#
# Does the clock agree? Each runs at its own best k, v and o counted (at k = 1 where none pays); the target itself at k = 5.

# %%
thinnest = max((name for name in honest if "layers" in name), key=lambda name: honest[name][1])
races = {name: max(1, honest[name][0]) for name in (chosen[0], fairer, "trained, 1 layer", "bigram table", thinnest)}
races["the target itself"] = 5
foretold, clocked = {}, {}
for name, k in races.items():
    row = compare(pair.target, prompts[:2], {"alone": None, name: drafters[name]}, k, max_new_tokens=24,
                  repeats=1 if hurry else 2, say=a_dot)[1]
    own = next(one for one in candidates if one.name == name)
    foretold[name], clocked[name] = gain(own.alpha, k, own.c, v[k], o), row.speedup
    print(f" {name:18} k = {k}: {row.tokens_per_call:.2f} tokens per call, {row.speedup:.2f}x measured, "
          f"{foretold[name]:.2f}x predicted with v and o")
print("right more than 95 times in 100:", ", ".join(one.name for one in candidates if one.alpha > 0.95))
first, fastest = max(foretold, key=foretold.get), max(clocked, key=clocked.get)
print(f"predicted fastest: {first}, {foretold[first]:.2f}x;  measured fastest: {fastest}, {clocked[fastest]:.2f}x")
print(f"best thinned target: {thinnest}, {foretold[thinnest]:.2f}x predicted with v and o; the trained draft "
      f"{foretold['trained, 1 layer']:.2f}x", you_said(my_best_layers))

# %% [markdown]
# Two different names? Drafts that lie closer together than one draft does from run to run are equally fast: run the cell
# again. If the order stays, the prediction was wrong, and the columns of the table further up say where to look.
#
# The target as its own draft has alpha = 1, the best acceptance rate there is. **An acceptance rate alone says nothing.**
#
# ## On a GPU: what the shapes say
#
# What would c be for Qwen2.5? With the two functions of unit 01 you can *compute* it: the bytes and operations of a
# pass, and the least time that a device needs. Nothing in the next cell is measured.

# %%
QWEN, TARGETS = profiles.QWEN25, ("3B", "7B", "32B")  # the shapes, as in the models' config.json


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

# %% [markdown]
# As long as all models only wait for memory, c is the ratio of their bytes, whatever the chip, and v is near 1.
#
# Now the second sentence: "half a billion is the sweet spot". We do not know the alphas of these drafts for *your*
# texts. But you can ask the formula how much better a larger draft would **have to be**.

# %%
for target in TARGETS:
    small = best_gain(0.7, computed_c("0.5B", target))
    print(f"target {target}: a 0.5B draft with alpha 0.70 gives {small:.2f}x (computed). To match it,")
    for draft in smaller(target)[1:]:
        needed = alpha_needed(small, computed_c(draft, target))
        print(f"     the {draft} needs alpha {needed:.3f}" if needed else f"     the {draft} cannot, whatever its alpha")

# %%
ASSUMED = {"0.5B": 0.70, "1.5B": 0.80, "3B": 0.83, "7B": 0.86}  # assumed, to see what follows; measure your own
panels, choices = {}, {}
for target in TARGETS:
    title = f"Qwen2.5-{target} as target"
    panels[title] = {a: {draft: best_gain(a, computed_c(draft, target)) for draft in smaller(target)}
                     for a in (0.5, 0.7, 0.8, 0.9)}
    offers = [Candidate(d, ASSUMED[d], computed_c(d, target)) for d in smaller(target)]
    name, k, speed = yours(choose_draft)(offers)
    choices[title] = (name, speed)
    print(f"target {target:>3}: with the assumed alphas choose_draft says {name}, k = {k}, {speed:.2f}x (computed)")
sizes_figure(panels, choices)

# %% [markdown]
# Each coloured line is one alpha, and none rises: at *equal* alpha the smaller draft is better. A larger draft has to jump
# to a higher line, and how far depends on the **target**: see above what the 1.5B needs for the 7B, and what for the 32B.
# So the sweet spot is no number of parameters. If it is anything, it is a ratio. And too small is no use either: at
# alpha = 0.3 even a free draft gives at most 1/(1 - 0.3) = 1.43x.
#
# ## What the shapes do not say: launches
#
# In eager PyTorch a one-token pass of a small model waits for Python and for kernel launches, about as many per layer
# whatever the layer's width. Then c is the ratio of the *layers*: Qwen2.5-0.5B has 24, the 7B has 28.

# %%
by_launches = QWEN["0.5B"].num_hidden_layers / QWEN["7B"].num_hidden_layers
by_memory = computed_c("0.5B", "7B")
print("0.5B as a draft for 7B, with alpha 0.818 (computed):")
for way, ratio in (("by launches", by_launches), ("by memory", by_memory)):
    print(f"   {way:12} c = {ratio:.2f}: the best k is {length(0.818, ratio)};",
          ", ".join(f"k = {k}: {gain(0.818, k, ratio):.2f}x" for k in (1, 3, 5, 8)))

# %% [markdown]
# This may explain the pair of unit 05: 7B with 0.5B, 81.8 % accepted, and **0.55x** in eager PyTorch. If the 81.8 % is our
# alpha (the source does not say), no draft length could have won. The cure is an engine that replays a recorded pass in one
# launch; then c goes down towards the ratio of bytes.
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
# Which of these do you believe without its alpha, c and v? Where the course has c and v recorded from a GPU, the next cell
# puts them into your formula, with an alpha that is *assumed*.

# %%
supposed = 0.7
curves = {f"{one['pair']}, {cost['engine']}, {one['hardware']}":
          {k: gain(supposed, k, cost["c"][k], cost["v"][k]) for k in sorted(cost["c"].keys() & cost["v"].keys())}
          for one in recorded for cost in one["costs"]}
costs_figure(curves, supposed) if curves else print("There is no recorded c and v to draw.")

# %% [markdown]
# ## A real pair on your machine
#
# With a CUDA GPU this cell loads the largest Qwen2.5 that fits, with its 0.5B draft: in half precision 7B + 0.5B is a
# download of 16 GB, 3B + 0.5B (Colab's T4) one of 7 GB. It measures eight prompts of 64 new tokens, first in eager PyTorch,
# then in the compiled engine, where each pass is replayed in a single launch. Without a GPU it takes SmolLM2 with a bigram
# (a short run), if `specdec fetch smollm2` has put it on this machine, else the classroom pair once more, on other
# prompts, which takes seconds.
#
# If you have a GPU: will eager PyTorch win? And the compiled engine?

# %%
trial = largest_trial(pair, hurry)
real = trial.pair.target
its_times = times if trial.on_gpu else 3
print(f"{trial.title}; {len(trial.prompts)} prompts, {trial.new_tokens} new tokens; {machine()}")
print("measuring alpha", end="", flush=True)
its_alpha = alpha_of(rounds_of(real, trial.drafter, 3, trial.prompts, trial.new_tokens))
print(", c", end="", flush=True)
its_c = cost_of_drafting(real, trial.drafter, trial.prompts[0], its_times)
print(" and v")
its_v = cost_of_verifying(real, trial.prompts[0], trial.ks, its_times)
print(f"alpha = {its_alpha:.2f}, c = {its_c:.3f}, best k by the formula {length(its_alpha, its_c)}\n\neager:")
its_foreseen, its_seen, _ = predicted_and_measured(real, trial.drafter, trial.prompts, trial.ks, its_alpha, its_c, its_v,
                                                   trial.new_tokens, repeats=2 if trial.on_gpu else 1)
its_engines = {"eager": (trial.ks, its_foreseen, its_seen)}
if trial.on_gpu:
    print("\ncompiling", end="")
    outs = [generate(real, prompt, trial.drafter, 4, max_new_tokens=trial.new_tokens, eos_token_id=None,
                     engine="compiled") for prompt in trial.prompts]
    row = compare(real, trial.prompts, {"alone": None, "drafted": trial.drafter}, 4, max_new_tokens=trial.new_tokens,
                  repeats=2, engine="compiled", say=a_dot)[1]
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
print(f"   measured: for a target of 10 million parameters the fastest of {len(clocked)} was '{fastest}', "
      f"{clocked[fastest]:.2f}x; the formula with v = 1 chose '{chosen[0]}'")
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
# None of the sentences says where it is true. The first leaves out alpha, the second the target, the third both and the
# engine.
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
# - c is a measured ratio of times, not a ratio of parameters.
# - Choose by the speed-up at each draft's own best k. Not the smallest, not the most accurate.
# - Print alpha, c, v and eta with every speed-up.
#
# Sources: Leviathan, Kalman and Matias 2023, "Fast inference from transformers via speculative decoding" (equation 1,
# theorem 3.8); the published speed-ups from the pages of Spec-Bench, vLLM and gpt-fast, and from a teaching repository's
# README (all read in November 2026; none was measured here); Zhang et al. 2024, "Draft & Verify: lossless large language
# model acceleration via self-speculative decoding"; Williams et al. 2009 for the roofline; the models' config.json.

# %%
progress()
