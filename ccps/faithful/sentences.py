"""Where sentences begin and end in text that is full of formulae and code."""

import re

_FORMULA_OR_CODE = re.compile(
    r"```.*?(?:```|\Z)"
    r"|`[^`\n]+`"
    r"|\\\[.*?\\\]|\\\(.*?\\\)"
    r"|\\begin\{(\w+\*?)\}.*?\\end\{\1\}"
    r"|\$\$.*?\$\$"
    # A dollar sign before a space or a number's end is money: "$5 and $6".
    r"|\$(?=\S)[^$\n]*(?<=\S)\$(?!\d)",
    re.DOTALL,
)
# Full stops that end no sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:e\.g|i\.e|cf|vs?|etc|approx|resp|dr|mrs?|ms|prof|st|jr|sr|al|fig|eqs?|inc|ltd|corp|ca|(?:[a-z]\.)+[a-z])"
    r"\.$",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"(?:^|\n)[ \t]*(?:\d+|[A-Za-z])\.$")
_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s)|\n(?=[ \t]*(?:[-*•+]|\d+[.)])[ \t])")
_LONGEST_ABBREVIATION = 16


def mask_formulae(text: str) -> str:
    """Put a letter in place of every character of formulae and code, so that their words and dots do not count.

    Returns:
        A text of the same length, the same outside formulae and code.
    """
    return _FORMULA_OR_CODE.sub(lambda match: "x" * len(match.group()), text)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans of the sentences of a text, without the white space around them.

    A sentence ends at ., !, ? or … before white space, and before an item of a list. Dots in formulae, code,
    abbreviations and numbers of list items end none; nor do three dots before a small letter ("wait... no").

    Returns:
        Start and end of each sentence; together they hold all of the text but white space.
    """
    masked = mask_formulae(text)
    spans, start = [], 0
    for end in [*(match.end() for match in _END.finditer(masked) if _ends(masked, match)), len(text)]:
        sentence = text[start:end]
        if stripped := sentence.strip():
            begin = start + len(sentence) - len(sentence.lstrip())
            spans.append((begin, begin + len(stripped)))
        start = end
    return spans


def _ends(text: str, match: re.Match[str]) -> bool:
    mark = match.group()
    if mark[0] == "\n":
        return True
    if mark.startswith(("...", "…")):
        return not text[match.end() :][:8].lstrip()[:1].islower()
    before = text[max(0, match.end() - _LONGEST_ABBREVIATION) : match.end()]
    return mark != "." or not (_ABBREVIATION.search(before) or _LIST_NUMBER.search(before))
