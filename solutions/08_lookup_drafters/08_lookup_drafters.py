# %% setup
import time
from collections import Counter, defaultdict

import numpy as np
import torch

from specdec_course import generate, load_corpus, load_pair
from specdec_course.checks import check, grade, hint, progress, solution, yours
from specdec_course.common.guess import you_said
from specdec_course.corpora import held_out_prompts
from specdec_course.drafters import (
    BigramDrafter,
    CorpusDrafter,
    Draft,
    Drafter,
    ModelDrafter,
    SuffixDrafter,
    SuffixIndex,
    TrustedDrafter,
)
from specdec_course.drafters.automaton import matched
from specdec_course.drafters.counts import Counts, words_of
from specdec_course.figures.lookup import automaton_states, by_kind_of_text, time_by_length, trust_by_length
from specdec_course.figures.rounds import strip, token_pieces
from specdec_course.measure import clocks
from specdec_course.measure.benchmark import compare
from specdec_course.measure.bigram import replay
from specdec_course.measure.lookup import as_grid, recorded, replayed, seconds_per_proposal
from specdec_course.measure.machine import machine
from specdec_course.measure.pairing import cost_of_drafting, cost_of_verifying
from specdec_course.models import vocabulary_size
from specdec_course.trace import tokens_per_call

# %% [markdown]
# # Drafting without a model
#
# **You will** guess by looking things up: in tables with back-off, in the prompt, in an index that grows with the text; and
# find out on which texts that beats a draft model.
#
# **You need** units 02 and 03.
#
# Ask a model to correct one word of a page. It writes the whole page again, token by token, and every token but one stands
# in front of it already. A draft model would *think* about what comes next. You could simply **copy**.
#
# Copying needs no training, no GPU and no second set of weights. It guesses in microseconds. But on what is really new it
# has nothing to say.
#
# **Two guesses before you go on**, in tokens per target call, where plain decoding has 1: (1) how many will copying yield
# when a text is written again with small changes? (2) And how many in a new article, of which nothing was written before?

# %%
my_guess_again = None  # for example 3.0
my_guess_new = None

# %% [markdown]
# ## More than one token to go by
#
# The bigram of unit 02 knows one token. `New York` and `New Zealand` are the same to it. So look at two tokens, or three.
# A table for each length of context:
#
# ```
# text   a b a c a b a c b        n = 3: contexts of 2, 1 and 0 tokens
#
# tables[2]   (a,b) -> a   (b,a) -> c   (a,c) -> a    (c,a) -> b
# tables[1]   (a)   -> b   (b)   -> a   (c)   -> a
# tables[0]   ()    -> a
# ```
#
# After `(a, c)` came `a` once and `b` once: on a tie the smaller id wins. After `()`, the empty context, comes every token
# of the text, so `tables[0]` names the most frequent one.
#
# Two traps. A row of the training data has a beginning: its first token has no context but the empty one, its second one
# has only a short one. Both count. And a key has to be a tuple of plain numbers: you know from unit 02 what tensors do as
# keys.

# %% exercise: build_ngram_tables

# %% [markdown]
# The longer the context, the better the guess, *if* the context has ever been seen. How often is that? Predict for four
# tokens: at what share of the places of a new text did these very four stand somewhere in a text of 150,000 tokens?

# %%
pair = load_pair("classroom")
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
train = load_corpus("atlas", pair.tokenizer, split="train", max_tokens=60_000 if hurry else 150_000)
test = load_corpus("atlas", pair.tokenizer, split="test", max_tokens=4_000).tolist()
tables = yours(build_ngram_tables)(train, 5)
for m in range(5):
    seen = [(tuple(test[i - m : i]), test[i]) for i in range(m, len(test))]
    known = [(context, token) for context, token in seen if context in tables[m]]
    right = sum(tables[m][context] == token for context, token in known)
    print(f"{m} tokens of context: {len(tables[m]):7,} contexts; known at {len(known) / len(seen):4.0%} of the places, and "
          f"right at {right / len(known):4.0%} of these")

