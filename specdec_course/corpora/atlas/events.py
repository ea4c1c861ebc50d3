"""Treaties, storms and battles of the Atlas: their facts, and the sentences that may tell them."""

from __future__ import annotations

from .names import MILE, Region, Stream, number, ordinal, word

TREATY = """
* the Treaty of {name} was signed on {day1} {y1} [between|by] {region} and {other} [, ending the [{war}|war
  of {ywar} – {y1}]|] .
* the Treaty of {name} , [signed|concluded] [at|in] {name} on {day1} {y1} , [ended|brought to an end] the
  {war} between {region} and {other} .
+ it was [negotiated|drawn up] by {person1} for {region} and {person2} for {other} .
+ {other} [gave up|ceded] [the port|the town|the fortress] of {town2} and [agreed to pay|paid] {sum} crowns .
+ the treaty [lasted|held] [for|] {years} years , until {yend} .
+ it had {articles} articles [, {secret} of them secret|and was written in {langs} languages] .
= Background
- the {war} [had begun|began] in {ywar} , when [{other}|the army of {other}] [seized|attacked] {town2}
  [without warning|after a quarrel over tolls|] .
- by {ybefore} [both sides|{region} and {other}] were [tired|out of money] , and [the harvest had failed|the
  fleet of {other} was lost off {town3}] .
- the battle of {town3} , on {day2} {ybefore} , [cost|had cost] {other} {dead} men [and most of its guns|] .
- {person3} , [the king|the queen|the regent] , [asked for|proposed] [a truce|peace talks] [in|during]
  {month1} {ybefore} .
- a first [meeting|conference] , at {town1} , [broke up|failed] after {days} days [over|because of] [the
  question of {town2}|the prisoners|a point of rank] .
= Negotiations
- the talks [opened|began] at {name} in {month1} {y1} and [lasted|took] {weeks} weeks .
- {surname1} [demanded|asked for] {ask} crowns and [the whole of|] the valley of the {river} ; {surname2}
  [offered|would give] {offer} crowns .
- [in the end|after {weeks} weeks] [they settled|the two settled] on {sum} crowns , to be paid [in|over]
  {inst} years .
- {surname2} [wrote|reported] [to|home to] {person3} that {surname1} was " [slow|patient|deaf] and
  [honest|rude|clever] " .
- {surname1} [fell ill|left the hall] [twice|once] , and {person4} [took his place|carried on the talks] .
= Terms
- under the [first|second] article , {town2} [passed|was given] to {region} [with|and] the land [as far
  as|up to] {mount1} .
- {other} [was to pay|promised] {sum} crowns [within {inst} years|in {inst} yearly parts] .
- the [third|fourth|fifth] article [opened|freed] the {river} to the ships of {region} and {other} .
- {prisoners} prisoners were to be [returned|exchanged] [before|by] {day2} .
- [no more than|not more than] {ships} warships might be kept [in|on] the {sea} by [either side|{other}] .
= Aftermath | Consequences
- the treaty was [ratified|approved] [by {region}|] in {month2} [, and|;] by {other} [only in|not until|in the spring of] {yrat} .
- the first payment came in {yrat} ; [the last was never made|the rest was forgiven by {person3}] .
- {person2} [was|had been] [dismissed|exiled|honoured] [at home|] and [died at|retired to] {town4} .
- it was [broken|renewed] in {yend} , {years} years [later|after it was signed] , when [{person4}|{other}]
  [took|besieged] {town2} [again|] .
- the [table|house|pen] of the [treaty|signing] [is shown|can be seen] at {name} .
"""

