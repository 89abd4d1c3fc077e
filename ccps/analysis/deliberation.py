"""What deliberation sounds like: how sure a model is where it thinks aloud, beside the rest of the same trace.

A difference within traces is the coefficient of a regression with an intercept for each trace; its interval is a
bootstrap over problems. With five or ten problems such intervals are too short: what a half has found has to hold on
the other.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.analysis.records import Estimate, check_columns
from ccps.metrics.inputs import FloatArray
from ccps.metrics.resampling import drawn_counts, percentile_ends

SENTENCE_COLUMNS = ("model", "problem", "trace_id", "place", "words")
RESAMPLES, LEVEL, SEED = 2000, 0.95, 0
FEWEST = 10
"""Sentences with a marker below which nothing is said of it."""


class MarkerEffect(NamedTuple):
    """Sentences with a marker beside those without, in one part of the data."""

    with_marker: Estimate
    """Mean confidence of the sentences that have it; `n` is their number."""
    difference: Estimate
    """What a sentence with it is more confident by than one without, within traces."""
    adjusted: Estimate
    """The same for sentences of one length (logarithm of their words) and place in the trace."""


class MarkerRow(NamedTuple):
    """One marker: found on half of the problems, tested on the others."""

    marker: str
    everywhere: MarkerEffect
    """On all problems and models."""
    found: MarkerEffect
    """On the first half, all models."""
    tested: Mapping[str, MarkerEffect]
    """On the other half, by model."""

    @property
    def holds(self) -> bool | None:
        """Whether every model has the sign of the first half on the other, by intervals; None where one has none."""
        signs = [_sign(effect.difference) for effect in (self.found, *self.tested.values())]
        return None if None in signs else signs[0] != 0 and len(set(signs)) == 1


def marker_rows(sentences: pd.DataFrame, marked: Mapping[str, npt.ArrayLike], confidence: str) -> list[MarkerRow]:
    """Measure every marker on both halves of the problems.

    Args:
        sentences: see `marker_effect`.
        marked: for each marker which sentences have it, `[n]`.
        confidence: which column is measured.
    """
    first, other = (sentences["problem"].isin(half).to_numpy() for half in halves(list(sentences["problem"])))
    models = {name: other & (sentences["model"] == name).to_numpy() for name in sorted(set(sentences["model"]))}

    def effect(has: npt.ArrayLike, rows: npt.NDArray[np.bool_]) -> MarkerEffect:
        return marker_effect(sentences[rows], np.asarray(has)[rows], confidence)

    return [
        MarkerRow(
            marker,
            everywhere=effect(has, np.ones(len(sentences), dtype=bool)),
            found=effect(has, first),
            tested={name: effect(has, rows) for name, rows in models.items()},
        )
        for marker, has in marked.items()
    ]


def _sign(difference: Estimate) -> int | None:
    """−1 or 1 if the interval lies on one side of 0, else 0; None without an interval."""
    if np.isnan(difference.low):
        return None
    return int(difference.low > 0) - int(difference.high < 0)


def halves(problems: Sequence[str]) -> tuple[list[str], list[str]]:
    """Two halves of the problems, by turns in the order of their names: where norms are found, and where tested."""
    names = sorted(set(problems))
    return names[::2], names[1::2]


def marker_effect(sentences: pd.DataFrame, marked: npt.ArrayLike, confidence: str) -> MarkerEffect:
    """Measure one marker.

    Args:
        sentences: `SENTENCE_COLUMNS` (place from 0 to 1) and the column of the confidence, in [0, 1] or NaN.
        marked: which of them have the marker, `[n]`.
        confidence: which column is measured.

    Returns:
        NaN throughout for fewer than `FEWEST` sentences with it.

    Raises:
        ValueError: a column is missing.
    """
    check_columns("sentences", sentences, (*SENTENCE_COLUMNS, confidence))
    has = np.asarray(marked, dtype=np.float64)
    known = sentences[confidence].notna().to_numpy()
    table, has = sentences[known], has[known]
    c = table[confidence].to_numpy(np.float64)
    if has.sum() < FEWEST or has.sum() == len(has):
        return MarkerEffect(*[Estimate(n=float(has.sum()))] * 3)
    trace = pd.factorize(table["trace_id"])[0]
    x, y = _centred(has, trace), _centred(c, trace)
    others = np.stack([_centred(z, trace) for z in (np.log1p(table["words"].to_numpy(np.float64)), table["place"])])
    x_rest, y_rest = (_without(side, others) for side in (x, y))
    problem = pd.factorize(table["problem"])[0]
    n = float(has.sum())
    return MarkerEffect(
        with_marker=_ratio(has * c, has, problem)._replace(n=n),
        difference=_ratio(x * y, x * x, problem)._replace(n=n),
        adjusted=_ratio(x_rest * y_rest, x_rest * x_rest, problem)._replace(n=n),
    )


def _centred(values: npt.ArrayLike, group: npt.NDArray[np.intp]) -> FloatArray:
    """Values less the mean of their trace."""
    given = np.asarray(values, dtype=np.float64)
    centred: FloatArray = given - (np.bincount(group, given) / np.bincount(group))[group]
    return centred


def _without(values: FloatArray, others: FloatArray) -> FloatArray:
    """What least squares on the others leaves (Frisch, Waugh and Lovell), once for all resamples."""
    rest: FloatArray = values - np.linalg.lstsq(others.T, values, rcond=None)[0] @ others
    return rest


def _ratio(above: FloatArray, below: FloatArray, problem: npt.NDArray[np.intp]) -> Estimate:
    """A ratio of sums over sentences, resampled by problem."""
    sums = np.stack([np.bincount(problem, above), np.bincount(problem, below)])
    drawn = sums @ drawn_counts(np.random.default_rng(SEED), RESAMPLES, sums.shape[1]).T
    values = np.divide(drawn[0], drawn[1], out=np.full(RESAMPLES, np.nan), where=drawn[1] > 0)
    whole = sums.sum(axis=1)
    ends = percentile_ends(values, LEVEL) if sums.shape[1] > 1 else (np.nan, np.nan)
    return Estimate(float(whole[0] / whole[1]), *ends)
