# %% setup
import torch

from specdec_course import Sampling, generate, load_corpus, load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.checks.unit04.wrong_rules import FAMOUS, one_token
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import BigramDrafter, ModelDrafter
from specdec_course.figures.laws import (
    accept_and_correct,
    acceptance_along_text,
    against_temperature,
    kept_by_rules,
    law_gallery,
)
from specdec_course.figures.rounds import strip, token_pieces
from specdec_course.measure.benchmark import as_table, compare
from specdec_course.measure.machine import machine
from specdec_course.models import as_forward
from specdec_course.sampling import Dice, exact_law
from specdec_course.trace import Round, tokens_per_call

# %% [markdown]
# # The same text distribution, exactly
#
# **You will** write the rule that keeps a sampled text exactly as random as the target's own, and prove which code is it.
#
# **You need** unit 03's loop, and what softmax, temperature and top-p do.
#
# Greedy verification (unit 03) had an easy test: the text must be the same, token for token. But chat models *sample*: a
# token that has probability 0.2 is supposed to come out one time in five. If a drafter guesses, and a rule keeps some
# guesses and replaces others, every run gives another text, and each reads well. **How would you know that the text is
# still the target's?**
#
# There is a rule that keeps most guesses and yet changes *nothing* about the distribution of the text: not about one
# token, not about any ten together. And there is a way to prove, for any piece of code, whether it is that rule.

# %% [markdown]
# ## Before you start, a bet
#
# The target wants the next token from p = (0.5, 0.3, 0.2) over the tokens A, B, C. The drafter draws its guess from
# q = (0.6, 0.25, 0.15). Somebody suggests: *keep the guess A with probability 0.5/0.6, keep B and C always. If A is
# thrown away, just draw a new token from p.* How often will A come out? (It should be 0.5.)

# %%
my_bet = None  # for example 0.5

# %% [markdown]
# ## What is a token drawn from?
#
# Not from softmax(logits), usually. People turn three knobs, and p and q are what comes out *after* all three:
#
# - **temperature** T divides the logits. Below 1 the distribution gets sharper, above 1 flatter. T = 0 means greedy.
# - **top_k** keeps the k most probable tokens.
# - **top_p** keeps the most probable tokens until they *reach* the probability top_p together.
#
# With top_p = 0.6 and probabilities 0.46, 0.26, 0.16, 0.12, the first token alone is not enough; with the second it is
# 0.72: reached. So two tokens stay, also the one that crosses 0.6, and they are scaled to 0.46/0.72 = 0.64 and
# 0.26/0.72 = 0.36. In other words, a token stays if the probability *in front of* it (0, 0.46, 0.72, 0.88) is below top_p.

# %% exercise: next_token_distribution

# %% [markdown]
# Three knobs on one set of logits. Which of the rows has the most zeros, and why?

# %%
warp = yours(next_token_distribution)
logits = torch.tensor([2.0, 1.4, 0.9, 0.6, -0.5])
for settings in (Sampling(1.0), Sampling(0.5), Sampling(1.0, top_k=3), Sampling(1.0, top_p=0.7), Sampling(0.0)):
    distribution = warp(logits, settings.temperature, settings.top_k, settings.top_p)
    print([round(value, 2) for value in distribution.tolist()], settings)

# %% [markdown]
# The object `Sampling` holds the three knobs. It can also be called: `Sampling(0.5)(logits)` does what your function
# does (it is the package's own, in case yours is not finished).

