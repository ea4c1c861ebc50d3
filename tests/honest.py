"""Notebooks as honest students write them, and what they earn in a notebook of their own.

Knows: habits of students who mean well, unit by unit (`VARIANTS`); how a notebook's cells run where there is IPython and
the whole package (`in_a_notebook`). Does not know: rooms, records. What a room says is compared in `test_honest`.
"""

from __future__ import annotations

import functools
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from specdec_course import checks
from specdec_course.grading.sample_class import answers, filled_in, without_demonstrations

ROOT = Path(__file__).resolve().parents[1]
UNITS = {path.name[:2]: path.name for path in sorted((ROOT / "notebooks").iterdir()) if path.name[:2].isdigit()}
MARKS = re.compile(r"^ *### (BEGIN|END) SOLUTION\n?", re.MULTILINE)


@dataclass(frozen=True)
class Variant:
    """A notebook: the release with `texts` (exercise -> its answer cell) and `own` ((exercise, cell in front of its
    answer), ...). `design`: a pattern that the message in the room holds where the difference is meant to be;
    `whole`: with the provided demonstrations."""

    name: str
    unit: str
    texts: dict
    own: tuple = ()
    design: str | None = None
    whole: bool = False


VARIANTS: list[Variant] = []


def write(name: str, number: str, own=(), design=None, whole=False, **texts: str) -> None:
    VARIANTS.append(Variant(name, UNITS[number], texts, tuple(own), design, whole))


@functools.cache
def right(number: str) -> dict[str, str]:
    """The course's own answers of a unit, as text."""
    solution = nbformat.read(ROOT / "solutions" / UNITS[number] / f"{UNITS[number]}.ipynb", as_version=4)
    return {name: MARKS.sub("", text) for name, text in answers(solution).items()}


def swapped(number: str, exercise: str, *changes: tuple[str, str]) -> str:
    """The course's answer with some of its text changed."""
    text = right(number)[exercise]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def notebook_of(variant: Variant):
    release = nbformat.read(ROOT / "notebooks" / variant.unit / f"{variant.unit}.ipynb", as_version=4)
    notebook = filled_in(release if variant.whole else without_demonstrations(release), variant.texts)
    for exercise, source in variant.own:
        ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
        notebook.cells.insert(ids.index(exercise), nbformat.v4.new_code_cell(source))
    return notebook


def in_a_notebook(notebook, seed_of) -> dict[str, dict]:
    """Exercise -> verdict, in IPython with the package itself. A child process: cells may leave anything behind."""
    read, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(write_end)
        with os.fdopen(read) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
        return json.loads(told)
    os.close(read)
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        told = _run(notebook, seed_of)
        with os.fdopen(write_end, "w") as pipe:
            json.dump(told, pipe)
    finally:
        os._exit(0)


def _run(notebook, seed_of) -> dict[str, dict]:
    import sys

    from IPython.core.interactiveshell import InteractiveShell

    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.environ["MPLBACKEND"] = "agg"
    shell = InteractiveShell.instance(user_module=None)
    sys.modules["__main__"] = shell.user_module
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if cell.metadata.get("nbgrader", {}).get("grade"):
            name = cell.metadata.nbgrader["grade_id"].removeprefix("grade_")
            found[name] = _verdict(shell.user_ns, name, seed_of(name))
        elif not re.match(r"\s*(check|grade)\(", cell.source):
            shell.run_cell(cell.source, store_history=True)
    return found


def _verdict(space: dict, name: str, seed: int) -> dict:
    if name not in space:
        return {"state": "wrong", "score": 0.0, "diagnosis": None, "message": "NameError"}
    try:
        report = checks._judge(space[name], name, seed)
    except BaseException as error:  # a test cell that raises earns nothing
        return {"state": "wrong", "score": 0.0, "diagnosis": None, "message": f"{type(error).__name__}: {error}"}
    return {"state": report.state, "score": report.score, "diagnosis": report.diagnosis, "message": report.message}


# Unit 03 ----------------------------------------------------------------------------------------------------------
AL = """
def accepted_length(draft, choice):
    n = 0
    while n < len(draft) and draft[n] == choice[n]:
        n += 1
    return n
"""
write("the course's own answers", "03", **right("03"))
write("helper in an own cell", "03", [("accepted_length", "def leading(a, b):\n    n = 0\n    for x, y in zip(a, b):\n        if x != y:\n            break\n        n += 1\n    return n")],
      accepted_length="def accepted_length(draft, choice):\n    return leading(draft, choice)")
write("a lambda", "03", accepted_length="accepted_length = lambda draft, choice: int((draft == choice[:len(draft)]).long().cumprod(0).sum())")
write("a partial", "03", accepted_length="from functools import partial\ndef _count(choice_first, draft, choice):\n    n = 0\n    while n < len(draft) and draft[n] == choice[n]:\n        n += 1\n    return n\naccepted_length = partial(_count, True)")
write("a callable object", "03", accepted_length="class Accepted:\n    def __init__(self):\n        self.calls = 0\n    def __call__(self, draft, choice):\n        self.calls += 1\n        n = 0\n        while n < len(draft) and draft[n] == choice[n]:\n            n += 1\n        return n\naccepted_length = Accepted()")
write("a method of an object", "03", accepted_length="class Rules:\n    @staticmethod\n    def accepted(draft, choice):\n        n = 0\n        while n < len(draft) and draft[n] == choice[n]:\n            n += 1\n        return n\naccepted_length = Rules.accepted")
write("a bound method", "03", accepted_length="class Rules:\n    def accepted(self, draft, choice):\n        n = 0\n        while n < len(draft) and draft[n] == choice[n]:\n            n += 1\n        return n\naccepted_length = Rules().accepted")
write("functools.wraps and a counter", "03", accepted_length="import functools\ncalls = 0\ndef counted(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n        global calls\n        calls += 1\n        return f(*args, **kwargs)\n    return inner\n\n@counted" + AL)
write("no_grad and inference_mode", "03", accepted_length="@torch.no_grad()" + AL, verify_greedy="@torch.inference_mode()\n" + right("03")["verify_greedy"])
write("lru_cache in a helper", "03", accepted_length="import functools\n@functools.lru_cache(maxsize=None)\ndef run(a, b):\n    return 0 if not a or not b or a[0] != b[0] else 1 + run(a[1:], b[1:])\ndef accepted_length(draft, choice):\n    return run(tuple(draft.tolist()), tuple(choice.tolist()))")
write("recursion", "03", accepted_length="def accepted_length(draft, choice):\n    if len(draft) == 0 or draft[0] != choice[0]:\n        return 0\n    return 1 + accepted_length(draft[1:], choice[1:])")
write("future annotations and type hints", "03", accepted_length="from __future__ import annotations\ndef accepted_length(draft: LongTensor, choice: jaxtyping.Int[Tensor, 'k']) -> int:\n    n: int = 0\n    while n < len(draft) and draft[n] == choice[n]:\n        n += 1\n    return n")
write("hints that name what is not imported", "03", accepted_length="def accepted_length(draft: Tensor, choice: Tensor) -> int:\n    return 0")
write("typing hints", "03", accepted_length="from typing import Optional, List\nfrom torch import Tensor\ndef accepted_length(draft: Tensor, choice: Optional[Tensor] = None) -> int:" + AL.split(":", 1)[1])
for told, value in {"np.int64": "np.int64(n)", "0-d tensor": "torch.tensor(n)", "float": "float(n)", "Fraction": "Fraction(n)", "Decimal": "Decimal(n)",
                    "bool sum": "np.uint8(n)", "one-element tensor": "torch.tensor([n])", "a list": "[n]", "str": "str(n)", "complex": "complex(n)", "bfloat16": "torch.tensor(n, dtype=torch.bfloat16)",
                    "requires grad": "torch.tensor(float(n), requires_grad=True)", "parameter": "torch.nn.Parameter(torch.tensor(float(n)))", "numpy 0-d": "np.array(n)",
                    "None at the end": "None", "sparse": "torch.tensor([n]).to_sparse()", "int subclass": "type('Count', (int,), {})(n)", "an object with __int__": "type('C', (), {'__int__': lambda s: n, '__float__': lambda s: float(n)})()",
                    "an enum": "__import__('enum').IntEnum('E', {'a': n}).a", "sympy-like __index__": "type('C', (), {'__index__': lambda s: n})()", "masked array": "np.ma.array(n)", "generator": "(i for i in range(n))", "tuple": "(n,)", "set": "{n}", "dict": "{'n': n}", "np.float32": "np.float32(n)", "np.longdouble": "np.longdouble(n)", "nan": "float('nan')", "print": "print(n)", "bytes": "b'1'", "a function": "lambda: n", "a class": "int", "a module": "np", "exception object": "ValueError(n)", "a Round": "Round(n, n, n)", "Ellipsis": "..."}.items():
    write(f"accepted_length as {told}", "03", accepted_length="import numpy as np\nfrom fractions import Fraction\nfrom decimal import Decimal\n" + AL.replace("return n", f"return {value}"))