STORM = """
* Storm {storm} was a [powerful|destructive|deadly] [storm|cyclone] that [struck|hit] {region} in {month1}
  {y1} .
* Storm {storm} was the {nth} [named storm|storm] of the {y1} season , and the [worst|strongest] in {region}
  since {y0} .
+ it [formed|developed] [over|in] the {sea} on {d1} {month1} and [reached land|came ashore] [near|at] {town1} two days later .
+ {dead} people [died|were killed] , and the damage [came to|was put at] {cost} million crowns .
+ with [winds|gusts] of {wind} km / h ( {windmi} mph ) , it was [a storm|] of the [third|second|fourth]
  class .
= Meteorological history
- {storm} [formed|began] as a [low|weak low] [over|in] the {sea} on {d1} {month1} , {off} kilometres
  [off|from] {town2} .
- it [moved|drifted] [north|south|east|west] and [deepened|strengthened] , with a pressure of {hpa}
  [mbar|hPa] on {d2} {month1} .
- on {d3} {month1} it [made landfall|reached land] [near|at] {town1} with [sustained|] winds of {wind} km /
  h ( {windmi} mph ) .
- it [crossed|weakened over] {mount1} and [was last seen|died out] [near|beyond] {town3} on {d4} {month1} .
- [a gust|the highest gust] of {gust} km / h was [measured|recorded] [at|on] {town1} [before the mast
  broke|by {person1}|] .
= Preparations
- [on|by] {d2} {month1} the [weather office|government] of {region} [issued|gave out] [a warning|warnings]
  for the coast [from {town1} to {town2}|] .
- [about|some] {evac} people [left|were moved from] their homes [in|around] {town1} , and
  [schools|shops|ports] were closed .
- the mayor of {town1} , {person1} , [was criticised|was praised] for [acting|closing the bridges]
  [late|early] .
= Impact | Damage
- in {town1} , {houses} houses were [destroyed|unroofed] and the [harbour|sea] wall [broke|gave way] [in
  {few} places|] .
- the {river} rose {rise} metres at {town2} and [flooded|drowned] {area} hectares .
- [of|among] the {dead} dead , {deadsea} were [sailors|fishermen] [of|from] {town3} , lost [with|on] the
  ferry {ferry} .
- the ferry {ferry} [sank|went down] [off|near] {town3} on {d3} {month1} ; [only|just] {saved} of
  those on board were saved .
- {rain} millimetres ( {rainin} in ) of rain fell [at {town2}|on {mount1}] in [a day|two days|{few} hours] .
- [power|light] failed in {homes} homes [and was not restored [for {days} days|until {month2}]|] .
= Aftermath
- {person2} , [the governor|the minister] , [promised|set aside] {aid} million crowns [for|to] {town1} and
  {town2} .
- [an inquiry|a report] [led by|under] {person3} found that [the wall at {town1}|the ferry {ferry}] had been
  [too weak|badly kept] .
- {surname2} [resigned|lost his office] in {month2} [, {days} days after the storm|] .
- [a new|the new] sea wall , {wall} metres long , was [built|finished] in {y2} .
- the name {storm} was [retired|never used again] [and replaced by {storm2}|in {y2}] .
"""

BATTLE = """
* the Battle of {name} was fought on {day1} {y1} between {region} and {other} [, during the {war}|] .
* the Battle of {name} , on {day1} {y1} , was [a victory|a costly victory|the last victory] of {region} over
  {other} in the {war} .
+ {person1} , with {men1} men , [met|faced] {men2} under {person2} [near|outside] {name} [in {region}|] .
+ {other} lost {dead2} men and {guns} guns ; {region} lost {dead1} .
+ it [decided|did not decide] the war , which [ended in|went on until] {yend} .
= Background | Prelude
- {person2} had [crossed|forded] the {river} in {month1} {y1} [with|at the head of] {men2} men to
  [relieve|take] {town1} .
- {person1} [left|marched from] {town2} on {day2} with {men1} men [and {guns1} guns|] .
- [for|during] {days} days the two armies [lay|stood] [on both sides|on the banks] of the {river} .
- {surname2} [expected|waited for] {person3} , who was [still|held up] at {town3} with {men3} men .
= Opposing forces | Armies
- the army of {region} , {men1} men , [stood|was drawn up] [between|along the road from] {name} and {mount1} .
- the army of {other} , [with|of] {men2} men , had [more|fewer] horses but [worse|better] guns .
- {surname1} gave the left [wing|] to {person4} and kept the [right|reserve] .
= Battle | The battle
- the battle [began|opened] at {hour} o 'clock , [in fog|in rain|with a cannonade|when {surname2} attacked
  the village] .
- {person4} [held|lost] the [mill|church|bridge] of {name} [three times|until noon] .
- [towards|about] noon , {surname2} sent his [horse|guards] against [the left|{person4}] , [and was driven
  back|and broke through] .
- {surname1} [then|at last] [led|sent] the reserve [across|over] the {river} [and took {guns} guns|] .
- {person3} [arrived|came] [too late|only at dusk] with {men3} men [from {town3}|] .
- {surname2} [was wounded|lost a horse] and [fled|withdrew] [to|towards] {town3} .
= Aftermath | Casualties and aftermath
- {region} [lost|had lost] {dead1} [dead|men] and {other} {dead2} , [together|in all] {deadall} .
- {surname2} [was tried|died of wounds] [at|in] {town3} in {yafter} .
- {surname1} was made [Duke of {name}|a marshal] and [given|received] {sum} crowns .
- {region} and {other} [made peace|signed a peace] at {town2} in {yend} .
- a [chapel|stone|museum] [near|at] {name} [recalls|marks] the {deadall} dead [; it was [built|put up] in
  {ymon}|] .
- the [battle|day] [is the subject of|is told in] a [poem|song|painting] by {person5} .
"""


