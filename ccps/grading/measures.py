"""Units of measurement beside a number: "5 cm" is not "5 m", and "5 metres per second" is "5 m/s".

What is told is whether two units are one. Nothing is converted, and a unit that is not in the table is none.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from ccps.grading.signs import plain_signs

# Symbol, names, and what it is of the basic ones. These take the prefixes of the SI, or those behind the colon.
_WITH_PREFIXES = """
m metre meter = 1 m
g gram gramme = 1e-3 kg
s second sec = 1 s
A ampere amp = 1 A
K kelvin = 1 K
mol mole mol = 1 mol
Hz hertz = 1 s-1
N newton = 1 kg m s-2
Pa pascal = 1 kg m-1 s-2
J joule = 1 kg m2 s-2
W watt = 1 kg m2 s-3
C coulomb = 1 A s
V volt = 1 kg m2 s-3 A-1
F farad = 1 kg-1 m-2 s4 A2
Ω ohm = 1 kg m2 s-3 A-2
T tesla = 1 kg s-2 A-1
l litre liter = 1e-3 m3
L = 1e-3 m3
eV electronvolt = 1.602176634e-19 kg m2 s-2
Wh = 3600 kg m2 s-2
Ah = 3600 A s : m
cal calorie cal = 4.184 kg m2 s-2
S siemens = 1 kg-1 m-2 s3 A2
H henry = 1 kg m2 s-2 A-2 : m μ n
Wb weber = 1 kg m2 s-2 A-1
Bq becquerel = 1 s-1
Gy gray = 1 m2 s-2
Sv sievert = 1 m2 s-2
M molar = 1000 mol m-3 : m μ n
B byte = 8 bit : k M G T
b bit = 1 bit : k M G T
bit = 1 bit : k M G T
bps = 1 bit s-1 : k M G T
Bps = 8 bit s-1 : k M G T
"""
_OTHERS = """
min minute min = 60 s
h hour hr = 3600 s
d day = 86400 s
wk week wk = 604800 s
month month = 1 month
yr year yr = 1 year
in inch inches = 0.0254 m
ft foot feet ft = 0.3048 m
yd yard yd = 0.9144 m
mi mile mi = 1609.344 m
mph mph = 0.44704 m s-1
kmh kmh kph kmph = 0.2777777777777778 m s-1
lb lb = 0.45359237 kg
oz ounce oz = 0.028349523125 kg
t tonne = 1000 kg
gal gallon gal = 3.785411784e-3 m3
cc cc = 1e-6 m3
KB = 8000 bit
KiB kibibyte = 8192 bit
MiB mebibyte = 8388608 bit
GiB gibibyte = 8589934592 bit
Nm = 1 kg m2 s-2
dB decibel = 1 decibel
acre acre = 4046.8564224 m2
ha hectare = 10000 m2
atm atmosphere atm = 101325 kg m-1 s-2
°C celsius centigrade = 1 celsius
°F fahrenheit = 1 fahrenheit
dollar dollar = 1 dollar
euro euro = 1 euro
cent cent = 1 cent
"""
# No pico with metres: "5 pm" is an hour of the day. The first three go with few units.
_PREFIXES = {
    "c": ("centi", 1e-2), "d": ("deci", 1e-1), "h": ("hecto", 1e2),
    "p": ("pico", 1e-12), "n": ("nano", 1e-9), "μ": ("micro", 1e-6),
    "m": ("milli", 1e-3), "k": ("kilo", 1e3), "M": ("mega", 1e6), "G": ("giga", 1e9), "T": ("tera", 1e12),
}  # fmt: skip
_NEAR_ONE, _WITH_THOSE = "cdh", ("m", "g", "l", "L", "Pa")
_PICO = ("A", "F", "g", "mol", "s", "C")
_RAISED = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
# Symbols that say something else where no unit is looked for.
_ALSO_WORDS = frozenset({"MA", "Ms", "TV", "d", "in"})

_STYLED = re.compile(r"\\(?:text(?:rm|bf|it)?|math(?:rm|bf|it)|operatorname|mbox|rm)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\[,;:! ]|~|\\(?:rm|quad|qquad)(?![A-Za-z])|\\?\$")
_MICRO = re.compile(r"\\mu(?![A-Za-z])\s*")
_EXPONENT = re.compile(r"\^\s*\{\s*([+-]?\d+)\s*\}")
_DEGREES = re.compile(
    r"\s*(?:°|\^\s*\{?\s*\\circ\s*\}?|\\degree\b|\bdegrees?\b)\s*(C|F|celsius|fahrenheit|centigrade)\b", re.IGNORECASE
)
_NAME = r"°?[^\W\d_]+(?:\s*\^\s*[+-]?\d(?!\d))?"
_LINK = r"(?:\s*(?:/|\\cdot|[·⋅*])\s*|[\s.]+)"
# Behind a number, a closing bracket, or the end of a formula.
_AT_END = re.compile(rf"(?:[\d)\]}}π]|\\pi)\s*(?P<unit>{_NAME}(?:{_LINK}\(?{_NAME}\)?)*)\s*$")
_PIECE = re.compile(
    r"(?P<per>/|\bper\b)|(?P<name>°?[^\W\d_]+)(?:\s*\^\s*(?P<power>[+-]?\d(?!\d)))?|\\cdot|[·⋅*.()\s]", re.IGNORECASE
)
# Longer is no unit.
_LONGEST = 80


class Unit(NamedTuple):
    """A unit, in basic ones."""

    factor: float
    """How many of them it is."""
    powers: tuple[tuple[str, int], ...]
    """The name of each, and its power."""

    def is_one_with(self, other: "Unit") -> bool:
        """Whether two units are the same, whatever they are called: J and N m."""
        return self.powers == other.powers and math.isclose(self.factor, other.factor, rel_tol=1e-9)


class Quantity(NamedTuple):
    """A number, as it is written, and its unit."""

    number: str
    unit: Unit


@lru_cache(maxsize=256)
def quantity(text: str) -> Quantity | None:
    r"""A text as a number and its unit, plain or in LaTeX: "5 m/s", `5\text{ m s}^{-1}`, "5 metres per second".

    A letter may be a variable: "5 m" has a unit all the same, and another letter is another one.

    Returns:
        None if no known unit stands at the end, behind a number.
    """
    plain = _EXPONENT.sub(r"^\1", _STYLED.sub(r" \1", _SPACING.sub(" ", plain_signs(text))))
    plain = _MICRO.sub("μ", plain.replace(r"\Omega", "Ω")).rstrip(" .\n\t")
    plain = _DEGREES.sub(lambda degrees: f" °{degrees[1][0].upper()}", plain)
    found = _AT_END.search(plain[-_LONGEST:])
    unit = unit_of(found["unit"]) if found else None
    return Quantity(plain.removesuffix(found["unit"]).strip(), unit) if found and unit else None


@lru_cache(maxsize=1024)
def unit_of(written: str) -> Unit | None:
    """The unit that an expression says: "kg m^2/s", "square feet per day". None if a part of it is not known."""
    pieces = list(_PIECE.finditer(written))
    if sum(len(piece[0]) for piece in pieces) < len(written):
        return None
    product, sign, raised = Unit(1.0, ()), 1, 1
    last: Unit | None = None
    for piece in pieces:
        by = _RAISED.get((piece["name"] or "").lower())
        if piece["per"]:
            sign = -1
        elif by and last is not None and piece["name"].lower().endswith("ed"):
            product = _times(product, last, sign * (by - 1))  # "metres squared": once it was counted already
        elif by:
            raised = by
        elif piece["name"]:
            last = known(piece["name"])
            if last is None:
                return None
            product, raised = _times(product, last, sign * int(piece["power"] or raised)), 1
    return None if last is None else product


def known(word: str) -> Unit | None:
    """The unit of a word: its symbol, its name in the singular or plural, or its symbol in letters of another case."""
    lower = word.lower()
    if found := _symbols().get(word) or _names().get(lower) or _names().get(lower.removesuffix("s")):
        return found
    return _careless().get(lower) if len(word) > 1 else None


def symbol_of(word: str) -> Unit | None:
    """The unit of which a word is the symbol, case and all, and nothing but the symbol."""
    return None if word in _names() or word in _ALSO_WORDS else _symbols().get(word)


def _times(product: Unit, unit: Unit, power: int) -> Unit:
    powers = Counter(dict(product.powers))
    for name, own in unit.powers:
        powers[name] += own * power
    return Unit(product.factor * unit.factor**power, tuple(sorted((name, n) for name, n in powers.items() if n)))


@cache
def _symbols() -> dict[str, Unit]:
    return {symbol: unit for symbol, _, unit in _rows()}


@cache
def _names() -> dict[str, Unit]:
    return {name: unit for _, called, unit in _rows() for name in called}


@cache
def _careless() -> dict[str, Unit]:
    """Symbols in lower case, where that is none of another unit: km for KM, but not mw for MW."""
    count = Counter(symbol.lower() for symbol in _symbols())
    return {symbol.lower(): unit for symbol, unit in _symbols().items() if count[symbol.lower()] == 1}


def _rows() -> Iterator[tuple[str, list[str], Unit]]:
    """Symbol, names and unit, with all prefixes."""
    for line in _OTHERS.strip().splitlines():
        yield _row(line)
    for line in _WITH_PREFIXES.strip().splitlines():
        meaning, _, own = line.partition(" : ")
        symbol, called, unit = _row(meaning)
        yield symbol, called, unit
        for short, (long, times) in _PREFIXES.items():
            if short in own.split() if own else _takes(symbol, short):
                yield short + symbol, [long + name for name in called], unit._replace(factor=unit.factor * times)


def _takes(symbol: str, prefix: str) -> bool:
    """Whether a unit goes with a prefix, as the units without prefixes of their own do."""
    if prefix == "p":
        return symbol in _PICO
    return prefix not in _NEAR_ONE or symbol in _WITH_THOSE


def _row(line: str) -> tuple[str, list[str], Unit]:
    called, _, meaning = line.partition(" = ")
    (symbol, *names), (factor, *basic) = called.split(), meaning.split()
    powers = (re.fullmatch(r"([A-Za-z]+)(-?\d)?", one) for one in basic)
    return symbol, names, Unit(float(factor), tuple(sorted((one[1], int(one[2] or 1)) for one in powers if one)))
