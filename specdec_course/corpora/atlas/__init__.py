"""Atlas: an imaginary encyclopedia, written deterministically from a seed in WikiText's own format.

It stands in for WikiText-2 where there is no network. Every article has its own facts (names, dates, numbers), told again
and again in different words, so that only a model that attends to the article gets them right; articles of one region
mention each other. This module knows how an article is put together. It knows nothing of tokens or models.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as forever
from itertools import islice

from . import culture, events, landmarks, lives, nature, places, transport
from .grammar import Plan, read_plan, write
from .names import MONTHS, Region, Stream, day, region

SPLITS = ("train", "validation", "test")

KINDS = {
    "town": (read_plan(places.TOWN), places.town),
    "river": (read_plan(places.RIVER), places.river),
    "mountain": (read_plan(landmarks.MOUNTAIN), landmarks.mountain),
    "bridge": (read_plan(landmarks.BRIDGE), landmarks.bridge),
    "ship": (read_plan(transport.SHIP), transport.ship),
    "railway": (read_plan(transport.RAILWAY), transport.railway),
    "album": (read_plan(culture.ALBUM), culture.album),
    "season": (read_plan(culture.SEASON), culture.season),
    "painter": (read_plan(lives.PAINTER), lives.painter),
    "engineer": (read_plan(lives.ENGINEER), lives.engineer),
    "species": (read_plan(nature.SPECIES), nature.species),
    "treaty": (read_plan(events.TREATY), events.treaty),
    "storm": (read_plan(events.STORM), events.storm),
    "battle": (read_plan(events.BATTLE), events.battle),
}


def _turn(world: Region, steps: int) -> Region:
    """The same region with another town, river, mountain and person in front: what the next article is about."""

    def turned(items: tuple) -> tuple:
        cut = steps % len(items)
        return items[cut:] + items[:cut]

    return Region(
        world.name,
        world.people_of,
        world.sea,
        turned(world.towns),
        turned(world.rivers),
        turned(world.mountains),
        turned(world.people),
    )


def common_facts(stream: Stream, world: Region, neighbour: Region) -> dict[str, str]:
    """Facts that every kind of article may use: the region, places around the subject, people, two days, two months."""
    towns, people = stream.sample(world.towns[1:], 4), stream.sample(world.people[1:], 5)
    facts = dict(
        region=world.name,
        region2=neighbour.name,
        demonym=world.people_of,
        sea=world.sea,
        river=world.rivers[1],
        mount1=world.mountains[0],
        mount2=world.mountains[1][:5],
        day1=day(stream),
        day2=day(stream),
    )
    facts["month1"], facts["month2"] = stream.sample(MONTHS, 2)
    for i, town in enumerate(towns, start=1):
        facts[f"town{i}"] = town
    for i, one in enumerate(people, start=1):
        facts[f"person{i}"], facts[f"surname{i}"] = one.full, one.surname
    return facts


def _sentences(stream: Stream, pool: tuple, low: int, high: int, facts: dict[str, str]) -> list[str]:
    chosen = stream.sample(range(len(pool)), min(len(pool), stream.between(low, high)))
    return [write(pool[i], facts, stream.uniform) for i in sorted(chosen)]


def compose(stream: Stream, title: str, facts: dict[str, str], plan: Plan) -> str:
    """Write one article: its title, a lead and three to five sections, in the lines that WikiText has."""
    lead = [
        write(stream.pick(plan.openers), facts, stream.uniform),
        *_sentences(stream, plan.lead, 2, 4, facts),
    ]
    lines = ["", f"= {title} =", "", " ".join(lead), ""]
    kept = sorted(stream.sample(range(len(plan.sections)), stream.between(3, min(5, len(plan.sections)))))
    for titles, pool in (plan.sections[i] for i in kept):
        heading = write(stream.pick(titles), facts, stream.uniform)
        lines += [f"= = {heading} = =", ""]
        body = _sentences(stream, pool, 3, 6, facts)
        cut = stream.between(2, len(body)) if len(body) > 3 else len(body)
        lines += [" ".join(part) for part in (body[:cut], body[cut:]) if part] + [""]
    return "".join(f" {line} \n" if line else " \n" for line in lines[:-1])


def _region_articles(split: str, seed: int, index: int) -> Iterator[str]:
    """The articles of one region of the world, one of each kind, in a shuffled order."""
    stream = Stream(f"atlas/{split}/{seed}/{index}")
    world, neighbour = region(stream), region(stream)
    for step, kind in enumerate(stream.sample(list(KINDS), len(KINDS))):
        plan, facts_of = KINDS[kind]
        here = _turn(world, step)
        title, facts = facts_of(stream, here, common_facts(stream, here, neighbour))
        yield compose(stream, title, facts, plan)


def articles(seed: int = 0, count: int | None = None, split: str = "train") -> Iterator[str]:
    """Yield `count` articles (without end if None), the same for the same seed and split, on every machine.

    The three splits draw from different random streams: no article, and hardly a name, is in two of them.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; Atlas has {', '.join(SPLITS)}")
    if count is not None and count < 0:
        raise ValueError(f"the number of articles must be 0 or more, got {count}")
    endless = (article for index in forever() for article in _region_articles(split, seed, index))
    return endless if count is None else islice(endless, count)


def atlas_text(split: str = "train", articles: int = 400, seed: int = 0) -> str:
    """The first `articles` articles of a split as one text, about 2.5 kB each."""
    return "".join(_articles(seed=seed, count=articles, split=split))


_articles = articles  # `atlas_text` has a parameter of that name
