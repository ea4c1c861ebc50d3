"""`specdec bench --server`: a real server on loopback that runs the bundled pair, and everything that may go wrong."""

import json
import socket
import statistics

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small_server import MODEL, serving

from specdec_course.cli import main
from specdec_course.measure.benchmark import as_table
from specdec_course.measure.counters import Counted, counted, samples
from specdec_course.measure.server import Reply, answered, events, measure, piece_of, remarks, root_of, row_of
from specdec_course.trace import Round, acceptance_rate, tokens_per_call

TEXTS = [" = Veldrin = \n", " = The mill = \n \n The"]
ASKED = {"model": MODEL, "max_tokens": 12, "temperature": 0.0}


def run(*arguments, **how):
    return CliRunner().invoke(main, ["bench", *map(str, arguments)], **how)


# a whole run ----------------------------------------------------------------------------------------------------------


def test_the_figures_of_a_server_are_those_of_the_text_that_it_wrote(tmp_path):
    with serving() as (address, about):
        result = run("--server", f"{address}/v1/", "--limit", 2, "--max-new-tokens", 17, "--repeats", 2, "--json",
                     tmp_path / "out.json")  # fmt: skip
        assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    rounds = [one for text in about.rounds[1:] for one in text]  # without the warm-up
    assert report["failure"] is None and len(about.asked) == 5
    [row] = report["rows"]
    assert row["name"] == address
    assert row["tokens_per_call"] == pytest.approx(tokens_per_call(rounds))
    assert row["acceptance_rate"] == pytest.approx(acceptance_rate(rounds)) and row["acceptance_rate"] > 0
    of_server = report["servers"][address]
    found, replies = of_server["counted"], of_server["replies"]
    assert [one["text"] for one in replies] == about.texts[1:]
    assert all(one["tokens"] == 17 and one["told"] and 0 < one["first"] <= one["seconds"] for one in replies)
    speeds = [one["tokens"] / one["seconds"] for one in replies]
    assert row["tokens_per_second"] == pytest.approx(statistics.median(speeds))
    assert (row["slowest"], row["fastest"]) == (pytest.approx(min(speeds)), pytest.approx(max(speeds)))
    checked = [one for one in rounds if one.drafted]
    assert found == {"engine": "vLLM", "tokens": 68, "calls": len(checked),
                     "accepted": sum(r.accepted for r in checked), "drafted": sum(r.drafted for r in checked),
                     "places": [sum(r.accepted > i for r in checked) for i in range(4)]}  # fmt: skip
    for words in ("tokens/call", "accepted", "68 tokens in", "vLLM counted 68 tokens", "first token, second, ..."):
        assert words in result.output
    assert "somebody else" not in result.output


def test_servers_are_compared_with_the_first():
    with serving(drafts=False) as (plain, at_first), serving() as (drafting, then):
        said = []
        report = measure([plain, drafting], TEXTS, max_new_tokens=12, repeats=2, say=said.append)
    first, second = report["rows"]
    assert first["speedup"] == 1.0 and first["same_text"] and second["same_text"]
    assert "every text equals the first server's" in said
    assert first["tokens_per_call"] == 0.0 and second["tokens_per_call"] > 1
    assert any("its metrics do not count drafts" in line for line in said)
    assert at_first.texts == then.texts
    assert [one["prompt"] for one in at_first.asked[1:]] == TEXTS * 2
    lines = as_table([row_of(plain, [Reply("", 1, 1, 1, True)], [Reply("", 1, 1, 1, True)], None)]).splitlines()
    assert lines[1].split()[-3:-1] == ["-", "-"], "what is not known is not printed as 0"


def test_a_drawn_text_has_a_seed_of_its_own_and_may_differ():
    with serving() as (address, about):
        said = []
        measure([address], TEXTS, max_new_tokens=8, temperature=1.0, repeats=2, ignore_eos=True, say=said.append)
    assert [one.get("seed") for one in about.asked] == [None, 0, 1, 0, 1]
    assert all(one["ignore_eos"] is True and one["temperature"] == 1.0 for one in about.asked)
    assert about.texts[1:3] == about.texts[3:] and not any("text equals" in line for line in said)


