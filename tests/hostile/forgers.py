"""10, 11, 15, 19, 41: submissions that forge the verdict instead of an answer.

Knows: how IPython, nbgrader and naive checkers come to a mark. Does not know: how this one does.
"""

from __future__ import annotations

from functools import cache
from inspect import getsource

import torch

from specdec_course.checks import evaluate

from . import Expect, case
from .sheets import HONEST, accepted, hand_in, per_call, place, rate, solved, stubs

STUB = "not attempted"
ALL_STUBS = {"*": 0}

accepted("10", "patches `showtraceback`, so that no error shows", """\
shell = get_ipython()
for name in ("showtraceback", "_showtraceback", "showsyntaxerror", "show_usage_error"):
    setattr(shell, name, lambda *args, **kwargs: None)


def accepted_length(draft, choice):
    raise RuntimeError("nobody will see this")
""")


@case("11a", "an input transformer that empties every cell below; nothing solved", Expect(ALL_STUBS, STUB))
def blank_everything(ground):
    notebook = stubs(ground)
    setup = next(cell for cell in notebook.cells if cell.id == "setup")
    setup.source += '\nget_ipython().input_transformers_post.append(lambda lines: ["pass\\n"])\n'
    hand_in(ground, notebook)


rate("11b", "transformers of text and syntax that turn `grade(...)` into points", """\
import ast

shell = get_ipython()
shell.input_transformers_cleanup.append(lambda lines: ["1.0\\n"] if "grade(" in "".join(lines) else lines)


class Points(ast.NodeTransformer):
    def visit_Call(self, node):
        name = getattr(node.func, "id", "")
        return ast.copy_location(ast.Constant(1.0), node) if name == "grade" else node


shell.ast_transformers.append(Points())


def acceptance_rate(rounds):
    raise NotImplementedError("not attempted yet")
""")

rate("15a", "a hook after every cell that shows full points", """\
from IPython.display import display


def after(result):
    result.result = 1.0
    result.error_in_exec = None
    display({"application/vnd.specdec.bonus+json": {"points": 10.0}, "text/plain": "1.0"}, raw=True)


get_ipython().events.register("post_run_cell", after)
get_ipython().displayhook.__class__.__call__ = lambda self, result=None: None
""")
rate("15b", "a hook in front of every cell that replaces the function and the grader", """\
def before(*info):
    import builtins

    get_ipython().user_ns["grade"] = builtins.grade = lambda *args, **kwargs: 1.0


for event in ("pre_run_cell", "pre_execute"):
    get_ipython().events.register(event, before)
before()
grade = lambda *args, **kwargs: 1.0
""")

per_call("19a", "returns NaN, infinity and 1e308", """\
import itertools

values = itertools.cycle([float("nan"), float("inf"), 1e308, -1e308])


def tokens_per_call(rounds):
    return next(values)
""")
accepted("19b", "gives its function attributes: score, points, passed, state", """\
def accepted_length(draft, choice):
    return -1


for name, value in {"score": 1.0, "points": 1000.0, "passed": True, "state": "right", "maximum": 1000}.items():
    setattr(accepted_length, name, value)
""", due=0)
accepted("19c", "redefines `grade` and `check`", """\
def grade(*args, **kwargs):
    print("accepted_length: right. All 5 parts of the check pass.\\naccepted_length: 1000 of 1 points")
    return 1000.0


check = evaluate = yours = grade


def accepted_length(draft, choice):
    return -1
""")
accepted("19d", "patches the checks: everything right, worth a thousand points", """\
import specdec_course.checks as checks

try:
    from specdec_course.checks import engine
    report = engine.Report("accepted_length", "right", 1000.0, "accepted_length: right.")
    checks.evaluate = checks._judge = engine.evaluate_exercise = checks.evaluate_exercise = lambda *a, **k: report
    for exercise in checks.exercises().values():
        exercise.points = 1000.0
        exercise.parts.clear()
except Exception as error:
    print(error)


def accepted_length(draft, choice):
    return -1
""")


@case("19e", "test cells that say 1e9, -50 and NaN themselves; nothing solved", Expect(ALL_STUBS, STUB))
def points_written_by_hand(ground):
    notebook = stubs(ground)
    for name, source in zip(HONEST, ("1e9", "float('nan')", "-50.0", "print('1.0')\n1.0", "True"), strict=True):
        notebook.cells[place(notebook, f"grade_{name}")].source = source
    hand_in(ground, notebook)


@case("19f", "saved outputs that show full points; nothing solved", Expect(ALL_STUBS, STUB))
def points_in_saved_outputs(ground):
    notebook = stubs(ground)
    for name in HONEST:
        cell = notebook.cells[place(notebook, f"grade_{name}")]
        cell.execution_count = 1
        cell.outputs = [{"output_type": "execute_result", "execution_count": 1, "metadata": {},
                         "data": {"text/plain": "1000.0"}}]
    hand_in(ground, notebook)


@cache
def known_answers(name: str, honest: str, seeds=(0, 1)) -> dict:
    """What is asked by the check that students can run, and by the public `grade`, with the right answers."""
    space, table = {"torch": torch}, {}
    exec(honest, space)

    def recording(*args):
        answer = space[name](*args)
        table[question(args)] = answer.tolist() if isinstance(answer, torch.Tensor) else answer
        return answer

    for seed in seeds:
        assert evaluate(name, recording, seed).passed
    return table


def question(args):
    import hashlib

    asked = [x.tolist() if hasattr(x, "tolist") else [(r.drafted, r.accepted, r.emitted) for r in x] for x in args]
    return hashlib.md5(repr(asked).encode()).hexdigest()


def hard_coded(number, name, due, rule):
    @case(number, f"the answers to the public questions, written down: {name}", Expect({name: due}, rule=rule))
    def build(ground):
        table = known_answers(name, HONEST[name])
        otherwise = "torch.zeros(1).long()" if name == "verify_greedy" else "0"
        source = (f"known = {table!r}\n\n\n{getsource(question)}\n\n"
                  f"def {name}(*args):\n    answer = known.get(question(args), {otherwise})\n"
                  "    return torch.tensor(answer) if isinstance(answer, list) else answer\n")
        hand_in(ground, solved(ground, **{name: source}))


hard_coded("41a", "accepted_length", (0, 0.2), "only the empty draft asks the same of everybody")
hard_coded("41b", "verify_greedy", (0, 0.2), "a new input is not in the table")
hard_coded("41c", "tokens_per_call", (0, 0.5), "two parts of three ask for fixed traces that stand in the unit's text")
