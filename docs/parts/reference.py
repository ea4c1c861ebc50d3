"""The API reference: a page for each room of the package, made of its docstrings, and one for the commands.

Knows: which names are public, how this package writes docstrings (plain text, `code`, "name: what it is"). Does not
know: what any of them is for.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import specdec_course

METHOD = ("verification", "sampling", "theory", "trace")
ROOMS = ("models", "corpora", "drafters", "decoding", "cache", "measure", "figures", "checks")
BEHIND = ("common", "languages", "training", "grading", "build", "cli")  # for who changes them: what each module knows
HEADS = re.compile(r"(Args|Returns|Raises|Yields|Keeps|Example|Examples):$")
ENTRY = re.compile(r"((?:\*{0,2}[\w.]+)(?:, \*{0,2}[\w.]+)*): +(.*)")


def pages() -> dict[str, str]:
    """{file name: text in MyST} of all pages of the reference."""
    made = {f"{name}.md": room_page(name) for name in (*METHOD, *ROOMS)}
    made["commands.md"] = commands_page()
    made["behind.md"] = behind_page()
    made["index.md"] = index_page()
    return made


def room_page(name: str) -> str:
    """A module of the method, or a room: what it offers, then its modules one by one."""
    full = f"specdec_course.{name}"
    room = importlib.import_module(full)
    own = getattr(room, "__all__", None) or public(room)
    lines = [f"# {full}", "", *rst(f".. automodule:: {full}"), *rst(*map(directive, [full] * len(own), own))]
    shown = {id(inspect.unwrap(getattr(room, one))) for one in own}
    for module in submodules(room):
        names = [one for one in public(module) if id(inspect.unwrap(getattr(module, one))) not in shown]
        title = module.__name__.removeprefix("specdec_course.")
        again = "\n   :no-index:" if title.rpartition(".")[2] in own else ""  # a function has the module's name
        lines += [f"## {title}", "", *rst(f".. automodule:: {module.__name__}{again}"),
                  *rst(*(directive(module.__name__, one) for one in names))]
    return "\n".join(lines) + "\n"


def public(module) -> list[str]:
    """The functions and classes that a module defines, in the order of its text."""
    own = [(name, one) for name, one in vars(module).items() if not name.startswith("_")
           and (inspect.isfunction(one) or inspect.isclass(one)) and one.__module__ == module.__name__]
    return [name for name, one in sorted(own, key=lambda pair: inspect.getsourcelines(pair[1])[1])]


def submodules(room) -> list:
    """The modules of a room, without its folders and what only starts a program."""
    found = [] if not hasattr(room, "__path__") else pkgutil.iter_modules(room.__path__)
    return [importlib.import_module(f"{room.__name__}.{one.name}") for one in found
            if not one.ispkg and not one.name.startswith("_")]


def directive(module: str, name: str) -> str:
    kind = "autoclass" if inspect.isclass(getattr(importlib.import_module(module), name)) else "autofunction"
    return f".. {kind}:: {module}.{name}" + ("\n   :members:" if kind == "autoclass" else "")


def rst(*texts: str) -> list[str]:
    return ["```{eval-rst}", "\n\n".join(texts), "```", ""] if texts else []


def index_page() -> str:
    """What `import specdec_course` offers, and the way to the rooms."""
    rows = ["| name | what it is |", "|---|---|"]
    for name in specdec_course.__all__:
        thing = getattr(specdec_course, name)
        rows.append(f"| {{py:obj}}`{name} <specdec_course.{home_of(name)}.{name}>` | {cell(thing.__doc__)} |")
    short = [[f"{name} <{name}>" for name in names] for names in (METHOD, ROOMS)]
    kinds = (("The method", short[0]), ("Rooms", short[1]), ("More", ("commands", "behind")))
    trees = [f"```{{toctree}}\n:caption: {caption}\n:maxdepth: 1\n\n"
             + "\n".join(names) + "\n```\n" for caption, names in kinds]
    text = ("# Reference\n\nMade from the docstrings of the package. Shapes stand in brackets: `[T]` is a tensor of T "
            "numbers, V the size of the vocabulary. `from specdec_course import ...` offers these:\n\n")
    return text + "\n".join(rows) + "\n\n" + "\n".join(trees)


def home_of(name: str) -> str:
    """The room or module of the method that a name of the package comes from."""
    return specdec_course._HOMES[name]


def behind_page() -> str:
    """What the rooms know that nobody imports from: a row for each module."""
    lines = ["# Behind the scenes", "", "Rooms that people change rather than import from: what each module knows.", ""]
    for name in BEHIND:
        room = importlib.import_module(f"specdec_course.{name}")
        lines += [f"## {name}", "", *rst(f".. automodule:: {room.__name__}"), "| module | what it knows |", "|---|---|"]
        for one in pkgutil.walk_packages(room.__path__, f"{name}."):
            if not one.name.rpartition(".")[2].startswith("_") and (doc := docstring_of(one, name)):
                lines.append(f"| `{one.name}` | {cell(doc)} |")
        lines.append("")
    return "\n".join(lines)


def docstring_of(found, room: str) -> str | None:
    """A module's docstring, read without running the module: some only run in a room of the grader."""
    import ast

    place = Path(specdec_course.__file__).parent / Path(*found.name.split("."))
    file = place / "__init__.py" if found.ispkg else place.with_suffix(".py")
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