def test_a_chat_is_asked_as_a_chat_and_a_key_is_handed_over(tmp_path):
    file = tmp_path / "questions.txt"
    file.write_text("Where does the river run?\n")
    with serving(key="secret") as (address, about):
        refused = run("--server", address, "--prompts", file, "--chat")
        asked = ("--server", address, "--prompts", file, "--chat", "--repeats", 1, "--max-new-tokens", 8,
                 "--key-variable")  # fmt: skip
        result = run(*asked, "OUR_KEY", "--json", tmp_path / "out.json", env={"OUR_KEY": "secret"})
        missing = run(*asked, "NO_SUCH_KEY")
    assert refused.exit_code == 2 and "no such key" in refused.output and "--key-variable NAME" in refused.output
    assert missing.exit_code == 2 and "NO_SUCH_KEY is empty" in missing.output
    assert result.exit_code == 0, result.output
    assert about.asked[-1]["messages"] == [{"role": "user", "content": "Where does the river run?"}]
    assert "prompt" not in about.asked[-1] and "secret" not in (tmp_path / "out.json").read_text()


# what a server does not tell ------------------------------------------------------------------------------------------


def test_a_server_without_metrics_is_measured_and_what_is_not_known_is_said():
    with serving(counts=False) as (address, _):
        result = run("--server", address, "--limit", 1, "--repeats", 1, "--max-new-tokens", 9)
    assert result.exit_code == 0, result.output
    assert "tokens per call and acceptance are not known: it has no page of metrics" in result.output


def test_pieces_are_counted_where_tokens_are_not_and_that_is_said():
    with serving(fault="no usage") as (address, about):
        result = run("--server", address, "--limit", 1, "--repeats", 1, "--max-new-tokens", 20)
    assert result.exit_code == 0, result.output
    assert "it does not say how many tokens an answer has" in result.output
    assert f"{len(about.rounds[1])} tokens in" in result.output


def test_somebody_else_on_the_server_is_noticed():
    with serving() as (address, about):
        said = []

        def say(line):
            said.append(line)
            about.foreign += 5 * line.startswith("run 1")

        measure([address], TEXTS, max_new_tokens=8, repeats=1, say=say)
    assert any("counted 21 tokens where 16 were received" in line for line in said)


# what goes wrong ------------------------------------------------------------------------------------------------------


def nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    "options, told",
    [
        (["--server", "localhost:8000"], "expected its address, such as http://127.0.0.1:8000"),
        (["--server", "file:///etc/passwd"], "expected its address"),
        (["--server", "http://[::1"], "expected its address"),
        (["--server", "http://127.0.0.1:port"], "expected its address"),
        (["--server", "http://127.0.0.1:1", "--k", "5"], "--k does not go with --server"),
        (["--server", "http://127.0.0.1:1", "--draft", "."], "--draft does not go with --server"),
        (["--server", "http://127.0.0.1:1", "--chat"], "expected a prompt, or a file of prompts"),
        (["--server", "http://127.0.0.1:1", "--prompts", "no-such-file.txt"], "no-such-file.txt"),
        (["--model", "x"], "--model is about a server"),
        (["--ignore-eos"], "--ignore-eos is about a server"),
    ],
    ids=lambda value: "_".join(value)[-40:] if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_exit_code_2(options, told):
    one_line(run(*options), told)


def one_line(result, *told):
    assert result.exit_code == 2, result.output
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("specdec: ") and all(words in last for words in told), result.output
    assert "Traceback" not in result.output


def test_where_nobody_answers_that_is_said():
    address = nobody_listens()
    one_line(run("--server", address), f"no answer from {address}/v1/models", "refused", "Is the server started")


