"""Which signs of a text decide what it says, and which are punctuation.

"−49" is not "49", "x + 5" not "x - 5", "C++" not "C", "Rh-" not "Rh+", but "well-known" is "wellknown" and "(Paris)."
is "Paris". A sign is told by what stands beside it.
"""

import re
import string
import unicodedata
from functools import lru_cache

# One minus, one apostrophe and one mark of inches; a long dash is punctuation wherever it is not between digits.
_PLAIN = str.maketrans(
    {"−": "-", "‐": "-", "‑": "-", "‒": "-", "–": "-", "﹣": "-", "－": "-", "′": "'", "″": "''", "⁄": "/", "∕": "/"}
)
_LONG_DASH = re.compile(r"(?<=[0-9])[—―](?=[0-9])")
# NFKC makes of 10² the number 102, and of 5½ the number 51/2.
_RAISED = re.compile(r"[⁺⁻]?[⁰¹²³⁴-⁹]+")
_FRACTION = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞])")

# Kept wherever they stand within a word or between words.
_ALWAYS = set("+<>=^|~/&")
# A minus, a star or a bracket counts only between operands or before one.
_OPERAND_BEFORE = re.compile(r"(?:[0-9)\]}'%]|(?:^|[^\w])[^\W\d_]|[0-9][eE])$")
_OPERAND_AFTER = re.compile(r"^(?:[0-9.(\[{$€£¥\\∞√]|[^\W\d_](?:$|[^\w]|[0-9]))")
# A minus before one of these is a sign: −sin x.
_FUNCTION = re.compile(r"(?:(?:arc)?(?:sin|cos|tan|cot|sec|csc)|log|ln|exp|sqrt|lim|det)(?![a-z])")
# n!, (n-1)!; after a number or a word it is what ends a sentence.
_FACTORIAL = re.compile(r"(?:^|[^\w])(?:[a-z]|\([a-z0-9]+[-+*/][a-z0-9]+\))!$")
_FORMULA = re.compile(r"[+^=<>\\]|[0-9][-*/][0-9(]|(?<![^\W\d_])[^\W\d_][-*/][0-9(]|[0-9][([]|(?<![^\W\d_])[^\W\d_]\(")
_CURRENCIES = "$€£¥₹₩₽¢"
_CURRENCY_BEFORE = re.compile(rf"^([+-]?)[{_CURRENCIES}]([+-]?)(?=[0-9.])")
_UNIT_AFTER = re.compile(rf"(?<=[0-9])[{_CURRENCIES}%‰]$")
_UNIT = re.compile(rf"[{_CURRENCIES}](?=\s*[+-]?[0-9.])|(?<=[0-9])\s*[{_CURRENCIES}%‰]")
# A pound may be a weight.
_SIGNS = {
    "dollar": "$", "usd": "$", "euro": "€", "eur": "€", "gbp": "£", "sterling": "£", "yen": "¥", "jpy": "¥",
    "rupee": "₹", "inr": "₹", "rouble": "₽", "ruble": "₽", "cent": "¢", "percent": "%", "per cent": "%",
}  # fmt: skip
_CODES = r"usd|eur|gbp|jpy|inr"
_CALLED = re.compile(
    rf"(?<=[0-9])\s*(?:(?:us|pounds?)\s+)?({'|'.join(_SIGNS)})s?\b|\b({_CODES})\s*(?=[0-9])", re.IGNORECASE
)
# Signs that belong to the number after them, though a space stands between; an ASCII "-" there may be a bullet.
_BOUND_AT_START = re.compile(rf"^\s*([<>≤≥≈≠~]|−)\s+(?=[-+]?[{_CURRENCIES}]?[0-9.])")
_CURRENCY_APART = re.compile(rf"(?<=[{_CURRENCIES}])\s+(?=[0-9])")
_RELATIONS = {"<=": "≤", ">=": "≥", "!=": "≠"}
_ENCLOSED = re.compile(r"\$?([(\[{]).*,.*([)\]}])\$?", re.DOTALL)
# Longest name whose last sign belongs to it: Rh-, Cl-, A+, C#, A*.
_SHORT_NAME = 3


# A grader looks at an answer beside every accepted text, and at these beside every answer.
@lru_cache(maxsize=256)
def plain_signs(text: str) -> str:
    """One spelling for each sign (NFKC), powers and mixed numbers told apart, and no invisible characters."""
    for written, sign in _RELATIONS.items():
        text = text.replace(written, sign)
    text = _BOUND_AT_START.sub(r"\1", _CURRENCY_APART.sub("", text))
    if not text.isascii():
        text = _RAISED.sub(lambda run: f"^{run[0]}", text)
        text = _FRACTION.sub(" ", _LONG_DASH.sub("-", text))
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text)).translate(_PLAIN)
    if text.isascii() and text.isprintable():
        return text
    invisible = {sign for sign in set(text) if _is_invisible(sign)}
    return "".join(sign for sign in text if sign not in invisible) if invisible else text


