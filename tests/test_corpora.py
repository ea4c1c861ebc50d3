import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import datasets
import huggingface_hub
import pytest
import torch
from datasets.arrow_writer import ArrowWriter
from hypothesis import given
from hypothesis import strategies as st
from small_models import TEXT, small_tokenizer

from specdec_course.corpora import encode, load_corpus, read_prompts, read_text, sample_windows
from specdec_course.corpora import texts as corpora
from specdec_course.models import hub

ROWS = [
    "",
    " = Robert <unk> = \n",
    "",
    " Robert is an English actor . He , too , was on stage in 2000 . \n",
    " \n",
]
AS_FILE = " \n = Robert <unk> = \n \n Robert is an English actor . He , too , was on stage in 2000 . \n \n"


@pytest.fixture(scope="module")
def tokenizer():
    return small_tokenizer()


@pytest.fixture
def parquet(tmp_path):
    """A file of the shape that WikiText-2 has on the Hub: rows of lines, empty strings for blank lines."""
    path = tmp_path / "train-00000-of-00001.parquet"
    datasets.Dataset.from_dict({"text": ROWS}).to_parquet(str(path))
    return path


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.setattr(corpora, "hub_reachable", lambda: False)


class TestSampleWindows:
    @given(
        length=st.integers(1, 40), seqlen=st.integers(1, 40), count=st.integers(0, 9), seed=st.integers(0, 99)
    )
    def test_windows_are_runs_of_the_text(self, length, seqlen, count, seed):
        ids = torch.arange(100, 100 + length)
        if seqlen > length:
            with pytest.raises(ValueError, match="smaller seqlen"):
                sample_windows(ids, seqlen, count, seed)
            return
        windows = sample_windows(ids, seqlen, count, seed)
        assert windows.shape == (count, seqlen) and windows.dtype == torch.long
        starts = windows[:, :1]
        assert torch.equal(windows, starts + torch.arange(seqlen))
        assert ((starts >= 100) & (starts <= 100 + length - seqlen)).all()

    def test_every_start_is_reached_the_last_one_too(self):
        windows = sample_windows(torch.arange(7), 4, 400, seed=0)
        assert windows[:, 0].bincount().tolist() == pytest.approx([100] * 4, abs=40)

    def test_the_seed_alone_decides(self):
        ids = torch.arange(1000)
        one, again, other = (sample_windows(ids, 5, 8, seed) for seed in (1, 1, 2))
        assert torch.equal(one, again) and not torch.equal(one, other)
        state = torch.get_rng_state()
        sample_windows(ids, 5, 8, 1)
        assert torch.equal(state, torch.get_rng_state())

    def test_windows_may_repeat(self):
        assert len(sample_windows(torch.arange(5), 5, 3, 0)) == 3

    def test_a_window_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="1 <= seqlen"):
            sample_windows(torch.arange(5), 0, 3, 0)


