"""How to spend fewer tokens on thinking: the four strategies of unit 13, as loops around functions that write.

`force_budget` cuts the thinking, `route` leaves it out where the model is sure, `speculative_step` has a small model do
most of it, `vote_until` stops asking for more chains when they cannot matter. Knows: when to ask whom, and what was
spent. Does not know: models (chains), problems. All four are LOSSY: the text need not be the one that the large model
would have written.
"""

from __future__ import annotations

import math


def force_budget(next_token, prompt, budget, mark, end, longest=8):
    """LOSSY. Let a model think for at most `budget` tokens, then have it answer.

    Args:
        next_token: Callable, list of int -> int: the model. It reads the whole text so far, prompt included, and says
            the next token.
        prompt: list of int. It may hold any ids, `mark` and `end` among them: only what the model writes counts.
        budget: how many tokens of thinking at most, >= 0. Neither the prompt nor the mark nor the answer is thinking.
        mark: the id that ends the thinking; behind it stands the answer.
        end: the id that ends the text.
        longest: how many tokens of answer at most, `end` included, >= 1.

    The model thinks until it says `mark` by itself or has thought `budget` tokens; then `mark` is put there without
    asking it. A model that says `end` while it thinks has not answered: `mark` is put in the place of that `end`.
    Behind `mark` it answers, until it says `end`, which stays, or has said `longest` tokens. The model is asked for a
    token only where the token is needed: never for one that is put there anyway, and not behind the end.

    Returns:
        (ids, thought): list of int, prompt, thinking, mark and answer in one; int, how many tokens of thinking.

    Source: Muennighoff et al. 2025, "s1: simple test-time scaling", arXiv 2501.19393, section 3.1 (budget forcing).
    """
    ids, thought = list(prompt), 0
    while thought < budget:
        token = int(next_token(list(ids)))
        if token in (mark, end):
            break
        ids.append(token)
        thought += 1
    ids.append(mark)
    for _ in range(longest):
        ids.append(int(next_token(list(ids))))
        if ids[-1] == end:
            break
    return ids, thought


def route(fast, slow, prompt, threshold):
    """LOSSY. Answer at once where the model is sure of its answer, and think where it is not.

    Args:
        fast: Callable, prompt -> (answer, probabilities): the answer without thinking, a list of int, and the
            probability, above 0, that the model gave to each of its tokens, a list of as many floats.
        slow: Callable, prompt -> list of int: thinking and answer.
        prompt: list of int, handed on as it is.
        threshold: a float. The fast answer is taken if it is not empty and its confidence, the probability of the
            *whole* answer (the product over its tokens), is at least the threshold.

    `fast` is asked once. `slow` is asked once if the fast answer is not taken, else never.

    Returns:
        (answer, spent): list of int, what was written in the end; int, how many tokens were written in all, those of a
        fast answer that was not taken among them. The prompt is not counted.

    Source: the idea of Ong et al. 2024, "RouteLLM", arXiv 2406.18665, and of many others who switch between fast and
    slow answers; there a router decides that was trained for it, here the model's own probability does.
    """
    answer, probabilities = fast(prompt)
    if len(answer) and math.prod(float(p) for p in probabilities) >= threshold:
        return list(answer), len(answer)
    thought = slow(prompt)
    return list(thought), len(answer) + len(thought)


def speculative_step(small, large, score, ids, threshold, end, max_steps):
    """LOSSY. A small model writes the steps of a thought; the large one keeps each, or throws it away and writes its
    own.

    Args:
        small, large: Callable, list of int -> list of int: the next step behind a text, of at least one token. They
            read the whole text so far, prompt included.
        score: Callable, (text, step) -> list of float: the probability that the large model gives to each token of a
            step behind a text; it takes one pass.
        ids: list of int, the prompt.
        threshold: a step of the small model stays if the *least* of its probabilities is at least the threshold: one
            wrong digit spoils a step, however probable the rest of it is. With 0 every step stays.
        end: the id that ends a text. A step that stays and whose last id is `end` is the last step, whoever wrote it.
        max_steps: at most so many steps, >= 0.

    The small model writes every step first. What it wrote goes as a whole if it does not stay, an `end` in it as well;
    the large model then writes this step, from the text before it. Its own steps are not scored, and it writes none
    where the small one's stays.

    Returns:
        (ids, kept): list of int, the prompt and all steps; list of bool, for every step whether the small model's
        stayed.

    Source: Pan et al. 2025, "SpecReason: fast and accurate inference-time compute via speculative reasoning", arXiv
    2504.07891. There the large model says in words how good a step is.
    """
    ids, kept = list(ids), []
    while len(kept) < max_steps:
        step = list(small(list(ids)))
        kept.append(bool(min(float(p) for p in score(list(ids), list(step))) >= threshold))
        ids += step if kept[-1] else list(large(list(ids)))
        if ids[-1] == end:
            break
    return ids, kept


def vote_until(think, most):
    """LOSSY. Ask for chains of thought one by one, until no answer that may still come can change which answer wins.

    Args:
        think: Callable without arguments: has the model think once more, which costs a chain of thought. It returns the
            answer, an int, or None where the chain came to no answer.
        most: how many chains at most, >= 1.

    Every answer but None is a vote. The winner is the answer with most votes; of several with as many, the one that was
    given first. Asking ends as soon as the winner is certain: whatever the rest of the `most` chains may say, answers
    that nobody has given so far and None among it, the same answer wins.

    Returns:
        (winner, used): int, or None where nobody voted; int, how many chains were asked for, None among them.

    Source: Wang et al. 2022, "Self-consistency improves chain of thought reasoning in language models", arXiv
    2203.11171, for the vote; Li et al. 2024, "Escape sky-high cost: early-stopping self-consistency for multi-step
    reasoning", arXiv 2401.10480, for the idea to stop early. (Theirs stops when a window of answers agrees; the winner
    may still change.)
    """
    votes = {}  # in the order in which they were first given
    for used in range(1, most + 1):
        answer, rest = think(), most - used
        if answer is not None:
            votes[answer] = votes.get(answer, 0) + 1
        order = list(votes)
        winner = max(order, key=votes.get, default=None)  # of equals the first
        # What a rival can still get; one that was given before the winner wins with as many votes. New ones have none.
        reach = [count + rest + (order.index(one) < order.index(winner))
                 for one, count in votes.items() if one != winner]  # fmt: skip
        if votes and max(rest, *reach, 0) <= votes[winner]:
            break
    return winner, used
