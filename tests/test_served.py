"""How vLLM and SGLang are told to run a pair of ours: what is asked of them, and whether their own source knows it."""

import ast
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from specdec_course.measure.served import METHODS, UNEQUAL, sglang_config, vllm_config
from specdec_course.models.sources import HUB_PAIRS, NAMES

HEAD = "someone/head"
BOTH = pytest.mark.parametrize("config", [vllm_config, sglang_config])


def options(command: str) -> dict[str, object]:
    """{option: its value, or True} of a command line."""
    words, found = shlex.split(command), {}
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--"):
            found[word] = True if following.startswith("--") else following
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", NAMES)
@BOTH
def test_the_command_says_what_the_arguments_say(config, pair, method):
    arguments, command = config(pair, method, k=5, head=HEAD)
    said = options(command)
    assert json.loads(json.dumps(arguments)) == arguments, "plain values"
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        if name == "model":
            assert command.startswith(f"vllm serve {value} ")
        elif value is False:
            assert said[f"--no-{option[2:]}"] is True
        elif isinstance(value, dict):
            assert json.loads(said[option]) == value
        else:
            assert said[option] == (True if value is True else str(value))
    assert len(said) == len(arguments) - ("model" in arguments)


def test_vllm_by_hand():
    arguments, command = vllm_config("qwen3", "draft_model", k=4)
    assert arguments == {
        "model": "Qwen/Qwen3-8B", "seed": 0, "max_model_len": 1024, "enable_prefix_caching": False,
        "speculative_config": {"method": "draft_model", "model": "Qwen/Qwen3-0.6B", "num_speculative_tokens": 4,
                               "draft_sample_method": "probabilistic"},
    }  # fmt: skip
    assert command == (
        "vllm serve Qwen/Qwen3-8B --seed 0 --max-model-len 1024 --no-enable-prefix-caching --speculative-config "
        '\'{"method": "draft_model", "model": "Qwen/Qwen3-0.6B", "num_speculative_tokens": 4, '
        '"draft_sample_method": "probabilistic"}\''
    )
    assert vllm_config("qwen3", "ngram", k=6)[0]["speculative_config"] == {
        "method": "ngram", "num_speculative_tokens": 6, "prompt_lookup_min": 1, "prompt_lookup_max": 3,
    }  # fmt: skip
    assert "speculative_config" not in vllm_config("qwen3", "plain")[0]


def test_sglang_by_hand():
    arguments, command = sglang_config("qwen3", "draft_model", k=4)
    assert arguments == {
        "model_path": "Qwen/Qwen3-8B", "random_seed": 0, "context_length": 1024, "disable_radix_cache": True,
        "enable_metrics": True, "speculative_algorithm": "STANDALONE", "speculative_num_steps": 4,
        "speculative_num_draft_tokens": 5, "speculative_draft_model_path": "Qwen/Qwen3-0.6B",
        "speculative_eagle_topk": 1,
    }  # fmt: skip
    assert command.startswith("sglang serve --model-path Qwen/Qwen3-8B --random-seed 0 ")
    assert " --disable-radix-cache --enable-metrics --speculative-algorithm STANDALONE " in command
    ngram = sglang_config("qwen3", "ngram", k=6)[0]
    assert (ngram["speculative_algorithm"], ngram["speculative_num_draft_tokens"]) == ("NGRAM", 7)
    assert ngram["speculative_ngram_max_bfs_breadth"] == 1 and "speculative_eagle_topk" not in ngram
    eagle = sglang_config("qwen3", "eagle3", head=HEAD)[0]
    assert (eagle["speculative_algorithm"], eagle["speculative_draft_model_path"]) == ("EAGLE3", HEAD)
    assert not any("speculative" in name for name in sglang_config("qwen3", "plain")[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", HUB_PAIRS)
def test_every_method_and_both_engines_run_one_pair(pair, method):
    """Else the methods of a table would be those of different targets."""
    target = vllm_config(pair, method, head=HEAD)[0]["model"]
    assert target == sglang_config(pair, method, head=HEAD)[0]["model_path"] == vllm_config(pair)[0]["model"]
    assert target not in UNEQUAL and (target, vllm_config(pair)[0]["speculative_config"]["model"]) in [
        one[:2] for one in HUB_PAIRS[pair]
    ]


def test_the_bundled_pair_is_named_with_its_tokenizer():
    vllm, sglang = vllm_config("classroom")[0], sglang_config("classroom")[0]
    assert vllm["tokenizer"] == sglang["tokenizer_path"] and (Path(vllm["tokenizer"]) / "tokenizer.json").is_file()
    assert (Path(vllm["model"]) / "config.json").is_file() and vllm["max_model_len"] <= 1024


def test_models_of_ones_own():
    assert vllm_config(("a/large one", "b"))[1].startswith("vllm serve 'a/large one' ")
    assert vllm_config(("a", None), "ngram")[0]["model"] == "a"
    assert sglang_config(("a", "b"))[0]["speculative_draft_model_path"] == "b"


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("qwen",), "Did you mean 'qwen3'|Did you mean 'qwen2.5'"),
        (("qwen3", "draft"), "Did you mean 'draft_model'"),
        (("qwen3", "medusa"), "There is: plain, draft_model"),
        (("qwen3", "draft_model", 0), "k is 0; expected a whole number"),
        (("qwen3", "draft_model", 2.5), "k is 2.5"),
        (("qwen3", "draft_model", True), "k is True"),
        (("qwen3", "ngram", 4, None, 0), "context is 0"),
        (("qwen3", "eagle"), "needs a head that was trained for Qwen/Qwen3-8B"),
        ((("a", None),), "a has no draft"),
        ((("a", "b", "c"),), "expected .target, draft."),
        (((None, "b"),), "expected .target, draft."),
    ],
)
@BOTH
def test_what_is_not_possible_is_said(config, arguments, told):
    with pytest.raises(ValueError, match=told):
        config(*arguments)


