# %% setup
import math

import torch

from specdec_course import generate, load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.corpora import held_out_prompts
from specdec_course.decoding import greedy_decode
from specdec_course.drafters import Draft, ModelDrafter
from specdec_course.figures.rounds import accepted_histogram, strip, timeline, token_pieces, tokens_against_k
from specdec_course.measure.benchmark import compare
from specdec_course.measure.machine import machine
from specdec_course.measure.names import on_names
from specdec_course.models import as_forward
from specdec_course.trace import Decoded, Round

# %% [markdown]
# # Checking k guesses at the price of one
#
# **You will** write the rule that keeps the right part of a draft, the loop around it, and two figures that say if it pays.
#
# **You need** a drafter in mind (unit 02), or just the idea of one. The package has all earlier answers.
#
# A language model writes one token per forward pass. It has to: token 5 depends on token 4, and token 4 is not there
# yet. But a pass over *five* tokens costs far less than five passes (unit 01). How do you feed a model five tokens when
# four of them do not exist yet?
#
# You guess them. Somebody quick and careless (a small model, a table, anything) writes down k tokens that might come next.
# The careful model, the **target**, reads the text *with the guesses behind it*, in one pass. As long as a guess is what
# it would have written there, the guess stays. At the first disagreement its own opinion is taken, and the rest thrown away.
#
# Nothing is lost: the text is, token for token, the one that the target writes alone. In this unit you write that loop
# for **greedy** decoding, always the most probable token. (Sampling is unit 04.)

# %% [markdown]
# ## One pass, k + 1 opinions
#
# Here a model is just a function, a `Forward`: ids `[T]` go in, logits `[T, V]` come out. Row `i` is what the model
# thinks of the token **after** place `i`, having seen places 0 to `i` and nothing later. To see every step, take a model
# that recites the alphabet. The text is `abcd`, the guesses are `e f x`:

# %% folded
# The alphabet model, and what each of its rows says.
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def to_ids(letters):
    return torch.tensor([LETTERS.index(letter) for letter in letters], dtype=torch.long)


def to_letters(ids):
    return "".join(LETTERS[int(i)] for i in ids)


def alphabet(ids):
    """A Forward that is sure of one thing: after each letter comes the next one, and after z comes a."""
    return torch.nn.functional.one_hot((ids + 1) % 26, 26).float()


text, guesses = to_ids("abcd"), to_ids("efx")
judged = [""] * (len(text) - 1) + [f"   guessed: {letter}" for letter in to_letters(guesses)] + [""]
rows = alphabet(torch.cat([text, guesses]))
for place, row in enumerate(rows):
    seen = to_letters(torch.cat([text, guesses])[: place + 1])
    print(f"row {place}: after {seen:8} the target says {to_letters([row.argmax()])}{judged[place]}")

# %% [markdown]
# Rows 0 to 2 are about text that is already written. The last k + 1 = 4 rows are the ones we paid for: `e` and `f` agree
# with rows 3 and 4 and are **accepted**. Row 5 says `g`, not `x`: that is the **correction**. Row 6 continues a text with
# an `x` in it, and is worthless. So this round emits `e f g`: three tokens from one pass. Had the third guess been `g`,
# row 6 would have said `h`, a fourth token that nobody guessed and nobody has to pay for: the **bonus**.
#
# Each round therefore emits between 1 and k + 1 tokens, and **always at least one of the target's own**. Even if every
# guess is wrong, we are where plain decoding would be.

# %% [markdown]
# ## How far do they agree?
#
# Given the draft and the target's choice at each of those places, how many drafted tokens may stay? For the draft
# `5 3 9 2` and the choice `5 3 7 2 8` it is 2, not 3. The `2` at the end matches, but it was drafted, and judged, as the
# continuation of `5 3 9`, and that text will never exist. (The last entry of `choice` is about the bonus place.)

# %% exercise: accepted_length