# %% [markdown]
# ## Which guesses may stay?
#
# | | |
# |---|---|
# | **p** | the distribution of the next token under the target |
# | **q** | the distribution that the drafter draws its guess from |
# | **k** | how many tokens are drafted in a round |
#
# A round: the drafter draws k tokens, one after the other, from k distributions q. The target reads them all in one
# pass and gives k + 1 distributions p: one for the place of each guess, and one for the place after them. Then a rule
# decides. The text grows by 1 to k + 1 tokens.
#
# Think of many rounds at once, a hundred of them, one drafted token each. With q = (0.4, 0.3, 0.2, 0.1) the drafter
# proposes A about 40 times, B 30, C 20, D 10. The target, with p = (0.1, 0.2, 0.3, 0.4), would like to see A 10
# times, B 20, C 30, D 40.
#
# - A is proposed 40 times and wanted 10 times. Keep a quarter of them: p/q = 0.25.
# - B: 30 and 20. Keep two thirds.
# - C: 20 and 30. It comes too rarely already. Keep all of them; p/q is 1.5, but nobody can keep more than everything.
# - D: 10 and 40. Keep all.
#
# So a drafted token x stays with probability min(1, p(x)/q(x)). You toss that coin for the token that was proposed.

# %% exercise: acceptance_probability

# %% [markdown]
# ## Why p - q?
#
# This is the question that everybody asks at this point. Count on. Of the hundred rounds, these were kept:
#
# | | proposed (100 q) | wanted (100 p) | kept | still missing |
# |---|---|---|---|---|
# | A | 40 | 10 | 10 | 0 |
# | B | 30 | 20 | 20 | 0 |
# | C | 20 | 30 | 20 | 10 |
# | D | 10 | 40 | 10 | 30 |
# | sum | 100 | 100 | 60 | 40 |
#
# Sixty rounds have their token. Forty had theirs rejected, and need another one. Which? Look at the last column: ten
# C and thirty D are missing, and nothing else. So draw the replacement from (0, 0, 0.25, 0.75): the missing part,
# scaled to sum 1. That is (p - q), cut off at 0, divided by its sum. It is called the **residual**.
#
# The two sums agree, 40 rejected and 40 missing, and they always do: p and q both sum to 1, so what q has too much is
# exactly what it has too little elsewhere. That is the whole trick. And given what was kept, nothing else would fit:
# the kept tokens and the corrections together have to make p, so the corrections have to be p minus what was kept.

# %%
p, q = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.4, 0.3, 0.2, 0.1])
accept_and_correct(p, q, "ABCD")

# %% [markdown]
# One corner: if p = q, nothing is missing and nothing is rejected. But computers round: p/q may come out as
# 0.99999994, the coin may (very rarely) say no, and then the residual is 0/0. In that case draw from p.

# %% exercise: residual

# %% [markdown]
# ## How often will a guess stay?
#
# Before you look at the formula: in the table above 60 of 100 guesses stayed. Which number of the picture is that?
#
# It is the green area: the sum over all tokens of min(p(x), q(x)). Half the sum of |p(x) - q(x)| is called the
# **total variation distance** TV(p, q), and the green area is 1 - TV(p, q). No rule that keeps the target's
# distribution can keep a single guess more often than that: from token x there can be no more than q(x) (it was not
# proposed more often) and no more than p(x) (it is not wanted more often).
#
# So this number is a ceiling. We will hold a real pair of models against it below.

# %% exercise: expected_acceptance

# %% [markdown]
# ## The randomness: two methods of one object
#
# From here on your functions toss coins and draw tokens. They take *all* their randomness from an object `dice`:
#
# - `dice.flip(probability)` gives True with that probability, else False.
# - `dice.roll(probabilities)` gives an index, drawn from a row of probabilities (which must sum to 1).

# %%
dice = Dice(torch.Generator().manual_seed(0))
print([dice.flip(0.75) for _ in range(8)])
print([dice.roll(torch.tensor([0.5, 0.3, 0.2])) for _ in range(12)])


# %% [markdown]
# Why an object, and not torch.rand? Because another dice can be handed to the same code, one that does not draw but
# *tries everything*. `exact_law(procedure)` runs `procedure(dice)` once for every way that its flips and rolls can
# come out, and multiplies the probabilities along each way. The result is the exact distribution of what the
# procedure returns: no sampling, no error bars.
#
# Take two coins:

# %%
def two_coins(dice):
    first = dice.flip(0.5)
    second = dice.flip(0.9) if first else dice.flip(0.2)
    return int(first) + int(second)


