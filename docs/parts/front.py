"""What the front page shows: the bundled pair writes one text twice, as a race and as a coloured strip.

Knows: which text, how it is written, and when what is kept is out of date. Does not know: pages.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from pathlib import Path

from specdec_course.common.paths import data_path
from specdec_course.common.whole import write_text

K, TOKENS, SLOWER, IN_THE_STRIP = 4, 120, 2, 60
ALONE, HELPED = "the large model alone", "with a small model that guesses"


def shown(kept: Path, say=print) -> dict[str, str]:
    """{"race", "strip": HTML, "words": what was measured, where and when}; written anew when the pair has changed."""
    made_of = Path(__file__).read_bytes() + data_path("classroom", "checksums.json").read_bytes()
    place = kept / f"front-{hashlib.sha256(made_of).hexdigest()[:16]}.json"
    if not place.is_file():
        say("writing the front page's text, alone and with the draft model (half a minute)")
        found = measured()
        write_text(place, json.dumps(found, indent=1) + "\n")
        for old in set(kept.glob("front-*.json")) - {place}:
            old.unlink()
    return json.loads(place.read_text(encoding="utf-8"))


def measured() -> dict[str, str]:
    """Decodes greedily, each way after a short text that only warms up. ValueError if the two texts differ."""
    import torch

    from specdec_course import Sampling, generate, load_pair
    from specdec_course.corpora import held_out_prompts
    from specdec_course.drafters import ModelDrafter
    from specdec_course.figures.race import race
    from specdec_course.figures.rounds import token_pieces
    from specdec_course.measure.machine import machine

    pair = load_pair("classroom", device="cpu", say=lambda line: None)
    opening = held_out_prompts(pair.tokenizer, count=1)[0]
    lanes, outs = {}, []
    for way, drafter in {ALONE: None, HELPED: ModelDrafter(pair.draft)}.items():
        for new_tokens in (8, TOKENS):
            out = generate(pair.target, opening, drafter, k=K, sampling=Sampling(0.0), max_new_tokens=new_tokens,
                           eos_token_id=None, engine="compiled")
        outs.append(out)
        lanes[way] = (token_pieces(pair.tokenizer, out.tokens[len(opening) :]), out.trace.rounds, out.trace.seconds)
    if not torch.equal(outs[0].tokens, outs[1].tokens):
        raise ValueError("the bundled pair writes another text with its draft model than alone, which must not be: "
                         "run `specdec generate --verify` and the tests of decoding")
    pieces, rounds, _ = lanes[HELPED]
    alone, helped = (out.trace.seconds for out in outs)
    words = (f"{TOKENS} tokens, greedy, k = {K}, compiled: {alone:.2f} s alone, {helped:.2f} s with the draft model, "
             f"{outs[1].trace.tokens_per_call:.2f} tokens per call of the large model. {machine()}, "
             f"{time.strftime('%Y-%m-%d')}, when this page was made.")
    drawn = beginning(pieces, rounds, token_pieces(pair.tokenizer, opening))
    return {"race": race(lanes, slower=SLOWER)._repr_html_(), "strip": drawn.page, "words": words}


def beginning(pieces, rounds, opening):
    """The strip of the first rounds, those that fit into IN_THE_STRIP tokens."""
    from specdec_course.figures.rounds import strip

    ends = list(itertools.accumulate(one.emitted for one in rounds))
    count = sum(end <= IN_THE_STRIP for end in ends)
    return strip(pieces[: ends[count - 1]], rounds[:count], opening)
