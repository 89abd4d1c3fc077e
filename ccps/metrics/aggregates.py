"""Whether a benchmark's figures are over all questions at once, or means over its subjects."""

from collections import Counter
from collections.abc import Hashable, Iterable
from statistics import median
from typing import Literal, get_args

from ccps.metrics.inputs import check_choice

Aggregate = Literal["macro", "pooled"]
"""`macro` is the unweighted mean over subjects, `pooled` is over all questions."""

FEWEST_PER_SUBJECT = 30
"""In subjects of fewer questions the ECE is mostly noise and AUROC often undefined, and so is a mean of these."""


def questions_per_subject(subjects: Iterable[Hashable]) -> float:
    """The median number of questions of a subject, from the subject of each question."""
    return float(median(Counter(subjects).values()))


def leading_aggregate(wanted: str, subjects: Iterable[Hashable]) -> Aggregate:
    """Which of the two leads: the one wanted, or for `auto` the one that subjects of this size bear.

    Half of the subjects, and not the smallest one, must have enough questions: one small subject makes no mean noise.
    Of a single subject both are the same.

    Args:
        wanted: `auto`, or which.
        subjects: the subject of each question.

    Raises:
        ValueError: `wanted` is none of these.
    """
    check_choice("wanted", wanted, ("auto", *get_args(Aggregate)))
    if wanted != "auto":
        return "pooled" if wanted == "pooled" else "macro"
    each = list(subjects)
    few = len(set(each)) == 1 or questions_per_subject(each) < FEWEST_PER_SUBJECT
    return "pooled" if few else "macro"


def variant(convention: str, aggregate: Aggregate) -> str:
    """The name of a convention's figures in tables: itself for means over subjects, `pooled …` for all questions."""
    return convention if aggregate == "macro" else f"pooled {convention}"
