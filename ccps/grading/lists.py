"""Whether an answer lists more than the accepted text: "Mars and Earth", "Mars, Earth, Venus" for Earth."""

import re
from collections.abc import Collection, Sequence

from ccps.grading.normalise import normalise
from ccps.grading.places import CITIES_TOO, COUNTRIES_AND_STATES

_LETTER_OR_NUMBER = re.compile(r"[A-Za-z]|[+-]?[0-9.]+")
# What joins the items of a list. A comma alone does not: "Paris, France" is Paris.
_JOINT = re.compile(
    r"\s*(?:[;:]|,?\s+(?:and|or|as well as|along with|together with|plus)\s|,?\s+&\s)\s*", re.IGNORECASE
)
_ITEM_END = re.compile(_JOINT.pattern + r"|\s*,\s+", re.IGNORECASE)
_TOGETHER = re.compile(r"\s*[,;]\s+(?:(?:and|&)\s+)?|\s+(?:and|&)\s+", re.IGNORECASE)
# "Paris, and not London", "Paris, or so I think".
_NO_ITEM = re.compile(
    r"(?:not|so i|so it|something|thereabouts|i (?:think|believe|guess)|maybe|perhaps|probably|possibly|presumably|"
    r"certainly|surely|definitely|apparently|of course)\b"
)
# "Answer: Paris", "Paris: the capital"; two of them join a list.
_LEAD = re.compile(r":\s+")
# In a sentence, what follows "with" may be the answer.
_WORDS_OF_A_THING = 2
LEADING = re.compile(r"[^,;.]*?\b(?:is|are|was|were|be|includes?|including|namely|like)\s+", re.IGNORECASE)
"""What may stand before a list: "The planets are Mars, Earth, Venus"."""
BULLET = re.compile(r"^[ \t]*(?:[-*•–]|\(?\d{1,2}[.)]|\(?[A-Za-z][.)])[ \t]+(?=\S)", re.MULTILINE)
"""What stands before an item on a line of its own."""
# An item of a list of like things is a name or a thing; with one of these words, it says something about another.
_WORDS_OF_AN_ITEM = 3
_NO_THING = re.compile(
    r"\b(?:is|are|was|were|be|been|am|has|have|had|do|does|did|can|could|will|would|may|might|must|should|i|you|he|she|it|"
    r"they|we|that|which|who|whose|where|when|what|because|since|if|as|than|not|no|yes|so|but|then|also|too|well|oh|hmm|"
    r"sure|right|maybe|perhaps|think|thought|guess|believe|know|of|in|on|at|by|for|from|near|during|after|before|to|etc|"
    r"i[.]?e|e[.]?g|aka|usually|born|called|known|named|his|her|its|their|my|your|our|this|these|"
    r"jr|sr|inc|ltd|phd|md|king|queen|duke|earl|baron|lord|count|prince|princess|sir|"
    r"lady|countess|baroness|viscountess|obe|cbe|mbe|dbe|frs\w*|esq)\b",
    re.IGNORECASE,
)
_ADVERB = re.compile(r"\b[a-z]{3,}ly\b")
_FEWEST_WITH_COMMAS = 3


def is_longer_list(answer: str, accepted: str) -> bool:
    """Whether the answer as a whole is a list that holds all items of the accepted text, and others."""
    text = answer.strip().strip("()[]{}")
    if len(sides := _LEAD.split(text)) == 2:
        return any(is_longer_list(side, accepted) for side in sides)
    wanted = _items(accepted.strip().strip("()[]{}"))
    if _holds_more(_like_things(text), wanted):
        return True
    # A comma joins letters and numbers, and what stands in brackets: "A, B" is no B, but "Paris, France" is Paris.
    plain = all(_LETTER_OR_NUMBER.fullmatch(item.strip()) for item in text.strip(".").split(","))
    is_bracketed = (plain or text != answer.strip()) and "," in text
    if not is_bracketed and not _JOINT.search(text):
        return False
    return _holds_more(_items(text), wanted)


def lists_only(answer: str, accepted: Collection[str]) -> bool:
    """Whether the answer is a list of accepted texts and of nothing else: "Bombay or Mumbai" where either is right."""
    items = _items(answer.strip().strip("()[]{}"))
    return len(items) > 1 and items <= {normalise(text) for text in accepted}


def same_items(answer: str, accepted: str) -> bool:
    """Whether two texts list the same in the same order, joined as they may be: "A, B and C", "A, B, C"."""
    ours, theirs = (
        [normalise(item) for item in _TOGETHER.split(text.strip(" .()[]{}")) if item.strip()]
        for text in (answer, accepted)
    )
    return len(ours) > 1 and ours == theirs


def says_what_with(answer: str) -> bool:
    """Whether the answer is a few words on a thing and what it comes with: "black with white spots"."""
    thing, _, attribute = normalise(answer).partition(" with ")
    return bool(attribute) and max(len(thing.split()), len(attribute.split())) <= _WORDS_OF_A_THING


def _holds_more(items: set[str], wanted: set[str]) -> bool:
    return bool(items) and wanted < items


def _items(text: str) -> set[str]:
    items = {normalise(item) for item in _ITEM_END.split(text) if item.strip()}
    return {item for item in items if not _NO_ITEM.match(item)}


def _like_things(text: str) -> set[str]:
    """The items of a list of things of one kind, in commas alone too; empty where the text is none.

    There are three at least, or two lines with bullets; each is a few words, all with a capital or all without. A city
    that is followed by where it lies ("Austin, Texas, USA") is one thing.
    """
    lines = BULLET.split(text)
    if len([line for line in lines[1:] if line.strip()]) > 1:
        return {normalise(line) for line in lines[1:] if line.strip()}
    first = LEADING.match(text)
    listed = text[first.end() :] if first else text
    items = [item.strip() for item in re.split(rf"{_ITEM_END.pattern}|\s*\n\s*", listed, flags=re.IGNORECASE)]
    items = [item.strip(" .!?") for item in items]
    items = [item for item in items if item]
    if len(items) < (2 if first and _JOINT.search(listed) else _FEWEST_WITH_COMMAS) or not _are_alike(items):
        return set()
    names = [normalise(item) for item in items]
    if names[-1] in COUNTRIES_AND_STATES and (names[0] not in COUNTRIES_AND_STATES or names[0] in CITIES_TOO):
        return set()
    return set(names)


def _are_alike(items: Sequence[str]) -> bool:
    bare = [re.sub(r"^(?:the|an?)\s+", "", item, flags=re.IGNORECASE) for item in items]
    if any(not item or len(item.split()) > _WORDS_OF_AN_ITEM or _says_more(item) for item in bare):
        return False
    return len({(item[0].isupper(), item[0].isdigit()) for item in bare}) == 1


def _says_more(item: str) -> bool:
    return _NO_THING.search(item) is not None or _ADVERB.search(item) is not None
