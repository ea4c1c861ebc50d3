"""A small server with OpenAI's protocol, on this machine alone, for tests: the bundled pair behind HTTP.

It streams an event for every round, so that an event may hold several tokens, as engines that speculate do; and it
counts its drafts under vLLM's names. `python tests/small_server.py` starts one to try things with.
"""

import argparse
import functools
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from specdec_course import Sampling, load_pair
from specdec_course.decoding.engine import generate_rounds
from specdec_course.drafters import ModelDrafter

MODEL = "classroom"
BREAK_AFTER = 2  # events, for faults in the middle of a text


@functools.cache
def pair():
    return load_pair("classroom", say=lambda line: None)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        about = self.server.about
        if self.path == "/v1/models" and about.fault == "no json":
            return self.whole(200, b"<html>It works!</html>", "text/html")
        if self.path == "/v1/models":
            if about.key and self.headers.get("Authorization") != f"Bearer {about.key}":
                return self.refuse(401, "no such key")
            return self.whole(200, json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode())
        if self.path == "/metrics" and about.counts:
            return self.whole(200, about.page().encode(), "text/plain; version=0.0.4")
        self.refuse(404, "Not Found")

    def do_POST(self):
        about = self.server.about
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        about.asked.append(asked)
        if asked["model"] != MODEL:
            return self.refuse(404, f"The model `{asked['model']}` does not exist.")
        if self.path not in ("/v1/completions", "/v1/chat/completions"):
            return self.refuse(404, "Not Found")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        fault = about.fault if len(about.asked) > about.good else None
        for number, (piece, usage) in enumerate(about.written(asked)):
            if number == BREAK_AFTER and fault == "stops":
                self.close_connection = True
                return
            if number == BREAK_AFTER and fault == "reports":
                self.event({"error": {"message": "out of memory", "type": "server_error", "code": 500}})
            if number == BREAK_AFTER and fault == "garbles":
                self.chunk(b"data: {not json\n\n")
            shape = {"delta": {"content": piece}} if "chat" in self.path else {"text": piece}
            self.event({"choices": [{"index": 0, "finish_reason": "length" if usage else None} | shape]})
        if fault != "no usage" and asked.get("stream_options", {}).get("include_usage"):
            self.event({"choices": [], "usage": usage})
        self.chunk(b": a comment, as servers send them to keep a connection alive\n\n")
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def event(self, value):
        self.chunk(f"data: {json.dumps(value)}\n\n".encode())

    def chunk(self, data: bytes):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def refuse(self, code, message):
        self.whole(code, json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode())

    def whole(self, code, body: bytes, kind="application/json"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class About:
    """What the server is: whether it drafts and counts, what is wrong after `good` requests; and what it did."""

    def __init__(self, drafts=True, counts=True, k=4, fault=None, good=0, key=None):
        self.drafts, self.counts, self.k, self.fault, self.good, self.key = drafts, counts, k, fault, good, key
        self.asked, self.rounds, self.texts, self.foreign = [], [], [], 0
        self.lock = threading.Lock()

    def written(self, asked):
        """(piece of text, usage or None) for every round of the text; the last one has the usage."""
        models, tokenizer = pair(), pair().tokenizer
        prompt = asked["prompt"] if "prompt" in asked else asked["messages"][0]["content"]
        ids = tokenizer(prompt, return_tensors="pt").input_ids[0]
        with self.lock:  # one text at a time
            rounds = generate_rounds(models.target, ids, ModelDrafter(models.draft) if self.drafts else None, self.k,
                                     Sampling(asked["temperature"]), asked["max_tokens"], None,
                                     asked.get("seed", 0))  # fmt: skip
            seen = ""
            for out in rounds:
                text = tokenizer.decode(out.tokens[len(ids) :])
                done = len(out.tokens) - len(ids)
                over = done == asked["max_tokens"]
                if over:  # counted before the client can know that it is over
                    self.rounds.append(out.trace.rounds)
                    self.texts.append(text)
                yield text[len(seen) :], {"prompt_tokens": len(ids), "completion_tokens": done} if over else None
                seen = text

    def page(self) -> str:
        """The page of metrics; prometheus_client ends the names of counters with _total and adds when each began."""
        rounds = [one for text in self.rounds for one in text]
        checked = [one for one in rounds if one.drafted]
        tokens = sum(one.emitted for one in rounds) + self.foreign
        labels = 'engine="0",model_name="a \\"b\\" } c"'
        counts = {("vllm:generation_tokens", ""): tokens}
        if self.drafts:
            spec, places = "vllm:spec_decode_num_", range(self.k)
            counts |= {(f"{spec}drafts", ""): len(checked),
                       (f"{spec}draft_tokens", ""): sum(one.drafted for one in checked),
                       (f"{spec}accepted_tokens", ""): sum(one.accepted for one in checked)}  # fmt: skip
            counts |= {(f"{spec}accepted_tokens_per_pos", f',position="{place}"'):
                       sum(one.accepted > place for one in checked) for place in places}  # fmt: skip
        return "".join(
            f"# HELP {name}_total Of {name}.\n# TYPE {name}_total counter\n{name}_total{{{labels}{more}}} {float(n)}\n"
            f"# TYPE {name}_created gauge\n{name}_created{{{labels}{more}}} 1.7e+09\n"
            for (name, more), n in counts.items()
        )


@contextmanager
def serving(port=0, **about):
    """A server while this is open: (its address, what it is). Port 0: any that is free."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads, server.about = True, About(**about)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.about
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--plain", action="store_true", help="Without a draft.")
    options = parser.parse_args()
    with serving(options.port, k=options.k, drafts=not options.plain) as (address, _):
        print(f"{address} until you press Ctrl+C")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