for told, value in {"list": "out.tolist()", "tuple": "tuple(out.tolist())", "numpy": "out.numpy()", "int32": "out.int()", "list of 0-d tensors": "list(out)", "float": "out.float()", "a view": "torch.stack([out, out])[0]",
                    "not contiguous": "torch.stack([out, out], 1)[:, 0]", "bfloat16": "out.to(torch.bfloat16)", "two dimensions": "out[None]", "deque": "deque(out.tolist())", "generator": "(int(i) for i in out)", "map": "map(int, out)",
                    "array.array": "array('q', out.tolist())", "range-like": "np.asarray(out).astype(object)", "named tuple": "namedtuple('R', [f'f{i}' for i in range(len(out))])(*out.tolist())", "iterator": "iter(out.tolist())", "list of np.int64": "[np.int64(i) for i in out]",
                    "set": "set(out.tolist())", "dict keys": "dict.fromkeys(out.tolist()).keys()", "dict values": "dict(enumerate(out.tolist())).values()", "own class with tolist": "Own(out)", "UserList": "__import__('collections').UserList(out.tolist())", "torch.Size": "torch.Size(out.tolist())", "np.matrix": "np.matrix(out.numpy())", "memoryview": "memoryview(out.numpy())", "subclass": "out.as_subclass(type('T', (torch.Tensor,), {}))", "string": "' '.join(map(str, out.tolist()))", "meta": "out.to('meta')", "uint16": "out.to(torch.uint16)", "nested lists": "[[i] for i in out.tolist()]", "list of lists of tensors": "[out]"}.items():
    write(f"verify_greedy as {told}", "03", verify_greedy="import numpy as np\nfrom array import array\nfrom collections import deque, namedtuple\nclass Own:\n    def __init__(self, x): self.x = x\n    def tolist(self): return self.x.tolist()\n    def __len__(self): return len(self.x)\n    def __iter__(self): return iter(self.x.tolist())\n    def __getitem__(self, i): return self.x.tolist()[i]\n"
          + swapped("03", "verify_greedy", ("return torch.cat([draft[:n], choice[n : n + 1]])", f"out = torch.cat([draft[:n], choice[n : n + 1]])\n    return {value}")), accepted_length=AL)