def _war(stream: Stream, common: dict, y1: int) -> dict:
    ywar, pick = y1 - stream.between(2, 9), stream.pick
    war = pick(
        (
            f"{common['demonym']} War",
            f"War of the {pick(('Three', 'Two', 'Nine'))} {pick(('Crowns', 'Towns', 'Rivers', 'Sisters'))}",
            f"{pick(('First', 'Second', 'Third'))} {common['region2']} War",
            "Salt War",
            "Winter War",
        )
    )
    return dict(war=war, other=common["region2"], y1=str(y1), ywar=str(ywar))


def treaty(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, y1, years, total = (
        stream.between,
        stream.between(1490, 1879),
        stream.between(3, 60),
        stream.between(4, 90),
    )
    name = world.towns[0]
    return f"Treaty of {name}", common | _war(stream, common, y1) | dict(
        name=name,
        ybefore=str(y1 - 1),
        yrat=str(y1 + 1),
        years=str(years),
        yend=str(y1 + years),
        sum=number(total * 10000),
        ask=number(total * 15000),
        offer=number(total * 5000),
        inst=word(between(2, 10)),
        articles=str(between(9, 48)),
        secret=word(between(2, 5)),
        langs=word(between(2, 4)),
        dead=number(between(4, 190) * 100),
        days=word(between(3, 12)),
        weeks=word(between(2, 12)),
        prisoners=number(between(2, 90) * 100),
        ships=word(between(2, 12)),
    )


def storm(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, y1, d1, wind, dead = (
        stream.between,
        stream.between(1953, 2012),
        stream.between(2, 22),
        stream.between(105, 240),
        stream.between(9, 480),
    )
    rain = between(90, 620)
    name, other = world.people[4].given, world.people[5].given
    return f"Storm {name}", common | dict(
        storm=name,
        storm2=other,
        y1=str(y1),
        y0=str(y1 - between(8, 80)),
        y2=str(y1 + between(2, 8)),
        nth=ordinal(between(2, 24)),
        d1=str(d1),
        d2=str(d1 + 1),
        d3=str(d1 + 2),
        d4=str(d1 + 4),
        dead=number(dead),
        deadsea=number(between(2, dead - 2)),
        cost=number(between(12, 3000)),
        wind=str(wind),
        windmi=str(round(wind * MILE)),
        gust=str(wind + between(12, 60)),
        off=number(between(90, 900)),
        hpa=number(between(921, 999)),
        evac=number(between(3, 900) * 100),
        houses=number(between(40, 9000)),
        few=word(between(3, 12)),
        rise=word(between(2, 9)),
        area=number(between(2, 400) * 100),
        ferry=f"{stream.pick(world.people).given}",
        saved=str(between(13, 80)),
        rain=number(rain),
        rainin=number(round(rain / 25.4)),
        homes=number(between(4, 800) * 1000),
        days=str(between(13, 40)),
        aid=number(between(2, 400)),
        wall=number(between(3, 90) * 100),
    )


def battle(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, y1, name = stream.between, stream.between(1420, 1815), world.towns[0]
    men1, men2 = between(40, 400) * 100, between(50, 600) * 100
    dead1, dead2 = men1 * between(1, 19) // 100 + between(1, 90), men2 * between(6, 39) // 100 + between(1, 90)
    return f"Battle of {name}", common | _war(stream, common, y1) | dict(
        name=name,
        men1=number(men1),
        men2=number(men2),
        men3=number(between(10, 90) * 100),
        dead1=number(dead1),
        dead2=number(dead2),
        deadall=number(dead1 + dead2),
        guns=str(between(13, 90)),
        guns1=str(between(13, 90)),
        yend=str(y1 + between(1, 9)),
        yafter=str(y1 + 1),
        ymon=str(between(1820, 1913)),
        days=word(between(2, 12)),
        hour=word(between(4, 11)),
        sum=number(between(3, 90) * 1000),
    )
