# %% setup
import heapq

import torch

from specdec_course import Sampling, generate, load_corpus, load_pair
from specdec_course.cache.chosen import cache_of
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.common.guess import you_said
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding.rounds import placed
from specdec_course.drafters import Draft, MedusaDrafter, ModelDrafter
from specdec_course.drafters.heads import load_heads
from specdec_course.drafters.trees import expected_kept
from specdec_course.figures.trees import bars_of_law, right_by_rank, tokens_by_budget, tree_of_guesses, who_sees_whom
from specdec_course.measure import clocks
from specdec_course.measure.benchmark import compare
from specdec_course.measure.machine import machine
from specdec_course.models import as_forward
from specdec_course.sampling import exact_law
from specdec_course.verification import acceptance_probability, residual

# %% [markdown]
# # Many guesses at once
#
# **You will** let heads on the target's own hidden state guess several tokens ahead, hang their guesses into a tree, have the
# target read the whole tree in one pass, and keep the best path: without changing the text.
#
# **You need** units 03 and 04; of unit 05 the idea of the cache.
#
# A draft so far was a chain. Where its first token is rejected, all the others were for nothing. Now think of a place where
# the text may go on in three ways: why bet on one of them? The target reads five tokens at nearly the price of one, and they
# need not stand behind each other.
#
# And who guesses? No second model this time. The target has just read the text, all but its newest token. In its last
# hidden state it has put all that it needed for that token, and perhaps more. **Medusa** (Cai et al. 2024) puts a few small
# **heads** on that state, each of which says what comes one place further ahead.
#
# **Two guesses before you go on.** (1) How often will the first head be right, with one guess, in a text that the target
# writes greedily? (2) A chain of four such guesses brings about two tokens per target call. What will a tree of 16
# nodes bring?

# %%
my_guess_first_head = None  # for example 0.6
my_guess_tree = None  # for example 2.5

# %% [markdown]
# ## What a head has to say
#
# The target's own head reads the state of position t and says token t + 1. That one is known when we draft: it was drawn from
# this very state, and is the newest token of the text. So the first new head, head 0, says token t + 2.
#
# ```
# place          0    1    2    3    4    5
# text           a    b    c    d    e    f          the state of place 1 has read a b
#
# own head       says c                              (place 2)
# head 0         says d                              (place 3)
# head 1         says e                              (place 4)
# ```
#
# Worked example: for `a b c d` and two heads the labels are `(c, d)` at place 0, `(d, none)` at place 1, and none behind. Where
# there is none write -100, the number that torch's losses leave out.

# %% exercise: medusa_labels

# %% [markdown]
# The bundled pair comes with four heads (`specdec train medusa`; `data/README.md` tells how they were
# trained). The target writes a few texts; your labels say what each head should have said at every place. A head may make
# several guesses: its tokens in the order of their logits are its guesses of **rank** 0, 1, 2, ...

# %%
pair = load_pair("classroom")
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
heads, _ = load_heads(data_path("classroom", "medusa"), pair.target)
labels_of = yours(medusa_labels)
prompts = held_out_prompts(pair.tokenizer, count=2 if hurry else 4, length=40)
RANKS = 8


def written(temperature, tokens=80):
    """What the target writes behind each prompt."""
    return [generate(pair.target, one, sampling=Sampling(temperature), max_new_tokens=tokens, eos_token_id=None, seed=i).tokens
            for i, one in enumerate(prompts)]


@torch.inference_mode()
def accuracy_on(texts, begin=40):
    """[heads, ranks]: how often the guess of each rank of each head was the token that came."""
    hits, places = torch.zeros(heads.count, RANKS), torch.zeros(heads.count)
    for ids in texts:
        states = pair.target(ids[None], output_hidden_states=True).hidden_states[-1][0]
        guesses = pair.target.lm_head(heads(states)).topk(RANKS).indices  # [heads, T, ranks]
        labels = labels_of(ids, heads.count)[begin:]  # [T, heads]
        hits += (guesses[:, begin:] == labels.T[..., None]).sum(1)
        places += (labels >= 0).sum(0)
    return hits / places[:, None]


