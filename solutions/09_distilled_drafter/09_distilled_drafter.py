# %% setup
import copy
import json
import time

import torch

from specdec_course import Sampling, generate, load_corpus, load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.common.guess import you_said
from specdec_course.common.paths import data_path
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import ModelDrafter
from specdec_course.figures.distilled import kept_by_step, pull_of_losses
from specdec_course.figures.rounds import strip, token_pieces
from specdec_course.measure import clocks
from specdec_course.measure.benchmark import compare
from specdec_course.measure.machine import machine
from specdec_course.models import as_forward
from specdec_course.models.trimmed import first_layers
from specdec_course.sampling import Dice
from specdec_course.theory import expected_tokens
from specdec_course.training.written import Writer

# %% [markdown]
# # A draft that learns from its target
#
# **You will** measure how far a draft's law is from its target's, teach it with four losses, and clock what that is worth.
#
# **You need** unit 04 (p, q, 1 - TV) and what a gradient is.
#
# Say you have a large model and no small one that fits. One is at hand: the large model's own first layers. Below, the first
# two of twelve layers guess for all twelve, with the large model's own head. Nobody ever taught these two to speak.

# %% folded
# The beginning of an article, written with the untaught draft, and who wrote each token.
pair = load_pair("classroom")
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
K = 3
untaught = first_layers(pair.target, 2, torch.arange(pair.target.config.vocab_size))
prompt = held_out_prompts(pair.tokenizer, count=1, length=12)[0]


def coloured(draft, tokens=46):
    """The beginning of an article, and who wrote each token."""
    out = generate(pair.target, prompt, ModelDrafter(draft), K, Sampling(1.0), tokens, eos_token_id=None, seed=3)
    print(f"{out.trace.tokens_per_call:.2f} tokens per call of the target")
    return strip(token_pieces(pair.tokenizer, out.tokens[len(prompt) :]), out.trace.rounds)


coloured(untaught)

# %% [markdown]
# Where a token is orange, a guess was thrown away. **Two guesses before you go on**: (1) of a hundred tokens that the
# untaught draft proposes at temperature 1, how many does the target accept? (2) And after a minute of teaching?

# %%
my_guess_before = None  # for example 40
my_guess_after = None

# %% [markdown]
# ## What is paid for
#
# At one place the draft has the law q and the target p. A token of q is accepted with probability
# $\sum_x q(x) \min(1, p(x)/q(x)) = \sum_x \min(p(x), q(x)) = 1 - \mathrm{TV}(p, q)$ (unit 04). The mean
# over the places of a text is nearly what decoding will accept of judged tokens, if the text is like those that will be
# written. So nothing has to be drafted: let both models read the text once, and compare.
#
# Mind which rows count. Row t of the logits is about the token *behind* place t:
#
# ```
# place            0    1    2    3    4    5          prompt_length = 3
# text             a    b    c    D    E    F          the target wrote D E F
# row is about     b    c    D    E    F    ?          rows 2, 3, 4 count
# ```

# %% exercise: acceptance_on

# %% [markdown]
# (Two layers and not three, for a reason: this target was trained with three layers first and then grown to twelve, so its first
# three know nearly all that it knows. No real model is like that.)
#
# On which text? Try two: an article of the encyclopedia that both models come from, and what the target itself writes after
# the same beginning. The bundled draft, which is one narrow layer and was taught by the target, is measured beside.

# %%
share = yours(acceptance_on)
target = as_forward(pair.target)
articles = held_out_prompts(pair.tokenizer, count=2 if hurry else 4, length=80)
own = []
for seed, one in enumerate(articles):
    out = generate(pair.target, one[:16], sampling=Sampling(1.0), max_new_tokens=64, eos_token_id=None, seed=seed)
    own.append(out.tokens)
    print(f"text {seed + 1} of {len(articles)} written")


def on_average(draft, texts, temperature=1.0):
    """The student's acceptance_on, over several texts."""
    shares = [float(share(as_forward(draft), target, one, 16, temperature)) for one in texts]
    return sum(shares) / len(shares)


for name, texts in (("the encyclopedia's text", articles), ("the target's own text", own)):
    print(f"{name}: {on_average(untaught, texts):.3f} untaught, {on_average(pair.draft, texts):.3f} bundled draft; "
          f"at temperature 0 {on_average(untaught, texts, 0.0):.3f} and {on_average(pair.draft, texts, 0.0):.3f}",
          you_said(my_guess_before, " of 100") if texts is own else "")

