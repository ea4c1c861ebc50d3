"""The facts of towns and rivers of the Atlas, and the sentences that may tell them."""

from __future__ import annotations

from .names import BEASTS, FOOT, MILE, Region, Stream, decimal, number, word

TOWN = """
* {name} is a [town|market town|port|small city] in [the [north|south|east|west] of {region}|{region} , on
  the {sea}|the {demonym} province of {province}] .
* {name} is a {demonym} [town|port|market town] [on|at the mouth of] the River {river} , [{km} km|{km}
  kilometres ( {mi} mi )] [north|south|east|west] of {town1} .
* {name} ( [formerly|historically] {oldname} ) is a [town|municipality] in {region} , [founded|first
  recorded] in {y1} .
+ it [lies|stands] on the River {river} , [about|some|roughly] {km} [km|kilometres] ( {mi} mi ) from {town1} .
+ [as of|at the time of] the census of {y5} , {name} had a population of {pop} [|, making it the {rank}
  largest [town|settlement] in {region}] .
+ the town is [best known|known|famous] for its {trade} and [for its|the] {building} , which [dates from|was
  built in|was completed in] {y2} .
+ {name} is twinned with {town2} and {town3} .
+ [its|the] inhabitants are called {demonym} [like all people of the region|in the older books] , but
  [call|have long called] themselves {nick} .
= Geography | Location and climate | Geography and climate
- {name} [lies|is situated] [on the [left|right] bank of|beside] the River {river} , at {height} metres (
  {feet} ft ) above sea level .
- the town [covers|has] an area of {area} square kilometres ( {sqmi} sq mi ) [, most of it
  [farmland|forest|marsh]|] .
- to the [north|east] the land rises [gently|steeply] towards {mount1} ; to the [south|west] lies the
  [plain|valley] of {town2} .
- the climate is [mild and wet|cold and dry|temperate] , with an [average|annual] rainfall of {rain}
  millimetres ( {rainin} in ) .
- the [coldest|wettest] month is {month1} , and the [warmest|driest] is {month2} .
- the nearest [towns|settlements] are {town1} , {km} [km|kilometres] away , and {town2} .
= History | Early history | History
- the first [mention|record] of the town , as {oldname} , [is found in|appears in] a [charter|letter|tax
  roll] of {y1} .
- in {y2} , {person1} [gave|granted] the town [a charter|the right to hold a market|the right to build
  walls] , and the {building} was begun in the same year .
- during the [war|siege|revolt] of {y3} , {name} was [taken|burned|besieged] by [the army of {town2}|troops
  under {person2}|the {demonym} fleet] .
- {surname2} [held|kept] the town for {months} months , until [a peace was signed|help came from {town1}|the winter drove the besiegers away] .
- a [fire|flood] in {month1} {y3} [destroyed|damaged] [most of|much of|nearly half of] the [old
  town|harbour|lower town] , and {deaths} people [died|lost their lives] .
- the railway from {town1} reached {name} in {y4} , [and|after which] the {trade} grew [quickly|rapidly] .
- the [harbour|market hall|town hall] was [rebuilt|enlarged] [between {y4} and {y5}|in {y4}] [to a design
  by|under] the [engineer|architect] {person1} .
- {surname1} , who had [come from|been born in] {town3} , [is buried in|paid for] the {building} .
= Demographics | Population
- in {y4} the town had {pop0} inhabitants ; by {y5} the [number|figure] had [risen|grown] to {pop} , an
  increase of {growth} .
- [of|among] the {pop} inhabitants in {y5} , {pct} [%|per cent] were under the age of
  [fifteen|eighteen|twenty] .
- [about|some] {pct2} per cent of the [people|population] speak [the {demonym} dialect|{demonym}] at home .
- the [average|mean] household had {hh} [people|members] .
= Economy | Economy and transport
- the [economy|wealth] of {name} [rests|has long rested] on {trade} , [and more recently|together with] on
  {trade2} .
- {trade} [employs|employed] {jobs} people in {y5} , [more than any other trade|most of them in the works of
  {person2}] .
- the [largest|oldest] firm , {surname2} and Sons , was founded in {y4} [and employs {jobs} people|by
  {person2}] .
- a [road|railway|canal] [links|joins|connects] {name} with {town1} and {town2} .
- the port [handles|handled] {tons} tonnes of [grain|timber|fish|coal|salt] a year [in the time of
  {person2}|before the harbour was closed|] .
= Landmarks | Culture | Sights
- the {building} , [completed|begun|consecrated] in {y2} , is the [oldest|tallest|largest] building in the
  town .
- it has a [tower|spire|dome] of {tower} metres ( {towerft} ft ) and [holds|contains] a
  [painting|carving|bell] by {person1} .
- a [statue|monument] of {person1} has stood [in front of|beside] the {building} since {y5} .
- the [museum|library] [shows|holds] [works|letters] of {surname1} and [a collection of|several]
  [maps|coins|ships ' models] .
- every {month2} , the town [holds|celebrates] [a fair|a festival|the Feast of {oldname}] [, which draws
  {jobs} visitors|] .
"""

