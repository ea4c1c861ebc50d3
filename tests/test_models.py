import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import TEXT, save, small_model, small_tokenizer

from specdec_course.common.paths import data_path, sha256_of
from specdec_course.decoding import greedy_decode
from specdec_course.decoding.engine import generate
from specdec_course.drafters import ModelDrafter
from specdec_course.models import as_forward, load_pair, sources, vocabulary_size
from specdec_course.models import loading as models
from specdec_course.models.vocabulary import compatible


@pytest.fixture(scope="module")
def tokenizer():
    return small_tokenizer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """A pair as `specdec train` writes it: target, draft and tokenizer side by side, in half precision."""
    folder = tmp_path_factory.mktemp("pair")
    save(folder / "target", small_model(len(tokenizer), layers=3).half())
    save(folder / "draft", small_model(len(tokenizer), layers=1, seed=1).half())
    save(folder / "tokenizer", tokenizer=tokenizer)
    return folder


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "pair")


@pytest.fixture
def bundled(copied, monkeypatch):
    """The small pair in place of the bundled one, with its checksums."""
    files = [path for path in sorted(copied.rglob("*")) if path.is_file()]
    sums = {path.relative_to(copied).as_posix(): sha256_of(path) for path in files}
    (copied / "checksums.json").write_text(json.dumps(sums))
    monkeypatch.setattr(sources, "data_path", lambda *parts: copied.joinpath(*parts[1:]))
    sources.check_bundled.cache_clear()
    yield copied
    sources.check_bundled.cache_clear()


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECDEC_CACHE", str(tmp_path / "cache"))
    for module in (sources, models):
        monkeypatch.setattr(module, "in_hub_cache", lambda repository: False)
    monkeypatch.setattr(sources, "hub_reachable", lambda: False)


