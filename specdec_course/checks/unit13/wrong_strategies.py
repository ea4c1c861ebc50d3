"""Wrong rules for the four strategies: tables (id, what the student reads, the rules that behave so).

Knows: these exercises' signatures, and what people write. Does not know: how a rule is tried out (engine), what is
right.
"""

from __future__ import annotations

import math
import statistics

from .budgets import force_budget
from .routes import route
from .steps import speculative_step
from .votes import vote_until

# --------------------------------------------------------------------------------------------------- force_budget


def forced(limit=lambda budget, prompt: budget, thinks=None, reads=lambda prompt, own: prompt + own, stops=None,
           answers=None, mark_first=True, count=lambda thought: thought, keep_end=False, answer_reads=None,
           always=False):  # fmt: skip
    """force_budget with one thing changed."""

    def rule(next_token, prompt, budget, mark, end, longest=8):
        own, most = [], limit(budget, prompt)
        while len(own) < most:
            token = int(next_token(reads(list(prompt), own)))
            if not always and token in ((mark, end) if stops is None else stops(mark, end)):
                if keep_end and token == end:
                    return [*prompt, *own, end], len(own)
                break
            own.append(token)
        thought = len(own)
        own += [mark] if mark_first else []
        answer = []
        for _ in range((answers or (lambda longest, budget, thought: longest))(longest, budget, thought)):
            before = [*prompt, *own, *answer] if answer_reads is None else answer_reads(list(prompt), own, answer)
            answer.append(int(next_token(before)))
            if answer[-1] == end:
                break
        return [*prompt, *own, *answer], count(thought)

    return rule


def _marks_of_the_prompt(next_token, prompt, budget, mark, end, longest=8):
    ids, thought = list(prompt), 0
    while thought < budget and mark not in ids and end not in ids:
        token = int(next_token(ids))
        if token in (mark, end):
            break
        ids, thought = [*ids, token], thought + 1
    ids.append(mark)
    for _ in range(longest):
        ids.append(int(next_token(list(ids))))
        if ids[-1] == end:
            break
    return ids, thought


for _id, _message, _rules in (
    ("prompt_counted", "Your budget includes the prompt. It is about the thinking: neither the prompt nor the mark nor "
     "the answer is in it.",
     (forced(lambda budget, prompt: budget - len(prompt)),
      lambda n, p, b, m, e, long=8: (lambda found: (found[0], found[1] + len(p)))(forced(
          lambda budget, prompt: budget - len(prompt))(n, p, b, m, e, long)))),
    ("one_too_few", "You think one token less than the budget. Is the mark counted as one?",
     (forced(lambda budget, prompt: max(0, budget - 1)), forced(lambda budget, prompt: budget - 1))),
    ("one_too_many", "You think one token more than the budget.", (forced(lambda budget, prompt: budget + 1),)),
    ("no_budget", "Your model thinks as long as it likes.", (forced(lambda budget, prompt: 10_000),)),
    ("mark_not_forced", "At the budget you stop the thinking, and put no mark there: the model does not know that it "
     "has to answer.", (forced(mark_first=False),)),
    ("end_of_itself_missed", "You do not stop where the model says the mark by itself.",
     (forced(always=True), forced(stops=lambda mark, end: (end,)))),
    ("end_taken_for_thinking", "A model that says `end` while it thinks goes on thinking with you. The mark is put in "
     "the place of that end.", (forced(stops=lambda mark, end: (mark,)),)),
    ("ends_without_answer", "A model that says `end` while it thinks never answers with you: the mark is put in the "
     "place of that end.", (forced(keep_end=True),)),
    ("prompt_forgotten", "Your model does not read the prompt.", (forced(reads=lambda prompt, own: own),)),
    ("thinking_forgotten", "Your model answers without having read what it thought.",
     (forced(answer_reads=lambda prompt, own, answer: [*prompt, own[-1], *answer]),)),
    ("answer_in_the_budget", "Your budget includes the answer. The answer has `longest` tokens whatever the thinking "
                             "took.",
     (forced(answers=lambda longest, budget, thought: max(0, min(longest, budget - thought))),)),
    ("no_answer", "You stop behind the mark: there is no answer.", (forced(answers=lambda *_: 0),)),
    ("first_token_only", "Of the answer you take one token only.", (forced(answers=lambda *_: 1),)),
    ("mark_counted", "You count the mark as thinking.", (forced(count=lambda thought: thought + 1),)),
    ("marks_of_the_prompt", "A mark or an end in the prompt stops your thinking. Only what the model writes counts.",
     (_marks_of_the_prompt,)),
):
    force_budget.mistake(_id, _message, imitate=_rules)
