"""The marks between which reasoning models think, as chat templates write them and traces hold them."""

import re
from functools import cache
from typing import NamedTuple


class Marks(NamedTuple):
    """What opens a thought, and what closes it."""

    opening: str
    closing: str


OPEN, CLOSE = "<think>", "</think>"
"""Those of most families, and all that the released code of arXiv 2606.03969 knows."""

KNOWN = (
    Marks(OPEN, CLOSE),
    Marks("[THINK]", "[/THINK]"),  # Magistral
    Marks("<|channel|>analysis<|message|>", "<|end|>"),  # gpt-oss
    Marks("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1, OpenThinker
    Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    Marks("<seed:think>", "</seed:think>"),  # Seed-OSS
    Marks("<thinking>", "</thinking>"),
    Marks("<thought>", "</thought>"),  # EXAONE
    Marks("<reasoning>", "</reasoning>"),
    Marks("◁think▷", "◁/think▷"),  # Kimi
)

SINGLE = tuple(mark for marks in KNOWN if "channel" not in marks.opening for mark in marks)
"""The marks that tokenizers have as one token, which is text although it is special."""


def marks_in(text: str) -> Marks:
    """The marks that a text uses: those whose opening stands first in it, else whose closing does.

    A closing mark alone is what models leave whose template has opened the thought already; `<|end|>` alone is no mark
    of thinking, as many templates end every turn with it. A text without any is taken to use `<think>`. Marks are
    known in any case and with a space before their end, and given back as the text has them.
    """
    opened = [(found[0], marks) for marks in KNOWN if (found := _written(text, marks))[0] >= 0]
    if opened:
        marks = min(opened, key=lambda one: one[0])[1]
        return _as_written(text, marks)
    closed = [(place, marks) for marks in KNOWN if marks.closing in SINGLE and (place := _written(text, marks)[1]) >= 0]
    return _as_written(text, min(closed, key=lambda one: one[0])[1]) if closed else KNOWN[0]


def _written(text: str, marks: Marks) -> tuple[int, int]:
    """Where the opening and the closing mark first stand; −1 where not at all."""
    found = (pattern.search(text) for pattern in _patterns(marks))
    opening, closing = (-1 if one is None else one.start() for one in found)
    return opening, closing


def _as_written(text: str, marks: Marks) -> Marks:
    spelled = [pattern.search(text) for pattern in _patterns(marks)]
    return Marks(*(mark if one is None else one[0] for one, mark in zip(spelled, marks, strict=True)))


@cache
def _patterns(marks: Marks) -> tuple[re.Pattern[str], re.Pattern[str]]:
    opening, closing = (re.compile(rf"{re.escape(mark[:-1])}\s?{re.escape(mark[-1])}", re.IGNORECASE) for mark in marks)
    return opening, closing
