"""20-26 and 45: notebooks that are damaged, renamed, converted, or no notebooks at all.

Knows: what editors, Colab, git, Windows and pranksters do to a file. Does not know: how it is mended.
"""

from __future__ import annotations

import copy
import json

from . import Expect, case
from .sheets import HONEST, hand_in, place, solved, stubs

NOTHING = {"*": 0}
TOLD = Expect({}, r"\w+ \w+")  # right answers: full points, and what was mended is said


def damaged(number, title, expect):
    """Decorator: `damage(notebook, ground)` changes a solved notebook before it is handed in."""

    def add(damage):
        @case(number, title, expect)
        def build(ground):
            notebook = solved(ground)
            hand_in(ground, damage(notebook, ground) or notebook)

        return damage

    return add


def _is_test(cell) -> bool:
    return cell.metadata.get("nbgrader", {}).get("grade", False)


@damaged("20a", "every test cell deleted", TOLD)
def no_tests(notebook, ground):
    notebook.cells = [cell for cell in notebook.cells if not _is_test(cell)]


@damaged("20b", "a test cell deleted, and its exercise not attempted", Expect({"verify_greedy": 0}, "not attempted"))
def one_test_less(notebook, ground):
    notebook = copy.deepcopy(notebook)
    notebook.cells[place(notebook, "verify_greedy")].source = \
        ground.release.cells[place(ground.release, "verify_greedy")].source
    del notebook.cells[place(notebook, "grade_verify_greedy")]
    return notebook


@damaged("20c", "an answer's cell deleted; its test cell stands", Expect({"tokens_per_call": 0}, "tokens_per_call"))
def one_answer_less(notebook, ground):
    del notebook.cells[place(notebook, "tokens_per_call")]


@damaged("20d", "the setup cell and all text deleted", TOLD)
def bare(notebook, ground):
    notebook.cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]


@damaged("21a", "a solved cell copied, id and all", TOLD)
def copied(notebook, ground):
    where = place(notebook, "verify_greedy")
    notebook.cells.insert(where + 1, copy.deepcopy(notebook.cells[where]))


@damaged("21b", "every test cell copied three times", TOLD)
def copied_tests(notebook, ground):
    for name in HONEST:
        where = place(notebook, f"grade_{name}")
        notebook.cells[where:where] = [copy.deepcopy(notebook.cells[where]) for _ in range(3)]


@damaged("21c", "an answer split over two cells that both keep its id", TOLD)
def split(notebook, ground):
    where = place(notebook, "tokens_per_call")
    helper = copy.deepcopy(notebook.cells[where])
    helper.source = "def total(rounds):\n    return sum(r.emitted for r in rounds)\n"
    notebook.cells[where].source = \
        "def tokens_per_call(rounds):\n    return total(rounds) / len(rounds) if rounds else 0.0\n"
    notebook.cells.insert(where, helper)


@damaged("21d", "a wrong first try left above the right answer, as a copy", TOLD)
def first_try(notebook, ground):
    where = place(notebook, "accepted_length")
    wrong = copy.deepcopy(notebook.cells[where])
    wrong.source = "def accepted_length(draft, choice):\n    return int((draft == choice[:-1]).sum())\n"
    notebook.cells.insert(where, wrong)


@damaged("22a", "all metadata and ids stripped", TOLD)
def stripped(notebook, ground):
    for cell in notebook.cells:
        cell.metadata = {}
        cell.pop("id", None)
    notebook.metadata = {}


@damaged("22b", "metadata edited: a thousand points, unlocked, solved by hand", Expect({}, ""))
def edited(notebook, ground):
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"] |= {"points": 1000, "locked": False, "checksum": "0" * 32}


@damaged("22c", "the ids of two exercises exchanged", TOLD)
def exchanged(notebook, ground):
    pairs = {"tokens_per_call": "acceptance_rate", "acceptance_rate": "tokens_per_call"}
    for cell in notebook.cells:
        told = cell.metadata.get("nbgrader", {})
        name = told.get("grade_id", "").removeprefix("grade_")
        if name in pairs:
            told["grade_id"] = told["grade_id"].replace(name, pairs[name])


@damaged("22d", "metadata of wrong types: points a list, ids numbers, nbgrader a string", Expect({}, ""))
def wrong_types(notebook, ground):
    odd = ["nbgrader", 7, None, ["x"], {"grade_id": 5, "points": ["1"], "grade": "yes", "solution": None}]
    for number, cell in enumerate(c for c in notebook.cells if "nbgrader" in c.metadata):
        cell.metadata["nbgrader"] = odd[number % len(odd)]


@damaged("22e", "unknown exercises added, worth a thousand points each", Expect({}, ""))
def added(notebook, ground):
    for number in range(3):
        cell = copy.deepcopy(notebook.cells[place(notebook, "grade_accepted_length")])
        cell.source = "1000.0"
        cell.metadata["nbgrader"] |= {"grade_id": f"grade_extra_{number}", "points": 1000}
        notebook.cells.append(cell)


