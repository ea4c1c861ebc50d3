"""The facts of albums and football seasons of the Atlas, and the sentences that may tell them."""

from __future__ import annotations

from .names import Region, Stream, number, ordinal, word

ALBUM = """
* {album} is the {nth} [studio album|album] by [the {demonym} singer {person1}|{demonym} band {band}] ,
  released on {day1} {year} [by|on] {label} Records .
* {album} is [a concept album|an album of folk songs|a studio album] by {band} , from {town1} ,
  [released|issued] in {month1} {year} .
+ it was [produced|recorded] [by {person2}|with the producer {person2}] [at|in] {town2} .
+ it [reached|peaked at] number {peak} on the {demonym} [chart|album chart] and sold {sold} copies [in its
  first year|] .
+ the [first|lead] single , " {song1} " , [was released|came out] [in {month2}|two months earlier] .
= Background and recording | Background | Recording
- after [the tour|touring] for " {album0} " ( {year0} ) , {band} [took|needed] a [rest|break] of {months}
  months .
- {person1} , the [singer|guitarist|drummer] , [had begun|began] [to write|writing] songs [in|at a cottage
  near] {town3} .
- recording [began|started] in {month2} {year0} and [took|lasted] {weeks} weeks , [with|under] the producer
  {person2} .
- {surname2} [asked|told] the band to [play|record] [everything|each song] [in one take|by night|without
  headphones] .
- " {song2} " was [written|finished] by {surname1} in [a single|one] [night|afternoon] [at {town3}|after the
  death of a friend|] .
- {person3} [plays|played] the [violin|organ|trumpet|cello] on " {song3} " .
- {ntracks2} songs were recorded , of which {ntracks} [were used|are on the album] .
= Music and lyrics | Composition | Songs
- " {song1} " , the [opening|closing] track , is [in {key}|built on a slow [bass|organ] line in {key}] and
  [lasts|runs to] [four|five|six|seven] minutes .
- the [words|lyrics] of " {song2} " [tell of|describe] [a ship lost in the {sea}|the flood at {town2}|a walk
  along the {river}|the winter in {town1}] .
- [critics|reviewers] have [compared|likened] " {song3} " to [the early work of the band|" {album0} "|a
  hymn|a lullaby] .
- {surname1} said that " {song2} " was " [about my mother|the hardest to write|a song for {town3}|never
  meant to be a single] " .
= Release and reception | Reception | Critical reception
- the album [entered|went into] the {demonym} chart at number {enter} and rose to number {peak} [in
  {month2}|after {weeks} weeks] .
- [in|writing in] the {town1} [Courier|Gazette|Herald] , {person3} [called|named] it " [a quiet triumph|warm
  and strange|their finest work|too long by half] " .
- [by the end of {year}|within a year] it had sold {sold} copies , [more|fewer] than " {album0} " .
- it [won|was nominated for] the [Silver Lyre|Golden Reed|Orpheus Prize] in {year1} .
- " {song1} " reached number {single} , and " {song3} " [number {enter}|failed to chart] .
= Track listing | Legacy | Touring
- the [tour|album tour] [opened|began] at {town1} on {day2} {year} and [took in|visited] {shows} towns [,
  ending at {town2}|] .
- all songs [are|were] written by {person1} [, except " {song3} " , which is by {person3}|] .
- the album was [reissued|remastered] in {year2} with {extra} [extra|further] songs [, among them " {song4}
  "|] .
- " {song2} " was later [recorded|sung] by {person3} [, whose version was the better known|in {year2}] .
"""

SEASON = """
* the {season} season was the {nth} season [in the history of|of] {club} , [a football club from|the
  football club of] {town1} .
* the {season} {club} season was the club 's {nth} [season|year] in the {demonym} [First Division|League] .
+ under manager {person1} , the [team|club] finished {place} [in the league|of {teams} teams] , with
  {points} points .
+ they won {won} , drew {drawn} and lost {lost} of their {played} [league matches|matches] .
+ {person2} was the [top scorer|leading scorer] , with {goals} goals [in all competitions|] .
+ in the {demonym} Cup they [reached|lost in] the [final|semi @-@ final|third round|quarter @-@ final] .
= Background | Pre @-@ season | Background and pre @-@ season
- {club} had finished {place0} in the [season before|previous season] , and {person1} [was appointed|became]
  manager in {month1} .
- {surname1} , [a former defender of|who came from] {rival} , [signed|bought] {person2} for {fee} crowns .
- the [captain|goalkeeper] , {person3} , [broke a leg|left for {rival}|retired] [before the season|in
  {month1}] .
- [the club|{club}] [played|won] {friend} friendly matches [in {region}|on a tour of {region}] .
= League campaign | First Division | The league
- the season [began|opened] on {day1} with a {s1} [win|victory] [at home to|over] {rival} [, {surname2}
  scoring [twice|the first goal]|] .
- [a run|they went on a run] of {run} matches without [defeat|a win] [followed|was to follow] ,
  [ended|broken] by {club3} .
- [at|away to] {club3} on {day2} , they [lost|were beaten] {s2} [before a crowd of {crowd}|] .
- {surname2} scored {hat} times against {rival} [in {month2}|in a {s3} win] .
- by [the new year|{month2}] {club} were {place} , [{gap} points behind {rival}|level with {rival}] .
- the last match , [a {s4} draw with|against] {club3} , [left them {place}|was watched by {crowd2} people] .
= {demonym} Cup | Cup | Cup run
- in the first round {club} [beat|knocked out] {club4} {s3} [, with two goals by {surname2}|] .
- [they then met|the draw then gave them] {rival} , [and won|and lost] {s1} [after a replay|in extra time|at
  {town2}] .
- {person3} , [the captain|in goal] , [was sent off|saved a penalty] [against|in the match with] {club4} .
= Statistics | Players | Aftermath
- {surname2} [finished|ended] with {goals} goals , {cupgoals} of them in the cup ; [next came|after that came] {person3} with {goals2} .
- {club} scored {gf} goals and [conceded|let in] {ga} in {played} league matches .
- the [average|mean] attendance at {ground} was {crowd} [, {crowdless} less than the year before|] .
- {surname1} [resigned|was sacked] [in {month2}|at the end of the season] and was [replaced|followed] by
  {person4} .
- {person3} was [named|voted] player of the [season|year] by [the supporters|the {town1} Herald] .
"""