# %% [markdown]
# ## One round
#
# Now the round's outcome. You get the draft and the k + 1 rows of logits that matter, and answer the tokens that the
# round emits: the accepted ones, then one of the target's own.
#
# Worked example, with a vocabulary of 4 tokens. `draft = [2, 0]`, and the rows of the logits are
#
# ```
# row 0:  0.1  0.0  3.0  0.2      largest: token 2    judges draft[0] = 2   accepted
# row 1:  0.3  1.5  0.2  0.9      largest: token 1    judges draft[1] = 0   rejected
# row 2:  2.0  0.1  0.4  0.1      largest: token 0    (the bonus place: not reached)
# ```
#
# The round emits `[2, 1]`. With `draft = [2, 1]` it would emit `[2, 1, 0]`. With an empty draft there is one row, and
# the round is plain decoding.
#
# *Before you write it:* how many cases do you need? Rejected early, rejected late, accepted in full, empty draft...
# One line can treat them all.

# %% exercise: verify_greedy

# %% [markdown]
# ## The loop
#
# A drafter is, for now, a function too: `propose(ids, k)` gets the whole text so far and answers at most k tokens.
# Here is one for our alphabet. It has never understood what comes after a vowel.

# %%
def forgetful(ids, k):
    """Recites the alphabet too, but leaves out the letter that follows a vowel."""
    guesses, last = [], int(ids[-1])
    for _ in range(k):
        last = (last + (2 if LETTERS[last] in "aeiou" else 1)) % 26
        guesses.append(last)
    return torch.tensor(guesses, dtype=torch.long)


print("after abcd it guesses:", to_letters(forgetful(to_ids("abcd"), 4)))

# %% [markdown]
# Its draft after `abcd` is `e g h i`: the target accepts `e`, and corrects `g` to `f`. The round emits `e f`. Follow
# the next rounds on paper, with k = 4, until 12 letters are written:
#
# | round | text before | draft | accepted | the target's own token | emitted |
# |---|---|---|---|---|---|
# | 1 | `abcd` | `e g h i` | 1 | `f` (correction) | `e f` |
# | 2 | `abcdef` | `g h i k` | 3 | `j` (correction) | `g h i j` |
# | 3 | `...ghij` | `k l m n` | 4 | `o` (bonus) | `k l m n o` |
# | 4 | `...lmno` | | | | |
#
# Round 4 is different. Eleven letters are written, so only one more is allowed. A draft would be wasted: the target's
# own token alone fills the budget.
#
# That is the first of three places where this loop usually goes wrong:
#
# 1. **The budget.** A round can emit k + 1 tokens; `max_new_tokens` leaves room for fewer. Never write more. (You may
#    ask the drafter for less, or cut afterwards, or both.)
# 2. **The end of the text.** If the target wants to stop, it emits `eos_token_id`. In a round of several tokens that
#    can be *any* of them. Keep it, drop what follows, stop. And it is the *target* who ends the text: an eos token that
#    was drafted and rejected means nothing.
# 3. **The rows.** For a text of T tokens, which row judges the first guess? Look at the table above once more.
#
# Keep a record as well, one `Round(drafted, accepted, emitted)` per target call, *after* any cut: round 1 above is
# `Round(4, 1, 2)`, round 3 is `Round(4, 4, 5)`. Round 4 is `Round(0, 0, 1)` if you draft nothing there, and
# `Round(4, 0, 1)` if you ask for four and cut afterwards: `drafted` is what was sent to the target. Both are right.
#
# Your loop will call your `verify_greedy`. If that one is not right yet, mend it first.

# %% exercise: generate_speculative

# %% [markdown]
# Your loop on the alphabet. Compare it with the table you filled in.

# %%
loop = yours(generate_speculative)
done = loop(alphabet, to_ids("abcd"), forgetful, 4, 12)
place = 4
for number, r in enumerate(done.rounds, start=1):
    emitted = to_letters(done.ids[place:][: r.emitted])
    print(f"round {number}: drafted {r.drafted}, accepted {r.accepted}, emitted {emitted}")
    place += r.emitted
print("the target alone writes the same text:", torch.equal(done.ids, greedy_decode(alphabet, to_ids("abcd"), 12)))