@damaged("22f", "answers turned into raw cells and back, with another schema version", TOLD)
def other_schema(notebook, ground):
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata["nbgrader"] |= {"schema_version": 99, "cell_type": "raw", "grade_id":
                                          cell.metadata["nbgrader"]["grade_id"].upper()}


def unreadable(number, title, expect, text):
    """A file whose text is `text(the text of a solved notebook)`."""

    @case(number, title, expect)
    def build(ground):
        made = text(json.dumps(solved(ground), indent=1))
        path = hand_in(ground, "")
        path.write_bytes(made if isinstance(made, bytes) else made.encode())


LOST = r"in the middle|JSON|not a (readable )?notebook|unreadable|cannot be read|damaged|empty|broken|mended| is a PDF"
unreadable("23a", "a file that ends in the middle", Expect({"*": (0, 1)}, LOST, None, "what can be read may count"),
           lambda text: text[: len(text) * 2 // 3])
unreadable("23b", "an empty file", Expect(NOTHING, LOST, False), lambda text: "")
unreadable("23c", "git's merge markers", Expect({"*": (0, 1)}, LOST + "|merge|conflict", None, "as 23a"),
           lambda text: text.replace(' "cells": [', '<<<<<<< HEAD\n "cells": [\n=======\n "cells": [\n>>>>>>> b', 1))
unreadable("23d", "JSON, but no notebook: a list, deeply nested", Expect(NOTHING, LOST + "|cells|deep|nest", False),
           lambda text: "[" * 100_000 + "]" * 100_000)
unreadable("23e", "a PDF with the name of a notebook", Expect(NOTHING, LOST, False),
           lambda text: b"%PDF-1.7\n\xe2\xe3\xcf\xd3\x00\xff" * 100)
unreadable("23f", "JSON of a notebook whose cells are no cells", Expect(NOTHING, LOST + "|cell|not attempted", None),
           lambda text: json.dumps({"cells": [1, None, "x", {"cell_type": 5}, {"source": {"a": 1}}], "nbformat": 4,
                                    "metadata": [], "nbformat_minor": "five"}))
unreadable("23g", "a zip bomb of whitespace: 60 MB", Expect({"*": (0, 1)}, r"\S", None, "right below the limit"),
           lambda text: " " * 60_000_000 + text)


@case("24", "nbformat 3", TOLD)
def old_format(ground):
    cells = []
    for cell in solved(ground).cells:
        if cell.cell_type == "code":
            cells.append({"cell_type": "code", "input": cell.source, "collapsed": False, "language": "python",
                          "metadata": cell.metadata, "outputs": [], "prompt_number": None})
        else:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": cell.source})
    hand_in(ground, json.dumps({"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0,
                                "worksheets": [{"cells": cells, "metadata": {}}]}))


@damaged("25", "the kernel of another language", Expect({}, ""))
def other_kernel(notebook, ground):
    notebook.metadata = {"kernelspec": {"name": "julia-1.11", "display_name": "Julia", "language": "julia"},
                         "language_info": {"name": "julia"}}


@case("26a", "renamed to `(1).ipynb`", TOLD)
def renamed(ground):
    hand_in(ground, solved(ground), f"{ground.unit} (1).ipynb")


@case("26b", "the untouched notebook under its name, the solved one as `(1).ipynb`",
      Expect({"*": (0, 1)}, r"\(1\)", None, "either may count, if the student is told which"))
def both(ground):
    hand_in(ground, stubs(ground))
    hand_in(ground, solved(ground), f"{ground.unit} (1).ipynb")


@case("26c", "named like another unit, in capitals", TOLD)
def misnamed(ground):
    hand_in(ground, solved(ground), "MY HOMEWORK.IPYNB")


@damaged("45a", "Windows line ends in every cell", Expect({}, ""))
def windows(notebook, ground):
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")


unreadable("45b", "a byte order mark and Windows line ends in the file", Expect({}, ""),
           lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())


@damaged("45c", "emoji, marks for right-to-left text, a lone surrogate, NUL and mathematical letters", Expect({}, ""))
def unicode_everywhere(notebook, ground):
    where = place(notebook, "accepted_length")
    notebook.cells[where].source = (
        "# \u202eطول\u202c \u200f 🎲🎉 \u2066 naïve\n"
        "𝑛ame = 'עברית \ud83d\ude00'\n"
        "größe = '🤖'  # \ufeff\n\n" + notebook.cells[where].source
    )
    notebook.cells[0].source += "\n\n🎓\u202e ‏مرحبا \x00 \ud800"


unreadable("45d", "saved as UTF-16 by an editor", Expect({"*": (0, 1)}, r"\S", None, "mended, or a word why not"),
           lambda text: text.encode("utf-16"))


@damaged("45e", "tabs for indentation, trailing spaces, no newline at the end, form feeds", Expect({}, ""))
def whitespace(notebook, ground):
    for name in HONEST:
        cell = notebook.cells[place(notebook, name)]
        lines = [line.replace("    ", "\t") + "  " for line in cell.source.splitlines()]
        cell.source = "\x0c\n" + "\n".join(lines)