# %% [markdown]
# The longer a context, the less often it is known, and the more often its guess is right. So use all: **back off**. Ask the
# longest context first, and a shorter one only where nobody knows it.
#
# Worked example with the tables above, after the text `... c b`:
#
# | guess | looked up | found | |
# |---|---|---|---|
# | 1 | `(c,b)` | no | the shorter context `(b)` says `a` |
# | 2 | `(b,a)` | `c` | the guess is text now: two tokens are known again |
# | 3 | `(a,c)` | `a` | |
#
# Mind m = 0: what is `text[-0:]`?

# %% exercise: draft_with_backoff

# %% [markdown]
# What does the longer memory bring? The target writes three new articles. Greedy speculation would write the same texts, so
# we can replay what each drafter would have made of them (as in unit 02).

# %%
K = 8


class Guesses(Drafter):
    """A function (ids, k) -> draft, such as you write them, as a drafter for the decoding loop."""

    def __init__(self, propose):
        self.function = propose

    def propose(self, ids, k, sampling=None, dice=None):
        return Draft(self.function(ids, k))


def written(prompts, tokens=96):
    """What the target writes after each prompt, and where that begins."""
    return [(generate(pair.target, one, max_new_tokens=tokens, eos_token_id=None).tokens, len(one)) for one in prompts]


backoff = yours(draft_with_backoff)
some = 1 if hurry else 3  # texts of each kind
new_articles = written(held_out_prompts(pair.tokenizer, count=some, length=40))
by_order = {f"{n - 1} tokens of context": Guesses(lambda ids, k, n=n: backoff(ids[-4:], tables[:n], k)) for n in range(1, 6)}
for name, rounds in replayed(new_articles, by_order, K).items():
    print(f"at most {name}: {tokens_per_call(rounds):.2f} tokens per call")

# %% [markdown]
# A table knows the language it was counted on. It does not know what *this* text is about: the name that was made up three
# lines above.
#
# ## Look further up
#
# The text itself does. Take its newest tokens, find where they stood before, and copy what followed: **prompt lookup**.
#
# ```
# place    0  1  2  3  4  5  6  7  8  9
# text     a  b  c  d  a  b  e  c  a  b        max_ngram = 3, k = 3
# ```
#
# | look for | stands at | |
# |---|---|---|
# | the last three, `c a b` | only at the end itself | that is no match |
# | the last two, `a b` | 0 and 4 | the most recent one counts: behind it stands `e c a` |
#
# Longer matches come first, because two places that agree in three tokens go on alike more often than two that agree in
# one. Of several the most recent one counts, because a text is mostly like what it was a moment ago. A match may overlap
# the end: in `a b a b a b` the last three tokens stood two places further up, and what followed is `a b`. There the text
# ends, and so does the draft.

# %% exercise: prompt_lookup

# %% [markdown]
# Somebody renames a variable. No model is asked here: the new version is simply given, as if a model wrote it. Green is what
# copying foresaw. Which tokens will it not foresee?

# %%
OLD = """def mean(values):
    total = 0.0
    for value in values:
        total = total + value
    return total / len(values)


def spread(values):
    centre = mean(values)
    return sum((value - centre) ** 2 for value in values) / len(values)
"""
before = pair.tokenizer(OLD, return_tensors="pt").input_ids[0]
after = pair.tokenizer(OLD.replace("total", "amount"), return_tensors="pt").input_ids[0]
edit = [(torch.cat([before, after]), len(before))]
copying = Guesses(yours(prompt_lookup))
rounds = replay(*edit[0], copying, K)
print(f"{len(rounds)} target calls for {len(after)} tokens: {tokens_per_call(rounds):.2f} tokens per call",
      you_said(my_guess_again))
strip(token_pieces(pair.tokenizer, after), rounds)

# %% [markdown]
# ## What does it cost?
#
# Your function goes through the whole text for every draft. For a prompt that does not matter; and for a whole repository?
# Predict how much longer it takes for ten times the text.

# %%
def timed_at(lengths, propose, tries=5):
    """Seconds per proposal in texts of these lengths."""
    text, found = torch.randint(500, (max(lengths),), generator=torch.Generator().manual_seed(0)), {}
    for n in lengths:
        began = time.perf_counter()
        for _ in range(tries):
            propose(text[:n], K)
        found[n] = (time.perf_counter() - began) / tries
    return found


