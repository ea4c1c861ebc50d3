"""A cell as Python that can be run where there is no IPython, no shell, no Colab; line for line where that is possible.

Knows: IPython's magics and shell lines (through IPython itself), merge markers and invisible characters in code. Does
not know: notebooks, exercises. Nothing is run here.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from .damage import printable, sides
from .newer import newer_grammar, older_part

MOST_ANALYSED = 200_000  # characters of a cell; a longer one is run as it is

# Cell magics whose body is not run as this notebook's Python. All others (%%time, %%capture, ...) only wrap it.
NOT_RUN = set(
    "bash sh script system sx cmd html HTML javascript js latex svg SVG markdown perl ruby pypy python python2 python3 "
    "timeit cython R sql bigquery mermaid file shell".split()
)
INSTALLERS = re.compile(r"\s*(sudo\s+)?(python3?\s+-m\s+)?(pip3?|conda|mamba|uv|apt|apt-get)\b")
# What is seen in no editor and stands in no Python: zero-width and direction marks, a byte-order mark.
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Plain:
    """`source` is plain Python (`tree` is None where it does not parse); `notes` say what was changed, and go on after
    "Cell 3: "; `other` is the other side of a merge conflict, where it too is Python."""

    source: str
    notes: tuple[str, ...] = ()
    tree: ast.Module | None = None
    other: str = ""


def plain_python(source: str) -> Plain:
    """A cell's text as plain Python."""
    if len(source) > MOST_ANALYSED:
        return Plain(source)
    tree, notes = parsed(source), []
    if tree is None and (both := sides(source)):
        return _fuller_side(both)
    if tree is None or re.match(r"\s*In \[", source):
        source, notes = _repaired(source)
        tree = parsed(source)
    if tree is None and newer_grammar(source):
        source, lines = older_part(source, lambda text: parsed(text) is not None)
        tree = parsed(source)
        notes = [f"line {line} is written for a later Python than the grader's, and was left out." for line in lines]
    if tree is None:
        return Plain(source)
    changed, more = _without_magics(source, tree)
    if changed != source:
        source, tree = changed, parsed(changed)
    return Plain(source, (*notes, *more, *_colab(source, tree)), tree)


def _fuller_side(both: list[tuple[str, str]]) -> Plain:
    """The side of a merge conflict in which more is written; the upper one of equals, and of those that are Python."""
    plains = [(whose, plain_python(text)) for whose, text in both]
    readable = [one for one in plains if one[1].tree is not None] or plains[:1]
    whose, best = max(readable, key=lambda one: _statements(one[1].tree))
    other = next((one.source for name, one in readable if name != whose), "")
    note = f"there is an unresolved merge conflict (`<<<<<<<`); {whose} was taken."
    return replace(best, notes=(note, *best.notes), other=other)


def _statements(tree: ast.Module | None) -> int:
    """How many statements a text holds; texts and placeholders are none."""
    return sum(
        isinstance(node, ast.stmt) and not isinstance(node, (ast.Pass, ast.Raise)) and not _is_constant(node)
        for node in ast.walk(tree or ast.Module([], []))
    )