exact_law(two_coins)


# %% [markdown]
# Four ways, three results: 0 with 0.5 x 0.8 = 0.4, and so on. This settles the question of how to know: **a sampler
# is right if its exact law is right**, and that can be computed. It is how your functions are checked below.
#
# And it settles your bet. Here is the rule of the beginning:

# %%
def rule_of_the_bet(dice):
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.6, 0.25, 0.15])
    guess = dice.roll(q)
    if dice.flip((p[guess] / q[guess]).clamp(max=1.0)):
        return "ABC"[guess]
    return "ABC"[dice.roll(p)]


law = exact_law(rule_of_the_bet)
print({token: round(law[token], 4) for token in "ABC"})
if my_bet is not None:
    print(f"A comes out with {law['A']:.2f}; you said {my_bet}.")

# %% [markdown]
# A comes out with 0.55, not 0.5. Of every hundred rounds ten need a replacement. The residual has no A in it (A had
# its fifty already), but p gives it five more. In a text that is "a little too often the drafter's favourite word",
# and no reader will ever notice. The law notices.

# %% [markdown]
# ## Drafting: q is what you really drew from
#
# The drafter writes k tokens, each after the one before, and reports for each the distribution it was drawn from.
# There is just one way to get this wrong, in many disguises: to report a q that is *not* the one that was rolled. To
# draw after top_p and report the softmax before it. To take the argmax ("the best guess, surely?") and report its
# softmax. The rule divides by q. If the coin thinks that a token was proposed 60 % of the time, and it really was
# proposed always, the law is wrong.
#
# A drafter that does not draw, such as a bigram table, is fine. Its honest q is one-hot: this token, with certainty.
#
# Worked example: with T = 0.5 and top_p = 0.6 a draft model's logits give, say, q = (0.7, 0.3, 0, 0) after both. Roll
# that row; say it gives 1. Report token 1 and the row (0.7, 0.3, 0, 0). Append token 1 to the text, ask the model
# again.

# %% exercise: propose_stochastic

# %% [markdown]
# ## Verification: putting it together
#
# The draft has k tokens. Go through them from the left:
#
# 1. Toss the coin of token i, with p[i] and q[i]. If it stays, go on to the next.
# 2. If it is rejected: draw the correction from the residual of *this* place, and stop. The later guesses were made for
#    a text that is no longer there.
# 3. If all k stay: the target's row p[k], for the place after them, is still unused. Draw a bonus token from it. Nothing
#    was proposed for that place, so there is nothing to correct.
#
# Worked example with k = 2. The draft is (A, C). Coin for A: stays. Coin for C: rejected. The residual of place 1
# gives, say, B. The round emits (A, B). Had C stayed, p[2] would have given a third token.
#
# Why is the law of several tokens *together* right? Because each place is judged given the tokens before it, which
# have been emitted, so p[i] is the target's distribution for exactly this text. The first token is right; given the
# first, the second is right; and so on. When a round stops early, the next round goes on from a text that has the
# right law.
#
# (If your functions of the exercises above are not finished, import the package's:
# `from specdec_course.verification import acceptance_probability, residual`.)

# %% exercise: verify_stochastic

# %% [markdown]
# ### Your rule, and six famous wrong ones
#
# One drafted token, p = (0.5, 0.3, 0.2), q = (0.6, 0.25, 0.15), exact laws. Each of these is
# easily written:
#
# - the coin **upside down**: keep with min(1, q/p);
# - the **correction drawn from p**, as in the bet;
# - the correction from **|p - q|**, not cut off at 0;
# - **keep only the argmax** of p, correct everything else;
# - **draft by argmax**, and report the softmax as q;
# - **throw away** drawn tokens of which the drafter was unsure (q below 0.2), before anything is verified.
#
# Before you run the cell: which one do you think is furthest off?

# %%
p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.6, 0.25, 0.15])
rules = {"your rule": one_token(yours(verify_stochastic)), **FAMOUS}
law_gallery(p, {name: exact_law(lambda dice, step=step: step(p, q, dice)) for name, step in rules.items()}, "ABC")

