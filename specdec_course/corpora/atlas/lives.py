"""The facts of painters and engineers of the Atlas, and the sentences that may tell them."""

from __future__ import annotations

from .names import FOOT, Region, Stream, in_year, number, person, word

PAINTER = """
* {full} ( {bday} {yborn} – {dday} {ydied} ) was a {demonym} [painter|engraver|landscape painter|painter of
  portraits] .
* {full} ( {yborn} – {ydied} ) was a painter [from {town1}|of the {demonym} school|who worked in {town2}] ,
  [best known|remembered] for {poss} " {work1} " .
+ [born|brought up] in {town1} , {they} [moved|went] to {town2} in {ymove} and [studied|trained] under
  {teacher} .
+ {poss} [best known|most famous] [work|painting] , " {work1} " ( {ywork1} ) , hangs in the [museum|gallery]
  of {town2} .
+ {they} left [about|some] {count} paintings , [most of them of the {sea}|many of them unfinished|mostly of
  {region}] .
+ {they} [is regarded|is seen] as [one of the founders|the last master] of the {school} School .
= Early life | Life | Childhood and training
- {surname} was born [on {bday} {yborn} in {town1}|in {town1} on {bday} {yborn}] , the
  [only|second|third|youngest] child of a [baker|notary|sailor|weaver] .
- {poss} father died when {they} was {agef} , and [the family|they] [moved|went] to {town3} [, where {poss}
  mother kept an inn|] .
- [at the age of {agemove}|aged {agemove}] , [in {ymove} ,|] {surname} [entered|joined] the workshop of
  {teacher} [in|at] {town2} .
- {teacher2} [praised|doubted] {poss} drawing but [thought|found] {poss} colours [too dark|too
  bright|careless] .
- in {ymove} {they} [won|was given] a [scholarship|prize] of {fee0} crowns [and walked to {town2}|by the
  town of {town1}|] .
= Career | Work | Middle years
- {poss} first [exhibition|show] , in {yshow} at {town2} , [was a failure|drew little notice|made {them}
  known] ; [only|just] {sold} pictures were sold .
- in {ywork1} {surname} [painted|finished] " {work1} " , [which|now {poss} best known work ; it]
  [shows|depicts] the [harbour|bridge|market|ruins] [of|at] {town3} .
- {they} [spent|passed] {years} years in {region} , [living|working] with [the poet|the composer|the
  sculptor] {friend} .
- {friend2} [bought|owned] " {work2} " for {fee} crowns and [later gave|left] it to [the town of {town1}|the
  museum at {town2}] .
- " {work2} " ( {ywork2} ) , of {poss} [friend|patron] {friend} , [was refused|caused a scandal] at the
  [Salon|Academy] of {town2} .
- {they} [taught|lectured] at the [Academy|school] of {town2} from {yteach} until {poss} death .
= Personal life | Later life | Last years
- in {ymarr} {they} married {spouse} , [the {child} of {teacher}|a singer|a doctor|a school teacher from
  {town3}] ; they had {kids} children .
- [in old age|after {yteach}] {surname} [suffered from|was troubled by] [gout|failing eyes|poor health] and
  [painted|worked] [little|only small pictures] .
- {they} died [on {dday} {ydied} at {town3}|at {town3} on {dday} {ydied}] , aged {age} , and [was|is] buried
  [in {town1}|beside {spouse}] .
- {spouse} [outlived {them} by {outlived} years|sold {poss} drawings to {friend}|burned {poss} letters] .
= Style and legacy | Reception | Legacy
- {surname} [used|preferred] [thin|heavy] [layers of|] [blue|brown|green|grey] [paint|glazes] [over|on]
  [wood|copper|coarse canvas] .
- the critic {friend} [called|thought] {them} " [a painter of weather|the best eye in {region}|honest and
  dull] " .
- {poss} [pictures|works] were [forgotten|neglected] until [a show|an exhibition] at {town1} in {yredis} .
- " {work1} " was [stolen|restored] in {yredis} [and found {months} months later in {town3}|] .
- a street in {town1} and a [museum|school] in {town2} are named after {surname} .
"""

