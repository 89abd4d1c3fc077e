"""The marks between which reasoning models think, as chat templates write them and traces hold them."""

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
    of thinking, as many templates end every turn with it. A text without any is taken to use `<think>`.
    """
    opened = [(text.find(marks.opening), marks) for marks in KNOWN if marks.opening in text]
    closed = [(text.find(marks.closing), marks) for marks in KNOWN if marks.closing in text and marks.closing in SINGLE]
    return min(opened or closed or [(0, KNOWN[0])], key=lambda found: found[0])[1]