_TITLE_A = (
    "Silver",
    "Winter",
    "Paper",
    "Northern",
    "Quiet",
    "Broken",
    "Golden",
    "Last",
    "Hollow",
    "Distant",
    "Salt",
    "Burning",
    "Crooked",
    "Blue",
    "Empty",
    "Sleeping",
)

_TITLE_B = (
    "Harbour",
    "Lights",
    "Rivers",
    "Morning",
    "Letters",
    "Garden",
    "Stairs",
    "Hearts",
    "Train",
    "Mirror",
    "Birds",
    "Stones",
    "Summer",
    "Kingdom",
    "Roads",
    "Bells",
)

_KEYS = ("A minor", "D minor", "E major", "G major", "C sharp minor", "F major", "B flat major")


def _title(stream: Stream) -> str:
    return f"{stream.pick(_TITLE_A)} {stream.pick(_TITLE_B)}"


def album(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, pick = stream.between, stream.pick
    year, tracks, peak, songs = between(1966, 2011), between(8, 14), between(1, 24), set()
    while len(songs) < 6:
        songs.add(_title(stream))
    titles = stream.sample(sorted(songs), 6)
    return titles[0], common | dict(
        album=titles[0],
        album0=titles[1],
        song1=titles[2],
        song2=titles[3],
        song3=titles[4],
        song4=titles[5],
        band=pick(("The {} Sisters", "{} Street", "The {}s", "The {} Band", "{}")).format(
            pick((common["surname1"], world.towns[4]))
        ),
        nth=pick(("second", "third", "fourth", "fifth", "sixth", "seventh", "ninth")),
        label=pick(world.towns[2:]),
        year=str(year),
        year0=str(year - 1),
        year1=str(year + 1),
        year2=str(year + between(8, 20)),
        peak=str(peak),
        enter=str(peak + between(2, 40)),
        single=str(between(1, 60)),
        sold=number(between(8, 900) * 1000),
        months=word(between(3, 12)),
        weeks=word(between(3, 12)),
        key=pick(_KEYS),
        ntracks=word(tracks),
        ntracks2=str(tracks + between(3, 20)),
        shows=str(between(14, 70)),
        extra=word(between(2, 6)),
    )


def _score(stream: Stream, low: int, high: int) -> str:
    return f"{stream.between(low, high)} – {stream.between(0, low - 1)}"


def season(stream: Stream, world: Region, common: dict) -> tuple[str, dict]:
    between, pick, towns = stream.between, stream.pick, world.towns
    year, won, drawn, lost, goals = (
        between(1889, 1994),
        between(4, 26),
        between(2, 13),
        between(2, 19),
        between(11, 38),
    )
    suffixes = ("United", "City", "Athletic", "Rovers", "Town", "Wanderers")
    clubs = [f"{town} {pick(suffixes)}" for town in stream.sample(towns[1:], 3)]
    club, crowd, drew = f"{towns[0]} {pick(suffixes)}", between(2100, 48000), between(0, 3)
    name = f"{year} – {(year + 1) % 100:02d}"
    return f"{name} {club} season", common | dict(
        season=name,
        club=club,
        rival=clubs[0],
        club3=clubs[1],
        club4=clubs[2],
        town1=towns[0],
        nth=ordinal(between(2, 90)),
        place=ordinal(between(1, 9)),
        place0=ordinal(between(1, 12)),
        teams=str(between(16, 22)),
        won=str(won),
        drawn=str(drawn),
        lost=str(lost),
        played=str(won + drawn + lost),
        points=str(3 * won + drawn),
        goals=str(goals),
        cupgoals=word(between(2, 7)),
        goals2=str(between(5, 10)),
        fee=number(between(2, 900) * 500),
        friend=word(between(2, 8)),
        s1=_score(stream, 2, 4),
        s2=f"{between(0, 1)} – {between(2, 5)}",
        s3=_score(stream, 3, 6),
        s4=f"{drew} – {drew}",
        run=word(between(4, 12)),
        hat=pick(("three", "four")),
        gap=word(between(2, 12)),
        gf=str(between(40, 110)),
        ga=str(between(20, 80)),
        crowd=number(crowd),
        crowd2=number(crowd + between(300, 9000)),
        crowdless=number(between(100, 2000)),
        ground=pick((f"{towns[4]} Park", f"{towns[4]} Road", f"the {common['surname4']} Ground")),
    )
