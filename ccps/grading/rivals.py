"""Whether an answer names two things of one kind where one was asked for: "Earth, Mars", "red / blue", "4 or 5".

What a comma joins may say more of the same ("Paris, France", "Hamlet, Shakespeare"), and no sign tells that from a list
of two. The kind does, where all of it are known by name and none says more of another: an answer that is nothing but
planets is a list of planets. Of other things (people, towns, books) this is not known, and nothing is said of them.
"""

import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import NamedTuple

from ccps.grading.forms import one_form
from ccps.grading.lists import BULLET, LEADING
from ccps.grading.normalise import normalise
from ccps.grading.signs import plain_signs

# A paragraph is a kind; one thing has several names where "=" joins them, also where one lies in the other, as England
# does in the United Kingdom. Left out are names of two places, such as Georgia and Luxembourg.
_KINDS = """
mercury, venus, earth, mars, jupiter, saturn, uranus, neptune, pluto, sun, moon

january, february, march, april, may, june, july, august, september, october, november, december

monday, tuesday, wednesday, thursday, friday, saturday, sunday

spring, summer, autumn = fall, winter

africa, asia, europe, antarctica, north america, south america, australia = oceania

atlantic, pacific, indian, arctic

true, false

positive, negative

adenine, thymine, guanine, cytosine, uracil

proton, neutron, electron

hydrogen, helium, lithium, beryllium, boron, carbon, nitrogen, oxygen, fluorine, neon, sodium, magnesium, silicon,
aluminium = aluminum, phosphorus, sulfur = sulphur, chlorine, argon, potassium, calcium, scandium, titanium, vanadium,
chromium, manganese, iron, cobalt, nickel, copper, zinc, gallium, germanium, arsenic, selenium, bromine, krypton,
rubidium, strontium, zirconium, molybdenum, palladium, silver, cadmium, tin, antimony, iodine, xenon, platinum, gold,
caesium = cesium, barium, tungsten, osmium, iridium, mercury, lead, bismuth, polonium, radon, radium, thorium,
uranium, plutonium

christianity, islam, judaism, hinduism, buddhism, sikhism, taoism, shinto

aries, taurus, gemini, cancer, leo, virgo, libra, scorpio, sagittarius, capricorn, aquarius, pisces

afghanistan, albania, algeria, angola, argentina, armenia, austria, australia, azerbaijan, bahrain, bangladesh,
barbados, belarus, belgium, bolivia, botswana, brazil, brunei, bulgaria, burma = myanmar, cambodia, cameroon, canada,
chile, china = taiwan = hong kong, colombia, croatia, cuba, cyprus, czechia = czech republic, denmark, ecuador, egypt,
eritrea, estonia, ethiopia, fiji, finland, france, gabon, gambia, germany, ghana, greece, guyana, haiti, honduras,
hungary, iceland, india, indonesia, iran = persia, iraq, ireland, israel = palestine, italy, ivory coast, jamaica,
japan, kazakhstan, kenya, kuwait, kyrgyzstan, laos, latvia, liberia, libya, lithuania, madagascar, malawi, malaysia,
maldives, mali, malta, mauritania, mauritius, moldova, mongolia, morocco, mozambique, namibia, nepal, netherlands =
holland, new zealand, nicaragua, niger, nigeria, norway, oman, pakistan, paraguay, peru, philippines, poland,
portugal, qatar, romania, russia = soviet union = ussr, rwanda, saudi arabia, senegal, sierra leone, slovakia,
slovenia, somalia, south africa, south korea, north korea, spain, sri lanka, sudan, suriname, sweden, switzerland,
syria, tajikistan, tanzania, thailand, togo, tunisia, turkey, turkmenistan, uganda, ukraine, uruguay, uzbekistan,
venezuela, vietnam, yemen, zambia, zimbabwe, usa = us = u.s. = u.s.a. = united states = united states of america =
america, uk = u.k. = united kingdom = great britain = britain = england = scotland = wales = northern ireland

alabama, alaska, arizona, arkansas, california, colorado, connecticut, florida, hawaii, idaho, illinois, iowa,
kentucky, louisiana, maryland, massachusetts, michigan, minnesota, mississippi, missouri, montana, nebraska, new
hampshire, new jersey, new mexico, north carolina, south carolina, north dakota, south dakota, ohio, oklahoma, oregon,
pennsylvania, tennessee, texas, utah, vermont, virginia, west virginia, wisconsin, wyoming
"""
# Of these two make a third where nothing stands between them: north west, blue green, solid gas.
_COMPOUNDING = """
black, white, red, green, yellow, blue, brown, purple, pink, orange, grey = gray

north, south, east, west

left, right

solid, liquid, gas, plasma
"""
# What may stand around the names of a list and leave it one.
_FILLER = re.compile(
    r"[\W_]|\b(?:and|or|plus|also|as well as|both|either|maybe|perhaps|possibly|the|planets?|oceans?|answers?|is|are|"
    r"it|its|they|colou?rs?|elements?|countries|states?)\b",
    re.IGNORECASE,
)
# A longer text is no list of two or three names, and is not searched for them.
_LONGEST = 200
# Of numbers and letters fewer signs join a list: 7 ± 2 is none, nor is 12 / 225.
_BETWEEN = re.compile(
    r",\s+|\s*[;|&\n?]\s*|(?<![0-9])\s/\s|\s\(?(?:and|or)\s|\b(?:both|either|maybe|perhaps|possibly)\s", re.IGNORECASE
)
_NUMBER_OR_LETTER = re.compile(r"[a-z]|-?[0-9]+(?:\.[0-9]+)?")
# "Moon (Earth)": what stands in brackets says more of the same, unless it begins with "or".
_IN_BRACKETS = re.compile(r"\w\s*\((?!(?:or|and)\b)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:(?<=\s)|^)\(?\d{1,2}[.)]\s+|(?:(?<=\s)|^)\(?[a-h][.)]\s+")


