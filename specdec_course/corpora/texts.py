"""Text: where it comes from, how it becomes ids, and how training windows are cut from it.

Knows WikiText-2 (Hugging Face Hub), Atlas (written here, needs no network) and files, and always says which
text it took. Knows nothing about models and drafters.
"""

import json
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import torch

from ..common.nearest import did_you_mean, first_line
from ..models.hub import hub_reachable

WIKITEXT = ("Salesforce/wikitext", "wikitext-2-raw-v1")
SPLITS = ("train", "validation", "test")
NAMES = ("wikitext-2", "atlas")
PIECES_PER_BLOCK = 64


def sample_windows(ids, seqlen, nsamples, seed):
    """Cut `nsamples` random windows of `seqlen` tokens out of one long text.

    ids: LongTensor [T], the whole text as token ids
    seqlen: length of a window in tokens, 1 <= seqlen <= T
    nsamples: how many windows; they are drawn with replacement and may overlap
    seed: the same seed gives the same windows
    returns: LongTensor [nsamples, seqlen]; each start from 0 to T - seqlen (included) is as likely
    raises: ValueError when the text is shorter than one window
    """
    if not 1 <= seqlen <= len(ids):
        raise ValueError(
            f"cannot cut a window of {seqlen} tokens out of a text of {len(ids)}: "
            f"expected 1 <= seqlen <= {len(ids)}. Take a longer text or a smaller seqlen."
        )
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(ids) - seqlen + 1, (nsamples,), generator=generator)
    return ids[starts[:, None] + torch.arange(seqlen)]


def load_corpus(name_or_path, tokenizer, split="train", max_tokens=None, say=print) -> torch.LongTensor:
    """A text as one long row of token ids, LongTensor [T]. One line on which text it is goes to `say`.

    name_or_path: "wikitext-2" (Atlas takes its place where the Hub does not answer), "atlas",
        "atlas:N" for N of its articles (else 400), or the path of a text file or of a .parquet file with a column
        `text`
    split: "train", "validation" or "test"; a file is one whole and has no splits
    max_tokens: keep only the first so many
    raises: ValueError for an unknown name, a missing, empty or unreadable file
    """
    text, said = read_text(name_or_path, split)
    ids = encode(text, tokenizer)[:max_tokens]
    say(f"{said}: {len(ids):,} tokens")
    return ids


def read_text(name_or_path, split="train") -> tuple[str, str]:
    """The text and one line that says which text it is and why. Arguments and errors as in `load_corpus`."""
    if re.fullmatch(r"atlas:[1-9]\d*", str(name_or_path)):
        return atlas(split, int(name_or_path[6:])), f"text: {name_or_path[6:]} articles of Atlas, {split}"
    if name_or_path not in NAMES:
        return read_file(Path(name_or_path)), f"text: {name_or_path}"
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}." + did_you_mean(split, SPLITS))
    if name_or_path == "atlas":
        return atlas(split), f"text: Atlas, {split}"
    try:
        text, where = wikitext(split)
        return text, f"text: WikiText-2, {split}, {where}"
    except Exception as error:  # the Hub and `datasets` fail in many ways, all with the same cure
        return atlas(split), f"text: Atlas, {split}, in place of WikiText-2 ({first_line(error)[:120]})"


def atlas(split: str, count: int = 400) -> str:
    from .atlas import atlas_text

    return atlas_text(split, count)


def wikitext(split: str) -> tuple[str, str]:
    """WikiText-2 and where it came from: the local cache of `datasets` if it is there, else the Hub.

    Raises ConnectionError when the Hub does not answer, and whatever `datasets` raises when it fails midway.
    """
    import datasets

    repository, config = WIKITEXT
    folder = Path(datasets.config.HF_DATASETS_CACHE) / repository.replace("/", "___") / config
    cached = sorted(folder.glob(f"*/*/wikitext-{split}.arrow"))
    if cached:
        return joined(datasets.Dataset.from_file(str(cached[-1]))["text"]), "from the local cache"
    if not hub_reachable():
        raise ConnectionError("the Hugging Face Hub does not answer")
    return joined(datasets.load_dataset(repository, config, split=split)["text"]), "from the Hub"


def joined(rows: Iterable[str]) -> str:
    """One text from rows: each is a line. WikiText's files have " \\n" where its rows are empty."""
    return "".join(row if row.endswith("\n") else (row or " ") + "\n" for row in rows)


def read_file(path: Path, names=NAMES) -> str:
    """The text of a UTF-8 file, or of the column `text` of a parquet file. ValueError when there is none.

    names: what could have been said in the place of a path, for the message.
    """
    if not path.is_file():
        beside = [p.name for p in path.parent.iterdir() if p.is_file()][:200] if path.parent.is_dir() else []
        said = "is neither the name of a text nor a file" if names else "is no file"
        expected = ", ".join(map(repr, names)) + " or " if names else ""
        raise ValueError(
            f"{str(path)!r} {said}: expected {expected}the path of a text or {'.parquet' if names else '.jsonl'} file."
            + did_you_mean(path.name, [*names, *beside])
        )
    try:
        text = joined(parquet_rows(path)) if path.suffix == ".parquet" else path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8 and try again.") from error
    if not text.strip():
        raise ValueError(f"{path} holds no text: expected at least one line that is not blank.")
    return text


