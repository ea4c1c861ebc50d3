# %% setup
import torch
from transformers import DynamicCache

from specdec_course import Sampling, generate, load_pair
from specdec_course.cache.chosen import cache_of
from specdec_course.cache.eager import rollback
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.common.guess import you_said
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import CapeDrafter, EagleDrafter, ModelDrafter
from specdec_course.drafters.named import named_drafter
from specdec_course.figures.looking import accepted_by_place
from specdec_course.figures.trees import who_sees_whom
from specdec_course.measure import clocks
from specdec_course.measure.benchmark import compare
from specdec_course.measure.machine import machine
from specdec_course.models.loading import load_draft
from specdec_course.trace import tokens_per_call as tokens_per_call_of

# %% [markdown]
# # Drafters that look inside the target
#
# **You will** let a draft see its target's last hidden state (**EAGLE**) or keys and values (**GLIDE**), and measure the gain.
#
# **You need** units 03 and 04; keys, values and their cache (05); that a draft is taught (09); what a tree of guesses is (10).
#
# The target has read the whole text with twelve layers. Then a draft model comes along, reads the same text with one thin
# layer, and guesses. **Why does the draft begin from nothing?** What the target made of the text is still in memory, and paid
# for.
#
# **Two guesses before you go on.** The draft model of the bundled pair says the target's own next token at 7 of 10 places of a
# greedy text, and brings 2.5 to 3 tokens per target call with k = 4. Now a draft, of one layer as well, that also sees the
# target's last hidden state: (1) at how many places of greedy text is it right, and (2) how many tokens does it bring there?

# %%
my_guess_right = None  # a share between 0 and 1
my_guess_tokens = None  # 1 or more

# %% [markdown]
# ## What there is to look at
#
# Two things remain of a pass: the **last hidden state** of every position, a vector from which the target's head reads the next
# token; and the **keys and values** of every layer, in the cache, which later positions look up.

# %% folded
# Loads the models, lets the target write, and looks at what it keeps of a text.
pair = load_pair("classroom")
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
eagle = load_draft(data_path("classroom", "eagle"), pair.target)
K, BEGIN = 4, 40
prompts = held_out_prompts(pair.tokenizer, count=3 if hurry else 6, length=BEGIN)


def share(hits):
    return float(torch.as_tensor(hits, dtype=torch.double).mean())


def written(temperature):
    """What the target writes behind some of the prompts."""
    return [generate(pair.target, one, sampling=Sampling(temperature), max_new_tokens=64, eos_token_id=None, seed=i).tokens
            for i, one in enumerate(prompts[: 2 if hurry else 4])]


@torch.inference_mode()
def looked_at(ids):
    """The target's states before and behind each layer, its logits [T, V], and the cache with its keys and values."""
    out = pair.target(ids[None], output_hidden_states=True)
    cached = cache_of(pair.target, "eager").begin()
    cached.append(ids)
    return out.hidden_states, out.logits[0], cached


texts = {"T = 0": written(0.0)}
ids = texts["T = 0"][0]
hidden, logits, cached = looked_at(ids)
layers = len(hidden) - 1
print(f"a text of {len(ids)} tokens; the target's last hidden states: {list(hidden[-1][0].shape)}, a row for each position")
print(f"keys of its last layer: {list(cached.keys_values(layers - 1)[0].shape)} (groups, positions, numbers); as many values")
for name, model in {"target": pair.target, "draft model": pair.draft, "EAGLE draft": eagle}.items():
    own = sum(p.numel() for what, p in model.named_parameters() if "layers." in what or "fuse" in what)
    print(f"{name}: {own:,} numbers in layers of width {model.config.hidden_size}")

# %% [markdown]
# ## EAGLE: a state and a token
#
# The state of position t - 1 says which tokens may come next. It does not say which one *did*: at temperature 1 that was a
# throw of the dice. So EAGLE's draft reads both, side by side: that state, and the token that came of it.
#
# ```
# position         0       1       2       3
# token            a       b       c       d         d is the newest token
# target's state   f0      f1      f2      -         it has not read d yet
#
# row reads        0  a    f0 b    f1 c    f2 d      row d guesses the token behind d
# ```
#
# The state of its *own* position would take a pass of the target over d: the very pass that is to be saved.

