"""Any two models as they lie on a disk: real file formats, architectures, damage, memory. Then one greedy text."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import DECODERS, SEQ2SEQ, TEXT, save, small_model, small_seq2seq, small_tokenizer
from transformers import GenerationConfig

from specdec_course.cache.conditioned import Conditioned
from specdec_course.common.paths import data_path
from specdec_course.decoding.engine import generate
from specdec_course.drafters import ModelDrafter
from specdec_course.models import load_pair, sources, vocabulary_size
from specdec_course.models import loading as models
from specdec_course.models.sources import check_place
from specdec_course.sampling import Sampling

NEW = 24


@pytest.fixture(scope="module")
def tokenizer():
    return small_tokenizer()


def prompt(pair):
    return torch.tensor(pair.tokenizer.encode(TEXT, add_special_tokens=False)[:20])


def library_text(model, ids):
    """The library's greedy text; a checkpoint's penalties, which are not the model's own law, are switched off."""
    how = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0, "repetition_penalty": 1.0}
    return model.generate(ids[None], attention_mask=torch.ones_like(ids[None]), max_new_tokens=NEW, **how)[0]


def assert_one_text(pair):
    """Plainly, with the draft, and with the target as its own draft: the library's text."""
    ids = prompt(pair)
    text = library_text(pair.target, ids)
    for k, drafter in ((0, None), (1, pair.draft), (4, pair.draft), (3, pair.target)):
        out = generate(pair.target, ids, ModelDrafter(drafter) if drafter else None, k=k, max_new_tokens=NEW)
        assert torch.equal(out.tokens, text), k


def told(folder, **how):
    """The one line of the ValueError that load_pair ends in."""
    with pytest.raises(ValueError) as caught:
        load_pair(target=folder, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestFormats:
    @pytest.mark.parametrize("kind", DECODERS)
    def test_a_sharded_untied_target_and_a_tied_draft(self, tmp_path, tokenizer, kind, capfd):
        model = small_model(len(tokenizer), kind, layers=3, tied=False)
        target = save(tmp_path / "t", model, tokenizer, max_shard_size="20KB")
        draft = save(tmp_path / "d", small_model(len(tokenizer), kind, layers=1, seed=1), tokenizer)
        shards = json.loads((target / "model.safetensors.index.json").read_text())["weight_map"]
        assert len(set(shards.values())) > 3 and "lm_head.weight" in shards
        assert "lm_head.weight" not in load_file(draft / "model.safetensors")  # tied: told once
        capfd.readouterr()
        pair = load_pair(target=target, draft=draft)
        assert capfd.readouterr() == ("", "")
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, pair.target.state_dict()[name]), name
        assert pair.draft.lm_head.weight is pair.draft.model.embed_tokens.weight
        assert_one_text(pair)

    @pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("shard", ["20KB", "1GB"])
    def test_half_precision_on_the_disk_is_float32_on_a_cpu(self, tmp_path, tokenizer, stored, shard):
        model = small_model(len(tokenizer), "qwen2").to(stored)
        pair = load_pair(target=save(tmp_path / "m", model, tokenizer, max_shard_size=shard))
        assert pair.target.dtype == torch.float32 == pair.target.lm_head.weight.dtype
        assert torch.equal(pair.target.model.embed_tokens.weight, model.model.embed_tokens.weight.float())
        assert_one_text(pair)

    def test_the_tokenizer_may_lie_with_one_model_and_beside_the_other(self, tmp_path, tokenizer):
        target = save(tmp_path / "a" / "target", small_model(len(tokenizer)), tokenizer)
        draft = save(tmp_path / "b" / "draft", small_model(len(tokenizer), layers=1))
        save(tmp_path / "b" / "tokenizer", tokenizer=tokenizer)
        assert_one_text(load_pair(target=target, draft=draft))

    def test_a_generation_config_changes_nothing(self, tmp_path, tokenizer):
        """Qwen2.5-Instruct's files carry a penalty on repetition and a temperature."""
        folder = save(tmp_path / "m", small_model(len(tokenizer), "qwen2", tied=False), tokenizer)
        before = generate(load_pair(target=folder).target, prompt(load_pair(target=folder)), max_new_tokens=NEW).tokens
        config = GenerationConfig(
            do_sample=True, temperature=0.7, top_k=20, top_p=0.8, repetition_penalty=3.0, eos_token_id=[2, 0],
        )  # fmt: skip
        config.save_pretrained(folder)
        pair = load_pair(target=folder, draft=folder)
        assert pair.target.generation_config.repetition_penalty == 3.0
        assert torch.equal(generate(pair.target, prompt(pair), max_new_tokens=NEW).tokens, before)
        assert_one_text(pair)

    @pytest.mark.parametrize(("one", "other"), [("qwen2", "qwen3"), ("qwen3", "llama"), ("llama", "qwen2")])
    def test_two_architectures_with_one_tokenizer(self, tmp_path, tokenizer, one, other):
        target = save(tmp_path / "t", small_model(len(tokenizer), one), tokenizer)
        draft = save(tmp_path / "d", small_model(len(tokenizer), other, layers=1), tokenizer)
        assert_one_text(load_pair(target=target, draft=draft))

    @pytest.mark.parametrize(("more", "more_in_draft"), [(128, 0), (0, 64), (192, 64)])
    def test_unequal_widths_of_one_vocabulary(self, tmp_path, tokenizer, more, more_in_draft):
        """As of Qwen2.5-7B (152064) and 0.5B (151936). Rows without a token may even be written: they are ids."""
        size = len(tokenizer)
        target = save(tmp_path / "t", small_model(size + more, "qwen2", layers=3, tied=False), tokenizer)
        draft = save(tmp_path / "d", small_model(size + more_in_draft, "qwen2", layers=1, seed=1), tokenizer)
        pair = load_pair(target=target, draft=draft)
        assert (vocabulary_size(pair.target), vocabulary_size(pair.draft)) == (size + more, size + more_in_draft)
        assert_one_text(pair)
        out = generate(pair.target, prompt(pair), ModelDrafter(pair.draft), 4, Sampling(1.0), NEW)
        assert len(out.tokens) == 20 + NEW and int(out.tokens.max()) < size + more