# %% [markdown]
# Play with it: what happens with a drafter that always answers `z`? With one that answers nothing? The number of
# rounds changes. The text never does.
#
# ## Two numbers
#
# A record of rounds is long; two numbers sum it up.
#
# * **Tokens per call**: how many tokens a target call yields on average. Plain decoding has exactly 1.
# * **Acceptance rate**: the share of the drafted tokens that were kept.
#
# Three rounds with k = 4 whose tokens were: accepted in full, then rejected at the second guess, then cut by the
# budget after three accepted tokens. Written down they are `Round(4, 4, 5)`, `Round(4, 1, 2)`, `Round(4, 3, 3)`. So
# (5 + 2 + 3) / 3 = 3.33 tokens per call, and (4 + 1 + 3) / (4 + 4 + 4) = 0.67 of the guesses kept. Note what the last
# round does to "accepted + 1": nothing of the target's own found room there.

# %% exercise: tokens_per_call

# %% exercise: acceptance_rate

# %% [markdown]
# ## A real text
#
# Now two real models: the `classroom` pair that comes with the course. The target has 12 layers, the draft model one;
# they were trained on the same imaginary encyclopedia and share a tokenizer. `as_forward` turns a model into the kind
# of function that your loop expects. There is no cache yet (that is unit 05), so every call reads the whole text
# again: right, but slow.
#
# **Predict** before you run it. The draft model guesses k = 4 tokens per round. How many tokens will a target call
# yield on average? Somewhere between 1 and 5. Write your number down. (The next cell takes up to half a minute: no
# cache.)

# %%
my_prediction = None  # your number, for example 3.5

# %%
pair = load_pair("classroom")
prompts = held_out_prompts(pair.tokenizer, count=2, length=40)
target, draft_model = as_forward(pair.target), as_forward(pair.draft)


def small_model_guesses(ids, k):
    """The draft model's own greedy continuation."""
    return greedy_decode(draft_model, ids, k)[len(ids) :]


done = yours(generate_speculative)(target, prompts[0], small_model_guesses, 4, 80)
measured = yours(tokens_per_call)(done.rounds)
print(f"{len(done.rounds)} target calls for {len(done.ids) - len(prompts[0])} tokens: {measured:.2f} tokens per call")
if my_prediction is not None:
    print("your prediction:", my_prediction)
print(f"acceptance rate: {yours(acceptance_rate)(done.rounds):.2f}")

# %% [markdown]
# Here is the text, every token coloured by who wrote it. The small number is the round.

# %%
new = done.ids[len(prompts[0]) :]
strip(token_pieces(pair.tokenizer, new), done.rounds, token_pieces(pair.tokenizer, prompts[0]))

# %% [markdown]
# Read it for a minute. Where are the runs of green? Where is the orange?
#
# Green is mostly what *any* model of this language knows: the phrases that every article uses, the commas and
# brackets, the shape of a heading. Orange is mostly names and numbers. A name that is new can hardly be guessed by
# anybody. But look for a name that comes *again*: the target only has to find it further up and copy it. Which of the
# two models can do that? Take every later piece of a word (nearly all belong to names) in four articles that neither
# model was trained on, and ask what probability each model gave to the piece that came:

# %%
paid = on_names(pair.tokenizer, {"target": pair.target, "draft": pair.draft}, count=4)
print("typical probability of the right piece    target    draft")
for when, words in (("seen", "the name stood in the article before"), ("new", "the name is new")):
    in_target, in_draft = (math.exp(-paid[f"{name}_{when}"]) for name in ("target", "draft"))
    print(f"{words:39} {in_target:8.2f} {in_draft:8.2f}   ({paid[f'pieces_{when}']} pieces)")

# %% [markdown]
# So the orange in a repeated name is where only the large model knows better, **because it looks back**. (Typical:
# the geometric mean. The draft looks back too, but copying takes two steps, "where did this stand?" and "what came
# next?", and it has a single layer.) **Text is not equally hard everywhere**, and speculation gets its speed from the
# easy places. A fixed k does not see the difference (unit 07 makes it look).
#
# And notice what the colours do *not* mean. An orange token is no better and no worse than a green one: each is the
# target's choice. Is that true of your text? Ask the target alone (with a cache, so it is quick):