class TestLoading:
    def test_a_folder_with_a_pair(self, folder, tokenizer, capfd):
        pair = load_pair(str(folder))
        assert pair.name == str(folder) and pair.tokenizer.get_vocab() == tokenizer.get_vocab()
        for model in (pair.target, pair.draft):
            assert not model.training and not any(weight.requires_grad for weight in model.parameters())
            assert model.dtype == torch.float32 and model.device.type == "cpu"
        assert capfd.readouterr() == ("", "")  # no progress bar, no warning

    def test_two_folders_of_ones_own(self, folder):
        pair = load_pair(target=folder / "target", draft=str(folder / "draft"), dtype=torch.bfloat16)
        assert pair.target.dtype == pair.draft.dtype == torch.bfloat16 and pair.name == "target"

    def test_a_target_alone(self, folder):
        assert load_pair(target=folder / "target").draft is None

    @pytest.mark.parametrize("kind", ["qwen3", "llama"])
    def test_weights_arrive_unchanged(self, tmp_path, tokenizer, kind):
        model = small_model(len(tokenizer), kind)
        save(tmp_path / "m", model, tokenizer)
        loaded = load_pair(target=tmp_path / "m").target
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, loaded.state_dict()[name]), name

    def test_progress_bars_are_as_they_were(self, folder):
        from transformers.utils import logging

        before = logging.is_progress_bar_enabled()
        load_pair(target=folder / "target")
        assert logging.is_progress_bar_enabled() == before

    def test_no_noise_in_a_new_process(self, folder):
        """Warnings that come once per process would be missed by the tests above."""
        code = f"from specdec_course import load_pair; load_pair({str(folder)!r})"
        root = data_path().parent
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestBadPairs:
    @pytest.mark.parametrize(
        "name, words", [("clasroom", "Did you mean 'classroom'"), ("qwen2", "Did you mean 'qwen2.5'"), ("x", "smollm2")]
    )
    def test_unknown_names(self, name, words):
        with pytest.raises(ValueError, match=words):
            load_pair(name)

    def test_a_draft_without_a_target(self, folder):
        with pytest.raises(ValueError, match="without a target"):
            load_pair(draft=folder / "draft")

    @pytest.mark.parametrize(
        "how, words",
        [
            ({"device": "gpu"}, "no device 'gpu'"),
            ({"device": "cuda"}, "no CUDA device here"),
            ({"dtype": "float16"}, "dtype is 'float16'; expected a torch.dtype"),
        ],
    )
    def test_devices_and_dtypes_that_are_none(self, folder, how, words, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ValueError, match=words):
            load_pair(target=folder / "target", **how)

    @pytest.mark.parametrize("place", ["/no/such/folder", "./nothing", "no/such/folder"])
    def test_no_such_folder(self, place, no_hub):
        with pytest.raises(ValueError, match=f"no folder {place}"):
            load_pair(target=place)

    def test_a_single_word_may_be_a_hub_id_and_is_told_both(self, no_hub):
        with pytest.raises(ValueError, match="nothing is neither a folder nor in the Hub's cache"):
            load_pair(target="nothing")

    def test_a_hub_id_without_a_hub(self, no_hub):
        with pytest.raises(ValueError, match="someone/model .* does not answer"):
            load_pair(target="someone/model")

    def test_a_folder_without_a_model(self, tmp_path):
        with pytest.raises(ValueError, match=r"no config\.json"):
            load_pair(target=tmp_path)

    def test_a_folder_without_a_tokenizer(self, copied):
        shutil.rmtree(copied / "tokenizer")
        with pytest.raises(ValueError, match="no tokenizer in .*nor beside it"):
            load_pair(str(copied))

    def test_half_a_tokenizer(self, copied):
        path = copied / "tokenizer" / "tokenizer.json"
        path.write_text(path.read_text()[:-100])
        with pytest.raises(ValueError, match="no tokenizer could be loaded"):
            load_pair(str(copied))

    def test_half_a_file(self, copied):
        path = copied / "target" / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ValueError, match=r"no model could be loaded from .*target.*save it again"):
            load_pair(str(copied))

    def test_missing_weights_are_not_made_up(self, copied):
        path = copied / "target" / "model.safetensors"
        weights = load_file(path)
        weights.pop("model.layers.1.mlp.up_proj.weight")
        save_file(weights, path, metadata={"format": "pt"})
        with pytest.raises(ValueError, match=r"lacks the weights of model\.layers\.1\.mlp\.up_proj\.weight"):
            load_pair(str(copied))

    def test_broken_config(self, copied):
        (copied / "target" / "config.json").write_text("{")
        with pytest.raises(ValueError, match="target"):
            load_pair(str(copied))

    def test_fewer_embeddings_than_tokens(self, copied, tokenizer):
        save(copied / "draft", small_model(len(tokenizer) - 1, layers=1))
        with pytest.raises(ValueError, match="do not belong together"):
            load_pair(str(copied))

    def test_more_embeddings_than_tokens_are_padding(self, copied, tokenizer):
        save(copied / "target", small_model(len(tokenizer) + 20))
        pair = load_pair(str(copied))
        assert vocabulary_size(pair.target) == vocabulary_size(pair.draft) + 20

    def test_different_tokenizers(self, copied):
        save(copied / "draft", tokenizer=small_tokenizer("entirely other words to learn from", 300))
        with pytest.raises(ValueError, match="different tokenizers.*one family"):
            load_pair(str(copied))


