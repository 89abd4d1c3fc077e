"""What two answers have in common once case, articles, punctuation and the spelling of numbers are set aside."""

import re
import string
import unicodedata
from collections import Counter
from functools import lru_cache

from text_to_num import text2num

_ARTICLES = {"a", "an", "the"}
_NUMERAL = re.compile(r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[^0-9\s](?=[0-9])")
_SMALL = (
    "zero|nought|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
)
_SCALES = "hundred|thousand|million|billion"
# A comma joins only after thousands, millions and billions; "5 million" is left as it is, and so is "two-year".
_NUMBER_WORDS = re.compile(
    rf"(?<!\w)(?<!\w[^\w\s])(?:(?:{_SMALL})|(?<![0-9] )(?:{_SCALES}))"
    rf"(?:(?:[- ]|(?<=thousand), |(?<=illion), )(?:and[- ])?(?:{_SMALL}|{_SCALES}))*(?!\w|[^\w\s]\w)"
)
# Below a trillion: four groups such as "nine hundred and ninety nine", and three scales between them.
_LONGEST = 23
_MINUS = str.maketrans({"−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-"})


# An answer is compared with every accepted text in turn.
@lru_cache(maxsize=256)
def normalise(text: str) -> str:
    """Bring a text to the form in which it is compared.

    After SQuAD's exact match (Rajpurkar et al. 2016, arXiv 1606.05250): lower-case, no punctuation, no articles, single
    spaces. Beyond it, so that numbers are compared by value:

    1. Unicode compatibility forms are unified first (NFKC), and punctuation is that of all scripts.
    2. A numeral takes its shortest form: "1,000.0" is "1000", "-0.50" is "-0.5". Punctuation between digits stays.
    3. An English cardinal number in words is that number, wherever it stands: "twenty-one moons" is "21 moons".
       "One" is taken for a number always.

    A text of which nothing would be left ("The", "?") stays as it is, lower-case.
    """
    lower = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower()).translate(_MINUS)
    spaced = " ".join(lower.split())
    tokens = [_token(word) for word in _NUMBER_WORDS.sub(_in_digits, spaced).split()]
    return " ".join(token for token in tokens if token and token not in _ARTICLES) or spaced


def token_f1(answer: str, accepted: str) -> float:
    """Token F1 of SQuAD on normalised texts: the harmonic mean of precision and recall over shared tokens.

    Source: Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1.
    """
    ours, theirs = normalise(answer).split(), normalise(accepted).split()
    shared = (Counter(ours) & Counter(theirs)).total()
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0


def _token(word: str) -> str:
    bare = word.lstrip("".join(_outer(word, keep="+-.")))
    bare = bare.rstrip("".join(_outer(bare, keep="")))
    numeral = _NUMERAL.fullmatch(bare)
    if numeral and (numeral[2] or numeral[3]):
        return _shortest(numeral[1], numeral[2].replace(",", ""), numeral[3] or "")
    inner = {match.start() for match in _BETWEEN_DIGITS.finditer(word)}
    return "".join(sign for place, sign in enumerate(word) if place in inner or not _is_punctuation(sign))


def _outer(word: str, keep: str) -> set[str]:
    return {sign for sign in word if _is_punctuation(sign) and sign not in keep}


def _shortest(sign: str, whole: str, fraction: str) -> str:
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    value = f"{whole}.{fraction}" if fraction else whole
    return f"-{value}" if sign == "-" and value != "0" else value


def _in_digits(run: re.Match[str]) -> str:
    """Read number words in a row, the longest number first: "nineteen eighty four" is "19 84"."""
    rest = re.findall("[a-z]+", run[0])
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


@lru_cache(maxsize=4096)
def _is_punctuation(sign: str) -> bool:
    return sign in string.punctuation or unicodedata.category(sign).startswith("P")
