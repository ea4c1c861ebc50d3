# %% setup
import json
import time

import numpy as np
import torch

from specdec_course import Sampling, generate
from specdec_course.checks import check, grade, hint, progress, solution
from specdec_course.common.guess import you_said
from specdec_course.common.paths import data_path
from specdec_course.figures.project import kept_by_place
from specdec_course.figures.rounds import strip, token_pieces
from specdec_course.measure import clocks, project

# %% [markdown]
# # The final project: a drafter of your own
#
# **You will** build a drafter for the bundled target, any drafter, within a minute of training and 1.5 million bytes.
#
# **You need** units 02, 03 and 08. Ideas may come from all of them.
#
# The bundled target's draft model was trained together with it, in an hour. **How far does one get in a minute, with all that you know by now
# about this target and its text?**
#
# **A guess before you go on.** A draft has up to six tokens here. How many tokens per call will your best drafter reach?

# %%
my_guess = None  # plain decoding: 1; at most 7

# %% [markdown]
# ## The task
#
# Your class learns from texts, in `train`. What that returns, a dict of tensors, is all that is carried on: the class is made
# of it anew for every text (it may remember the texts before), and then asked for drafts. While a class is graded `train` runs in one sandbox and all the rest in
# another, in which nothing else of the training is left.
#
# | budget | |
# |---|---|
# | training | 60 seconds of processor time, one thread; a tenth more is let pass |
# | numbers and code | at most 1,500,000 bytes, at most 30,000 of them the code of your notebook's own cells |
# | knowledge | is learned in `train`, from what that is given: no tables or weights in the code that were made elsewhere |
# | making | `__init__` has 2 seconds for a text, on average |
# | a draft | a draft of at most k tokens, k = 6; it may be empty. It is checked greedily, as in unit 03 |
# | work | in `train`, `__init__` and `propose` alone: what goes on while the target works is counted, too; much of it gets no points |
#
# Twelve hidden prompts are continued greedily, by 96 tokens each. The **cost-adjusted speed-up** is the number of tokens per
# call divided by 1 + (time to draft for a call / time of a step of the target). By the clock the two longest drafts of all
# count like the third, since a machine may stand still; what the processor works for them is counted in full.
#
# | what is reached | points |
# |---|---|
# | at least 1.3 tokens per call | 1 |
# | at least 1.6 tokens per call | 2 more |
# | at least 2.0 tokens per call: you have passed | 3 more |
# | at least 2.3 tokens per call | 1 more |
# | a cost-adjusted speed-up of at least 1.3 | 1 |
# | a cost-adjusted speed-up of at least 1.6 | 1 more |
# | a cost-adjusted speed-up of at least 1.9 | 1 more |
#
# A bar counts from 97 % of it on, since prompts differ. Beyond a budget, or with a speed-up below 1, nothing counts.
#
# Read on to the end before you begin: below stand a first drafter, tools to measure, and ideas. Functions and constants of
# your own may stand in other cells. `check` takes half a minute or more.

# %% exercise: ProjectDrafter

# %% [markdown]
# ## A first one, which earns little
#
# The table of unit 02, in the form that is asked for. Start from it, or from nothing.


# %%
class FirstDrafter:
    @staticmethod
    def train(texts, words, seconds):
        pairs = texts[:, :-1] * len(words) + texts[:, 1:]
        counts = torch.bincount(pairs.flatten(), minlength=len(words) ** 2).view(len(words), len(words))
        return {"next": counts.argmax(-1).to(torch.int16)}

    def __init__(self, state):
        self.next = state["next"].tolist()

    def propose(self, ids, k):
        draft = [int(ids[-1])]
        while len(draft) <= k:
            draft.append(self.next[draft[-1]])
        return torch.tensor(draft[1:])


# %% [markdown]
# These are the tools to measure with. The prompts to practise on are others than the hidden ones, of the same kind.