# %% exercise: eagle_inputs

# %% [markdown]
# The bundled EAGLE draft (`specdec train eagle`; `data/README.md` tells how it was trained) makes d numbers of such a row's 2d
# with one matrix, and reads the rows with one layer of the target's kind and a head of its own. What does the state bring?

# %%
inputs = yours(eagle_inputs)


@torch.inference_mode()
def along(features, ids, inputs=inputs):
    """(logits [T, V], states [T, d]) of the EAGLE draft along a text whose rows read inputs(features, embeddings)."""
    rows = inputs(features, eagle.get_input_embeddings()(ids))
    states = eagle.model(inputs_embeds=eagle.fuse(rows)[None], use_cache=False).last_hidden_state[0]
    return eagle.lm_head(states), states


@torch.inference_mode()
def right_along(ids):
    """For each way of drafting, whether it says the target's token, at every place behind the prompt."""
    hidden, logits, _ = looked_at(ids)
    features = hidden[-1][0]
    said = {"EAGLE": along(features, ids)[0],
            "EAGLE, zeros for the state": along(torch.zeros_like(features), ids)[0],
            "EAGLE, each state beside its own token": along(torch.cat([features[1:], features[-1:]]), ids)[0],
            "draft model": pair.draft(ids[None]).logits[0]}
    return {name: (one.argmax(-1) == logits.argmax(-1))[BEGIN - 1 : -1] for name, one in said.items()}


found = [right_along(one) for one in texts["T = 0"]]
right = {name: share(torch.cat([one[name] for one in found])) for name in found[0]}
for name, part in right.items():
    print(f"{name:39} right at {part:.0%} of the places of greedy texts", you_said(my_guess_right) if name == "EAGLE" else "")
better = "more" if right["EAGLE"] > right["draft model"] else "no more"
print(f"With the state it is right {better} often than the draft model.")

# %% [markdown]
# (Zeros are unfair: it has never learned to do without. The third line is what one gets who forgets to shift.)
#
# ## And the second guess?
#
# The second guess of a draft stands where the target has not been: there is no state. But the draft's own layer has just made
# one, on its way to the first guess. It was taught to go on from that.
#
# `reads f2 d, makes s0, says e` → `reads s0 e, makes s1, says f` → `reads s1 f, makes s2, says g`

# %% exercise: eagle_rollout

# %% [markdown]
# Now with the real draft: `step` feeds it one row, behind those of the text in its cache, and your function leads it through
# four guesses, from many places. So that all guesses can be judged, `step` has it say the text's own tokens, as if every guess
# had been accepted; what it *would* have said is written down. The yardstick: the same guess with the *target's* state in place
# of the draft's own.

# %% folded
# drafts of four guesses from many places, judged guess by guess: with the draft's own states, and with the target's
roll = yours(eagle_rollout)


@torch.inference_mode()
def guess_by_guess(ids):
    """{way of drafting: (is its favourite the target's?, 1 - TV, what p gives to tokens with q = 0), [places, K] each}."""
    hidden, logits, _ = looked_at(ids)
    features, p, embed, cache = hidden[-1][0], torch.softmax(logits, -1), eagle.get_input_embeddings(), DynamicCache()
    eagle.model(inputs_embeds=eagle.fuse(inputs(features, embed(ids)))[None], past_key_values=cache, use_cache=True)

    def laws_behind(t):
        rollback(cache, cache.get_seq_length() - t)  # what stays are the rows in front of the newest token, at place t
        laws = []

        def step(feature, token):
            row = eagle.fuse(torch.cat([feature, embed(torch.tensor(int(token)))]))[None, None]
            at = torch.tensor([[t + len(laws)]])
            made = eagle.model(inputs_embeds=row, position_ids=at, past_key_values=cache, use_cache=True)
            state = made.last_hidden_state[0, 0]
            laws.append(torch.softmax(eagle.lm_head(state), -1))
            return torch.nn.functional.one_hot(ids[t + len(laws)], p.shape[-1]).float(), state

        roll(step, features[t - 1], int(ids[t]), K)
        return torch.stack(laws)

    places = list(range(len(ids) - K - 1, BEGIN - 1, -2))
    at = torch.tensor(places)[:, None] + torch.arange(K)
    laws = {"draft model": torch.softmax(pair.draft(ids[None]).logits[0], -1)[at],
            "EAGLE, the target's states": torch.softmax(along(features, ids)[0], -1)[at],
            "EAGLE, its own states": torch.stack([laws_behind(t) for t in places])}
    return {name: (law.argmax(-1) == p[at].argmax(-1), torch.minimum(law, p[at]).sum(-1), (p[at] * (law == 0)).sum(-1))
            for name, law in laws.items()}


