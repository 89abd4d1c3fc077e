"""The bare answer out of a whole derivation, where a column of right answers holds such."""

import re

MARK = "####"
"""What stands before the bare answer in GSM8K."""

_BOXED = re.compile(r"\\f?boxed\s*\{")


def bare_answer(text: str) -> str:
    """What follows the mark of a derivation, or stands in the last box of one, as in MATH; else the text as it is."""
    if MARK in text:
        return text.rpartition(MARK)[2].strip()
    *_, last = (None, *_BOXED.finditer(text))
    inside = None if last is None else _to_its_brace(text[last.end() :])
    return text if inside is None else inside.strip()


def _to_its_brace(text: str) -> str | None:
    """What stands before the brace that closes one opened before; None if none does."""
    depth = 1
    for place, sign in enumerate(text):
        if text[place - 1 : place] == "\\":
            continue
        depth += (sign == "{") - (sign == "}")
        if not depth:
            return text[:place]
    return None
