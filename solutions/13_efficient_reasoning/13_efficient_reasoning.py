# %% setup
import copy
import json
import math

from specdec_course import load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.common.guess import you_said
from specdec_course.common.paths import data_path
from specdec_course.corpora import sums
from specdec_course.decoding.chains import Writer, write_chains
from specdec_course.figures.thinking import accuracy_against_tokens, cost_of_thinking, learning_curves
from specdec_course.measure import clocks, thinking
from specdec_course.theory import thinking_cost
from specdec_course.training.thrift import learn_thrift

# %% [markdown]
# # Thinking fewer tokens
#
# **You will** have a model think less, in four ways, and measure what each of them costs in right answers: a **budget** for
# the thinking, a **fast answer** where the model is sure, a **small model** that writes most of the steps, a **vote** that
# ends as soon as it is decided. Then you write the rewards from which a model *learns* to be brief, and see what becomes of it
# when a reward forgets to ask whether the answer is right.
#
# **You need** unit 03; of unit 04 what a temperature is. No other unit.
#
# A model that reasons writes a chain of thought before its answer, and the reader waits for every token of it. So far a text
# came faster and stayed the same. **Here the text changes**: all four ways are lossy. What has to stay is the answer.
#
# Two small models come with the course. They have learned to add up, one step at a time:

# %%
pair = load_pair(data_path("reasoner"))
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
writer, drafter = Writer(pair.target), Writer(pair.draft)  # each asks one model, and keeps its cache
problem = sums.problems(1, steps=4, seed=3)[0]
asked = sums.question(problem)
prompt = sums.encode(asked).tolist()  # a list of ids: each sign is a token
for name, one in (("large", writer), ("small", drafter)):
    print(f"{name}: {asked}   {sums.decode(one.step(prompt, [sums.END], 200))}   ({sum(problem)} is right)")

# %% [markdown]
# A step ends with `;`, the thinking with `#`; behind it stands the answer. **A guess before you go on.** Problems of six steps
# take the large model 58 tokens of chain and answer, and nine of ten are right. (1) How often is it right if it has to answer
# after **30** tokens of thinking? (2) And at once, without any?

# %%
my_guess_30 = None  # a share between 0 and 1
my_guess_0 = None

# %% [markdown]
# ## A budget
#
# The plainest way (s1, 2025, calls it *budget forcing*): count the tokens of thinking, and when they are used up, write the
# mark that stands before an answer yourself. The model goes on as if the mark were its own. The prompt does not count, and
# neither does the answer.
#
# ```
# budget 12    prompt  61+16-42?   thinking  61+16=77;77-   forced  #   answer  35 end
# budget 99    prompt  61+16-42?   thinking  61+16=77;77-42=35;   the model's own  #   answer  35 end
# ```

# %% exercise: force_budget

# %%
force = yours(force_budget)
hard = sums.problems(8 if hurry else 24, steps=6, seed=5)
guesses = {30: my_guess_30, 0: my_guess_0}
for budget in (0, 10, 30, 50, 99):
    found = thinking.with_budget(pair.target, hard, budget, force)
    right, spent = (sum(one[i] for one in found) / len(found) for i in (0, 1))
    print(f"budget {budget:2}: right {right:4.0%}, {spent:.0f} tokens", you_said(guesses.get(budget)))

# %% [markdown]
# Every step is needed, and none can be left out: a cut chain has the *wrong sum so far*, and what is missing has to be added
# in the model's head. Nothing about the cut says so.
#
# ## Fast or slow
#
# At budget 0 the answer costs four tokens. For problems of one step that may be enough; and **the model knows**: the
# probability that it gives to its own answer says how sure it is.
#
# Worked example: the answer `#65` and its end have the probabilities 1, 0.9, 0.8 and 1. The whole answer has 0.72. With a
# threshold of 0.7 it is taken, with 0.75 the model thinks, and has then written the fast answer, too.

# %% exercise: route