print(f"the target writes {2 * len(prompts)} texts, greedily and at temperature 1 ...")
texts = {"greedy": written(0.0), "T = 1": written(1.0)}
accuracy = {kind: accuracy_on(some) for kind, some in texts.items()}
for kind, found in accuracy.items():
    shares = ", ".join(f"head {i} {float(row[0]):.0%}" for i, row in enumerate(found))
    print(f"{kind}: right with the first guess: {shares}", you_said(my_guess_first_head) if kind == "greedy" else "")
right_by_rank({kind: found.tolist() for kind, found in accuracy.items()}, "How often heads are right.")

# %%
first, last = (float(accuracy["greedy"][i][0]) for i in (0, -1))
several = float(accuracy["greedy"][0].sum())
print(f"Head 0 is right at {first:.0%} of the places, and with {RANKS} guesses at {several:.0%}: "
      f"{'a second guess is worth having' if several > first + 0.05 else 'further guesses add little'}.")
print(f"Head {heads.count - 1}, which looks {heads.count - 1} places further ahead, is right at {last:.0%}: "
      f"{'the farther, the worse' if last < first else 'it is no worse'}.")

# %% [markdown]
# No head knows what the others say, and none has seen the newest token: that is why they are cheap, and why they are often
# wrong. But their second and third guesses are worth something. A chain cannot use them. A tree can.
#
# ## A tree of guesses
#
# Name a node by the ranks on its path. `(0,)` is the best guess of head 0; `(1,)` its second best; `(1, 0)` the best guess of
# head 1, behind the second best of head 0. A tree is then a list of such paths, its **choices**:
#
# ```
# choices   (0,)  (1,)  (0, 0)  (1, 0)  (0, 2)
# node       0     1      2       3       4
#
# parents   -1    -1      0       1       0          -1 is the root: the newest token of the text
# depths     1     1      2       2       2
# ```
#
# The ranks 0, 1, 2 are not the numbers of nodes: `(0, 2)` is node 4, and it hangs on node 0, whose path is `(0,)`. The
# choices come in any order in which a path stands behind its beginnings. What is no tree is refused.

# %% exercise: build_tree

# %%
tree_choices = [(0,), (1,), (2,), (0, 0), (0, 1), (1, 0), (0, 0, 0), (1, 0, 0)]
parents, depths = yours(build_tree)(tree_choices)
ids = texts["greedy"][0]
with torch.inference_mode():
    state = pair.target(ids[None, :59], output_hidden_states=True).hidden_states[-1][0, -1]
    ranked = pair.target.lm_head(heads(state)).topk(4).indices
tree = Draft(torch.stack([ranked[len(path) - 1, path[-1]] for path in tree_choices]), None, parents)
names = [pair.tokenizer.decode(token).replace("\n", "\\n") for token in tree.ids]
print("the text so far: ...", pair.tokenizer.decode(ids[44:60]).replace("\n", "\\n"))
tree_of_guesses(parents, names, root=pair.tokenizer.decode(ids[59]), title="what the heads guess")

# %% [markdown]
# ## One pass for all of them
#
# The target shall read all nodes in one pass. Two things have to be right. **Positions**: a node of depth d stands at place
# T - 1 + d of *its* text, wherever it lies in the batch of tokens; two nodes may have one position. **Attention**: a node may
# look at the text, at itself, and at what stands above it; never at a sibling, or another branch: these are guesses for texts
# that exclude each other.

# %% exercise: tree_attention_mask

# %%
mask = yours(tree_attention_mask)(parents)
who_sees_whom(mask, names, "who may look at whom")

# %% [markdown]
# Does it work? Read the tree in one pass, and then every node's text by itself, from scratch. **Predict** the largest
# difference between their logits.

# %%
with torch.inference_mode():
    cached = cache_of(pair.target, "eager").begin()
    cached.append(ids[:59])
    together = cached.append(torch.cat([ids[59:60], tree.ids]), None, *placed(parents, 1, 59, "cpu"))