# %%
alone = generate(pair.target, prompts[0], max_new_tokens=80, eos_token_id=None).tokens
print("the same text, token for token:", torch.equal(done.ids, alone))

# %% [markdown]
# The average hides how uneven the rounds are. Which counts do you expect most often?

# %%
accepted_histogram(done.rounds, "draft model, k = 4")

# %% [markdown]
# ## Does a longer draft help?
#
# **Predict**: with k = 4 you have just seen the tokens per call. What will k = 8 give: twice as much? A bit more?
# Less?
#
# For this we use the package's `generate`, which does what your loop does and keeps caches. (It takes the models
# themselves and a drafter object.) Two shorter texts now instead of one, so k = 4 may come out a little different.

# %%
my_prediction_for_8 = None  # for example "twice"


# %%
def rounds_with(drafter, k):
    outs = [generate(pair.target, prompt, drafter, k, max_new_tokens=40, eos_token_id=None) for prompt in prompts]
    return [r for out in outs for r in out.trace.rounds]


per_call, accepted = yours(tokens_per_call), yours(acceptance_rate)
curve = {0: 1.0}  # k = 0 is plain decoding
for k in (1, 2, 4, 6, 8):
    rounds = rounds_with(ModelDrafter(pair.draft), k)
    curve[k] = per_call(rounds)
    print(f"k = {k}: {curve[k]:.2f} tokens per call, {accepted(rounds):.2f} of the drafted tokens kept")
ks = list(curve)
gains = [f"{(curve[b] - curve[a]) / (b - a):.2f} from k = {a} to {b}" for a, b in zip(ks, ks[1:], strict=False)]
print("tokens per call gained by one guess more:", ", ".join(gains))
if my_prediction_for_8 is not None:
    print(f"k = 8 gives {curve[8] / curve[4]:.2f} times what k = 4 gives; your prediction: {my_prediction_for_8}")
tokens_against_k({"draft model": curve})

# %% [markdown]
# On the whole the curve bends (over two short texts, chance may hide it for a step). The fifth guess counts only if
# the four before it were all right, so each further place is reached more rarely. If each guess is right with
# probability $\alpha$, independently of the others, k guesses in a row are right with probability $\alpha^k$, and the
# curve climbs to $1/(1-\alpha)$ and no further. Meanwhile every guess costs the drafter a step. The share of kept
# tokens falls with k for the same reason: what stands behind a wrong guess is thrown away unjudged, right or not. (So
# this share is not $\alpha$. Unit 06 shows how to estimate $\alpha$ properly.)

# %% [markdown]
# ## An honest measurement
#
# Tokens per call are not seconds. Four ways to write the same text with the same target:
#
# * **alone**: plain decoding;
# * **draft model**, k = 4;
# * **its own drafter**: the target drafts for itself, k = 4. It agrees with itself, always: 5 tokens per call, the best
#   there is;
# * **parrot**: repeats the last token four times. Costs nothing, and is nearly always wrong.
#
# **Predict** the order, from fastest to slowest. Then run it. (`compare` alternates between the ways and takes
# medians of pairs, so a busy machine hurts all of them alike.)

# %%
my_order = None  # for example "draft model, its own drafter, parrot, alone"


# %%
class Parrot:
    """A drafter for `generate`: says the last token again, k times."""

    calls = 0

    def propose(self, ids, k, sampling, dice):
        return Draft(ids[-1:].repeat(k))


ways = {
    "alone": None,
    "draft model": ModelDrafter(pair.draft),
    "its own drafter": ModelDrafter(pair.target),
    "parrot": Parrot(),
}
table = {row.name: row for row in compare(pair.target, prompts[:1], ways, k=4, max_new_tokens=35, repeats=2, say=print)}
print(machine())
for row in table.values():
    print(f"{row.name:16} {row.tokens_per_call:5.2f} tokens per call {row.speedup:7.2f} x the speed of alone")
print("same text everywhere:", all(row.same_text for row in table.values()))
if my_order is not None:
    print("your order:", my_order, "  measured:", ", ".join(sorted(table, key=lambda name: -table[name].speedup)))

