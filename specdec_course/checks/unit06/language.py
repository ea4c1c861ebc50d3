"""compatible: which differences between two tokenizers are problems, and the mistakes that can be named.

Knows: this exercise. Does not know: how the tokenizers are made (tiny_tokenizers), how a verdict is reached (engine).
"""

from __future__ import annotations

import torch

from ...models.vocabulary import PROBE
from ..errors import Wrong
from ..exercise import Exercise
from . import tiny_tokenizers as tiny
from .tiny_tokenizers import TEXT_END, TURN_START, tokenizer

compatible = Exercise(
    "compatible", unit="06", points=2, difficulty=3, minutes=15,
    reference="specdec_course.models.vocabulary:compatible",
    hints=(
        "Two dictionaries can have the same keys and yet disagree. Two equal dictionaries can still belong to "
        "tokenizers that cut a text differently. What do you compare to find the first, and what to find the second?",
        "Four looks, each of which may add a line to a list: (1) tokens in both get_vocab() whose ids differ; (2) "
        "tokens in only one of them, without {draft.pad_token, target.pad_token}; (3) encode(PROBE, "
        "add_special_tokens=False) of the two; (4) bos_token_id and eos_token_id of the two.",
    ),
)


def _usable(student, draft, target) -> bool:
    """Whether the student finds no problem; recorded as a word, since everybody words problems differently."""
    found = student.quiet(draft, target)
    if isinstance(found, str) or not isinstance(found, (list, tuple, set)):
        raise Wrong(f"Expected a list of strings, your function returned a {type(found).__name__}.",
                    mistake="yes_or_no" if isinstance(found, bool) else None)
    if not all(isinstance(line, str) and line.strip() for line in found):
        raise Wrong("Expected a list of strings that say what is wrong; an entry of your list is empty or no string.")
    student.seen.append("problems" if found else "usable")
    return not found


def _expect(student, cases) -> None:
    """All pairs (case, draft, target, usable) are asked, in both roles, before the verdict: a clear fingerprint."""
    answers = []
    for case, draft, target, usable in cases:
        for one, other in ((draft, target), (target, draft)):
            answers.append((case, _usable(student, one, other), usable))
    for case, answer, usable in answers:
        if answer != usable:
            wanted = "no problem, but your function finds one" if usable else "a problem, but your function finds none"
            raise Wrong(f"{case}: {wanted}.")


def _stranger():
    """Of the same size as the plain one, and different in every way."""
    return tokenizer(tiny.all_shifted, bos=TEXT_END, eos=TURN_START)


@compatible.part("the same tokenizer twice, and three strangers", weight=1)
def _(student, rng):
    same = tokenizer()
    _expect(student, [
        ("One object as both tokenizers", same, same, True),
        ("Two objects made from the same file, under different names", tokenizer(name="a/draft"),
         tokenizer(name="b/target"), True),
        ("Two tokenizers of the same size that agree on hardly any id", _stranger(), tokenizer(), False),
        ("Two tokenizers of the same size that do not have the same tokens", tokenizer(tiny.renamed("th", "qx")),
         tokenizer(), False),
        ("Two tokenizers of unequal size", tokenizer(tiny.without_last(30)), tokenizer(), False),
        ("The same tokenizer in two classes", tiny.of_another_class(), tokenizer(), True),
    ])


@compatible.part("another padding token is no problem", weight=2)
def _(student, rng):
    _expect(student, [
        ("One of the two pads with a token that ends texts", tokenizer(pad=TEXT_END), tokenizer(), True),
        ("One of the two has no padding token", tokenizer(pad=None), tokenizer(), True),
        ("The padding token has another name at the same id", tokenizer(tiny.pad_renamed, pad="[PAD]"), tokenizer(),
         True),
        ("One of the two has one more token, which only pads", tokenizer(tiny.added("<fill>"), pad="<fill>"),
         tokenizer(), True),
        ("Another padding token, and ids that moved", tokenizer(tiny.swapped("th", "he"), pad=TEXT_END), tokenizer(),
         False),
        ("One more token, which does not pad", tokenizer(tiny.added("<tool>"), pad=TEXT_END), tokenizer(), False),
    ])