forward, apart = as_forward(pair.target), 0.0
for i in range(len(parents)):
    above = tree.ids[mask[i].nonzero()[:, 0]]
    alone = forward(torch.cat([ids[:60], above]))[-1]
    apart = max(apart, float((alone - together[i + 1]).abs().max()))
print(f"{len(parents)} nodes: one pass of {len(parents) + 1} tokens, and {len(parents)} passes of up to {60 + int(depths.max())} "
      f"tokens; their logits differ by {apart:.1e} at most")

# %% [markdown]
# ## Which path stays? Greedy
#
# Row 0 of the logits is the target's opinion of the token after the root; row i + 1 of the token after node i. Walk down from
# the root: is the token that the target would write among the children? Then go to that child, and ask again. If not, that
# token is the round's last one.

# %% exercise: verify_tree_greedy

# %%
path, tokens = yours(verify_tree_greedy)(tree, together)
print(f"{len(path)} of {len(parents)} nodes are kept; the round emits {len(tokens)} tokens: "
      f"{pair.tokenizer.decode(tokens)!r}")
print(f"the target wrote {pair.tokenizer.decode(ids[60 : 60 + len(tokens)])!r}")
tree_of_guesses(parents, names, path, pair.tokenizer.decode(ids[59]), "green: kept")

# %% [markdown]
# ## Which path stays? Sampled
#
# With a temperature the text has to keep the target's law. Take one place with several guesses x, y, z. The first is judged
# as in unit 04: kept with min(1, p(x)/q(x)). If it is rejected, what is still to be delivered is the residual (p - q)+, scaled.
# There unit 04 drew a correction. But here is another guess: **let it be judged in the correction's place**, by the residual
# as its target. Rejected again, it takes its own part away, and so on. If none stays, draw from what is left.
#
# Worked example: p = (0.5, 0.3, 0.2), nothing was drawn, and the guesses are tokens 1 and 2 (each with a one-hot row).
#
# | | left of p | kept with |
# |---|---|---|
# | token 1 | (0.5, 0.3, 0.2) | 0.3 |
# | token 2, after 1 was rejected | (0.71, 0, 0.29) | 0.29 |
# | both rejected: draw | (1, 0, 0) | |
#
# In all, token 2 comes out with 0.7 x 0.29 = 0.2: what p says. Row i of q is what node i was drawn from, *given its siblings
# before it*. So they may be drawn independently, or without replacement.

# %% exercise: verify_tree_stochastic

# %% [markdown]
# How much do further guesses keep? Exactly, by enumeration: a p and a q over four tokens, one to three siblings drawn without
# replacement.

# %%
p, q = torch.tensor([0.4, 0.3, 0.2, 0.1]), torch.tensor([0.1, 0.2, 0.3, 0.4])
verify = yours(verify_tree_stochastic)


def round_with(siblings):
    """One round with so many guesses for the next token: (how many were kept, the first token)."""
    def once(dice):
        drawn, rows, row = [], [], q
        for _ in range(siblings):
            rows.append(row / row.sum())
            drawn.append(dice.roll(rows[-1]))
            row = row.index_fill(0, torch.tensor(drawn[-1:]), 0.0)
        draft = Draft(torch.tensor(drawn), None, torch.full((siblings,), -1))
        kept, out = verify(draft, torch.stack(rows), p.expand(siblings + 1, -1), dice)
        return len(kept), int(out[0])

    return exact_law(once)


for siblings in (1, 2, 3):
    law = round_with(siblings)
    kept = sum(chance for (n, _), chance in law.items() if n)
    first = [sum(chance for (_, token), chance in law.items() if token == x) for x in range(4)]
    print(f"{siblings} guess{'es' * (siblings > 1)}: one is kept {kept:.0%} of the time; the first token has the law "
          + ", ".join(f"{x:.3f}" for x in first))

