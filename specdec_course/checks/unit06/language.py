"""compatible: which differences between two tokenizers are problems, and the mistakes that can be named.

Knows: this exercise. Does not know: how the tokenizers are made (tiny_tokenizers), how a verdict is reached (engine).
"""

from __future__ import annotations

import functools

import torch

from ...models.vocabulary import PROBE
from ..ask import mixed, whole
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


def _expect(student, rng, pairs) -> None:
    """All cases (what it is, draft, target, usable) of `pairs(rng)` are asked, in both roles, before the verdict: a
    clear fingerprint. Some plain pairs stand among them, and the order is drawn: it says nothing about the answer."""
    known = any(student.function is rule for one in compatible.mistakes.values() for rule in one.imitate)
    cases, order = _kept(pairs, rng.initial_seed()) if known else _drawn(pairs, rng)
    answers = {(i, role): _usable(student, *cases[i][1:3][::role]) for i, role in order}
    for i, (case, _, _, usable) in enumerate(cases):
        if any(answers[i, role] != usable for role in (1, -1)):
            wanted = "no problem, but your function finds one" if usable else "a problem, but your function finds none"
            raise Wrong(f"{case}: {wanted}.", otherwise="part_of_text" if pairs is _cuts_all_over else None)


def _drawn(pairs, rng) -> tuple[list[tuple], list[tuple[int, int]]]:
    """The cases, and in which order they are asked: (place of the case, in which role the first one is)."""
    plain, stranger = tokenizer(), _stranger()
    cases = [*pairs(rng), *[("Two equal tokenizers", plain, tokenizer(), True)] * whole(1, 4, rng)]
    cases += [("Two tokenizers that agree on hardly any id", stranger, plain, False)] * whole(1, 3, rng)
    return cases, mixed([(i, role) for i in range(len(cases)) for role in (1, -1)], rng)


@functools.lru_cache(16)
def _kept(pairs, seed: int) -> tuple[list[tuple], list[tuple[int, int]]]:
    """As drawn from a seed, for the wrong rules that are tried out: they leave a tokenizer as it is."""
    return _drawn(pairs, torch.Generator().manual_seed(seed))


def _stranger():
    """Of the same size as the plain one, and different in every way."""
    return tokenizer(tiny.all_shifted, bos=TEXT_END, eos=TURN_START)


def _strangers(rng) -> list[tuple]:
    same = tokenizer()
    return [
        ("One object as both tokenizers", same, same, True),
        ("Two objects made from the same file, under different names", tokenizer(name="a/draft"),
         tokenizer(name="b/target"), True),
        ("Two tokenizers of the same size that agree on hardly any id", _stranger(), tokenizer(), False),
        ("Two tokenizers of the same size that do not have the same tokens", tokenizer(tiny.renamed("th", "qx")),
         tokenizer(), False),
        ("Two tokenizers of unequal size", tokenizer(tiny.without_last(whole(20, 40, rng))), tokenizer(), False),
        ("The same tokenizer in two classes", tiny.of_another_class(), tokenizer(), True),
    ]


def _paddings(rng) -> list[tuple]:
    return [
        ("One of the two pads with a token that ends texts", tokenizer(pad=TEXT_END), tokenizer(), True),
        ("One of the two has no padding token", tokenizer(pad=None), tokenizer(), True),
        ("One of the two has one more token, which only pads", tokenizer(tiny.added("<fill>"), pad="<fill>"),
         tokenizer(), True),
        ("Another padding token, and ids that moved", tokenizer(tiny.swapped("th", "he"), pad=TEXT_END), tokenizer(),
         False),
        ("One more token, which does not pad", tokenizer(tiny.added("<tool>"), pad=TEXT_END), tokenizer(), False),
        ("The padding token has another name at the same id", tokenizer(tiny.pad_renamed, pad="[PAD]"), tokenizer(),
         True),
    ]


