"""What two answers have in common once case, articles, punctuation and the spelling of numbers are set aside."""

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from text_to_num import text2num

from ccps.grading.signs import bare_word, plain_signs

_ARTICLES = {"a", "an", "the"}
_LAST_OF_ARTICLES = frozenset("aneANE")
# Before these an "a" is no article but the name of something: "A and B", "A or B".
_CONJUNCTIONS = {"and", "or", "nor", "vs", "vs.", "versus", "but", "&"}
_NUMERAL = re.compile(r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
_SMALL = (
    "zero|nought|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
)
_SCALES = "hundred|thousand|million|billion"
# A comma joins only after thousands, millions and billions; "5 million" is left as it is, and so is "two-year".
_NUMBER_WORDS = re.compile(
    rf"(?<!\w)(?<!\w[^\w\s])(?:(?:{_SMALL})|(?<![0-9] )(?:{_SCALES}))"
    rf"(?:(?:[- ]|(?<=thousand), |(?<=illion), )(?:and[- ])?(?:{_SMALL}|{_SCALES}))*(?!\w|[^\w\s]\w)",
    re.IGNORECASE,
)
# A thousands space is no ordinary one, unless the number stands alone.
THOUSANDS_APART = re.compile(
    r"(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))|(?<=^[0-9]) (?=[0-9]{3}$)|(?<=^[0-9]{2}) (?=[0-9]{3}$)|"
    r"(?<=^[0-9]{3}) (?=[0-9]{3}$)"
)
_PER_CENT = re.compile(r"(?<=[0-9])\s+per\s?cent\b", re.IGNORECASE)
_MINUS = re.compile(r"^(?:minus|negative)\s+(?=[0-9.])", re.IGNORECASE)
# Below a trillion: four groups such as "nine hundred and ninety nine", and three scales between them.
_LONGEST = 23


# An answer is compared with every accepted text in turn.
@lru_cache(maxsize=256)
def normalise(text: str) -> str:
    """Bring a text to the form in which it is compared.

    After SQuAD's exact match (Rajpurkar et al. 2016, arXiv 1606.05250): lower-case, no punctuation, no articles, single
    spaces. Beyond it, so that numbers are compared by value, and signs that decide are not lost:

    1. Unicode compatibility forms are unified (NFKC), invisible characters go, and punctuation is that of all scripts.
    2. A numeral takes its shortest form: "1,000.0" is "1000", "-0.50" is "-0.5". Punctuation between digits stays.
    3. An English cardinal number in words is that number, wherever it stands: "twenty-one moons" is "21 moons".
       "One" is taken for a number always.
    4. Signs of mathematics, chemistry and names stay: "-$3", "x + 5", "p < 0.05", "Rh-", "C++", "I/II", see
       `ccps.grading.signs`.
    5. An "a" is an article only where one can stand: not at the end ("Vitamin A"), not before a conjunction or another
       single letter ("A and B"), and not as a capital within a text ("hepatitis A virus").

    A text of which nothing would be left ("The", "?") stays as it is, lower-case.
    """
    return " ".join(filter(None, _tokens(_written(text)))) or " ".join(plain_signs(text).split()).lower()


class Word(NamedTuple):
    """A word of a text: in the form in which it is compared, and as it is written."""

    token: str
    written: str


@lru_cache(maxsize=256)
def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text of which something is left, see `normalise`; numbers in words are written in digits."""
    words = _written(text)
    return tuple(Word(token, word) for token, word in zip(_tokens(words), words, strict=True) if token)


def _written(text: str) -> list[str]:
    """The words of a text as they are written, without articles and with its number words in digits."""
    plain = " ".join(plain_signs(THOUSANDS_APART.sub("", text)).split())
    return _without_articles(_MINUS.sub("-", _PER_CENT.sub("%", _NUMBER_WORDS.sub(_in_digits, plain))).split())


def _tokens(words: list[str]) -> list[str]:
    """Each word in the form in which it is compared; empty where nothing is left."""
    return [_token(bare_word(word, before, after)) for before, word, after in _with_neighbours(words)]


def token_f1(answer: str, accepted: str) -> float:
    """Token F1 of SQuAD on normalised texts: the harmonic mean of precision and recall over shared tokens.

    Source: Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1.
    """
    ours, theirs = normalise(answer).split(), normalise(accepted).split()
    shared = (Counter(ours) & Counter(theirs)).total()
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0


def _with_neighbours(words: list[str]) -> list[tuple[str, str, str]]:
    padded = ["", *words, ""]
    return list(zip(padded, words, padded[2:], strict=False))


def _without_articles(words: list[str]) -> list[str]:
    all_capitals = not any(word != word.upper() for word in words)
    return [
        word
        for before, word, after in _with_neighbours(words)
        if word[-1] not in _LAST_OF_ARTICLES  # most words
        or not _is_article(word, after, may_be_capital=not before or before[-1] in ".!?:" or all_capitals)
    ]


def _is_article(word: str, after: str, *, may_be_capital: bool) -> bool:
    """Whether a word is an article and not a name: "a", with nothing but an opening mark before it."""
    bare = word.lstrip("\"'“‘«([{*_")
    if bare.lower() not in _ARTICLES:
        return False
    if bare.lower() == "the":
        return True
    following = after.strip(".,;:!?\"'”’)]}").lower()
    names_something = not following or following in _CONJUNCTIONS or (len(following) == 1 and not following.isdigit())
    return not names_something and (may_be_capital or not bare.isupper())


@lru_cache(maxsize=1 << 14)
def _token(bare: str) -> str:
    bare = bare.lower()
    numeral = _NUMERAL.fullmatch(bare)
    if numeral and (numeral[2] or numeral[3]):
        return _shortest(numeral[1], numeral[2].replace(",", ""), numeral[3] or "")
    return bare


def _shortest(sign: str, whole: str, fraction: str) -> str:
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    value = f"{whole}.{fraction}" if fraction else whole
    return f"-{value}" if sign == "-" and value != "0" else value


def _in_digits(run: re.Match[str]) -> str:
    """Read number words in a row, the longest number first: "nineteen eighty four" is "19 84"."""
    rest = re.findall("[a-z]+", run[0].lower())
    read: list[str] = []
    while rest:
        ends = range(min(len(rest), _LONGEST), 0, -1)
        numbers = ((number, end) for end in ends if (number := _cardinal(" ".join(rest[:end]))) is not None)
        # An "and" between two numbers is no number itself.
        number, end = next(numbers, (rest[0], 1))
        read.append(number)
        rest = rest[end:]
    return " ".join(read)


def _cardinal(words: str) -> str | None:
    try:
        return str(text2num(words, "en"))
    except ValueError:
        return None