# %% [markdown]
# The law is p each time, however many guesses there were. More of them are only kept more often.
#
# ## Or keep what is typical?
#
# Medusa's authors propose something simpler for sampled text: keep a guess if the target finds it **typical**, that is, if its
# probability is above min(epsilon, delta * exp(-H)), where H is the entropy of p in nats. Where the target is sure (H near 0)
# only tokens above epsilon pass; where it wavers among hundreds, rarer ones do.
#
# No coin is tossed and no q is needed. It accepts more. And it is **lossy**: what comes out is no longer the target's law. How
# much so, you will measure.

# %% exercise: typical_acceptance

# %%
typical = yours(typical_acceptance)
p = torch.tensor([0.80, 0.12, 0.05, 0.03])
guess = 1  # a drafter that always says token 1
after = torch.nn.functional.one_hot(torch.tensor(guess), 4).float() if typical(p)[guess] else p
print(f"p gives token {guess} {float(p[guess]):.0%}; a drafter that always says it gets it accepted "
      f"{'always' if typical(p)[guess] else 'never'}")
bars_of_law({"the target's law": p, "with typical acceptance": after}, ["token 0", "token 1", "token 2", "token 3"])

# %%
with torch.inference_mode():
    moved, kept = [], []
    for ids_1 in texts["T = 1"]:
        out = pair.target(ids_1[None], output_hidden_states=True)
        law = torch.softmax(out.logits[0, 41:-1], -1)  # of token t + 2, as the target sees it
        guesses = pair.target.lm_head(heads(out.hidden_states[-1][0, 40:-2])[0]).argmax(-1)
        chance = law.gather(-1, guesses[:, None])[:, 0]
        good = typical(law).gather(-1, guesses[:, None])[:, 0]
        kept += good.float().tolist()
        moved += torch.where(good, 1 - chance, 0.0).tolist()
print(f"head 0 at {len(kept)} places of texts at T = 1: its first guess is accepted at {sum(kept) / len(kept):.0%} of them by "
      f"typical acceptance, and {float(accuracy['T = 1'][0][0]):.0%} of the time by the exact rule")
print(f"the price: the law of these tokens moves by {sum(moved) / len(moved):.2f} in total variation, on average")

# %% [markdown]
# Whether that does harm depends on what the text is for. It is a choice to be made knowingly, not a property of the method:
# from here on the exact rule is used.
#
# ## Which tree?
#
# With four heads and eight ranks there are thousands of nodes, and a pass reads only so many for little. Which ones? Suppose
# that the heads are right independently of each other, with the accuracies that you measured. Then a node is kept with the
# product of the accuracies on its path, and the expected number of kept tokens is the sum of that over all nodes of the tree.
# (Why the sum? Each node that is kept adds one token.)
#
# Worked example: head 0 is right with 0.6, 0.2 (ranks 0 and 1), head 1 with 0.5, 0.1. The best tree of three nodes: `(0,)`
# with 0.6, `(0, 0)` with 0.3, `(1,)` with 0.2. In all 1.1 tokens.
#
# No node is worth more than the one that it hangs on. What does that mean for the order in which you choose?

# %% exercise: best_tree

# %%
choose = yours(best_tree)
budgets = (1, 2, 4, 8, 16, 32, 64)
K = heads.count


def chain_of(nodes):
    return [(0,) * depth for depth in range(1, min(nodes, K) + 1)]


curves = {
    "best tree": {n: 1 + expected_kept(accuracy["greedy"], choose(accuracy["greedy"], n)) for n in budgets},
    "chain": {n: 1 + expected_kept(accuracy["greedy"], chain_of(n)) for n in budgets},
}


def measured_with(choices, temperature=0.0, tokens=48):
    """Tokens per target call of the package's drafter with this tree."""
    drafter = MedusaDrafter(heads, pair.target.lm_head, choices)
    outs = [generate(pair.target, one, drafter, K, Sampling(temperature), tokens, None, i) for i, one in enumerate(prompts)]
    return sum(sum(r.emitted for r in out.trace.rounds) for out in outs) / sum(len(out.trace.rounds) for out in outs)


