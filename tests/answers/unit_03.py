"""Unit 03: right answers written in other ways, and the mistakes that students make."""

from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import torch

from answers import right, wrong
from specdec_course.trace import Decoded, Round
from specdec_course.verification import verify_greedy

# accepted_length ----------------------------------------------------------------------------------------------------


@right("accepted_length")
def loop_with_break(draft, choice):
    n = 0
    for a, b in zip(draft.tolist(), choice.tolist(), strict=False):
        if a != b:
            break
        n += 1
    return n


@right("accepted_length")
def where_they_differ(draft, choice):
    k = draft.shape[0]
    differ = (draft != choice[:k]).nonzero().flatten()
    return differ[0] if differ.numel() else torch.tensor(k)  # a 0-d tensor


@right("accepted_length")
def numpy_logical_and(draft, choice):
    same = np.asarray(draft) == np.asarray(choice)[: len(draft)]
    return np.logical_and.accumulate(same).sum()  # a numpy integer


@right("accepted_length")
def argmax_with_a_sentinel(draft, choice):
    differ = torch.cat([draft != choice[: len(draft)], torch.tensor([True])])
    return differ.int().argmax().item()


@right("accepted_length")
def recursive(draft, choice):
    if len(draft) == 0 or draft[0] != choice[0]:
        return 0
    return 1 + recursive(draft[1:], choice[1:])


@right("accepted_length")
def longest_equal_prefix(draft, choice):
    return max(i for i in range(len(draft) + 1) if torch.equal(draft[:i], choice[:i]))


@wrong("accepted_length", named="counts_all")
def all_matches(draft, choice):
    return sum(int(a == b) for a, b in zip(draft, choice, strict=False))


@wrong("accepted_length", named="counts_all")
def all_matches_with_numpy(draft, choice):
    return np.count_nonzero(draft.numpy() == choice.numpy()[: len(draft)])


@wrong("accepted_length", named="one_too_many")
def counts_the_first_disagreement(draft, choice):
    n = 0
    for i in range(len(draft)):
        n += 1
        if draft[i] != choice[i]:
            break
    return n


@wrong("accepted_length", named="one_too_many")
def counts_the_targets_token(draft, choice):
    agrees = (draft == choice[: len(draft)]).int()
    return int(torch.cumprod(agrees, 0).sum()) + 1


@wrong("accepted_length", named="misses_full_agreement")
def first_difference_by_argmax(draft, choice):
    if draft.numel() == 0:
        return 0
    return np.argmax((draft != choice[: len(draft)]).numpy())


@wrong("accepted_length", says="a search for the first difference finds none")
def index_of_the_first_difference(draft, choice):
    return int((draft != choice[: len(draft)]).nonzero()[0])


@wrong("accepted_length", says="The draft may be empty (k = 0)")
def crashes_on_an_empty_draft(draft, choice):
    agrees = draft == choice[: len(draft)]
    return len(draft) if agrees.min() else int((~agrees).int().argmax())


@wrong("accepted_length", named="all_or_nothing")
def all_or_nothing(draft, choice):
    return len(draft) if torch.equal(draft, choice[: len(draft)]) else 0


@wrong("accepted_length", named="counts_differences")
def counts_disagreements(draft, choice):
    return int((draft != choice[: len(draft)]).sum())


@wrong("accepted_length", named="last_match")
def last_match(draft, choice):
    found = (draft == choice[: len(draft)]).nonzero().flatten()
    return int(found[-1]) + 1 if len(found) else 0


@wrong("accepted_length", named="starts_again")
def trailing_run(draft, choice):
    return int((draft == choice[: len(draft)]).long().flip(0).cumprod(0).sum())


@wrong("accepted_length", named="never_the_last")
def drops_the_last_place(draft, choice):
    n = 0
    while n < len(draft) - 1 and draft[n] == choice[n]:
        n += 1
    return n


@wrong("accepted_length", says="compare only as many as there are drafted tokens")
def compares_without_cutting(draft, choice):
    return int((draft == choice).long().cumprod(0).sum())


@wrong("accepted_length", named="next_place")
def one_row_late(draft, choice):
    return int((draft[: len(choice) - 1] == choice[1 : len(draft) + 1]).long().cumprod(0).sum())


# verify_greedy ------------------------------------------------------------------------------------------------------


@right("verify_greedy")
def row_by_row(draft, logits):
    out = []
    for i in range(len(logits)):
        token = int(torch.argmax(logits[i]))
        out.append(token)
        if i == len(draft) or token != int(draft[i]):
            break
    return torch.tensor(out)


@right("verify_greedy")
def only_the_targets_choices(draft, logits):
    choice = logits.max(-1).indices
    n = int((draft == choice[:-1]).long().cumprod(0).sum())
    return choice[: n + 1]  # the accepted tokens are the target's choices too


@right("verify_greedy")
def with_numpy(draft, logits):
    choice = logits.numpy().argmax(1)
    n = 0
    while n < len(draft) and draft[n].item() == choice[n]:
        n += 1
    return torch.from_numpy(np.append(draft.numpy()[:n], choice[n]))