class TestWhatCannotWork:
    def test_a_larger_draft_is_told_and_works(self, tmp_path, tokenizer):
        small = save(tmp_path / "s", small_model(len(tokenizer), layers=1), tokenizer)
        large = save(tmp_path / "l", small_model(len(tokenizer), layers=3), tokenizer)
        said = []
        assert_one_text(load_pair(target=small, draft=large, say=said.append))
        assert len(said) == 1 and "cost more than it can save" in said[0]
        load_pair(target=large, draft=small, say=said.append)
        load_pair(target=small, draft=small, say=said.append)
        assert len(said) == 1

    def test_an_encoder_decoder_with_a_decoder_only(self, tmp_path, tokenizer):
        one = save(tmp_path / "t5", small_seq2seq("t5", len(tokenizer)), tokenizer)
        other = save(tmp_path / "qwen", small_model(len(tokenizer)), tokenizer)
        assert "t5 is an encoder-decoder and" in told(one, draft=other)
        assert "qwen is decoder-only and" in told(other, draft=one)

    def test_other_tokenizers(self, tmp_path, tokenizer):
        one = save(tmp_path / "a", small_model(len(tokenizer)), tokenizer)
        other = save(tmp_path / "b", small_model(400, "qwen2"), small_tokenizer("quite other words " * 9, 300))
        assert "different tokenizers" in told(one, draft=other)

    def test_a_config_of_another_model(self, tmp_path, tokenizer, capfd):
        folder = save(tmp_path / "m", small_model(len(tokenizer)), tokenizer)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
        capfd.readouterr()
        assert "has the shape [32, 48] in the file, config.json says [32, 64]" in told(folder)
        assert capfd.readouterr() == ("", "")  # not the library's table besides

    @pytest.mark.parametrize("change", [{"model_type": "gpt7"}, {"num_attention_heads": 0}, {"hidden_act": "nonsense"}])
    def test_a_config_that_makes_no_model(self, tmp_path, tokenizer, change):
        folder = save(tmp_path / "m", small_model(len(tokenizer)), tokenizer)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
        assert f"no model could be loaded from {folder}" in told(folder)


