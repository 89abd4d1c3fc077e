"""Whether an answer says an accepted text, or only holds its words while it says something else.

The words must follow each other. That alone would take "Mars and Earth" for "Earth", "less than 1" for "1", "New York"
for "York" and "not Paris" for "Paris"; so the answer must not be a list of which the accepted text is a part, a bound
on the accepted number or a quantity in a unit that nobody asked for, a longer name, a compound of the element, one of
two that are left open ("Paris or London"), or a text that the words around it deny or take back
(`ccps.grading.retraction`).
"""

import re
from collections.abc import Sequence

from ccps.grading.compounds import is_substance
from ccps.grading.forms import numbers_of, one_form
from ccps.grading.lists import is_longer_list, same_items, says_what_with
from ccps.grading.measures import known, quantity, symbol_of, unit_of
from ccps.grading.normalise import Word, normalise, words_of
from ccps.grading.retraction import is_denied, is_taken_back
from ccps.grading.signs import brackets, units

_BOUNDS = {
    ("less", "than"),
    ("more", "than"),
    ("fewer", "than"),
    ("greater", "than"),
    ("larger", "than"),
    ("smaller", "than"),
    ("higher", "than"),
    ("lower", "than"),
    ("at", "least"),
    ("at", "most"),
    ("up", "to"),
    ("between",),
    ("over",),
    ("under",),
    ("above",),
    ("below",),
    ("beyond",),
    ("exceeding",),
    ("or", "equal", "to"),
    ("minimum", "of"),
    ("maximum", "of"),
    ("minus",),
    ("negative",),
}
# What makes of the number before it a part, a multiple, or a year of another era.
_PARTS = re.compile(
    r"half|halves|(?:third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth)s?|hundred|thousand|[mb]illions?|"
    r"trillions?|dozens?|bce?|b\.c\.(?:e\.)?"
)
# What joins two numbers to a range, or to a product.
_BETWEEN = ("to", "through", "x", "×", "times")
# Vitamin A, Henry VIII.
_DESIGNATION = re.compile(r"[A-Z]|[IVX]+")
# Names that are another's without the first word. After New all are; with a point of the compass more are the same
# (North Atlantic, West Samoa) than are not, so those that are not stand here.
_OF_ANOTHER = re.compile(
    r"New \w.*|(?:North|South) (?:Korea|Americas?|Carolina|Dakota|Yorkshire)|South (?:Africa|Sudan)|North Macedonia|"
    r"West (?:Virginia|Bengal|Sussex|Yorkshire)|East Sussex",
    re.IGNORECASE,
)
# A question of what is not so is answered by saying what is not: "They do not fly."
_ASKS_WHAT_IS_NOT = re.compile(
    r"\b(?:not|no|never|except|cannot|neither|without|false|incorrect|wrong|lacks?)\b|n['’]t\b", re.IGNORECASE
)


def same(answer: str, accepted: str) -> bool:
    """Whether an answer is the accepted text, in whichever of the forms of `ccps.grading.forms` both are written."""
    if not same_units(answer, accepted):
        return False
    ours, theirs = one_form(answer), one_form(accepted)
    if normalise(ours) == normalise(theirs):
        return _same_quantity(ours, theirs)
    if same_items(ours, theirs):
        return True
    if (numbers := numbers_of(answer)) is not None:
        return numbers == numbers_of(accepted)
    measured, wanted = quantity(ours), quantity(theirs)
    if measured is None or wanted is None or not measured.unit.is_one_with(wanted.unit):
        return False
    return normalise(measured.number) == normalise(wanted.number)


def says(answer: str, accepted: str, question: str = "") -> bool:
    """Whether the answer says the accepted text, to a question that may name a unit or ask for what is not so."""
    if not same_units(answer, accepted):
        return False
    answer, accepted = one_form(answer), one_form(accepted)
    ours, theirs = words_of(answer), words_of(accepted)
    wanted = [word.token for word in theirs] or [normalise(accepted)]
    if same(answer, accepted):
        return True
    found = [word.token for word in ours] or [normalise(answer)]
    places = _places(found, wanted)
    if not places or is_longer_list(answer, accepted) or says_what_with(answer):
        return False
    may_deny = _ASKS_WHAT_IS_NOT.search(question) is not None
    return any(
        not _is_bound(found, i, wanted)
        and not _is_measure(ours, i, theirs, question)
        and not _is_other_measure(ours, i, theirs)
        and not (i + len(wanted) < len(found) and is_substance(wanted[-1], found[i + len(wanted)]))
        and not _is_longer_name(ours, i, theirs)
        and not _has_alternative(ours, i + len(wanted))
        and (may_deny or not _is_refused(ours, i, wanted, question))
        for i in places
    )


def denies_only(answer: str, accepted: str, others: Sequence[str], question: str = "") -> bool:
    """Whether an accepted text stands in the answer only as part of other accepted texts that are denied there.

    "Greater London is wrong" holds London, of which it says nothing.
    """
    ours, wanted = words_of(one_form(answer)), [word.token for word in words_of(one_form(accepted))]
    found = [word.token for word in ours]
    if not wanted or _ASKS_WHAT_IS_NOT.search(question):
        return False
    covered = set[int]()
    for other in ([word.token for word in words_of(one_form(text))] for text in others):
        inside = _places(other, wanted)
        for i in _places(found, other) if inside and len(other) > len(wanted) else ():
            if _is_refused(ours, i, other, question):
                covered.update(i + start for start in inside)
    places = set(_places(found, wanted))
    return bool(places) and places <= covered