def table(found, which, title):
    """Prints shares by guess, and gives them back: {way of drafting: K shares}."""
    rows = {name: [share(part) for part in torch.cat([one[name][which] for one in found]).T] for name in found[0]}
    print(f"{title:40}" + "".join(f"  guess {i + 1}" for i in range(K)))
    for name, row in rows.items():
        print(f"{name:40}" + "".join(f"{part:9.2f}" for part in row))
    return rows


def lost(rows):
    return [a - b for a, b in zip(rows["EAGLE, the target's states"], rows["EAGLE, its own states"], strict=True)]


rows = table([guess_by_guess(ids) for ids in texts["T = 0"]], 0, "greedy text, favourite token right")
print("What its own states cost, guess by guess:", ", ".join(f"{part:.3f}" for part in lost(rows)))

# %% [markdown]
# Guess 1 reads the same either way. This draft learned by going on for **three** guesses in a row (`"rollout": 3` in its
# recipe, `data/classroom/eagle/distilled.json`): what guess 4 reads it never met.
#
# ## In decoding
#
# **Predict** the picture: two drafters, greedy and at temperature 1; from left to right the first to the fourth token of a
# draft. Which line lies above? Does it fall?

# %% folded
# decodes with each drafter, and draws how often the first, second, ... token of a draft is accepted
drafters = {"draft model": ModelDrafter(pair.draft), "EAGLE": EagleDrafter(eagle)}
tokens_per_call, accepted = {}, {"T = 0": {}, "T = 1": {}}


def play(name):
    """Decodes with a drafter; how often each token of a draft was accepted, of the rounds in which those before it were."""
    for kind, temperature in (("T = 0", 0.0), ("T = 1", 1.0)):
        outs = [generate(pair.target, one, drafters[name], K, Sampling(temperature), 48, None, seed)
                for seed, one in enumerate(prompts)]
        rounds = [r for out in outs for r in out.trace.rounds]
        reached = [[r for r in rounds if r.drafted == K and r.accepted >= i] for i in range(K)]
        accepted[kind][name] = [share([r.accepted > i for r in some]) if some else None for i, some in enumerate(reached)]
        tokens_per_call[kind, name] = sum(r.emitted for r in rounds) / len(rounds)
        print(f"{kind}  {name:12} {tokens_per_call[kind, name]:.2f} tokens per target call",
              you_said(my_guess_tokens) if (kind, name) == ("T = 0", "EAGLE") else "")


def beside(name):
    """Says what a drafter brings beside the draft model."""
    for kind, some in accepted.items():
        better = tokens_per_call[kind, name] - tokens_per_call[kind, "draft model"]
        print(f"{kind}: {name} brings {abs(better):.2f} tokens per call {'more' if better > 0 else 'less'} than the draft "
              f"model; accepted at place 1: {some[name][0]:.0%} against {some['draft model'][0]:.0%}.")


play("draft model")
play("EAGLE")
beside("EAGLE")
accepted_by_place(accepted, "Drafts of four tokens.")

# %% [markdown]
# (Lines may rise: who reaches place four has come through easy text.) Six short texts leave much to luck. In the record of
# this pair (24 texts of 96 new tokens, `data/README.md`) EAGLE brings 3.35 tokens per call against 2.83 of the draft model,
# greedily; and 3.26 against 3.06 at temperature 1. It sees the target's state, and gains less there. **Why?** Three suspects.
# Does its head lack tokens (it knows 2,048 of 4,096)? Do its own states mislead it? Or is its *law* off even with the
# target's state? Greedy text asks for the favourite token alone, sampled text for the sum of min(p, q), unit 04's 1 - TV.