# %% folded
# measures a drafter: seconds to train it, its bytes, tokens per call, cost-adjusted speed-up
hurry = clocks.in_a_hurry()  # True while this notebook is only being marked
texts, words = project.training_texts(), project.words()
print(f"texts: {texts.numel():,} tokens in pieces of {texts.shape[1]}; words: {len(words):,}, such as {words[300:304]}")


def measured(drafter, seed=0):
    began = time.process_time()
    state = drafter.train(texts, words, project.SECONDS)
    seconds, size = time.process_time() - began, len(project.packed(state))
    trial = project.practised(drafter, state, prompts=1 if hurry else 4, seed=seed)
    print(f"{drafter.__name__:16} {seconds:5.1f} s, {size:9,} bytes, {trial.tokens_per_call:.2f} tokens per call, "
          f"cost-adjusted speed-up {trial.speedup:.2f}")
    return state, trial


first_state, first = measured(FirstDrafter)

# %%
Mine, state, mine = FirstDrafter, first_state, first
try:
    state, mine = measured(ProjectDrafter)
    Mine = ProjectDrafter
except NotImplementedError:
    print("ProjectDrafter is not written yet: below stands FirstDrafter")
print(f"{mine.tokens_per_call:.2f} tokens per call", you_said(my_guess))
kept_by_place({"FirstDrafter": first.places, Mine.__name__: mine.places}, "Two drafters.")

# %% [markdown]
# **Where does it fail?** Read the text. Nobody can know a name that stands there for the first time. But what about the word
# *behind* a name, or a number that has been written before?

# %%
pair = project.classroom_pair()
prompt = project.hidden_prompts(3, "validation")[0]
drafter = project.plain_drafter(Mine(state))
out = generate(pair.target, prompt, drafter, project.K, Sampling(temperature=0.0), project.NEW)
strip(token_pieces(pair.tokenizer, out.tokens[len(prompt) :]), out.trace.rounds)

# %% [markdown]
# ## What others reach
#
# All drafters of the course for the same target, measured with k = 4 (you have 6):

# %%
record = json.loads(data_path("measurements", "classroom_drafters.json").read_text(encoding="utf-8"))
for row in sorted(record["rows"], key=lambda row: -row["tokens_per_call"]):
    if row["name"].startswith("T = 0"):
        print(f"{row['name'].removeprefix('T = 0: '):14} {row['tokens_per_call']:.2f} tokens per call")
print(record["hardware"], record["date"])

# %% [markdown]
# ### Ideas
#
# - **Longer contexts with back-off** (unit 08). Which entries are worth their bytes? How many tokens does each put right?
# - **Copies** from the text itself (unit 08). When is a copy to be trusted more than a table? That may be asked at every token
#   of a draft, not once for all of it.
# - **What the target would write** is what you have to guess, not what stands in the texts. While it is graded, `train` has no target to ask.
# - **Look at `words`**: what do names, numbers and months have in common? A table that takes all names for one word knows how
#   a sentence goes on behind any of them.
# - **A small network** (units 09 to 11): one layer, a bottleneck before the output, weights in int8. Count the seconds first:
#   operations per token times tokens.
# - Drafting costs time as well. Is the sixth guess worth its share?
#
# ### How it is graded, and what does not work
#
# The target runs outside of your sandbox, and so do the clock, the verification and the choice of prompts. There are no
# models and no package in there, and no files outlive the training. Your cells are run again, and then there is the dict: a
# variable that `train` has set is as it was before. In this notebook, where `check` runs in your own process, the
# same rules hold, but nothing enforces them: what depends on a global variable that `train` has set works here and fails there.
#
# Whoever trains for a time, and not for a number of steps, gets another drafter on a slower machine. Leave some seconds unused.
#
# The speed-up is measured by a clock: near a bar it may fall on either side of it.
#
# ## What to take along
#
# - A drafter is worth what is accepted, less what it costs. Neither says anything by itself.
# - What a drafter knows about *this* text may beat a model that knows more about text in general.
# - A budget that is counted from outside is one that nobody has to be trusted with.

# %%
progress()
