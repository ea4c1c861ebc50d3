"""The final project: what drafters are worth by the published scale, and that none of those that cheat gets a point.

In a room of the grader, as for a class, wherever that makes a difference.
"""

import inspect
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
from answers import unit_14
from boxed import house

from specdec_course import checks
from specdec_course.checks import evaluate
from specdec_course.checks.unit14 import project as check
from specdec_course.grading.judge import Sitting
from specdec_course.grading.recover import Step, Submission
from specdec_course.measure import project

ROOT = Path(__file__).resolve().parents[1]
NAME = "ProjectDrafter"
IMPORTS = "import time\n\nimport numpy as np\nimport torch\n"


def source_of(drafter) -> str:
    """The text of a class, without what marks it as an answer."""
    return "".join(line for line in inspect.getsource(drafter).splitlines(True) if not line.startswith("@"))


BIGRAM = source_of(unit_14.Bigram)  # two points, where nothing is wrong with it


@pytest.fixture(scope="module")
def open_house():
    with house() as opened:
        yield opened


@pytest.fixture
def quick(monkeypatch):
    """Whoever gets nothing shows it on one prompt."""
    monkeypatch.setattr(project, "PROMPTS", 1)
    monkeypatch.setattr(project, "NEW", 48)


def graded(open_house, source, before="", secret=b"1"):
    """The report on a class of this source in a room, named as the exercise wants it; and the sitting."""
    name = re.search(r"(?m)^class (\w+)", source)[1]
    answer = Step(f"{IMPORTS}{before}\n\n{source}\n\n{NAME} = {name}\n", None, 0, "answer")
    steps = (answer, Step("", NAME, 1, "judge"))
    with Sitting(Submission("14_final_project", steps, (), None, {}, "key"), open_house, secret, 6.0) as sitting:
        return sitting.reports()[NAME], sitting


def by_the_scale(figures) -> float:
    """The points that figures earn by the table of the notebook."""
    reached = [points for bar, points in check.TOKENS if figures["per_call"] >= check.MARGIN * bar]
    return sum(reached) + sum(points for bar, points in check.SPEEDUP if figures["speedup"] >= check.MARGIN * bar)


def test_the_scale_is_the_one_that_is_published():
    text = (ROOT / "solutions/14_final_project/14_final_project.py").read_text()
    bars = r"at least [\d.]+ tokens per call|a cost-adjusted speed-up of at least [\d.]+"
    found = re.findall(rf"(?m)^# \| ({bars}).*\| (\d)", text)
    exercise = checks.exercise(NAME)
    assert [(name, float(points)) for name, points in found] == [(p.name, p.weight) for p in exercise.parts if p.weight]
    assert sum(part.weight for part in exercise.parts) == exercise.points == 10
    assert f"{project.BYTES:,} bytes" in text and f"{project.SECONDS:g} seconds" in text and f"k = {project.K}" in text
    assert f"{check.MARGIN:.0%}".replace("%", " %") in text


@pytest.mark.slow
def test_the_reference_scores_full_marks_in_a_room(open_house):
    report, sitting = graded(open_house, source_of(checks.exercise(NAME).solution))
    assert report.passed and report.score == 1, report.message
    assert report.figures["per_call"] > 2.3 and report.figures["bytes"] < project.BYTES
    assert not sitting.flags and not sitting.remarks


@pytest.mark.slow
@pytest.mark.parametrize("weak, lowest, highest", [("Bigram", 1.26, 1.55), ("PromptLookup", 1, 1.5)])
def test_weak_drafters_score_as_published(open_house, weak, lowest, highest):
    report, _ = graded(open_house, source_of(getattr(unit_14, weak)))
    assert lowest <= report.figures["per_call"] <= highest, report.message
    assert round(10 * report.score, 6) == by_the_scale(report.figures) <= 3
    assert "tokens per call" in report.message and not report.passed


@pytest.mark.slow
def test_who_proposes_nothing_gets_nothing(open_house, quick):
    report, _ = graded(open_house, source_of(unit_14.Nothing))
    assert report.score == 0 and "every draft is empty" in report.message, report.message


