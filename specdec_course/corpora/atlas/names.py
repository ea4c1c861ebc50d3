"""Names, numbers and dates of the imaginary world: a region has towns, rivers, mountains and people that know each other.

Knows how to draw them from a random stream. Knows nothing of sentences.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

MONTHS = ("January February March April May June July August September October November December").split()
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()

BEASTS = (
    "otter",
    "beaver",
    "grey heron",
    "pine marten",
    "river trout",
    "black stork",
    "lynx",
    "chamois",
    "sturgeon",
    "eagle owl",
    "salmon",
    "wild goat",
    "kingfisher",
    "mountain hare",
)
MILE, FOOT = 0.621371, 3.28084  # of a kilometre, of a metre

_ONSETS = "B Br C Ch D Dr F Fl G Gr H J K Kr L M N P Pr R S Sh Sk St T Th Tr V W Y Z".split()
_VOWELS = "a e i o u a e o ae ei".split()
_CODAS = "l r n m s th rn ld nd st v lm d sk x".split()
_MIDDLES = "ab al am an ar as ed el em en er et ib il im in ir is ob ol om on or os ud ul um un ur us".split()
_TOWN_ENDS = (
    "ford wick mouth haven by holm stead burg ton minster gate bridge combe dale field fell gard ham hurst "
    "market mere moor port ridge stow thorpe vale well wood worth"
).split()
_RIVER_ENDS = "a e en er ow ine ora ent ey una eth is".split()
_MOUNT_ENDS = "horn spitz tind berg rach ock antor umar eld dun cairn".split()
_REGION_ENDS = "ia mark land or avia ony esse una aria stan".split()
_GIVEN_HE = "an o us ard ric mund win ius in or".split()
_GIVEN_SHE = "a ia ine ena elle ara is ette ild wen".split()
_SURNAMES = "sen son er ov ell ard ine is mann ley quist eau ski well ano ett".split()


class Stream:
    """A random stream with the few draws we need, all made from `random()`, whose values Python promises to keep."""

    def __init__(self, key: str):
        self.uniform = random.Random(key).random

    def pick(self, options):
        return options[int(self.uniform() * len(options))]

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both ends included."""
        return low + int(self.uniform() * (high - low + 1))

    def sample(self, options, count: int) -> list:
        """`count` different options in random order."""
        pool = list(options)
        for i in range(count):
            j = i + int(self.uniform() * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]


def root(stream: Stream) -> str:
    """One or two syllables: the beginning of a name."""
    pick = stream.pick
    start = pick(_ONSETS) + pick(_VOWELS) + pick(_CODAS)
    return start + pick(_MIDDLES) if stream.uniform() < 0.35 else start


def _ended(stream: Stream, ends) -> str:
    return root(stream) + stream.pick(ends)


def number(n: int) -> str:
    """1234567 -> `1 @,@ 234 @,@ 567`, as WikiText writes it."""
    return f"{n:,}".replace(",", " @,@ ")


def decimal(x: float) -> str:
    """3.54 -> `3 @.@ 5`, thousands as in `number`."""
    whole, tenth = divmod(round(x * 10), 10)
    return f"{number(whole)} @.@ {tenth}"


def word(n: int) -> str:
    """Small numbers in words, as an encyclopedia prints them."""
    return WORDS[n] if n < len(WORDS) else number(n)


def ordinal(n: int) -> str:
    """1 -> `1st`, 22 -> `22nd`."""
    return f"{n}{'th' if n % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def day(stream: Stream) -> str:
    """A day without its year: `14 March`."""
    return f"{stream.between(1, 28)} {stream.pick(MONTHS)}"


def in_year(day_and_month: str) -> tuple[int, int]:
    """Sort key of a day without its year: (month, day)."""
    day_, month = day_and_month.split()
    return MONTHS.index(month), int(day_)


@dataclass(frozen=True)
class Person:
    """A given name, a surname and the words that go with them."""

    given: str
    surname: str
    she: bool

    @property
    def full(self) -> str:
        return f"{self.given} {self.surname}"


def person(stream: Stream) -> Person:
    she = stream.uniform() < 0.5
    return Person(_ended(stream, _GIVEN_SHE if she else _GIVEN_HE), _ended(stream, _SURNAMES), she)


@dataclass(frozen=True)
class Region:
    """A piece of the world. Its articles mention each other's subjects."""

    name: str
    people_of: str
    sea: str
    towns: tuple
    rivers: tuple
    mountains: tuple
    people: tuple


def region(stream: Stream) -> Region:
    stem = root(stream)
    sea = stream.pick(("{} Sea", "Gulf of {}", "Bay of {}", "{} Sound", "Straits of {}")).format(root(stream))
    return Region(
        name=stem + stream.pick(_REGION_ENDS),
        people_of=stem + stream.pick(("ian", "ish", "ic", "ese", "an")),
        sea=sea,
        towns=tuple(_ended(stream, _TOWN_ENDS) for _ in range(6)),
        rivers=tuple(_ended(stream, _RIVER_ENDS) for _ in range(3)),
        mountains=tuple(_ended(stream, _MOUNT_ENDS) for _ in range(3)),
        people=tuple(person(stream) for _ in range(7)),
    )