# %% [markdown]
# The drafter with the best possible tokens per call does not gain what it promises: look at its speed-up. It is never
# wrong, and it is of no use. Each of its guesses costs as much as the token it saves, and then the target reads them all once more.
# What counts is
#
# $$\text{speed-up} = \frac{\text{tokens per call}}{k \cdot c + v}$$
#
# where c is the cost of one drafted token and v the cost of checking k + 1 tokens at once, both in units of one plain
# target step. You can measure both. The parrot has c = 0: whatever it loses, it loses to v. And a draft step is what
# the draft model needs to write a token alone.

# %%
draft_alone = compare(pair.draft, prompts[:1], {"draft": None}, max_new_tokens=35)[0]
c = table["alone"].tokens_per_second / draft_alone.tokens_per_second
v = table["parrot"].tokens_per_call / table["parrot"].speedup


def predicted_and_measured(row, k, c, v):
    print(f"{row.name:16} k = {k:2}: {row.tokens_per_call:.2f} / ({k} x {c:.2f} + {v:.2f}) ="
          f" {row.tokens_per_call / (k * c + v):.2f} predicted, {row.speedup:.2f} measured")


print(f"a draft step costs c = {c:.2f} target steps here, checking five tokens v = {v:.2f}")
predicted_and_measured(table["draft model"], 4, c, v)
predicted_and_measured(table["its own drafter"], 4, 1.0, v)

# %% [markdown]
# The formula leaves things out (reading the prompt, the short last rounds, the moods of the machine, which c has met
# at another moment than the rest), so take it for an estimate: on a busy machine it may be far off. It tells you *why*
# a way is as fast as it is. The draft model wins only while its tokens per call stay above k·c + v. Both grow with k,
# but you have seen which one flattens. Let it draft 16 tokens, mostly for the bin:

# %%
three_ways = {name: ways[name] for name in ("alone", "draft model", "parrot")}
long = {row.name: row for row in compare(pair.target, prompts[:1], three_ways, k=16, max_new_tokens=35, repeats=2,
                                         say=print)}
v_16 = long["parrot"].tokens_per_call / long["parrot"].speedup
predicted_and_measured(table["draft model"], 4, c, v)
predicted_and_measured(long["draft model"], 16, c, v_16)

# %% [markdown]
# The rounds of your text on a clock that ticks in plain target steps, with your c and v. Drafting is the yellow part.
# Make it as wide as the blue and nothing is left to win.

# %%
timeline(done.rounds, c, v)

# %% [markdown]
# Real systems tell the same story (figures as their authors published them, read in November 2026, none measured
# here):
#
# | system | acceptance | speed-up | hardware |
# |---|---|---|---|
# | Vicuna-7B with a 68M draft, Hugging Face assisted generation | 2.28 tokens per call | 1.52x | A100 (Spec-Bench) |
# | Qwen2.5-Coder-7B with its 0.5B draft, vLLM, k = 4 | | 1.72x | RTX 4090, batch 1 |
# | Qwen2.5-7B with its 0.5B draft, eager PyTorch, a teaching repository | 82 % of drafted tokens | **0.55x** | H100 |
#
# The last one accepts four guesses out of five and runs at half the speed. Its draft model has 24 layers against the
# target's 28. If in eager PyTorch a small layer takes as long to launch as a large one, c is 24/28 = 0.86.
#
# ## What to take along
#
# * One target call judges k guesses and gives k + 1 opinions; a round emits the leading run of agreement and one token
#   of the target's own.
# * With greedy decoding the text does not depend on the drafter at all. A bad drafter costs time, never quality.
# * Tokens per call measure the drafter, seconds measure the system. The drafter must be cheap *and* often right.
#
# **An open challenge.** A name that stood before is just what the draft model misses, and it needs no model at all:
# find the last two or three tokens further up in the text, and propose what came after them there. Write such a
# drafter (`Parrot` shows the form). `per_call(rounds_with(YourDrafter(), 4))` says what it is worth. Is it faster
# than the draft model?
#
# Next, unit 04: what if the target does not take the most probable token, but *samples*? Then "agree" has no clear
# meaning any more, and yet the text can be kept exactly as random as the target's own.

# %%
progress()