RIVER = """
* the {name} is a river in [{region}|[northern|southern|eastern|western] {region}] , {len} kilometres (
  {lenmi} mi ) long .
* the River {name} is [the [longest|second longest] river of {region}|a {demonym} river] , [flowing|which
  flows] from {mount1} to the {sea} .
+ it rises [on|at the foot of] {mount1} , at a height of {height} metres ( {feet} ft ) , and flows
  [north|south|east|west] to the {sea} .
+ [its|the] basin covers {area} square kilometres ( {sqmi} sq mi ) .
+ the [largest|principal] towns on its banks are {town1} , {town2} and {town3} .
+ its name [is thought to come|comes] from an old {demonym} word for " [cold|bright|winding|grey|swift]
  [water|stone|valley] " .
= Course
- from its source , the {name} [runs|flows] [through|past] {town1} , where it is [joined|met] by the River
  {river} .
- below {town1} the river [widens|narrows] to {width} metres ( {widthft} ft ) and [enters|leaves] [a
  gorge|the forest|the plain of {region}] .
- it [reaches|enters] the {sea} [at|near] {town3} , {len} kilometres from its source .
- the River {river} , its [largest|longest] tributary , is {len2} kilometres ( {len2mi} mi ) long .
- between {town1} and {town2} the {name} [falls|drops] {fall} metres in {fallkm} kilometres .
- at {town2} it is [crossed|spanned] by a [stone|railway|chain] bridge of {y2} .
= Hydrology | Flow
- the [mean|average] discharge at {town2} is {flow} cubic metres per second , with a [maximum|highest
  recorded value] of {flowmax} in {month1} {y3} .
- the river [freezes|dries out] [in most years|every few years|rarely] , [usually|mostly] in {month2} .
- [the flood of|in] {month1} {y3} , [|the flood] [rose|the water rose] {rise} metres at {town2} and {deaths}
  people [died|drowned] .
- after the flood of {y3} , [dykes|dams] were built [under|by] the engineer {person1} [between {town1} and
  {town2}|at a cost of {cost} crowns] .
- the dam at {town1} , [finished|opened] in {y4} , [supplies|gives] {mw} megawatts of power .
= History | Navigation
- [boats|barges] have carried [grain|salt|timber|iron] on the {name} since [at least|about] {y1} .
- {person1} [made|published] the first [survey|map] of the river in {y2} .
- {surname1} [measured|gave] its length as {oldlen} kilometres , {oldfault} .
- a canal [to|from] the River {river} was [opened|dug] in {y2} , and [abandoned|closed] in {y4} .
- the river [formed|was] the border [of {region}|between {town1} and {town3}] until the treaty of {y2} .
= Ecology | Wildlife
- the {name} is home to {fish} [species|kinds] of fish , among them the {beast} .
- the {beast} [disappeared|vanished] from the river in {y3} , and was [brought back|released again] in {y4}
  by {person2} .
- the [reed beds|marshes] [near|below] {town3} have been [protected|a reserve] since {y4} .
- [water quality|the water] [improved|became cleaner] after the [tanneries|mills|works] of {town2} closed in
  {y4} .
"""