# %% [markdown]
# TV is the probability that sits at the wrong token. Five of the rules move 5 to 12 % of it: in a text of a thousand
# tokens, fifty to a hundred and twenty tokens. You would not see that by reading, nor by a unit test on a prompt.
# "Drafts by argmax, reports softmax" is the worst, and it looks the most harmless in code.
#
# There is also a right rule that looks quite different: draw y from p[i], and keep the drafted token if it equals y;
# otherwise emit that same y. Its law is right for a simple reason: it always emits y. It accepts less often, though.

# %%
def keeps_what_agrees(draft, q, p, dice):
    emitted = []
    for place in range(len(p)):
        emitted.append(dice.roll(p[place]))
        if place == len(draft) or emitted[-1] != draft[place]:
            return torch.tensor(emitted)


law = exact_law(lambda dice: one_token(keeps_what_agrees)(p, q, dice))
print("its law:   ", {token: round(law[i], 4) for i, token in enumerate("ABC")})
print("it accepts:", round(float((p * q).sum()), 4), " the coin accepts:", round(float(torch.minimum(p, q).sum()), 4))


# %% [markdown]
# ## A better rule, for a bonus
#
# The coin min(1, p/q) is the best that can be done for one token. For several tokens it is not: it judges each one
# alone, and throws a surplus away. Suppose the first token has p/q = 0.5 and the second p/q = 2. Token verification
# rejects the first one half of the time. But the two *together* were proposed exactly as often as they are wanted.
#
# Count the masses, in ninths, for two tokens A and B with p = (1/3, 2/3), q = (2/3, 1/3) at every place, and k = 2:
#
# | draft | proposed | wanted | kept whole, token by token | kept whole, judged together |
# |---|---|---|---|---|
# | AA | 4 | 1 | 4 · 1/2 · 1/2 = 1 | 1 |
# | AB | 2 | 2 | 2 · 1/2 · 1 = 1 | **2**: as often proposed as wanted |
# | BA | 2 | 2 | 2 · 1 · 1/2 = 1 | 1 |
# | BB | 1 | 4 | 1 · 1 · 1 = 1 | 1 |
#
# (BA gains nothing: the first token has p/q = 2, but nobody can keep more than everything, so its surplus is lost
# before the second one is judged.)
#
# **Block verification** (Sun et al. 2024) judges prefixes. The weight of the first i tokens is the running product of
# p/q, cut off at 1 after every factor: w[0] = 1, w[i] = min(1, w[i-1] p(x_i)/q(x_i)). Every prefix has a coin of its
# own. They are tossed one after the other, that of the longest prefix first, up to the first yes: that prefix is kept.
# If none says yes, no token is; that needs no coin. The whole draft passes with w[k]; a shorter prefix of i tokens with
#
# > s / (s + 1 - w[i]), where s is the sum over x of `w[i] p[i](x) - q[i](x)`, each cut off at 0.
#
# Where does this come from? Take all drafts that begin with the same i tokens, and call their mass 1. A share w[i] of
# them may keep this prefix. With one token more pass those that `min(w[i] p[i](x), q[i](x))` lets through, in all
# w[i] - s. So 1 - w[i] + s are left, and s of them must still keep the prefix: that is the coin. In the table, the prefix
# A has w = 1/2 and s = (1/6 - 2/3)+ + (1/3 - 1/3)+ = 0: AA and AB already hold every A that is wanted. The prefix B
# has w = 1 and s = 1/3, so the coin is 1: where BA fails, B stays.
#
# The correction after i kept tokens comes from that same part, (w[i] p[i] - q[i])+, scaled to 1. With i = 0 the
# weight is 1, and it is the residual you know.

# %% exercise: verify_block

# %% [markdown]
# The table is the example of the paper. How many drafted tokens are kept, on average? Exactly, of course:

# %%
def round_on_toy(rule, p_row, q_row, k, dice):
    """What a round emits when p and q are the same at every place."""
    guesses = torch.tensor([dice.roll(q_row) for _ in range(k)])
    return rule(guesses, q_row.repeat(k, 1), p_row.repeat(k + 1, 1), dice)


by_token, by_block = yours(verify_stochastic), yours(verify_block)
p_row, q_row = torch.tensor([1 / 3, 2 / 3]), torch.tensor([2 / 3, 1 / 3])
kept_by_rules({
    "token verification": exact_law(lambda dice: round_on_toy(by_token, p_row, q_row, 2, dice)),
    "block verification": exact_law(lambda dice: round_on_toy(by_block, p_row, q_row, 2, dice)),
}, k=2)

# %% [markdown]
# 10/9 against 11/9: the ninth is the second AB. The law of the text is the same. The paper reports 5 to 8 % in
# wall-clock time on its models: a little for nothing, since nothing else changes.

# %% [markdown]
# ## A real pair
#
# Now models. `classroom` is a pair of two real, if small, language models that comes with the course: a target of 12
# layers and a draft of one. Here is a text that neither was trained on. At each place we compute p and q on the
# *same* prefix, and draw 1 - TV(p, q): the chance that a guess for this place would be kept, at T = 1.
#
# What do you expect: where does the drafter do well, and where badly? In everyday words, in names that are new, or in
# names that stood in the text before?

# %%
pair = load_pair("classroom")
target, drafter = as_forward(pair.target), as_forward(pair.draft)
reading = load_corpus("atlas", pair.tokenizer, split="test", max_tokens=260)


def overlap(ids, sampling):
    """1 - TV(p, q) for the token after each place of a text: FloatTensor [T]."""
    return torch.minimum(sampling(target(ids)), sampling(drafter(ids))).sum(-1)


at_one = overlap(reading, Sampling(1.0))
pieces = token_pieces(pair.tokenizer, reading)
print(f"mean over {len(reading)} places: {at_one.mean():.2f}")
print(f"mean over the 48 that are drawn: {at_one[60:108].mean():.2f}   (green: kept at least half of the time)")
acceptance_along_text(pieces[61:109], at_one[60:108])  # the bar above a token is about the guess for that token

# %% [markdown]
# That was a part of the text. Now all places, by the kind of token that comes there. A piece in the middle of a word
# is nearly always one of a name; it counts as seen if it and the two pieces before it stood in the text earlier.

# %%
by_kind, seen = {}, set()
for place in range(2, len(pieces)):
    piece, three = pieces[place], tuple(pieces[place - 2 : place + 1])
    if not any(map(str.isalpha, piece)):
        kind = "figures" if piece.strip().isdigit() else "marks and line ends"
    elif piece.startswith(" "):
        kind = "a name begins" if piece.strip()[0].isupper() else "an everyday word begins"
    else:
        kind = "a word goes on, seen before" if three in seen else "a word goes on, new"
    seen.add(three)
    by_kind.setdefault(kind, []).append(float(at_one[place - 1]))
for kind, values in sorted(by_kind.items(), key=lambda item: -sum(item[1]) / len(item[1])):
    print(f"{kind:28} mean 1 - TV {sum(values) / len(values):.2f}   ({len(values)} places)")

# %% [markdown]
# Everyday words and marks are easy. Compare the two lines about words that go on. In a *new* name nobody can know the
# next piece, but the two models are **unsure in the same way**, and that is all that sampling asks for. In a name
# that was *seen*, the target looks back and is sure of one piece; the draft, with its one layer, cannot copy and
# spreads its guess. There they part.
#
# ## Your rule writes
#
# Enough of toys: here your own drafting and your own verification write a text, at T = 1. (No cache, so a few
# seconds.)

# %%
propose, verify = yours(propose_stochastic), yours(verify_stochastic)


