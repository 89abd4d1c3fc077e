"""Whether an answer says an accepted text, or only holds its words while it says something else.

The words must follow each other. That alone would take "Mars and Earth" for "Earth", "less than 1" for "1" and "Martin
Luther King" for "Martin Luther"; so the answer must not be a list of which the accepted text is a part, a bound on the
accepted number, or a longer name. What a sentence says of the text is not understood: "not Paris" holds "Paris".
"""

import re

from ccps.grading.normalise import Word, normalise, words_of
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
_LETTER_OR_NUMBER = re.compile(r"[A-Za-z]|[+-]?[0-9.]+")
# What joins the items of a list. A comma alone does not: "Paris, France" is Paris.
_JOINT = re.compile(r"\s*(?:[;:]|,?\s+(?:and|or)\s|,?\s+&\s)\s*", re.IGNORECASE)
_ITEM_END = re.compile(_JOINT.pattern + r"|\s*,\s+", re.IGNORECASE)
# In a sentence, what follows "with" may be the answer.
_WORDS_OF_A_THING = 2


def says(answer: str, accepted: str) -> bool:
    """Whether the answer says the accepted text."""
    ours, theirs = words_of(answer), words_of(accepted)
    wanted = [word.token for word in theirs] or [normalise(accepted)]
    if not same_units(answer, accepted):
        return False
    if normalise(answer) == normalise(accepted):
        return True
    if _is_longer_list(answer, accepted) or _says_what_with(answer):
        return False
    found = [word.token for word in ours] or [normalise(answer)]
    places = [i for i in range(len(found) - len(wanted) + 1) if found[i : i + len(wanted)] == wanted]
    return any(not _is_bound(found, i, wanted) and not _is_longer_name(ours, i, theirs) for i in places)


def same_units(answer: str, accepted: str) -> bool:
    """Whether no sign of currency or per cent, and no bracket around a list, of the one contradicts the other's."""
    ours, theirs = units(answer), units(accepted)
    around = {brackets(answer), brackets(accepted)} - {""}
    return len(around) < 2 and (not ours or not theirs or theirs <= ours)


def _is_longer_list(answer: str, accepted: str) -> bool:
    """Whether the answer as a whole is a list that holds all items of the accepted text, and others."""
    text = answer.strip().strip("()[]{}")
    # A comma joins letters and numbers, and what stands in brackets: "A, B" is no B, but "Paris, France" is Paris.
    plain = all(_LETTER_OR_NUMBER.fullmatch(item.strip()) for item in text.strip(".").split(","))
    is_bracketed = (plain or text != answer.strip()) and "," in text
    if not is_bracketed and not _JOINT.search(text):
        return False
    return _items(accepted.strip().strip("()[]{}")) < _items(text)


def _says_what_with(answer: str) -> bool:
    """Whether the answer is a few words on a thing and what it comes with: "black with white spots"."""
    thing, _, attribute = normalise(answer).partition(" with ")
    return bool(attribute) and max(len(thing.split()), len(attribute.split())) <= _WORDS_OF_A_THING


def _items(text: str) -> set[str]:
    return {normalise(item) for item in _ITEM_END.split(text) if item.strip()}


def _is_bound(found: list[str], place: int, wanted: list[str]) -> bool:
    """Whether what stands beside a number makes another one of it: "less than 1", "minus 1", "1 half", "1 to 2"."""
    if not wanted[-1][-1:].isdigit():
        return False
    end = place + len(wanted)
    before = any(tuple(found[max(0, place - n) : place]) in _BOUNDS for n in (1, 2))
    is_part = end < len(found) and _PARTS.fullmatch(found[end]) is not None
    return before or is_part or _joins_numbers(found, place - 1) or _joins_numbers(found, end)


def _joins_numbers(found: list[str], place: int) -> bool:
    """Whether the word at a place stands between two numbers and makes another of them: "10 to 20", "2 x 3"."""
    if not 0 < place < len(found) - 1 or found[place] not in _BETWEEN:
        return False
    return found[place - 1][-1:].isdigit() and found[place + 1][-1:].isdigit()


def _is_longer_name(ours: list[Word], place: int, theirs: list[Word]) -> bool:
    """Whether a name goes on with nothing in between.

    By a letter or number of its own (Vitamin A, Henry VIII), or, if it has at least two words, by another capital.
    """
    end = place + len(theirs)
    if end >= len(ours) or not theirs or not ours[end - 1].written[-1].isalnum():
        return False
    name, following = ours[place:end], ours[end].written
    # In the midst of a sentence an "I" is who speaks.
    if _DESIGNATION.fullmatch(following.rstrip(".,;:!?")) and name[-1].written.isalpha():
        return following != "I" or end == len(ours) - 1
    is_name = len(theirs) > 1 and all(word.written[:1].isupper() for word in (*theirs, *name))
    return is_name and following[:1].isupper() and not following.isupper()