class TestEncoderDecoder:
    @pytest.mark.parametrize("kind", SEQ2SEQ)
    def test_from_the_disk_to_the_text(self, tmp_path, tokenizer, kind):
        size = len(tokenizer)
        target = save(tmp_path / "t", small_seq2seq(kind, size + 8, layers=3), tokenizer, max_shard_size="30KB")
        draft = save(tmp_path / "d", small_seq2seq(kind, size, layers=1), tokenizer)
        pair = load_pair(target=target, draft=draft)
        source = prompt(pair)
        text = pair.target.generate(
            source[None], max_new_tokens=NEW, do_sample=False, num_beams=1, eos_token_id=None, pad_token_id=0
        )[0]
        one, other = (Conditioned(model, source) for model in (pair.target, pair.draft))
        for k in (0, 1, 4):
            assert torch.equal(generate(one, one.start, ModelDrafter(other), k=k, max_new_tokens=NEW).tokens, text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("sharded") / "model"
    return save(folder, small_model(len(tokenizer), layers=3), tokenizer, max_shard_size="20KB")


@pytest.fixture
def sharded(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "model")


def in_index(folder, change):
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    change(content["weight_map"])
    index.write_text(json.dumps(content))


class TestDamage:
    """One line each, which names the file."""

    SECOND = "model-00002-of-00006.safetensors"

    def test_whole(self, sharded):
        assert (sharded / self.SECOND).is_file() and models.damaged_weights(sharded) == []
        assert_one_text(load_pair(target=sharded, draft=sharded))

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: data[:-100],
            lambda data: data[: len(data) // 2],
            lambda data: b"",
            lambda data: b"<html>404</html>" * 9,
            lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 20480\n",
            lambda data: data[:9] + b"!" + data[10:],
        ],
        ids=["end missing", "half", "empty", "web page", "pointer of git lfs", "header"],
    )
    def test_a_shard(self, sharded, damage):
        path = sharded / self.SECOND
        path.write_bytes(damage(path.read_bytes()))
        said = told(sharded)
        assert f"{self.SECOND} is damaged" in said and "save it again" in said

    def test_a_shard_is_missing(self, sharded):
        (sharded / self.SECOND).unlink()
        assert f"{self.SECOND} is missing" in told(sharded)

    def test_the_index_is_missing(self, sharded):
        (sharded / "model.safetensors.index.json").unlink()
        assert "model.safetensors is missing" in told(sharded)

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}'])
    def test_the_index_is_none(self, sharded, text):
        (sharded / "model.safetensors.index.json").write_text(text)
        assert "model.safetensors.index.json is no index of shards" in told(sharded)

    def test_the_index_names_a_shard_that_never_was(self, sharded):
        in_index(sharded, lambda names: names.update({"lm_head.weight": "model-00007-of-00007.safetensors"}))
        assert "model-00007-of-00007.safetensors is missing" in told(sharded)

    def test_the_index_forgets_a_shard(self, sharded, capfd):
        def forget(names):
            for name in [name for name, file in names.items() if file == self.SECOND]:
                del names[name]

        in_index(sharded, forget)
        capfd.readouterr()
        assert "lacks the weights of model.layers.0." in told(sharded)
        assert capfd.readouterr() == ("", "")

    def test_a_weight_that_no_shard_holds(self, sharded):
        weights = load_file(sharded / self.SECOND)
        name = sorted(weights)[0]
        del weights[name]
        save_file(weights, sharded / self.SECOND, metadata={"format": "pt"})
        assert f"lacks the weights of {name}" in told(sharded)

    def test_no_weights_at_all(self, sharded):
        for file in sharded.glob("model*"):
            file.unlink()
        assert f"no model could be loaded from {sharded}: OSError" in told(sharded)


