"""The small records of a report, each shown in a place of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

SHARED_COLUMNS = ("benchmark", "shared", "left_out")
TRANSFER_COLUMNS = ("model", "format", "train", "test", "metric", "value", "ci_low", "ci_high", "n")
SHAP_COLUMNS = ("model", "format", "feature", "group", "shap")
DROP_COLUMNS = ("model", "format", "group", "drop", "ci_low", "ci_high")


class Setting(NamedTuple):
    """One language model answering one benchmark."""

    model: str
    benchmark: str


class Estimate(NamedTuple):
    """A figure with its interval, all fractions; NaN where missing."""

    value: float = math.nan
    low: float = math.nan
    """Lower end."""
    high: float = math.nan
    """Upper end."""
    n: float = math.nan
    """What it rests on."""
    reservation: str = ""
    """Why no verdict may rest on it, in words; empty where one may."""
    error: float = math.nan
    """Its standard error."""

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)


class LeftOutMethod(NamedTuple):
    """A method that was not run, and why; both as readers see them."""

    method: str
    reason: str


@dataclass(frozen=True)
class Fact:
    """One line of the box at the head of the report, already in words ("Test questions", "14,042")."""

    name: str
    text: str


@dataclass(frozen=True)
class Example:
    """One question shown in full.

    Attributes:
        kind: heading it stands under, for instance "Surest and wrong".
        question: text of the question.
        options: the options in order, empty when open-ended.
        answer: what the language model answered.
        truth: what is accepted, several answers joined by " | "; None when nothing is to be shown.
        correct: whether the answer was graded right.
        p_ccps: P(correct) by CCPS, in [0, 1].
        p_own: the model's own probability of its answer, in [0, 1], or None when not measured.
    """

    kind: str
    question: str
    options: tuple[str, ...]
    answer: str
    truth: str | None
    correct: bool
    p_ccps: float
    p_own: float | None


def empty(columns: Sequence[str]) -> pd.DataFrame:
    """A table without rows."""
    return pd.DataFrame({column: [] for column in columns})


def check_columns(name: str, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table that lacks a column.

    Raises:
        ValueError: when it does.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"Expected `{name}` to have the columns {list(columns)}, but it lacks {missing}.")


@dataclass(frozen=True)
class Audit:
    """What tells whether a probe has seen its test questions, or learnt its benchmark rather than its task.

    Attributes:
        shared: columns `SHARED_COLUMNS`; per test benchmark the training questions whose text stands in it too, and
            how many of them were left out of the training.
        transfer: columns `TRANSFER_COLUMNS`; a probe trained on the questions of one benchmark alone and tested on
            another. Where `train` is `test`, it is cross-validated. Values are fractions; an optional column
            `reason` says why one is missing.

    Raises:
        ValueError: when a table lacks a column.
    """

    shared: pd.DataFrame = field(default_factory=lambda: empty(SHARED_COLUMNS))
    transfer: pd.DataFrame = field(default_factory=lambda: empty(TRANSFER_COLUMNS))

    def __post_init__(self) -> None:
        check_columns("audit.shared", self.shared, SHARED_COLUMNS)
        check_columns("audit.transfer", self.transfer, TRANSFER_COLUMNS)


@dataclass(frozen=True)
class Importance:
    """What the probe of a model and format listens to.

    Attributes:
        shap: columns `SHAP_COLUMNS`; mean |SHAP value| of each feature, as a share of P(correct).
        drops: columns `DROP_COLUMNS`; how much AUROC falls, as a fraction, when the features of one group are
            shuffled together among answers.

    Raises:
        ValueError: when a table lacks a column.
    """

    shap: pd.DataFrame = field(default_factory=lambda: empty(SHAP_COLUMNS))
    drops: pd.DataFrame = field(default_factory=lambda: empty(DROP_COLUMNS))

    def __post_init__(self) -> None:
        check_columns("importance.shap", self.shap, SHAP_COLUMNS)
        check_columns("importance.drops", self.drops, DROP_COLUMNS)