force_budget.mistake("calls_often", "Right, but the model is asked for more tokens than are needed.")


# ---------------------------------------------------------------------------------------------------------- route


def routed(confidence=math.prod, at_least=lambda c, t: c >= t, spent=lambda fast, slow: fast + slow, empty=False,
           swap=False):  # fmt: skip
    """route with one thing changed."""

    def rule(fast, slow, prompt, threshold):
        answer, probabilities = fast(prompt)
        if len(answer) or empty:
            sure = at_least(confidence([float(p) for p in probabilities] or [1.0]), threshold)
        else:
            sure = False
        if sure is not swap:
            return list(answer), spent(len(answer), 0)
        thought = list(slow(prompt))
        return thought, spent(len(answer), len(thought))

    return rule


for _id, _message, _rules in (
    ("fast_is_free", "You do not count the fast answer that was not taken. It was written, and paid for.",
     (routed(spent=lambda fast, slow: slow or fast),)),
    ("mean", "Your confidence is the mean of the probabilities. The whole answer is right only if all its tokens are: "
     "their product.", (routed(statistics.fmean), routed(lambda p: math.prod(p) ** (1 / len(p))))),
    ("least", "Your confidence is the least of the probabilities. The whole answer needs all of them: their product.",
     (routed(min),)),
    ("largest", "Your confidence is the largest of the probabilities: the surest token says little of the others.",
     (routed(max),)),
    ("one_token", "You look at one token of the answer only.", (routed(lambda p: p[0]), routed(lambda p: p[-1]))),
    ("summed", "You add the probabilities up: that is no probability.", (routed(sum),)),
    ("swapped", "You think where the fast answer is sure, and take it where it is not.", (routed(swap=True),)),
    ("never_thinks", "You always take the fast answer.", (routed(at_least=lambda c, t: True, empty=True),)),
    ("always_thinks", "You always think.", (routed(at_least=lambda c, t: False),)),
    ("empty_is_sure", "An empty answer is no answer: the product of nothing is 1, and you take it.",
     (routed(empty=True),)),
    ("above_only", "Exactly on the threshold the fast answer is taken.", (routed(at_least=lambda c, t: c > t),)),
    ("fast_counted_twice", "You count the tokens of the fast answer twice, or one too many.",
     (routed(spent=lambda fast, slow: 2 * fast + slow), routed(spent=lambda fast, slow: fast + slow + 1))),
):
    route.mistake(_id, _message, imitate=_rules)
route.mistake("calls_often", "Right, but fast or slow is asked more often than is needed.")


# ----------------------------------------------------------------------------------------------- speculative_step


def stepped(least=min, at_least=lambda c, t: c >= t, rewrite=lambda ids, step: ids, keep=lambda ids, step,
            own: ids + own,
            stop=lambda step, own, stays, end: own[-1] == end, most=lambda n: n, reads=lambda ids, begin: ids,
            note=lambda stays: stays, scored=lambda ids, step: ids):  # fmt: skip
    """speculative_step with one thing changed."""

    def rule(small, large, score, ids, threshold, end, max_steps):
        begin, ids, kept = len(ids), list(ids), []
        while len(kept) < most(max_steps):
            step = list(small(reads(ids, begin)))
            stays = at_least(least([float(p) for p in score(scored(list(ids), step), step)]), threshold)
            own = step if stays else list(large(rewrite(list(ids), step)))
            kept.append(note(bool(stays)))
            ids = keep(ids, step, own)
            if stop(step, own, stays, end):
                break
        return ids, kept

    return rule


