"""Metrics on resampled questions and seeds, drawn jointly for all models and methods of a benchmark.

An average over models and benchmarks, and any difference of two methods, needs resamples in which all of them see the
same questions; the interval of one result alone does not tell.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.metrics import METRICS
from ccps.metrics.conventions import find_convention
from ccps.metrics.evaluate import metric_table

Floats = npt.NDArray[np.float64]

# Numbers that one step holds at once, so that memory stays bounded however many questions there are.
_CELLS = 2**21


@dataclass(frozen=True)
class Resamples:
    """What every method measures in every resample.

    Attributes:
        drawn: for each setting and method the five metrics, `[resamples, 5]`, columns as in `ccps.metrics.METRICS`,
            means over the drawn seeds; NaN where undefined.
        level: level of intervals.
    """

    drawn: Mapping[tuple[Setting, str], Floats]
    level: float

    def of(self, setting: Setting, method: str, metric: str) -> Floats | None:
        """One metric in every resample, `[resamples]`; None where the method has no score."""
        found = self.drawn.get((setting, method))
        return None if found is None else found[:, METRICS.index(metric)]

    def with_average(self, average: Setting, settings: Sequence[Setting]) -> "Resamples":
        """The same with one setting more: the mean over some, for the methods that have a score in all of them."""
        methods = dict.fromkeys(method for _, method in self.drawn)
        means = {
            (average, method): np.mean([self.drawn[setting, method] for setting in settings], axis=0)
            for method in methods
            if all((setting, method) in self.drawn for setting in settings)
        }
        return Resamples({**self.drawn, **means}, self.level)

    def ends(self, values: Floats | None) -> tuple[float, float]:
        """The percentile interval of a statistic over the resamples that define it; NaN where none does."""
        defined = values[~np.isnan(values)] if values is not None else np.array([])
        if not len(defined):
            return np.nan, np.nan
        low, high = np.quantile(defined, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)


def by_subject(scores: pd.DataFrame, convention: str) -> pd.DataFrame:
    """Every metric of every method and seed within each subject.

    Args:
        scores: columns `SCORE_COLUMNS`; rows without P(correct) are left out.
        convention: how the ECE is measured.

    Returns:
        Columns model, benchmark, method, seed, subject, then `ccps.metrics.METRICS`, NaN where undefined.
    """
    keys, chosen = ["model", "benchmark", "method", "seed", "subject"], find_convention(convention)
    rows = []
    for key, table in scores.dropna(subset=["p_correct"]).groupby(keys, sort=False, dropna=False):
        p, y = table["p_correct"].to_numpy(float), table["correct"].to_numpy(float)
        rows.append((*key, *metric_table(p, y, np.ones((1, len(p))), chosen)[0]))
    return pd.DataFrame(rows, columns=[*keys, *METRICS])


def resample(data: ReportData, convention: str, measured: pd.DataFrame) -> Resamples:
    """Draw subjects and seeds with replacement and measure every method anew.

    A resample draws whole subjects of a benchmark, or its questions where it has one subject only, the same for all
    models and methods. Of a trained method it also draws seeds, the same for all benchmarks of a model and format, as
    these share a probe; so its intervals cover the luck of the training as well as that of the questions.

    Args:
        data: scores, how metrics are aggregated, how often to draw and with which seed.
        convention: how the ECE is measured.
        measured: the table of `by_subject` under this convention.
    """
    formats = dict(data.results[["benchmark", "format"]].itertuples(index=False, name=None))
    scores = data.scores.dropna(subset=["p_correct"])
    drawn: dict[tuple[Setting, str], Floats] = {}
    for benchmark, rows in scores.groupby("benchmark", sort=False):
        unit = "subject" if rows["subject"].nunique() > 1 else "question_id"
        units = np.sort(rows[unit].unique())
        if len(units) < 2:
            continue
        times = _times(data, f"questions of {benchmark}", len(units))
        pooled = unit == "question_id" or data.aggregate == "pooled"
        table = rows if pooled else measured[measured["benchmark"] == benchmark]
        for (model, method), here in table.groupby(["model", "method"], sort=False):
            seeds = [
                _pooled(part, np.searchsorted(units, part[unit]), times, convention)
                if pooled
                else _macro(part, np.searchsorted(units, part["subject"]), times)
                for _, part in here.groupby("seed", dropna=False)
            ]
            stream = f"seeds of {method}, {model}, {formats.get(benchmark, '')}"
            shares = _times(data, stream, len(seeds)) / len(seeds)
            drawn[Setting(str(model), str(benchmark)), str(method)] = np.einsum("rs,srm->rm", shares, np.stack(seeds))
    return Resamples(drawn, data.level)


def _times(data: ReportData, stream: str, n: int) -> Floats:
    """How often each of `n` units is drawn, `[resamples, n]`; one stream of numbers for each thing drawn."""
    rng = np.random.default_rng([data.resampling_seed, zlib.crc32(stream.encode())])
    return rng.multinomial(n, np.full(n, 1 / n), size=data.resamples).astype(np.float64)


def _macro(table: pd.DataFrame, places: npt.NDArray[np.intp], times: Floats) -> Floats:
    """Means over the drawn subjects of what was measured within them, `[resamples, 5]`."""
    values, weights = table[list(METRICS)].to_numpy(float), times[:, places]
    total, defined = weights @ np.nan_to_num(values), weights @ ~np.isnan(values)
    means: Floats = np.divide(total, defined, out=np.full_like(total, np.nan), where=defined > 0)
    return means


def _pooled(table: pd.DataFrame, places: npt.NDArray[np.intp], times: Floats, convention: str) -> Floats:
    """Metrics over all drawn questions at once, `[resamples, 5]`."""
    p, y = table["p_correct"].to_numpy(float), table["correct"].to_numpy(float)
    step = max(1, _CELLS // len(p))
    # A method that scored few questions may have none of them in a resample; its metrics are undefined there.
    with np.errstate(invalid="ignore"):
        parts = [
            metric_table(p, y, times[start : start + step, places], find_convention(convention))
            for start in range(0, len(times), step)
        ]
    return np.concatenate(parts)
