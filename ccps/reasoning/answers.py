r"""The final answer in what a reasoning model wrote."""

import re
import string
from typing import NamedTuple

from ccps.data.thinking import SINGLE, marks_in
from ccps.faithful import Mode, think_block
from ccps.faithful.modes import check_mode

# A box, an escaped character (no brace that counts), a brace.
_BRACES = re.compile(r"\\+(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
# A box without braces holds the next thing: a number, a command with its groups, or a letter that ends the line.
_GROUP = r"\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.)*\})*\}"
_UNBRACED = re.compile(
    r"\\+(?:boxed|fbox)(?:\s*(?P<number>-?\$?\d(?:[\d.,/]*\d)?(?:\\?%)?)(?![\w^\\{])|"
    rf"\s*(?P<command>\\[A-Za-z]+(?:\s*{_GROUP})++)(?!\s*\{{)|\s+(?P<letter>-?[A-Za-z])(?=[\s$.,;)\]]*$))",
    re.MULTILINE | re.DOTALL,
)
# Special tokens, as chat templates have them, are no text.
_SPECIAL = r"<\|[^|<>\s]*\|>"
_BEFORE_ANSWERS = ("final<|message|>", "<|begin_of_solution|>")
_AFTER_MARK = "|".join(f"(?<={re.escape(mark)})" for mark in (*SINGLE[1::2], *_BEFORE_ANSWERS))
_HEAD = rf"(?:^|{_AFTER_MARK})[ \t>#*_-]*(?:the[ \t]+)?(?:final[ \t]+)?answer"
_ANSWER_LINE = re.compile(rf"{_HEAD}[*_ \t]*[:：](.+?)(?:{_SPECIAL}\s*)*$", re.I | re.M)
# A heading, and what is set apart as a formula below it, or else the next line, if it is no heading and holds a word.
_ANSWER_BELOW = re.compile(
    rf"{_HEAD}[*_ \t]*[:：]?[*_ \t]*$\s*+(?!{_HEAD}[*_ \t]*(?:[:：]|$)|#)"
    rf"(?:[>*•-][ \t]+)*+(?:\\\[|\$\$)?+\s*+([^\n]*?\w[^\n]*?)"
    rf"(?:[ \t]{{0,9}}\n?[ \t]{{0,9}}(?:\\\]|\$\$))?(?:{_SPECIAL}\s*)*$",
    re.I | re.M,
)
# How the prompt of Minerva (arXiv 2206.14858) has answers end.
_ANSWER_HOPED = re.compile(r"final answer is:?[ \t]+(.{1,500}?)\.?[ \t]+I hope (?:it|this) is correct", re.I)
# "The final answer is 5." on an answer line says 5.
_SENTENCE = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?the\s+(?:(?:final|correct|right)\s+)?answer\s+is:?\s+(?=.*[^\W_])(.+?)\.?",
    re.I,
)
_ANSWER_TAG = re.compile(r"<answer>(.+?)</answer>", re.I | re.S)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(?!#)(.+)$", re.M)
_AROUND = string.whitespace + "*_"

_IN_STRICT = {
    "answer tag": (_ANSWER_TAG,),
    "answer line": (_ANSWER_LINE, _ANSWER_BELOW, _ANSWER_HOPED),
    "four hashes": (_HASHES,),
}

# What the released code looks for, in this order; white space there may run over lines, and a box ends at any brace.
_RELEASED = {
    "final answer line": re.compile(r"^\s*final\s*answer\s*[:-]\s*(.+)$", re.I | re.M),
    "answer line": re.compile(r"^\s*answer\s*[:-]\s*(.+)$", re.I | re.M),
    "box": re.compile(r"\\boxed\{(.+?)\}"),
}


class Extracted(NamedTuple):
    """A final answer."""

    text: str | None
    """As it is written, without white space around it; None if there is none."""
    how: str
    """Where it stood ("box", "answer line", …), or why there is none."""
    start: int = -1
    """Its first character in the generated text; −1 if there is none."""
    end: int = -1
    """The one after its last."""


def extract_answer(text: str, *, mode: Mode = "strict") -> Extracted:
    r"""Find the final answer.

    `strict` looks behind the last closing think tag, else behind the first, or everywhere if nothing closes the
    thinking, for

    1. the last `\boxed{…}` whose braces balance and that is not empty, or box without braces (`\boxed 5`),
    2. else the last `<answer>…</answer>`,
    3. else the last line "Answer: …" or "Final answer: …", what stands below such a heading, or "The final answer is ….
       I hope it is correct.", without the words "The answer is" before it,
    4. else the last line "#### …", as in GSM8K.

    `parity` does as the released code of arXiv 2606.03969. It looks everywhere, thinking included, for the first line
    "Final answer: …", else the first line "Answer: …", else the first box, which ends at the first closing brace
    (`\boxed{\frac{1}{2}}` gives `\frac{1`), else it takes the last line that is not empty. It always finds something,
    if only an empty text.

    Args:
        text: what the model generated, without the prompt.
        mode: `strict` or `parity`.

    Raises:
        ValueError: unknown mode.
    """
    check_mode(mode)
    return _released(text) if mode == "parity" else _strict(text)


def _strict(text: str) -> Extracted:
    block = think_block(text)
    begin = max(0, block.after)
    if begin and block.surplus_tags:
        # Behind the last closing tag; else between the first and where thinking is opened again.
        opening, closing = marks_in(text)
        found = _after(text, max(begin, text.rfind(closing) + len(closing)))
        if found.text is None:
            again = text.find(opening, begin)
            found = _after(text if again < 0 else text[:again], begin)
    else:
        found = _after(text, begin)
    if found.text is not None or found.how:
        return found
    if block.truncated:
        return Extracted(None, "cut off while thinking")
    return Extracted(None, "no answer after the thinking" if block.after >= 0 else "no answer in the text")


def _after(text: str, begin: int) -> Extracted:
    """What is found from a place on; without text and reason if nothing is."""
    boxes = _boxes(text, begin)
    filled = [span for span in boxes if text[slice(*span)].strip()]
    if filled:
        return _found(text, max(filled), "box")
    for how, patterns in _IN_STRICT.items():
        matches = (match for pattern in patterns for match in pattern.finditer(text, begin))
        spans = [match.span(1) for match in matches if match[1].strip(_AROUND)]
        if spans:
            found = _found(text, max(spans), how, _AROUND)
            if how == "answer line" and (said := _SENTENCE.fullmatch(text, found.start, found.end)):
                return _found(text, said.span(1), how, _AROUND)
            return found
    return Extracted(None, "the box is empty" if boxes else "")


def _boxes(text: str, begin: int) -> list[tuple[int, int]]:
    """Spans of what stands in balanced boxes from `begin` on, whatever is left open, and in those without braces."""
    spans = []
    open_at: list[int] = []
    for match in _BRACES.finditer(text, begin):
        sign = match[0]
        if sign == "}":
            start = open_at.pop() if open_at else -1
            if start >= 0:
                spans.append((start, match.start()))
        elif sign.endswith("{") and "box" in sign:
            open_at.append(match.end())
        elif sign == "{":
            open_at.append(-1)
    unbraced = (match.span(match.lastgroup or 0) for match in _UNBRACED.finditer(text, begin))
    return [*spans, *unbraced]


def _released(text: str) -> Extracted:
    for how, pattern in _RELEASED.items():
        if match := pattern.search(text):
            return _found(text, match.span(1), how)
    position, last = 0, (0, len(text))
    for line in text.splitlines(keepends=True):
        if line.strip():
            last = (position, position + len(line))
        position += len(line)
    return _found(text, last, "last line")


def _found(text: str, span: tuple[int, int], how: str, around: str | None = None) -> Extracted:
    chunk = text[slice(*span)]
    answer = chunk.strip(around)
    start = span[0] + len(chunk) - len(chunk.lstrip(around))
    return Extracted(answer, how, start, start + len(answer))