for _id, _message, _rules in (
    ("mean",
     "You judge a step by the mean of its probabilities. One wrong digit hides there: it is the least that counts.",
     (stepped(statistics.fmean), stepped(lambda p: math.prod(p) ** (1 / len(p))))),
    ("product",
     "You judge a step by the product of its probabilities, so long steps seldom stay. It is the least that counts.",
     (stepped(math.prod),)),
    ("largest", "You judge a step by the largest of its probabilities.", (stepped(max),)),
    ("one_token", "You judge a step by one of its tokens.", (stepped(lambda p: p[0]), stepped(lambda p: p[-1]))),
    ("above_only", "A step whose least probability is exactly the threshold stays.", (stepped(at_least=lambda c,
                                                                                              t: c > t),)),
    ("swapped", "You keep the steps that are not probable enough, and have the others rewritten.",
     (stepped(at_least=lambda c, t: c < t),)),
    ("never_rewritten", "All of the small model's steps stay with you.", (stepped(at_least=lambda c, t: True),)),
    ("always_rewritten", "None of the small model's steps stays with you.", (stepped(at_least=lambda c, t: False),)),
    ("goes_on_from_the_step",
     "The large model of yours reads the step that did not stay, and goes on behind it. It writes "
     "*this* step, from the text before it.", (stepped(rewrite=lambda ids, step: ids + step),)),
    ("both_stay", "A step that did not stay is still in your text, with the large model's behind it.",
     (stepped(keep=lambda ids, step, own: ids + step if step == own else ids + step + own),
      stepped(rewrite=lambda ids, step: ids + step,
              keep=lambda ids, step, own: ids + step if step == own else ids + step + own))),
    ("dropped", "A step that does not stay is missing in your text: the large model has to write it.",
     (stepped(keep=lambda ids, step, own: ids + step if step == own else ids),)),
    ("rejected_end_stops", "An `end` in a step that did not stay stops your thought. It goes with the step.",
     (stepped(stop=lambda step, own, stays, end: step[-1] == end),
      stepped(stop=lambda step, own, stays, end: step[-1] == end or own[-1] == end))),
    ("large_end_missed", "You stop only where the small model's step ends the text; the large model's may, too.",
     (stepped(stop=lambda step, own, stays, end: stays and own[-1] == end),)),
    ("end_inside", "An `end` in the middle of a step stops your thought. Only one that is the step's last id does.",
     (stepped(stop=lambda step, own, stays, end: end in own),)),
    ("scored_behind_itself", "`score` is given a text that holds the step already. It asks how probable the step is "
     "*behind* the text: without it.", (stepped(scored=lambda ids, step: [*ids, *step]),)),
    ("end_missed", "You never stop at `end`.", (stepped(stop=lambda *_: False),)),
    ("one_step", "You write one step only.", (stepped(stop=lambda *_: True),)),
    ("prompt_forgotten", "Your small model does not read the prompt.", (stepped(reads=lambda ids, begin: ids[begin:]),
                                                                        )),
    ("reads_the_prompt_only", "Your small model reads nothing but the prompt, for every step.",
     (stepped(reads=lambda ids, begin: ids[:begin]),)),
    ("notes_the_rewritten", "Your list says which steps were rewritten. It says which stayed.",
     (stepped(note=lambda stays: not stays),)),
    ("one_more", "You write one step more, or less, than max_steps.",
     (stepped(most=lambda n: n + 1), stepped(most=lambda n: max(0, n - 1)))),
):
    speculative_step.mistake(_id, _message, imitate=_rules)
speculative_step.mistake("calls_often", "Right, but somebody writes or scores more than is needed.")


# ----------------------------------------------------------------------------------------------------- vote_until