class _Kind(NamedTuple):
    """Things of one kind.

    Attributes:
        names: the first name of each thing, by all its names.
        pattern: any of the names.
        compounds: whether two beside each other, with nothing but a space between, are a third thing.
    """

    names: dict[str, str]
    pattern: re.Pattern[str]
    compounds: bool


def names_rivals(answer: str, accepted: Collection[str], question: str = "") -> bool:
    """Whether an answer is a list of things of one kind, of which some are no accepted ones.

    A name that stands in the question, where none of the accepted ones does, says where these belong and is no rival:
    asked which neighbour of France drives on the left, "Britain, France" is Britain.

    Args:
        answer: a text that says an accepted one.
        accepted: all accepted texts; who lists several of them is right.
        question: that was asked.
    """
    text = one_form(_NUMBERED.sub(", ", BULLET.sub(", ", plain_signs(answer))))  # before "2. July" is read as a date
    if len(text) > _LONGEST or _IN_BRACKETS.search(text):
        return False
    first = LEADING.match(text)
    text = text[first.end() :] if first else text
    if len(listed := _listed_numbers(text)) > 1:
        return _holds_others(listed, {item for one in accepted for item in _items(one)}, _items(question))
    for kind in _kinds():
        if len(listed := _listed(kind, text)) > 1:
            held = {name for one in accepted for name in _found(kind, one)}
            if _holds_others(listed, held, set(_found(kind, question))):
                return True
    return False


def _holds_others(listed: set[str], accepted: set[str], asked: set[str]) -> bool:
    others, ours = listed - accepted, listed & accepted
    return bool(others) and (not others <= asked or ours <= asked)


def _listed_numbers(text: str) -> set[str]:
    """The numbers or single letters that a text lists; none if it says anything else."""
    items = _parts(text)
    return items if all(_NUMBER_OR_LETTER.fullmatch(item) for item in items) else set()


def _items(text: str) -> set[str]:
    """The numbers and letters of a text, among its words and among what it lists."""
    text = one_form(text)
    return {*normalise(text).split(), *_parts(text)}


def _parts(text: str) -> set[str]:
    return {normalise(item) for item in _BETWEEN.split(text.strip(" .!?()[]{}")) if item.strip()}


def _listed(kind: _Kind, text: str) -> set[str]:
    """The things that a text lists; none if it says anything else."""
    rest = kind.pattern.split(text)
    if _FILLER.sub("", "".join(rest)):
        return set()
    if kind.compounds and any(not between.strip(" ") for between in rest[1:-1]):
        return set()
    return set(_found(kind, text))


def _found(kind: _Kind, text: str) -> Iterator[str]:
    return (kind.names[found[0].lower()] for found in kind.pattern.finditer(text))


@cache
def _kinds() -> list[_Kind]:
    paragraphs = [(_KINDS, False), (_COMPOUNDING, True)]
    return [_kind(" ".join(one.split()), compounds) for text, compounds in paragraphs for one in text.split("\n\n")]


def _kind(paragraph: str, compounds: bool) -> _Kind:
    things = [[name.strip() for name in thing.split("=")] for thing in paragraph.split(",")]
    names = {name: thing[0] for thing in things for name in thing}
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return _Kind(names, re.compile(rf"(?<![\w-])(?:{longest_first})(?![\w-])", re.IGNORECASE), compounds)