# %%
choose = yours(route)
mixed = sums.problems(8 if hurry else 24, steps=(1, 2, 6), seed=6)
for threshold in (0.0, 0.3, 0.8, 1.1):
    found = thinking.routed(pair.target, mixed, threshold, choose)
    right, spent = (sum(one[i] for one in found) / len(found) for i in (0, 1))
    by_steps = ", ".join(f"{sum(one[1] for one in found[i::3]) / len(found[i::3]):.0f}" for i in range(3))
    print(f"threshold {threshold}: right {right:4.0%}, {spent:.0f} tokens (problems of 1, 2, 6 steps: {by_steps})")

# %% [markdown]
# (Threshold 0 never thinks, 1.1 always does, and pays for the fast answer that it throws away.) The middle ones think only
# where it is needed. Is the model's probability *honest*? Compare the accuracy of the middle thresholds with the last line. A
# large language model's need not be: those who build routers train them for it.
#
# ## Another model for the steps
#
# Speculation had a small model guess *tokens*. Here it guesses whole **steps of the thought**. The large model reads a step in
# one pass and says how probable each of its tokens is; a good enough step stays though it might have written another. What
# does not stay it writes itself, and then the small one goes on.
#
# How is a step judged? By its **least** probable token. **Predict** what would happen with the mean: `77-42=45;` has one wrong
# digit in nine tokens.

# %% exercise: speculative_step

# %%
by_steps = yours(speculative_step)
alone = thinking.alone(pair.draft, hard)
print(f"the small model alone: right {sum(one[0] for one in alone) / len(alone):4.0%}, no token of the large one")
for threshold in (0.01, 0.3, 0.9, 1.1):
    found = thinking.in_steps(pair.target, pair.draft, hard, threshold, by_steps)
    right, spent, of_large = (sum(one[i] for one in found) / len(found) for i in range(3))
    print(f"threshold {threshold}: right {right:4.0%}, the large model writes {of_large:.1f} of {spent:.1f} tokens")

# %% [markdown]
# The large model has to *read* all steps, in one pass a step; it has to *write* only those that it does not let stay. But at
# 0.9 it writes about as much as it does where no step may stay. Are so many steps wrong? Look at what it
# thinks of a right one:

# %%
begin = sums.encode("61+16-42?61+16=77").tolist()
for sign in (";", ":"):
    print(f"behind `61+16=77` it gives {writer.probabilities(begin, sums.encode(sign).tolist())[0]:.2f} to `{sign}`")

# %% [markdown]
# (The mean would hide a wrong digit: eight tokens of 1 and one of 0.01 have a mean of 0.89.)
#
# Both are right: a step may be followed by its own check, `61+16=77:77-16=61;`, and in what these models learned from about
# four of ten steps were. A probability knows *improbable*, and not whether it is wrong or only one way of several. So the
# threshold has to lie below what a mere choice takes.
#
# ## Many chains and a vote
#
# At temperature 1 a chain may go astray, and another one need not. So ask for several and take the answer that most of them
# give (*self-consistency*). Side by side they take more tokens and hardly more waiting; one after the other, some of them can be saved.
#
# Worked example: at most 5 chains; they say 36, 36, 27. Two are left: both might say 27, which would then win by 3 to 2. Go
# on. The fourth says 36: 3 to 1, and one vote cannot change that. Stop, the fifth is never asked for.

# %% exercise: vote_until

# %%
vote = yours(vote_until)
for name, model in (("large", pair.target), ("small", pair.draft)):
    for most in (1, 5, 9):
        found = thinking.by_vote(model, hard, most, 1.0, seed=1, vote_until=vote)
        right, spent = (sum(one[i] for one in found) / len(found) for i in (0, 1))
        print(f"{name} model, at most {most} chains: right {right:4.0%}, {spent:.0f} tokens")

# %% [markdown]
# ## All of them in one picture
#
# Your tables have 24 problems each; a share of 24 is known to a tenth or so. The record has more, with their 95 % intervals
# (`python -m specdec_course.measure.thinking`). **Before you look**: which way is best for problems of one or two steps, which
# for five or six?