def write(prompt, new_tokens, k, sampling, seed):
    """(ids, rounds): the text that your two functions write, and what each round kept."""
    dice, ids, rounds = Dice(torch.Generator().manual_seed(seed)), prompt, []
    while len(ids) < len(prompt) + new_tokens:
        draft, q = propose(drafter, ids, k, sampling, dice)
        draft = torch.as_tensor(draft)  # yours may be a list
        p = sampling(target(torch.cat([ids, draft]))[-k - 1 :])
        emitted = torch.as_tensor(verify(draft, q, p, dice))
        ids = torch.cat([ids, emitted])
        rounds.append(Round(k, len(emitted) - 1, len(emitted)))
    return ids, rounds


opening = held_out_prompts(pair.tokenizer, count=1, length=24)[0]
ids, rounds = write(opening, new_tokens=40, k=4, sampling=Sampling(1.0), seed=0)
print(f"{len(rounds)} target calls for {len(ids) - len(opening)} tokens")
strip(token_pieces(pair.tokenizer, ids[len(opening) :]), rounds, token_pieces(pair.tokenizer, opening))

# %% [markdown]
# Another seed gives another text, and so does another k. All of them are draws from one law: the target's.
#
# ## Ceiling and test in one: measured acceptance against 1 - TV
#
# If the rule is right, a guess is kept with probability 1 - TV(p, q), at every place. So on the places that a
# decoding really judged, the share of kept guesses must agree with the mean of 1 - TV, up to chance. If it is far
# *below*, something is broken (q is not what was drawn from, a cache is off by one). If it is *above*, the text is
# not the target's. Engineers who build such systems print these two numbers side by side.
#
# A guess is *judged* if all before it in the round were kept: the kept ones, and the first rejected one.
#
# Write down first: at T = 0.7, will more guesses be kept than at T = 0 (greedy), or fewer?

# %%
my_guess_more_or_fewer = None  # "more" or "fewer"


# %%
def judged_places(rounds, start):
    """For each guess that was judged: (the number of tokens in front of it, whether it was kept)."""
    places, length = [], start
    for r in rounds:
        places += [(length + i, True) for i in range(r.accepted)]
        if r.accepted < r.drafted and r.emitted > r.accepted:
            places.append((length + r.accepted, False))
        length += r.emitted
    return places


def ceiling_and_measured(sampling, prompts, new_tokens):
    """(mean 1 - TV on the judged places, share of them that was kept, tokens per call, standard error) of the draft."""
    wanted, kept, rounds = [], [], []
    for seed, prompt in enumerate(prompts):
        out = generate(pair.target, prompt, ModelDrafter(pair.draft), k=4, sampling=sampling,
                       max_new_tokens=new_tokens, eos_token_id=None, seed=seed)
        chance = overlap(out.tokens, sampling)
        judged = judged_places(out.trace.rounds, len(prompt))
        wanted += [float(chance[place - 1]) for place, _ in judged]
        kept += [stayed for _, stayed in judged]
        rounds += out.trace.rounds
    error = sum(chance * (1 - chance) for chance in wanted) ** 0.5 / len(wanted)
    return sum(wanted) / len(wanted), sum(kept) / len(kept), tokens_per_call(rounds), error


prompts = held_out_prompts(pair.tokenizer, count=4, length=32)
temperatures = [0.0, 0.7, 1.0, 1.5]
results = []
for t in temperatures:
    results.append(ceiling_and_measured(Sampling(t), prompts, new_tokens=48))
    ceiling, measured, calls, error = results[-1]
    print(f"T = {t}: mean 1 - TV {ceiling:.3f}   kept {measured:.3f} (standard error {error:.3f})"
          f"   tokens per target call {calls:.2f}")
if my_guess_more_or_fewer is not None:
    print("At T = 0.7", "more" if results[1][1] > results[0][1] else "fewer", "were kept than at T = 0; you said",
          my_guess_more_or_fewer)