class TestCompatible:
    def test_the_same_again(self, tokenizer):
        assert compatible(small_tokenizer(), tokenizer) == []

    def test_other_merges(self, tokenizer):
        assert any("cut into other tokens" in line for line in compatible(small_tokenizer(size=262), tokenizer))

    def test_the_same_tokens_in_another_order_of_merging(self):
        tokenizer = small_tokenizer(models.__doc__ + models.compatible.__doc__, 400)
        backend = json.loads(tokenizer.backend_tokenizer.to_str())
        backend["model"]["merges"].reverse()
        other = small_tokenizer()
        other._tokenizer = type(other._tokenizer).from_str(json.dumps(backend))
        assert compatible(other, tokenizer) == ["the same text is cut into other tokens"]

    def test_ids_moved(self, tokenizer):
        backend = json.loads(tokenizer.backend_tokenizer.to_str())
        vocab = backend["model"]["vocab"]
        vocab["A"], vocab["B"] = vocab["B"], vocab["A"]
        other = small_tokenizer()
        other._tokenizer = type(other._tokenizer).from_str(json.dumps(backend))
        assert compatible(other, tokenizer)[0] == "2 tokens have other ids, 'A' for one"

    def test_another_end_of_text(self, tokenizer):
        other = small_tokenizer()
        other.eos_token = "<|endoftext|>"
        assert compatible(other, tokenizer) == ["eos_token_id is 0 here and 2 there"]

    def test_padding_is_no_problem(self, tokenizer):
        assert compatible(small_tokenizer(pad="<pad>"), tokenizer) == []
        assert compatible(tokenizer, small_tokenizer(pad="<pad>")) == []


class TestForward:
    @pytest.fixture(scope="class")
    def model(self, tokenizer):
        return small_model(len(tokenizer))

    def test_it_is_the_model(self, model):
        ids = torch.arange(5, 25)
        logits = as_forward(model)(ids)
        assert logits.shape == (20, vocabulary_size(model)) and logits.dtype == torch.float32
        assert torch.equal(logits, model(ids[None], use_cache=False).logits[0].detach())

    def test_every_call_starts_from_scratch(self, model):
        forward, ids = as_forward(model), torch.arange(5, 25)
        whole = forward(ids)
        assert torch.allclose(forward(ids[:7]), whole[:7], atol=1e-4) and torch.equal(forward(ids), whole)

    def test_half_precision_answers_in_float32(self, tokenizer):
        model = small_model(len(tokenizer)).to(torch.bfloat16)
        assert as_forward(model)(torch.arange(4)).dtype == torch.float32

    def test_the_logits_are_ones_own(self, model):
        """No gradient, and not an inference tensor: a student may scale them in place."""
        logits = as_forward(model)(torch.arange(4))
        logits /= 2.0
        assert not logits.requires_grad

    @pytest.mark.parametrize("ids", [[], [[1, 2]], [-1], [10**6]])
    def test_bad_ids(self, model, ids):
        with pytest.raises(ValueError, match="token"):
            as_forward(model)(torch.tensor(ids, dtype=torch.long))

    def test_greedy_text_is_that_of_the_library(self, folder, tokenizer):
        """Real files, two architectures of speculation, and transformers' own generate: one text."""
        pair = load_pair(str(folder))
        ids = torch.tensor(tokenizer.encode(TEXT))
        theirs = pair.target.generate(ids[None], max_new_tokens=24, do_sample=False, eos_token_id=None, pad_token_id=0)
        assert torch.equal(greedy_decode(as_forward(pair.target), ids, 24), theirs[0])
        for k in (1, 4):
            out = generate(pair.target, ids, ModelDrafter(pair.draft), k=k, max_new_tokens=24)
            assert torch.equal(out.tokens, theirs[0])