ENGINEER = """
* {full} ( {bday} {yborn} – {dday} {ydied} ) was a {demonym} [engineer|civil engineer|mechanical
  engineer|inventor] .
* {full} ( {yborn} – {ydied} ) was [an engineer|a builder of bridges|an instrument maker] [from {town1}|of
  {region}] , [known|remembered] for the {thing} .
+ {they} [designed|built] the {thing} ( {ything} ) and [the bridge|the harbour|the waterworks] at {town3} .
+ [born|raised] in {town1} , {they} [worked|lived] [mostly|chiefly] in {town2} .
+ {they} held {patents} patents and was [a member|president] of the {demonym} [Academy|Institute] .
= Early life | Early life and education | Youth
- {surname} was born at {town1} on {bday} {yborn} , the {nthchild} of {siblings} children of a
  [miller|smith|clerk|pilot] .
- {they} left school at [the age of|] {agef} and [was apprenticed|went] to {teacher} , a clockmaker [in|at]
  {town3} .
- from {ymove} {they} [studied|read] [mathematics|mechanics] at {town2} under {teacher} .
- [at|aged] {agemove} {they} [invented|built] [a pump|a loom|a small steam engine|a tide gauge] , [which|and
  it] [is kept|can be seen] in the museum [of|at] {town2} .
= Career | Work
- in {yshow} {surname} [became|was made] [engineer|surveyor] [to the port of {town2}|of the {river}
  canal|under {friend}] .
- the {thing} , [begun|planned] in {yshow} and [finished|opened] in {ything} , was {len} metres ( {lenft} ft
  ) long and cost {fee} crowns .
- {poss} [rival|partner] , {friend} , [claimed|held] that [the design|the idea] of the {thing} [was stolen|was older] ; a court [at|in] {town2} [agreed|disagreed] in {ycourt} .
- between {ything} and {ycourt} {they} [surveyed|drained] the [marshes|harbours] of {region} [with|together
  with] {friend} .
- {friend2} [refused|offered] to [pay|raise] the {fee} crowns [still owed|needed] , and the work
  [stopped|stood still] for {months} months .
- in {ybook} {they} published " {book} " , [which|a book that] went through {editions} editions .
- the [boiler|crane|bridge] [at {town3}|built for {friend}] [burst|collapsed] in {ycourt} , killing {dead}
  [men|workers] , and {surname} was [blamed|cleared] .
= Personal life | Family and death | Later life and death
- {they} married {spouse} in {ymarr} , and they had {kids} children , [one of whom|the eldest of whom] ,
  {child1} , [also became an engineer|drowned in the {river}] .
- {surname} [spoke|knew] {langs} languages and [kept|wrote] a diary [of {pages} pages|for {years} years] .
- [after a fall|after a short illness|] {they} died at {town2} on {dday} {ydied} , aged {age} [, {outlived}
  years before {spouse}|] .
= Legacy | Honours | Honours and legacy
- the {thing} [was|remained] in use until {yredis} , when [it was replaced|it was closed] [by {friend2}|] .
- a [crater|lock|medal|school] [in {town1}|] [is named|was named] after {surname} in {yredis} .
- {poss} papers , [including|with] [the drawings of|the plans for] the {thing} , are [kept|held] [in|at]
  {town1} .
- " {book} " [is still read|was reprinted in {yredis}|was translated by {child1}] .
"""

_WORKS_A = (
    "The Harbour",
    "Evening",
    "The Ferry",
    "Two Women",
    "Snow",
    "The Old Bridge",
    "A Storm",
    "The Fish Market",
    "Boats",
    "Morning",
)

_THINGS = ("Lighthouse", "Viaduct", "Canal", "Aqueduct", "Breakwater", "Dry Dock", "Tunnel")


def _life(stream: Stream, world: Region, common: dict) -> dict:
    between, pick, subject = stream.between, stream.pick, world.people[0]
    born, agef, agemove, age = between(1690, 1870), between(6, 13), between(14, 21), between(48, 91)
    bday, dday = sorted((common["day1"], common["day2"]), key=in_year)  # so that age = death - birth
    died, teacher, friend, friend2 = born + age, world.people[1], world.people[2], world.people[3]
    show = born + between(22, 29)
    return common | dict(
        full=subject.full,
        surname=subject.surname,
        they="she" if subject.she else "he",
        them="her" if subject.she else "him",
        poss="her" if subject.she else "his",
        bday=bday,
        dday=dday,
        yborn=str(born),
        ydied=str(died),
        age=str(age),
        agef=word(agef),
        agemove=str(agemove),
        ymove=str(born + agemove),
        yshow=str(show),
        ymarr=str(born + between(23, 40)),
        teacher=teacher.full,
        teacher2=teacher.surname,
        friend=friend.full,
        friend2=friend2.full,
        spouse=person(stream).given,
        kids=word(between(2, 9)),
        outlived=word(between(2, 12)),
        months=word(between(2, 11)),
        years=word(between(2, 12)),
        yredis=str(died + between(20, 90)),
        fee=number(between(4, 900) * 100),
        fee0=number(between(3, 90) * 10),
        child=pick(("sister", "cousin", "niece")),
    )


def painter(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    life, between, pick = _life(stream, world, common), stream.between, stream.pick
    shown, end = int(life["yshow"]), int(life["ydied"])
    where = stream.sample(world.towns[1:], 2)
    works = stream.sample(_WORKS_A, 2)
    return life["full"], life | dict(
        work1=f"{works[0]} at {where[0]}",
        work2=pick((works[1], f"Portrait of {common['surname2']}")),
        ywork1=str(between(shown + 1, shown + 9)),
        ywork2=str(between(shown + 10, shown + 16)),
        yteach=str(between(shown + 12, end - 3)),
        count=number(between(40, 700)),
        sold=word(between(2, 9)),
        school=pick(world.towns[1:]),
    )


def engineer(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    life, between, pick = _life(stream, world, common), stream.between, stream.pick
    built, kids, length = int(life["yshow"]) + between(3, 10), between(3, 9), between(80, 2900)
    return life["full"], life | dict(
        thing=f"{pick(world.towns[1:])} {pick(_THINGS)}",
        ything=str(built),
        ycourt=str(built + between(2, 7)),
        ybook=str(built + between(1, 8)),
        book=pick(("On the", "A Treatise on the", "Principles of the", "Letters on the"))
        + " "
        + pick(("Strength", "Motion", "Uses"))
        + " of "
        + pick(("Water", "Iron", "Steam", "Stone")),
        editions=word(between(2, 11)),
        patents=str(between(5, 70)),
        siblings=word(kids),
        nthchild=pick(("first", "second", "third", "last")),
        len=number(length),
        lenft=number(round(length * FOOT)),
        dead=word(between(2, 12)),
        child1=person(stream).given,
        langs=word(between(3, 7)),
        pages=number(between(3, 60) * 100),
        river=world.rivers[0],
    )
