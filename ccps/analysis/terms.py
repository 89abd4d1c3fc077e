"""Words of the report that are no metric of a method, with one line each for the glossary."""

from typing import NamedTuple


class Term(NamedTuple):
    """A word of the report that is no metric of a method."""

    label: str
    gloss: str


KAPPA = Term(
    "κ, Cohen’s kappa",
    "κ says how far two graders agree beyond chance: 1 when they always agree, 0 when they agree no more often than "
    "two who call as many answers right would by drawing lots.",
)
FORMATS = Term("mc, oe", "The format of a benchmark: multiple choice (mc) or open-ended questions (oe).")
FORMAT_NAMES = {"mc": "multiple choice", "oe": "open-ended"}