class TestBundled:
    def test_whole(self, bundled):
        assert sources.bundled_damage() == []
        assert load_pair().name == "classroom"

    def test_a_changed_file(self, bundled):
        path = bundled / "draft" / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"draft/model\.safetensors has SHA-256 .*, expected .*git checkout"):
            load_pair()

    def test_a_missing_file(self, bundled):
        (bundled / "tokenizer" / "tokenizer.json").unlink()
        with pytest.raises(ValueError, match=r"tokenizer/tokenizer\.json is missing"):
            load_pair("classroom")

    def test_the_files_are_read_once(self, bundled, monkeypatch):
        load_pair()
        monkeypatch.setattr(sources, "bundled_damage", lambda: pytest.fail("read twice"))
        load_pair()

    def test_a_file_that_was_never_there(self):
        with pytest.raises(ValueError, match="classroom/nothing is missing.*git checkout"):
            data_path("classroom", "nothing")

    def test_the_real_one(self):
        """What travels with the package is whole, loads, and shares one tokenizer."""
        sources.check_bundled.cache_clear()
        pair = load_pair()
        assert sources.bundled_damage() == []
        assert vocabulary_size(pair.target) == vocabulary_size(pair.draft) >= len(pair.tokenizer)
        listed = json.loads(data_path("classroom", "checksums.json").read_text())
        weights = {"target/model.safetensors", "draft/model.safetensors", "tokenizer/tokenizer.json"}
        assert weights <= listed.keys() and all("\\" not in name for name in listed)


