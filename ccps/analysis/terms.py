"""The five metrics and other terms: their names, which way is better, and one line for the glossary."""

from typing import NamedTuple


class Metric(NamedTuple):
    """How a metric is named and read."""

    name: str
    label: str
    lower_is_better: bool
    gloss: str


METRICS = (
    Metric(
        "ece",
        "ECE",
        True,
        "Expected calibration error: how far stated confidence lies from the share of right answers, "
        "averaged over confidence bins.",
    ),
    Metric(
        "brier",
        "Brier",
        True,
        "Mean squared distance between P(correct) and what happened (1 right, 0 wrong); "
        "rewards being calibrated and telling right from wrong.",
    ),
    Metric(
        "acc",
        "ACC",
        False,
        "Share of answers whose correctness is judged rightly at P(correct) = 0.5. "
        "Not the accuracy of the language model.",
    ),
    Metric(
        "aucpr",
        "AUCPR",
        False,
        "Average precision with right answers as the positive class; by chance it is their share.",
    ),
    Metric(
        "auroc",
        "AUROC",
        False,
        "Probability that a right answer is ranked above a wrong one; 50 % is chance.",
    ),
)


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

BY_NAME = {metric.name: metric for metric in METRICS}
