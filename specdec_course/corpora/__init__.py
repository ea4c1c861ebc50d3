"""Text as ids: WikiText-2, a file, or `atlas`, the imaginary encyclopedia that comes with the course."""

from .texts import encode, held_out_prompts, load_corpus, prompts, read_prompts, read_text, sample_windows

__all__ = ["encode", "held_out_prompts", "load_corpus", "prompts", "read_prompts", "read_text", "sample_windows"]
