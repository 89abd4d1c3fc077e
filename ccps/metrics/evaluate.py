"""The numbers that every confidence method is judged by."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ccps.metrics.conventions import Convention, assign_bins, confidence_and_outcome, find_convention
from ccps.metrics.inputs import FloatArray, ascending, check_choice, checked_scores, group_members
from ccps.metrics.registry import METRICS, Metric

NanGroups = Literal["skip", "propagate"]


@dataclass(frozen=True, eq=False)
class Evaluation(Mapping[str, float]):
    """Every metric, as a mapping and as attributes (`evaluation.auroc`), with what was left out of them.

    All are fractions; `METRICS` says of each which way is better.
    """

    measured: Mapping[str, float]
    """Each metric by its name, in the order of `METRICS`."""
    convention: Convention
    """How the ECE was measured."""
    n: int
    """Rows."""
    n_groups: int
    """Groups averaged over; 1 when pooled."""
    undefined: Mapping[str, int]
    """For each metric, the number of groups in which it is undefined."""
    ece_dropped: int
    """Rows that the ECE left out because they are in no bin."""

    def __getitem__(self, metric: str) -> float:
        return self.measured[metric]

    def __iter__(self) -> Iterator[str]:
        return iter(self.measured)

    def __len__(self) -> int:
        return len(self.measured)

    def __getattr__(self, name: str) -> float:
        # Only asked for what is no field; through `__dict__`, as a copy that is being made has no fields yet.
        measured: Mapping[str, float] = self.__dict__.get("measured", {})
        if name not in measured:
            raise AttributeError(name)
        return measured[name]


def evaluate(
    p_correct: npt.ArrayLike,
    correct: npt.ArrayLike,
    convention: str | Convention = "ct",
    *,
    groups: npt.ArrayLike | Sequence[object] | None = None,
    nan_groups: NanGroups = "skip",
    metrics: Mapping[str, Metric] = METRICS,
) -> Evaluation:
    """Measure the calibration and discrimination of confidences.

    Without `groups` the rows are pooled. With them each metric is the unweighted mean over groups, as in the
    released evaluation of CCPS (arXiv 2505.21772), which averages over the 57 subjects of MMLU. The ECE of a
    small group is large by chance alone, and so is a mean of such; `expected_ece_noise` says by how much.

    AUROC is undefined where only one class occurs, average precision where no answer is correct (the released
    code scores 0 there, as scikit-learn does), ECE where the convention leaves every row out, the
    prediction-rejection ratio and the false positive rate where AUROC is.

    Args:
        p_correct: P(the answer is correct), `[n]`, in [0, 1].
        correct: whether it was, `[n]`, 0, 1 or booleans.
        convention: how the ECE is measured: a name in `CONVENTIONS`, or a `Convention`. The other
            metrics are the same in all of them.
        groups: subject of each row, `[n]`.
        nan_groups: `skip` leaves a group out of the metrics that are undefined in it; `propagate` makes such
            a metric NaN as a whole, as the released code does.
        metrics: which ones.

    Returns:
        Every one of these metrics, NaN where no group defines it, and the counts of what was left out. The result is
        the same to the last bit in whatever order the rows come.

    Raises:
        ValueError: if the arguments are not as above.

    Example:
        >>> from ccps.metrics import CONTEST
        >>> result = evaluate([0.9, 0.8, 0.3, 0.6], [1, 1, 0, 0])
        >>> {metric: round(result[metric], 3) for metric in CONTEST}
        {'ece': 0.3, 'brier': 0.125, 'acc': 0.75, 'aucpr': 1.0, 'auroc': 1.0}
    """
    chosen = find_convention(convention)
    check_choice("nan_groups", nan_groups, get_args(NanGroups))
    p, y = checked_scores(p_correct, correct)
    members = [np.arange(len(p))] if groups is None else group_members(groups, len(p))
    table = np.vstack([metric_table(p[rows], y[rows], np.ones((1, len(rows))), chosen, metrics) for rows in members])
    confidence, _ = confidence_and_outcome(p, y, chosen)
    bins = assign_bins(confidence, np.ones((1, len(p))), chosen)
    return Evaluation(
        measured={metric: _mean(column, nan_groups) for metric, column in zip(metrics, table.T, strict=True)},
        convention=chosen,
        n=len(p),
        n_groups=len(members),
        undefined=dict(zip(metrics, np.isnan(table).sum(axis=0).tolist(), strict=True)),
        ece_dropped=int((bins == chosen.n_bins).sum()),
    )


def metric_table(
    p: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    convention: Convention,
    metrics: Mapping[str, Metric] = METRICS,
) -> FloatArray:
    """Every metric under several weightings of the same rows, so that a bootstrap needs no loop.

    Args:
        p: P(correct), `[n]`.
        y: labels, `[n]`.
        weights: how often each row counts, whole numbers, `[resamples, n]`.
        convention: says which ECE.
        metrics: which ones.

    Returns:
        `[resamples, metrics]`, columns as in `metrics`, NaN where undefined.
    """
    order = ascending(p, y)
    p, y, weights = p[order], y[order], weights[:, order]
    return np.column_stack([metric.measure(p, y, weights, convention) for metric in metrics.values()])


def _mean(values: FloatArray, nan_groups: NanGroups) -> float:
    """Mean over groups; the exact sum makes it independent of how the groups are named."""
    defined = values[~np.isnan(values)]
    if not len(defined) or (nan_groups == "propagate" and len(defined) < len(values)):
        return math.nan
    return math.fsum(defined) / len(defined)