@right("verify_greedy")
def as_a_list(draft, logits):
    choice, draft = logits.argmax(-1).tolist(), draft.tolist()
    for i, token in enumerate(draft):
        if token != choice[i]:
            return torch.tensor(draft[:i] + [choice[i]])
    return torch.tensor(draft + choice[-1:])


def _choice(logits):
    return logits.argmax(-1)


def _run(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n


@wrong("verify_greedy", named="off_by_one")
def judged_by_the_next_row(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice[1:])
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="off_by_one")
def judged_by_the_next_row_and_corrected_from_it(draft, logits):
    choice = _choice(logits)[1:]
    n = _run(draft, choice)
    return torch.cat([draft[:n], choice[n].view(1)])


@wrong("verify_greedy", named="off_by_one")
def cuts_off_the_first_row(draft, logits):
    choice = logits[1:].argmax(-1)
    n = int((draft == choice).long().cumprod(0).sum())
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="off_by_one")
def first_token_never_judged(draft, logits):
    choice = _choice(logits)
    if len(draft) == 0:
        return choice
    n = 1 + int((draft[1:] == choice[: len(draft) - 1]).long().cumprod(0).sum())
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="counts_all")
def keeps_as_many_as_match(draft, logits):
    choice = _choice(logits)
    n = int((draft == choice[: len(draft)]).sum())
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="counts_all")
def keeps_the_ones_that_match(draft, logits):
    choice = _choice(logits)
    same = draft == choice[: len(draft)]
    return torch.cat([draft[same], choice[same.sum()].view(1)])


@wrong("verify_greedy", named="counts_all")
def goes_on_after_a_mismatch(draft, logits):
    out = []
    for token, own in zip(draft.tolist(), _choice(logits).tolist(), strict=False):
        if token == own:
            out.append(token)
    return torch.tensor(out + [_choice(logits).tolist()[len(out)]])


@wrong("verify_greedy", named="no_bonus")
def stops_after_full_acceptance(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return draft.clone() if n == len(draft) and n else torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="no_bonus")
def ignores_the_last_row(draft, logits):
    choice = _choice(logits[:-1]) if len(logits) > 1 else _choice(logits)
    n = _run(draft, choice)
    return choice[: n + 1]


@wrong("verify_greedy", named="no_bonus")
def loop_without_else(draft, logits):
    out = []
    for i, token in enumerate(draft.tolist()):
        own = int(logits[i].argmax())
        out.append(own)
        if own != token:
            break
    return torch.tensor(out, dtype=torch.long)


@wrong("verify_greedy", named="correction_dropped")
def accepted_tokens_only(draft, logits):
    return draft[: _run(draft, _choice(logits))]