# %%
print("the target writes texts at temperature 1 ...")
texts["T = 1"] = written(1.0)
found = [guess_by_guess(ids) for ids in texts["T = 1"]]
rows = table(found, 1, "text at T = 1, 1 - TV")
of_law = sum(rows["draft model"]) / K - sum(rows["EAGLE, the target's states"]) / K
of_states = sum(lost(rows)) / K
of_head = share(torch.cat([one["EAGLE, the target's states"][2] for one in found]))
print(f"With the target's states EAGLE's law is {abs(of_law):.3f} {'worse' if of_law > 0 else 'better'} than the draft model's; "
      f"its own states cost {of_states:.3f}, {lost(rows)[-1]:.3f} at guess {K}. What its head lacks is {of_head:.3f}.")
print("it loses most by", max((of_law, "its law"), (of_states, "its own states"), (of_head, "its head"))[1])

# %% [markdown]
# (The first suspect is measured against the draft model, the second against EAGLE with the target's states; what the head
# lacks is a part of both.) Compare the two tables: what the state is worth greedily, and what at temperature 1.
#
# **What did it read?** The draft model read the encyclopedia before it learned from the target. The first EAGLE draft of this
# course saw 135,168 tokens that the target wrote, all from nothing. Behind 24 beginnings of articles it brought 0.2 tokens
# per call more than the draft model greedily, and 0.4 *less* at temperature 1. The one that is bundled now, of the same size,
# learned from 307,200 tokens, a third of them behind pieces of the encyclopedia: 0.5 more greedily, and 0.1 more at
# temperature 1. The challenge below asks which of the changes it was.
#
# ## By the clock
#
# **Predict**: which is faster here, greedily?

# %%
print(machine(), end=" ")
rows = compare(pair.target, prompts[:2], {"plain": None, **drafters}, k=K, max_new_tokens=32, repeats=1,
               say=lambda line: print(".", end=""))
print()
for row in rows[1:]:
    print(f"{row.name:12} {row.tokens_per_call:.2f} tokens per call, {row.speedup:.2f} x plain, same text: {row.same_text}")
print(f"fastest: {max(rows, key=lambda row: row.speedup).name} (a race of seconds; a busy machine may turn it round)")

# %% [markdown]
# ## GLIDE: the target's keys and values
#
# GLIDE's draft (Du et al. 2024) looks at more than one state: besides its own attention it has a **cross-attention** over the
# keys and values that the target's last layer keeps anyway. A word far back can be looked up there as the target understood it.
#
# In drafting the target's cache ends where the round began: the second, third, fourth guess find nothing of the round there. A
# draft that learned with everything up to the position before would miss it. So it learns with blocks, as long as a round
# perhaps: **each position sees strictly earlier blocks only**.
#
# Worked example: 5 positions in blocks of 2 lie in the blocks 0 0 1 1 2. Position 3 sees 0 and 1, and not 2, which is in its
# own block. Positions 0 and 1 see nothing at all.

# %% exercise: block_mask

# %%
eight = yours(block_mask)(8, 3)
who_sees_whom(eight, range(8), "a row for each position; filled: what it sees of the target")

# %% [markdown]
# ## Reading somebody else's cache
#
# The draft brings a query, the target has keys and values. Three things have to fit.
#
# - **Positions.** The target turned each key by its position before it put it into the cache (rotary embedding: pairs of
#   numbers turn like hands of clocks, each pair at a pace of its own). A score then depends on how far apart query and key
#   stand, *if the query is turned by its own position in the text*. A round does not begin at 0.
# - **Groups.** To save memory several heads of queries share a group of keys and values. Of 8 heads and 4 groups, heads 0 and 1
#   read group 0, heads 2 and 3 group 1, and so on.
# - **Nothing to read.** Rows of the first block see nothing. A softmax over nothing is NaN, which one training step spreads
#   over all weights. Such a row's answer is zero: the target has nothing to tell it.
#
# Worked example for the turn: D = 4, position 2, base 10,000. Pair 0 is (number 0, number 2), its angle 2; pair 1 is (number 1,
# number 3), its angle 2 x 10,000 ** (-2/4) = 0.02.

# %% exercise: cross_attend

