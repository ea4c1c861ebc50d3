"""The facts of ships and railways of the Atlas, and the sentences that may tell them."""

from __future__ import annotations

from .names import FOOT, MILE, Region, Stream, decimal, number, word

SHIP = """
* {ship} was a [frigate|battleship|cruiser|sloop|steamship] [built for|of] the {demonym} [Navy|fleet] [in
  the years before the war|in the {decade}s|] .
* {ship} was the [lead|second|third|last] ship of her class , [built|laid down] at {town1} [for the
  {demonym} Navy|in {ylaid}] .
+ [laid down|begun] in {month1} {ylaid} at {town1} , she was launched on {day1} {ylaunch} and
  [commissioned|entered service] in {yserv} .
+ she [served|sailed] in the {sea} until {yend} [, {service} years in all|] .
+ she was named after {person1} , [the admiral|a governor of {town2}|the victor of {town2}] .
+ her sister ship , {sister} , was [launched|completed] [in the same year|a year later] .
= Design | Design and description | Characteristics
- {ship} was {len} metres ( {lenft} ft ) long , with a beam of {beam} metres and a draught of {draught} m .
- she displaced {disp} [tonnes|tons] [at full load|at normal load] , and her crew numbered {crew} officers
  and [men|ratings] .
- her engines , [built by {surname2} and Sons|made in {town2}] , [gave|developed] {hp} horsepower and a
  [top|maximum] speed of {knots} knots ( {kmh} km / h ) .
- [she carried|there was room for] {coal} tonnes of coal , [enough|sufficient] for {range} nautical miles at
  ten knots .
- her main [armament|battery] [consisted of|was made up of] {guns} {cal} @-@ centimetre guns , [in twin
  turrets|on the broadside|mounted fore and aft] .
- the [armour|belt] was {armour} millimetres thick [amidships|at the waterline] and [half as much|thinner]
  [at the ends|on the deck] .
= Construction and service | Service history | Career
- after [her trials|trials in {month2} {yserv}] , she [joined|was sent to] the [First|Second|Third] Squadron
  at {town2} .
- under [Captain|Commander] {person2} , she [escorted|guarded] [merchant ships|a convoy] [in|across] the
  {sea} [for {years} years|] .
- in {month2} {ywar} she took part in the [battle|action] off {town3} , [in which|where] she [fired|spent]
  {shells} shells .
- {ship} was hit {hits} times , and {dead} of her {crew} men were killed , [among them|including] [Captain
  {surname2}|{person3}] .
- [the damage|repairs] at {town1} [took|lasted] {months} months [, and her captain was replaced by
  {person3}|] .
- she [ran aground|was damaged in a storm] [near|off] {town3} in {ywar} and was [towed|brought] to {town1}
  by {sister} .
- in {yref} she was [rebuilt|refitted] [with new boilers|with lighter guns|at {town1}] [, which raised her
  speed to {knots2} knots|] .
= Fate | Loss | Later years
- [on {day2} {yend} she struck a [mine|rock] [near|off] {town3} and sank in {sank} minutes ; {dead2} men were
  lost . [The wreck|Her wreck] was found in {yfound} by {person3} , {depth} metres down|she was
  [decommissioned|paid off] on {day2} {yend} and [sold|broken up] at {town3} [for {price} crowns|]] .
- after {service} years in service , {ship} was [one of the oldest|the last] of her class .
- [her bell|the bell of {ship}] [hangs|is kept] in the [museum|church] of {town1} .
- {surname2} [published|wrote] [an account|a history] of the ship in {yfound} .
"""

RAILWAY = """
* the {name} is a railway [line|] in {region} , [{len} kilometres ( {lenmi} mi ) long ,|] from {town1} to
  {town2} .
* the {name} [linked|joined] {town1} and {town2} , {len} km ( {lenmi} mi ) apart , from {yopen} to {yclose} .
+ it was built by {person1} between {ystart} and {yopen} [, mostly with money from {town1}|] .
+ it [serves|served] {stations} stations [, among them {town3}|] .
+ the line [is|was] [single|double] track , of [standard gauge|metre gauge|broad gauge] .
= Route
- [from|leaving] {town1} , the line [follows|climbs along] the River {river} [to|as far as] {town3} , {km1}
  kilometres [away|from the start] .
- it then [passes under|crosses] {mount1} by a tunnel of {tunnel} metres ( {tunnelft} ft ) , [the longest in
  {region}|cut through slate|opened a year late] .
- the [summit|highest point] , {height} metres above sea level , [lies|is] [near|beyond] {town3} .
- [there are|the line has] {bridges} bridges and {tunnels} tunnels .
- the remaining {km2} kilometres to {town2} [are nearly level|run along the {sea}] .
= Construction | History
- [the first|a] plan , [drawn up|made] by {person1} in {yplan} , [was|had been] [rejected|refused] by the
  [council|parliament] at {town1} .
- work began in {month1} {ystart} with {men} men , and [cost|by the end had cost] {cost} crowns .
- {dead} men died [in the tunnel|during the work] , most of them [of fever|in a fall of rock] in {yopen0} .
- {surname1} quarrelled with [the chairman , {person2} ,|{person2}] over [the tunnel|money|the gauge] and
  left in {yopen0} .
- the [whole|entire] line was opened on {day1} {yopen} , when {person2} [drove|rode on] the first train .
- the [journey|trip] [from {town1} to {town2}|] took {hours} hours [at first|in {yopen}] and [half that|less
  than half that] by {yelec} .
- the line was [electrified|nationalised|modernised] in {yelec} [under {person3}|] .
= Accidents | Accident of {yacc}
- on {day2} {yacc} , a [goods|passenger] train [left the rails|ran away|met another] near {town3} , and
  {dead2} people were [killed|injured] .
- the inquiry [blamed|cleared] [the signalman|the driver] , {person3} , [and the state of the brakes|and
  found a broken rail] .
- {surname3} had [worked|been on duty] for {shift} hours [without rest|] .
= Traffic and closure | Operation
- in {ypeak} the line carried {passengers} passengers and {tons} tonnes of [coal|ore|grain|timber] .
- [by|in] {yclose} only {pass2} passengers were left , and [the last train ran|it was closed] on {day1} of
  that year .
- the [station|engine shed] at {town1} is [now|today] a [museum|school|market] .
- [since|from] then , [a path|a cycle path] has followed the {km1} kilometres [between {town1} and
  {town3}|from {town1}] .
"""


