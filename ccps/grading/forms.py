"""One form for what is written in several: lists, dates, powers of ten, units that touch their number.

Graders compare texts in this form; what else the house compares (samples, marks of traces) it leaves as it is.
"""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

from ccps.grading.measures import known
from ccps.grading.normalise import THOUSANDS_APART
from ccps.grading.signs import plain_signs

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
# Names as they are abbreviated, and "march" and "may", are months only with a capital.
_CALLED = {
    **{month.capitalize(): month for month in _MONTHS},
    **{month.upper(): month for month in _MONTHS},
    **{month: month for month in _MONTHS if month not in ("march", "may")},
    **{month[:3].capitalize(): month for month in _MONTHS},
    "Sept": "september",
}
_MONTH = rf"({'|'.join(sorted(_CALLED, key=len, reverse=True))})\b\.?"
_DAY = r"([0-3]?[0-9])(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?:of\s+)?([12][0-9]{3})\b)?"
_NO_NUMBER_BEFORE, _NO_NUMBER_AFTER = r"(?<![\w.,/:^-])", r"(?![\w^]|[.,:/-][0-9])"
_DAY_FIRST = re.compile(rf"{_NO_NUMBER_BEFORE}{_DAY}(?:\s+of)?(?:\s+|-){_MONTH}{_YEAR}")
_MONTH_FIRST = re.compile(rf"(?<![\w]){_MONTH}\s+(?:the\s+)?{_DAY}{_NO_NUMBER_AFTER}{_YEAR}")
_ISO = re.compile(rf"{_NO_NUMBER_BEFORE}([0-9]{{4}})-([0-9]{{2}})-([0-9]{{2}}){_NO_NUMBER_AFTER}")

# What may stand in brackets beside a comma: a number with marks of thousands, or a comma with nothing behind it.
_THOUSANDS = r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])"
_COMMAS = re.compile(rf"{_THOUSANDS}|[,;](?=[^\s,;])")
_ENCLOSED = re.compile(r"[(\[{][^()\[\]{},;]+[,;][^()\[\]{}]+[)\]}]")
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"
_NUMBERS = re.compile(rf"{_NUMBER}(?:,{_NUMBER}){{2,}}\.?")
# A comma that touches words, but not in a number, and not that of LaTeX.
_TOUCHING = re.compile(r"(?<=[^\s\\{,;])[,;](?=[^\W\d_]|[\"'])|(?<=[^\W\d_\"')\]])[,;](?=[^\s},;])|(?<=\d);(?=\S)")
_FEW = re.compile(rf"[(\[{{]?\s*{_NUMBER}(?:\s*[,;]\s*{_NUMBER})+\s*[)\]}}]?\.?")

_ONE_NUMBER = re.compile(rf"{_THOUSANDS}\.?")
_LEADING_ZERO = re.compile(r"[+-]?0\d")

_AMOUNT = r"(?<![\w.,^])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_TEN = r"10\s*\^\s*[({]?\s*([+-]?\d{1,2})\s*[)}]?(?!\w|\.\d)"
_TIMES_TEN = re.compile(rf"{_AMOUNT}\s*(?:[x×*·⋅]|\\times|\\cdot)\s*{_TEN}")
_ONLY_TEN = re.compile(rf"(?<![\w.^*×·⋅)\]}}]){_TEN}")
_EXPONENT = re.compile(rf"{_AMOUNT}[eE]([+-]?\d{{1,2}})(?!\w|\.\d)")
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALED = re.compile(rf"{_AMOUNT}[ -]({'|'.join(_SCALES)})s?\b", re.IGNORECASE)
# Units of one letter that are seldom anything else behind a number.
_TOUCHES = re.compile(r"(?<![\w.,^])([+-]?\d[\d.,]*)([A-Za-zμΩ°]+)(?=$|[\s.,;:!?)/^])")
_LETTERS = frozenset("mgNWVJ")


@lru_cache(maxsize=256)
def one_form(text: str) -> str:
    """Write a text in the form in which graders compare it.

    1. Items of a list stand apart: "(1,2)" is "(1, 2)", "red,green" is "red, green".
    2. A date is "4 july 1776", its month beside its year, however it was written ("July 4th, 1776", "1776-07-04"); one
       of numbers alone ("4/7/1776") is read differently in different places, and left.
    3. Powers of ten and thousands in words are the number: "1e3", "10^3" and "1 thousand" are "1000".
    4. A unit stands apart from its number: "5km" is "5 km".
    """
    return _with_units_apart(_with_powers(_with_dates(_with_items_apart(plain_signs(THOUSANDS_APART.sub("", text))))))


def numbers_of(text: str) -> tuple[Decimal, ...] | None:
    """The numbers of a text that is nothing but a list of them; None if it is none, or one number with thousands."""
    plain = plain_signs(text).strip()
    if _FEW.fullmatch(plain) is None or _ONE_NUMBER.fullmatch(plain):
        return None
    found = re.findall(_NUMBER, plain.rstrip(" ."))
    return None if any(_LEADING_ZERO.match(number) for number in found) else tuple(map(Decimal, found))


def _with_items_apart(text: str) -> str:
    if "," not in text and ";" not in text:
        return text
    text = _ENCLOSED.sub(lambda inside: _apart(inside[0]), text)
    if _NUMBERS.fullmatch(text.strip()):
        text = _apart(text)
    return _TOUCHING.sub(lambda comma: f"{comma[0]} ", text)


def _apart(text: str) -> str:
    return _COMMAS.sub(lambda found: f"{found[0]} " if len(found[0]) == 1 else found[0], text)


def _with_dates(text: str) -> str:
    text = _ISO.sub(_of_iso, text)
    text = _DAY_FIRST.sub(lambda found: _date(found[0], found[1], found[2], found[3]), text)
    return _MONTH_FIRST.sub(lambda found: _date(found[0], found[2], found[1], found[3]), text)


def _of_iso(found: re.Match[str]) -> str:
    try:
        day = date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return found[0]
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _date(written: str, day: str, month: str, year: str | None) -> str:
    if not 1 <= int(day) <= 31:
        return written
    return " ".join(filter(None, (str(int(day)), _CALLED[month], year)))


def _with_powers(text: str) -> str:
    if not any(sign.isdigit() for sign in text):
        return text
    text = _TIMES_TEN.sub(lambda found: _shifted(found[1], int(found[2])), text)
    text = _ONLY_TEN.sub(lambda found: _shifted("1", int(found[1])), text)
    text = _EXPONENT.sub(lambda found: _shifted(found[1], int(found[2])), text)
    return _SCALED.sub(lambda found: _shifted(found[1], _SCALES[found[2].lower()]), text)


def _shifted(number: str, places: int) -> str:
    return f"{Decimal(number.replace(',', '')).scaleb(places):f}"


def _with_units_apart(text: str) -> str:
    return _TOUCHES.sub(lambda found: f"{found[1]} {found[2]}" if _is_unit(found[2]) else found[0], text)


def _is_unit(word: str) -> bool:
    return known(word) is not None and (len(word) > 1 or word in _LETTERS)