# %% [markdown]
# A hard test without training: in its own layers the target attends in this very way. Take the queries of its last layer for
# the last positions of a text, let *your* function attend to the cache, and compare with what the layer computed by itself.
# **Predict** what happens if the rows are counted from 0.

# %%
attend = yours(cross_attend)
last = pair.target.model.layers[layers - 1]
seen = {}
watch = last.self_attn.o_proj.register_forward_pre_hook(lambda module, args: seen.update(answer=args[0][0]))
with torch.inference_mode():
    hidden, logits, cached = looked_at(ids)
    watch.remove()
    begin, heads = len(ids) - 8, pair.target.config.num_attention_heads
    read = last.input_layernorm(hidden[layers - 1][0, begin:])
    queries = last.self_attn.q_norm(last.self_attn.q_proj(read).view(len(read), heads, -1))
    keys, values = (x.transpose(0, 1) for x in cached.keys_values(layers - 1))  # [T, groups, numbers]
    places = torch.arange(begin, len(ids))
    mask = torch.arange(len(ids))[None] <= places[:, None]  # causal, as the target's own attention is
    rows_of = {"by their positions": places, "counted from 0": torch.arange(len(places))}
    due = seen["answer"][-len(places) :].view(len(places), heads, -1)
    for name, positions in rows_of.items():
        off = float((attend(queries, positions, keys, values, mask) - due).abs().max())
        print(f"rows {name}: off by {off:.1e} at most, where the layer's answers reach {float(due.abs().max()):.1f}")

# %% [markdown]
# The second line raises no error. A draft with such rows would look at the wrong places of a right cache, and merely guess
# badly. A test like this one finds it.
#
# The rest of GLIDE is a small model around this: its own attention, then cross-attention, then an MLP. It is taught like any
# draft (unit 09), with your `block_mask`. The keys and values cost it nothing: they are there. The bundled target has such a
# draft (`specdec train glide`, in blocks of five). **Predict**: does it bring more than the draft model, greedily and at
# temperature 1?

# %%
drafters["GLIDE"] = named_drafter("glide", pair)
play("GLIDE")
beside("GLIDE")
accepted_by_place(accepted, "Drafts of four tokens.")

# %% [markdown]
# ## All of a draft in one pass
#
# EAGLE and GLIDE take a pass for every guess. **Does a guess have to wait for the one before it?** The bundled target has one
# more draft (`specdec train parallel`; the idea is DFlash's, Chen et al. 2026, here much simplified). It reads the newest
# token and three blanks, the target's state beside each, looks into the target's cache, and guesses four tokens at once. So
# no guess knows what the one before it said. **Predict**: at which places of a draft will it be worse than GLIDE?

# %%
drafters["four in one pass"] = named_drafter("parallel", pair)
play("four in one pass")
beside("four in one pass")
accepted_by_place(accepted, "Drafts of four tokens.")

# %% [markdown]
# Its draft costs one pass where the others take four: in the record of this pair 0.35 steps of the target against 0.46 of
# EAGLE and 0.50 of GLIDE (T = 0). Fewer tokens per call may still be more tokens per second.
#
# ## CaPE: more candidates where the draft is unsure
#
# The same authors go by the draft's **confidence**, its largest probability. Where it is high, one candidate is enough; where
# it is low, put several at that place, and have the target read them in one pass, as the trees of unit 10.
#
# Worked example: bounds (0.25, 0.75) and widths (4, 2, 1). Confidences 0.9, 0.75, 0.3, 0.1 get 1, 1, 2, 4 candidates: 0.75 lies
# exactly at a bound, and belongs to the surer side.

# %% exercise: cape_widths

# %% [markdown]
# Does it pay? At every place of the greedy texts: how sure is the draft model (any draft will do), and is the target's token
# among its candidates? The yardstick has the *same number* of candidates in all, spread evenly. (Single places, no trees: what
# it brings in tokens per call is not measured here.)

# %%
bounds, widths = (0.3, 0.6, 0.8), (7, 5, 3, 1)  # a choice: try others
with torch.inference_mode():
    laws = torch.cat([torch.softmax(pair.draft(one[None]).logits[0, BEGIN - 1 : -1], -1) for one in texts["T = 0"]])