def voted(certain, pick=None, nones=False, report=lambda used, votes: used):
    """vote_until with its own rule of when to stop. certain(votes, rest, most): votes is {answer: count}."""

    def rule(think, most):
        votes, used = {}, 0
        while used < most:
            answer, used = think(), used + 1
            if answer is not None or nones:
                votes[answer] = votes.get(answer, 0) + 1
            if votes and certain(votes, most - used, most):
                break
        winner = (pick or (lambda votes: max(votes, key=votes.get)))(votes) if votes else None
        return winner, report(used, votes)

    return rule


def _ranked(votes) -> list[int]:
    return sorted(votes.values(), reverse=True) + [0]


def _exactly(votes, rest, most) -> bool:
    leader, before = max(votes, key=votes.get), True
    for answer, count in votes.items():
        if answer == leader:
            before = False
        elif count + rest > votes[leader] - before:
            return False
    return rest <= votes[leader]


def _last_of_equals(votes):
    return max(reversed(list(votes)), key=votes.get)


def _certain_if_last_wins(votes, rest, most) -> bool:
    leader = _last_of_equals(votes)
    rivals = [count for answer, count in votes.items() if answer != leader]
    return max([0, *rivals]) + rest < votes[leader]


for _id, _message, _rules in (
    ("never_early", "You always ask for all chains. Stop as soon as the rest cannot change the winner.",
     (voted(lambda votes, rest, most: False),)),
    ("majority_of_all", "You wait until an answer has more than half of all chains. Most votes win, and that may be "
     "certain earlier.", (voted(lambda votes, rest, most: _ranked(votes)[0] > most / 2),
                  voted(lambda votes, rest, most: _ranked(votes)[0] >= most / 2),
                  voted(lambda votes, rest, most: _ranked(votes)[0] >= most // 2 + 1))),
    ("too_soon", "You stop while a rival could still get as many votes and win, for it was given before.",
     (voted(lambda votes, rest, most: _ranked(votes)[0] - _ranked(votes)[1] >= rest),)),
    ("too_late", "You stop one chain too late where the leader was given before its rivals: it wins with as "
     "many votes.",
     (voted(lambda votes, rest, most: _ranked(votes)[0] - _ranked(votes)[1] > rest),)),
    ("two_agree", "You stop as soon as two chains agree.", (voted(lambda votes, rest, most: _ranked(votes)[0] >= 2),
                                                           voted(lambda votes, rest, most: _ranked(votes)[0] >= 3))),
    ("first_answer", "You stop as soon as one answer is ahead of the others, which the first one is at once. The "
     "chains to come may still say something else.",
     (voted(lambda votes, rest, most: _ranked(votes)[0] > _ranked(votes)[1]),)),
    ("none_votes", "You count None as a vote. A chain without an answer has no say.",
     (voted(_exactly, nones=True),)),
    ("none_not_used", "Chains without an answer are missing in your count: they were paid for.",
     (voted(_exactly, report=lambda used, votes: sum(votes.values())),)),
    ("last_of_equals", "Of answers with as many votes you take the one that was given last, or the largest, or the "
     "smallest. It is the one given first.",
     (voted(_certain_if_last_wins, _last_of_equals), voted(_exactly, _last_of_equals),
      voted(_exactly, lambda votes: max(votes, key=lambda one: (votes[one], one))),
      voted(_exactly, lambda votes: max(votes, key=lambda one: (votes[one], -one))))),
    ("newest", "You give the newest answer, or the first one, and not the one with most votes.",
     (voted(_exactly, lambda votes: list(votes)[-1]), voted(_exactly, lambda votes: next(iter(votes))))),
    ("largest", "You give the largest answer, or the smallest, and not the one with most votes.",
     (voted(_exactly, max), voted(_exactly, min))),
    ("fewest", "You give the answer with fewest votes.", (voted(_exactly, lambda votes: min(votes, key=votes.get)),)),
    ("one_off", "You count one chain too many or too few.", (voted(_exactly, report=lambda used, votes: used - 1),
                                                            voted(_exactly, report=lambda used, votes: used + 1))),
):
    vote_until.mistake(_id, _message, imitate=_rules)
vote_until.mistake("calls_often", "Right, but the model thinks more often than you say.")