def _places(found: list[str], wanted: list[str]) -> list[int]:
    first, n = wanted[0], len(wanted)
    return [i for i in range(len(found) - n + 1) if found[i] == first and found[i : i + n] == wanted]


def _is_refused(ours: Sequence[Word], place: int, wanted: Sequence[str], question: str) -> bool:
    return is_denied(ours[:place], wanted) or is_taken_back(ours, place, place + len(wanted), question)


def same_units(answer: str, accepted: str) -> bool:
    """Whether no sign of currency or per cent, and no bracket around a list, of the one contradicts the other's."""
    ours, theirs = units(answer), units(accepted)
    around = {brackets(answer), brackets(accepted)} - {""}
    return len(around) < 2 and (not ours or not theirs or theirs <= ours)


def _same_quantity(answer: str, accepted: str) -> bool:
    """Whether two texts that differ in case at most are not two quantities, as 5 mW and 5 MW are."""
    ours, theirs = quantity(answer), quantity(accepted)
    return ours is None or theirs is None or ours.unit.is_one_with(theirs.unit)


def _is_bound(found: list[str], place: int, wanted: list[str]) -> bool:
    """Whether what stands beside a number makes another one of it: "less than 1", "minus 1", "1 half", "1 to 2"."""
    if not wanted[-1][-1:].isdigit():
        return False
    end = place + len(wanted)
    before = any(tuple(found[max(0, place - n) : place]) in _BOUNDS for n in (1, 2, 3))
    is_part = end < len(found) and _PARTS.fullmatch(found[end]) is not None
    return before or is_part or _joins_numbers(found, place - 1) or _joins_numbers(found, end)


def _has_alternative(ours: Sequence[Word], end: int) -> bool:
    """Whether another answer follows on an "or": "Paris or London", and not "Paris, or so I think"."""
    if end >= len(ours) - 1 or ours[end].token != "or" or ours[end - 1].written[-1] in ".;:!?":
        return False
    first = ours[end + 1]
    return (first.written[:1].isupper() and first.token != "i") or first.token[:1].isdigit()


def _joins_numbers(found: list[str], place: int) -> bool:
    """Whether the word at a place stands between two numbers and makes another of them: "10 to 20", "2 x 3"."""
    if not 0 < place < len(found) - 1 or found[place] not in _BETWEEN:
        return False
    return found[place - 1][-1:].isdigit() and found[place + 1][-1:].isdigit()


def _is_measure(ours: Sequence[Word], place: int, theirs: Sequence[Word], question: str) -> bool:
    """Whether a bare number goes on with the symbol of a unit that the question does not name: "5 N" for "5".

    A unit in words may be what was counted, as moons are: "5 miles".
    """
    end = place + len(theirs)
    if not theirs or end >= len(ours) or not ours[end - 1].written[-1].isdigit():
        return False
    following = ours[end].written.strip(".,;:!?\"')]")
    unit = symbol_of(following) or (unit_of(following) if "/" in following or "^" in following else None)
    if unit is None:
        return False
    asked = [named for word in re.findall(r"[^\W\d_]+", question) if (named := known(word))]
    parts = [own for word in re.findall(r"[^\W\d_]+", following) if (own := known(word))]
    return not any(own.is_one_with(named) for own in (unit, *parts) for named in asked)


def _is_other_measure(ours: Sequence[Word], place: int, theirs: Sequence[Word]) -> bool:
    """Whether the words are a quantity in another unit than the accepted one: "5 Mb" for "5 MB", "5 m per second"."""
    wanted = quantity(" ".join(word.written for word in theirs))
    if wanted is None:
        return False
    end = place + len(theirs)
    found = quantity(" ".join(word.written for word in ours[place:end]).rstrip(".,;:!?"))
    is_rate = end < len(ours) and ours[end].token in ("per", "/") and ours[end - 1].written[-1].isalpha()
    return is_rate or (found is not None and not found.unit.is_one_with(wanted.unit))


def _is_longer_name(ours: Sequence[Word], place: int, theirs: Sequence[Word]) -> bool:
    """Whether a name begins earlier, or goes on with nothing in between.

    It begins with a word that makes another of it (New York, South Korea), or goes on with a letter or number of its
    own (Vitamin A, Henry VIII) or, if it has at least two words, with another capital.
    """
    end = place + len(theirs)
    if theirs and place:
        longer = [ours[place - 1].written, *(word.token for word in ours[place:end])]
        if all(word.written[:1].isupper() for word in ours[place - 1 : place + 1]) and _OF_ANOTHER.fullmatch(
            " ".join(longer)
        ):
            return True
    if end >= len(ours) or not theirs or not ours[end - 1].written[-1].isalnum():
        return False
    name, following = ours[place:end], ours[end].written
    # In the midst of a sentence an "I" is who speaks.
    if _DESIGNATION.fullmatch(following.rstrip(".,;:!?")) and name[-1].written.isalpha():
        return following != "I" or end == len(ours) - 1
    is_name = len(theirs) > 1 and all(word.written[:1].isupper() for word in (*theirs, *name))
    return is_name and following[:1].isupper() and not following.isupper()
