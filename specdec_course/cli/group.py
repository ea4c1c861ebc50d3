"""The group that all commands belong to, and how bad input ends: in one line on stderr, with exit code 2."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import click

from ..common.whole import write_text


class Fault(click.ClickException):
    """Bad input: one line, exit code 2."""

    exit_code = 2

    def show(self, file=None) -> None:
        click.echo(f"specdec: {' '.join(self.message.split())}", err=True)


class Commands(click.Group):
    """A group in which a ValueError of any command is bad input, not a traceback."""

    def invoke(self, ctx):
        _tell_of_progress()
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise Fault(str(error)) from error
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("specdec_course"):
                raise
            extra = 'pip install "specdec_course[instructor]"'
            raise Fault(f"{error.name} is not installed, and this command needs it: {extra}") from error

    def format_commands(self, ctx, formatter):
        """Every command with its whole first sentence, on as many lines as it takes."""
        rows = [(name, _first_sentence(self.get_command(ctx, name).help)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _tell_of_progress() -> None:
    """What the package logs as its progress goes to stderr, so that no wait is silent."""
    log = logging.getLogger("specdec_course")
    if not log.handlers:
        log.addHandler(_Stderr())
        log.setLevel(logging.INFO)
        log.propagate = False


class _Stderr(logging.Handler):
    def emit(self, record):
        click.echo(record.getMessage(), err=True)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[^.][.])\s", paragraph)[0]


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
JSON_OPTION = click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write the figures here too.")
PAIR_OPTION = click.option(
    "--pair", "pair_name", default="classroom", show_default=True, help="Name or folder of a pair of models."
)


def model_options(command):
    """Which models a command runs: a pair by its name, or any target, and perhaps any draft, in place of it."""
    own = click.option("--target", metavar="ID|FOLDER", help="A model of your own in place of a pair.")
    draft = click.option("--draft", metavar="ID|FOLDER", help="The draft model for --target.")
    return PAIR_OPTION(own(draft(command)))


def chosen_pair(pair_name, target, draft, **how):
    """The models that these options name, loaded; ValueError if they contradict each other."""
    from ..measure.threads import choose_threads
    from ..models import load_pair

    source = click.get_current_context().get_parameter_source("pair_name")
    if target and source != click.core.ParameterSource.DEFAULT:
        raise ValueError("--pair and --target both say which model is the target; leave one of them out")
    if draft and not target:
        raise ValueError("--draft needs --target: say which model it shall guess for")
    pair = load_pair(pair_name, target=target, draft=draft, say=click.echo, **how)
    choose_threads(pair.target, say=logging.getLogger("specdec_course").info)
    return pair


def write_json(path, value) -> None:
    """Writes `value` whole, as JSON; for None nothing."""
    if path is not None:
        write_text(Path(path), json.dumps(value, indent=2) + "\n")


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(package_name="specdec_course")
def main():
    """A course on speculative decoding: notebooks, checks, grading, and the package it teaches."""
