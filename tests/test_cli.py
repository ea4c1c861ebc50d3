"""The command line: what it prints, and how it refuses."""

import json
import os
import tomllib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from small_models import small_tokenizer

from specdec_course.cli import demo, main, students
from specdec_course.cli.terminal import show_rounds
from specdec_course.corpora import prompts
from specdec_course.decoding.engine import Output
from specdec_course.trace import Round, Trace

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_help_names_every_command():
    said = run("--help").output
    for command in "demo build grade check profile bench generate fetch doctor train notebooks lab".split():
        assert f"  {command} " in said


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["generate", "--pair", "clasroom"], "classroom"),
        (["generate", "--prompt", "x", "--drafter", "suffix+egle"], "there is no drafter 'egle'"),
        (["generate", "--prompt", "x", "--corpus", "no-such-file.txt", "--drafter", "bigram"], "no-such-file.txt"),
        (["generate", "--prompts", "no-such-prompts.jsonl"], "no-such-prompts.jsonl"),
        (["generate", "--k", "-1"], "k is -1"),
        (["generate", "--temperature", "-2"], "temperature"),
        (["generate", "--k", "automatic"], "'auto', 'heuristic'"),
        (["generate", "--temperature", "1", "--verify"], "--verify"),
        (["generate", "--prompt", ""], "prompt"),
        (["generate", "--max-new-tokens", "5000"], "context"),
        (["generate", "--min-new-tokens", "65"], "min_new_tokens is 65; expected 0 to 64"),
        (["generate", "--min-p", "2"], "min_p is 2"),
        (["generate", "--repetition-penalty", "0"], "0.0 is not in the range"),
        (["generate", "--stop", ""], "at least one character"),
        (["generate", "--chat", "--prompt", "Who are you?"], "no chat template"),
        (["generate", "--chat"], "expected a prompt, or a file of prompts"),
        (["generate", "--draft", "data/classroom/draft"], "--draft needs --target"),
        (["generate", "--pair", "classroom", "--target", "data/classroom/target"], "leave one of them out"),
        (["generate", "--target", "no/such/folder"], "no folder no/such/folder"),
        (["generate", "--target", ROOT / "data/classroom/target"], "no draft model: give it one"),
        (["bench", "--target", ROOT / "data"], "no config.json"),
        (["bench", "--cuda-suite", "--out", "nowhere"], "GPU"),
        (["grade", "no-such-folder"], "no-such-folder"),
        (["check", "no-such-notebook.ipynb"], "no-such-notebook.ipynb"),
        (["fetch", "gpt5"], "smollm2"),
        (["build", "--unit", "99"], "99"),
        (["build", "--root", "/"], "solutions"),
        (["notebooks", "--unit", "99"], "01_forward_latency"),
    ],
    ids=lambda value: "_".join(map(str, value))[:40] if isinstance(value, list) else None,
)
def test_bad_input_is_one_readable_message_and_exit_code_2(arguments, told):
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert told in result.output
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_generate_writes_coloured_text_and_figures(tmp_path):
    result = run("generate", "--prompt", " = Veldrin = \n", "--max-new-tokens", 24, "--verify", "--json",
                 tmp_path / "out.json")
    assert result.exit_code == 0, result.output
    assert "tokens per target call" in result.output and "1 of 1 texts equal" in result.output
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["equal"] == [{"good": True, "said": "equal to the library's"}]
    assert sum(r["emitted"] for r in figures["traces"][0]["rounds"]) <= 24


def test_generate_takes_any_models_and_what_generate_takes():
    """The texts are the library's, asked for the same; the second ends with words out of the first."""
    models = "--target", ROOT / "data/classroom/target", "--draft", ROOT / "data/classroom/draft"
    asked = "--repetition-penalty", 1.3, "--min-new-tokens", 24, "--max-new-tokens", 24, "--verify"
    texts, stop = [], ()
    for _ in range(2):
        result = run("generate", *models, *asked, "--prompt", " = Veldrin = \n", *stop)
        assert result.exit_code == 0 and "1 of 1 texts equal" in result.output, result.output
        texts.append(result.output.split("\n   1  ")[0])
        until = texts[0][: texts[0].rindex(" ", 0, 60)]
        stop = "--stop", "never", "--stop", until[-12:].replace("\n", r"\n")
    assert texts[0].startswith(" = Veldrin = \n") and texts[1] == until


def test_a_chat_is_put_into_the_tokenizers_template():
    tokenizer = small_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    [ids] = prompts(tokenizer, "The river?", chat=True)
    assert tokenizer.decode(ids) == "<|im_start|>user\nThe river?<|im_end|>\n<|im_start|>assistant\n"
    assert ids.tolist().count(tokenizer.bos_token_id) == 2, "as special tokens, and not one more"


def test_in_a_pipe_the_text_is_as_it_is_decoded(capsys):
    tokenizer = small_tokenizer()
    text = "\tThe river 漢字\r\n [red] :smile:  👩‍🚀 end"
    ids = torch.tensor(tokenizer.encode(text, add_special_tokens=False))
    rounds = [Round(2, 2, 3), Round(4, 0, len(ids) - 5)]
    outputs = [Output(ids[:n], Trace(2, rounds[:seen])) for seen, n in enumerate((2, 5, len(ids)))]
    assert show_rounds(outputs, tokenizer) is outputs[-1]
    assert capsys.readouterr().out == text + "\n"


