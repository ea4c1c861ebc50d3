# %% setup
import numpy as np
import torch

from specdec_course import Sampling, generate, load_corpus, load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import BigramDrafter
from specdec_course.figures.bigram import hit_map, rates_by_size, recorded, saturation, speed_by_k
from specdec_course.figures.rounds import token_pieces
from specdec_course.measure.benchmark import own_way, rows_of, timed
from specdec_course.measure.bigram import replay
from specdec_course.measure.machine import machine
from specdec_course.trace import tokens_per_call

# %% [markdown]
# # The cheapest drafter in the world
#
# **You will** build a drafter that needs no model, and say what its guesses are worth in tokens per call of the target.
#
# **You need** unit 01's result: a pass over five tokens costs far less than five passes.
#
# Unit 01 shows that a call over five tokens takes far less than five times as long as one over a single token. Speculative
# decoding uses that: somebody **guesses** the next few tokens, the model reads the guesses all at once, and keeps them as
# far as it agrees. In this unit you build the guesser. (Unit 03 checks the guesses; here the package does it for you.)
#
# What is the least that a guesser can do? Know only the last token, and look up one number in a table: *after this token,
# most often comes that one*. Such a table is a **bigram**: it counts pairs. It is also rather stupid. After `New` it says
# `York`, whatever you were talking about.
#
# **Before you read on, guess.** In a text that the table has never seen, at what share of the places is its guess right?
# And if a language model gets the guesses, how many tokens does each of its calls yield? (Plain decoding yields 1.)

# %%
my_hit_rate = None  # a share between 0 and 1
my_tokens_per_call = None  # 1 or more

# %% [markdown]
# ## A text, cut into windows
#
# The pair of models that comes with the course, and a text to count. `load_corpus("wikitext-2", ...)` takes
# WikiText-2 (articles of Wikipedia) if the Hugging Face Hub can be reached. If not, it takes *Atlas*, an imaginary
# encyclopedia in the same format that the course writes itself, and says so.

# %%
torch.manual_seed(0)
pair = load_pair("classroom")
VOCAB_SIZE = pair.target.config.vocab_size
train = load_corpus("wikitext-2", pair.tokenizer, split="train", max_tokens=2_000_000)
test = load_corpus("wikitext-2", pair.tokenizer, split="test", max_tokens=20_000)
print(pair.tokenizer.decode(train[:60]))

# %% [markdown]
# `train` is one long row of ids. Language models are usually trained on **windows**: random pieces of equal length,
# `[nsamples, seqlen]`. (You have met this if you ever saw a function called `get_wikitext2`.)
#
# A window is decided by where it starts. In the text `[10, 11, 12, 13, 14]` with `seqlen = 3` the possible windows
# are `[10, 11, 12]`, `[11, 12, 13]` and `[12, 13, 14]`: three of them, and each should be as likely as the others.
# If the text is shorter than one window, say so with a `ValueError`. A quiet answer would be an empty training set,
# noticed an hour later.

# %% exercise: sample_windows

# %% [markdown]
# ## After this token, that one
#
# Now the table. A worked example: one window, with the letters `a`, `b`, `c` as ids 0, 1, 2.
#
# ```
# text    a b a b a c            pairs   ab  ba  ab  ba  ac
#
# after a:  b twice, c once      ->      table[0] = 1
# after b:  a twice              ->      table[1] = 0
# after c:  nothing              ->      table[2] = default_next_token
# ```
#
# Things to think of before you write:
#
# * **The table has one entry for every id of the model**, not one for every token in the text. Ids that never occur get a
#   default. (Models often have more ids than their tokenizer has tokens: Qwen2.5-7B answers with 152,064 numbers,
#   its tokenizer knows 151,665 tokens.) The default 220 in the signature is a single space in the tokenizer of Llama 3.
# * **Windows do not touch.** The last token of one window and the first of the next never stood side by side.
# * **Two million tokens.** That is WikiText-2. A loop that handles one token at a time as a tensor of its own is
#   slow; let whole arrays do the counting.