# %% [markdown]
# ## Text to learn from
#
# While it drafts, the draft stands behind texts that the *target* wrote. So these are the natural lessons: the target writes
# the textbook itself, and its law is known at every place of it. (Whether the books that the target once learned from
# would do as well is measured further down.)
#
# The texts have to be drawn from the target's law. What is greedy only ever shows the likeliest way, and then the draft has
# never seen the places that other ways lead to.

# %% exercise: sample_teacher

# %%
began = time.perf_counter()
textbook = yours(sample_teacher)(target, [one[:8] for one in articles[:2]], 12, Dice(), 1.0, pair.tokenizer.eos_token_id)
took = time.perf_counter() - began
for text in textbook:
    print(repr(pair.tokenizer.decode(text)))
new = sum(len(text) - 8 for text in textbook)
print(f"{new} tokens in {took:.2f} s: {new / took:.0f} tokens per second")

# %% [markdown]
# Your function reads every text from the beginning for every token. Thousands of tokens are needed, so here the package's
# writer takes over: the same law, with a cache, and many texts side by side. Each goes on from 16 tokens out of the
# encyclopedia, drawn at random.

# %%
ROWS, PROMPT, NEW = (12, 16, 24) if hurry else (64, 16, 96)
HELD_OUT = 3 if hurry else 12  # texts that nobody learns from
books = load_corpus("atlas", pair.tokenizer, split="train", max_tokens=60_000)
dice = torch.Generator().manual_seed(0)
starts = torch.randint(len(books) - PROMPT - NEW, (ROWS,), generator=dice)
pieces = torch.stack([books[start : start + PROMPT + NEW] for start in starts])  # the encyclopedia's own continuation
writer, began = Writer(pair.target), time.perf_counter()
parts = []
for some in pieces[:, :PROMPT].split(16):
    parts.append(writer.write(some.tolist(), NEW, torch.ones(len(some)), 0, dice).ids)
    print(f"{sum(map(len, parts))} of {ROWS} texts, {time.perf_counter() - began:.0f} s")
written = torch.cat(parts)
print(pair.tokenizer.decode(written[0]))

# %% [markdown]
# ## What counts in a text
#
# Nobody has to learn the prompt: the target did not write it. Nor the padding, if texts of different lengths stand in one
# batch. So every place gets a label, the token that its row should foresee; and where there is nothing to learn it gets
# -100, which PyTorch's `cross_entropy` skips. Worked example, prompts of 2 and 1 tokens, 0 is the id that ends texts *and* fills up:
#
# ```
# ids      a  b  C  D  0        labels   -100   C     D     0   -100     lengths 5: the 0 was written
#          e  F  0  0  0                   F    0   -100  -100  -100     length 3: so was the first 0
# ```
#
# There is the classic mistake of this trade, to be off by one, and it does not announce itself: the loss falls all the same.

# %% exercise: shift_labels

# %%
labels = torch.as_tensor(yours(shift_labels)(
    written, torch.full((ROWS,), PROMPT), torch.full((ROWS,), PROMPT + NEW)))
counts = labels != -100
print(f"{int(counts.sum()):,} of {counts.numel():,} places count")
for place in range(PROMPT - 3, PROMPT + 3):
    seen, label = (pair.tokenizer.decode([int(x)]) if x != -100 else "nothing" for x in (written[0, place], labels[0, place]))
    print(f"place {place}: behind {seen!r} comes {label!r}")

# %% [markdown]
# ## Four distances
#
# What should fall, so that 1 - TV rises? The TV itself, one would say. There are others:
#
# | kind | of one place | what it asks for |
# |---|---|---|
# | `forward_kl` | $\sum_x p \log (p/q)$ | everything that the target may say, the draft has to be able to say |
# | `reverse_kl` | $\sum_x q \log (q/p)$ | the draft should say nothing that the target would not |
# | `tv` | $1 - \sum_x \min(p, q)$ | what is paid for |
# | `cross_entropy` | $-\log q(x)$ of the likeliest $x$ of p | say what the target would say greedily |
#
# All but the last are 0 where p = q, and only there. So these three have the same goal. They differ in the way there, and in
# where they end if the draft is too small to get there.
#
# Mind the zeros. A filter (top-k), or a head that knows a part of the vocabulary only, gives logits of -inf, and
# 0 · log 0 counts as 0 here; for a computer it is NaN.

