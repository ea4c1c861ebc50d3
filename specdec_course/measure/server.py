"""`specdec bench --server URL`: measures a server that speaks OpenAI's protocol, with the prompts of the course.

Knows: how such a server is asked for a streamed answer, and when its first token and its last came. Does not know: what
the server runs, how its counters are read (counters), how ways of decoding in this process are timed (benchmark).
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass

from .benchmark import Row, as_table
from .counters import counted, samples

WARM_UP = "Before anything counts, the server writes a few words about nothing in particular."
COUNTS = ("vllm:generation_tokens_total", "sglang:generation_tokens_total")


@dataclass(frozen=True)
class Reply:
    """One answer: its text, how many tokens it has, the seconds from asking to the first piece of text and to the end.
    `told`: the server said how many tokens; else they are the pieces that it sent, which may hold several."""

    text: str
    tokens: int
    first: float
    seconds: float
    told: bool


def root_of(server: str) -> str:
    """The address that /v1 and /metrics hang on, from what people paste. ValueError for what is no address."""
    try:
        parts = urllib.parse.urlsplit(server.strip())
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:  # a port that is no number, brackets that do not close
        good = False
    if not good:
        raise ValueError(f"the server is {server!r}; expected its address, such as http://127.0.0.1:8000")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/").removesuffix("/v1").rstrip("/")


def opened(url: str, body: dict | None = None, key: str | None = None, wait: float = 120):
    """The open answer to a GET, or to a POST of `body` as JSON; ValueError, in one line, if it is no success.

    key: of the server, if it wants one. wait: the longest silence that is borne, in seconds."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    if key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")  # nobody else is to have it
    local = urllib.parse.urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")  # no proxy has to do with that
    try:
        return urllib.request.build_opener(*[urllib.request.ProxyHandler({})] * local).open(request, timeout=wait)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{url} answered {error.code} {error.reason}{_said(error)}{_cure(error.code)}") from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise ValueError(f"no answer from {url}: {why}. Is the server started, and is this its address?") from error