CHEATS = {
    "keeps the target's weights in its state": ("""
class Cheat(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        return {"weights": torch.zeros(4_000_000, dtype=torch.int8)}
""", "4,000,0"),
    "keeps what it learned in a string": ("""
class Cheat(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        return Bigram.train(texts, words, seconds) | {"note": "learned " * 1000}
""", "cannot be kept"),
    "keeps it in a dict inside": ("""
class Cheat(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        return {"inside": Bigram.train(texts, words, seconds)}
""", "cannot be kept"),
    "keeps it in a name": ("""
class Cheat(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        return Bigram.train(texts, words, seconds) | {"x" * 2_000_000: torch.zeros(1)}
""", "2,0"),
    "keeps it behind what a view shows": ("""
class Cheat(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        return {"next": Bigram.train(texts, words, seconds)["next"][:1]}

    def __init__(self, state):
        self.next = torch.as_strided(state["next"], (4096,), (1,)).tolist()
""", "stopped with"),
    "keeps it in a global": ("""
TABLE = []


class Cheat(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        TABLE.extend(Bigram.train(texts, words, seconds)["next"].tolist())
        return {"nothing": torch.zeros(1)}

    def __init__(self, state):
        self.next = TABLE or [0] * 4096
""", r"1\.0\d tokens per call"),
    "keeps it in a file": ("""
class Cheat(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        torch.save(Bigram.train(texts, words, seconds), "/tmp/kept.pt")
        return {"nothing": torch.zeros(1)}

    def __init__(self, state):
        self.next = torch.load("/tmp/kept.pt")["next"].tolist()
""", "No such file"),
    "is the target": ("""
class Cheat:
    @staticmethod
    def train(texts, words, seconds):
        return {"nothing": torch.zeros(1)}

    def __init__(self, state):
        from specdec_course.models import load_pair

        self.target = load_pair("classroom").target

    def propose(self, ids, k):
        text = ids
        for _ in range(k):
            text = torch.cat([text, self.target(text[None]).logits[0, -1:].argmax(-1)])
        return text[len(ids) :]
""", "."),
    "looks for the target's files, and for the prompts": ("""
class Cheat:
    @staticmethod
    def train(texts, words, seconds):
        return {"nothing": torch.zeros(1)}

    def __init__(self, state):
        import gc, os, sys

        self.found = []
        for folder, _, names in os.walk("/"):
            self.found += [name for name in names if name.endswith(".safetensors")]
        frame = sys._getframe()
        while frame is not None:
            self.found += [one for one in frame.f_locals.values() if isinstance(one, torch.Tensor) and len(one) > 100]
            frame = frame.f_back
        self.found += [one for one in gc.get_objects() if type(one) is torch.Tensor and one.dtype == torch.int64
                       and one.dim() == 1 and len(one) > 100]

    def propose(self, ids, k):
        for one in self.found:
            if isinstance(one, torch.Tensor) and len(one) > len(ids) and torch.equal(one[: len(ids)], ids):
                return one[len(ids) :][:k]
        return ids[:0]
""", "every draft is empty"),
    "works on in a thread": ("""
class Cheat(Bigram):
    def __init__(self, state):
        import threading

        super().__init__(state)
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while not hasattr(Cheat, "over"):
            torch.ones(200, 200) @ torch.ones(200, 200)
""", "works on while nobody asks it"),
    "sleeps, and stops the clocks that it finds": ("""
class Cheat(Bigram):
    def propose(self, ids, k):
        import time

        time.sleep(0.1)
        for name in ("perf_counter", "process_time", "thread_time", "monotonic", "time"):
            setattr(time, name, lambda: 0.0)
        torch.equal = lambda *given: True
        return super().propose(ids, k)
""", "costs too much"),
    "drafts when its answer is read": ("""
class Later:
    def __init__(self, draft):
        self.draft = draft

    def __array__(self, dtype=None, copy=None):
        began = time.thread_time()
        while time.thread_time() < began + 0.03:
            np.ones((100, 100)) @ np.ones((100, 100))
        time.sleep(0.3)
        return self.draft.numpy()


class Cheat(Bigram):
    def propose(self, ids, k):
        return Later(super().propose(ids, k))
""", "costs too much"),
    "thinks long, in one draft of all": ("""
class Cheat(Bigram):
    thought = False

    def propose(self, ids, k):
        began = time.thread_time()
        while not Cheat.thought and time.thread_time() < began + 1.5:
            np.ones((100, 100)) @ np.ones((100, 100))
        Cheat.thought = True
        return super().propose(ids, k)
""", "costs too much"),
    "learns when it is made": ("""
class Cheat(Bigram):
    def __init__(self, state):
        super().__init__(state)
        began = time.thread_time()
        while time.thread_time() < began + 2.2:
            np.ones((100, 100)) @ np.ones((100, 100))
""", "seconds for a text on average, and 2 are there"),
    "answers more than was asked for": ("""
class Cheat(Bigram):
    def propose(self, ids, k):
        return super().propose(ids, k + 5)
""", "at most k tokens"),
    "answers what is no id": ("""
class Cheat(Bigram):
    def propose(self, ids, k):
        return torch.full((k,), 5000)
""", "an id that is none"),
}


@pytest.mark.slow
@pytest.mark.parametrize("title", CHEATS)
def test_one_that_cheats_gets_nothing(open_house, quick, title):
    source, said = CHEATS[title]
    setting = source.partition("class Cheat")[0]
    report, _ = graded(open_house, f"class Cheat{source.partition('class Cheat')[2]}", f"{BIGRAM}\n\n{setting}")
    assert report.score == 0, report.message
    assert re.search(said, report.message), report.message