_TRADES = (
    "fishing",
    "shipbuilding",
    "salt",
    "wool",
    "glass making",
    "printing",
    "brewing",
    "mining",
    "clock making",
    "the timber trade",
    "paper making",
    "the wine trade",
    "weaving",
    "tanning",
)

_BUILDINGS = (
    "Abbey Church",
    "Old Town Hall",
    "Salt Tower",
    "Cathedral",
    "Corn Exchange",
    "Bishop 's Palace",
    "Customs House",
    "Castle",
    "Great Mill",
    "Market Cross",
)


def town(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    name, between, pick = world.towns[0], stream.between, stream.pick
    y1, km, height, area = between(1050, 1390), between(6, 90), between(2, 640), between(9, 240)
    pop0, growth, rain, tower = between(900, 60000), between(400, 30000), between(310, 1900), between(21, 118)
    trade, trade2 = stream.sample(_TRADES, 2)
    y2, y4 = y1 + between(30, 240), between(1835, 1899)
    return name, common | dict(
        name=name,
        province=common["mount2"] + pick(("dale", "shire", "mark")),
        oldname=pick(("Old ", "Alt", "Castra ")) + name[:4].title(),
        km=number(km),
        mi=number(round(km * MILE)),
        y1=str(y1),
        y2=str(y2),
        y3=str(between(1640, 1830)),
        y4=str(y4),
        y5=str(between(1905, 1998)),
        pop0=number(pop0),
        pop=number(pop0 + growth),
        growth=number(growth),
        rank=pick(("second", "third", "fourth", "fifth", "sixth", "tenth")),
        trade=trade,
        trade2=trade2,
        building=pick(_BUILDINGS),
        nick=pick(("Grey", "Mud", "Salt", "Bell", "Fog")) + pick(("coats", "feet", "caps", "hands")),
        height=number(height),
        feet=number(round(height * FOOT)),
        area=number(area),
        sqmi=number(round(area * MILE**2)),
        rain=number(rain),
        rainin=number(round(rain / 25.4)),
        months=word(between(2, 12)),
        deaths=number(between(4, 900)),
        pct=str(between(11, 34)),
        pct2=str(between(35, 88)),
        hh=decimal(between(19, 46) / 10),
        jobs=number(between(120, 9000)),
        tons=number(between(2, 90) * 1000),
        tower=str(tower),
        towerft=number(round(tower * FOOT)),
    )


def river(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between = stream.between
    length, height, area, width, len2 = (
        between(40, 980),
        between(300, 2400),
        between(300, 42000),
        between(15, 420),
        between(20, 300),
    )
    flow, y2, fault = between(12, 900), between(1710, 1830), stream.pick((0.8, 0.9, 1.1, 1.2))
    name = world.rivers[0]
    return f"River {name}", common | dict(
        name=name,
        river=world.rivers[1],
        len=number(length),
        lenmi=number(round(length * MILE)),
        height=number(height),
        feet=number(round(height * FOOT)),
        area=number(area),
        sqmi=number(round(area * MILE**2)),
        width=number(width),
        widthft=number(round(width * FOOT)),
        len2=number(len2),
        len2mi=number(round(len2 * MILE)),
        fall=number(between(12, 280)),
        fallkm=number(between(3, 90)),
        y1=str(between(1100, 1600)),
        y2=str(y2),
        y3=str(between(1840, 1925)),
        y4=str(between(1930, 1996)),
        flow=number(flow),
        flowmax=number(flow * between(3, 9)),
        rise=decimal(between(21, 96) / 10),
        deaths=number(between(3, 700)),
        cost=number(between(20, 900) * 1000),
        mw=number(between(4, 300)),
        fish=number(between(8, 46)),
        beast=stream.pick(BEASTS),
        oldlen=number(round(length * fault)),
        oldfault={
            0.8: "a fifth too little",
            0.9: "a tenth too little",
            1.1: "a tenth too much",
            1.2: "a fifth too much",
        }[fault],
    )