@wrong("verify_greedy", named="correction_dropped")
def bonus_but_no_correction(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return torch.cat([draft, choice[-1:]]) if n == len(draft) else choice[:n]


@wrong("verify_greedy", named="rejected_emitted")
def keeps_the_rejected_one(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return draft[: n + 1] if n < len(draft) else torch.cat([draft, choice[-1:]])


@wrong("verify_greedy", named="rejected_emitted")
def keeps_the_rejected_one_and_corrects(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return torch.cat([draft[: n + 1], choice[n : n + 1]])


@wrong("verify_greedy", named="accepts_all")
def all_of_the_targets_choices(draft, logits):
    return logits.argmax(-1)


@wrong("verify_greedy", named="accepts_all")
def believes_the_drafter(draft, logits):
    return torch.cat([draft, _choice(logits)[-1:]])


@wrong("verify_greedy", says="A draft may be empty")
def crashes_without_a_draft(draft, logits):
    choice = _choice(logits)
    same = draft == choice[: len(draft)]
    n = int(same.long().argmin()) if not same.all() else len(draft)
    return torch.cat([draft[:n], choice[n : n + 1]]) if draft[-1] >= 0 else choice


@wrong("verify_greedy")
def argmax_over_the_wrong_axis(draft, logits):
    choice = logits.argmax(0)
    n = _run(draft, choice)
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="last_row")
def last_row_for_every_correction(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return torch.cat([draft[:n], choice[-1:]])


@wrong("verify_greedy", says="Two tokens have the same largest logit")
def the_last_of_the_tied(draft, logits):
    size = logits.shape[-1]
    choice = size - 1 - logits.flip(-1).argmax(-1)
    n = _run(draft, choice)
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", says="A single token x[i] has no dimension")
def a_token_without_a_dimension(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return torch.cat([draft[:n], choice[n]])


@wrong("verify_greedy", named="changes_input")
def marks_the_rejected_in_the_draft(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    if n < len(draft):
        draft[n] = choice[n]
        return draft[: n + 1]
    return torch.cat([draft, choice[-1:]])


@wrong("verify_greedy", named="two_of_its_own")
def correction_and_bonus(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return torch.cat([draft[:n], choice[n : n + 2]])


# generate_speculative -----------------------------------------------------------------------------------------------


def _verify(draft, logits):
    choice = logits.argmax(-1)
    return choice[: _run(draft, choice) + 1]


@right("generate_speculative")
def asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    text, rounds, room = ids.clone(), [], max_new_tokens
    while room > 0:
        draft = propose(text, k)
        rows = target(torch.cat([text, draft]))[-len(draft) - 1 :]
        out = _verify(draft, rows).tolist()
        accepted = len(out) - 1
        out = out[:room]
        if eos_token_id is not None and eos_token_id in out:
            out = out[: out.index(eos_token_id) + 1]
        text = torch.cat([text, torch.tensor(out)])
        rounds.append(Round(len(draft), min(accepted, len(out)), len(out)))
        room -= len(out)
        if out[-1] == eos_token_id:
            room = 0
    return Decoded(text, rounds)


Kept = namedtuple("Kept", "drafted accepted emitted")


@right("generate_speculative")
def token_by_token_on_lists(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    text, rounds = ids.tolist(), []
    end, done = len(text) + max_new_tokens, False
    while len(text) < end and not done:
        ask = min(k, end - len(text))
        draft = propose(torch.tensor(text), ask).tolist() if ask else []
        choice = target(torch.tensor(text + draft)).argmax(-1).tolist()[len(text) - 1 :]
        accepted = emitted = 0
        for i, own in enumerate(choice):
            text.append(own)
            emitted += 1
            agrees = i < len(draft) and draft[i] == own
            accepted += agrees
            done = own == eos_token_id
            if done or not agrees or len(text) == end:
                break
        rounds.append(Kept(len(draft), accepted, emitted))
    return text, rounds


@right("generate_speculative")
def into_a_buffer(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    buffer = torch.zeros(len(ids) + max_new_tokens, dtype=torch.long)
    buffer[: len(ids)] = ids
    n, rounds = len(ids), []
    while n < len(buffer):
        left = len(buffer) - n
        draft = propose(buffer[:n], k)[: left - 1] if left > 1 and k else buffer[:0]
        out = _verify(draft, target(torch.cat([buffer[:n], draft]))[n - 1 :])
        accepted = len(out) - 1
        stop = (out == eos_token_id).nonzero() if eos_token_id is not None else torch.empty(0)
        if len(stop):
            out = out[: stop[0, 0] + 1]
        buffer[n : n + len(out)] = out
        n += len(out)
        rounds.append({"drafted": len(draft), "accepted": min(accepted, len(out)), "emitted": len(out)})
        if len(stop):
            break
    return {"ids": buffer[:n], "rounds": rounds}


@right("generate_speculative")
def sends_no_draft_behind_eos(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, start = [], len(ids)
    while (left := max_new_tokens - (len(ids) - start)) > 0:
        draft = propose(ids, min(k, left - 1))
        for i, token in enumerate(draft.tolist()):
            if token == eos_token_id:
                draft = draft[: i + 1]
                break
        out = _verify(draft, target(torch.cat([ids, draft]))[len(ids) - 1 :])
        n = len(out) - 1
        if n and out[n - 1] == eos_token_id:
            out = out[:n]
        ids = torch.cat([ids, out])
        rounds.append(SimpleNamespace(drafted=len(draft), accepted=torch.tensor(n), emitted=np.int64(len(out))))
        if out[-1] == eos_token_id:
            return SimpleNamespace(ids=ids, rounds=rounds)
    return SimpleNamespace(ids=ids, rounds=rounds)


def _loop(
    verify=_verify, rows=lambda logits, n, k: logits[n - 1 :], cut=True, find_eos="first", count="after",
    show=lambda ids, start: ids, send=None, ask=lambda k, left: min(k, left - 1), drafted=lambda draft, k: len(draft),
):
    """A right loop with one screw loose: each mutant below turns one of them."""

    def generate(target, ids, propose, k, max_new_tokens, eos_token_id=None):
        start, rounds = len(ids), []
        while len(ids) < start + max_new_tokens:
            left = start + max_new_tokens - len(ids)
            draft = propose(show(ids, start), ask(k, left))
            logits = target(torch.cat([ids, draft]))
            out = verify(draft, rows(logits, len(ids), len(draft))).tolist()
            whole = len(out)
            if cut:
                out = out[:left]
            stop = False
            if find_eos == "first" and eos_token_id is not None and eos_token_id in out:
                out, stop = out[: out.index(eos_token_id) + 1], True
            elif find_eos == "last":
                stop = bool(out) and out[-1] == eos_token_id
            elif find_eos == "draft":
                if eos_token_id in out:
                    out = out[: out.index(eos_token_id) + 1]
                stop = eos_token_id in draft.tolist() or eos_token_id in out
            ids = torch.cat([ids, torch.tensor(out, dtype=torch.long)])
            if count == "after":
                rounds.append(Round(drafted(draft, k), min(whole - 1, len(out)), len(out)))
            elif count == "before":
                rounds.append(Round(drafted(draft, k), whole - 1, whole))
            elif count == "bonus":
                rounds.append(Round(drafted(draft, k), len(out), len(out)))
            if stop:
                break
        return Decoded(ids, rounds)

    return generate


def _mutant(name, named=None, says=None, **loose):
    function = _loop(**loose)
    function.__name__ = name
    wrong("generate_speculative", named=named, says=says)(function)


def _next_row(logits, n, k):
    return torch.cat([logits[n:], logits[-1:]])


def _without_correction(draft, logits):
    choice = logits.argmax(-1)
    n = _run(draft, choice)
    return choice[: n + 1] if n == len(draft) else choice[:n]


def _without_bonus(draft, logits):
    choice = logits.argmax(-1)
    n = _run(draft, choice)
    return draft if n == len(draft) > 0 else choice[: n + 1]


_mutant("rows_one_too_late", named="off_by_one", rows=_next_row)
_mutant("rows_short", named="off_by_one", rows=lambda logits, n, k: logits[n:] if k else logits[-1:])
_mutant("rows_one_too_early", named="off_by_one", rows=lambda logits, n, k: logits[max(0, n - 2) : -1])
_mutant("no_bonus_in_the_rule", named="no_bonus", verify=_without_bonus)
_mutant("no_correction_in_the_rule", named="correction_dropped", verify=_without_correction)
_mutant("neither", named="correction_dropped", verify=accepted_tokens_only)
_mutant("rejected_one_stays", named="rejected_emitted", verify=keeps_the_rejected_one)
_mutant("believes_every_draft", named="rejected_emitted", verify=believes_the_drafter)
_mutant("all_matches_count", named="rejected_emitted", verify=keeps_as_many_as_match)
_mutant("all_the_targets_choices", verify=lambda draft, logits: logits.argmax(-1))
_mutant("uncut", named="overshoots", cut=False, ask=lambda k, left: k)
_mutant("uncut_but_asks_for_what_is_left", named="overshoots", cut=False, ask=lambda k, left: min(k, left))
_mutant("eos_only_as_the_last_token", named="eos_ignored", find_eos="last")
_mutant("eos_never", named="eos_ignored", find_eos="never")
_mutant("eos_in_the_draft", named="rejected_eos_stops", find_eos="draft")
_mutant("counts_before_the_cut", named="cut_counted", count="before", ask=lambda k, left: k)
_mutant("counts_the_bonus", named="bonus_counted", count="bonus")
_mutant("reports_k", named="drafted_is_k", drafted=lambda draft, k: k)
_mutant("no_rounds", says="you report 0 rounds: one Round per call", count="never")
_mutant("shows_the_prompt_again", named="stale_text", show=lambda ids, start: ids[:start])
_mutant("shows_the_last_token", named="stale_text", show=lambda ids, start: ids[-1:])
_mutant("asks_for_all_that_is_left", named="ignores_k", ask=lambda k, left: left - 1)


@wrong("generate_speculative", named="correction_dropped")
def joins_only_what_was_accepted(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, k)
        choice = target(torch.cat([ids, draft]))[len(ids) - 1 :].argmax(-1)
        n = min(_run(draft, choice), end - len(ids))
        ids = torch.cat([ids, draft[:n]])
        rounds.append(Round(len(draft), n, n))
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="correction_dropped")
def catches_every_exception(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    text, end = ids.tolist(), len(ids) + max_new_tokens
    while len(text) < end:
        try:
            draft = propose(torch.tensor(text), k).tolist()
            choice = target(torch.tensor(text + draft)).argmax(-1).tolist()[len(text) - 1 :]
            for a, b in zip(draft, choice, strict=False):
                if a != b:
                    break
                text.append(a)
            else:
                text.append(choice[-1])
        except Exception:
            pass
    return torch.tensor(text), []


@wrong("generate_speculative", named="no_bonus")
def zips_draft_and_choice(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    text, rounds, end = ids.tolist(), [], len(ids) + max_new_tokens
    while len(text) < end:
        draft = propose(torch.tensor(text), min(k, end - len(text))).tolist()
        choice = target(torch.tensor(text + draft)).argmax(-1).tolist()[len(text) - 1 :]
        before = len(text)
        for a, b in zip(draft or choice, choice, strict=False):
            text.append(b)
            if a != b or b == eos_token_id:
                break
        rounds.append(Round(len(draft), len(text) - before, len(text) - before))
        if text[-1] == eos_token_id:
            break
    return Decoded(torch.tensor(text), rounds)


@wrong("generate_speculative", named="no_progress")
def forgets_to_join(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    end, rounds = len(ids) + max_new_tokens, []
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        out = _verify(draft, target(torch.cat([ids, draft]))[len(ids) - 1 :])
        torch.cat([ids, out])
        rounds.append(Round(len(draft), len(out) - 1, len(out)))
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="many_calls")
def one_call_per_guess(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        n, text = 0, ids
        while True:
            own = target(text)[-1].argmax(-1, keepdim=True)
            text = torch.cat([text, own])
            if n == len(draft) or own != draft[n] or own == eos_token_id:
                break
            n += 1
        n += int(n < len(draft) and bool(own == draft[n]))
        rounds.append(Round(len(draft), n, len(text) - len(ids)))
        ids = text
        if ids[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="many_calls")
def one_call_for_every_prefix(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        logits = torch.stack([target(torch.cat([ids, draft[:i]]))[-1] for i in range(len(draft) + 1)])
        out = _verify(draft, logits)
        rounds.append(Round(len(draft), len(out) - 1, len(out)))
        if eos_token_id in out.tolist():
            out = out[: out.tolist().index(eos_token_id) + 1]
        ids = torch.cat([ids, out])
        if out[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="never_drafts")
def plain_decoding(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds = []
    for _ in range(max_new_tokens):
        ids = torch.cat([ids, target(ids)[-1:].argmax(-1)])
        rounds.append(Round(0, 0, 1))
        if ids[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", says="no drafted token ever reached the target")
def asks_but_decodes_plainly(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds = []
    for _ in range(max_new_tokens):
        propose(ids, k)
        ids = torch.cat([ids, target(ids)[-1:].argmax(-1)])
        rounds.append(Round(0, 0, 1))
        if ids[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="extra_call")
def a_call_for_the_prompt(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    target(ids)
    return asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id)


@wrong("generate_speculative", named="extra_call")
def a_plain_token_first(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    if max_new_tokens == 0:
        return Decoded(ids, [])
    ids = torch.cat([ids, target(ids)[-1:].argmax(-1)])
    if ids[-1] == eos_token_id:
        return Decoded(ids, [Round(0, 0, 1)])
    rest = asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens - 1, eos_token_id)
    return Decoded(rest.ids, [Round(0, 0, 1), *rest.rounds])


@wrong("generate_speculative", named="eos_in_prompt")
def looks_for_eos_everywhere(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        out = _verify(draft, target(torch.cat([ids, draft]))[len(ids) - 1 :])
        accepted = len(out) - 1
        if eos_token_id in out.tolist():
            out = out[: out.tolist().index(eos_token_id) + 1]
        ids = torch.cat([ids, out])
        rounds.append(Round(len(draft), min(accepted, len(out)), len(out)))
        if eos_token_id in ids.tolist():
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="drops_prompt")
def only_the_new_tokens(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    done = asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id)
    return Decoded(done.ids[len(ids) :], done.rounds)


@wrong("generate_speculative", named="eos_zero")
def eos_zero_is_false(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    return asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id or None)


@wrong("generate_speculative", named="stops_early")
def stops_before_the_last_token(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    done = asks_for_k_and_cuts_afterwards(target, ids, propose, k, max(0, max_new_tokens - 1), eos_token_id)
    return done


@wrong("generate_speculative", named="overshoots")
def rounds_instead_of_tokens(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds = []
    for _ in range(max_new_tokens):
        draft = propose(ids, k)
        out = _verify(draft, target(torch.cat([ids, draft]))[len(ids) - 1 :])
        if eos_token_id in out.tolist():
            out = out[: out.tolist().index(eos_token_id) + 1]
        ids = torch.cat([ids, out])
        rounds.append(Round(len(draft), len(out) - 1, len(out)))
        if out[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", says="the target should not be called")
def calls_the_target_for_nothing(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    if max_new_tokens == 0:
        target(ids)
    return asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id)


@wrong("generate_speculative", named="changes_input")
def writes_into_the_callers_ids(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    done = asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id)
    ids[-1] = 0 if int(ids[-1]) else 1
    return done


@wrong("generate_speculative", says="no [None], no [0]")
def with_a_batch_axis(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    draft = propose(ids, k)
    logits = target(torch.cat([ids, draft])[None])
    return Decoded(torch.cat([ids, _verify(draft, logits[0, len(ids) - 1 :])]), [])


@wrong("generate_speculative", says="Return Decoded(ids, rounds)")
def returns_ids_only(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    return asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id).ids


@wrong("generate_speculative", says="a drafter that has no proposal")
def crashes_without_a_proposal(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    def insists(ids, k):
        draft = propose(ids, k)
        draft[0]
        return draft

    return asks_for_k_and_cuts_afterwards(target, ids, insists, k, max_new_tokens, eos_token_id)


@wrong("generate_speculative", named="rows_by_k")
def assumes_k_tokens(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        rows = target(torch.cat([ids, draft]))[-min(k, end - len(ids) - 1) - 1 :]
        out = _verify(draft, rows)
        if eos_token_id in out.tolist():
            out = out[: out.tolist().index(eos_token_id) + 1]
        rounds.append(Round(len(draft), min(len(draft), len(out) - 1), len(out)))
        ids = torch.cat([ids, out])
        if ids[-1] == eos_token_id:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative")
def looks_at_new_text_only(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    """Sends only the draft and the last token, as if a cache existed."""
    return asks_for_k_and_cuts_afterwards(lambda x: target(x[-k - 1 :]), ids, propose, k, max_new_tokens, eos_token_id)


@wrong("generate_speculative", named="eos_ignored")
def goes_on_and_cuts_at_the_end(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    done = asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, None)
    new = done.ids[len(ids) :].tolist()
    if eos_token_id in new:
        new = new[: new.index(eos_token_id) + 1]
    return Decoded(torch.cat([ids, torch.tensor(new, dtype=torch.long)]), done.rounds)


@wrong("generate_speculative", says="asks the drafter again and again without calling the target")
def never_ends(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    while True:
        propose(ids, k)


# tokens_per_call ----------------------------------------------------------------------------------------------------


@right("tokens_per_call")
def mean_with_numpy(rounds):
    return np.mean([r.emitted for r in rounds]) if len(rounds) > 0 else np.float64(0)


@right("tokens_per_call")
def counted_in_a_loop(rounds):
    calls = tokens = 0
    for r in rounds:
        calls += 1
        tokens += r.emitted
    return tokens / max(calls, 1)


@right("tokens_per_call")
def as_a_tensor(rounds):
    return torch.tensor([float(r.emitted) for r in rounds] or [0.0]).mean()


@wrong("tokens_per_call", named="accepted_only")
def accepted_per_round(rounds):
    return sum(r.accepted for r in rounds) / len(rounds) if rounds else 0.0


@wrong("tokens_per_call", named="assumes_own_token")
def accepted_plus_one(rounds):
    return float(np.mean([r.accepted + 1 for r in rounds])) if rounds else 0.0


@wrong("tokens_per_call", named="upside_down")
def calls_per_token(rounds):
    return len(rounds) / sum(r.emitted for r in rounds) if rounds else 0.0


@wrong("tokens_per_call", named="per_drafted")
def emitted_per_drafted(rounds):
    return sum(r.emitted for r in rounds) / max(1, sum(r.drafted for r in rounds))


@wrong("tokens_per_call", says="What if there was no round")
def divides_by_nothing(rounds):
    return sum(r.emitted for r in rounds) / len(rounds)


@wrong("tokens_per_call", named="median")
def median_round(rounds):
    return float(np.median([r.emitted for r in rounds])) if rounds else 0.0


@wrong("tokens_per_call", named="whole_division")
def whole_division(rounds):
    return sum(r.emitted for r in rounds) // len(rounds) if rounds else 0


@wrong("tokens_per_call", says="Without any round: 0.0")
def one_by_default(rounds):
    return sum(r.emitted for r in rounds) / len(rounds) if rounds else 1.0


@wrong("tokens_per_call", named="total")
def total_tokens(rounds):
    return sum(r.emitted for r in rounds)


# acceptance_rate ----------------------------------------------------------------------------------------------------


@right("acceptance_rate")
def sums_with_numpy(rounds):
    drafted = np.sum([r.drafted for r in rounds])
    return np.sum([r.accepted for r in rounds]) / drafted if drafted > 0 else 0


@right("acceptance_rate")
def weighted_mean_of_rates(rounds):
    judged = [r for r in rounds if r.drafted]
    total = sum(r.drafted for r in judged)
    return sum((r.drafted / total) * (r.accepted / r.drafted) for r in judged) if judged else 0.0


@right("acceptance_rate")
def one_minus_the_rejected(rounds):
    drafted = sum(r.drafted for r in rounds)
    if not drafted:
        return torch.tensor(0.0)
    return torch.tensor(1 - sum(r.drafted - r.accepted for r in rounds) / drafted)


@wrong("acceptance_rate", named="bonus_counted")
def emitted_over_drafted(rounds):
    return sum(r.emitted for r in rounds) / (sum(r.drafted for r in rounds) or 1)


@wrong("acceptance_rate", named="bonus_counted")
def with_a_place_for_the_bonus(rounds):
    return sum(r.emitted for r in rounds) / max(1, sum(r.drafted + 1 for r in rounds))


@wrong("acceptance_rate", named="emitted_minus_one")
def emitted_less_the_bonus(rounds):
    drafted = sum(r.drafted for r in rounds)
    return (sum(r.emitted for r in rounds) - len(rounds)) / drafted if drafted else 0.0


@wrong("acceptance_rate", named="mean_of_rates")
def average_of_the_rounds(rounds):
    rates = np.array([r.accepted / r.drafted for r in rounds if r.drafted > 0])
    return rates.mean() if len(rates) else 0.0


@wrong("acceptance_rate", named="per_emitted")
def accepted_over_emitted(rounds):
    return sum(r.accepted for r in rounds) / max(1, sum(r.emitted for r in rounds))


@wrong("acceptance_rate", named="full_rounds")
def share_of_full_rounds(rounds):
    return sum(r.accepted == r.drafted for r in rounds) / max(1, len(rounds))


@wrong("acceptance_rate", says="or nothing was drafted? Then the answer is 0.0")
def divides_by_no_draft(rounds):
    return sum(r.accepted for r in rounds) / sum(r.drafted for r in rounds)


@wrong("acceptance_rate", named="mean_of_rates")
def divides_round_by_round(rounds):
    return sum(r.accepted / r.drafted for r in rounds) / len(rounds) if rounds else 0.0


@wrong("acceptance_rate", named="rejected_share")
def rejected_share(rounds):
    drafted = sum(r.drafted for r in rounds)
    return 1 - sum(r.accepted for r in rounds) / drafted if drafted else 0.0


@wrong("generate_speculative", named="off_by_one")
def rows_from_the_end_of_the_text(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    """The classic slip: logits[len(ids):] instead of logits[len(ids) - 1:]."""
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        out = _verify(draft[: len(draft)], _padded(target(torch.cat([ids, draft]))[len(ids) :], draft))
        ids = torch.cat([ids, out])
        rounds.append(Round(len(draft), max(0, len(out) - 1), len(out)))
        if eos_token_id is not None and eos_token_id in out.tolist():
            break
    return Decoded(ids, rounds)


def _padded(rows, draft):
    """Rows as they are; without a draft there is none, and the round adds nothing."""
    return rows if len(rows) else torch.zeros(0, 41)


@wrong("generate_speculative", named="sent_twice")
def the_draft_behind_the_draft(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds, end = [], len(ids) + max_new_tokens
    while len(ids) < end:
        draft = propose(ids, min(k, end - len(ids) - 1))
        out = _verify(draft, target(torch.cat([ids, draft, draft]))[-len(draft) - 1 :])
        ids = torch.cat([ids, out])
        rounds.append(Round(len(draft), len(out) - 1, len(out)))
        if eos_token_id is not None and eos_token_id in out.tolist():
            break
    return Decoded(ids, rounds)


# What friendly numbers and single ends of text would hide -----------------------------------------------------------


@wrong("accepted_length")
def runs_on_past_the_draft(draft, choice):
    n = 0
    while len(draft) and n < len(choice) and draft[n % len(draft)] == choice[n]:
        n += 1
    return n


@wrong("accepted_length")
def compares_sixteen_bits(draft, choice):
    same = draft.to(torch.int16) == choice[: len(draft)].to(torch.int16)
    return int(same.long().cumprod(0).sum())


@wrong("verify_greedy")
def largest_by_size_without_its_sign(draft, logits):
    return _verify(draft, logits.abs())


@wrong("verify_greedy")
def logits_as_whole_numbers(draft, logits):
    return _verify(draft, logits.long())


@wrong("verify_greedy")
def logits_in_half_precision(draft, logits):
    return _verify(draft, logits.half())


@wrong("generate_speculative", named="eos_ignored")
def keeps_all_up_to_the_last_eos(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    start, rounds = len(ids), []
    while len(ids) < start + max_new_tokens:
        left = start + max_new_tokens - len(ids)
        draft = propose(ids, min(k, left - 1))
        out = _verify(draft, target(torch.cat([ids, draft]))[len(ids) - 1 :]).tolist()
        accepted, stop = len(out) - 1, eos_token_id in out
        if stop:
            out = out[: len(out) - out[::-1].index(eos_token_id)]
        ids = torch.cat([ids, torch.tensor(out)])
        rounds.append(Round(len(draft), min(accepted, len(out)), len(out)))
        if stop:
            break
    return Decoded(ids, rounds)


@wrong("generate_speculative", named="eos_in_prompt")
def writes_nothing_after_a_prompt_that_ends_with_eos(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    if ids[-1] == eos_token_id:
        return Decoded(ids, [])
    return asks_for_k_and_cuts_afterwards(target, ids, propose, k, max_new_tokens, eos_token_id)


# What a fresh reader tried ------------------------------------------------------------------------------------------


@right("verify_greedy")
def right_but_a_list(draft, logits):
    return only_the_targets_choices(draft, logits).tolist()


@right("verify_greedy")
def right_but_floats(draft, logits):
    return only_the_targets_choices(draft, logits).float()


@wrong("verify_greedy", named="counts_all")
def counts_all_matches(draft, logits):
    choice = _choice(logits)
    n = int((draft == choice[: len(draft)]).sum())
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="counts_all")
def counts_all_matches_of_its_choices(draft, logits):
    choice = _choice(logits)
    return choice[: int((draft == choice[: len(draft)]).sum()) + 1]


@wrong("verify_greedy", named="two_of_its_own")
def two_choices_of_its_own(draft, logits):
    choice = _choice(logits)
    return choice[: _run(draft, choice) + 2]


@wrong("verify_greedy", named="keeps_probable")
def keeps_what_is_probable(draft, logits):
    probs, choice = torch.softmax(logits, -1), _choice(logits)
    n = 0
    while n < len(draft) and probs[n, draft[n]] > 0.5:
        n += 1
    return torch.cat([draft[:n], choice[n : n + 1]])


@wrong("verify_greedy", named="next_row")
def the_row_after_the_rejected_one(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    at = min(n + 1, len(draft))
    return torch.cat([draft[:n], choice[at : at + 1]])


@wrong("verify_greedy", named="next_row")
def the_row_after_without_a_limit(draft, logits):
    choice = _choice(logits)
    n = _run(draft, choice)
    return torch.tensor([*draft[:n].tolist(), int(choice[n + 1])])


def _loop_with(rows=None, ask=None, cut=None, note=None, sent=None):
    """A loop that is right but for the piece that is given."""

    def loop(target, ids, propose, k, max_new_tokens, eos_token_id=None):
        end, rounds = len(ids) + max_new_tokens, []
        while len(ids) < end:
            left = end - len(ids)
            draft = propose(ids, min(k, left - 1) if ask is None else ask(k, left))
            logits = target(torch.cat([ids, draft]) if sent is None else sent(ids, draft))
            logits = logits[len(ids) - 1 :] if rows is None else rows(logits, ids, draft)
            choice = logits.argmax(-1)
            n = min(_run(draft, choice), len(choice) - 1)
            out = choice[: n + 1].tolist()[:left]
            over = eos_token_id is not None and eos_token_id in out
            if over:
                out = out[: out.index(eos_token_id) + (cut is None)]
            ids = torch.cat([ids, torch.tensor(out, dtype=torch.long)])
            rounds.append((note or Round)(len(draft), min(n, len(out)), len(out)))
            if over:
                break
        return Decoded(ids, rounds)

    return loop


@wrong("generate_speculative", named="eos_dropped")
def cuts_the_eos_off(*given):
    return _loop_with(cut=True)(*given)


@wrong("generate_speculative", named="all_rows")
def hands_over_all_rows(*given):
    return _loop_with(rows=lambda logits, ids, draft: logits)(*given)


@wrong("generate_speculative", named="draft_not_sent")
def never_sends_the_draft(*given):
    return _loop_with(sent=lambda ids, draft: ids, rows=lambda logits, ids, draft: logits)(*given)


@wrong("generate_speculative", named="counts_swapped")
def rounds_the_other_way_round(*given):
    return _loop_with(note=lambda drafted, accepted, emitted: Round(accepted, drafted, emitted))(*given)


@wrong("generate_speculative", named="asks_for_fewer")
def asks_for_one_token(*given):
    return _loop_with(ask=lambda k, left: min(k, 1, left - 1))(*given)


@wrong("tokens_per_call", named="undrafted_left_out")
def only_rounds_with_a_draft(rounds):
    rounds = [r for r in rounds if r.drafted]
    return sum(r.emitted for r in rounds) / len(rounds) if rounds else 0.0


@wrong("acceptance_rate", named="longest_draft")
def as_if_all_drafts_were_the_longest(rounds):
    longest = max((r.drafted for r in rounds), default=0)
    return sum(r.accepted for r in rounds) / (longest * len(rounds)) if longest else 0.0


@wrong("accepted_length", named="starts_again")
def matches_from_the_right_end(draft, choice):
    agree = [a == b for a, b in zip(draft.tolist(), choice.tolist(), strict=False)][::-1]
    return agree.index(False) if False in agree else len(agree)


@wrong("verify_greedy", says="your function never changed its answer")
def one_token_whatever_the_draft(draft, logits):
    return logits[:1].argmax(-1)


@wrong("acceptance_rate", named="per_judged")
def the_share_of_what_was_judged(rounds):
    judged = sum(r.accepted + (r.accepted < r.drafted) for r in rounds)
    return sum(r.accepted for r in rounds) / judged if judged else 0.0


@wrong("acceptance_rate", named="per_judged")
def the_share_of_what_was_judged_up_to_a_cut(rounds):
    judged = sum(min(r.drafted, r.emitted) for r in rounds)
    return sum(r.accepted for r in rounds) / judged if judged else 0.0


@wrong("generate_speculative", named="stale_text")
def drafts_from_the_last_token(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    text, rounds, left = ids, [], max_new_tokens
    while left > 0:
        draft = propose(text[-1:], k)[: left - 1]
        rows = target(torch.cat([text, draft]))[len(text) - 1 :]
        new = verify_greedy(draft, rows)
        accepted = len(new) - 1
        if eos_token_id is not None and (new == eos_token_id).any():
            new = new[: int((new == eos_token_id).nonzero()[0]) + 1]
        text = torch.cat([text, new])
        left -= len(new)
        rounds.append(Round(len(draft), min(accepted, len(new)), len(new)))
        if eos_token_id is not None and int(text[-1]) == eos_token_id:
            break
    return Decoded(text, rounds)


@wrong("generate_speculative", named="silence_ends")
def stops_where_the_drafter_is_silent(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    text, rounds, left = ids, [], max_new_tokens
    while left > 0:
        draft = propose(text, k)
        if len(draft) == 0 and k > 0:
            break
        rows = target(torch.cat([text, draft]))[len(text) - 1 :]
        whole = verify_greedy(draft, rows)
        accepted = len(whole) - 1
        new = whole[:left]
        if eos_token_id is not None and (new == eos_token_id).any():
            new = new[: int((new == eos_token_id).nonzero()[0]) + 1]
        text = torch.cat([text, new])
        left -= len(new)
        rounds.append(Round(len(draft), min(accepted, len(new)), len(new)))
        if eos_token_id is not None and int(text[-1]) == eos_token_id:
            break
    return Decoded(text, rounds)


@wrong("generate_speculative", named="rows_by_k")
def rows_by_what_was_asked_for(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    text, rounds, left = ids, [], max_new_tokens
    while left > 0:
        ask = min(k, left - 1)
        draft = propose(text, ask)
        rows = target(torch.cat([text, draft]))[-(ask + 1) :]
        new = verify_greedy(draft, rows)
        n = len(new) - 1
        if eos_token_id is not None and eos_token_id in new.tolist():
            new = new[: new.tolist().index(eos_token_id) + 1]
        rounds.append(Round(len(draft), min(n, len(new)), len(new)))
        text = torch.cat([text, new])
        left -= len(new)
        if eos_token_id is not None and int(new[-1]) == eos_token_id:
            break
    return Decoded(text, rounds)


@wrong("tokens_per_call", named="rounded")
def tokens_per_call_of_two_digits(rounds):
    if not rounds:
        return 0.0
    return round(sum(r.emitted for r in rounds) / len(rounds), 2)
