"""README's picture, a text of the bundled pair by who wrote which token: `python docs/parts/picture.py` draws it anew.

Knows: what stands in it, and how an SVG follows the reader's light or dark theme. Does not know: README.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from parts.front import K, beginning

PLACE = Path(__file__).resolve().parents[1] / "static" / "strip.svg"
INK = "<style>svg { color: #1f2328 } @media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }</style>"


def picture() -> str:
    """The strip as an SVG file. Greedy text in float32: the same on every machine, but for near ties."""
    from specdec_course import Sampling, generate, load_pair
    from specdec_course.corpora import held_out_prompts
    from specdec_course.drafters import ModelDrafter
    from specdec_course.figures.rounds import token_pieces
    from specdec_course.figures.shown import inline_svg

    pair = load_pair("classroom", device="cpu", say=lambda line: None)
    opening = held_out_prompts(pair.tokenizer, count=1, length=16)[0]
    out = generate(pair.target, opening, ModelDrafter(pair.draft), K, Sampling(0.0), max_new_tokens=64,
                   eos_token_id=None)
    pieces = token_pieces(pair.tokenizer, out.tokens[len(opening) :])
    drawn = inline_svg(beginning(pieces, out.trace.rounds, token_pieces(pair.tokenizer, opening)))
    return drawn.replace("<title>", f"{INK}<title>", 1)


if __name__ == "__main__":
    from specdec_course.common.whole import write_text

    write_text(PLACE, picture() + "\n")
    print(f"wrote {PLACE}")