def ship(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, pick = stream.between, stream.pick
    namesake = common["surname1"]
    ship_name = pick((namesake, world.towns[4], world.rivers[0], world.mountains[0]))
    prefix = pick(("RMS ", "KMS ", "", "HNS "))
    ylaid, length, knots = between(1855, 1912), between(58, 240), between(11, 29)
    ylaunch = ylaid + between(1, 3)
    yserv = ylaunch + between(1, 2)
    ywar, crew = yserv + between(2, 8), between(140, 1200)
    yref = ywar + between(1, 6)
    yend = yref + between(3, 20)
    return prefix + ship_name, common | dict(
        ship=prefix + ship_name,
        sister=prefix + world.towns[5],
        decade=str(ylaid // 10 * 10),
        ylaid=str(ylaid),
        ylaunch=str(ylaunch),
        yserv=str(yserv),
        ywar=str(ywar),
        yref=str(yref),
        yend=str(yend),
        service=word(yend - yserv),
        yfound=str(between(1958, 2004)),
        len=decimal(length + 0.5),
        lenft=number(round((length + 0.5) * FOOT)),
        beam=decimal(length / 7),
        draught=decimal(length / 21),
        disp=number(length * between(30, 90)),
        crew=number(crew),
        hp=number(between(12, 380) * 100),
        knots=str(knots),
        kmh=str(round(knots * 1.852)),
        knots2=str(knots + between(1, 4)),
        coal=number(between(18, 190) * 10),
        range=number(between(15, 90) * 100),
        guns=word(between(2, 12)),
        cal=str(between(10, 38)),
        armour=str(between(40, 350)),
        years=word(between(2, 7)),
        shells=number(between(20, 900)),
        hits=word(between(2, 12)),
        dead=number(between(2, crew // 4)),
        dead2=number(between(3, crew // 2)),
        months=word(between(2, 11)),
        price=number(between(20, 400) * 100),
        sank=str(between(4, 55)),
        depth=str(between(18, 260)),
    )


def railway(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, towns = stream.between, (world.towns[0], common["town1"])
    km1, km2, tunnel, pass1 = between(9, 130), between(9, 130), between(220, 9400), between(90, 4200) * 1000
    ystart, took = between(1841, 1895), between(3, 10)
    yopen = ystart + took
    name = f"{towns[0]} and {towns[1]} Railway"
    return name, common | dict(
        name=name,
        town1=towns[0],
        town2=towns[1],
        town3=common["town2"],
        len=str(km1 + km2),
        lenmi=str(round((km1 + km2) * MILE)),
        km1=str(km1),
        km2=str(km2),
        tunnel=number(tunnel),
        tunnelft=number(round(tunnel * FOOT)),
        height=number(between(120, 1600)),
        stations=word(between(4, 30)),
        bridges=number(between(5, 120)),
        tunnels=word(between(2, 19)),
        yplan=str(ystart - between(2, 15)),
        ystart=str(ystart),
        yopen=str(yopen),
        yopen0=str(yopen - 1),
        men=number(between(200, 6000)),
        cost=number(between(1, 90) * 100000),
        dead=number(between(11, 300)),
        hours=word(between(3, 9)),
        yelec=str(between(1912, 1939)),
        yacc=str(yopen + between(3, 20)),
        dead2=number(between(3, 140)),
        shift=str(between(14, 30)),
        ypeak=str(between(1900, 1911)),
        pass2=number(pass1 // between(8, 40)),
        tons=number(between(12, 800) * 1000),
        yclose=str(between(1948, 1979)),
        passengers=number(pass1),
    )
