# %% setup
from specdec_course.drafters.repeats import Guess
from specdec_course.figures.repeats import look_back

from specdec_course.checks import check, grade, hint, progress, solution, yours

# %% [markdown]
# # Does the text repeat itself?
#
# A name that was written once is often written again. You need no model to guess it: look back.

# %% exercise: last_seen

# %% [markdown]
# Now guess.

# %% exercise: guess_repeat

# %%
text = [3, 1, 4, 1, 5, 9, 2, 6, 5]
look_back(text, yours(guess_repeat)(text, 3).seen_at)

# %%
progress()
