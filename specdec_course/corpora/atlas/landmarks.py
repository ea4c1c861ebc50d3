"""The facts of mountains and bridges of the Atlas, and the sentences that may tell them."""

from __future__ import annotations

from .names import BEASTS, FOOT, MILE, Region, Stream, decimal, number, word

MOUNTAIN = """
* {name} is a mountain in {region} , {height} metres ( {feet} ft ) high .
* {name} , at {height} m ( {feet} ft ) , is the [second highest|third highest|fourth highest] mountain [of|in]
  {region} .
* {name} is [a volcano|an extinct volcano|a peak] in the {range} [range|mountains] of {region} .
+ it [stands|rises] {km} kilometres ( {mi} mi ) from {town1} , [above|over] the valley of the {river} .
+ it was first climbed [on {day1} {y2}|in {month1} {y2}] by {person1} and {person2} .
+ the [summit|peak] can be seen from {town1} and , [in clear weather|on clear days] , from {town2} .
= Geography | Geography and geology
- {name} belongs to the {range} range , [which runs|running] [from {town1} to {town2}|along the {sea}] .
- its prominence is {prom} metres , and the nearest higher [mountain|peak] is {mount1} , {km} kilometres to
  the [north|south|east|west] .
- the [rock|mountain] is [mainly|mostly] [granite|limestone|basalt|slate|gneiss] , [about|some] {age}
  million years old .
- the {river} rises on its [northern|southern|eastern|western] [slope|side] , at {spring} metres .
- [a glacier|the glacier] of {glac} square kilometres covers the [northern|eastern] side ; in {y2} it
  [measured|covered] {glac0} .
- snow lies on the summit [from {month1} to {month2}|for {months} months of the year] .
= Climbing history | Ascents | Climbing
- the first attempt , in {y1} , was led by {person3} , who [turned back|gave up] [because of [a storm|deep
  snow]|at {tried} metres] .
- {surname1} and {surname2} set out from {town1} on {day1} {y2} and reached the [top|summit] after {hours}
  hours .
- on the [way down|descent] , {surname2} [fell into a crevasse|lost a boot|was struck by a stone] but [was
  saved by {surname1}|survived] .
- [a later|the next] party , led by {person3} in {y3} , [found|took] the route [along|by] the
  [north|south|east|west] ridge .
- {surname1} [described|told of] the climb in [the book|the volume] " {book} " , [published|printed] in {y3} .
- {deaths} climbers have died on {name} since {y2} , [{few} of them in the winter of {y4}|most of them on
  the north face] .
- a [hut|shelter] was built at {hut} metres in {y3} [and named after {person1}|] ; it [sleeps|holds] {beds}
  people .
= Wildlife | Flora and fauna
- below {tree} metres the slopes are covered with [pine|beech|birch|larch|oak] .
- the {beast} is [found|common] on the [northern|southern] slopes , [up to {spring} metres|as far up as
  {spring} metres] .
- the [mountain|area] has been a [national park|reserve] since {y4} [, with an area of {area} square
  kilometres|] .
= Name | In culture
- the name [means|is said to mean] " [old|white|black|broken|sleeping] [tooth|man|horn|woman|wall] " in the
  {demonym} [dialect|language] .
- in the [legend|tale] , [a giant|a queen|a smith] from {town1} [sleeps|lies] under the mountain .
- the painter {person3} [painted|drew] {name} {times} times [from {town2}|between {y3} and {y4}] .
- the [people|shepherds] of {town1} call it {nick} .
"""