# the engines' own source ----------------------------------------------------------------------------------------------


def source_of(engine: str) -> Path:
    """Where an engine is installed. It is read, not imported: that would need the GPU it is built for."""
    found = importlib.util.find_spec(engine)
    if found is None:
        pytest.skip(f"{engine} is not installed: what it is told is not compared with its own options")
    return Path(found.origin).parent


def fields(*files: Path) -> set[str]:
    """All fields that the classes in the files declare, by name."""
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text())))
    return {line.target.id for node in nodes if isinstance(node, ast.ClassDef) for line in node.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)}  # fmt: skip


def literals(file: Path) -> dict[str, list[str]]:
    """{name: words} of all that a file defines as Literal[...]."""
    return {line.targets[0].id: [one.value for one in ast.walk(line.value) if isinstance(one, ast.Constant)]
            for line in ast.parse(file.read_text()).body
            if isinstance(line, ast.Assign) and ast.unparse(line.value).startswith("Literal[")}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", NAMES)
def test_vllm_knows_what_it_is_told(pair, method):
    folder = source_of("vllm")
    arguments, _ = vllm_config(pair, method, head=HEAD)
    of_engine, of_drafts = fields(folder / "engine" / "arg_utils.py"), fields(folder / "config" / "speculative.py")
    assert arguments.keys() <= of_engine
    asked = arguments.get("speculative_config", {})
    assert asked.keys() <= of_drafts
    words = literals(folder / "config" / "speculative.py")
    assert asked.get("method", "ngram") in {*words["SpeculativeMethod"], *words["EagleModelTypes"]}
    assert asked.get("draft_sample_method", "greedy") in words["DraftSampleMethod"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pair", NAMES)
def test_sglang_knows_what_it_is_told(pair, method):
    folder = source_of("sglang") / "srt"
    arguments, _ = sglang_config(pair, method, head=HEAD)
    known = fields(folder / "server_args.py", *sorted((folder / "arg_groups" / "fields").glob("*.py")))
    assert arguments.keys() <= known
    algorithms = (folder / "speculative" / "spec_info.py").read_text()
    name = arguments.get("speculative_algorithm", "NONE")
    assert re.search(rf"^    {name} = auto\(\)", algorithms, flags=re.M), f"no algorithm {name}"


@pytest.mark.parametrize("name", ["drafts", "draft_tokens", "accepted_tokens", "accepted_tokens_per_pos"])
def test_vllm_counts_under_the_names_that_are_read(name):
    folder = source_of("vllm") / "v1"
    assert f'"vllm:spec_decode_num_{name}"' in (folder / "spec_decode" / "metrics.py").read_text()
    assert '"vllm:generation_tokens"' in (folder / "metrics" / "loggers.py").read_text()


@pytest.mark.parametrize("name", ["generation_tokens_total", "spec_verify_calls_total", "num_requests_total",
                                  "spec_num_draft_tokens"])  # fmt: skip
def test_sglang_counts_under_the_names_that_are_read(name):
    text = (source_of("sglang") / "srt" / "observability" / "metrics_collector.py").read_text()
    assert f'"sglang:{name}"' in text


PARSERS = {
    "vllm": """
import vllm.platforms
try:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser
    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
except RuntimeError:  # it finds no device: as on a machine with its package for CPUs
    from vllm.platforms.cpu import CpuPlatform
    vllm.platforms._current_platform = CpuPlatform()
    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
parse = lambda words: AsyncEngineArgs.from_cli_args(parser.parse_args(["--model", *words]))
""",
    "sglang": """
import argparse
from sglang.srt.server_args import ServerArgs
parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
parse = parser.parse_args
""",
}
ASK = """
import json, shlex, sys
for arguments, command in json.load(sys.stdin):
    parsed = parse(shlex.split(command)[2:])
    for name, value in arguments.items():
        assert getattr(parsed, name) == value, (command, name, getattr(parsed, name), value)
print("all taken")
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine, config", [("vllm", vllm_config), ("sglang", sglang_config)])
def test_the_engines_own_parser_takes_every_command(engine, config):
    """In a process of its own: engines change much of what they are imported into."""
    source_of(engine)
    ready = subprocess.run([sys.executable, "-c", PARSERS[engine]], capture_output=True, text=True)
    if ready.returncode:
        pytest.skip(f"{engine} cannot be imported here: {ready.stderr.strip().splitlines()[-1]}")
    asked = [config(pair, method, head=HEAD) for pair in NAMES for method in METHODS]
    done = subprocess.run([sys.executable, "-c", PARSERS[engine] + ASK], input=json.dumps(asked), capture_output=True,
                          text=True)  # fmt: skip
    assert done.stdout.strip().endswith("all taken"), done.stderr[-2000:]