write("verify_greedy changes its draft", "03", accepted_length=AL, verify_greedy="def verify_greedy(draft, logits):\n    choice = logits.argmax(-1)\n    n = accepted_length(draft, choice)\n    draft[n:] = 0\n    return torch.cat([draft[:n], choice[n:n+1]])")
write("verify_greedy changes and restores", "03", accepted_length=AL, verify_greedy="def verify_greedy(draft, logits):\n    old = logits.clone()\n    logits -= logits.max()\n    choice = logits.argmax(-1)\n    logits.copy_(old)\n    n = accepted_length(draft, choice)\n    return torch.cat([draft[:n], choice[n:n+1]])")
write("answers a view of its input", "03", accepted_length=AL, verify_greedy="def verify_greedy(draft, logits):\n    choice = logits.argmax(-1)\n    n = accepted_length(draft, choice)\n    if n == len(draft) and False:\n        return draft\n    choice[:n] = draft[:n]\n    return choice[:n+1]")
write("an assert that is wrong", "03", accepted_length="def accepted_length(draft, choice):\n    assert len(draft) == len(choice), 'both must be as long'\n    return 0")
write("an assert that is right", "03", accepted_length=AL.replace("    n = 0", "    assert draft.dim() == 1, draft.shape\n    n = 0"))
write("an exception of its own", "03", accepted_length="class Oops(ValueError):\n    pass\n\n\ndef accepted_length(draft, choice):\n    try:\n        return choice[99]\n    except IndexError as error:\n        raise Oops('no such place') from error")
write("an exception with a struct of args", "03", accepted_length="class Oops(Exception):\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n    def __str__(self):\n        return f'{self.a} and {self.b}'\ndef accepted_length(draft, choice):\n    raise Oops(1, 2)")
write("KeyError and its quotes", "03", accepted_length="def accepted_length(draft, choice):\n    return {}['accepted']")
write("IndexError", "03", accepted_length="def accepted_length(draft, choice):\n    n = 0\n    while draft[n] == choice[n]:\n        n += 1\n    return n")
write("UnboundLocalError", "03", accepted_length="def accepted_length(draft, choice):\n    for n in range(len(draft)):\n        if draft[n] != choice[n]:\n            break\n    return n")
write("NameError", "03", accepted_length="def accepted_length(draft, choice):\n    return helper_that_is_not(draft)")
write("NameError with a hint", "03", accepted_length="def accepted_length(draft, choice):\n    number = 0\n    return numbr")
write("AttributeError with a hint", "03", accepted_length="def accepted_length(draft, choice):\n    return draft.argmx()")
write("a TypeError of torch", "03", accepted_length="def accepted_length(draft, choice):\n    return int((draft == choice).long().cumprod(0).sum())")
write("RecursionError", "03", accepted_length="def accepted_length(draft, choice):\n    return accepted_length(draft, choice)")
write("RecursionError in a helper class", "03", accepted_length="class A:\n    def go(self):\n        return self.go()\ndef accepted_length(draft, choice):\n    return A().go()")
write("UnicodeDecodeError", "03", accepted_length="def accepted_length(draft, choice):\n    return b'\\xff'.decode()")
write("OSError", "03", accepted_length="def accepted_length(draft, choice):\n    return len(open('table.txt').read())")
write("an exception group", "03", accepted_length="def accepted_length(draft, choice):\n    raise ExceptionGroup('two', [ValueError(1), TypeError(2)])")
write("StopIteration", "03", accepted_length="def accepted_length(draft, choice):\n    return next(i for i in range(len(draft)) if draft[i] != choice[i])")
write("sys.exit with a code", "03", accepted_length="import sys\ndef accepted_length(draft, choice):\n    sys.exit(3)")
write("KeyboardInterrupt", "03", accepted_length="def accepted_length(draft, choice):\n    raise KeyboardInterrupt")
write("NotImplementedError of its own", "03", accepted_length="def accepted_length(draft, choice):\n    raise NotImplementedError('empty drafts')")
write("bare NotImplementedError", "03", accepted_length="def accepted_length(draft, choice):\n    raise NotImplementedError")
write("pass", "03", accepted_length="def accepted_length(draft, choice):\n    pass")
write("code in front of the stub's line", "03", accepted_length="def accepted_length(draft, choice):\n    n = 0\n    # later\n    raise NotImplementedError('not attempted yet')")
write("error in a helper of an own cell", "03", [("accepted_length", "# my helper\n\ndef helper(x):\n    y = x + 1\n    return y['a']\n")], accepted_length="def accepted_length(draft, choice):\n    n = 3\n    return helper(n)")
write("error in a helper of the same cell", "03", accepted_length="def helper(x):\n    return 1 / x\n\ndef accepted_length(draft, choice):\n    # a comment\n    return helper(0)")
write("error below %%time", "03", accepted_length="%%time\n\ndef accepted_length(draft, choice):\n    x = 0\n    return 1 / x")
write("error below magics", "03", accepted_length="%load_ext autoreload\n%autoreload 2\n!ls\n\ndef accepted_length(draft, choice):\n    x = 0\n    return 1 / x")
write("error in a decorated function", "03", accepted_length="@torch.no_grad()\ndef accepted_length(draft, choice):\n    x = 0\n    return 1 / x")
write("error in a wrapped function", "03", accepted_length="import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(*a):\n        return f(*a)\n    return inner\n@deco\ndef accepted_length(draft, choice):\n    x = 0\n    return 1 / x")
write("error in a lambda", "03", accepted_length="accepted_length = lambda draft, choice: 1 / 0")
write("error in a callable object", "03", accepted_length="class A:\n    def __call__(self, draft, choice):\n        return 1 / 0\naccepted_length = A()")
write("error in a statement of several lines", "03", accepted_length="def accepted_length(draft, choice):\n    return max(\n        1,\n        1 / 0,\n    )")
write("error in a comprehension", "03", accepted_length="def accepted_length(draft, choice):\n    return sum([\n        1 / 0 for _ in range(3)\n    ])")
write("a syntax error", "03", accepted_length="def accepted_length(draft, choice):\n    n = 0\n    return n +")
write("an indentation error", "03", accepted_length="def accepted_length(draft, choice):\n    n = 0\n      return n")
write("an indented cell", "03", accepted_length="    def accepted_length(draft, choice):\n        n = 0\n        while n < len(draft) and draft[n] == choice[n]:\n            n += 1\n        return n\n")
write("tabs", "03", accepted_length=AL.replace("    ", "\t"))
write("Windows line ends", "03", accepted_length=AL.replace("\n", "\r\n"))
write("emoji and prints", "03", accepted_length=AL.replace("    n = 0", "    print('👍 ünïcode', draft)\n    n = 0"))
write("surrogates", "03", accepted_length=AL.replace("    n = 0", "    print('\\ud83d')\n    n = 0"))
write("unicode names", "03", accepted_length="def accepted_length(draft, choice):\n    α = 0\n    while α < len(draft) and draft[α] == choice[α]:\n        α += 1\n    return α")
write("a demonstration that fails below the def", "03", accepted_length=AL + "\nprint(accepted_length(torch.tensor([1]), torch.tensor([1, 2])))\nprint(undefined_thing)\n1 / 0")
write("a demonstration that asserts", "03", accepted_length=AL + "\nassert accepted_length(torch.tensor([1]), torch.tensor([1, 2])) == 2, 'hm'")
write("an asynchronous demonstration", "03", accepted_length=AL + "\nimport asyncio\nawait asyncio.sleep(0)\n")
write("an async helper used by asyncio.run", "03", accepted_length="import asyncio\nasync def count(draft, choice):\n    n = 0\n    while n < len(draft) and draft[n] == choice[n]:\n        n += 1\n    return n\ndef accepted_length(draft, choice):\n    loop = asyncio.new_event_loop()\n    try:\n        return loop.run_until_complete(count(draft, choice))\n    finally:\n        loop.close()")
write("async def as the answer", "03", accepted_length="async def accepted_length(draft, choice):\n    return 0")
write("magics around", "03", [("accepted_length", "%matplotlib inline\n%load_ext autoreload\n%autoreload 2\n!nvidia-smi\nfiles = !ls\nprint(files[0])\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n%timeit -n1 -r1 sum(range(3))\ntorch.cat?\n")], accepted_length="%%time\n" + AL.strip())
write("captured output", "03", [("accepted_length", "%%capture out\nprint('hello')\nhelper_value = 3"), ("accepted_length", "print(out.stdout)\nout.show()")], accepted_length=AL.replace("n = 0", "n = helper_value - 3"))
write("timeit -o", "03", [("accepted_length", "result = %timeit -o -n1 -r1 sum(range(3))\nprint(result.best)\nfast = result.best < 1000")], accepted_length=AL)
write("%time with an assignment", "03", [("accepted_length", "%time zero = 0\nn_files = !ls | wc -l")], accepted_length=AL.replace("n = 0", "n = zero"))
write("%%timeit cell", "03", [("accepted_length", "%%timeit -n1 -r1\nx = 1")], accepted_length=AL)
write("%run and %store and %who", "03", [("accepted_length", "%who\n%pwd\n%config InlineBackend.figure_format = 'retina'\n%precision 3\n%pdb off\n%debug")], accepted_length=AL)
write("a helper module by %%writefile", "03", [("accepted_length", "%%writefile my_helper.py\ndef leading(a, b):\n    n = 0\n    while n < len(a) and a[n] == b[n]:\n        n += 1\n    return n"), ("accepted_length", "import my_helper")], accepted_length="def accepted_length(draft, choice):\n    return my_helper.leading(draft, choice)")
write("history: _ and Out", "03", [("accepted_length", "40 + 2"), ("accepted_length", "kept = _\nprint(Out)"), ("accepted_length", "kept2 = In[1]")], accepted_length=AL)
write("tqdm, logging, warnings", "03", accepted_length="import logging, warnings\nfrom tqdm.auto import tqdm\nlogger = logging.getLogger(__name__)\nlogging.basicConfig(level=logging.DEBUG)\ndef accepted_length(draft, choice):\n    warnings.warn('careful')\n    logger.error('called')\n    n = 0\n    for a, b in tqdm(zip(draft, choice)):\n        if a != b:\n            break\n        n += 1\n    return n")
write("tqdm.notebook", "03", accepted_length="from tqdm.notebook import tqdm\n" + AL)
write("trange in a loop of an own cell", "03", [("accepted_length", "from tqdm import trange\nimport time\nfor i in trange(3):\n    time.sleep(0.01)\nfinished = i")], accepted_length=AL)
write("print floods", "03", accepted_length=AL.replace("    n = 0", "    print('x' * 100000)\n    n = 0"))
write("input in an own cell", "03", [("accepted_length", "name = input('your name? ')\nprint('hello', name)")], accepted_length=AL)
write("input, caught", "03", [("accepted_length", "try:\n    k = int(input('k? '))\nexcept Exception:\n    k = 4")], accepted_length=AL)
write("display", "03", [("accepted_length", "from IPython.display import display, HTML, clear_output, Markdown\ndisplay(torch.zeros(2))\ndisplay(HTML('<b>x</b>'))\nclear_output(wait=True)\ndisplay(Markdown('x'), display_id=True).update(Markdown('y'))")], accepted_length=AL)
write("display without import, with an id", "03", [("accepted_length", "handle = display('a', display_id=True)\nhandle.update('b')\nok = 1")], accepted_length=AL.replace("n = 0", "n = ok - 1"))
write("shadowed len in an own cell", "03", [("accepted_length", "len = 3")], accepted_length=AL)
write("shadowed list and input and print", "03", [("accepted_length", "list = [1, 2]\ninput = torch.zeros(3)\nprint = lambda *a: None\nsum = 0\nid = 5\ntype = 'x'\nrange_ = range\nmax = 4\nstr = 'a'\nint_ = int")], accepted_length=AL, verify_greedy=right("03")["verify_greedy"])
write("shadowed torch by a loop variable", "03", [("accepted_length", "np = 3\ntime = 0\nos = 'linux'\nsys = 1\nrandom = 0.3")], accepted_length=AL)
write("a module-level cache", "03", accepted_length="cache = {}\nhits = 0\ndef accepted_length(draft, choice):\n    global hits\n    key = (tuple(draft.tolist()), tuple(choice.tolist()))\n    if key in cache:\n        hits += 1\n        return cache[key]\n    n = 0\n    while n < len(draft) and draft[n] == choice[n]:\n        n += 1\n    cache[key] = n\n    return n")
write("default arguments from own cells", "03", [("accepted_length", "START = 0\nSTEP = 1")], accepted_length="def accepted_length(draft, choice, n=START, *, step=STEP):\n    while n < len(draft) and draft[n] == choice[n]:\n        n += step\n    return n")
write("torch default dtype float64", "03", [("accepted_length", "torch.set_default_dtype(torch.float64)\ntorch.set_printoptions(precision=2)")], **right("03"))
write("gradients off globally", "03", [("accepted_length", "torch.set_grad_enabled(False)\ntorch.manual_seed(1)\nimport numpy as np\nnp.random.seed(0)\nnp.seterr(all='raise')")], **right("03"))
write("warnings are errors", "03", [("accepted_length", "import warnings\nwarnings.simplefilter('error')")], **right("03"))
write("deterministic algorithms", "03", [("accepted_length", "torch.use_deterministic_algorithms(True)\ntorch.set_num_threads(1)\ntorch.backends.cudnn.benchmark = False\ntorch.set_float32_matmul_precision('high')")], **right("03"))
write("default device", "03", [("accepted_length", "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')\ntorch.set_default_device(device)")], **right("03"))
write("device chosen", "03", [("accepted_length", "device = 'cuda' if torch.cuda.is_available() else 'cpu'")], verify_greedy=swapped("03", "verify_greedy", ("choice = logits", "draft = draft.to(device)\n    choice = logits.to(device)")), accepted_length=AL)
write("torch.compile", "03", accepted_length="@torch.compile\ndef agrees(a, b):\n    return (a == b).long().cumprod(0).sum()\ndef accepted_length(draft, choice):\n    return int(agrees(draft, choice[:len(draft)]))")
write("torch.jit.script", "03", accepted_length="@torch.jit.script\ndef accepted_length(draft: torch.Tensor, choice: torch.Tensor) -> int:\n    n = 0\n    while n < len(draft) and bool(draft[n] == choice[n]):\n        n += 1\n    return n")
write("torch.vmap and functional", "03", accepted_length="def accepted_length(draft, choice):\n    same = torch.vmap(lambda a, b: a == b)(draft, choice[:len(draft)]) if len(draft) else torch.zeros(0)\n    return int(same.long().cumprod(0).sum())")
write("numpy, pandas, scipy, einops, sklearn", "03", [("accepted_length", "import numpy as np\ntry:\n    import pandas as pd\nexcept ImportError:\n    pd = None\n"), ("accepted_length", "import scipy\nimport scipy.stats\nhave_scipy = True"), ("accepted_length", "import einops"), ("accepted_length", "import sympy\nimport networkx\nimport PIL.Image\nimport tqdm, yaml, requests, packaging, rich, transformers, tokenizers, safetensors, huggingface_hub")], accepted_length=AL)
write("pandas in the answer", "03", accepted_length="import pandas as pd\ndef accepted_length(draft, choice):\n    a, b = pd.Series(draft.numpy()), pd.Series(choice[:len(draft)].numpy())\n    return int((a == b).cumprod().sum())")
write("scipy in the answer", "03", accepted_length="import scipy.stats\n" + AL)
write("sympy in the answer", "03", accepted_length="import sympy\n" + AL.replace("return n", "return sympy.Integer(n)"))
write("numba-like import that fails, caught", "03", accepted_length="try:\n    from numba import njit\nexcept ImportError:\n    njit = lambda f: f\n" + AL)
write("import * of the package", "03", [("accepted_length", "from specdec_course import *\nfrom specdec_course.trace import *\nfrom torch import *")], **right("03"))
write("import * of verification", "03", [("generate_speculative", "from specdec_course.verification import *")], generate_speculative=right("03")["generate_speculative"])
write("the package's verify_greedy in the loop", "03", generate_speculative="from specdec_course.verification import verify_greedy\n" + right("03")["generate_speculative"])
write("the package's verify_greedy by module", "03", generate_speculative="import specdec_course.verification as ver\n" + swapped("03", "generate_speculative", ("verify_greedy(", "ver.verify_greedy(")))
write("the package's verify_greedy, dotted", "03", generate_speculative="import specdec_course.verification\n" + swapped("03", "generate_speculative", ("verify_greedy(", "specdec_course.verification.verify_greedy(")))
write("the package's verify_greedy with keywords", "03", generate_speculative="from specdec_course import verification\n" + swapped("03", "generate_speculative", ("verify_greedy(draft, logits[len(ids) - 1 :])", "verification.verify_greedy(logits=logits[len(ids) - 1 :], draft=draft)")))
write("the package's accepted_length in verify_greedy", "03", verify_greedy="from specdec_course.verification import accepted_length as agree\n" + swapped("03", "verify_greedy", ("accepted_length(", "agree(")))
write("yours", "03", [("verify_greedy", "agree = yours(accepted_length)")], verify_greedy=swapped("03", "verify_greedy", ("accepted_length(", "agree(")), accepted_length=AL)
write("yours of what is not written", "03", [("verify_greedy", "agree = yours(accepted_length)")], verify_greedy=swapped("03", "verify_greedy", ("accepted_length(", "agree(")))
write("yours by name", "03", [("verify_greedy", "agree = yours('accepted_length')")], verify_greedy=swapped("03", "verify_greedy", ("accepted_length(", "agree(")))
write("yours inside the function", "03", verify_greedy=swapped("03", "verify_greedy", ("accepted_length(", "yours(accepted_length)(")), accepted_length=AL)
write("greedy_decode in the loop", "03", generate_speculative="from specdec_course.decoding import greedy_decode\ndef generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):\n    out = greedy_decode(target, ids, max_new_tokens)\n    return Decoded(out, [Round(0, 0, 1)] * max_new_tokens)")
write("check called inside cells", "03", [("verify_greedy", "check(accepted_length); hint(accepted_length); hint(accepted_length, 2); points = grade(accepted_length)\nprogress()"), ("verify_greedy", "points + 1")], accepted_length=AL)
write("points of grade used", "03", [("verify_greedy", "mine = grade(accepted_length)\nassert mine == 1.0\nallright = True")], accepted_length=AL, verify_greedy=swapped("03", "verify_greedy", ("choice =", "assert allright\n    choice =")))
write("isinstance of data classes", "03", tokens_per_call="from specdec_course.trace import Round as R\ndef tokens_per_call(rounds):\n    assert isinstance(rounds, list) and all(isinstance(r, Round) and isinstance(r, R) for r in rounds)\n    return sum(r.emitted for r in rounds) / len(rounds) if rounds else 0.0",
      acceptance_rate="import dataclasses\ndef acceptance_rate(rounds):\n    rows = [dataclasses.astuple(r) for r in rounds]\n    rows = [dataclasses.replace(r, drafted=r.drafted) for r in rounds] and rows\n    d = sum(r[0] for r in rows)\n    return sum(r[1] for r in rows) / d if d else 0.0")