# %%
record = json.loads(data_path("measurements", "reasoner_thinking.json").read_text(encoding="utf-8"))
print(record["hardware"], record["date"], f"{record['rows'][0]['problems']} problems of each kind")
accuracy_against_tokens(record["rows"], "tokens", "Four ways to think less.")

# %%
# the same, counting only what the large model writes: what the small one writes is much cheaper
accuracy_against_tokens(record["rows"], "large_tokens", "Four ways to think less.")

# %% [markdown]
# Up and to the left is better. Two things to look for: which line *rises* though it takes fewer tokens of the large model than
# the large model alone (two models seldom make the same mistake; but look at the intervals), and what a vote of the small
# model is worth beside one chain of the large one.
#
# A budget is the worst of all here on hard problems: it takes from each as much, whatever it needs, and greedy chains of this
# model have no step too many. Where a model *overthinks*, as large ones do, a budget costs less.
#
# ## Learning to be brief
#
# All this was decided while decoding. A model can also be **taught**. By rewards first: it writes several chains for a
# problem, each gets a reward, and those above the mean of the problem are made more probable. What should the reward be?
#
# At temperature 1 these models check about four of ten steps. There is something to learn.
#
# Worked example: three answers to one problem have 40, 60 and 80 tokens; the first is wrong. With a budget of 50 and alpha =
# 0.01, "lcpo_max" gives them 0, 0.4 and 0.2. "kimi" has l = 0.5, 0 and -0.5, and gives 0, 0 and -0.5. "dast" has l = -0.2, 0.2
# and 0.6, and gives -0.28, 0.4 and 0.2.

# %% exercise: length_reward

# %% [markdown]
# Now two rewards, and a copy of the large model for each. The first is Kimi's, on top of 1 for a right answer. The second is
# *shorter is better*, and does not ask whether the answer is right. **Predict** both panels.

# %% folded
# two copies of the large model learn, each from its own reward
rewards = yours(length_reward)


def right_and_short(lengths, correct):
    return [good + extra for good, extra in zip(correct, rewards("kimi", lengths, correct), strict=True)]


def short(lengths, correct):
    return [1 - length / 100 for length in lengths]


logs = {}
for name, reward in {"right and short": right_and_short, "short": short}.items():
    print(f"learning from the reward {name!r}", end=" ")
    logs[name] = learn_thrift(copy.deepcopy(pair.target), reward, steps=(2, 3), updates=3 if hurry else 15, problems=8,
                              samples=8, rate=3e-4, say=lambda line: print(".", end=""))
    ends = [{what: sum(row[what] for row in part) / len(part) for what in ("length", "accuracy")}
            for part in (logs[name][:3], logs[name][-3:])]
    print(" ->".join(f" {end['length']:.0f} tokens, right {end['accuracy']:.0%}" for end in ends))
learning_curves(logs, "A model learns from two rewards.")

# %% [markdown]
# Each point is the mean of 64 chains, so it jumps. The second model has found what it was paid for. That is why each of the
# three rewards has a **gate**: a wrong answer never gets more than 0, and never more than a right one of its length. DAST goes
# further: there a wrong answer loses less the *longer* it is.
#
# Two relatives, for comparison (`specdec_course.training.rewards`): LCPO-exact, 1 for a right answer less alpha |budget -
# length|; and O1-Pruner, reference length / length - 1 + weight x (right - reference accuracy), which pays for being shorter
# *and* better than the model was.
#
# ## Learning from one's own best
#
# There is a way without rewards: have the model write many chains, keep of each problem the shortest right one, and train on
# those as on any text.

# %% exercise: shortest_correct

# %%
keep = yours(shortest_correct)
samples = []
for i, one in enumerate(sums.problems(4 if hurry else 16, steps=(2, 3, 4), seed=8)):
    own = sums.encode(sums.question(one)).tolist()
    for chain in write_chains(pair.target, [own] * 8, 200, [sums.END], temperature=1.0, seed=i):
        samples.append((sums.question(one), chain, sums.is_right(one, sums.decode(chain))))
