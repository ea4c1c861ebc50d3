"""What happens in a room of the grader is what would happen in a notebook; and the answers are never in it."""

import inspect
import json
import socket
import sys
import textwrap
import threading
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from answers import all_answers
from boxed import Boxed, house

from specdec_course import checks
from specdec_course.checks import evaluate
from specdec_course.grading import judge
from specdec_course.grading.room import wire
from specdec_course.grading.sample_class import answers, filled_in
from specdec_course.grading.session import conversation, payload

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted(path.name for path in (ROOT / "notebooks").iterdir() if path.name[:2].isdigit())
# A busy machine decides which mistake a wrong one is taken for, or whether it ends in time.
BY_CLOCK = ("time_call", "latency_profile", "build_next_token_array")
RANDOM = ("tries_its_luck", "anybody", "adds_up_over_calls")  # the last one by what it was asked before


@pytest.fixture(scope="module")
def open_house():
    with house() as opened:
        yield opened


def sample(unit):
    """Every right answer of a unit, and every third wrong one; one of each where their check takes long."""
    own = [a for a in all_answers() if a.function.__module__ == f"answers.unit_{unit[:2]}"]
    most = 1 if any(checks.exercise(a.exercise).seconds for a in own) else None
    return [a for a in own if a.right][:most] + [a for a in own if not a.right][::3][:most]


def test_a_room_tells_what_a_call_costs(open_house):
    boxed = Boxed(open_house, "answers.unit_02")
    chosen = {answer.exercise: answer for answer in sample("02") if answer.right}
    for name in ("build_next_token_array", "bigram_probabilities"):
        report = boxed(chosen[name], seed=1)
        assert report.passed, report.message
    boxed.close()


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_a_function_in_a_room_gets_the_verdict_that_it_gets_in_a_notebook(unit, open_house):
    boxed = Boxed(open_house, f"answers.unit_{unit[:2]}")
    for answer in sample(unit):
        here, there = evaluate(answer.exercise, answer.as_written(), seed=1), boxed(answer, seed=1)
        if answer.exercise in BY_CLOCK and not answer.right or answer.function.__name__ in RANDOM:
            assert not there.passed, answer.id
        else:
            assert (here.state, here.score, here.diagnosis) == (there.state, there.score, there.diagnosis), answer.id
    boxed.close()


def graded(unit, texts, house, folder, secret=b"secret"):
    """(record, times) of the students' notebook of a unit with these answers in it."""
    release = nbformat.read(ROOT / "notebooks" / unit / f"{unit}.ipynb", as_version=4)
    nbformat.write(filled_in(release, texts), folder / f"{unit}.ipynb")
    return judge.grade_submission(folder, "ann", unit, ROOT, house, secret)


def solutions(unit):
    return answers(nbformat.read(ROOT / "solutions" / unit / f"{unit}.ipynb", as_version=4))


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_the_solutions_earn_full_marks_and_an_empty_notebook_none(unit, open_house, tmp_path):
    record, _ = graded(unit, solutions(unit), open_house, tmp_path)
    assert record["points"] == record["maximum"] == 10
    assert not record["flags"] and not record["remarks"]
    empty, _ = graded(unit, {}, open_house, tmp_path)
    assert empty["points"] == 0 and {row["state"] for row in empty["exercises"]} == {"not attempted"}


