"""The text that each token adds: blanks and characters of several tokens come out whole, as they come."""

import pytest
from small_models import small_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from specdec_course.models.vocabulary import texts_of

TEXT = "The river runs past the mill, naïve café, 漢字 and 👩‍🚀🎉 in 1924. \n\n The end  of it"


def with_blanks_as_marks():
    """A tokenizer as of Llama 2 and Mistral: "▁" stands for a blank, bytes for what it does not know."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0),
    ])  # fmt: skip
    names = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(["the river runs past the mill and The end of it "], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.mark.parametrize("make", [small_tokenizer, with_blanks_as_marks])
def test_the_pieces_are_the_text(make):
    tokenizer = make()
    ids = tokenizer.encode(TEXT, add_special_tokens=False)
    pieces = list(texts_of(tokenizer, ids))
    assert len(pieces) == len(ids)
    assert "".join(pieces) == tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert not any("\ufffd" in piece for piece in pieces) and any("漢" in piece for piece in pieces)


def test_half_a_character_waits_and_rubbish_does_not_wait_for_ever():
    tokenizer = small_tokenizer()
    flower = tokenizer.encode("漢", add_special_tokens=False)
    assert len(flower) > 1 and list(texts_of(tokenizer, flower))[:-1] == [""] * (len(flower) - 1)
    pieces = list(texts_of(tokenizer, flower[:1] * 40))
    assert "".join(pieces).count("\ufffd") >= 30


def test_pieces_come_while_ids_come():
    tokenizer, asked = small_tokenizer(), []

    def ids():
        for number, token in enumerate(tokenizer.encode("The river runs", add_special_tokens=False)):
            asked.append(number)
            yield token

    first = next(texts_of(tokenizer, ids()))
    assert first and asked == [0]


def test_nothing_is_nothing():
    assert list(texts_of(small_tokenizer(), [])) == []
