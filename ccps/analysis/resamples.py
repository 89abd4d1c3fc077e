"""Metrics on resampled questions and seeds, drawn jointly for all models and methods of a benchmark.

An average over models and benchmarks, and any difference of two methods, needs resamples in which all of them see the
same questions; the interval of one result alone does not tell. Every interval that a report shows beside more than one
seed, method or benchmark is taken from here, so that no two of its tables can disagree.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.records import Estimate, Setting
from ccps.analysis.support import Behind, behind, why_no_verdict
from ccps.metrics import METRICS, is_constant
from ccps.metrics.aggregates import Aggregate
from ccps.metrics.conventions import find_convention
from ccps.metrics.evaluate import metric_table
from ccps.metrics.inputs import batch_sizes
from ccps.metrics.resampling import drawn_counts, percentile_ends

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drawing:
    """How resamples are drawn.

    Attributes:
        resamples: how often.
        seed: of the draws.
        level: of the intervals.
        aggregates: "macro" (mean over subjects) or "pooled" (over all questions) of each benchmark; macro where it
            is not among them.
        ranks_constants: whether a seed whose P(correct) is a constant counts as one that ranks at random.
    """

    resamples: int
    seed: int
    level: float
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    ranks_constants: bool = False

    def times(self, stream: str, n: int) -> Floats:
        """How often each of `n` units is drawn, `[resamples, n]`; one stream of numbers for each thing drawn."""
        rng = np.random.default_rng([self.seed, zlib.crc32(stream.encode())])
        return drawn_counts(rng, self.resamples, n)


@dataclass(frozen=True)
class Resamples:
    """What every method measures in every resample.

    Attributes:
        drawn: for each setting and method every metric, `[resamples, metrics]`, columns as in `ccps.metrics.METRICS`,
            means over the drawn seeds, of the metrics of an order over those among them that are no constant; NaN where
            undefined.
        level: level of intervals.
        behind: the answers that each rests on.
    """

    drawn: Mapping[tuple[Setting, str], Floats]
    level: float
    behind: Mapping[tuple[Setting, str], Behind] = field(default_factory=dict)

    def of(self, setting: Setting, method: str, metric: str) -> Floats | None:
        """One metric in every resample, `[resamples]`; None where the method has no score."""
        found = self.drawn.get((setting, method))
        return None if found is None else found[:, list(METRICS).index(metric)]

    def mean(self, settings: Sequence[Setting], method: str, metric: str) -> Floats | None:
        """Its mean over some settings in every resample; None where the method has no score in one of them."""
        parts = [self.of(setting, method, metric) for setting in settings]
        known = [part for part in parts if part is not None]
        return np.mean(known, axis=0) if known and len(known) == len(parts) else None

    def with_average(self, average: Setting, settings: Sequence[Setting]) -> "Resamples":
        """The same with one setting more: the mean over some, for the methods that have a score in all of them."""
        methods = dict.fromkeys(method for _, method in self.drawn)
        means = {
            (average, method): np.mean([self.drawn[setting, method] for setting in settings], axis=0)
            for method in methods
            if all((setting, method) in self.drawn for setting in settings)
        }
        fewest = {
            (average, method): min((self.behind[setting, method] for setting in settings), key=min)
            for _, method in means
            if all((setting, method) in self.behind for setting in settings)
        }
        return Resamples({**self.drawn, **means}, self.level, {**self.behind, **fewest})

    def ends(self, values: Floats | None) -> tuple[float, float]:
        """The percentile interval of a statistic over the resamples that define it; NaN where none does."""
        return (np.nan, np.nan) if values is None else percentile_ends(values, self.level)

    def estimate(self, value: float, drawn: Floats | None, compared: Iterable[tuple[Setting, str]] = ()) -> Estimate:
        """A value with its interval and standard error, and why no verdict may rest on it; without a value, neither.

        Args:
            value: of the statistic.
            drawn: the same in every resample, `[resamples]`.
            compared: the settings and methods that it is made of.
        """
        if np.isnan(value) or drawn is None:
            return Estimate(value)
        defined = drawn[~np.isnan(drawn)]
        error = float(defined.std(ddof=1)) if len(defined) > 1 else np.nan
        why = why_no_verdict(self.behind, list(compared), drawn)
        return Estimate(value, *self.ends(drawn), reservation=why, error=error)


def by_subject(scores: pd.DataFrame, convention: str, *, ranks_constants: bool = False) -> pd.DataFrame:
    """Every metric of every method and seed within each subject.

    Args:
        scores: columns `SCORE_COLUMNS`; rows without P(correct) are left out.
        convention: how the ECE is measured.
        ranks_constants: see `Drawing`.

    Returns:
        Columns model, benchmark, method, seed, subject, then `ccps.metrics.METRICS`, NaN where undefined; those of an
        order are so throughout where P(correct) is a constant over all subjects, unless that counts too.
    """
    keys, chosen = ["model", "benchmark", "method", "seed", "subject"], find_convention(convention)
    scores, rows = scores.dropna(subset=["p_correct"]).reset_index(drop=True), []
    constant = scores.groupby(keys[:-1], dropna=False)["p_correct"].transform(is_constant).astype(bool)
    for key, table in scores.groupby(keys, sort=False, dropna=False):
        p, y = table["p_correct"].to_numpy(float), table["correct"].to_numpy(float)
        found = metric_table(p, y, np.ones((1, len(p))), chosen)[0]
        missing = not ranks_constants and constant.loc[table.index].all()
        rows.append((*key, *(np.where(_ranks(), np.nan, found) if missing else found)))
    return pd.DataFrame(rows, columns=[*keys, *METRICS])


def resample(
    data: ReportData, convention: str, measured: pd.DataFrame, aggregates: Mapping[str, Aggregate] | None = None
) -> Resamples:
    """The resamples of a report, see `draw`.

    Args:
        data: scores, how metrics are aggregated, how often to draw and with which seed.
        convention: how the ECE is measured.
        measured: the table of `by_subject` under this convention.
        aggregates: of each benchmark, where not those that lead.
    """
    formats = dict(data.results[["benchmark", "format"]].itertuples(index=False, name=None))
    chosen = data.aggregates if aggregates is None else aggregates
    drawing = Drawing(data.resamples, data.resampling_seed, data.level, chosen)
    return draw(data.scores, formats, convention, measured, drawing)


def draw(
    scores: pd.DataFrame, formats: Mapping[str, str], convention: str, measured: pd.DataFrame, drawing: Drawing
) -> Resamples:
    """Draw subjects and seeds with replacement and measure every method anew.

    A resample draws whole subjects of a benchmark, or its questions where it has one subject only, the same for all
    models and methods. Of a trained method it also draws seeds, the same for all benchmarks of a model and format, as
    these share a probe; so its intervals cover the luck of the training as well as that of the questions. The seeds of
    two methods are drawn independently of each other: that both begin with the same number makes no pair of them.

    Args:
        scores: columns `SCORE_COLUMNS`; rows without P(correct) are left out.
        formats: of each benchmark.
        convention: how the ECE is measured.
        measured: the table of `by_subject` of these scores under this convention.
        drawing: how often, with which seed, and how metrics are aggregated.
    """
    scores = scores.dropna(subset=["p_correct"])
    drawn: dict[tuple[Setting, str], Floats] = {}
    for benchmark, rows in scores.groupby("benchmark", sort=False):
        unit = "subject" if rows["subject"].nunique() > 1 else "question_id"
        units = np.sort(rows[unit].unique())
        if len(units) < 2:
            continue
        times = drawing.times(f"questions of {benchmark}", len(units))
        pooled = unit == "question_id" or drawing.aggregates.get(str(benchmark)) == "pooled"
        table = rows if pooled else measured[measured["benchmark"] == benchmark]
        for (model, method), here in table.groupby(["model", "method"], sort=False):
            seeds = [
                _pooled(part, np.searchsorted(units, part[unit]), times, convention, drawing.ranks_constants)
                if pooled
                else _macro(part, np.searchsorted(units, part["subject"]), times)
                for _, part in here.groupby("seed", dropna=False)
            ]
            stream = f"seeds of {method}, {model}, {formats.get(str(benchmark), '')}"
            shares = drawing.times(stream, len(seeds)) / len(seeds)
            drawn[Setting(str(model), str(benchmark)), str(method)] = _over_seeds(shares, np.stack(seeds))
    return Resamples(drawn, drawing.level, behind(scores))


def _over_seeds(shares: Floats, values: Floats) -> Floats:
    """Means over the drawn seeds, `[resamples, metrics]`; of the metrics of an order over those that have a value.

    Args:
        shares: how much each seed counts, `[resamples, seeds]`, rows of sum 1.
        values: `[seeds, resamples, metrics]`.
    """
    missing = np.isnan(values) & _ranks()
    total: Floats = np.einsum("rs,srm->rm", shares, np.where(missing, 0.0, values))
    if not missing.any():
        return total
    weight = np.einsum("rs,srm->rm", shares, ~missing)
    means: Floats = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return np.where(missing.any(axis=0), means, total)


def _ranks() -> npt.NDArray[np.bool_]:
    """Of each metric, whether only the order of confidences counts."""
    return np.array([metric.ranks for metric in METRICS.values()])


def _macro(table: pd.DataFrame, places: npt.NDArray[np.intp], times: Floats) -> Floats:
    """Means over the drawn subjects of what was measured within them, `[resamples, metrics]`."""
    values, weights = table[list(METRICS)].to_numpy(float), times[:, places]
    total, defined = weights @ np.nan_to_num(values), weights @ ~np.isnan(values)
    means: Floats = np.divide(total, defined, out=np.full_like(total, np.nan), where=defined > 0)
    return means


def _pooled(
    table: pd.DataFrame, places: npt.NDArray[np.intp], times: Floats, convention: str, ranks_constants: bool
) -> Floats:
    """Metrics over all drawn questions at once, `[resamples, metrics]`."""
    p, y = table["p_correct"].to_numpy(float), table["correct"].to_numpy(float)
    parts, start = [], 0
    # A method that scored few questions may have none of them in a resample; its metrics are undefined there.
    with np.errstate(invalid="ignore"):
        for size in batch_sizes(len(times), len(p)):
            drawn = times[start : start + size, places]
            parts.append(metric_table(p, y, drawn, find_convention(convention)))
            start += size
    found = np.concatenate(parts)
    return np.where(_ranks(), np.nan, found) if is_constant(p) and not ranks_constants else found