some = (4, 16) if hurry else (2, 4, 8, 16)
measured = {"best tree": {}, "chain": {K: measured_with(chain_of(K))}}
print(f"chain of {K}: {curves['chain'][4]:.2f} computed, {measured['chain'][K]:.2f} measured")
for n in some:
    measured["best tree"][n] = measured_with(choose(accuracy["greedy"], n))
    print(f"best tree of {n} nodes: {curves['best tree'][n]:.2f} tokens per call computed, "
          f"{measured['best tree'][n]:.2f} measured", you_said(my_guess_tree) if n == 16 else "")
tokens_by_budget(curves, measured)

# %%
gain = measured["best tree"][16] - measured["chain"][K]
off = measured["best tree"][16] / curves["best tree"][16] - 1
print(f"At 16 nodes the tree brings {gain:.2f} tokens per call more than the chain of {K}.")
few = measured["best tree"][4] - measured["chain"][K]
print(f"With as few as {K} nodes the chain is {'better' if few < 0 else 'no better'} than the tree that was chosen: "
      f"{measured['chain'][K]:.2f} against {measured['best tree'][4]:.2f}.")
print(f"What was measured with 16 lies {abs(off):.0%} {'above' if off > 0 else 'below'} what was computed.")
shape = choose(accuracy["greedy"], 16)
at_root = sum(len(path) == 1 for path in shape)
print(f"The tree of 16 has {at_root} guesses for the next token, and is {max(map(len, shape))} levels deep.")

# %% [markdown]
# The computation supposes two things: that heads are right independently of each other, and that a round may begin at any
# place of the text just as well. Do they hold?

# %%
@torch.inference_mode()
def right_together(texts, begin=40):
    """Shares: places where all first guesses are right; where that of head 0 is; the same where a chain's rounds begin."""
    every, first, beginnings = [], [], []
    for ids in texts:
        states = pair.target(ids[None], output_hidden_states=True).hidden_states[-1][0]
        labels = labels_of(ids, K)[begin:]
        good = pair.target.lm_head(heads(states)).argmax(-1)[:, begin:] == labels.T
        good = good[:, (labels >= 0).all(-1)]
        every += good.all(0).tolist()
        first += good[0].tolist()
        place = 0
        while place < good.shape[1]:
            beginnings.append(bool(good[0, place]))
            place += 1 + int(good[:, place].long().cumprod(0).sum())  # what is kept, and a token of the target's
    return [sum(some) / len(some) for some in (every, first, beginnings)]


all_four, at_all, at_rounds = right_together(texts["greedy"])
product = float(accuracy["greedy"][:, 0].prod())
print(f"all {K} first guesses are right at {all_four:.1%} of the places; the product of their accuracies is {product:.1%}: "
      f"for that alone deep paths would be worth {'more' if all_four > product else 'no more'} than computed")
print(f"head 0 is right at {at_all:.0%} of all places, and at {at_rounds:.0%} of those where a round of the chain begins"
      + (": a round begins behind a guess that failed, so at hard places more often" if at_rounds < at_all else ""))

# %% [markdown]
# ## And the cache?
#
# After the pass the cache holds keys and values of *all* nodes, in the order in which they were fed. Only those of the path
# may stay, and they have to lie behind the text, one after the other. Nothing has to be computed again: each node was read at
# the position that it has on its path.

# %% exercise: compact_cache

# %%
layers = [cached.keys_values(layer) for layer in range(pair.target.config.num_hidden_layers)]
after = yours(compact_cache)(layers, path, 60)
nothing_else = forward(torch.cat([ids[:60], tree.ids[path]]))  # and a text without any tree
with torch.inference_mode():
    plain = cache_of(pair.target, "eager").begin()
    plain.append(torch.cat([ids[:60], tree.ids[path]]))
apart = max(float((mine - theirs).abs().max()) for layer in range(len(after))
            for mine, theirs in zip(after[layer], plain.keys_values(layer), strict=True))
print(f"{layers[0][0].shape[-2]} rows before, {after[0][0].shape[-2]} after; they differ from those of the text alone by "
      f"{apart:.1e} at most")