@pytest.mark.slow
def test_grading_twice_gives_the_same_record(open_house, tmp_path):
    texts = solutions(UNITS[2]) | {"verify_greedy": "def verify_greedy(draft, logits):\n    return draft"}
    first, second = (graded(UNITS[2], texts, open_house, tmp_path)[0] for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_other_submissions_and_other_secrets_are_asked_other_questions():
    seeds = {judge.question_seed(secret, key, name) for secret in (b"a", b"b") for key in "12" for name in ("x", "y")}
    assert len(seeds) == 8


# The answer never enters the room ---------------------------------------------------------------------------------


def needles() -> dict[str, bytes]:
    """Lines of the package's own answers and of the checks' messages that no student has been given."""
    given_out = "".join((ROOT / "notebooks" / unit / f"{unit}.ipynb").read_text() for unit in UNITS)
    given_out += "".join(content.decode() for content in payload.files().values())
    found = {}
    for name, exercise in checks.exercises().items():
        source = inspect.getsource(exercise.solution)
        lines = textwrap.dedent(source.replace(exercise.solution.__doc__ or "\0", "")).splitlines()
        texts = [line.strip() for line in lines[1:]] + [mistake.message for mistake in exercise.mistakes.values()]
        kept = [text for text in texts if len(text) >= 24 and text not in given_out and not text.startswith("raise")]
        found |= {f"{name}: {text}": text.encode() for text in kept}
        if inspect.isfunction(exercise.solution):
            found[f"{name}: compiled"] = exercise.solution.__code__.co_code
    return {told: text for told, text in found.items() if len(text) >= 24}


def memory_of(pid: int):
    """All that a process has in memory and may read, piece by piece; libraries' code, as it is on disk, is left out."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, rights, _, _, inode, *_ = line.split()
            low, high = (int(end, 16) for end in span.split("-"))
            if rights[0] == "r" and (rights[1] == "w" or inode == "0") and "[v" not in line:
                memory.seek(low)
                try:
                    yield memory.read(high - low)
                except (OSError, ValueError, OverflowError):
                    continue  # guard pages


LOOK_AROUND = """
import os, sys
def accepted_length(draft, choice):
    seen = [repr(dict(os.environ)), repr(sys.argv), repr(sys.path), repr(sorted(sys.modules))]
    for number in range(256):
        try:
            seen.append(f"{number} {os.fstat(number)} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            pass
    for folder, _, names in os.walk("/"):
        if folder.startswith(("/proc", "/sys")):
            continue
        for name in names:
            path = os.path.join(folder, name)
            libraries = folder.startswith(("/usr", "/lib", "/packages", "/root", "/opt"))
            if folder.startswith("/room") or "specdec" in path or not libraries:
                try:
                    with open(path, "rb") as file:
                        seen.append(path + repr(file.read(200_000)))
                except OSError:
                    pass
    raise ValueError("\\n".join(seen))
"""


@pytest.mark.slow
def test_neither_answers_nor_messages_nor_secrets_are_in_a_rooms_memory_files_or_environment(
    open_house, tmp_path, monkeypatch
):
    secret, dumped, asked, sitting = b"the course's own secret, 32 bytes", [], [], []
    searched = needles() | {"secret": secret}
    use, begin = conversation.Session._use, judge.Sitting.__init__

    def watched(self, ask, buffers):
        asked.append(ask)
        if len(asked) == 60:  # in the middle of the check of the loop
            dumped.append(b"".join(memory_of(self.room.pid)))
        return use(self, ask, buffers)

    monkeypatch.setattr(judge.Sitting, "__init__", lambda self, *a: (sitting.append(self), begin(self, *a))[1])
    monkeypatch.setattr(conversation.Session, "_use", watched)
    record, _ = graded(UNITS[2], {"generate_speculative": MINE}, open_house, tmp_path, secret)
    assert {row["name"]: row["state"] for row in record["exercises"]}["generate_speculative"] == "right"
    (held,) = dumped
    assert len(held) > 50 << 20  # torch's own data are more than that
    searched["seed"] = str(judge.question_seed(secret, sitting[0].submission.key, "generate_speculative")).encode()
    assert not [told for told, text in searched.items() if text in held]


@pytest.mark.slow
def test_the_search_of_a_rooms_memory_finds_what_is_there(open_house, tmp_path, monkeypatch):
    """The test above can fail: a text of the student's own is found in the same way."""
    found, use = [], conversation.Session._use

    def watched(self, ask, buffers):
        if not found:
            found.append(b"a text that stands nowhere else" in b"".join(memory_of(self.room.pid)))
        return use(self, ask, buffers)

    monkeypatch.setattr(conversation.Session, "_use", watched)
    text = MINE + "\nkept = 'a text that ' + 'stands nowhere else'"
    graded(UNITS[2], {"generate_speculative": text}, open_house, tmp_path)
    assert found == [True]


MINE = """
def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    out, log, goal = list(ids.tolist()), [], len(ids) + max_new_tokens
    while len(out) < goal:
        guess = propose(torch.tensor(out), min(k, goal - len(out) - 1)).tolist()
        mine = target(torch.tensor(out + guess)).argmax(-1).tolist()[len(out) - 1 :]
        kept = 0
        while kept < len(guess) and guess[kept] == mine[kept]:
            kept += 1
        new = mine[: kept + 1]
        if eos_token_id in new:
            new = new[: new.index(eos_token_id) + 1]
        out += new
        log.append(Round(len(guess), min(kept, len(new)), len(new)))
        if new[-1] == eos_token_id:
            break
    return Decoded(torch.tensor(out), log)
"""


def test_what_a_boxed_function_sees_around_it_holds_no_answer(open_house, tmp_path, monkeypatch):
    told, make = [], conversation.exception_named
    monkeypatch.setattr(conversation, "exception_named", lambda mro, text: told.append(text) or make(mro, text))
    record, _ = graded(UNITS[2], {"accepted_length": LOOK_AROUND}, open_house, tmp_path)
    assert record["exercises"][0]["state"] == "wrong"
    around = "\n".join(told)
    assert "OMP_NUM_THREADS" in around, "it could look around"
    for name, text in needles().items():
        assert text.decode("latin-1") not in around, name


# Values on the line -----------------------------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def carried_over(value):
    """A value, through a real socket."""
    out = wire.Encoder(lambda thing: ["H", 0], {})
    form = out(value)
    one, other = socket.socketpair()
    with one, other:
        sender = threading.Thread(target=lambda: wire.Line(one).send({"form": form}, out.buffers))
        sender.start()
        message, buffers = wire.Line(other).receive()
        sender.join()
    return wire.Decoder(buffers, lambda form: form, {})(message["form"])


@given(plain)
def test_plain_values_arrive_as_they_were_sent(value):
    assert repr(carried_over(value)) == repr(value)


@given(st.sampled_from(sorted(wire.DTYPES)), st.lists(st.integers(0, 3), max_size=4), st.booleans())
def test_tensors_and_arrays_arrive_bit_for_bit(name, shape, turned):
    tensor = torch.randint(0, 2, shape).to(wire.DTYPES[name])
    tensor = tensor.transpose(0, -1) if turned and len(shape) > 1 else tensor
    got = carried_over(tensor)
    assert got.dtype == tensor.dtype and got.shape == tensor.shape and torch.equal(got, tensor)
    if name != "bfloat16":
        array = tensor.numpy()
        got = carried_over(array)
        assert got.dtype == array.dtype and np.array_equal(got, array)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(1).expand(10**10),
        torch.empty(10**12, device="meta"),
        np.lib.stride_tricks.as_strided(np.zeros(1), (10**9,), (0,)),
        torch.zeros(10**12, 0),
        range(10**12),
        [[b"x" * (1 << 20)] * 100],
    ],
    ids=["expanded", "meta", "strided", "empty lists", "range", "many"],
)
def test_what_is_too_large_is_refused_before_it_is_written(value):
    with pytest.raises(wire.Unfit):
        wire.Encoder(lambda thing: ["H", 0], {})(value)