def cell(doc: str | None) -> str:
    """The first sentence of a docstring, for a table."""
    first = " ".join((doc or "").split("\n\n")[0].split())
    return re.split(r"(?<=[^.][.])\s", first)[0].replace("|", r"\|")


def commands_page() -> str:
    """Every command with what `--help` says of it."""
    import click

    from specdec_course.cli import main

    lines = ["# Commands", "", "What `specdec COMMAND --help` says.", ""]
    context = click.Context(main, info_name="specdec", max_content_width=88, terminal_width=88)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        said = command.get_help(click.Context(command, parent=context, info_name=name, max_content_width=88,
                                              terminal_width=88))
        lines += [f"## specdec {name}", "", "```text", said, "```", ""]
    return "\n".join(lines)


def restructured(docstring: list[str]) -> list[str]:
    """A docstring of this package as reStructuredText: paragraphs stay, "name: text" becomes a list, `x` becomes code.

    Only the layout is read, so nothing in a docstring can be taken for markup by accident.
    """
    blocks = re.split(r"\n[ \t]*\n", inspect.cleandoc("\n".join(docstring)))
    out: list[str] = []
    for block in blocks:
        lines = block.split("\n")
        if HEADS.fullmatch(lines[0].strip()):
            out += [f"**{lines.pop(0).strip()[:-1]}**", ""]
            out += _entries(inspect.cleandoc("\n" + "\n".join(lines)).split("\n")) if lines else []
        elif all(line.startswith("    ") for line in lines) and ENTRY.match(lines[0].strip()):
            out += _entries(inspect.cleandoc("\n" + block).split("\n"))
        elif ENTRY.match(lines[0]):
            out += _entries(lines)
        else:
            out += [_marked(" ".join(line.strip() for line in lines)), ""]
    return out


def _entries(lines: list[str]) -> list[str]:
    items: list[list[str]] = []
    for line in lines:
        found = ENTRY.match(line)
        if found:
            items.append([f"**{found[1].replace('*', chr(92) + '*')}**: {_marked(found[2])}"])
        elif items:
            items[-1].append(_marked(line.strip()))
        else:
            items.append([_marked(line.strip())])
    bullet = "* " if len(items) > 1 else ""
    return [line for item in items for line in (f"{bullet}{' '.join(item)}", "")]


def _marked(text: str) -> str:
    """Text in which only `code` is markup."""
    pieces = re.split(r"`+([^`]+)`+", text)
    out = ""
    for place, piece in enumerate(pieces):
        if place % 2:
            out += ("" if not out or out[-1] in " ([" else r"\ ") + f"``{piece.strip()}``" + r"\ "
        else:
            out += re.sub(r"(?<=\w)_(?=\W|$)", r"\_", re.sub(r"([\\*|])", r"\\\1", piece))
    return out