tokens = torch.cat([one[BEGIN:] for one in texts["T = 0"]])
confidence, rank = laws.amax(-1), (laws > laws.gather(-1, tokens[:, None])).sum(-1)  # rank 0: its favourite
wide = torch.tensor(yours(cape_widths)(confidence.tolist(), bounds, widths))
for width in widths:
    here = rank[wide == width]
    print(f"{width} candidate{'s' * (width > 1)} at {len(here)} of {len(rank)} places: the favourite is right at "
          f"{share(here == 0):.0%}, one of the candidates at {share(here < width):.0%}")
mean, adaptive = share(wide), share(rank < wide)
even = (1 - mean % 1) * share(rank < int(mean)) + mean % 1 * share(rank < int(mean) + 1)
print(f"{mean:.2f} candidates per place on average: by confidence the token is among them at {adaptive:.1%} of the places, "
      f"evenly spread at {even:.1%}: {'confidence pays' if adaptive > even else 'confidence does not pay here'}")

# %% [markdown]
# In decoding the candidates hang beside a draft's chain, eight nodes at most, and a candidate that comes true ends the round
# there. **Predict**: GLIDE's drafts of four tokens with and without candidates. How many more tokens per call?

# %%
drafters["CaPE"] = CapeDrafter(named_drafter("glide", pair))  # its own bounds and widths, with a budget of eight nodes
for kind, temperature in (("T = 0", 0.0), ("T = 1", 1.0)):
    found = {}
    for name in ("GLIDE", "CaPE"):
        outs = [generate(pair.target, one, drafters[name], K, Sampling(temperature), 48, None, seed)
                for seed, one in enumerate(prompts)]
        found[name] = tokens_per_call_of([r for out in outs for r in out.trace.rounds])
    print(f"{kind}: GLIDE {found['GLIDE']:.2f} tokens per call, with CaPE {found['CaPE']:.2f}")

# %% [markdown]
# The draft works no harder for it: its passes are the same. The target reads up to eight guesses in place of four. Whether that
# pays is a question for unit 01's curve.
#
# ### What real systems do
#
# | system | looks at | reported |
# |---|---|---|
# | GliDe (Du et al. 2024), Vicuna | the target's keys and values | up to 2.17x; with CaPE up to 2.61x |
# | EAGLE (Li et al. 2024), LLaMA2-Chat 70B | the last hidden state, and the token | 2.7x to 3.5x |
# | EAGLE-3 (Li et al. 2025) | states of several layers; learns from its own states | up to 6.5x, about 1.4x of EAGLE-2 |
#
# The figures are those of the abstracts. None was measured here. (The bundled draft has a head of its own and learns from its
# own states, as EAGLE-3 does; it reads the last state alone, as EAGLE does.)
#
# **A challenge, without an answer of ours.** From the first EAGLE draft to the bundled one several things changed at once:
# twice as much text (`--batches` 14, then 28), a third of it behind the encyclopedia (`--texts atlas:4000`), a third more
# steps (`--passes` 12, then 7). The bundled one is `specdec train eagle --head 2048 --intermediate 256 --texts atlas:4000
# --batches 28 --passes 7 --out DIR` (some 20 minutes on one core). Change one thing at a time: which of them was it? And
# would `--rollout 4` help (more states of its own)? Say what you expect before you train.
#
# ## What to take along
#
# - What the target made of a text is paid for. A draft that reads it has the work of twelve layers before its own.
# - A row reads the state of the position *before*, and the token that came of it.
# - Behind the first guess there are no states but the draft's own. It has to learn with what it will see.
# - Attention over another model's cache: turn the query by its own position, mind the groups, and answer zero, not NaN, where there is
#   nothing to read.
# - A draft can lose at one temperature what it wins at another. Measure at the temperature that you decode at.
#
# Sources: Du et al. 2024, "GliDe with a CaPE: a low-hassle method to accelerate speculative decoding", arXiv 2402.02082; Li et
# al. 2024, "EAGLE: speculative sampling requires rethinking feature uncertainty", arXiv 2401.15077; Chen et al. 2026,
# "DFlash: block diffusion for flash speculative decoding", arXiv 2602.06036; Li et al. 2025, "EAGLE-3:
# scaling up inference acceleration of large language models via training-time test", arXiv 2503.01840.

# %%
progress()