_MAY_BE_MAGIC = re.compile(r"^[ \t]*[%!?,;/]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)


def cost(source: str) -> int:
    """About how many characters have to be read to understand a cell: all of them again for each magic and each side
    of a conflict. A cell can be written so that it costs minutes."""
    return (len(source) + 200) * (1 + len(_MAY_BE_MAGIC.findall(source))) * (3 if "<<<<<<<" in source else 1)


def parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _repaired(source: str) -> tuple[str, list[str]]:
    """The first reading of a cell that parses, and what had to be done for it; else the cell without its magics."""
    seen = INVISIBLE.sub("", source).replace("\u00a0", " ")
    for text in dict.fromkeys((source, seen)):
        plain = _from_ipython(text)
        hidden = ["invisible characters, which Python cannot read, were taken out."] if text != source else []
        if parsed(plain) is not None:
            return plain, hidden
        filled = with_bodies(plain)  # a notebook saved as a script has its magics as comments: an `if` is empty then
        if filled != plain and parsed(filled) is not None:
            return filled, hidden
    return _from_ipython(source), []


_HEADING = re.compile(r"^([ \t]*)(?:async[ \t]+)?(?:def|class|if|elif|else|for|while|with|try|except|finally)\b.*:"
                      r"[ \t]*(?:#.*)?$")


def with_bodies(source: str) -> str:
    """The source with `pass` under each heading that has only comments below it, which is no Python. Line for line."""
    lines = source.split("\n")
    for number, line in enumerate(lines[:-1]):
        heading = _HEADING.match(line)
        if heading is None:
            continue
        below = next((text for text in lines[number + 1 : number + 200]
                      if text.strip() and not text.lstrip().startswith("#")), "")
        inner = lines[number + 1].strip()
        if len(below) - len(below.lstrip()) <= len(heading[1]) and (not inner or inner.startswith("#")):
            lines[number + 1] = f"{heading[1]}    pass  {inner}".rstrip()
    return "\n".join(lines)


def _from_ipython(source: str) -> str:
    """IPython's own reading of a cell: what is not Python becomes a call of get_ipython(). Lines keep their numbers."""
    from IPython.core import inputtransformer2 as ipython

    lines = source.split("\n")
    blank = next((number for number, line in enumerate(lines) if line.strip()), 0)
    lines = [line + "\n" for line in lines[blank:]]
    try:
        for clean_up in (ipython.leading_indent, ipython.classic_prompt, ipython.ipython_prompt):
            lines = [line.removesuffix("\n") + "\n" for line in clean_up(lines)]
        lines = ipython.cell_magic(lines) if lines[0].startswith("%%") else _each_magic(lines, ipython)
    except Exception:  # its tokenizer was not made for everything that students can write
        return source
    return "\n" * blank + "".join(lines).removesuffix("\n")


def _each_magic(lines: list[str], ipython) -> list[str]:
    """IPython transforms one magic at a time and finds the next one anew; so do we, but keep the number of lines."""
    kinds = (ipython.MagicAssign, ipython.SystemAssign, ipython.EscapedCommand, ipython.HelpEnd)
    for _ in range(len(_MAY_BE_MAGIC.findall("".join(lines))) + 9):
        tokens = ipython.make_tokens_by_line(lines)
        found = [magic for magic in (kind.find(tokens) for kind in kinds) if magic]
        if not found:
            break
        first = min(found, key=lambda magic: magic.sortby())
        after, place = first.transform(lines), first.start_line + 1
        lines = [*after[:place], *["\n"] * (len(lines) - len(after)), *after[place:]]
    return lines


def _without_magics(source: str, tree: ast.Module) -> tuple[str, list[str]]:
    """The source with every call of get_ipython() for a magic replaced by something harmless."""
    edits, notes = [], []
    if "get_ipython" in source:
        for node in ast.walk(tree):
            if _is_magic(node):
                instead, note = _instead(node.func.attr, [_text_of(argument) for argument in node.args])
                edits.append((node, instead))
                notes += note
        source = edited(source, edits)
    if "find_spec" in source:  # `if the course is missing: %pip install ...`: nothing is left to be done
        again = parsed(source)
        tests = [node.test for node in ast.walk(again or ast.Module([], [])) if _does_nothing(node)]
        source = edited(source, [(test, "False") for test in tests])
    return source, notes


def _is_magic(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("run_line_magic", "run_cell_magic", "magic", "system", "getoutput", "show_usage")
        and isinstance(node.func.value, ast.Call)
        and getattr(node.func.value.func, "id", "") == "get_ipython"
    )


def _text_of(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _does_nothing(node: ast.AST) -> bool:
    """An `if ... find_spec(...)` whose branches are empty, or that asks for the course itself: it is never missing."""
    if not isinstance(node, ast.If):
        return False
    asked = list(ast.walk(node.test))
    if not any(getattr(inner, "attr", getattr(inner, "id", "")) == "find_spec" for inner in asked):
        return False
    course = any(getattr(inner, "value", None) == "specdec_course" for inner in asked) and not node.orelse
    return course or all(isinstance(line, ast.Pass) or _is_constant(line) for line in node.body + node.orelse)


def _is_constant(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def _instead(method: str, given: list[str]) -> tuple[str, list[str]]:
    """(Python to put in a magic's place, what to tell)."""
    given = [*given, "", "", ""]
    if method == "run_cell_magic":
        return _instead_of_cell_magic(*given[:3])
    if method in ("system", "getoutput"):
        why = "nothing is installed" if INSTALLERS.match(given[0]) else "no shell commands are run"
        return "[]" if method == "getoutput" else "None", [f"{_quoted('!' + given[0])} was left out: {why} in grading."]
    if method == "show_usage" or given[0] in ("pinfo", "pinfo2", "psearch"):
        return "None", ["a question to IPython (`?`) was left out."]
    quoted = _quoted(f"%{given[0]} {given[1]}".rstrip())
    if given[0] == "time" and parsed(given[1]) is not None:
        return given[1].strip() or "None", [f"`%time` was left out of {quoted}; the rest of the line was run."]
    why = ": nothing is installed in grading" if INSTALLERS.match(given[0]) else ""
    return "None", [f"{quoted} was left out{why}."]


def _instead_of_cell_magic(name: str, arguments: str, body: str) -> tuple[str, list[str]]:
    quoted = _quoted(f"%%{name} {arguments}".rstrip())
    if name == "writefile" and arguments.split():  # a helper module: written in the room, where it can be imported
        *options, path = arguments.split()
        mode = "a" if "-a" in options or "--append" in options else "w"
        return f"open({path!r}, {mode!r}, encoding='utf-8').write({body!r})", []
    if name.split("?")[0] in NOT_RUN or name.startswith("!"):
        return "None", [f"{quoted}: cells like this are not run in grading."]
    plain = plain_python(body.removesuffix("\n"))
    return "\n" + plain.source, [f"{quoted} was left out; the rest of the cell was run.", *plain.notes]


def _quoted(text: str) -> str:
    text = printable(text.split("\n")[0]).replace("`", "'")
    return f"`{text if len(text) <= 70 else text[:67] + '...'}`"


def edited(source: str, edits: list[tuple[ast.expr | ast.stmt, str]]) -> str:
    """The source with the text of some parts of its tree replaced; what lies inside another one is dropped."""
    lines = [line.encode() for line in source.split("\n")]  # Python counts columns in bytes
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    places = sorted(
        (starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset, text)
        for node, text in edits
    )
    data, kept, done = source.encode(), [], 0
    for start, end, text in places:
        if start >= done:
            kept += [data[done:start], text.encode()]
            done = end
    return b"".join([*kept, data[done:]]).decode()


def _colab(source: str, tree: ast.Module | None) -> list[str]:
    modules = set()
    for node in ast.walk(tree) if tree and "colab" in source else ():
        if isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    if not any(f"{name}.".startswith("google.colab.") for name in modules):
        return []
    return ["`google.colab` is not there in grading: something that does nothing stands in its place."]


def asks_for_gpu(plain: Plain) -> bool:
    """Whether code moves things to a GPU without asking whether there is one."""
    if plain.tree is None or "cuda" not in plain.source or "is_available" in plain.source:
        return False
    return any(
        getattr(node.func, "attr", "") == "cuda"
        if isinstance(node, ast.Call)
        else isinstance(node, ast.Constant) and re.fullmatch(r"cuda(:\d+)?", str(node.value)) is not None
        for node in ast.walk(plain.tree)
    )