class TestText:
    def test_parquet_rows_become_the_file_that_wikitext_was(self, parquet):
        text, said = read_text(str(parquet))
        assert text == AS_FILE and str(parquet) in said

    def test_the_cache_of_datasets_is_read_without_the_hub(self, no_hub):
        folder = datasets.config.HF_DATASETS_CACHE / "Salesforce___wikitext/wikitext-2-raw-v1/0.0.0/b08601e0"
        folder.mkdir(parents=True)
        with ArrowWriter(path=str(folder / "wikitext-test.arrow")) as writer:
            for row in ROWS:
                writer.write({"text": row})
            writer.finalize()
        assert read_text("wikitext-2", "test") == (AS_FILE, "text: WikiText-2, test, from the local cache")

    def test_the_hub_is_asked_for_wikitext(self, no_hub, monkeypatch):
        asked = []

        def load_dataset(*args, **kwargs):
            asked.append((args, kwargs))
            return datasets.Dataset.from_dict({"text": ROWS})

        monkeypatch.setattr(corpora, "hub_reachable", lambda: True)
        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        assert read_text("wikitext-2", "validation") == (
            AS_FILE,
            "text: WikiText-2, validation, from the Hub",
        )
        assert asked == [(("Salesforce/wikitext", "wikitext-2-raw-v1"), {"split": "validation"})]

    def test_without_the_hub_it_is_atlas_and_says_so(self, no_hub, tokenizer, capsys):
        ids = load_corpus("wikitext-2", tokenizer, split="test", max_tokens=500)
        said = capsys.readouterr().out
        assert (
            said.count("\n") == 1 and "Atlas, test, in place of WikiText-2" in said and "500 tokens" in said
        )
        assert torch.equal(ids, load_corpus("atlas", tokenizer, split="test", max_tokens=500))

    @pytest.mark.parametrize(
        "error",
        [ConnectionError("reset"), datasets.exceptions.DatasetNotFoundError("gone"), OSError(28, "no space")],
    )
    def test_a_hub_that_fails_midway_means_atlas_too(self, no_hub, monkeypatch, error):
        def load_dataset(*args, **kwargs):
            raise error

        monkeypatch.setattr(corpora, "hub_reachable", lambda: True)
        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        text, said = read_text("wikitext-2")
        assert text == read_text("atlas")[0] and type(error).__name__ in said

    def test_an_endpoint_that_is_not_there(self, tmp_path):
        """Nothing replaced: another process, its HF_ENDPOINT a closed port, its caches empty."""
        code = "from specdec_course.corpora import read_text; print(read_text('wikitext-2', 'test')[1])"
        environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
        environment["PYTHONPATH"] = str(Path(corpora.__file__).parents[1])
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.stdout.startswith("text: Atlas, test, in place of WikiText-2") and done.stderr == ""


class TestIds:
    @pytest.mark.parametrize("text", [TEXT * 200, AS_FILE * 100, "def f(x):\n    return x \n\n\n" * 100, "a"])
    def test_blocks_make_no_difference(self, tokenizer, text):
        assert encode(text, tokenizer).tolist() == tokenizer.encode(text, add_special_tokens=False)

    def test_long_texts_are_no_reason_to_warn(self, capfd):
        short = small_tokenizer()
        short.model_max_length = 16
        assert len(encode(TEXT * 20, short)) > 16
        assert capfd.readouterr().err == ""

    def test_text_and_parquet_give_the_same_ids(self, tokenizer, parquet, tmp_path):
        (tmp_path / "same.txt").write_text(AS_FILE)
        said = []
        one = load_corpus(parquet, tokenizer, say=said.append)
        assert torch.equal(one, load_corpus(str(tmp_path / "same.txt"), tokenizer, say=said.append))
        assert one.dtype == torch.long and tokenizer.decode(one) == AS_FILE and len(said) == 2


class TestBadText:
    @pytest.mark.parametrize(
        "name, words",
        [("wikitext2", "Did you mean 'wikitext-2'"), ("atals", "Did you mean 'atlas'"), ("qqq", "'atlas'")],
    )
    def test_unknown_names(self, name, words):
        with pytest.raises(ValueError, match=words):
            read_text(name)

    def test_a_path_with_a_slip(self, tmp_path):
        (tmp_path / "novel.txt").write_text("text")
        with pytest.raises(ValueError, match=r"Did you mean 'novel\.txt'"):
            read_text(tmp_path / "novle.txt")

    def test_unknown_split(self):
        with pytest.raises(ValueError, match="Did you mean 'validation'"):
            read_text("atlas", "valid")

    @pytest.mark.parametrize(
        "content, words", [(b"", "no text"), (b" \n\n", "no text"), (b"\xff\xfe\x00", "UTF-8")]
    )
    def test_files_without_text(self, tmp_path, content, words):
        (tmp_path / "file.txt").write_bytes(content)
        with pytest.raises(ValueError, match=words):
            read_text(tmp_path / "file.txt")

    def test_parquet_without_a_text_column(self, tmp_path):
        datasets.Dataset.from_dict({"words": ["a"]}).to_parquet(str(tmp_path / "a.parquet"))
        with pytest.raises(ValueError, match="no column 'text', only words"):
            read_text(tmp_path / "a.parquet")

    def test_half_a_parquet_file(self, parquet):
        parquet.write_bytes(parquet.read_bytes()[:-20])
        with pytest.raises(ValueError, match="not readable parquet"):
            read_text(parquet)

    def test_a_folder(self, tmp_path):
        with pytest.raises(ValueError, match="neither the name of a text nor a file"):
            read_text(tmp_path)