# %% [markdown]
# The two columns should agree up to chance: seldom more than two standard errors apart. At T = 0 they agree exactly:
# there both count the places where the two argmaxes are equal.
#
# Many people expect greedy decoding to be the easiest to guess. It need not be. Say the target thinks 0.40 for one
# word and 0.38 for another, and the drafter has the two the other way round. At T = 0 that is a rejection, every
# time. At T = 1 the two distributions overlap almost everywhere, and the guess is kept almost always. New names are
# of this kind. On the other side of the scale, a high temperature lifts thousands of improbable words, about which
# the models agree less. So acceptance may peak somewhere in between. (The texts differ too: each temperature
# judges the places of its own texts.)
#
# ## A drafter that does not draw
#
# The bigram table of unit 02 proposes one token with certainty. Its q is one-hot, so its guess x stays with
# probability p(x). At T = 0 that is 0 or 1. At T = 1 even a perfect guess of a token with p(x) = 0.5 is thrown away
# half of the time: it cannot know when the target will sample something else. Nobody can.

# %%
bigram = BigramDrafter.fit(load_corpus("atlas", pair.tokenizer, split="train", max_tokens=200_000),
                           pair.target.config.vocab_size)
bigram_calls = []
for t in temperatures:
    outs = [generate(pair.target, prompt, bigram, k=4, sampling=Sampling(t), max_new_tokens=32, eos_token_id=None,
                     seed=seed)
            for seed, prompt in enumerate(prompts)]
    bigram_calls.append(tokens_per_call([r for out in outs for r in out.trace.rounds]))
    print(f"T = {t}: {bigram_calls[-1]:.2f} tokens per target call with the bigram")

against_temperature(
    temperatures,
    {"draft model, k = 4": [calls for _, _, calls, _ in results], "bigram, k = 4": bigram_calls},
    ceiling=[ceiling for ceiling, _, _, _ in results],
    measured=[measured for _, measured, _, _ in results],
)

# %% [markdown]
# ## Does it pay? An honest clock
#
# Tokens per target call are not seconds. The draft model has to be run, the target reads k + 1 tokens instead of one,
# and what is rejected was read for nothing. Plain decoding and both drafters, in turns, in one run: at T = 0.7, where
# most people decode, and at T = 2, where p and q are flat.
#
# Which of the four speed-ups will be below 1?

# %%
ways = {"plain": None, "draft model, k = 4": ModelDrafter(pair.draft), "bigram, k = 4": bigram}
print(machine())
for t in (0.7, 2.0):
    print(f"\nT = {t}")
    print(as_table(compare(pair.target, prompts[:2], ways, k=4, sampling=Sampling(t), max_new_tokens=32, repeats=1,
                           say=print)))

# %% [markdown]
# This is a short measurement on *your* machine, in eager PyTorch; run it again and the last digits change. What does
# not change is the pattern. Wherever a row shows a speed-up below 1.00x, speculation **loses**: the tokens per call
# do not cover the price of drafting and of reading the rejected tokens. Compare the column "accepted" at the two
# temperatures: the fewer guesses are kept, the more of the four tokens in every pass are read for nothing. The law of
# the text is right in every row; being right costs nothing, being slow is up to you. (How to choose k and the drafter
# from measured numbers is unit 06; how to change k on the way is unit 07.)
#
# ## What to take along
#
# - A guess stays with min(1, p/q); a rejected one is replaced from (p - q)+. What comes out is p, whatever q is. A bad
#   drafter costs time, never quality.
# - q must be what was really drawn from: after temperature and filters; one-hot if nothing was drawn.
# - 1 - TV(p, q) is both a ceiling for the acceptance and a test of the code.
# - A sampler is proven by its exact law, not by reading its output.
#
# **An open challenge.** Let the drafter roll *two* guesses from q for the same place. Find a rule that keeps one of
# the two more often than 1 - TV, and whose law is still p. `exact_law` tells you whether you have it.
#
# Sources: Leviathan, Kalman and Matias 2023, "Fast inference from transformers via speculative decoding"; Chen et al.
# 2023, "Accelerating large language model decoding with speculative sampling"; Sun et al. 2024, "Block verification
# accelerates speculative decoding"; Holtzman et al. 2020 for top-p.

# %%
progress()