def _other_ids(rng) -> list[tuple]:
    rare = mixed([a + b for a in "35678" for b in "35678"], rng)  # PROBE has none of these numbers
    large = whole(4000, 6000, rng)
    last, beside = f"word{large - 1}", f"word{large - whole(2, 99, rng)}"
    return [
        ("Two tokens have traded their ids", tokenizer(tiny.swapped("in", "er")), tokenizer(), False),
        ("Two rare tokens have traded their ids", tokenizer(tiny.swapped(*rare[:2])), tokenizer(), False),
        ("A special token and a word have traded their ids", tokenizer(tiny.traded_special("uu")), tokenizer(), False),
        ("Two tokens near the end of a large vocabulary have traded their ids",
         tokenizer(tiny.enlarged(large, last, beside)), tokenizer(tiny.enlarged(large, beside, last)), False),
    ]


def _unknown_tokens(rng) -> list[tuple]:
    lacking = tiny.without_last(whole(1, 9, rng))
    return [
        ("One of the two lacks some tokens", tokenizer(lacking), tokenizer(), False),
        ("At one id, each has a token that the other one does not know", tokenizer(tiny.renamed("uu", "qx")),
         tokenizer(), False),
        ("One of the two has an added special token", tokenizer(tiny.added(f"<tool_{whole(0, 99, rng)}>")), tokenizer(),
         False),
        ("One of the two has an added word", tokenizer(tiny.added("Veldrin", special=False)), tokenizer(), False),
    ]


def _other_cuts(rng) -> list[tuple]:
    plain = tokenizer()
    for change in (tiny.other_order, tiny.lower_case, tiny.single_digits, tiny.space_in_front, tiny.single_spaces):
        other = tokenizer(change)  # guards the check itself: PROBE has to tell them apart
        assert other.encode(PROBE, add_special_tokens=False) != plain.encode(PROBE, add_special_tokens=False)
    return [
        ("The same tokens with the same ids, merged in another order", tokenizer(tiny.other_order), plain, False),
        ("One of the two turns capitals into small letters", tokenizer(tiny.lower_case), plain, False),
        ("One of the two cuts numbers into single digits", tokenizer(tiny.single_digits), plain, False),
        ("One of the two puts a space in front of every text", tokenizer(tiny.space_in_front), plain, False),
        ("One of the two makes a single space of several", tokenizer(tiny.single_spaces), plain, False),
    ]


# What the other one reads differently, in the order of PROBE: (what it does, a text of PROBE, what it reads there).
PLACES = (
    ("One of the two puts a space between a number and its letters, as in `3rd`", "3rd", ("3 rd", "3. rd")),
    ("One of the two loses the accent of `é`", "é", ("e", "è")),
    ("One of the two reads another apostrophe in `don't`", "'", ("’", "`")),
    ("One of the two makes one line end of two", "\n\n", ("\n", " \n")),
    ("One of the two writes `= =` without the space", "= =", ("==", "=")),
    ("One of the two loses the dots of `ü`", "ü", ("u", "ue")),
    ("One of the two reads another Chinese character", "漢", ("汉", "字")),
    ("One of the two makes spaces of a tab", "\t", ("    ", "  ")),
    ("One of the two puts a space before a bracket", "(", (" (",)),
    ("One of the two loses the spaces at the beginning of a line", "\n    ", ("\n",)),
    ("One of the two reads `**` as something else", "**", ("^", "*")),
    ("One of the two cuts numbers of two digits into single ones, and no others", "42", ()),
    ("One of the two puts a space before the percent sign", "%", (" %",)),
    ("One of the two reads `@-@` as a single mark", "@-@", ("-", "–")),
)


def _cuts_all_over(rng) -> list[tuple]:
    plain, cases = tokenizer(), []
    for what, old, new in PLACES:
        other = tokenizer(tiny.replaced(old, mixed(new, rng)[0]) if new else tiny.two_digits_apart)
        assert other.encode(PROBE, add_special_tokens=False) != plain.encode(PROBE, add_special_tokens=False)
        cases.append((what, other, plain, False))
    shorter = tokenizer(tiny.replaced("@-@", mixed(("@-", "@"), rng)[0]))  # PROBE ends with it
    cases.append(("One of the two loses the end of `@-@`, where PROBE ends", shorter, plain, False))
    return cases