WORKER = """
class Worker(Bigram):
    def propose(self, ids, k):
        import threading

        threading.Thread(target=self.work, daemon=True).start()
        return super().propose(ids, k)

    def work(self):
        began = time.thread_time()
        while time.thread_time() < began + 0.004:
            np.ones((30, 30)) @ np.ones((30, 30))
"""


@pytest.mark.slow
def test_a_little_work_behind_the_clock_is_charged(open_house, quick):
    report, _ = graded(open_house, WORKER, f"{BIGRAM}\n")
    assert report.score == 0 or report.figures["speedup"] < 0.9 * report.figures["per_call"], report.message


@pytest.mark.slow
def test_numbers_in_the_code_count_as_well(open_house, quick):
    report, _ = graded(open_house, BIGRAM, before=f"WEIGHTS = '{'x' * 30_000}'\n")
    assert report.score == 0 and "bytes of code" in report.message, report.message


ENDLESS = """
class Slow(Bigram):
    @staticmethod
    def train(texts, words, seconds):
        import time

        while time.process_time() < LIMIT:
            pass
        return Bigram.train(texts, words, seconds)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit, said", [("1e9", "was stopped: it takes more than twice"), ("3.0", "`train` took")])
def test_a_training_that_takes_too_long_is_told_so(open_house, quick, monkeypatch, limit, said):
    monkeypatch.setattr(project, "SECONDS", 1.0)
    monkeypatch.setattr(checks.exercise(NAME), "seconds", 2.0)
    report, _ = graded(open_house, ENDLESS.replace("LIMIT", limit), f"{BIGRAM}\n")
    assert report.score == 0 and said in report.message and "time.process_time()" in report.message, report.message


@pytest.mark.slow
def test_in_a_notebook_too_the_processor_is_watched(quick):
    space = {"torch": torch}
    source, said = CHEATS["works on in a thread"]
    exec(BIGRAM + source, space)
    report = evaluate(NAME, space["Cheat"])
    space["Cheat"].over = True
    assert report.score == 0 and said in report.message, report.message


def test_what_is_kept_is_counted_as_it_lies_in_memory():
    assert 8000 < len(project.packed({"a": torch.zeros(1000, dtype=torch.int64)})) < 8200
    assert 1000 < len(project.packed({"a": torch.zeros(1000, dtype=torch.int8)})) < 1200
    far = torch.zeros(1_000_000)[:10]
    assert len(project.packed({"a": far, "b": far.view(2, 5).T})) < 300
    kept = project.unpacked(project.packed({"a": torch.nn.Parameter(torch.ones(2))}))
    assert type(kept["a"]) is torch.Tensor and kept["a"].tolist() == [1, 1]
    for state in (None, {}, {"a": 1}, {1: torch.zeros(1)}, {"a": {"b": torch.zeros(1)}}, [torch.zeros(1)]):
        with pytest.raises(ValueError, match="expected"):
            project.packed(state)
    for tensor in (torch.eye(3).to_sparse(), torch.empty(3, device="meta")):
        with pytest.raises(ValueError, match="cannot hold it"):
            project.packed({"a": tensor})


class Clock:
    """One that hardly moves unless somebody takes his time."""

    now = 0.0

    def perf_counter(self):
        self.now += 1e-5
        return self.now


@pytest.mark.parametrize(
    ("making", "drafts", "made", "drafted"),
    [((3, 0.5), (9, 9), 1.75, 0.3), ((5, 0), (), 5, 0), ((), (9, 4, 5), 0, 12.1)],
)
def test_a_machine_that_stands_still_for_a_moment_costs_nobody_a_point(monkeypatch, making, drafts, made, drafted):
    """The time to be made counts on average, and the two longest drafts count like the third."""
    clock, makings, times = Clock(), iter(making), iter((0.1, *drafts))

    def drafter(ids, k):
        clock.now += next(times, 0.0)
        return ids[:0]

    def make():
        clock.now += next(makings, 0.0)
        return drafter

    monkeypatch.setattr(project, "NEW", 12)
    monkeypatch.setattr(project, "time", clock)
    prompts = project.hidden_prompts(3, "validation")[:2]
    trial = project.tried(project.classroom_pair().target, prompts, make, processor=lambda: 0.0)
    assert trial.making == pytest.approx(made, abs=0.01) and trial.drafting == pytest.approx(drafted, abs=0.01)


def test_texts_that_part_at_a_tie_are_one_text():
    class Target:
        def __init__(self, gap):
            self.gap = gap

        def __call__(self, ids):
            logits = torch.zeros(1, ids.shape[1], 4)
            logits[..., 2] = self.gap
            return type("Output", (), {"logits": logits + 1})

    own, other = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 3])
    assert project.same_text(None, own, own.clone())
    assert project.same_text(Target(1e-5), own, other)
    assert not project.same_text(Target(0.1), own, other)
    assert not project.same_text(Target(0.1), own, own[:3])