def _said(error) -> str:
    """What the server wrote beside its refusal, as OpenAI's protocol has it, or the beginning of whatever it wrote."""
    try:
        words = error.read(4000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    try:
        said = json.loads(words)
        said = said.get("error", said)
        words = said.get("message", words) if isinstance(said, dict) else str(said)
    except (ValueError, AttributeError):
        pass
    words = " ".join(str(words).split())[:200]
    return f": {words}" if words else ""


def _cure(code: int) -> str:
    return {401: ". Name the environment variable that holds the server's key: --key-variable NAME",
            404: ". Is this a server with OpenAI's protocol, and does it have this model?"}.get(code, "")  # fmt: skip


def models_of(root: str, key=None, wait=120.0) -> list[str]:
    """The names of the models that the server says it has."""
    url = f"{root}/v1/models"
    with opened(url, None, key, wait) as response:
        try:
            words = response.read()
            return [str(model["id"]) for model in json.loads(words)["data"]]
        except (ValueError, LookupError, TypeError):
            begins = " ".join(words[:60].decode("utf-8", "replace").split())
            raise ValueError(f"{url} answered {begins!r}; expected a list of models in JSON. Is this a server with "
                             "OpenAI's protocol?") from None
        except (OSError, http.client.HTTPException) as error:
            raise ValueError(f"{url} broke off: {error}") from error


def events(lines):
    """The objects of a stream of server-sent events, up to its [DONE]. ValueError where one is an error or no JSON, and
    for a stream that ends without it or a reason why the text is over."""
    over = False
    for line in lines:
        line = line.decode("utf-8", "replace").strip()
        if not line.startswith("data:"):
            continue
        words = line.removeprefix("data:").strip()
        if words == "[DONE]":
            return
        try:
            event = json.loads(words)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise ValueError(f"an event is {words[:60]!r}; expected an object in JSON")
        if event.get("error"):
            said = event["error"]
            raise ValueError(f"the server reports: {said.get('message', said) if isinstance(said, dict) else said}")
        over = over or any(choice.get("finish_reason") for choice in event.get("choices") or [])
        yield event
    if not over:
        raise ValueError("the stream ended without [DONE]")


def piece_of(event: dict) -> str:
    """The text that an event adds, of a completion or of a chat, what is thought before an answer included."""
    for choice in event.get("choices") or []:
        delta = choice.get("delta") or {}
        said = [choice.get("text"), delta.get("reasoning_content") or delta.get("reasoning"), delta.get("content")]
        return "".join(one for one in said if isinstance(one, str))
    return ""


def answered(root: str, prompt: str, asked: dict, chat=False, key=None, wait=120.0) -> Reply:
    """Asks for one answer and reads it to its end.

    asked: what the request holds beside the prompt: model, max_tokens, temperature, ...
    """
    said = {"messages": [{"role": "user", "content": prompt}]} if chat else {"prompt": prompt}
    body = asked | said | {"stream": True, "stream_options": {"include_usage": True}}
    url = f"{root}/v1/{'chat/' if chat else ''}completions"
    pieces, tokens, first, began = [], None, None, time.perf_counter()
    with opened(url, body, key, wait) as response:
        try:
            for event in events(response):
                piece = piece_of(event)
                if piece:
                    pieces.append(piece)
                    first = first or time.perf_counter() - began
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        except (ValueError, AttributeError, OSError, http.client.HTTPException) as error:
            raise ValueError(f"{url} broke off (pieces of text so far: {len(pieces)}): {error}") from error
    seconds = time.perf_counter() - began
    if not pieces:
        raise ValueError(f"{url} wrote no text at all; expected some. Another prompt, or --ignore-eos?")
    told = isinstance(tokens, int)
    return Reply("".join(pieces), tokens if told else len(pieces), first, seconds, told)


def metrics_page(root: str, key=None, wait=120.0) -> str | None:
    """The server's page of metrics; None if it has none."""
    try:
        with opened(f"{root}/metrics", None, key, wait) as response:
            return response.read().decode("utf-8", "replace")
    except (ValueError, OSError, http.client.HTTPException):
        return None


def settled_page(root: str, before: str | None, tokens: int, key=None, wait=120.0) -> str | None:
    """The page once it has counted as many tokens as were received: engines count a moment after they answer."""
    for _ in range(10):
        page = metrics_page(root, key, wait)
        if page is None or before is None or _written(page) - _written(before) >= tokens:
            break
        time.sleep(0.2)
    return page


def _written(page: str) -> float:
    found = samples(page)
    return sum(found.get((name, None), 0.0) for name in COUNTS)


def measure(servers, prompts, model=None, chat=False, max_new_tokens=128, temperature=0.0, repeats=3, ignore_eos=False,
            key=None, wait=120.0, say=lambda line: None) -> dict:  # fmt: skip
    """Asks every server every prompt, `repeats` times, in alternating order and one request at a time; what was
    measured is printed through `say` and returned as plain dictionaries.

    Args:
        servers: addresses; the first is what the others are compared with. prompts: texts. model: its name, default the
        first that a server has. chat: ask /v1/chat/completions. ignore_eos: sends `ignore_eos`, which vLLM and SGLang
        know and others may refuse. key: of the servers. wait: seconds without a byte after which a server is given up.

    Returns:
        a report. Where a server fails, or somebody interrupts, it holds what was measured before, and `failure` says
        what happened; else that is None. ValueError for an address that is none, and if a server fails at once.
    """
    if not prompts:
        raise ValueError("there is no prompt to send; expected at least one")
    roots = [root_of(server) for server in servers]
    if len(set(roots)) < len(roots):
        raise ValueError("a server is named twice; expected each once")
    asked, replies, failure = {}, {root: [] for root in roots}, None
    for root in roots:
        names = [model] if model else models_of(root, key, wait)
        if not names:
            raise ValueError(f"{root} has no model; expected at least one in /v1/models")
        asked[root] = {"model": names[0], "max_tokens": max_new_tokens, "temperature": temperature}
        asked[root] |= {"ignore_eos": True} if ignore_eos else {}
        answered(root, WARM_UP, asked[root], chat, key, wait)
        say(f"{root} has {', '.join(names)}; warmed up")
    before = {root: settled_page(root, None, 0, key, wait) for root in roots}
    try:
        for repeat in range(repeats):
            for number, prompt in enumerate(prompts):
                for root in roots if (repeat + number) % 2 == 0 else roots[::-1]:
                    seeded = asked[root] | ({"seed": number} if temperature else {})
                    replies[root].append(answered(root, prompt, seeded, chat, key, wait))
            say(f"run {repeat + 1} of {repeats} done")
    except (ValueError, KeyboardInterrupt) as error:
        failure = str(error) or "interrupted"
    pages = {root: settled_page(root, before[root], sum(reply.tokens for reply in replies[root]), key, wait)
             for root in roots}  # fmt: skip
    found = {root: counted(before[root], pages[root]) for root in roots}
    done = min(map(len, replies.values()))  # pairs at equal places, also where one server failed
    rows = [row_of(root, replies[root][:done], replies[roots[0]][:done], found[root][0]) for root in roots if done]
    if rows:
        say(as_table(rows))
    for root in roots:
        if replies[root]:
            for line in remarks(root, replies[root], len(prompts), *found[root]):
                say(line)
    if done and len(rows) > 1 and not temperature:
        same = all(row.same_text for row in rows)
        say("every text equals the first server's" if same else "TEXTS DIFFER from the first server's")
    return {
        "rows": [asdict(row) for row in rows], "failure": failure, "date": time.strftime("%Y-%m-%d"),
        "servers": {root: {"asked": asked[root], "replies": [asdict(one) for one in replies[root]],
                           "counted": found[root][0] and asdict(found[root][0]), "not_counted": found[root][1]}
                    for root in roots},
        "chat": chat, "temperature": temperature, "prompts": len(prompts), "max_new_tokens": max_new_tokens,
        "repeats": repeats, "source": "measured by `specdec bench --server`, one request at a time",
    }  # fmt: skip


def row_of(name: str, replies: list[Reply], baseline: list[Reply], found) -> Row:
    """A row of the table that `specdec bench` prints; 0 tokens per call where the server does not count."""
    speeds, theirs = ([one.tokens / one.seconds for one in some] for some in (replies, baseline))
    return Row(
        name, statistics.median(speeds), min(speeds), max(speeds), found.tokens_per_call if found else 0.0,
        found.acceptance_rate if found else 0.0,
        statistics.median(a / b for a, b in zip(speeds, theirs, strict=True)),
        all(a.text == b.text for a, b in zip(replies, baseline, strict=True)),
    )  # fmt: skip


def remarks(name: str, replies: list[Reply], prompts: int, found, why: str) -> list[str]:
    """What the table does not say of a server, in lines."""
    first = [1000 * one.first for one in replies[:prompts]]  # later runs may find the prompt in the server's cache
    tokens, seconds = sum(one.tokens for one in replies), sum(one.seconds for one in replies)
    lines = [f"{name}: first text after {statistics.median(first):.1f} ms ({min(first):.1f} to {max(first):.1f}, first "
             f"run); {tokens} tokens in {seconds:.1f} s of {len(replies)} answers"]  # fmt: skip
    if not all(one.told for one in replies):
        lines.append("  it does not say how many tokens an answer has: pieces of text were counted, and with "
                     "speculation a piece may hold several")  # fmt: skip
    if found is None:
        return [*lines, f"  tokens per call and acceptance are not known: {why}"]
    rate = found.acceptance_rate
    lines.append(f"  {found.engine} counted {found.tokens} tokens, {found.accepted} of them drafted ones that stayed"
                 + (f", of {found.drafted} drafted" if found.drafted is not None else "")
                 + f"; {found.tokens_per_draft:.2f} tokens per call that checked a draft")  # fmt: skip
    if rate is None:
        lines.append("  it does not say how many were drafted: the acceptance rate is not known")
    if found.places and found.calls:
        shares = ", ".join(f"{n / found.calls:.0%}" for n in found.places)
        lines.append(f"  drafts that stayed up to their first token, second, ...: {shares}")
    if found.tokens != tokens:
        lines.append(f"  it counted {found.tokens} tokens where {tokens} were received: somebody else may be using it, "
                     "and these figures are theirs, too")  # fmt: skip
    return lines