def parquet_rows(path: Path) -> list[str]:
    """The column `text` of a parquet file, streamed: nothing is copied into the cache of `datasets`."""
    import datasets

    try:
        rows = datasets.load_dataset("parquet", data_files=str(path), split="train", streaming=True)
        rows = list(rows)
    except Exception as error:  # pyarrow and datasets each have their own
        raise ValueError(f"{path} is not readable parquet: {error}. Check that the file is whole.") from error
    if rows and "text" not in rows[0]:
        raise ValueError(f"{path} has no column 'text', only {', '.join(rows[0])}. Rename one.")
    return [row["text"] or "" for row in rows]


def encode(text: str, tokenizer) -> torch.LongTensor:
    """Text [any length] -> LongTensor [T], without special tokens.

    The text is cut into blocks, which the tokenizer encodes in parallel. A cut falls before a line that
    begins with one space, as WikiText's and Atlas's lines do: there byte-level tokenizers cut anyway, so no
    id changes. The warning about rows longer than a model's window is off: this is a corpus, not an input.
    """
    pieces = re.split(r"(?<=\n)(?= \S)", text)
    blocks = ["".join(pieces[i : i + PIECES_PER_BLOCK]) for i in range(0, len(pieces), PIECES_PER_BLOCK)]
    rows = tokenizer(blocks, add_special_tokens=False, return_attention_mask=False, verbose=False)
    return torch.tensor(list(chain.from_iterable(rows["input_ids"])), dtype=torch.long)


def read_prompts(path, limit=None) -> list[str]:
    """Prompts from a file: at most `limit`, in the order of the file.

    .jsonl: one object a line with `turns` (a list; its first entry is taken, as in Spec-Bench) or `prompt`.
    Any other file is text: its paragraphs if blank lines divide it, else its lines.
    Raises ValueError for a missing or empty file, a line that is not such an object, or limit < 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}: expected at least 1 prompt, or None for all.")
    path = Path(path)
    text = read_file(path, names=())
    lines = text.split("\n")
    if path.suffix == ".jsonl":
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()][:limit]
        return [prompt_of(line, f"{path}, line {number}") for number, line in numbered]
    if any(not line.strip() for line in text.strip().split("\n")):
        lines = "\n".join(line.rstrip() for line in lines).split("\n\n")
    return [line.strip() for line in lines if line.strip()][:limit]


def prompt_of(line: str, where: str) -> str:
    """The prompt in one line of a .jsonl file."""
    try:
        record = json.loads(line)
        prompt = record["turns"][0] if "turns" in record else record["prompt"]
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"{where}: no prompt ({type(error).__name__}: {error}). "
            'Expected one object a line, {"turns": ["..."]} or {"prompt": "..."}.'
        ) from error
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError(f"{where}: the prompt is {prompt!r}, expected a text that is not empty.")
    return prompt


def held_out_prompts(tokenizer, count: int, length: int = 48) -> list[torch.Tensor]:
    """The first `length` tokens of `count` articles of Atlas that no model was trained on."""
    from .atlas import articles

    texts = articles(count=count, split="test")
    return [torch.tensor(tokenizer.encode(text)[:length], dtype=torch.long) for text in texts]


def prompts(tokenizer, text=None, file=None, limit=None, chat=False) -> list[torch.Tensor]:
    """Prompts as ids, each LongTensor [T]: of one text, or of a file (see `read_prompts`); with neither, the beginnings
    of `limit` (default 1) held-out articles of Atlas. chat: each is what a user says, in the tokenizer's template."""
    if text is None and file is None and not chat:
        return held_out_prompts(tokenizer, limit or 1)
    if text is None and file is None:
        raise ValueError("there is nothing for the chat template to wrap: expected a prompt, or a file of prompts.")
    texts = [text] if text is not None else read_prompts(file, limit)
    encode = chat_ids if chat else lambda tokenizer, one: tokenizer.encode(one)
    return [torch.tensor(encode(tokenizer, one), dtype=torch.long) for one in texts]


def chat_ids(tokenizer, said: str) -> list[int]:
    """A user's message in the tokenizer's chat template, up to where the answer begins. ValueError if it has none."""
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(
            "the tokenizer has no chat template: the model continues texts, nobody taught it to answer. Do without "
            "chat, or take a model that was taught, often named Instruct or Chat."
        )
    turns = [{"role": "user", "content": said}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return tokenizer.encode(text, add_special_tokens=False)  # the template has them
