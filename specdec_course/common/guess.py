"""What a reader guessed before measuring, for the line that gives the answer. Knows nothing of the question."""


def you_said(guess, unit: str = "") -> str:
    """ " (you said 3 ms)" behind an answer; nothing at all where no guess was written down."""
    return "" if guess is None else f"   (you said {guess}{unit})"