lengths = (1_000, 10_000, 100_000) if hurry else (1_000, 10_000, 100_000, 1_000_000)
curves = {"prompt lookup": timed_at(lengths, yours(prompt_lookup))}
for n, seconds in curves["prompt lookup"].items():
    print(f"a text of {n:9,} tokens: {1e6 * seconds:9,.0f} microseconds for a draft")

# %% [markdown]
# Ten times the text is ten times the time, once the text is long. The package's own function takes 18 milliseconds in a million
# tokens, longer than a plain step of the target.
#
# ## An index that grows with the text
#
# We want an index that takes one more token in constant time, whatever the length of the text, and knows at any moment
# **the longest ending that stood before**, however long it is. It exists, and it is one of the loveliest structures of
# computer science: the **suffix automaton** (Blumer et al. 1985).
#
# Take the text `a b c a b`. After how many tokens has each of its pieces ended? `b` after 2 and 5; `a b` after 2 and 5;
# `a b c` after 3, and `b c` and `c` also after 3. Pieces that end at just the same places are put into one **state**:
# `{a b, b}` is one, `{a b c, b c, c}` another. Of a state we keep four things:
#
# | | |
# |---|---|
# | `next` | for each token that ever followed these pieces, the state it leads to |
# | `length` | the length of its longest piece |
# | `link` | the state of the longest ending of these pieces that is *not* in this state, because it ended elsewhere too |
# | `end` | a place behind its pieces, say the first one |
#
# The picture has a circle for each state, with its length; arrows are `next`, dashed lines are links.

# %%
def states_of(letters, title):
    """The package's automaton of a text, drawn."""
    small = SuffixDrafter().automaton
    for letter in letters:
        small.extend(ord(letter))
    return automaton_states(small, {ord(letter): letter for letter in letters}, title)


states_of("abcab", "after a b c a b: what ended here and before is the ringed state, a b and b")

# %% [markdown]
# Now the trick. The state of the whole text holds everything that ended here for the first time. Its **link** leads to the
# longest piece that ends here *and* has ended before: the match. And `end` of that state says what to copy.
#
# How a token t is added (`new` is the state of the text with t, `last` the one without):
#
# 1. `new` gets length and end T, the length of the text by now.
# 2. From `last` go along the links. Each state without an edge t gets one, to `new`. Stop at the first that has one.
# 3. Nobody had one: t is a token never seen. `link` of new is the empty state, 0.
# 4. State s has one, to `old`. If length of old is length of s + 1, all of old's pieces end here now: it is the link of
#    new.
# 5. Else only the *shorter* ones of old's pieces end here, and these need a state of their own: a **clone** of old, with the
#    same edges, link and end, but length of s + 1. It is the link of both new and old. And from s on along the links, each
#    edge t that leads to old is turned to the clone.
#
# Play it through for `a b b`: the second `b` meets step 5.

# %%
states_of("abb", "after a b b: the state above is the clone")

# %% [markdown]
# Why is that fast? Each step of 2 leads to a shorter ending, and the longest known ending grows by one token at most when a
# token is added. It cannot shrink more often than it has grown: over a whole text that is a constant number of steps per
# token (**amortised O(1)**), though a single token may take many.
#
# You may build something else, if you know something else that keeps the promise. Only answers and costs are judged.

# %% exercise: SuffixAutomaton

# %%
automaton_class = yours(SuffixAutomaton, "SuffixAutomaton")


def time_per_token(n):
    """Seconds for a token and a draft, while a text of n tokens is read."""
    text = torch.randint(500, (n,), generator=torch.Generator().manual_seed(0)).tolist()
    automaton, began = automaton_class(), time.perf_counter()
    for token in text:
        automaton.extend(token)
        automaton.propose(K)
    return (time.perf_counter() - began) / n


curves["suffix automaton"] = {n: time_per_token(n) for n in lengths if n <= 100_000}
for n, seconds in curves["suffix automaton"].items():
    print(f"a text of {n:9,} tokens: {1e6 * seconds:9,.1f} microseconds for a token and a draft")