class TestMemory:
    @pytest.fixture
    def free(self, monkeypatch):
        return lambda number: monkeypatch.setattr(sources, "free_memory", lambda device: number)

    @pytest.mark.parametrize("kind", [*DECODERS, *SEQ2SEQ])
    @pytest.mark.parametrize("tied", [True, False])
    def test_parameters_are_counted_without_loading(self, tmp_path, tokenizer, monkeypatch, kind, tied):
        model = small_seq2seq(kind, 400) if kind in SEQ2SEQ else small_model(400, kind, tied=tied)
        folder = save(tmp_path / "m", model)
        monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", lambda *_, **__: pytest.fail("loaded"))
        number = models.parameters(folder, models.load_config(folder))
        assert number == sum(weight.numel() for weight in model.parameters())

    def test_too_large_is_told_before_anything_is_loaded(self, whole, monkeypatch, free):
        free(100_000)
        monkeypatch.setattr(models, "load_model", lambda *_: pytest.fail("loaded"))
        said = told(whole, draft=whole)
        assert "model will not fit: 0.0 GB are needed in bfloat16 on cpu, 0.0 are free. Restart the kernel" in said
        assert "ask for dtype" not in said
        assert "ask for dtype=torch.bfloat16" in told(whole, dtype=torch.float32)

    def test_bfloat16_where_float32_does_not_fit(self, whole, free):
        number = sum(weight.numel() for weight in load_pair(target=whole).target.parameters())
        said = []
        for room, dtype in ((5.01, torch.float32), (4.99, torch.bfloat16), (2.51, torch.bfloat16)):
            free(number * room)
            assert load_pair(target=whole, say=said.append).target.dtype == dtype
        assert len(said) == 2 and "model in bfloat16, needs" in said[0] and "float32 needs" in said[0]
        free(number * 2.49)
        told(whole)

    def test_two_models_need_the_room_of_two(self, whole, free):
        number = sum(weight.numel() for weight in load_pair(target=whole).target.parameters())
        free(number * 5.01)
        assert load_pair(target=whole, draft=whole, say=lambda line: None).draft.dtype == torch.bfloat16

    @pytest.mark.parametrize(
        ("limit", "used", "idle", "free"), [("1000", "400", "100", 700), ("max", "400", "100", float("inf"))]
    )
    def test_the_limit_of_a_container_counts(self, tmp_path, limit, used, idle, free):
        for name, text in (("max", limit), ("now", used), ("memory.stat", f"anon 300\nidle {idle}\nx 9")):
            (tmp_path / name).write_text(text + "\n")
        assert sources.free_in_container([("/no/such", "a", "b", "c"), (tmp_path, "max", "now", "idle")]) == free

    def test_on_a_gpu_what_torch_holds_unused_is_free(self, monkeypatch):
        for name, number in (("mem_get_info", (1000, 9000)), ("memory_reserved", 500), ("memory_allocated", 200)):
            monkeypatch.setattr(torch.cuda, name, lambda device, number=number: number)
        assert sources.free_memory(torch.device("cuda")) == 1300

    @pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16)])
    def test_on_a_gpu_two_bytes_per_number(self, monkeypatch, capability, dtype):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        assert sources.usual_dtypes(torch.device("cuda")) == [dtype]