# %% [markdown]
# ## By the clock
#
# A tree of 16 nodes is a pass of 17 tokens. What that costs, unit 01 has measured. The heads themselves cost next to nothing:
# they are a few small matrices, and there is no draft model to run. **Which will be fastest here: the chain of heads, their
# tree, or the draft model of the pair?**

# %%
my_winner = None  # for example "tree"

# %%
ways = {
    "plain": None,
    f"chain of {K} heads": MedusaDrafter(heads, pair.target.lm_head, chain_of(K)),
    "tree of 4": MedusaDrafter(heads, pair.target.lm_head, choose(accuracy["greedy"], 4)),
    "tree of 16": MedusaDrafter(heads, pair.target.lm_head, choose(accuracy["greedy"], 16)),
    "draft model": ModelDrafter(pair.draft),
}
print(machine(), "; each way writes two texts, in turns ...", sep="")
rows = compare(pair.target, prompts[:2], ways, k=K, max_new_tokens=40, repeats=1)
for row in rows[1:]:
    print(f"{row.name:17} {row.tokens_per_call:5.2f} tokens per call {row.speedup:6.2f} x plain   same text: {row.same_text}")
fastest = max(rows[1:], key=lambda row: row.speedup)
losing = [row.name for row in rows[1:] if row.speedup < 1]
print(f"fastest: {fastest.name}; slower than plain decoding: {', '.join(losing) or 'none'}",
      f"   (you said {my_winner})" if my_winner else "")

# %% [markdown]
# Tokens per call are bought with tokens per pass. On a GPU that reads its weights far more slowly than it computes, sixteen
# more tokens are nearly free, and a tree pays. Where computing is what one waits for, as on a small CPU or with many texts at
# a time, every node that is not kept was work for nothing.
#
# At temperature 1 a tree that was chosen for sampled text. Its nodes are drawn from the heads' laws, siblings without
# replacement, and judged by the exact rule:

# %%
print("writing at temperature 1, with a tree and with a chain ...")
sampled_tree = choose(accuracy["T = 1"], 16)
tree_1, chain_1 = (measured_with(some, 1.0, 48) for some in (sampled_tree, chain_of(K)))
print(f"T = 1: the tree of 16 brings {tree_1:.2f} tokens per call, the chain of {K} {chain_1:.2f}")

# %% [markdown]
# ### What real systems do
#
# | system | guesses | reported |
# |---|---|---|
# | Medusa-1 (Cai et al. 2024), frozen 7B target | heads, a tree chosen by accuracy | over 2.2x |
# | Medusa-2, heads and target trained together | the same | 2.3x to 3.6x |
# | SpecInfer (Miao et al. 2024), distributed | trees from small models | 1.5x to 2.8x |
# | Sequoia (Chen et al. 2024), Llama2-7B, A100 | trees of a shape that is computed for the hardware | up to 4.04x |
#
# The figures are those of the sources' abstracts. None was measured here.
#
# **A challenge, without an answer of ours.** The tree is the same at every place. But heads are surer at some places than at
# others: choose the tree anew in every round, from the probabilities that the heads give *now*. What does it bring in tokens
# per call, with 16 nodes? (The package's `MedusaDrafter` is 30 lines; a tree without laws is exact however it came about.)
#
# ## What to take along
#
# - A head on the last hidden state guesses a token further ahead, without a second model. It does not know what stands between.
# - A tree bets on several continuations. One pass judges them all, if positions and mask are right.
# - Rejected siblings take their part of p along. So the text keeps its law, however many guesses there were.
# - Typical acceptance keeps more, and gives the law away.
# - The best tree of a budget: take the likeliest nodes. What it brings on the clock depends on what a wider pass costs.
#
# Sources: Cai et al. 2024, "Medusa: simple LLM inference acceleration framework with multiple decoding heads"; Miao et al. 2024,
# "SpecInfer: accelerating large language model serving with tree-based speculative inference and verification"; Chen et al.
# 2024, "Sequoia: scalable, robust, and hardware-aware speculative decoding"; Stern et al. 2018, "Blockwise parallel decoding";
# Hewitt et al. 2022, "Truncation sampling as language model desmoothing".

# %%
progress()