write("match on Round", "03", tokens_per_call="def tokens_per_call(rounds):\n    total = 0\n    for r in rounds:\n        match r:\n            case Round(drafted=d, accepted=a, emitted=e):\n                total += e\n    return total / max(1, len(rounds))")
write("Fraction and statistics", "03", tokens_per_call="from fractions import Fraction\nfrom statistics import mean\ndef tokens_per_call(rounds):\n    return mean(Fraction(r.emitted) for r in rounds) if rounds else 0",
      acceptance_rate="from decimal import Decimal\ndef acceptance_rate(rounds):\n    d = sum(Decimal(r.drafted) for r in rounds)\n    return sum(Decimal(r.accepted) for r in rounds) / d if d else Decimal(0)")
write("own Round and Decoded classes", "03", generate_speculative="from dataclasses import dataclass\nfrom collections import namedtuple\nfrom typing import NamedTuple\n@dataclass\nclass Round:\n    drafted: int\n    accepted: int\n    emitted: int\n    @property\n    def rate(self):\n        return self.accepted / self.drafted\n    def shown(self):\n        return str(self)\nclass Decoded(NamedTuple):\n    ids: torch.Tensor\n    rounds: list\n    def text(self):\n        return 'x'\n" + right("03")["generate_speculative"], **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("own slots classes", "03", generate_speculative="class Round:\n    __slots__ = ('drafted', 'accepted', 'emitted')\n    def __init__(self, d, a, e):\n        self.drafted, self.accepted, self.emitted = d, a, e\nclass Decoded:\n    def __init__(self, ids, rounds):\n        self.ids, self._rounds = ids, rounds\n    @property\n    def rounds(self):\n        return self._rounds\n" + right("03")["generate_speculative"], **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("SimpleNamespace and dicts", "03", generate_speculative="from types import SimpleNamespace\n" + swapped("03", "generate_speculative", ("return Decoded(ids, rounds)", "return SimpleNamespace(ids=ids, rounds=[SimpleNamespace(**vars(r)) for r in rounds])")), **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("a tuple instead of Decoded", "03", generate_speculative=swapped("03", "generate_speculative", ("return Decoded(ids, rounds)", "return ids, rounds")), **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("a dict instead of Decoded", "03", generate_speculative=swapped("03", "generate_speculative", ("return Decoded(ids, rounds)", "return {'ids': ids, 'rounds': rounds}")), **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("Decoded holds lists and tuples", "03", generate_speculative=swapped("03", "generate_speculative", ("return Decoded(ids, rounds)", "return Decoded(ids.tolist(), tuple(rounds))")), **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("Decoded by keywords, rounds a generator", "03", generate_speculative=swapped("03", "generate_speculative", ("return Decoded(ids, rounds)", "return Decoded(ids=ids, rounds=(r for r in rounds))")), **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("a subclass of Decoded", "03", generate_speculative="import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Mine(Decoded):\n    note: str = ''\n    def tokens(self):\n        return len(self.ids)\n" + swapped("03", "generate_speculative", ("return Decoded(ids, rounds)", "return Mine(ids, rounds, 'done')")), **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
write("Round of tensors", "03", generate_speculative=swapped("03", "generate_speculative", ("Round(len(draft), min(accepted, len(emitted)), len(emitted))", "Round(torch.tensor(len(draft)), torch.tensor(min(accepted, len(emitted))), torch.tensor(len(emitted)))")), **{k: right("03")[k] for k in ("verify_greedy", "accepted_length")})
LOOP = {k: right("03")[k] for k in ("verify_greedy", "accepted_length")}
LENT = """    assert callable(target) and callable(propose)
    print(target, repr(propose), type(target), getattr(target, "__name__", "?"), hasattr(target, "config"))
    seen.setdefault(id(target), 0)
    seen[id(target)] += 1
"""
write("looks at what is lent", "03", generate_speculative="seen = {}\n" + swapped("03", "generate_speculative", ("    rounds = []\n", LENT + "    rounds = []\n")), **LOOP)
for told, line in {"inspect.signature": "import inspect; inspect.signature(target); inspect.signature(propose)", "__name__": "target.__name__, propose.__name__", "deepcopy": "import copy; target = copy.deepcopy(target)", "copy": "import copy; target = copy.copy(target)",
                   "an attribute": "target.calls = 0", "weakref": "import weakref; weakref.ref(target)()", "functools.wraps": "import functools; target = functools.wraps(target)(lambda ids, f=target: f(ids))", "partial": "import functools; target = functools.partial(target)",
                   "hash and ==": "assert {target: 1}[target] == 1 and target == target and target != propose and (target is propose) is False", "isinstance function": "import types; assert isinstance(target, (types.FunctionType, types.MethodType)) or callable(target)", "inspect.isfunction": "import inspect; inspect.isfunction(target); inspect.ismethod(target); inspect.getdoc(target)",
                   "__code__": "target.__code__.co_argcount", "__doc__ and __module__": "target.__doc__, target.__module__, target.__class__.__name__, target.__qualname__", "pickle": "import pickle; pickle.dumps(target)", "eval()": "target.eval() if hasattr(target, 'eval') else None", "vars": "vars(target), dir(target)", "keyword": "target(ids=ids) if False else None", "to": "target.to('cpu') if hasattr(target, 'to') else target", "bool": "assert target", "str": "f'{target} {target!r:>20}'", "getattr default": "getattr(target, 'vocab_size', None); getattr(propose, 'propose', propose)", "__call__": "target = target.__call__", "lru": "import functools; functools.lru_cache(target)", "signature parameters": "import inspect; n = len(inspect.signature(propose).parameters); assert n == 2, n", "torch.no_grad wraps": "target = torch.no_grad()(target)", "inference": "target = torch.inference_mode()(target)", "get_type_hints": "import typing; typing.get_type_hints(target)", "issubclass": "issubclass(type(target), torch.nn.Module)", "thread": "from concurrent.futures import ThreadPoolExecutor as T\n    plain = target\n    target = lambda x: T(1).submit(plain, x).result()"}.items():
    write(f"the target: {told}", "03", generate_speculative=swapped("03", "generate_speculative", ("    rounds = []\n", f"    {line}\n    rounds = []\n")), **LOOP)
write("a wrong shape given to the target", "03", generate_speculative=swapped("03", "generate_speculative", ("target(torch.cat([ids, draft]))", "target(torch.cat([ids, draft])[None])[0]")), **LOOP)
write("a list given to the target", "03", generate_speculative=swapped("03", "generate_speculative", ("target(torch.cat([ids, draft]))", "target(torch.cat([ids, draft]).tolist())")), **LOOP)
write("floats given to the target", "03", generate_speculative=swapped("03", "generate_speculative", ("target(torch.cat([ids, draft]))", "target(torch.cat([ids, draft]).float())")), **LOOP)
write("two arguments given to the target", "03", generate_speculative=swapped("03", "generate_speculative", ("target(torch.cat([ids, draft]))", "target(ids, draft)")), **LOOP)
write("unknown keyword given to the target", "03", generate_speculative=swapped("03", "generate_speculative", ("target(torch.cat([ids, draft]))", "target(torch.cat([ids, draft]), use_cache=True)")), **LOOP)
write("int32 given to the target", "03", generate_speculative=swapped("03", "generate_speculative", ("target(torch.cat([ids, draft]))", "target(torch.cat([ids, draft]).int())")), **LOOP)
write("numpy given to the target", "03", generate_speculative=swapped("03", "generate_speculative", ("target(torch.cat([ids, draft]))", "target(torch.cat([ids, draft]).numpy())")), **LOOP)
write("logits changed in place", "03", generate_speculative=swapped("03", "generate_speculative", ("        emitted = verify", "        logits[:, 0] -= 0\n        logits.sub_(logits.max())\n        emitted = verify")), **LOOP)
write("draft changed in place", "03", generate_speculative=swapped("03", "generate_speculative", ("        logits = target", "        draft += 0\n        logits = target")), **LOOP)
write("swallows what the target raises", "03", generate_speculative=swapped("03", "generate_speculative", ("        logits = target(torch.cat([ids, draft]))", "        try:\n            logits = target(torch.cat([ids, draft])[None])\n        except Exception:\n            logits = target(torch.cat([ids, draft]))")), **LOOP)
write("swallows what the target raises, with bare except", "03", generate_speculative=swapped("03", "generate_speculative", ("        logits = target(torch.cat([ids, draft]))", "        try:\n            logits = target(torch.cat([ids, draft]))\n        except:\n            raise ValueError('no') from None")), **LOOP)
write("endless loop over the target", "03", generate_speculative="def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):\n    while True:\n        target(ids)", **LOOP)
write("endless loop, swallowing", "03", generate_speculative="def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):\n    while True:\n        try:\n            target(ids)\n        except Exception:\n            pass", **LOOP)
write("positions kept from call to call", "03", generate_speculative="history = []\n" + swapped("03", "generate_speculative", ("    rounds = []\n", "    history.append((target, propose))\n    if len(history) > 1:\n        history[-2][0] is target\n    rounds = []\n")), **LOOP)
write("a class for the loop, with a generator", "03", generate_speculative='''
class Decoder:
    def __init__(self, target, propose):
        self.target, self.propose, self.rounds = target, propose, []

    def steps(self, ids, k, end, eos):
        while len(ids) < end:
            draft = self.propose(ids, min(k, end - len(ids) - 1))
            emitted = verify_greedy(draft, self.target(torch.cat([ids, draft]))[len(ids) - 1 :])
            accepted = len(emitted) - 1
            if eos is not None and eos in emitted.tolist():
                emitted = emitted[: emitted.tolist().index(eos) + 1]
            ids = torch.cat([ids, emitted])
            yield ids, Round(len(draft), min(accepted, len(emitted)), len(emitted))
            if emitted[-1] == eos:
                return


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    rounds = []
    for ids, r in Decoder(target, propose).steps(ids, k, len(ids) + max_new_tokens, eos_token_id):
        rounds.append(r)
    return Decoded(ids, rounds)
''', **LOOP)
write("own models loaded below the answer", "03", [("verify_greedy", "pair = load_pair('classroom')\nprint(len(pair.tokenizer), pair.target.config.vocab_size + 1, f'{pair.target.num_parameters() / 1e6:.1f} M')\nfor name, p in pair.target.named_parameters():\n    print(name, p.shape)\nids = torch.tensor(pair.tokenizer.encode('The river'))\nout = as_forward(pair.target)(ids)\nprint(out.shape, out.argmax(-1), float(out.max()))\nafter = 5")], accepted_length=AL, verify_greedy=swapped("03", "verify_greedy", ("    choice =", "    assert after == 5\n    choice =")))
write("a def below what fails in the same cell", "03", verify_greedy="pair = load_pair('classroom')\nids = torch.tensor(pair.tokenizer.encode('The river flows'))\nlogits = as_forward(pair.target)(ids)\nprint(logits.shape, logits[-1].argmax().item(), pair.tokenizer.decode(logits.argmax(-1)))\nassert logits.shape[0] == len(ids)\n\n" + right("03")["verify_greedy"], accepted_length=AL)
write("a constant from the model", "03", [("accepted_length", "pair = load_pair('classroom')\nVOCAB = pair.target.config.vocab_size\nEOS = pair.tokenizer.eos_token_id")], accepted_length=AL.replace("    n = 0", "    if len(draft) and int(draft.max()) >= VOCAB:\n        raise ValueError('no such token')\n    n = 0"))
write("a future import in an own cell lasts", "03", [("accepted_length", "from __future__ import annotations")], accepted_length="def accepted_length(draft: LongTensor, choice: LongTensor) -> int:" + AL.split(":", 1)[1])
write("a dataclass that unpacks", "03", generate_speculative="from dataclasses import dataclass\n@dataclass\nclass Both:\n    a: object\n    b: list\n    @property\n    def ids(self):\n        return self.a\n    @property\n    def rounds(self):\n        return self.b\n" + swapped("03", "generate_speculative", ("return Decoded(ids, rounds)", "return Both(ids, rounds)")), **LOOP)


# Unit 01 ----------------------------------------------------------------------------------------------------------
ONE = right("01")
PROFILE = '''
def latency_profile(forward, lengths, vocab_size, repeats=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    profile = {}
    for n in lengths:
        ids = torch.randint(vocab_size, (n,), generator=generator)
        profile[n] = float(np.median(TIMER(lambda: forward(ids), repeats=repeats)))
    return profile
'''
write("01 the course's own answers", "01", **ONE)
write("01 profiling.time_call", "01", latency_profile=PROFILE.replace("TIMER", "profiling.time_call"))
write("01 time_call imported by name", "01", latency_profile="from specdec_course.profiling import time_call as clock\n" + PROFILE.replace("TIMER", "clock"))
write("01 import specdec_course.profiling as", "01", latency_profile="import specdec_course.profiling as prof\n" + PROFILE.replace("TIMER", "prof.time_call"))
write("01 yours(time_call) where it is a stub", "01", latency_profile="timer = yours(time_call)\n" + PROFILE.replace("TIMER", "timer"))
write("01 timer of a demonstration", "01", whole=True, latency_profile=PROFILE.replace("TIMER", "timer"), time_call=ONE["time_call"])
write("01 timer of a demonstration, stub", "01", whole=True, latency_profile=PROFILE.replace("TIMER", "timer"))
write("01 own stub called", "01", latency_profile=PROFILE.replace("TIMER", "time_call"))
write("01 positional and synchronize", "01", latency_profile=PROFILE.replace("TIMER(lambda: forward(ids), repeats=repeats)", "profiling.time_call(lambda: forward(ids), repeats, 3, torch.cuda.synchronize if torch.cuda.is_available() else None)"))
write("01 functools.partial to the timer", "01", latency_profile="from functools import partial\n" + PROFILE.replace("TIMER(lambda: forward(ids)", "profiling.time_call(partial(forward, ids)"))
write("01 a Counter and OrderedDict", "01", latency_profile="from collections import OrderedDict, defaultdict\n" + PROFILE.replace("TIMER", "profiling.time_call").replace("profile = {}", "profile = defaultdict(float)"))
write("01 numpy keys and values", "01", latency_profile=PROFILE.replace("TIMER", "profiling.time_call").replace("profile[n] = float(np.median(", "profile[np.int64(n)] = (np.median("))
write("01 tensor keys", "01", latency_profile=PROFILE.replace("TIMER", "profiling.time_call").replace("profile[n]", "profile[torch.tensor(n)]"))
write("01 string keys", "01", latency_profile=PROFILE.replace("TIMER", "profiling.time_call").replace("profile[n]", "profile[str(n)]"))
write("01 a Series-like mapping", "01", latency_profile="from collections import UserDict\n" + PROFILE.replace("TIMER", "profiling.time_call").replace("return profile", "return UserDict(profile)"))
write("01 a pandas Series", "01", latency_profile="import pandas as pd\n" + PROFILE.replace("TIMER", "profiling.time_call").replace("return profile", "return pd.Series(profile)"))
write("01 MappingProxyType", "01", latency_profile="from types import MappingProxyType\n" + PROFILE.replace("TIMER", "profiling.time_call").replace("return profile", "return MappingProxyType(profile)"))
write("01 list of pairs", "01", latency_profile=PROFILE.replace("TIMER", "profiling.time_call").replace("return profile", "return list(profile.items())"))
for told, value in {"list": "seconds", "tensor": "torch.tensor(seconds)", "tuple": "tuple(seconds)", "array.array": "__import__('array').array('d', seconds)", "generator": "(s for s in seconds)", "deque": "__import__('collections').deque(seconds)", "float32": "np.array(seconds, dtype=np.float32)"}.items():
    write(f"01 time_call returns a {told}", "01", time_call=swapped("01", "time_call", ("return np.array(seconds)", f"return {value}")))
write("01 time.time_ns and monotonic", "01", time_call=swapped("01", "time_call", ("start = time.perf_counter()", "start = time.monotonic_ns()"), ("time.perf_counter() - start", "(time.monotonic_ns() - start) / 1e9")))
write("01 timeit.default_timer, from time import", "01", time_call="from timeit import default_timer\nfrom time import perf_counter\n" + swapped("01", "time_call", ("time.perf_counter()", "perf_counter()")))
write("01 timeit.repeat", "01", time_call="import timeit\ndef time_call(fn, repeats=20, warmup=3, synchronize=None):\n    def job():\n        fn()\n        if synchronize:\n            synchronize()\n    for _ in range(warmup):\n        fn()\n    if synchronize:\n        synchronize()\n    return timeit.repeat(job, number=1, repeat=repeats)")
write("01 torch.utils.benchmark-like context", "01", time_call="import contextlib\n@contextlib.contextmanager\ndef watch(out):\n    begin = time.perf_counter()\n    yield\n    out.append(time.perf_counter() - begin)\n" + swapped("01", "time_call", ("        start = time.perf_counter()\n        fn()\n        wait()\n        seconds.append(time.perf_counter() - start)\n", "        with watch(seconds):\n            fn()\n            wait()\n")))
write("01 gc off", "01", time_call="import gc\n" + swapped("01", "time_call", ("    seconds = []", "    gc.collect()\n    gc.disable()\n    seconds = []"), ("    return", "    gc.enable()\n    return")))
write("01 the config's attributes", "01", forward_cost=swapped("01", "forward_cost", ("    h, layers", "    print(config, vars(config), type(config).__name__)\n    from types import SimpleNamespace\n    config = SimpleNamespace(**vars(config))\n    import copy\n    config = copy.deepcopy(config)\n    h, layers")))
write("01 a config's attribute set", "01", forward_cost=swapped("01", "forward_cost", ("    h, layers", "    config.head_dim = getattr(config, 'head_dim', None) or config.hidden_size // config.num_attention_heads\n    h, layers")))
write("01 the cost as list, array, tensor", "01", forward_cost=swapped("01", "forward_cost", ("return flops, bytes_per_param * (weights + kv_cache)", "return np.array([flops, bytes_per_param * (weights + kv_cache)])")))
write("01 the cost as a NamedTuple with a method", "01", forward_cost="from typing import NamedTuple\nclass Cost(NamedTuple):\n    flops: int\n    bytes: int\n    @property\n    def intensity(self):\n        return self.flops / self.bytes\n" + swapped("01", "forward_cost", ("return flops, bytes_per_param * (weights + kv_cache)", "return Cost(flops, bytes_per_param * (weights + kv_cache))")))
write("01 the cost as a dataclass with __iter__", "01", forward_cost="from dataclasses import dataclass, astuple\n@dataclass\nclass Cost:\n    flops: int\n    bytes: int\n    def __iter__(self):\n        return iter(astuple(self))\n" + swapped("01", "forward_cost", ("return flops, bytes_per_param * (weights + kv_cache)", "return Cost(flops, bytes_per_param * (weights + kv_cache))")))
write("01 the cost as a generator", "01", forward_cost=swapped("01", "forward_cost", ("return flops, bytes_per_param * (weights + kv_cache)", "yield flops\n    yield bytes_per_param * (weights + kv_cache)")))
write("01 the cost as a dict", "01", forward_cost=swapped("01", "forward_cost", ("return flops, bytes_per_param * (weights + kv_cache)", "return {'flops': flops, 'bytes': bytes_per_param * (weights + kv_cache)}")))
write("01 huge whole numbers", "01", forward_cost=swapped("01", "forward_cost", ("return flops, bytes_per_param * (weights + kv_cache)", "return flops * 1.0, float(bytes_per_param * (weights + kv_cache))")))
write("01 roofline through the package", "01", roofline_latency="from specdec_course.theory import roofline_latency as other\ndef roofline_latency(flops, bytes, peak_flops, bandwidth):\n    return other(flops, bytes, peak_flops, bandwidth)")
write("01 roofline with torch, np.maximum", "01", roofline_latency="def roofline_latency(flops, bytes, peak_flops, bandwidth):\n    return torch.maximum(torch.tensor(flops / peak_flops, dtype=torch.float64), torch.tensor(bytes / bandwidth, dtype=torch.float64))")
write("01 roofline as ufunc", "01", roofline_latency="def roofline_latency(flops, bytes, peak_flops, bandwidth):\n    return np.maximum.reduce([np.divide(flops, peak_flops), np.divide(bytes, bandwidth)])")
write("01 flat_region in numpy", "01", flat_region="def flat_region(profile, tolerance=0.25):\n    n = np.array(sorted(profile))\n    t = np.array([profile[i] for i in n])\n    bad = np.flatnonzero(t > t[0] * (1 + tolerance))\n    return n[bad[0] - 1] if len(bad) else n[-1]")
write("01 flat_region pops from its profile", "01", flat_region="def flat_region(profile, tolerance=0.25):\n    lengths = sorted(profile)\n    first = profile.pop(lengths[0])\n    profile[lengths[0]] = first\n    out = lengths[0]\n    for n in lengths:\n        if profile[n] > (1 + tolerance) * first:\n            break\n        out = n\n    return out")
write("01 flat_region keeps its profile changed", "01", flat_region="def flat_region(profile, tolerance=0.25):\n    lengths = sorted(profile)\n    first = profile.pop(lengths[0])\n    out = lengths[0]\n    for n in lengths[1:]:\n        if profile[n] > (1 + tolerance) * first:\n            break\n        out = n\n    return out")
write("01 flat_region with pandas", "01", flat_region="import pandas as pd\ndef flat_region(profile, tolerance=0.25):\n    s = pd.Series(profile).sort_index()\n    ok = (s <= s.iloc[0] * (1 + tolerance)).cummin()\n    return s.index[ok.values][-1]")
write("01 flat_region with itertools", "01", flat_region="from itertools import takewhile\nflat_region = lambda profile, tolerance=0.25: [*takewhile(lambda n: profile[n] <= (1 + tolerance) * profile[min(profile)], sorted(profile))][-1]")
write("01 an own trial of everything", "01", whole=True, own=[("flat_region", "eager = yours(latency_profile)(forward, [1, 2, 4], vocab_size, repeats=2)\nprint({n: f'{1000 * s:.2f} ms' for n, s in eager.items()}, eager[1] * 2)\nfor n, s in eager.items():\n    print(f'{n:>8}{1000 * s:>10.2f}')\nnp.array(list(eager.values())).mean()\nbest = min(eager, key=eager.get)\nTOL = 0.25")], flat_region=ONE["flat_region"].replace("tolerance=0.25", "tolerance=TOL"))
write("01 figures and records", "01", [("flat_region", "records = profiling.telling_profiles()\nlatency_figure({'mine': {1: 0.1}}, {r['label']: r['profile'] for r in records})\nprint(len(records), records[0]['label'].upper() + '!')\npeak, bandwidth = profiling.DATASHEETS['NVIDIA T4']\nridge = peak / bandwidth\nprint(f'{ridge:.1f}', round(ridge), int(ridge))\nLIMIT = 1")], flat_region=ONE["flat_region"].replace("(1 + tol", "(LIMIT + tol"))

# Unit 02 ----------------------------------------------------------------------------------------------------------
TWO = right("02")
write("02 the course's own answers", "02", **TWO)
for told, value in {"list": "a.tolist()", "int64": "a.astype(np.int64)", "tensor": "torch.from_numpy(a)", "long tensor": "torch.from_numpy(a).long()", "float": "a.astype(float)", "uint32": "a.astype(np.uint32)", "a dict": "dict(enumerate(a))", "non-contiguous": "np.stack([a, a], 1)[:, 0]", "read-only": "np.broadcast_to(a, (1, len(a)))[0]", "big-endian": "a.astype('>i4')", "Fortran": "np.asfortranarray(a)", "memmap-like subclass": "a.view(np.recarray) if False else np.ma.array(a)", "object": "a.astype(object)", "a list of tensors": "list(torch.from_numpy(a))" if False else "a.tolist()", "torch int16": "torch.from_numpy(a).to(torch.int32)"}.items():
    write(f"02 the table as {told}", "02", build_next_token_array=swapped("02", "build_next_token_array", ("    return next_token_array", f"    a = next_token_array\n    return {value}")))
write("02 Counter by rows", "02", build_next_token_array="from collections import Counter, defaultdict\ndef build_next_token_array(train_data, vocab_size=128256, default_next_token=220):\n    rows = [train_data] if np.ndim(train_data[0]) == 0 else train_data\n    counts = defaultdict(Counter)\n    for row in rows:\n        row = torch.as_tensor(row).tolist()\n        for a, b in zip(row, row[1:]):\n            if not (0 <= a < vocab_size and 0 <= b < vocab_size):\n                raise ValueError('ids outside')\n            counts[a][b] += 1\n    out = np.full(vocab_size, default_next_token, dtype=np.int32)\n    for a, c in counts.items():\n        out[a] = min(c, key=lambda b: (-c[b], b))\n    return out")
write("02 scipy-free sparse tensors", "02", build_next_token_array="def build_next_token_array(train_data, vocab_size=128256, default_next_token=220):\n    rows = [train_data] if torch.as_tensor(train_data[0]).ndim == 0 else train_data\n    out = torch.full((vocab_size,), default_next_token, dtype=torch.int32)\n    pairs = torch.cat([torch.stack([torch.as_tensor(r)[:-1], torch.as_tensor(r)[1:]], 1) for r in rows])\n    if len(pairs) and (pairs.min() < 0 or pairs.max() >= vocab_size):\n        raise ValueError('no')\n    uniq, n = torch.unique(pairs, dim=0, return_counts=True)\n    for i in sorted(range(len(uniq)), key=lambda i: (int(n[i]), -int(uniq[i, 1]))):\n        out[uniq[i, 0]] = uniq[i, 1]\n    return out.numpy()")
write("02 windows as a list, a view, unfold", "02", sample_windows=swapped("02", "sample_windows", ("return ids[starts[:, None] + torch.arange(seqlen)]", "return ids.unfold(0, seqlen, 1)[starts]")))
write("02 windows as list of tensors", "02", sample_windows=swapped("02", "sample_windows", ("return ids[starts[:, None] + torch.arange(seqlen)]", "return [ids[s : s + seqlen] for s in starts]")))
write("02 windows by numpy", "02", sample_windows=swapped("02", "sample_windows", ("return ids[starts[:, None] + torch.arange(seqlen)]", "return np.stack([ids[s : s + seqlen] for s in starts])")))
write("02 windows by random.Random", "02", sample_windows="import random\ndef sample_windows(ids, seqlen, nsamples, seed):\n    if not 1 <= seqlen <= len(ids):\n        raise ValueError('bad seqlen')\n    r = random.Random(seed)\n    return torch.stack([ids[s : s + seqlen] for s in (r.randrange(len(ids) - seqlen + 1) for _ in range(nsamples))]) if nsamples else ids.new_zeros(0, seqlen)")
write("02 windows by the global seed", "02", sample_windows=swapped("02", "sample_windows", ("generator = torch.Generator().manual_seed(seed)", "torch.manual_seed(seed)"), (", generator=generator", "")))
write("02 windows by np.random.seed", "02", sample_windows=swapped("02", "sample_windows", ("generator = torch.Generator().manual_seed(seed)", "np.random.seed(seed)"), ("torch.randint(len(ids) - seqlen + 1, (nsamples,), generator=generator)", "torch.from_numpy(np.random.randint(len(ids) - seqlen + 1, size=nsamples))")))
write("02 windows with fork_rng", "02", sample_windows=swapped("02", "sample_windows", ("    starts = torch.randint(len(ids) - seqlen + 1, (nsamples,), generator=generator)", "    with torch.random.fork_rng():\n        torch.manual_seed(seed)\n        starts = torch.randint(len(ids) - seqlen + 1, (nsamples,))")))
write("02 windows with default_rng", "02", sample_windows=swapped("02", "sample_windows", ("generator = torch.Generator().manual_seed(seed)", "rng = np.random.default_rng(seed)"), ("torch.randint(len(ids) - seqlen + 1, (nsamples,), generator=generator)", "torch.as_tensor(rng.integers(0, len(ids) - seqlen + 1, nsamples))")))
write("02 windows with an assert", "02", sample_windows=swapped("02", "sample_windows", ("    if not 1 <= seqlen", "    assert 1 <= seqlen <= len(ids)\n    if not 1 <= seqlen")))
write("02 windows with a custom ValueError", "02", sample_windows="class TooShort(ValueError):\n    def __init__(self, n):\n        super().__init__(f'only {n} tokens')\n        self.n = n\n" + swapped("02", "sample_windows", ("        raise ValueError(", "        raise TooShort(len(ids))\n        raise ValueError(")))
write("02 hit_rate in plain Python", "02", hit_rate="def hit_rate(ids, next_token_array):\n    ids = [int(i) for i in ids]\n    hits = sum(next_token_array[a] == b for a, b in zip(ids, ids[1:]))\n    return hits / max(1, len(ids) - 1)")
write("02 hit_rate as np.float64 and Fraction", "02", hit_rate="from fractions import Fraction\ndef hit_rate(ids, next_token_array):\n    hits = [int(next_token_array[int(a)]) == int(b) for a, b in zip(ids, ids[1:])]\n    return Fraction(sum(hits), len(hits)) if hits else np.float32(0)")
for told, value in {"a list": "return draft", "numpy": "return np.array(draft)", "a generator": "yield from draft", "int32": "return torch.tensor(draft, dtype=torch.int32)", "LongTensor": "return torch.LongTensor(draft)", "a parameter": "return torch.nn.Parameter(torch.tensor(draft, dtype=torch.long), requires_grad=False)", "an iterator of tensors": "return torch.stack([torch.tensor(t) for t in draft]) if draft else torch.empty(0, dtype=torch.long)", "stacked np.int32": "return torch.tensor([next_token_array[t] * 0 + t for t in draft], dtype=torch.long)"}.items():
    write(f"02 the draft as {told}", "02", draft_with_bigram=swapped("02", "draft_with_bigram", ("return torch.tensor(draft, dtype=torch.long)", value)))
write("02 the draft by itertools.accumulate", "02", draft_with_bigram="from itertools import accumulate, repeat\ndef draft_with_bigram(last_token, next_token_array, k):\n    chain = list(accumulate(range(k), lambda t, _: int(next_token_array[t]), initial=int(last_token)))\n    return torch.tensor(chain[1:], dtype=torch.long)")
write("02 next_distribution as a class", "02", bigram_probabilities='''
from collections import Counter, defaultdict
class Bigram:
    """Rows on demand."""
    def __init__(self, pairs, size, smoothing):
        self.size, self.smoothing = size, smoothing
        self.counts = defaultdict(Counter)
        for a, b in pairs:
            self.counts[a][b] += 1
    def __call__(self, last_token):
        row = torch.full((self.size,), float(self.smoothing))
        for b, n in self.counts[int(last_token)].items():
            row[b] += n
        return row / row.sum() if row.sum() > 0 else torch.full((self.size,), 1 / self.size)
def bigram_probabilities(train_data, vocab_size, smoothing=0.0):
    rows = [train_data] if np.ndim(train_data[0]) == 0 else train_data
    pairs = [p for r in rows for p in zip(torch.as_tensor(r).tolist(), torch.as_tensor(r).tolist()[1:])]
    return Bigram(pairs, vocab_size, smoothing)
''')
write("02 next_distribution by lru_cache and a lambda", "02", bigram_probabilities=swapped("02", "bigram_probabilities", ("    return next_distribution", "    import functools\n    cached = functools.lru_cache(maxsize=4)(next_distribution)\n    return lambda last_token: cached(int(last_token))")))
write("02 next_distribution as partial", "02", bigram_probabilities=swapped("02", "bigram_probabilities", ("    return next_distribution", "    import functools\n    return functools.partial(next_distribution)")))
write("02 next_distribution as a bound method", "02", bigram_probabilities=swapped("02", "bigram_probabilities", ("    return next_distribution", "    class Rows:\n        def row(self, last_token):\n            return next_distribution(last_token)\n    return Rows().row")))
write("02 next_distribution as an nn.Module", "02", bigram_probabilities=swapped("02", "bigram_probabilities", ("    return next_distribution", "    class Rows(torch.nn.Module):\n        def forward(self, last_token):\n            return next_distribution(last_token)\n    return Rows()")))
write("02 next_distribution answers numpy", "02", bigram_probabilities=swapped("02", "bigram_probabilities", ("    return next_distribution", "    return lambda t: next_distribution(t).numpy().astype(np.float64)")))
write("02 next_distribution raises", "02", bigram_probabilities="def bigram_probabilities(train_data, vocab_size, smoothing=0.0):\n    counts = {}\n    def next_distribution(last_token):\n        row = counts[int(last_token)]\n        return row\n    return next_distribution")
write("02 a row that is overwritten", "02", bigram_probabilities=swapped("02", "bigram_probabilities", ("    def next_distribution", "    kept = torch.zeros(vocab_size)\n\n    def next_distribution"), ("        return counts / total if total > 0 else torch.full((vocab_size,), 1.0 / vocab_size)", "        kept.copy_(counts / total if total > 0 else torch.full((vocab_size,), 1.0 / vocab_size))\n        return kept")))
write("02 own corpora and BigramDrafter", "02", [("hit_rate", "text = load_corpus('atlas', load_pair('classroom').tokenizer, split='train', max_tokens=1000)\nprint(text[:20], len(text), text.shape)\ntable = yours(build_next_token_array)(text[None], 4096)\nprint(table[text[0]], (table == 220).mean(), float((table == 220).sum()))\nwindows = yours(sample_windows)(text, 16, 4, seed=0)\nprint(windows.shape[0] * 2)\nONE = 1")], hit_rate=TWO["hit_rate"].replace("ids[1:]", "ids[ONE:]"))
write("02 sees its text", "02", sample_windows=swapped("02", "sample_windows", ("    generator", "    assert isinstance(ids, torch.Tensor) and ids.dtype == torch.long and ids.device.type == 'cpu' and ids.is_contiguous() and not ids.requires_grad\n    generator")))

# Unit 04 ----------------------------------------------------------------------------------------------------------
FOUR = right("04")
RULES = {k: FOUR[k] for k in ("acceptance_probability", "residual")}
write("04 the course's own answers", "04", **FOUR)
write("04 functions of the package", "04", verify_stochastic="from specdec_course.verification import acceptance_probability, residual\n" + FOUR["verify_stochastic"])
write("04 verification as a module", "04", verify_stochastic="import specdec_course.verification as sv\n" + swapped("04", "verify_stochastic", ("acceptance_probability(", "sv.acceptance_probability("), ("residual(", "sv.residual(")))
write("04 yours for all", "04", [("verify_stochastic", "keep, rest = yours(acceptance_probability), yours(residual)")], verify_stochastic=swapped("04", "verify_stochastic", ("acceptance_probability(", "keep("), ("residual(", "rest(")))
write("04 sampling called", "04", propose_stochastic=swapped("04", "propose_stochastic", ("next_token_distribution(logits, sampling.temperature, sampling.top_k, sampling.top_p)", "sampling(logits)")))
write("04 isinstance of Sampling and Dice", "04", propose_stochastic=swapped("04", "propose_stochastic", ("    rows = []", "    assert isinstance(sampling, Sampling) and isinstance(dice, Dice) and not sampling.greedy | False\n    rows = []")) if False else swapped("04", "propose_stochastic", ("    rows = []", "    assert isinstance(sampling, Sampling), type(sampling)\n    assert isinstance(dice, Dice), type(dice)\n    rows = []")), next_token_distribution=FOUR["next_token_distribution"])
write("04 dataclasses.replace of Sampling", "04", propose_stochastic="import dataclasses\n" + swapped("04", "propose_stochastic", ("    rows = []", "    sampling = dataclasses.replace(sampling)\n    print(sampling, dataclasses.astuple(sampling), sampling == sampling, hash(sampling))\n    rows = []")), next_token_distribution=FOUR["next_token_distribution"])
write("04 an own Sampling in the function, called", "04", propose_stochastic=swapped("04", "propose_stochastic", ("next_token_distribution(logits, sampling.temperature, sampling.top_k, sampling.top_p)", "Sampling(sampling.temperature, sampling.top_k, sampling.top_p)(logits)")))
for told, value in {"list": "emitted.tolist()", "tuple": "tuple(emitted.tolist())", "numpy": "emitted.numpy()", "int32": "emitted.int()"}.items():
    write(f"04 the round as {told}", "04", verify_stochastic="import numpy as np\n" + swapped("04", "verify_stochastic", ("    return torch.cat([draft, draft.new_tensor([bonus])])", f"    emitted = torch.cat([draft, draft.new_tensor([bonus])])\n    return {value}")), **RULES)
write("04 propose as list of rows", "04", propose_stochastic=swapped("04", "propose_stochastic", ("torch.stack(rows) if rows else torch.zeros(0, 0)", "rows")), next_token_distribution=FOUR["next_token_distribution"])
write("04 propose as Draft", "04", propose_stochastic="from specdec_course.drafters import Draft\n" + swapped("04", "propose_stochastic", ("return text[len(ids) :], torch.stack(rows) if rows else torch.zeros(0, 0)", "return Draft(text[len(ids) :], torch.stack(rows) if rows else torch.zeros(0, 0))")), next_token_distribution=FOUR["next_token_distribution"])
for told, line in {"copy.copy(dice)": "import copy; copy.copy(dice)", "dice.generator": "dice.generator", "hasattr generator": "hasattr(dice, 'generator') or 1", "an attribute set": "dice.used = True", "dir and vars": "dir(dice); repr(dice); str(dice); type(dice).__name__", "flips": "dice.flips", "callable(dice)": "assert not callable(dice)", "flip with a 0-d tensor": "dice.flip(torch.tensor(1.0))", "flip with numpy": "import numpy as np; dice.flip(np.float32(1.0))", "flip with int": "dice.flip(1); dice.flip(True); dice.flip(2.5)", "roll of a list": "dice.roll([1.0])", "roll of numpy": "import numpy as np; dice.roll(np.array([0.0, 1.0]))", "roll of a 2-d": "dice.roll(p[:1])", "roll of bad sums": "dice.roll(p[0] * 2)", "flip of NaN": "dice.flip(float('nan'))", "flip of a vector": "dice.flip(p[0])", "keyword": "dice.flip(probability=1.0); dice.roll(probabilities=torch.tensor([1.0]))", "methods kept": "flip, roll = dice.flip, dice.roll; flip(1.0)", "eq": "assert dice == dice and dice is dice", "draw": "dice.draw(torch.tensor([1.0]))", "numbers": "dice.numbers", "a Dice of its own": "Dice().flip(0.5)", "a seeded Dice": "mine = Dice(torch.Generator().manual_seed(3)); mine.roll(torch.tensor([0.5, 0.5]))"}.items():
    write(f"04 the dice: {told}", "04", verify_stochastic=swapped("04", "verify_stochastic", ("    for i, token", f"    {line}\n    for i, token")), **RULES)
write("04 own randomness", "04", verify_stochastic="import random\ndef verify_stochastic(draft, q, p, dice):\n    for i, token in enumerate(draft.tolist()):\n        if random.random() > min(1.0, float(p[i][token] / q[i][token])):\n            return torch.cat([draft[:i], draft.new_tensor([dice.roll(p[i])])])\n    return torch.cat([draft, draft.new_tensor([dice.roll(p[len(draft)])])])")
write("04 multinomial", "04", verify_stochastic="def verify_stochastic(draft, q, p, dice):\n    for i, token in enumerate(draft.tolist()):\n        if torch.rand(()) > p[i][token] / q[i][token]:\n            return torch.cat([draft[:i], torch.multinomial(p[i], 1)])\n    return torch.cat([draft, torch.multinomial(p[-1], 1)])")
write("04 a stub called inside", "04", verify_stochastic=FOUR["verify_stochastic"])
write("04 exact_law in own cells", "04", [("verify_stochastic", "def two_coins(dice):\n    return int(dice.flip(0.5)) + int(dice.flip(0.2))\nlaw = exact_law(two_coins)\nassert abs(sum(law.values()) - 1) < 1e-9 and abs(law[2] - 0.1) < 1e-9\nclass Loaded(Dice):\n    def flip(self, probability):\n        return True\nassert Loaded().flip(0) and isinstance(Loaded(), Dice)\nd = Dice(torch.Generator().manual_seed(0))\nprint([d.flip(0.75) for _ in range(4)], d.roll(torch.tensor([0.5, 0.5])))\nlaw2 = exact_law(lambda dice: residual(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])).argmax())\nTHREE = 1")], verify_stochastic=FOUR["verify_stochastic"].replace("draft[:i],", "draft[:i * THREE],"), **RULES)
write("04 settings of a demonstration", "04", whole=True, next_token_distribution=swapped("04", "next_token_distribution", ("    vocab_size =", "    print(my_bet)\n    vocab_size =")))
write("04 Sampling of own cells", "04", [("acceptance_probability", "s = Sampling(0.7, top_k=3)\nprint(s.greedy, s)\ntry:\n    Sampling(-1)\nexcept ValueError as error:\n    print(error)\nq = s(torch.tensor([1.0, 2.0, 3.0]))\nq2 = Sampling(1.0)(torch.randn(3))\nprint(q.sum(), (q > 0).sum())\nONE = 1.0")], acceptance_probability=FOUR["acceptance_probability"].replace("max=1.0", "max=ONE"))
write("04 distribution in float64, numpy, by scatter", "04", next_token_distribution="import numpy as np\n" + swapped("04", "next_token_distribution", ("    return probs / probs.sum(-1, keepdim=True)", "    return (probs / probs.sum(-1, keepdim=True)).double().numpy()")))
write("04 residual in place on copies", "04", residual="def residual(p, q):\n    r = p.clone()\n    r -= q\n    r.clamp_(min=0)\n    s = r.sum()\n    return r.div_(s) if s > 0 else p.clone()")
write("04 residual in place on p", "04", residual="def residual(p, q):\n    p -= q\n    p.clamp_(min=0)\n    s = p.sum()\n    return p / s if s > 0 else p + 1 / len(p)")
write("04 residual returns p itself", "04", residual=swapped("04", "residual", ("p.clone()", "p")))
write("04 expected_acceptance as tensor, np", "04", expected_acceptance="def expected_acceptance(p, q):\n    return torch.minimum(p, q).sum()")
write("04 in bfloat16", "04", expected_acceptance="def expected_acceptance(p, q):\n    return 1 - 0.5 * (p.double() - q.double()).abs().sum()")


import honest_more  # noqa: E402, F401 (units 05 to 07 add their own)