@compatible.part("tokens under other ids", weight=2)
def _(student, rng):
    rare = [a + b for a in "35678" for b in "35678"]  # PROBE has none of these numbers
    first, second = torch.randperm(len(rare), generator=rng)[:2].tolist()
    _expect(student, [
        ("Two equal tokenizers", tokenizer(), tokenizer(), True),
        ("Two tokens have traded their ids", tokenizer(tiny.swapped("in", "er")), tokenizer(), False),
        ("Two rare tokens have traded their ids", tokenizer(tiny.swapped(rare[first], rare[second])), tokenizer(),
         False),
        ("A special token and a word have traded their ids", tokenizer(tiny.traded_special("uu")), tokenizer(), False),
    ])


@compatible.part("tokens that only one of them knows", weight=2)
def _(student, rng):
    word = f"<tool_{int(torch.randint(100, (), generator=rng))}>"
    _expect(student, [
        ("Two equal tokenizers", tokenizer(), tokenizer(), True),
        ("One of the two lacks some tokens", tokenizer(tiny.without_last(7)), tokenizer(), False),
        ("At one id, each has a token that the other one does not know", tokenizer(tiny.renamed("uu", "qx")),
         tokenizer(), False),
        ("One of the two has an added special token", tokenizer(tiny.added(word)), tokenizer(), False),
        ("One of the two has an added word", tokenizer(tiny.added("Veldrin", special=False)), tokenizer(), False),
    ])


@compatible.part("the same tokens, but a text is cut differently", weight=2)
def _(student, rng):
    plain = tokenizer()
    for change in (tiny.other_order, tiny.lower_case, tiny.single_digits, tiny.space_in_front, tiny.single_spaces):
        other = tokenizer(change)  # guards the check itself: PROBE has to tell them apart
        assert other.encode(PROBE, add_special_tokens=False) != plain.encode(PROBE, add_special_tokens=False)
    _expect(student, [
        ("Two equal tokenizers", tokenizer(), plain, True),
        ("The same tokens with the same ids, merged in another order", tokenizer(tiny.other_order), plain, False),
        ("One of the two turns capitals into small letters", tokenizer(tiny.lower_case), plain, False),
        ("One of the two cuts numbers into single digits", tokenizer(tiny.single_digits), plain, False),
        ("One of the two puts a space in front of every text", tokenizer(tiny.space_in_front), plain, False),
        ("One of the two makes a single space of several", tokenizer(tiny.single_spaces), plain, False),
    ])


@compatible.part("other special tokens", weight=1)
def _(student, rng):
    _expect(student, [
        ("Two equal tokenizers", tokenizer(), tokenizer(), True),
        ("The texts of the two end with different tokens", tokenizer(eos=TEXT_END), tokenizer(), False),
        ("The texts of the two begin with different tokens", tokenizer(bos=TEXT_END), tokenizer(), False),
        ("One of the two has no token that begins a text", tokenizer(bos=None), tokenizer(), False),
        ("Neither has a token that begins a text", tokenizer(bos=None), tokenizer(bos=None), True),
        ("One of the two puts that token in front by itself, unless add_special_tokens=False",
         tokenizer(tiny.begins_by_itself), tokenizer(), True),
    ])


def _encoded(t):
    return t.encode(PROBE, add_special_tokens=False)


def _roles(t):
    return t.bos_token_id, t.eos_token_id


def _listed(*problems) -> list[str]:
    return ["a problem" for problem in problems if problem]