class TestSizes:
    @pytest.mark.parametrize(
        "gigabytes, target",
        [(80, "Qwen/Qwen2.5-7B-Instruct"), (41, "Qwen/Qwen2.5-7B-Instruct"), (40, "Qwen/Qwen2.5-3B-Instruct")],
    )
    def test_the_largest_that_fits(self, monkeypatch, gigabytes, target):
        said = []
        monkeypatch.setattr(sources, "free_memory", lambda device: gigabytes * 10**9)
        assert sources.choose("qwen2.5", "cpu", say=said.append)[0] == target
        assert len(said) == 1 and target in said[0] and f"{gigabytes}.0 GB free on cpu" in said[0]

    @pytest.mark.parametrize(
        "name, gigabytes, sizes",
        [
            ("qwen2.5", 20.3, "7B"), ("qwen2.5", 14.5, "3B"), ("qwen2.5", 8, "1.5B"),  # 14.5: a T4
            ("qwen3", 22, "8B"), ("qwen3", 14.5, "4B"), ("qwen3", 6, "1.7B"),
            ("llama3.2", 14.5, "3B"), ("smollm2", 1.3, "360M"), ("smollm2", 1, "135M"),
        ],
    )  # fmt: skip
    def test_in_half_precision(self, monkeypatch, name, gigabytes, sizes):
        monkeypatch.setattr(sources, "free_memory", lambda device: gigabytes * 10**9)
        monkeypatch.setattr(sources, "usual_dtypes", lambda device, dtype: [torch.float16])
        target, draft, dtype = sources.choose(name, "cpu", say=lambda line: None)
        assert sizes in target and dtype == torch.float16 and (draft is None) == (sizes == "135M")

    def test_a_smaller_pair_that_is_exact_comes_before_a_larger_one_in_bfloat16(self, monkeypatch):
        said = []
        for gigabytes, size, dtype in ((23, "3B", "float32"), (12, "1.5B", "float32"), (9.5, "3B", "bfloat16")):
            monkeypatch.setattr(sources, "free_memory", lambda device, free=gigabytes: free * 10**9)
            target, _, kind = sources.choose("qwen2.5", "cpu", say=said.append)
            assert f"-{size}-" in target and str(kind) == f"torch.{dtype}" and f"in {dtype}, needs" in said[-1]
            assert said[-1].endswith("GB free on cpu; Qwen/Qwen2.5-7B-Instruct in float32 needs 40.5")

    def test_a_dtype_that_is_asked_for_is_taken(self, monkeypatch):
        monkeypatch.setattr(sources, "free_memory", lambda device: 23 * 10**9)
        target, _, dtype = sources.choose("qwen2.5", "cpu", torch.bfloat16, say=lambda line: None)
        assert "-7B-" in target and dtype == torch.bfloat16

    def test_every_draft_is_smaller_and_every_list_begins_with_the_largest(self):
        for name, pairs in sources.HUB_PAIRS.items():
            assert list(pairs) == sorted(pairs, key=lambda pair: -pair[2]), name

    def test_nothing_fits(self, monkeypatch):
        monkeypatch.setattr(sources, "free_memory", lambda device: 10**9)
        with pytest.raises(ValueError, match=r"needs 5\.1 GB in bfloat16 on cpu, 1\.0 are free.*classroom"):
            sources.choose("qwen2.5", "cpu")

    def test_free_memory_is_some(self):
        assert 10**7 < sources.free_memory(torch.device("cpu")) < 10**14

    def test_without_hub_and_cache(self, no_hub, monkeypatch):
        monkeypatch.setattr(sources, "free_memory", lambda device: 10**11)
        with pytest.raises(ValueError, match=r"qwen3 is not on this machine.*specdec fetch qwen3.*classroom"):
            load_pair("qwen3", say=lambda line: None)

    def test_what_the_hubs_cache_holds_is_taken_without_asking(self, no_hub, monkeypatch):
        monkeypatch.setattr(sources, "in_hub_cache", lambda repository: True)
        monkeypatch.setattr(sources, "hub_reachable", lambda: pytest.fail("asked the Hub"))
        names = [f"HuggingFaceTB/SmolLM2-{size}-Instruct" for size in ("360M", "135M")]
        assert sources.places("smollm2", torch.device("cpu"), None, print) == (*names, torch.float32)

    def test_what_is_on_this_machine_comes_before_what_would_have_to_be_fetched(self, no_hub, monkeypatch):
        monkeypatch.setattr(sources, "in_hub_cache", lambda repository: "1.5B" in repository or "0.5B" in repository)
        monkeypatch.setattr(sources, "free_memory", lambda device: 10**11)
        said = []
        target, draft, _ = sources.places("qwen2.5", torch.device("cpu"), None, said.append)
        assert ("1.5B" in target, "0.5B" in draft) == (True, True)
        assert len(said) == 1 and "Qwen2.5-7B-Instruct fits too, but is not on this machine" in said[0]

    def test_a_target_in_the_cache_without_its_draft_is_no_pair(self, no_hub, monkeypatch):
        monkeypatch.setattr(sources, "in_hub_cache", lambda repository: "7B" in repository)
        monkeypatch.setattr(sources, "free_memory", lambda device: 10**11)
        with pytest.raises(ValueError, match="qwen2.5 is not on this machine"):
            sources.places("qwen2.5", torch.device("cpu"), None, print)

    def test_the_largest_that_fits_comes_from_a_hub_that_answers(self, no_hub, monkeypatch, capsys):
        monkeypatch.setattr(sources, "hub_reachable", lambda: True)
        monkeypatch.setattr(sources, "free_memory", lambda device: 10**11)
        assert sources.places("qwen3", torch.device("cpu"), None, print)[:2] == ("Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B")
        assert capsys.readouterr().out.count("\n") == 1  # one line

    def test_the_hubs_cache(self, monkeypatch, tmp_path):
        snapshot = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (tmp_path / "models--a--b" / "refs").mkdir()
        (tmp_path / "models--a--b" / "refs" / "main").write_text("0" * 40)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        assert not sources.in_hub_cache("a/b")
        (snapshot / "config.json").write_text("{}")
        assert not sources.in_hub_cache("a/b")
        (snapshot / "model.safetensors").write_text("")
        assert sources.in_hub_cache("a/b") and sources.folder_of("a/b") == snapshot
        (snapshot / "model.safetensors").rename(snapshot / "model-00001-of-00002.safetensors")
        index = snapshot / "model.safetensors.index.json"
        for text in ("{", '{"weight_map": {"x": "model-00001-of-00002.safetensors"}}'):
            assert not sources.in_hub_cache("a/b")
            index.write_text(text)
        assert sources.in_hub_cache("a/b")
        index.write_text(index.read_text().replace('"x"', '"y": "model-00002-of-00002.safetensors", "x"'))
        assert not sources.in_hub_cache("a/b")  # a download that was cut short
