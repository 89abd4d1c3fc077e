"""From feature rows to what a probe reads: infinite and missing values, then standardisation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccps.core.errors import expected
from ccps.settings.probe import NeverFlips

EPSILON = "epsilon_to_flip_token"
"""The one feature that is infinite by definition: when no radius of the grid flips the prediction."""

CONSTANT_BELOW = 1e-6
"""Columns whose standard deviation is at most this share of |mean| count as constant."""


class TrainingRows(NamedTuple):
    """Rows fit for training."""

    features: NDArray[np.float64]
    """`[kept, features]`, finite."""
    kept: NDArray[np.bool_]
    """`[rows]`, false where a row was dropped."""
    dropped: dict[str, int]
    """Reason → number of rows dropped for it; a row counts once, under its first faulty column."""


class EvaluationRows(NamedTuple):
    """Rows fit for prediction; none is dropped."""

    features: NDArray[np.float64]
    """`[rows, features]`, finite."""
    zeroed: dict[str, int]
    """Reason → number of values that were set to 0 for it."""


@dataclass(frozen=True)
class Standardizer:
    """Zero mean and unit variance per column, in float64, except for constant columns, which become 0.

    A column is constant when its standard deviation in training is at most `CONSTANT_BELOW`·|mean|; its scaled
    value is 0 whatever comes later. In exact arithmetic some features do not vary (the distance moved is the
    radius itself), so what they show in float32 is rounding, about 1e-7 of their size. The rule is relative,
    because probabilities far out on the ray are tiny and vary all the same. scikit-learn's `StandardScaler` has no
    such guard (only one for rounding in float64) and would blow that noise up to unit variance.
    """

    mean: NDArray[np.float64]
    """`[features]`"""
    scale: NDArray[np.float64]
    """`[features]`, the population standard deviation; 1 in constant columns."""
    constant: NDArray[np.bool_]
    """`[features]`, true where the column carries nothing."""

    @classmethod
    def fit(cls, features: NDArray[np.float64]) -> Self:
        """Measure the columns of finite training rows `[rows, features]`."""
        mean = features.mean(axis=0, dtype=np.float64)
        scale = features.std(axis=0, dtype=np.float64)
        constant = scale <= CONSTANT_BELOW * np.abs(mean)
        return cls(mean=mean, scale=np.where(constant, 1.0, scale), constant=constant)

    def transform(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale rows `[rows, features]`."""
        return np.where(self.constant, 0.0, (features - self.mean) / self.scale)


def clean_for_training(features: ArrayLike, names: Sequence[str], radius: float) -> TrainingRows:
    """Give "never flips" the radius, then drop every row that still holds ±inf or NaN.

    Args:
        features: `[rows, features]`.
        names: the columns' names.
        radius: the largest radius of the grid, which stands for an infinite `epsilon_to_flip_token`.

    Raises:
        UserError: the number of columns differs from that of `names`.
    """
    values = _never_flips_becomes(radius, _table(features, names), names)
    finite = np.isfinite(values)
    kept = np.asarray(finite.all(axis=1))
    rows, first_faulty = np.flatnonzero(~kept), np.argmin(finite[~kept], axis=1)
    dropped = _count_reasons(values[rows, first_faulty], first_faulty, names)
    return TrainingRows(features=values[kept], kept=kept, dropped=dropped)


def clean_for_evaluation(
    features: ArrayLike, names: Sequence[str], radius: float, never_flips: NeverFlips
) -> EvaluationRows:
    """Make every value finite: "never flips" as `never_flips` says, any other ±inf or NaN becomes 0.

    Setting to 0 before scaling is what the released code does; it is counted so that it can be reported.

    Args:
        features: `[rows, features]`.
        names: the columns' names.
        radius: the largest radius of the grid.
        never_flips: what an infinite `epsilon_to_flip_token` becomes.

    Raises:
        UserError: the number of columns differs from that of `names`.
    """
    values = _table(features, names)
    if never_flips is NeverFlips.strict:
        values = _never_flips_becomes(radius, values, names)
    finite = np.isfinite(values)
    zeroed = _count_reasons(values[~finite], np.nonzero(~finite)[1], names)
    return EvaluationRows(features=np.where(finite, values, 0.0), zeroed=zeroed)


def _table(features: ArrayLike, names: Sequence[str]) -> NDArray[np.float64]:
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(names):
        raise expected(
            "`features`",
            f"a table of {len(names)} columns",
            f"an array of shape {values.shape}",
            "Pass one row per answer token with the columns that the probe is named for.",
        )
    return values


def _never_flips_becomes(value: float, features: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    is_epsilon = np.array([name == EPSILON for name in names])
    return np.where(is_epsilon & np.isposinf(features), value, features)


def _count_reasons(faulty: NDArray[np.float64], columns: NDArray[np.int64], names: Sequence[str]) -> dict[str, int]:
    reasons = Counter(
        f"{names[column]} is {'NaN' if np.isnan(value) else 'infinite'}"
        for value, column in zip(faulty, columns, strict=True)
    )
    return dict(sorted(reasons.items()))