@pytest.mark.slow
def test_bench_shows_every_row_and_the_reasons(tmp_path):
    models = "--target", ROOT / "data/classroom/target", "--draft", ROOT / "data/classroom/draft"
    result = run("bench", *models, "--limit", 1, "--max-new-tokens", 12, "--repeats", 1, "--engine", "eager", "--dtype",
                 "float32", "--json", tmp_path / "out.json", "--plot", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    for row in ("target alone", "bigram, k = 4", "n-gram, k = 4", "prompt lookup, k = 4", "suffix automaton, k = 4",
                "corpus, k = 4", "draft model, k = 4", "draft model, auto", "Hugging Face generate",
                "Hugging Face assisted, k = 4", "Hugging Face assisted, defaults", "eta", "1-TV"):
        assert row in result.output
    assert "every text equals the target's own" in result.output
    figures = json.loads((tmp_path / "out.json").read_text())
    assert len(figures["rows"]) == 11 and len(figures["explained"]) == 3
    assert figures["command"].startswith("specdec bench --target target --draft draft --dtype float32 --k 4 "
                                         "--limit 1 ")
    assert (tmp_path / "out.png").stat().st_size > 5000


def test_profile_prints_a_curve():
    result = run("profile", "--max-tokens", 4, "--repeats", 2)
    assert result.exit_code == 0, result.output
    assert "free region" in result.output and "     4 tokens" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("level", ["full", "none"])
def test_the_demo_grades_its_class_in_a_box_and_says_so_where_there_is_none(level, tmp_path, monkeypatch, capsys):
    pytest.importorskip("nbgrader", reason="grading needs the [instructor] extra")
    if level == "full" and demo.isolation_level() != "full":
        pytest.skip("no box can be had on this machine")
    monkeypatch.setattr(demo, "isolation_level", lambda: level)
    demo.grade_sample_class(ROOT, tmp_path)
    told = capsys.readouterr().out
    assert f"isolation: {level}" in told and ("cannot be shut in" in told) == (level == "none")
    rows = {words[0]: words[1:4] for line in told.splitlines() if len(words := line.split()) == 6}
    assert rows["perfect"] == ["10", "/", "10"] and 0 < float(rows["typical"][0]) < 10
    assert rows["hostile"] == rows["empty"] == ["0", "/", "10"]
    assert (tmp_path / "records").is_dir() == (level == "full"), "only the boxed grader keeps records"


def test_help_cuts_no_description():
    from click.testing import CliRunner

    from specdec_course.cli import main

    text = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert "...\n" not in text.split("Commands:")[1]
    for name in main.commands:
        assert f"\n  {name} " in text


class TestTheStudentsRoute:
    def test_notebooks_are_written_anywhere_and_ones_work_is_kept(self, tmp_path):
        first = run("notebooks", tmp_path)
        released = sorted((ROOT / "notebooks").glob("*/*.ipynb"))
        assert first.exit_code == 0 and len(released) >= 7
        for path in released:
            assert (tmp_path / path.parent.name / path.name).read_bytes() == path.read_bytes()
        mine = tmp_path / released[2].parent.name / released[2].name
        mine.write_text("my work")
        again = run("notebooks", tmp_path)
        assert mine.read_text() == "my work" and again.output.count("kept, with your work") == 1
        assert again.output.count("there already") == len(released) - 1

    def test_one_unit_by_its_number(self, tmp_path):
        for said in ("3", "03", "03_greedy_verification"):
            assert run("notebooks", tmp_path / said, "--unit", said).exit_code == 0
            assert [path.name for path in (tmp_path / said).iterdir()] == ["03_greedy_verification"]

    def test_lab_opens_the_copy_without_the_instructors_tools(self, tmp_path, monkeypatch):
        started = []
        monkeypatch.setattr(students.shutil, "which", lambda name, path=None: f"/bin/{name}")
        monkeypatch.setattr(students.subprocess, "call", lambda command, env: started.append((command, env)) or 0)
        assert run("lab", tmp_path / "mine", "--", "--no-browser").exit_code == 0
        ((command, environment),) = started
        assert command == ["/bin/jupyter-lab", "--notebook-dir", str(tmp_path / "mine"), "--no-browser"]
        assert (tmp_path / "mine" / "01_forward_latency").is_dir()
        settings = Path(environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0]) / "labconfig" / "page_config.json"
        assert json.loads(settings.read_text())["disabledExtensions"]["@jupyter/nbgrader"] is True

    def test_without_jupyterlab_one_line_says_what_to_do(self, tmp_path, monkeypatch):
        monkeypatch.setattr(students.shutil, "which", lambda name, path=None: None)
        said = run("lab", tmp_path)
        assert said.exit_code == 2 and "pip install jupyterlab" in said.output

    def test_the_notebooks_travel_in_the_wheel(self):
        wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
        assert wheel["force-include"]["notebooks"] == "specdec_course/notebooks"