@pytest.mark.slow
def test_a_named_pair_from_the_hubs_cache(tmp_path, tokenizer):
    """In a process of its own, offline, with small models in the place of Qwen2.5: the smallest pair is there."""
    for size, layers, padding in (("1.5B", 3, 64), ("0.5B", 1, 0)):
        place, commit = tmp_path / f"models--Qwen--Qwen2.5-{size}-Instruct", "0" * 40
        model = small_model(len(tokenizer) + padding, "qwen2", layers, tied=False)
        save(place / "snapshots" / commit, model.bfloat16(), tokenizer, max_shard_size="30KB")
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(commit)
    code = (
        "from specdec_course import load_pair, generate; from specdec_course.models import sources; "
        "from specdec_course.drafters import ModelDrafter; "
        "sources.free_memory = lambda device: 5 * 10**10; pair = load_pair('qwen2.5'); "
        "out = generate(pair.target, [5, 6, 7], ModelDrafter(pair.draft), k=3, max_new_tokens=8); "
        "assert out.tokens.equal(generate(pair.target, [5, 6, 7], k=0, max_new_tokens=8).tokens)"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=data_path().parent, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "qwen2.5: Qwen/Qwen2.5-1.5B-Instruct with Qwen/Qwen2.5-0.5B-Instruct in float32, needs 10.2 of the 50.0 GB "
        "free on cpu; Qwen/Qwen2.5-7B-Instruct fits too, but is not on this machine\n"
    )


# pairs as people have them --------------------------------------------------------------------------------------------


def saved_pair(tmp_path, change_target=lambda tokenizer: None, change_draft=lambda tokenizer: None, rows=320):
    """Folders of a target and a draft with a tokenizer each."""
    for name, change in (("target", change_target), ("draft", change_draft)):
        tokenizer = small_tokenizer(size=320)
        change(tokenizer)
        save(tmp_path / name, small_model(max(rows, 280), layers=1), tokenizer)
    return dict(target=str(tmp_path / "target"), draft=str(tmp_path / "draft"), say=lambda line: None)


def test_a_base_draft_serves_an_instruct_target(tmp_path):
    """One vocabulary, another end of text: where a text ends is the target's to say."""

    def instruct(tokenizer):
        tokenizer.eos_token = "<|im_end|>"
        tokenizer.bos_token = "<|endoftext|>"

    def base(tokenizer):
        tokenizer.eos_token = "<|endoftext|>"

    pair = load_pair(**saved_pair(tmp_path, instruct, base))
    assert pair.tokenizer.eos_token == "<|im_end|>" and pair.draft is not None


@pytest.mark.parametrize("added", [["<image_soft_token>"], ["<pad>"], ["<pad>", "<image>"]])
def test_tokens_added_beyond_the_rows_of_a_model_do_not_keep_it_from_loading(tmp_path, added):
    tokenizer = small_tokenizer(size=320)
    rows = len(tokenizer)

    def more(tokenizer):
        tokenizer.add_special_tokens({"additional_special_tokens": added})

    model = small_model(rows, layers=1)
    save(tmp_path / "target", model, tokenizer)
    more(tokenizer)
    save(tmp_path / "target", None, tokenizer)
    pair = load_pair(target=str(tmp_path / "target"), say=lambda line: None)
    assert len(pair.tokenizer) == rows + len(added)
    with pytest.raises(ValueError, match="vocabulary has ids 0 to"):
        generate(pair.target, pair.tokenizer.encode(added[0], add_special_tokens=False), max_new_tokens=2)


def test_ordinary_tokens_beyond_the_rows_do(tmp_path):
    tokenizer = small_tokenizer(size=320)
    save(tmp_path / "target", small_model(len(tokenizer) - 1, layers=1), tokenizer)
    with pytest.raises(ValueError, match="do not belong together"):
        load_pair(target=str(tmp_path / "target"), say=lambda line: None)


@pytest.mark.parametrize("place", ["gpt2", "distilgpt2", "org/model-1.5B", "Qwen2.5"])
def test_a_hub_id_may_have_no_slash(place, monkeypatch):
    monkeypatch.setattr("specdec_course.models.sources.in_hub_cache", lambda place: False)
    monkeypatch.setattr("specdec_course.models.sources.hub_reachable", lambda: True)
    check_place(place)


@pytest.mark.parametrize("place", ["./gpt2", "~/models/x", "/tmp/none", "a/b/c", "two words"])
def test_a_path_that_is_not_there_is_no_hub_id(place):
    with pytest.raises(ValueError, match="there is no folder"):
        check_place(place)