# %% exercise: distillation_loss
def distillation_loss(student, teacher, mask=None, kind="forward_kl", temperature=1.0):
    if kind not in ("forward_kl", "reverse_kl", "tv", "cross_entropy"):
        raise ValueError(f"unknown loss {kind!r}")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; expected a number above 0")
    if student.shape != teacher.shape or (mask is not None and mask.shape != student.shape[:-1]):
        raise ValueError("student and teacher have to be [..., V] both, and the mask [...]")
    log_q = (student / temperature).log_softmax(-1)
    log_p = (teacher.detach() / temperature).log_softmax(-1)
    p, q = log_p.exp(), log_q.exp()
    if kind == "forward_kl":
        losses = (p * torch.where(p > 0, log_p - log_q, 0.0)).sum(-1)
    elif kind == "reverse_kl":
        losses = (q * torch.where(q > 0, log_q - log_p, 0.0)).sum(-1)
    elif kind == "tv":
        losses = 1 - torch.minimum(p, q).sum(-1)
    else:
        losses = -log_q.gather(-1, log_p.argmax(-1, keepdim=True))[..., 0]
    if mask is None:
        return losses.mean()
    return torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)

# %% [markdown]
# Why not simply `tv`? Take two tokens, of which the target says token 1 with probability 0.7, and move one logit of the
# draft from -8 to 8. Where the draft is far off, how hard does each loss pull? **Before you run it: which pulls least?**

# %%
distance = yours(distillation_loss)
KINDS = ("forward_kl", "reverse_kl", "tv", "cross_entropy")
offsets = torch.linspace(-8, 8, 65)
teacher_of_two = torch.tensor([[0.7, 0.3]]).log()


def loss_and_slope(kind, offset):
    """A loss at one value of the logit, and its slope there."""
    logit = offset.clone().requires_grad_()
    loss = distance(torch.stack([logit, torch.zeros(())])[None], teacher_of_two, None, kind, 1.0)
    loss.backward()
    return loss.item(), logit.grad.item()


found = {kind: [loss_and_slope(kind, offset) for offset in offsets] for kind in KINDS}
for kind in KINDS:
    print(f"{kind:14} at logit -8: loss {found[kind][0][0]:5.2f}, slope {found[kind][0][1]:7.4f}")
pull_of_losses(offsets.tolist(), {kind: [loss for loss, _ in found[kind]] for kind in KINDS},
               {kind: [slope for _, slope in found[kind]] for kind in KINDS}, float(torch.tensor(0.7 / 0.3).log()))

# %% [markdown]
# The slopes of `tv` and `reverse_kl` carry a factor q: what the draft hardly ever says, it hardly ever learns to say. That of
# `forward_kl` is q - p, whatever q is. So forward KL is the easier teacher where the draft is bad, and TV knows best what counts
# where it is good. Which effect is larger depends on the pair: measure it.
#
# ## One step
#
# What learns? In a real run every weight of the draft (`specdec train distil`, below). Here only the **head** learns, the
# matrix that turns what the two layers say into logits: it was made for the output of twelve. What the layers say stays the
# same all the time, so it is calculated once. A step is then
#
# $$W \leftarrow W - \text{rate} \cdot g, \qquad g = \partial \text{loss}(\text{features} \cdot W^T) / \partial W$$
#
# and where g is longer than `clip`, it is shortened to that. Without that a single strange batch can throw the weights far
# off. (With an optimizer of PyTorch's you would say `optimizer.zero_grad()`, because `backward` *adds* to what is there. Who
# forgets it descends along the sum of all gradients so far.)

# %% exercise: train_step

# %% [markdown]
# The lessons: at every place that counts, what the two layers say (256 numbers), and the target's logits (4096). The last
# texts are held out.

# %%
def lessons_of(ids, some):
    """(features [N, d], teacher [N, V]) at the places of these texts that count."""
    features, teacher = [], []
    with torch.no_grad():
        for number, (text, mask) in enumerate(zip(ids.split(8), some.split(8), strict=True)):
            features.append(untaught.base_model(input_ids=text, use_cache=False).last_hidden_state[mask])
            teacher.append(pair.target(input_ids=text, use_cache=False).logits[mask])
            if number % 3 == 2:
                print(f"{8 * number + 8} texts read")
    return torch.cat(features), torch.cat(teacher)