print(machine())
time_by_length(curves)

# %% [markdown]
# ## How far is a match to be trusted?
#
# The automaton finds matches of any length. Let it read an encyclopedia of 20,000 tokens, one token after the other: how long
# was the match at each place, and was the first token behind it the one that came? **Predict the share for one token, for
# three, and for eight.**

# %%
reading = load_corpus("atlas", pair.tokenizer, split="test", max_tokens=20_000).tolist()
automaton = SuffixDrafter().automaton
lengths_of_matches, came = [], []
for token in reading:
    draft = automaton.propose(1)
    if len(draft):
        lengths_of_matches.append(matched(automaton))
        came.append(int(draft[0]) == token)
    automaton.extend(token)
trust_by_length(lengths_of_matches, came)

# %% [markdown]
# After a match of one token most guesses are wrong here; from three on the share grows slowly. A wrong guess is not free: the
# target has to read it. But in a text that is copied word for word one token is enough most of the time, as in the renamed
# code above. So no length is right for all texts. The package's drafters for the text and for a library are silent after one
# token (`at_least=2`), and where a copy reaches the end of the text they go on into it.
#
# ## A library at hand
#
# Not only this text may be looked into. Any large text will do: a manual, the code of the company, what the model wrote for
# others. It does not grow, so a **suffix array** is enough: all its places, sorted by what stands in front of them, read
# backwards. The longest match of any context is then found by bisection. Take the text that the tables were counted on.

# %%
began = time.perf_counter()
index = SuffixIndex(train)
print(f"{len(train):,} tokens indexed in {time.perf_counter() - began:.1f} s")
lookups = {"prompt lookup": copying, "suffix automaton": SuffixDrafter(), "library": CorpusDrafter(index)}
for name, drafter in lookups.items():
    took = seconds_per_proposal(drafter, *new_articles[0], K)
    print(f"{name:18} {1e6 * took:7.1f} microseconds for a draft (median)")

# %% [markdown]
# ## Who speaks first?
#
# Now there are several drafters, and each is good where the others are silent. The simplest way to put them together: ask
# them in order of trust, and take the first draft that is not empty.

# %% exercise: combine

# %%
def asks(drafter):
    return lambda ids, k: drafter.propose(ids, k).ids


# at_least: shorter matches are not copied
combined = Guesses(yours(combine)([
    asks(SuffixDrafter(at_least=3)), asks(CorpusDrafter(index, at_least=3)), lambda ids, k: backoff(ids[-4:], tables, k)]))

# %% [markdown]
# To ask in order throws something away: a copy is believed as much after three tokens as after thirty, and a draft is as long
# as it can be. The package's `TrustedDrafter` weighs each token anew: what copying says against what tables say (`Counts`,
# contexts of up to eight tokens). Both come with a chance of being right. A copy of n tokens begins with n / (n + 2), a count
# with the share that it had when it was counted; how often such guesses were right in *this* text corrects both. The draft
# ends where the chance that all of it is right falls below 0.18. (On the machine where that was chosen one row more takes
# 0.12 of a step, and in a step some 1.5 tokens are written: a guess has to be worth more than that.)
#
# In the contexts of its counts every name is one sign, and so is every number, the newest token aside: what followed one town
# counts for all towns.

# %%
counts = Counts.of(train, words_of(pair.tokenizer, vocabulary_size(pair.target)))
trusted = TrustedDrafter(counts)

# %% [markdown]
# ## On which text?
#
# Four kinds, and the draft model beside the drafters without one, all with k = 8:
#
# - **a new article**: its heading and first line were given, the target wrote the rest.
# - **late in an article**: 300 tokens were given, and the target went on. It tells of the same names and figures in other
#   words, as a summary does.
# - **a corrected article**: an article, and once more with another name in its title. The new version is simply given: the
#   bundled target was taught to write encyclopedias, not to follow instructions.
# - **renamed code**: the edit from above, also given. (The bundled target knows no code, and its draft model neither: what
#   that one yields here says nothing of draft models.)
#
# **For each kind: who yields more tokens per call, copying or the draft model?**

# %%
my_winners = None  # a word for each kind, "copying" or "model"