# %% exercise: build_next_token_array

# %% [markdown]
# **If your check is green:** count the text in windows, and look at some entries.

# %%
cut_windows = yours(sample_windows)
count_table = yours(build_next_token_array)
windows = cut_windows(train, 256, 2000, 0)
table = count_table(windows, VOCAB_SIZE)
for word in (" the", " of", " in", " was", " ,", " ."):
    token = pair.tokenizer.encode(word, add_special_tokens=False)[-1]
    print(f"after {pair.tokenizer.decode([token])!r:8} comes {pair.tokenizer.decode([int(table[token])])!r}")

# %% [markdown]
# ### The student who scored 1.04
#
# This exercise has a history. In the homework that this course descends from, the table yields 1.16 tokens per call
# of the model. One student's gave 1.04, and *all tests passed*. The loop went over the tensor, and used its elements
# as keys of a dictionary of counts. What could be wrong with that? The next cell makes two tensors that both hold a 3.
# Predict what it prints: whether they are equal, and how many keys a dictionary has that was given both.

# %%
three, also_three = torch.tensor(3), torch.tensor(3)
print("equal:", bool(three == also_three))
print("keys in the dictionary:", len({three: "one", also_three: "two"}))

# %% [markdown]
# Two tensors of equal value are two different keys: Python hashes a tensor by its identity, not by its value. Every
# pair was counted once, every count was 1, and "the most frequent follower" became "some follower", say the one that
# was seen last. The table looks reasonable; no exception is raised. A test with three tokens passes.
#
# What does it cost? We will put such a table, of last-seen followers, beside yours, on a text that neither of them has
# counted. To compare, we need a measure first.
#
# ## How often is it right?
#
# The **hit rate**: let the table guess every next token of a text, and count how often it is right.
#
# ```
# table   after a comes b,  after b comes a,  after c comes a
# text    a b b a c              guesses made at   a -> b   b -> a   b -> a   a -> b
#                                really came         b        b        a        c
#                                                   hit      miss     hit      miss
# ```
#
# The rate is 2/4. Five tokens, four guesses: nobody guesses the first token, and there is nothing to judge the last
# guess by.

# %% exercise: hit_rate

# %%
share_right = yours(hit_rate)
last_seen = np.array(table)
for before, after in zip(train[:-1].tolist(), train[1:].tolist(), strict=True):
    last_seen[before] = after
print(f"most frequent follower: {share_right(test, table):.3f}")
print(f"last-seen follower:     {share_right(test, last_seen):.3f}")
if my_hit_rate is not None:
    print(f"your prediction:        {my_hit_rate:.3f}")

# %% [markdown]
# The bug does not break anything, it only makes the drafter worse. That is the nasty kind. A drafter can
# never spoil the text, so nobody will notice by reading. **Measure the hit rate of every drafter you build**, and be
# suspicious when it is low.
#
# Where are the hits? Every token of this piece of text is coloured by whether your table foresaw it from the token
# before.

# %%
piece = test[:180]
hit_map(token_pieces(pair.tokenizer, piece), torch.as_tensor(table)[piece[:-1]] == piece[1:])

# %% [markdown]
# Look for the pattern, and then count it: here is the whole test text, by the kind of token that had to be foreseen.

# %%
by_kind = {}
pieces = token_pieces(pair.tokenizer, test)
for token, came, piece in zip(test[:-1].tolist(), test[1:].tolist(), pieces[1:], strict=True):
    if not any(map(str.isalpha, piece)):
        kind = "figures" if piece.strip().isdigit() else "marks and line ends"
    elif piece.startswith(" "):
        kind = "a name begins" if piece.strip()[0].isupper() else "an everyday word begins"
    else:
        kind = "a word goes on"
    by_kind.setdefault(kind, []).append(int(table[token]) == came)