learn, held_out = lessons_of(written[:-HELD_OUT], counts[:-HELD_OUT]), lessons_of(written[-HELD_OUT:], counts[-HELD_OUT:])
head = untaught.get_output_embeddings().linear.weight.detach().clone()
print(f"{len(learn[0]):,} places to learn from, {len(held_out[0]):,} held out; the head has {head.numel():,} weights")


def kept(weight, lessons):
    """The mean of 1 - TV of a head on lessons."""
    features, teacher = lessons
    with torch.no_grad():
        return 1 - float(distance(features @ weight.T, teacher, None, "tv", 1.0))


before = kept(head, held_out)
print(f"before: 1 - TV is {before:.3f} on the texts held out")

# %% [markdown]
# A step reads 256 places drawn at random. The gradients of the four losses have very different lengths, and the one with
# the longest would win only for that. So `clip` is made so small that it bites nearly always: then at every step number
# all four go equally far, rate times clip, and only their directions differ. The rate falls in equal steps.
#
# **Predict**: which of the four losses will have the largest 1 - TV at the end?

# %%
my_loss = None  # for example "tv"
STEPS = 6 if hurry else 80
step = yours(train_step)


def taught(lessons, kind, steps=STEPS, rate=10.0, clip=0.1):
    """(the head after so many steps, {step: 1 - TV on the texts held out}); a line now and then."""
    weight, curve, drawing = head.clone(), {}, torch.Generator().manual_seed(1)
    features, teacher = lessons
    everything, every = torch.ones(256, dtype=torch.bool), max(1, steps // 4)
    for number in range(1, steps + 1):
        some = torch.randint(len(features), (256,), generator=drawing)
        speed = rate * (1 - (number - 1) / steps)
        weight, loss = step(weight, features[some], teacher[some], everything, kind, 1.0, speed, clip)
        weight = torch.as_tensor(weight).detach()
        if number % every == 0:
            curve[number] = kept(weight, held_out)
            print(f"{kind:14} step {number:3}: loss {float(loss):.3f}, 1 - TV held out {curve[number]:.3f}")
    return weight, curve


began = time.perf_counter()
heads, curves = {}, {}
for kind in KINDS:
    heads[kind], curves[kind] = taught(learn, kind)
print(f"four times {STEPS} steps: {time.perf_counter() - began:.0f} s on {machine()}")

# %%
ends = {kind: curve[max(curve)] for kind, curve in curves.items()}
order = sorted(KINDS, key=ends.get, reverse=True)
best = order[0]
print("from best to worst:", ", ".join(f"{kind} {ends[kind]:.3f}" for kind in order), you_said(my_loss))
print(f"{best}: {before:.3f} before, {ends[best]:.3f} after", you_said(my_guess_after, " of 100"))
print(f"on the texts that it learned from: {kept(heads[best], learn):.3f}")
kept_by_step(curves, before)

# %% [markdown]
# One run on a few texts, with a random order: differences of 0.01 say nothing, and another number of steps may turn the order
# round. What is sure is printed last: on texts that were learned from, the same head looks better than it is. With more
# steps on as few texts that gap grows. **What is measured on the lessons is no acceptance.** Hold texts out, always.
#
# ## Does it matter whose text it is?
#
# The same loss, the same number of steps, learned on the encyclopedia's own text behind the same beginnings; the target's law
# is known there, too. And each is measured on both.

# %%
print("the encyclopedia's text is read:")
theirs, theirs_held_out = (lessons_of(pieces[part], counts[part]) for part in (
    slice(None, -HELD_OUT), slice(-HELD_OUT, None)))
on_books, _ = taught(theirs, best)
table = {name: (kept(weight, held_out), kept(weight, theirs_held_out)) for name, weight in (
    ("not at all", head), ("the target's own text", heads[best]), ("the encyclopedia", on_books))}
print(f"\n{'learned from':24} 1 - TV on the target's own text   on the encyclopedia")
for name, (ours, books_share) in table.items():
    print(f"{name:24} {ours:18.3f} {books_share:25.3f}")
gap = table["the target's own text"][0] - table["the encyclopedia"][0]
print("where the draft will have to guess, the target's own text taught",
      "as well as the encyclopedia" if abs(gap) < 0.01 else f"{'better' if gap > 0 else 'worse'} by {abs(gap):.3f}")

# %% [markdown]
# Whichever came out ahead: this target learned to write from the encyclopedia, and writes like it, so the two kinds of text
# are nearly one. A model that answers questions, and whose training text was the internet, writes unlike that text. Then
# there is no other way than to have it write.
#
# ## By the clock
#
# The head goes back into the draft. Sampled text, k = 3, each way in turns with plain decoding.

# %%
draft = copy.deepcopy(untaught)
with torch.no_grad():
    draft.get_output_embeddings().linear.weight.copy_(heads[best])
fresh = held_out_prompts(pair.tokenizer, count=12, length=16)[4 : 5 if hurry else 10]
print(f"{len(fresh)} texts, each written in three ways by turns ", end="", flush=True)
ways = {"plain": None, "untaught": ModelDrafter(untaught), "taught": ModelDrafter(draft)}
rows = {row.name: row for row in compare(
    pair.target, fresh, ways, k=K, sampling=Sampling(1.0), max_new_tokens=16 if hurry else 64, repeats=1,
    say=lambda line: print(".", end="", flush=True))}
print()
for name, alpha in (("untaught", before), ("taught", ends[best])):
    row = rows[name]
    print(f"{name:9} 1 - TV {alpha:.3f}: {row.tokens_per_call:.2f} tokens per call, where expected_tokens of unit 06 says "
          f"{expected_tokens(alpha, K):.2f}; {row.speedup:.2f} x as fast as plain decoding in the same turn")
faster = rows["taught"].speedup / rows["untaught"].speedup
print(f"the lessons made the draft's text {faster:.2f} times as fast")

# %%
coloured(draft)

# %% [markdown]
# So few texts are a noisy measure of what is accepted: 1 - TV over the texts held out is the steadier one. A taught draft
# costs as much per guess as an untaught one: whatever it gains is gained for nothing at run time. And however it was
# taught, the text keeps the target's law: a draft that has learned badly costs time, never quality.
#
# ## What it does not bring
#
# The bundled draft is smaller, and it was distilled when it was made. Is there more to gain? The whole of it, not only its
# head, went on to learn for some minutes; so did a draft of its shape that had read nothing but the encyclopedia:

# %%
record = json.loads((data_path("measurements") / "distil_classroom.json").read_text(encoding="utf-8"))
print(record["hardware"], record["date"])
for row in record["drafts"].values():
    decoding = row["decoding"]["T1"]
    print(row["what"])
    print(f"    1 - TV {row['one_minus_tv']:.3f}, on the encyclopedia {row['alpha_atlas']['T1']:.3f}; "
          f"{decoding['speedup']:.2f} x plain at T = 1")

# %% [markdown]
# The draft that knew only the encyclopedia gains much. The bundled one gains in 1 - TV on free texts of the target, and by
# the clock nothing that could be seen among the noise. On the encyclopedia's text both get *worse*: what is learned on one
# kind of text is forgotten on another. Distil on the texts that you will decode.
#
# ### Whole drafts, real models
#
# ```
# specdec fetch smollm2
# specdec train distil --target smollm2 --out my-draft     # makes a draft of the target's first layers
# specdec train distil --help                              # losses, layers, minutes
# ```
#
# | work | what it does | reported |
# |---|---|---|
# | Zhou et al. 2024, DistillSpec | the *draft* writes the texts, the target says its law on them; four distances compared | 10 to 45 % faster than the draft before; which loss is best depends on the task |
# | Leviathan et al. 2023 | drafts that nobody distilled | 2x to 3x faster than plain |
#
# The figures are those of the papers. None was measured here.
#
# **A challenge, without an answer of ours.** DistillSpec has the *draft* write the texts to learn from, which is cheaper by far,
# and shows it the places that its own mistakes lead to. Do the same here: let `untaught` write (your `sample_teacher` takes
# any Forward, `as_forward(untaught)` too), let the target say its law there, and measure on the target's own text. And then: half of each?
#
# ## What to take along
#
# - Speculation pays for 1 - TV. It can be measured without decoding: both models read a text once.
# - Labels are shifted by one, prompt and padding do not count, and only a measurement on text that was held out is one.
# - Three of the four losses have one goal, q = p. Forward KL pulls hard where the draft is bad, TV knows what is paid for; which
#   is best has to be measured.
# - Learn from what the target writes, drawn from its law.
# - A taught draft costs nothing more at run time, and never changes the text's law. A draft that was distilled already has
#   little left to gain.
#
# Sources: Leviathan et al. 2023; Zhou et al. 2024, "DistillSpec: improving speculative decoding via knowledge distillation",
# arXiv 2310.08461; Hinton et al. 2015, "Distilling the knowledge in a neural network".

# %%
progress()