def test_a_room_sends_no_generator_and_no_dice():
    """torch takes a state whose generator reads beyond its own memory: what it draws then is the grader's."""
    state = bytearray(torch.Generator().get_state().numpy().tobytes())
    state[8:24] = (624 | 1 << 32).to_bytes(8, "little") + (624).to_bytes(8, "little")
    reader = wire.RoomDecoder([state, state], lambda form: form, payload.shared_classes())
    assert reader(["G", 0]) is None
    made = reader(["c", "Dice", [["generator", ["G", 1]]], None])
    assert not isinstance(made, payload.shared_classes()["Dice"]) and made.generator is None


def test_a_list_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(wire.Unfit, match="deep"):
        wire.Encoder(lambda thing: ["H", 0], {})(endless)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: wire.HEAD.pack(len(b), 0) + b))
def test_bytes_that_are_no_frame_are_an_end_and_nothing_else(data):
    one, other = socket.socketpair()
    with one, other:
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        try:
            message, _ = wire.Line(other).receive()
            assert isinstance(message, dict)
        except wire.Closed:
            pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.text(max_size=5)
    | st.sampled_from([*wire.READERS, "H", "O", "P", "R", "float32", "<f8", "|O", "Round"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)


class Deaf:
    """A room that says what it is told to say."""

    def __init__(self, message):
        self.socket, self.end = socket.socketpair()
        wire.Line(self.end).send(message)
        self.end.shutdown(socket.SHUT_WR)

    def cpu_seconds(self):
        return 0.0

    def peak_bytes(self):
        return 0


FIELDS = """value after split overwritten number beside random mro text line inner origin unfit place method args kwargs
read missing""".split()


@settings(max_examples=300)
@given(st.sampled_from(["done", "raised", "ask"]), st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_whatever_a_room_says_ends_in_a_verdict(kind, fields):
    """A student may send any frame. What comes of it is plain data, their own exception, or the end of the room."""
    room = Deaf({**fields, "op": kind})
    refuse = lambda name: (_ for _ in ()).throw(ValueError(name))  # noqa: E731
    line = conversation.Session(room, payload.shared_classes(), refuse, 5.0)
    line.lent.append(torch.zeros)
    try:
        line.call(0, [torch.zeros(2), [1]], {"k": 3})
    except (checks.guard.Stopped, Exception) as error:
        assert not isinstance(error, (AssertionError, AttributeError)) or kind == "raised", repr(error)
    finally:
        room.socket.close()
        room.end.close()


def test_nothing_of_the_package_is_carried_but_data_classes():
    texts = payload.files()
    assert set(texts) >= {"runner.py", "wire/reading.py", "stand_in.py", "carried.py", "names.json"}
    for name, text in needles().items():
        for file, content in texts.items():
            assert text not in content, f"{name} in {file}"
    assert "specdec_course" not in {name for name in sys.modules if "carried" in name}