# %%
corrected = []
for article in held_out_prompts(pair.tokenizer, count=some, length=260):
    text = pair.tokenizer.decode(article)
    name = text.split()[1]  # the first word of its title
    again = pair.tokenizer(text.replace(name, "Morvenna"), return_tensors="pt").input_ids[0]
    corrected.append((torch.cat([article, again]), len(article)))
kinds = {
    "a new article": new_articles,
    "late in an article": written(held_out_prompts(pair.tokenizer, count=some, length=300)),
    "a corrected article": corrected,
    "renamed code": edit,
}
drafters = {"n-grams, back-off": Guesses(lambda ids, k: backoff(ids[-4:], tables, k)), **lookups, "combined": combined,
            "trusted": trusted, "draft model": ModelDrafter(pair.draft)}
results = {kind: replayed(texts, drafters, K) for kind, texts in kinds.items()}
per_call = {kind: {name: tokens_per_call(rounds) for name, rounds in found.items()} for kind, found in results.items()}
copies = ("prompt lookup", "suffix automaton")
without = [name for name in drafters if name != "draft model"]
for kind, found in per_call.items():
    best, copy = max(without, key=found.get), max(copies, key=found.get)
    print(f"{kind}: {copy} {found[copy]:.2f} tokens per call{you_said(my_guess_new) if kind == 'a new article' else ''}, "
          f"the draft model {found['draft model']:.2f}; best without a model: {best}, {found[best]:.2f}")
print("you said:", my_winners) if my_winners else None
by_kind_of_text(per_call)

# %% [markdown]
# (Green is the best of a panel, grey what is no better than plain decoding.) Two things to see. `combined` yields less than
# the automaton alone where a text is copied: it leaves out short matches and asks the tables instead. And where little is
# copied, `trusted` and `combined` lead those without a model.
#
# Tokens per call are not yet speed. To *check* a draft costs the same, whoever made it; to *make* it is nearly free for a
# look-up, and not for a model. With both prices measured here, in plain steps of the target:

# %%
times = 5 if hurry else 25
prompt = new_articles[0][0][:40]
draft_step = cost_of_drafting(pair.target, ModelDrafter(pair.draft), prompt, times)
check = {0: 1.0} | cost_of_verifying(pair.target, prompt, (1, 2, 4, K), times)
print("a pass with a draft of", ", ".join(f"{k}: {v:.2f}" for k, v in check.items() if k), "plain steps;",
      f"if a model drafts, {draft_step:.3f} more for each token; {machine()}")


def speed(name, rounds):
    """Tokens per plain step."""
    price = draft_step * (name == "draft model")
    passes = np.interp([r.drafted for r in rounds], list(check), list(check.values()))
    return sum(r.emitted for r in rounds) / (sum(passes) + price * sum(r.drafted for r in rounds))


speeds = {kind: {name: speed(name, rounds) for name, rounds in found.items()} for kind, found in results.items()}
for kind, found in speeds.items():
    order = sorted(found, key=found.get, reverse=True)
    slower = [name for name in order if found[name] < 1]
    print(f"{kind}: {order[0]} is fastest, {found[order[0]]:.2f} x plain; slower than plain: {', '.join(slower) or 'none'}")
by_kind_of_text(speeds, "times the speed of plain decoding")

# %% [markdown]
# And once by the clock, late in the articles:

# %%
late = [(ids[: start + 48], start) for ids, start in kinds["late in an article"][:2]]
ways = {"plain": None, "suffix automaton": SuffixDrafter(), "trusted": trusted, "draft model": ModelDrafter(pair.draft)}
found = compare(pair.target, [ids[:start] for ids, start in late], ways, k=K, max_new_tokens=48, repeats=1 if hurry else 2)
for row in found[1:]:
    predicted = speed(row.name, replayed(late, {row.name: drafters[row.name]}, K)[row.name])
    print(f"{row.name:17} {row.tokens_per_call:5.2f} tokens per call {row.speedup:6.2f} x plain, predicted {predicted:.2f}   "
          f"same text: {row.same_text}")