class TestPrompts:
    def test_spec_bench(self, tmp_path):
        path = tmp_path / "question.jsonl"
        records = [{"question_id": i, "turns": [f"prompt\u2028 {i}", "and then?"]} for i in range(4)]
        path.write_text("\n".join(json.dumps(record, ensure_ascii=False) for record in records) + "\n\n")
        assert read_prompts(path) == [f"prompt\u2028 {i}" for i in range(4)]
        assert read_prompts(str(path), limit=2) == ["prompt\u2028 0", "prompt\u2028 1"]

    def test_lines_or_paragraphs(self, tmp_path):
        path = tmp_path / "prompts.txt"
        path.write_text("one\ntwo \n")
        assert read_prompts(path) == ["one", "two"]
        path.write_text(" = Title = \n \n first\nstill first \n \n second \n")
        assert read_prompts(path) == ["= Title =", "first\nstill first", "second"]
        assert read_prompts(path, 1) == ["= Title ="]

    @pytest.mark.parametrize(
        "line", ["{", "[]", '{"turns": []}', '{"turns": [""]}', '{"text": "a"}', '{"turns": [3]}']
    )
    def test_a_line_without_a_prompt_is_named(self, tmp_path, line):
        (tmp_path / "q.jsonl").write_text('{"prompt": "fine"}\n' + line)
        with pytest.raises(ValueError, match=r"q\.jsonl, line 2"):
            read_prompts(tmp_path / "q.jsonl")

    def test_limit_below_one(self, tmp_path):
        (tmp_path / "p.txt").write_text("one")
        with pytest.raises(ValueError, match="at least 1"):
            read_prompts(tmp_path / "p.txt", 0)

    def test_the_name_of_a_text_is_no_file_of_prompts(self):
        with pytest.raises(ValueError, match="^'atlas' is no file: expected the path of a text or .jsonl file") as told:
            read_prompts("atlas")
        assert "'atlas'?" not in str(told.value)


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(self.server.status if self.path == f"/{hub.PROBE}" else 404)
        self.end_headers()

    def log_message(self, *args):
        pass


class TestReachable:
    @pytest.mark.parametrize("status, reachable", [(200, True), (403, False), (503, False)])
    def test_only_an_answer_that_is_one(self, monkeypatch, status, reachable):
        server = HTTPServer(("127.0.0.1", 0), Answering)
        server.status = status
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        try:
            assert hub.answers_within(30) is reachable
        finally:
            server.shutdown()
            server.server_close()

    def test_a_closed_port_is_no(self, monkeypatch):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
        assert hub.answers_within(30) is False

    def test_a_silent_network_is_given_up(self, monkeypatch):
        """The client hangs for as long as the test runs; the question ends all the same, and had a time limit."""
        over, seen = threading.Event(), []

        class Silent:
            def get(self, url, timeout):
                seen.append(timeout)
                over.wait()

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub, "get_session", Silent)
        assert hub.answers_within(0.01) is False
        over.set()
        assert seen in ([0.01], []) and hub.TIMEOUT < 3

    def test_offline_mode_asks_nobody(self, monkeypatch):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(
            huggingface_hub, "get_session", lambda: pytest.fail("asked the Hub in offline mode")
        )
        assert hub.answers_within(1) is False

    def test_asked_once_per_process(self, monkeypatch):
        asked = []
        monkeypatch.setattr(hub, "answers_within", lambda timeout: asked.append(timeout) or True)
        hub.hub_reachable.cache_clear()
        try:
            assert hub.hub_reachable() and hub.hub_reachable() and asked == [hub.TIMEOUT]
        finally:
            hub.hub_reachable.cache_clear()