@lru_cache(maxsize=4096)
def _is_invisible(sign: str) -> bool:
    """Whether a sign is a mark of direction, a joiner, a variant, or a control character other than white space."""
    return (unicodedata.category(sign) in ("Cf", "Cc") and not sign.isspace()) or "\ufe00" <= sign <= "\ufe0f"


@lru_cache(maxsize=256)
def units(text: str) -> frozenset[str]:
    """The currencies and per cents beside numbers, by their signs: "$5" is 5, but it is not "€5" or 5 euros."""
    plain = plain_signs(text)
    called = (next(filter(None, found.groups())).lower() for found in _CALLED.finditer(plain))
    return frozenset(sign.strip() for sign in _UNIT.findall(plain)) | frozenset(_SIGNS[name] for name in called)


@lru_cache(maxsize=256)
def brackets(text: str) -> str:
    """The brackets around a list, which say what it is: a pair or an open interval, a closed one, a set; else none."""
    enclosed = _ENCLOSED.fullmatch(plain_signs(text).strip().rstrip("."))
    return enclosed[1] + enclosed[2] if enclosed else ""


def bare_word(word: str, before: str, after: str) -> str:
    """A word without punctuation, with the signs that decide.

    Args:
        word: without white space.
        before: the word before it; empty at the beginning.
        after: the word after it; empty at the end.
    """
    if not word.strip("+-*<>=^|~/&"):
        return word if _joins(word, before, after) else ""
    return _bare(word)


@lru_cache(maxsize=1 << 14)
def _bare(word: str) -> str:
    """A word that is more than signs, which depends on no other."""
    word = _unwrapped(word)
    word = _UNIT_AFTER.sub("", _CURRENCY_BEFORE.sub(lambda signs: signs[1] or signs[2], word))
    is_formula = _FORMULA.search(word) is not None
    kept = [sign for place, sign in enumerate(word) if _counts(word, place, is_formula=is_formula)]
    return "".join(kept)


def _joins(sign: str, before: str, after: str) -> bool:
    """Whether a sign that stands alone joins two operands: "x - 5", and not "Paris - France"."""
    if not before or not after:
        return False
    if set(sign) & _ALWAYS:
        return True
    left, right = before.strip(".,;:!?\"'"), after.strip(".,;:!?\"'")
    return any(len(one) == 1 or any(mark.isdigit() for mark in one) for one in (left, right))


def _unwrapped(word: str) -> str:
    """Without what stands around a word: quotes, brackets that close where it ends, marks of a sentence, emphasis."""
    previous = None
    while word != previous:
        previous = word
        if _FACTORIAL.search(word):
            break
        word = word.rstrip(".,;:!?").lstrip(",;:?" if len(word) == 2 else ",;:!?")
        for opening, closing in ("()", "[]", "{}", "<>", "''", '""', "“”", "‘’", "«»", "**", "__", "``", "$$"):
            if len(word) > 1 and word[0] == opening and word[-1] == closing and _is_pair(word, opening, closing):
                word = word[1:-1]
        if word.count("(") != word.count(")") or word.count("[") != word.count("]"):
            word = word.lstrip("([").rstrip(")]")
    return word


def _is_pair(word: str, opening: str, closing: str) -> bool:
    """Whether the first sign is closed by the last one, and by none before: not so in (a)(b)."""
    depth = 0
    for place, sign in enumerate(word):
        depth += (sign == opening) - (sign == closing)
        if opening != closing and depth == 0 and place < len(word) - 1:
            return False
    return True


def _counts(word: str, place: int, *, is_formula: bool) -> bool:
    sign, before, after = word[place], word[:place], word[place + 1 :]
    if not is_punctuation(sign) or sign in _ALWAYS:
        return True
    if sign in "([{}])":
        return is_formula
    if sign in "-*":
        return _is_operator(sign, before, after)
    if sign == "#":
        return bool(before) and not after
    if sign == "!" and not after:
        return _FACTORIAL.search(word) is not None
    if sign in "%\\!@" and not before:
        return len(after) == 1  # %d, \n, !x
    if sign in "'\"":
        # Feet, inches, minutes; the derivative of f.
        bare = before.rstrip("'\"")
        return (bare[-1:].isdigit() or (len(bare) == 1 and sign == "'")) and not after.strip("'\"")
    if before and after and before[-1].isdigit() and after[0].isdigit():
        return True
    return sign == "." and not before and after[:1].isdigit()


def _is_operator(sign: str, before: str, after: str) -> bool:
    if not after:
        # Ions, blood groups, marks: Cl-, Rh-, A*. A small word before a dash is a word before a dash.
        return len(before) <= _SHORT_NAME and (before[:1].isupper() or len(before) == 1)
    if not _OPERAND_AFTER.match(after) and not _FUNCTION.match(after):
        return False
    return sign == "-" if not before else _OPERAND_BEFORE.search(before) is not None or before[-1] in "+-*/=<>^(["


@lru_cache(maxsize=4096)
def is_punctuation(sign: str) -> bool:
    """Whether a sign is punctuation in some script."""
    return sign in string.punctuation or unicodedata.category(sign).startswith("P")