# %% [markdown]
# Copying costs nothing where it is silent: the round is then a plain step. Where it speaks and is wrong, it costs the reading
# of its tokens. Why is the prediction off? The clock also counts the reading of the prompt, which no draft makes shorter. And
# the prices were taken behind 40 tokens, passes of different widths in turn: behind 300 tokens, or after a pass of the same
# width, which finds its weights in the processor's caches, they are others.
#
# ## A real model
#
# SmolLM2-135M-Instruct on prompts of Spec-Bench, greedy, beside the same model alone in the same engine. It is the smallest
# of its family: there is no smaller one to draft for it, and none is needed. The third figure in a column says how much of
# what was kept can be found in the *prompt*: the rest the model copied from itself, since small models like to repeat
# themselves. **In which of the three of the first record, summaries, answers from documents, translations, will copying be of
# no use?**

# %%
for record in recorded():
    print(f"{record['label']}, k = {record['k']}, {record['engine']}; {record['hardware']}, {record['date']}")
    print("tokens per call, times the speed of the target alone, how much of what was kept stands in the prompt")
    print(as_grid(record))
    print(f"measured by: {record['command']}\n")

# %% [markdown]
# Translation should leave nothing to copy: its words are new. But this model hardly translates. Asked for English it says the
# German sentence over again, or goes round in circles, and both are copied with ease. Tokens per call say how easily a text
# is guessed, not how good it is. With a model that does translate expect what the bundled pair showed in a new article. Of
# the answers from documents, too, half of what was copied is the model's own repetition. (k = 4 was chosen after a run with k
# = 5, in which summaries were no faster than plain decoding: a round without a draft read k + 1 tokens then, and reads one
# today.) Prompt lookup keeps more tokens per call than the automaton and is slower in each row of both records: it also
# copies after one token, and four of five tokens that it drafts are read in vain.
#
# The second record has six kinds of prompts and answers twice as long. The longer this model writes, the more it repeats: of
# what the three that copy kept, only 26 to 29 % stands in the prompt. In all, the four are 1.33 to 1.39 times as fast as the
# model alone; which of them is ahead, 18 prompts cannot say. In writing, where there is least to copy, counts are ahead.
#
# To measure it yourself: `specdec fetch smollm2`, then the command above with a file of prompts of your own, one
# `{"category": "...", "turns": ["..."]}` a line.
#
# ### What real systems do
#
# | system | what it looks up | reported |
# |---|---|---|
# | Prompt lookup (Saxena 2023), measured by Spec-Bench on Vicuna-13B, A100 | prompt and output | 1.56x |
# | Hugging Face (transformers 5.23), `prompt_lookup_num_tokens` | the same; of several matches the *oldest* | |
# | REST (He et al. 2024), 7B and 13B models | a data base of text, in a suffix array | 1.62x to 2.36x |
# | SAM decoding (Hu et al. 2025) | suffix automata of the text and of a corpus | 18 % faster than the others that look up |
#
# The figures are those of the sources. None was measured here.
#
# **A challenge, without an answer of ours.** A copy that reaches the end of the text could go on into itself: `a b a b` goes
# on as `a b a b a b ...` (the package's drafters do that). What does it bring, on which of the four kinds of text? And
# `TrustedDrafter` knows two sources only: what does it gain from a third, the library?
#
# ## What to take along
#
# - What repeats can be copied. A match of one token is seldom enough in new text, and often where a text is written again.
# - Tables know the language, the text itself knows the subject, a library knows what was written before.
# - An index that grows with the text answers in constant time; going through the text does not.
# - Copying wins where text is written again, and has little to say where it is new. A combination has to know whom to trust.
# - Whatever is copied, the text stays the target's. A drafter may look anywhere.
#
# Sources: Blumer et al. 1985, "The smallest automaton recognizing the subwords of a text"; Manber and Myers 1993 (suffix
# arrays); Saxena 2023, prompt lookup decoding; He et al. 2024, "REST: retrieval-based speculative decoding"; Hu et al. 2025,
# "SAM decoding: speculative decoding via suffix automaton"; Xia et al. 2024 (Spec-Bench); transformers 5.23,
# `generation/candidate_generator.py`.

# %%
progress()
