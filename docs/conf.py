"""How Sphinx makes the site (`make docs`). What nobody writes by hand is made first, by `parts`, from the
notebooks, the records and the docstrings; git sees none of it."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

from parts import formulas, front, reference, tables, units  # noqa: E402

import specdec_course  # noqa: E402

project = "Speculative decoding"
author = "the authors of specdec_course"
release = version = specdec_course.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # `parts.units` runs the notebooks, in an empty folder and once
nb_code_prompt_show = "Show one right answer"
nb_code_prompt_hide = "Hide it"
nb_merge_streams = True
nb_ipywidgets_js = {}  # nothing is loaded from elsewhere
exclude_patterns = ["_build", "parts", "hub"]
highlight_language = "none"
pygments_style, pygments_dark_style = "a11y-light", "github-dark"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "Speculative decoding"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_last_updated_fmt = None

BUILT = HERE / "_build"


def made(app) -> None:
    """Writes the pages and fragments that Sphinx then reads."""
    units.make(ROOT, HERE / "units", BUILT / "kept", app.config.solutions, app.config.execute)
    found = tables.records(ROOT / "data" / "measurements")
    seen = front.shown(BUILT / "kept")
    fragments = {
        "units.md": units.overview(ROOT), "units_zh_CN.md": units.titles(ROOT, "zh_CN"),
        "speeds.md": tables.front_table(found),
        "measured.md": tables.all_tables(found),
        "race.html": seen["race"], "strip.html": seen["strip"], "words.md": seen["words"] + "\n",
    }
    for name, text in fragments.items():
        units.write_changed(BUILT / "fragments" / name, text)
    pages = reference.pages()
    for name, text in pages.items():
        units.write_changed(HERE / "api" / name, text)
    for old in (HERE / "api").glob("*.md"):
        if old.name not in pages:
            old.unlink()


def readable(app, what, name, obj, options, lines) -> None:
    """autodoc's hook for docstrings."""
    lines[:] = reference.restructured(lines)


def no_aliases(app, what, name, obj, skip, options) -> bool:
    """autodoc's hook for members: the fields of a named tuple say nothing of themselves."""
    return skip or type(obj).__name__ == "_tuplegetter"


def setup(app):
    app.add_config_value("solutions", True, "env", bool)
    app.add_config_value("execute", True, "env", bool)
    app.add_html_math_renderer("mathml", (formulas.inline, None), (formulas.block, None))
    app.connect("builder-inited", made)
    app.connect("autodoc-process-docstring", readable)
    app.connect("autodoc-skip-member", no_aliases)
    return {"parallel_read_safe": True}