def _other_ends(rng) -> list[tuple]:
    return [
        ("The texts of the two end with different tokens", tokenizer(eos=TURN_START), tokenizer(), False),
        ("The texts of the two end with different tokens, one of which has the id 0", tokenizer(eos=TEXT_END),
         tokenizer(), False),
        ("The texts of the two begin with different tokens", tokenizer(bos=TEXT_END), tokenizer(), False),
        ("One of the two has no token that begins a text", tokenizer(bos=None), tokenizer(), False),
        ("Neither has a token that begins a text", tokenizer(bos=None), tokenizer(bos=None), True),
        ("One of the two puts its bos token in front by itself, unless add_special_tokens=False",
         tokenizer(tiny.begins_by_itself), tokenizer(), True),
    ]


for _name, _weight, _pairs, _words in (
    ("the same tokenizer twice, and three strangers", 1, _strangers,
     "another object, class or name of the tokenizer"),
    ("another padding token is no problem, any other token is", 2, _paddings,
     "another padding token: another name at its id"),
    ("tokens under other ids", 2, _other_ids, "a token that both know, under different ids"),
    ("tokens that only one of them knows", 2, _unknown_tokens,
     "a token that only one of them knows (padding tokens apart)"),
    ("the same tokens, but a text is cut differently", 2, _other_cuts,
     "a text that becomes other ids: other merges, other rules for capitals, digits, spaces."),
    ("a text is cut differently at one place, wherever in PROBE", 1, _cuts_all_over,
     "`PROBE` is a text with all sorts of them: all of its ids have to agree"),
    ("other special tokens", 1, _other_ends, ("another bos_token_id or eos_token_id",
     "add_special_tokens=False leaves that out")),
):
    compatible.part(_name, _weight, _words)(lambda student, rng, pairs=_pairs: _expect(student, rng, pairs))


@functools.lru_cache(512)
def _facts(t) -> tuple[dict, list[int]]:
    return t.get_vocab(), t.encode(PROBE, add_special_tokens=False)


def _encoded(t):
    return _facts(t)[1]


def _roles(t):
    return t.bos_token_id, t.eos_token_id


def _listed(*problems) -> list[str]:
    return ["a problem" for problem in problems if problem]


def _vocabularies(draft, target) -> tuple[bool, bool]:
    """(tokens moved, tokens of only one of them)."""
    a, b = _facts(draft)[0], _facts(target)[0]
    only_one = (a.keys() ^ b.keys()) - {draft.pad_token, target.pad_token}
    return any(a[word] != b[word] for word in a.keys() & b.keys()), bool(only_one)


def _without_pad_exception(draft, target):
    return _listed(_facts(draft)[0] != _facts(target)[0], _encoded(draft) != _encoded(target),
                   _roles(draft) != _roles(target))


def _own_pad_exception(draft, target):
    a, b = ({word: i for word, i in _facts(t)[0].items() if word != t.pad_token} for t in (draft, target))
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
def _tokens_of(which: int):
    """A wrong rule: it goes through the tokens of the draft (0) or of the target (1), and never through the other's."""

    def rule(draft, target):
        mine, others = (_facts(t)[0] for t in ((draft, target), (target, draft))[which])
        pads = {draft.pad_token, target.pad_token}
        return _listed(any(others.get(word) != i for word, i in mine.items() if word not in pads),
                       _encoded(draft) != _encoded(target), _roles(draft) != _roles(target))

    return rule


compatible.mistake(
    "one_direction",
    "You go through the tokens of one of the two only. A token that only the *other* one knows is never looked at: ask "
    "in both directions, or compare the two sets.",
    imitate=(_tokens_of(0), _tokens_of(1)),
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