def _vocabularies(draft, target) -> tuple[bool, bool]:
    """(tokens moved, tokens of only one of them)."""
    a, b = draft.get_vocab(), target.get_vocab()
    only_one = (a.keys() ^ b.keys()) - {draft.pad_token, target.pad_token}
    return any(a[word] != b[word] for word in a.keys() & b.keys()), bool(only_one)


def _without_pad_exception(draft, target):
    return _listed(draft.get_vocab() != target.get_vocab(), _encoded(draft) != _encoded(target),
                   _roles(draft) != _roles(target))


def _own_pad_exception(draft, target):
    a, b = ({word: i for word, i in t.get_vocab().items() if word != t.pad_token} for t in (draft, target))
    return _listed(a != b, _encoded(draft) != _encoded(target), _roles(draft) != _roles(target))


def _pad_is_a_role(draft, target):
    return _listed(*_vocabularies(draft, target), _encoded(draft) != _encoded(target), _roles(draft) != _roles(target),
                   draft.pad_token_id != target.pad_token_id)


# The nearest to right first: what two rules have in common is then called by the smaller mistake.
compatible.mistake(
    "special_tokens",
    "You do not look at the special tokens. If a text ends with one id for the draft and with another one for the "
    "target, the draft guesses wrong at every end.",
    imitate=lambda draft, target: _listed(*_vocabularies(draft, target), _encoded(draft) != _encoded(target)),
)
compatible.mistake(
    "vocabulary_only",
    "You compare the vocabularies only. They say which tokens there are, not how a text is cut into them: that is "
    "decided by the order of the merges and by rules for capitals, digits and spaces. Encode a text with both.",
    imitate=(lambda draft, target: _listed(*_vocabularies(draft, target)),
             lambda draft, target: _listed(*_vocabularies(draft, target), _roles(draft) != _roles(target))),
)
compatible.mistake(
    "padding",
    "You take padding for a problem. Nobody drafts a padding token: it only fills up rows of a batch. Leave the "
    "padding tokens of both out of what you compare.",
    imitate=(_without_pad_exception, _own_pad_exception, _pad_is_a_role),
)
compatible.mistake(
    "text_only",
    "You only compare how a text is cut. A text uses a few hundred of a hundred thousand tokens: the others may be "
    "missing or have moved. Compare the vocabularies as well.",
    imitate=(lambda draft, target: _listed(_encoded(draft) != _encoded(target)),
             lambda draft, target: _listed(_encoded(draft) != _encoded(target), _roles(draft) != _roles(target))),
)
compatible.mistake(
    "names_only",
    "You compare which tokens there are, not which ids they have. The models exchange ids: a token that moved to "
    "another id is another token.",
    imitate=(lambda draft, target: _listed(_vocabularies(draft, target)[1]),
             lambda draft, target: _listed(_vocabularies(draft, target)[1], _roles(draft) != _roles(target))),
)
compatible.mistake(
    "sizes",
    "You compare sizes. Two vocabularies of the same size can be two languages: an id would mean one word to the draft "
    "and another one to the target. Compare which token has which id.",
    imitate=(lambda draft, target: _listed(len(draft) != len(target)),
             lambda draft, target: _listed(draft.vocab_size != target.vocab_size),
             lambda draft, target: _listed(len(draft) != len(target), _roles(draft) != _roles(target))),
)
compatible.mistake(
    "yes_or_no",
    "You return True or False. Expected is a list of strings: the problems in words, so that whoever reads it knows "
    "what to do. An empty list means that there is none.",
)
compatible.help(r"unexpected keyword|positional argument",
                "encode takes the text and add_special_tokens=False; get_vocab() takes nothing.")
compatible.help(r"'NoneType' object is not", "bos_token_id, eos_token_id and pad_token may be None.")
compatible.help(r"KeyError", "A token of one vocabulary need not be in the other: look at the shared ones first.")
compatible.help(r"PROBE", "PROBE is a text, imported in the first cell with `from specdec_course.models.vocabulary`.")