def test_a_model_that_the_server_lacks_and_a_server_without_the_protocol():
    with serving() as (address, _):
        one_line(run("--server", address, "--model", "gpt-5"), "404", "The model `gpt-5` does not exist.")
        one_line(run("--server", f"{address}/elsewhere"), "404", "OpenAI's protocol")
        one_line(run("--server", address, "--server", f"{address}/v1"), "named twice")
    with serving(fault="no json") as (address, _):
        one_line(run("--server", address), "<html>It works!", "expected a list of models in JSON")


@pytest.mark.parametrize(
    "fault, told",
    [
        ("stops", "pieces of text so far: 1): the stream ended"),
        ("reports", "out of memory"),
        ("garbles", "expected an object in JSON"),
    ],
)
def test_what_was_measured_before_a_fault_is_kept(fault, told, tmp_path):
    with serving(fault=fault, good=3) as (address, about):
        result = run("--server", address, "--limit", 2, "--max-new-tokens", 16, "--repeats", 3, "--json",
                     tmp_path / "out.json")  # fmt: skip
    one_line(result, told)
    report = json.loads((tmp_path / "out.json").read_text())
    assert len(about.asked) == 4 and told in report["failure"]
    replies = report["servers"][address]["replies"]
    assert [one["text"] for one in replies] == about.texts[1:3] and len(report["rows"]) == 1
    assert "tokens/call" in result.output and "32 tokens in" in result.output


def test_who_interrupts_gets_what_was_measured():
    with serving() as (address, _):

        def say(line):
            if line.startswith("run 1"):
                raise KeyboardInterrupt

        report = measure([address], TEXTS, max_new_tokens=8, repeats=5, say=say)
    assert report["failure"] == "interrupted" and len(report["servers"][address]["replies"]) == 2


def test_a_server_that_stops_at_once_leaves_nothing_to_keep():
    with serving(fault="stops") as (address, _):
        with pytest.raises(ValueError, match="pieces of text so far: 1"):
            measure([address], TEXTS, max_new_tokens=16)
        with pytest.raises(ValueError, match="no prompt"):
            measure([address], [])


def test_a_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(ValueError, match="no answer from .*timed out"):
            answered(f"http://127.0.0.1:{silent.getsockname()[1]}", "x", ASKED, wait=0.2)


# the parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pasted", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", " http://h:1/v1 "])
def test_addresses_as_people_paste_them(pasted):
    assert root_of(pasted) == "http://h:1"


def test_an_address_keeps_what_leads_to_the_server():
    assert root_of("https://user@h/api/v1") == "https://user@h/api"


def sse(*lines):
    return [f"{line}\n".encode() for line in lines]


def test_events_are_read_as_they_are_sent():
    good = sse(": comment", "event: message", 'data: {"a": 1}', "", 'data:{"b": 2}', "data: [DONE]", "data: late")
    assert list(events(good)) == [{"a": 1}, {"b": 2}]
    with pytest.raises(ValueError, match="without"):
        list(events(sse('data: {"choices": [{"text": "x"}]}')))
    over = 'data: {"choices": [{"text": "x", "finish_reason": "stop"}]}'
    assert len(list(events(sse(over)))) == 1, "some servers end with the reason alone"
    with pytest.raises(ValueError, match="expected an object"):
        list(events(sse("data: 7")))
    with pytest.raises(ValueError, match="the server reports: full"):
        list(events(sse('data: {"error": "full"}')))


@pytest.mark.parametrize(
    "event, piece",
    [
        ({"choices": [{"text": "a"}]}, "a"),
        ({"choices": [{"delta": {"content": "b"}}]}, "b"),
        ({"choices": [{"delta": {"role": "assistant", "content": ""}}]}, ""),
        ({"choices": [{"delta": {"content": None, "reasoning_content": "c"}}]}, "c"),
        ({"choices": []}, ""),
        ({"usage": {"completion_tokens": 3}}, ""),
    ],
)
def test_the_piece_of_an_event(event, piece):
    assert piece_of(event) == piece


