"""Wrong rules for `eagle_inputs` and `eagle_rollout`: a table (id, what the student reads, the rules that behave so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

import torch

from .inputs import eagle_inputs
from .rollout import eagle_rollout

# --------------------------------------------------------------------------------------------------- eagle_inputs


def _before(features):
    return torch.cat([torch.zeros_like(features[:1]), features[:-1]])


def _behind(features):
    return torch.cat([features[1:], torch.zeros_like(features[:1])])


def _zero_row(rows):
    return torch.cat([torch.zeros_like(rows[:1]), rows[1:]])


def _interleaved(one, other):
    return torch.stack([one, other], -1).flatten(1)


for _id, _message, _rules in (
    ("not_shifted", "Your features are not shifted: row t has the state of position t, which has read token t already "
     "and was not there when it was drawn. It is the state of t - 1.", (lambda f, e: torch.cat([f, e], -1),)),
    ("shifted_back", "Your features are shifted the wrong way: row t has the state of position t + 1, which the draft "
     "cannot have yet.", (lambda f, e: torch.cat([_behind(f), e], -1), lambda f, e: torch.cat([f.roll(-1, 0), e], -1))),
    ("shifted_twice", "Your features are shifted by two places.",
     (lambda f, e: torch.cat([_before(_before(f)), e], -1),)),
    ("embeddings_shifted", "You shift the embeddings. It is the features that come one place later.",
     (lambda f, e: torch.cat([f, _behind(e)], -1), lambda f, e: torch.cat([f, _before(e)], -1),
      lambda f, e: torch.cat([f, e.roll(-1, 0)], -1))),
    ("both_shifted", "You shift both, features and embeddings: then each token stands beside its own state again.",
     (lambda f, e: torch.cat([_before(f), _before(e)], -1),)),
    ("goes_round", "The first row of yours has the state of the *last* position: torch.roll goes round. Nothing stands "
     "before the first token: zeros.", (lambda f, e: torch.cat([f.roll(1, 0), e], -1),)),
    ("first_repeated", "The first row of yours has the state of position 0. Nothing stands before the first token: "
     "zeros.",
     (lambda f, e: torch.cat([torch.cat([f[:1], f[:-1]]), e], -1),)),
    ("ones_first", "The first row of yours does not have zeros for the state that is not there.",
     (lambda f, e: torch.cat([torch.cat([torch.ones_like(f[:1]), f[:-1]]), e], -1),
      lambda f, e: torch.cat([torch.cat([e[:1], f[:-1]]), e], -1))),
    ("first_row_empty", "Your first row is zeros throughout. Only its state is missing; its token is there.",
     (lambda f, e: _zero_row(torch.cat([_before(f), e], -1)),)),
    ("halves_swapped", "Your halves have changed places: first the feature, then the embedding.",
     (lambda f, e: torch.cat([e, _before(f)], -1), lambda f, e: torch.cat([e, f], -1))),
    ("interleaved", "Your numbers take turns, one of the feature, one of the embedding. All of the feature comes "
     "first.",
     (lambda f, e: _interleaved(_before(f), e), lambda f, e: _interleaved(e, _before(f)))),
    ("first_left_out", "You leave out the first row. Its state is missing, and its token is there: zeros for the "
     "state.",
     (lambda f, e: torch.cat([f[:-1], e[1:]], -1),)),
    ("added", "You add feature and embedding. They stand beside each other: 2 * d numbers.",
     (lambda f, e: _before(f) + e,)),
    ("below_each_other", "You join them one below the other. They stand beside each other: dim=-1.",
     (lambda f, e: torch.cat([_before(f), e], 0), lambda f, e: torch.cat([f, e], 0))),
    ("stacked", "You stack them: a new dimension. They stand beside each other in one row of 2 * d numbers.",
     (lambda f, e: torch.stack([_before(f), e], 1), lambda f, e: torch.stack([_before(f), e], -1),
      lambda f, e: torch.stack([_before(f), e]))),
):
    eagle_inputs.mistake(_id, _message, imitate=_rules)
eagle_inputs.mistake("other_dtype", "Your answer comes back in another dtype than that of features and embeddings.")
eagle_inputs.help(r"Sizes of tensors must match|must have same number of dimensions", "Both halves have T rows: the "
                  "features lose their last row and get one of zeros, [1, d], in front.")
eagle_inputs.help(r"unsupported ScalarType BFloat16|Got unsupported", "numpy has no bfloat16; torch.cat does without.")


# -------------------------------------------------------------------------------------------------- eagle_rollout


def rollout(feature_for=None, token_for=None, pick=None, first=(), count=lambda k: k, start=None):
    """eagle_rollout with one thing changed. feature_for(given, states), token_for(newest, drafts): what a row reads,
    from all that there is; pick(logits): the draft."""

    def rule(step, feature, token, k):
        drafts, states, newest = [], [], int(token)
        given = start(feature) if start else feature
        for _ in range(count(k)):
            reads = feature_for(given, states) if feature_for else (states[-1] if states else given)
            with_token = token_for(newest, drafts) if token_for else (drafts[-1] if drafts else newest)
            logits, state = step(reads, with_token)
            states.append(state)
            drafts.append(int(pick(logits)) if pick else int(logits.argmax()))
        return torch.tensor([newest] * len(first) + drafts[: max(0, k - len(first))], dtype=torch.long)

    return rule


def _of_one_call(step, feature, token, k):
    logits, _ = step(feature, token)
    return logits.topk(min(k, len(logits))).indices


def _last_of_ties(logits):
    return len(logits) - 1 - int(logits.flip(0).argmax())


for _id, _message, _rules in (
    ("targets_state_again", "Every row of yours reads the target's state. Only the first one does: the others read the "
     "state that the row before them made.", (rollout(feature_for=lambda given, states: given),)),
    ("state_too_old", "Your rows read the state of two rows before. A row reads the state that step has just answered "
     "with.", (rollout(feature_for=lambda given, states: states[-2] if len(states) > 1 else given),)),
    ("first_state", "From the third row on you still read the state that the first row made.",
     (rollout(feature_for=lambda given, states: states[0] if states else given),)),
    ("states_added", "You add states up, or average them. A row reads the newest state alone.",
     (rollout(feature_for=lambda given, states: given + sum(states) if states else given),
      rollout(feature_for=lambda given, states: given + states[-1] if states else given),
      rollout(feature_for=lambda given, states: (given + states[-1]) / 2 if states else given))),
    ("newest_token_again", "Every row of yours reads the newest token of the text. Only the first one does: the others "
     "read the token that was drafted before them.", (rollout(token_for=lambda newest, drafts: newest),)),
    ("token_too_old", "Your rows read the token of two rows before: the one that was drafted last is missing.",
     (rollout(token_for=lambda newest, drafts: drafts[-2] if len(drafts) > 1 else newest),)),
    ("neither_again", "All your calls read the same: the target's state and the newest token.",
     (rollout(lambda given, states: given, lambda newest, drafts: newest),)),
    ("newest_is_a_draft", "You give back the newest token as the first draft. It stands in the text already.",
     (rollout(first=(0,)), lambda step, feature, token, k: rollout(first=(0,))(step, feature, token, k)[:k])),
    ("all_from_one_call", "You take the k best tokens of one call. They are k guesses for the *same* place; a draft "
     "is k places.", (_of_one_call,)),
    ("one_less", "You draft one token less, or one more, than k.",
     (lambda step, feature, token, k: rollout()(step, feature, token, k + 1),
      lambda step, feature, token, k: rollout()(step, feature, token, max(0, k - 1)))),
    ("smallest", "You take the smallest of the logits.", (rollout(pick=lambda logits: logits.argmin()),)),
    ("last_of_ties", "Of equal logits you take the last one. It is the first.", (rollout(pick=_last_of_ties),)),
    ("reversed", "Your drafts come in the reverse order.",
     (lambda step, feature, token, k: rollout()(step, feature, token, k).flip(0),)),
    ("nothing_to_begin_with", "Your first row does not read the target's state.",
     (rollout(start=torch.zeros_like), rollout(start=torch.ones_like))),
):
    eagle_rollout.mistake(_id, _message, imitate=_rules)
eagle_rollout.mistake("calls_often", "Your drafts are right, but step is called another number of times than k.")