for kind, hits in sorted(by_kind.items(), key=lambda item: -sum(item[1]) / len(item[1])):
    print(f"{kind:24} foreseen {sum(hits) / len(hits):4.0%}   ({len(hits)} tokens)")

# %% [markdown]
# What holds sentences together is foreseen best. What the text is *about* is foreseen worst: names, their later
# pieces, figures. A bigram knows the language a little, and the subject not at all.
#
# ### Measured on what?
#
# One more way to fool yourself. A table can be measured on the very text it was counted on. How far apart will the
# two curves be for a small text, and for a large one? Predict, then run.

# %%
sizes = [300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
sizes = [n for n in sizes if n <= len(train)]
fits = [count_table(train[:n], VOCAB_SIZE) for n in sizes]
held_out = [share_right(test, fit) for fit in fits]
fitted = [share_right(train[:n], fit) for n, fit in zip(sizes, fits, strict=True)]
rates_by_size(sizes, held_out, fitted)

# %% [markdown]
# With 300 tokens the table remembers the text: it looks excellent, and is useless for any other. With more text the
# two curves close in on each other, and the gain from ten times the text shrinks: what is missing is not counts, but
# context. The number to trust is always the one on text that the table has not seen.
#
# ## From one guess to a draft
#
# One guess per call of the model would be modest. The table can guess on: after its own guess, what comes next?
#
# ```
# table   a -> b,  b -> c,  c -> a        last token a, k = 4:   draft  b c a b
# ```
#
# The last token is already in the text, so it is not part of the draft. k may be 0: then the draft is an empty
# tensor, but still one of *ids*.

# %% exercise: draft_with_bigram

# %%
chain = yours(draft_with_bigram)
for word in (" In", " the", " season"):
    token = pair.tokenizer.encode(word, add_special_tokens=False)[-1]
    print(repr(pair.tokenizer.decode([token, *chain(token, table, 14).tolist()])))

# %% [markdown]
# As a writer the table is hopeless: it soon goes round in circles, as it must, having no memory. Do circles do harm?
# Not to the text. The model checks every guess and throws the wrong ones away.
#
# ## Tokens per call
#
# Now to what the drafter is for. The target writes three articles by itself, greedily. Greedy speculation would write
# the same text, so we can **replay** what a drafter would have made of it: at every place, how many of its guesses
# are what the target wrote? Each round yields those, and one token of the target's own.

# %%
prompts = held_out_prompts(pair.tokenizer, 3)
print("the target writes three articles ...")
written = [generate(pair.target, prompt, max_new_tokens=96, eos_token_id=None).tokens for prompt in prompts]
drafter = BigramDrafter(table)


def replayed(k):
    rounds = []
    for text, prompt in zip(written, prompts, strict=True):
        rounds += replay(text, len(prompt), drafter, k)
    return rounds


yields = {k: tokens_per_call(replayed(k)) for k in (1, 2, 3, 4, 5, 6)}
for k, tokens in yields.items():
    print(f"k = {k}: {tokens:.3f} tokens per call, {tokens - yields.get(k - 1, 1.0):.3f} more than with one guess less")
if my_tokens_per_call is not None:
    print(f"you predicted {my_tokens_per_call:.2f}")

# %% [markdown]
# Most of the gain comes with the first guess, a little with the second, and then next to nothing. Why? The second
# guess counts only if the first was right, the third only if both were. If every guess is right with chance α, a
# round yields
#
# $$1 + \alpha + \alpha^2 + \dots + \alpha^k \quad\longrightarrow\quad \frac{1}{1-\alpha}$$
#
# tokens: a **chain of hits**, and chains of a poor guesser are short. With α = 0.14 the first guess brings 0.14
# tokens, the second 0.02, the third 0.003. So 1.14 at k = 1, 1.16 at k = 2, and 1.16 for ever after. Those are the
# very figures that the ancestor of this course reports for Llama-3.2-3B.

# %%
alpha = yields[1] - 1
saturation(yields, recorded(), alpha)

# %% [markdown]
# The dotted line is what α alone, measured at k = 1, would give. The measured curve need not follow it exactly,
# because hits are not independent of each other: after a right guess the next one may be easier (inside a heading or
# a set phrase), or harder (after the glue comes a name). But the shape is the same, and so is the ceiling.
#
# Where a curve lies is no merit of the table alone. It depends on who has to be foreseen: a target that writes in set
# phrases is easy, one that brings up names again and again is hard.
#
# **The drafter has to foresee the target, not the text.** Look at the curve of SmolLM2-135M, a real pretrained
# model. Its table was counted on WikiText-2 and is right 28 % of the time on pages of WikiText-2. But WikiText puts a
# space before every comma, and SmolLM2 spells as people do: only 16 % of the first guesses are accepted, and k = 1
# yields 1.16 tokens per call. Give it prompts in WikiText's spelling, it goes on in that spelling, and k = 1 yields
# 1.23. (Not drawn here; 2-core CPU, float32; `data/measurements` has both, with their commands.) And here, where both
# have read the same kind of text?

# %%
new_text = [text[len(prompt) - 1 :] for text, prompt in zip(written, prompts, strict=True)]
on_target = np.mean([share_right(text, table) for text in new_text])
print(f"hit rate on held-out text:         {share_right(test, table):.2f}")
print(f"hit rate on what the target wrote: {on_target:.2f}")

# %% [markdown]
# Keep the two numbers in mind. A drafter can also be trained on text that *the target wrote*, and then it meets what
# it has learned.
#
# ## How sure was it?
#
# The table keeps the favourite and forgets the rest. Was it 90 % of all cases, or 5 %? For sampling (unit 04) a
# drafter has to tell: its whole distribution q decides what may be accepted. So keep the counts, and turn a row of
# them into probabilities when asked.
#
# Say token `a` was followed by `b` twice and by `c` once, and there are four ids, a to d:
#
# | | a | b | c | d |
# |---|---|---|---|---|
# | counts after `a` | 0 | 2 | 1 | 0 |
# | `smoothing = 0` | 0 | 2/3 | 1/3 | 0 |
# | `smoothing = 1` | 1/7 | 3/7 | 2/7 | 1/7 |
# | after `d`, which nothing followed | 1/4 | 1/4 | 1/4 | 1/4 |
#
# **Smoothing** adds a little to every count, so that what was never seen is improbable, not impossible. And mind the
# memory: a table of all pairs has 4096 x 4096 entries for our small vocabulary. How many would it have for Qwen's
# 151,936, and how many gigabytes is that in float32? Your function has to work there too.

# %% exercise: bigram_probabilities

# %%
probabilities_of = yours(bigram_probabilities)
following = probabilities_of(windows, VOCAB_SIZE)
for word in (" of", " the", " was", " ="):
    token = pair.tokenizer.encode(word, add_special_tokens=False)[-1]
    top = torch.topk(torch.as_tensor(following(token)), 4)
    words = [pair.tokenizer.decode([i]) for i in top.indices.tolist()]
    print(f"after {word!r:7}", "   ".join(f"{w!r} {p:.2f}" for w, p in zip(words, top.values.tolist(), strict=True)))

# %% [markdown]
# Some rows are sure, some are not: that is what the favourite alone cannot tell.
#
# How much smoothing is best? Ask the held-out text: how many bits of surprise, −log₂ q(token), does it hold per
# token? A q that calls one token of the text impossible makes the average infinite. A q that spreads its probability
# over all 4096 ids is never surprised, and never right. Predict which value wins.

# %%
sample = test[:400].tolist()
for smoothing in (0.0, 0.0001, 0.001, 0.01, 0.1, 1.0):
    following = probabilities_of(windows, VOCAB_SIZE, smoothing)
    pairs = zip(sample[:-1], sample[1:], strict=True)
    q = torch.stack([torch.as_tensor(following(a))[b] for a, b in pairs])
    print(f"smoothing {smoothing:<7} {-q.double().log2().mean().item():6.2f} bits per token")
print(f"knowing nothing   {np.log2(VOCAB_SIZE):6.2f} bits per token")

# %% [markdown]
# ## Does it pay?
#
# So a table that costs nothing makes each call of the model yield more than one token; you have seen how many. Is
# decoding then that many times as fast? Drafting is free, but *checking* is not: to judge k guesses the target reads
# k + 1 tokens instead of one. A GPU hardly notices four more; what about a CPU, and what about 32? Predict the speed
# at k = 32, as a multiple of plain decoding:

# %%
my_speed_at_32 = None

# %% [markdown]
# Now by the clock, on the machine that you are sitting at. The ways take turns, so that a busy moment hits all.

# %%
ks = (1, 2, 4, 8, 32)
ways = {"alone": own_way(pair.target, None, 0, Sampling(), max_new_tokens=32)}
ways |= {f"k = {k}": own_way(pair.target, drafter, k, Sampling(), max_new_tokens=32) for k in ks}
print("every way runs a few times; a line comes after each step ...")
_, *drafted = rows_of(timed(ways, prompts[:2], repeats=2, say=print))
speed, per_call = {}, {}
for k, row in zip(ks, drafted, strict=True):
    speed[k], per_call[k] = row.speedup, row.tokens_per_call
    same = "same text" if row.same_text else "ANOTHER TEXT"
    print(f"k = {k:2}: {per_call[k]:.2f} tokens per call, {speed[k]:.2f} x the speed of alone ({same})")
if my_speed_at_32 is not None:
    print(f"your prediction for k = 32: {my_speed_at_32:.2f}")
print(machine())
speed_by_k(per_call, speed)

# %% [markdown]
# The blue curve is what a paper would print. The orange one is what you would feel. The gap between them is the price
# of verification. It widens with k: the blue curve hardly rises any more, while each call reads more and more guesses
# that nobody will keep. Where the orange curve is below the dotted line, speculation **loses**: the text is the same,
# only slower.
#
# On your machine the curves may lie elsewhere (and on a busy one they jump); the gap will be there. Ask yourself at
# which k you would stop, and what you would need to know to decide it without trying (unit 06 has a formula).
#
# | target | drafter | tokens per call | speed-up by the clock |
# |---|---|---|---|
# | Llama-3.2-3B, Colab T4, float16 | WikiText-2 bigram, k = 1 / k = 2 to 6 | 1.14 / 1.16 | never measured |
# | SmolLM2-135M, 2-core CPU, float32 | WikiText-2 bigram, k = 1 / k = 3 to 6 | 1.16 / 1.19 | not measured |
# | the same, prompts in WikiText's spelling | WikiText-2 bigram, k = 1 / k = 6 | 1.23 / 1.37 | not measured |
# | Vicuna-7B, A100 (Spec-Bench) | a 68M language model | 2.28 | 1.52x |
# | the pair above, your machine | your bigram | see above | see above |
#
# ## What to take along
#
# * The cheapest drafter is a table: after this token, that one. It knows the glue of a language, not its subject.
# * Tokens per call saturate with k, because a draft counts only up to its first miss: 1/(1 − α) is the ceiling.
# * A drafter has to foresee the *target*. Measure it on what the target writes, never on the text it was counted on.
# * A bad drafter never spoils the text, so bugs in it are silent. Tensors as dictionary keys cost
#   one student three quarters of the gain.
# * Free drafts are not free: the target has to read them.
#
# **An open challenge.** A table of *pairs* before the next token (a trigram) knows more, and meets most of its pairs
# never. Build one that falls back on your bigram where it has seen nothing. How much does `replay` say it gains?
#
# Next, unit 03: the other half. How does the target check k guesses in one call, and why is the text exactly its own?

# %%
progress()