VLLM = """# HELP vllm:spec_decode_num_drafts_total Number of spec decoding drafts.
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{{engine="0",model_name="m"}} {drafts}
vllm:spec_decode_num_drafts_total{{engine="1",model_name="m"}} 1.0
vllm:spec_decode_num_drafts_created{{engine="0",model_name="m"}} 1.7e+09
vllm:spec_decode_num_draft_tokens_total{{engine="0",model_name="m"}} {tokens}
vllm:spec_decode_num_accepted_tokens_total{{engine="0",model_name="m"}} {accepted}
vllm:spec_decode_num_accepted_tokens_per_pos_total{{engine="0",model_name="m",position="1"}} {second}
vllm:spec_decode_num_accepted_tokens_per_pos_total{{engine="0",model_name="m",position="0"}} {first}
vllm:generation_tokens_total{{engine="0",model_name="m"}} {written}
vllm:nan{{a="b"}} NaN
"""


def test_vllms_counters_by_hand():
    before = VLLM.format(drafts=100.0, tokens=200.0, accepted=90.0, first=60.0, second=30.0, written=500.0)
    after = VLLM.format(drafts="110.0", tokens=220.0, accepted=105.0, first=69.0, second=36.0, written=527.0)
    found, why = counted(before, after)
    assert found == Counted("vLLM", 27, 10, 15, 20, (9, 6)) and why == ""
    assert found.acceptance_rate == 0.75
    assert found.tokens_per_draft == 2.5
    assert found.tokens_per_call == 27 / 12, "two of the twelve passes had no draft"
    assert counted(after, before) == (None, "its counters went back: it was started anew meanwhile")
    assert ("vllm:nan", None) not in samples(after)


SGLANG = """sglang:generation_tokens_total{{is_streaming="true",model_name="m"}} {tokens}
sglang:num_requests_total{{is_streaming="true",model_name="m"}} {requests}
"""
CALLS = 'sglang:spec_verify_calls_total{{model_name="m"}} {calls}\n'
GAUGE = 'sglang:spec_num_draft_tokens{model_name="m",tp_rank="0"} 5.0\n'


def test_sglangs_counters_by_hand():
    """Two requests of 16 tokens: one of each comes with its prompt, ten passes add the other thirty."""
    before = SGLANG.format(tokens=0.0, requests=0.0)  # a counter with labels is not there before it counts
    after = SGLANG.format(tokens=32.0, requests=2.0) + CALLS.format(calls=10.0)
    found, _ = counted(before, after + GAUGE)
    assert found == Counted("SGLang", 32, 10, 20, 40)
    assert (found.acceptance_rate, found.tokens_per_draft, found.tokens_per_call) == (0.5, 3.0, 32 / 12)
    found, _ = counted(before, after)
    assert found.drafted is None and found.acceptance_rate is None
    reply = Reply("x", 32, 0.1, 1.0, True)
    assert any("acceptance rate is not known" in line for line in remarks("s", [reply], 1, found, ""))
    shown = as_table([row_of("s", [reply], [reply], found)]).splitlines()[1].split()
    assert shown[-3:-1] == ["2.67", "-"]
    assert counted(before, before)[0] is None


@pytest.mark.parametrize("page", ["", "<html>", "vllm:generation_tokens_total 3", "\x00{}{}", None])
def test_a_page_that_tells_nothing_of_drafts_gives_a_reason(page):
    found, why = counted(page, page)
    assert found is None and why


@given(st.text(max_size=200))
def test_no_page_breaks_the_reading(page):
    samples(page)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30))
def test_tokens_per_call_is_that_of_the_rounds(pairs):
    """Of whatever rounds: some have drafted nothing, and each adds what it accepts and one token more."""
    rounds = [Round(max(pair), min(pair), min(pair) + 1) for pair in pairs]
    checked = [one for one in rounds if one.drafted]
    found = Counted("any", sum(r.emitted for r in rounds), len(checked), sum(r.accepted for r in checked),
                    sum(r.drafted for r in checked))  # fmt: skip
    assert found.tokens_per_call == pytest.approx(tokens_per_call(rounds))
    assert found.acceptance_rate == pytest.approx(acceptance_rate(rounds))