BRIDGE = """
* the {name} is [a|an old] [road|railway|foot] bridge over the {river} [at|in] {town1} , {region} .
* the {name} [carries|takes] [a road|the railway] [across|over] the River {river} between {town1} and
  {town2} .
+ [designed|planned] by {person1} , it was [opened|completed] on {day1} {y2} .
+ it is {len} metres ( {lenft} ft ) long and has {spans} [arches|spans] .
+ it [replaced|stands beside] [an older|a wooden] bridge of {y1} .
= Design | Description
- the bridge has {spans} [arches|spans] , the longest of {span} metres ( {spanft} ft ) .
- the deck is {width} metres wide and [lies|stands] {high} metres above the [water|river] [at low water|in
  summer] .
- it [contains|is built of] {tons} tonnes of [iron|steel|granite|limestone] [from {town2}|brought by river
  from {town2}|] .
- {surname1} had [used|tried] the same [form|design] at {town3} in {y1b} , on a smaller scale .
- the [towers|piers] stand on [oak piles|rock] {deep} metres below the [bed|bottom] of the {river} .
= Construction | History
- [a bridge at|the crossing at] {town1} was [first proposed|demanded] in {y0} , but the [council|government]
  [refused to pay|could not agree] .
- work [began|started] in {month1} {ystart} under {person1} , with {men} [men|workers] , and took {took}
  years .
- the bridge [cost|had cost] {cost} crowns , [of which {town1} paid {share}|paid for by a toll|more than
  twice the estimate] .
- {deaths} workers [died|were killed] during [construction|the work] , {few} of them when a
  [pier|scaffold|caisson] [collapsed|gave way] in {ystart} .
- {surname1} fell ill in {ystart} , and {person2} [finished|completed] the bridge in {y2} .
- it was [opened|blessed] on {day1} {y2} by {person3} , [before a crowd of {crowd}|in heavy rain|who crossed
  it on foot] .
= Later history | Use and repairs | Present day
- in the flood of {y3} , [the bridge|it] lost [two|one|three] of its {spans} [arches|spans] , which were
  rebuilt [within a year|by {person2}] .
- a toll of {toll} pence was [taken|charged] until {y3} .
- a survey in {y4} found [cracks|rust] in [the piers|the longest span] , and the bridge was closed for
  {months} months .
- [about|some] {cars} [vehicles|trains|people] cross [it|the bridge] every [day|week] [as of {y4}|] .
- the {name} has been [a protected monument|listed] since {y4} .
- it [appears|is shown] on the [coat of arms|coins] of {town1} and in a [painting|poem] by {person3} .
"""


def mountain(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, name = stream.between, world.mountains[0]
    height, km, y2, glac = between(900, 4800), between(5, 60), between(1790, 1890), between(11, 190) / 10
    pick, third = stream.pick, stream.between(2, 9)
    return name, common | dict(
        name=name,
        mount1=world.mountains[1],
        height=number(height),
        feet=number(round(height * FOOT)),
        range=world.mountains[2][:-3] + pick(("ic", "ine", "an")),
        km=str(km),
        mi=str(round(km * MILE)),
        y1=str(y2 - between(2, 40)),
        y2=str(y2),
        y3=str(y2 + between(3, 60)),
        y4=str(between(1952, 1999)),
        prom=number(height * between(10, 70) // 100),
        age=number(between(12, 480)),
        spring=number(height * between(40, 60) // 100),
        glac=decimal(glac),
        glac0=decimal(glac * 1.5 + 2),
        months=word(between(3, 10)),
        tried=number(height * between(75, 94) // 100),
        hours=word(between(4, 12)),
        book=pick(("Above", "Under", "Beyond", "Nights on", "Days on"))
        + " "
        + pick(("the Ice", "the Ridge", "the Clouds", name)),
        deaths=number(third + between(2, 60)),
        few=word(third),
        hut=number(height * between(55, 72) // 100),
        beds=number(between(8, 90)),
        tree=number(height * between(25, 38) // 100),
        beast=pick(BEASTS),
        area=number(between(20, 700)),
        times=word(between(3, 12)),
        nick=pick(("Old", "Grey", "Grandfather", "Mother", "Cold")) + " " + world.mountains[0][:4],
    )


def bridge(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, pick = stream.between, stream.pick
    length, ystart, took, few, cost = (
        between(60, 1400),
        between(1790, 1905),
        between(2, 11),
        between(2, 9),
        between(40, 900),
    )
    span = length // between(3, 6)
    name = pick(
        (
            f"{world.towns[0]} Bridge",
            f"{common['surname2']} Bridge",
            f"{world.rivers[0]} Bridge",
            "Old Salt Bridge",
        )
    )
    return name, common | dict(
        name=name,
        town1=world.towns[0],
        river=world.rivers[0],
        len=number(length),
        lenft=number(round(length * FOOT)),
        spans=word(between(3, 12)),
        span=str(span),
        spanft=number(round(span * FOOT)),
        width=decimal(between(31, 190) / 10),
        high=str(between(6, 60)),
        tons=number(between(3, 99) * 100),
        deep=str(between(3, 28)),
        y0=str(ystart - between(4, 30)),
        y1=str(between(1400, 1780)),
        y1b=str(ystart - between(1, 3)),
        ystart=str(ystart),
        y2=str(ystart + took),
        took=word(took),
        men=number(between(60, 2400)),
        cost=number(cost * 1000),
        share=number(cost * 250),
        deaths=str(few + between(1, 40)),
        few=word(few),
        crowd=number(between(2, 40) * 1000),
        y3=str(ystart + took + between(5, 40)),
        toll=word(between(2, 9)),
        y4=str(between(1962, 2004)),
        months=word(between(2, 11)),
        cars=number(between(3, 420) * 100),
    )
