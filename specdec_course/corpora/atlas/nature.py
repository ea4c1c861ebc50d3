"""The facts of species of the Atlas, and the sentences that may tell them."""

from __future__ import annotations

from .names import BEASTS, Region, Stream, decimal, number, word

SPECIES = """
* {latin} , [the|commonly called the|known as the] {common} , is a species of {group} [found in|from|native
  to] {region} .
* the {common} ( {latin} ) is a {group} [of|in] the genus {genus} , [found|which lives] [in {region}|along
  the {sea}|around {mount1}] .
+ it was [first described|described] by {finder} in {y1} [, from specimens [taken|collected] near {town1}|] .
+ adults [reach|grow to] [a length of|] {len} centimetres ( {lenin} in ) and weigh {grams} grams [, females
  being [larger|smaller]|] .
+ it is [listed as|thought to be] [vulnerable|endangered|of least concern] , [with|having] [about|some]
  {adults} adults [left|in the wild] .
+ it [feeds on|eats] {food} [and [lives|is found] in {habitat}|] .
= Taxonomy | Taxonomy and naming
- {finder} described the species in {y1} as {latin0} ; [it was moved|{finder2} moved it] to {genus} in {y2} .
- the name {epithet} [honours|refers to] [{finder2} , who found the first specimen|the town of {town1}] .
- [the genus|] {genus} has {nspecies} [known|living] species , of which {latin} is the
  [largest|smallest|only one in {region}] .
- its [closest|nearest] relative is {genus} {epithet2} , from [the mountains of {region}|the coast near
  {town2}|which it differs in colour] .
- [three|two|four] subspecies [are recognised|have been named] , [one of them|the rarest] from {mount1} .
= Description
- the [body|upper side] is [dark|pale|bright] [brown|grey|green|blue|red] , with [a row of|]
  [white|yellow|black|orange] [spots|bands|stripes] [on the [sides|back]|] .
- males are {lenm} cm long on average , females {len} [cm|centimetres] , and the [young|juveniles] [are
  paler|have no markings] .
- [it can be told|the {common} is told] from {genus} {epithet2} by its [longer|shorter|wider|narrower] [body|head] .
- a [specimen|female] [caught|taken] [at|near] {town2} in {y3} weighed {gramsmax} grams , [the most
  recorded|which is the record] .
- the eyes are [large|small] and [black|yellow|red] , and it [hides|rests] by day [among stones|under leaves|] .
= Distribution and habitat | Distribution | Habitat
- {latin} [lives|is found] in {habitat} [at|between] heights of {low} to {high} metres .
- its range [covers|is] [about|some] {area} square kilometres [between|from] {town1} [and|to] {town2} .
- the [largest|best known] colony , [on|below] {mount1} , had {colony} [animals|members] in {y3} .
- it [was introduced|has spread] to the valley of the {river} [in|since] {y2} .
= Behaviour | Ecology | Behaviour and ecology
- it [feeds|lives] [mainly|mostly|only] on {food} , and [takes|eats] [up to|] {meal} grams a [day|night] .
- the female lays {eggs} eggs in {month1} , which hatch after {hatch} days .
- [both parents|the males] [guard|feed] the young for {weeks} weeks .
- [its|the] main [enemies|predators] are the {beast} and [rats|crows|foxes] .
- {finder2} [found|showed] in {y3} that [it|the {common}] [returns|finds its way] to [the same|its]
  [stone|tree|pool] [from|over] {home} kilometres [away|] .
= Conservation | Status and conservation | Relationship with people
- the [population|number of adults] [fell|sank] from {adults0} in {y3} to {adults} in {y4} , a loss of
  {loss} .
- [the main|its main] [threat|danger] is the [draining|burning|loss] of {habitat} [near|around] {town1} .
- a reserve of {reserve} hectares was [set up|founded] in {y4} [by {finder3}|near {town2}] .
- in {region} it is [thought to bring luck|eaten with vinegar|shown on the stamps of {y4}] .
"""

_GROUPS = (
    ("beetle", "Carab"),
    ("frog", "Ran"),
    ("moth", "Noct"),
    ("lizard", "Lacert"),
    ("newt", "Tritur"),
    ("snail", "Helic"),
    ("finch", "Fring"),
    ("crab", "Cancr"),
)

_HABITATS = (
    "dry grassland",
    "wet meadows",
    "old beech woods",
    "salt marshes",
    "rocky shores",
    "mountain streams",
    "caves",
    "peat bogs",
)

_FOODS = (
    "beetles and worms",
    "small snails",
    "seeds and berries",
    "moss and lichen",
    "flies",
    "fallen fruit",
    "the eggs of ants",
)


def species(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, pick = stream.between, stream.pick
    group, stem = pick(_GROUPS)
    genus = (
        stem + pick(("ella", "ius", "opsis", "odes", "ula", "ina"))
        if stream.uniform() < 0.3
        else world.towns[4][:5] + pick(("ia", "ella", "us"))
    )
    ends = [
        world.towns[0][:5] + pick(("ensis", "ana", "icus")),
        world.people[1].surname[:6] + pick(("i", "ae")),
        world.mountains[0][:5] + "alis",
    ]
    epithet, epithet2, old = stream.sample([end.lower() for end in ends], 3)
    y1, length, grams, adults, loss = (
        between(1758, 1890),
        between(22, 290) / 10,
        between(4, 900),
        between(3, 900) * 10,
        between(5, 900) * 10,
    )
    low = between(0, 600)
    common_name = f"{pick((common['demonym'], world.towns[0], world.rivers[0]))} {pick((group, pick(('spotted', 'banded', 'dwarf')) + ' ' + group))}"
    return f"{genus} {epithet}", common | dict(
        genus=genus,
        epithet=epithet,
        epithet2=epithet2,
        latin=f"{genus} {epithet}",
        latin0=f"{stem}us {old}",
        common=common_name,
        group=group,
        finder=world.people[1].full,
        finder2=world.people[2].full,
        finder3=world.people[3].full,
        y1=str(y1),
        y2=str(y1 + between(10, 70)),
        y3=str(between(1961, 1985)),
        y4=str(between(1986, 2009)),
        len=decimal(length),
        lenin=decimal(length / 2.54),
        lenm=decimal(length * 0.8),
        grams=number(grams),
        gramsmax=number(round(grams * 1.6)),
        nspecies=word(between(3, 30)),
        low=number(low),
        high=number(low + between(200, 1900)),
        area=number(between(20, 9000)),
        colony=number(between(40, 3000)),
        habitat=pick(_HABITATS),
        food=pick(_FOODS),
        meal=str(between(2, 60)),
        eggs=word(between(2, 12)),
        hatch=str(between(9, 48)),
        weeks=word(between(2, 9)),
        beast=pick(BEASTS),
        home=word(between(2, 12)),
        adults=number(adults),
        adults0=number(adults + loss),
        loss=number(loss),
        reserve=number(between(20, 900)),
        mount1=world.mountains[0],
        river=world.rivers[0],
        town1=world.towns[0],
    )