kept = keep(samples)
right = [chain for _, chain, good in samples if good]
print(f"{len(samples)} chains, {len(right)} of them right, with {sum(map(len, right)) / len(right):.0f} tokens on average")
print(f"{len(kept)} are kept, with {sum(len(chain) for _, chain in kept) / len(kept):.0f} tokens. The first two:")
for asked, chain in kept[:2]:
    print("  ", asked, sums.decode(chain))

# %% [markdown]
# The text is checked here by the answer alone. **What else might be kept that way?** A chain with a wrong step and a right
# answer.
#
# ## What a thought costs
#
# So far all tokens cost the same. They do not: each attends to all before it, so a thought of twice as many tokens attends
# four times as much. Some models are built for long thoughts: **linear attention** keeps a state of fixed size instead of all
# positions. Others think **inside**: more passes beside the one that writes a token. A pass costs what a token costs; such a
# thought pays only if it makes the text shorter by more than the passes make it dearer.

# %%
seven_billion = dict(weights=7e9, width=4096, layers=32)
lengths = [2**i for i in range(8, 18)]
costs = {
    "attention to all positions": {n: thinking_cost(n, 500, **seven_billion) for n in lengths},
    "linear attention": {n: thinking_cost(n, 500, **seven_billion, state=128) for n in lengths},
    "three inner passes beside each token": {n: thinking_cost(n, 500, **seven_billion, latent=3) for n in lengths},
    "the same, an eighth of the tokens": {n: thinking_cost(n // 8, 500, **seven_billion, latent=3) for n in lengths},
}
for name, found in costs.items():
    print(f"{name:34} {found[1024]:.2e} multiply-adds for 1,024 tokens, {found[131072] / found[1024]:.0f} times as many for 131,072")
cost_of_thinking(costs, "What a thought costs a model of 7 billion numbers.")

# %% [markdown]
# A thought of 131,072 tokens is 128 times as long as one of 1,024. What the first line has beyond that is attention. (Only
# arithmetic is counted here. While decoding, memory counts more, unit 01; the shape of the curves is the same.)
#
# ### What real systems do
#
# | system | family | what it does |
# |---|---|---|
# | s1 (Muennighoff et al. 2025) | length budget | cuts the thinking, or writes "Wait" where it should go on |
# | RouteLLM (Ong et al. 2024) | switching | a trained router sends a question to a strong or a weak model |
# | SpecReason (Pan et al. 2025) | other model | a small model writes steps, the large one scores them |
# | self-consistency (Wang et al. 2022), early stopping (Li et al. 2024) | parallel | votes, fewer where they agree |
# | O1-Pruner, L1 (LCPO), Kimi k1.5, DAST (2025) | rewards | reinforcement learning with a length in the reward |
# | Coconut (Hao et al. 2024), linear attention | built in | thoughts without tokens; a state of fixed size |
#
# **A challenge, without an answer of ours.** Combine them: a fast answer where the model is sure, else steps of the small
# model, else a vote. How many tokens of the large model does it take to be right as often as the large model alone, on
# problems of one to six steps?
#
# ## What to take along
#
# - Thinking is bought by the token. Measure what it buys: accuracy against tokens, with intervals, on easy and on hard
#   problems.
# - A budget is about the thinking alone. Cutting is dear where a model does not think too much.
# - The probability of an answer is that of all its tokens together; that of a step is as good as its least token.
# - A vote is over when the rest cannot change it, not when all have voted.
# - A reward for being short needs a gate: nothing for short and wrong.
#
# Sources: Muennighoff et al. 2025, arXiv 2501.19393; Ong et al. 2024, arXiv 2406.18665; Pan et al. 2025, arXiv 2504.07891;
# Wang et al. 2022, arXiv 2203.11171; Li et al. 2024, arXiv 2401.10480; Aggarwal and Welleck 2025, arXiv 2503.04697; Kimi Team
# 2025, arXiv 2501.12599; Shen et al. 2025, arXiv 2503.04472; Luo et al. 2025, arXiv 2501.12570; Hao et al. 2024, "Training
# large language models to reason in a continuous latent space", arXiv 2412.06769.

# %%
progress()
