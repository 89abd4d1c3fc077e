"""What a user is told first: which confidence to use, how good it is on each test, and what a threshold on it buys.

All is measured over all questions at once and of P(correct) itself, whatever convention the tables of the report use,
as that is what somebody meets who uses the confidence. Intervals draw subjects, with the resamples of the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.averages import is_chance
from ccps.analysis.certified import Certified, certified_table, certify
from ccps.analysis.data import NO_CALIBRATOR, ReportData
from ccps.analysis.records import Estimate, Setting
from ccps.analysis.reliability import DIAGRAM_CONVENTION
from ccps.analysis.resamples import Drawing, Floats
from ccps.analysis.shown import first_seed
from ccps.analysis.support import Behind, why_no_verdict
from ccps.analysis.verdict import Standing, standing
from ccps.metrics import METRICS, is_constant
from ccps.metrics.conventions import find_convention
from ccps.metrics.evaluate import metric_table
from ccps.metrics.inputs import batch_sizes
from ccps.metrics.resampling import percentile_ends
from ccps.metrics.shares import share_interval

TOLD = {name: METRICS[name] for name in ("auroc", "ece", "brier")}
THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Against(NamedTuple):
    """One metric of the chosen method beside the same of an untrained one.

    That is the one which every format has for its strongest (`ReportData.untrained`): named beforehand, not found on
    the test. Where it was not run, it is the one that is best by the metric on this test, see `_against`.
    """

    metric: str
    own: Estimate
    other: str | None
    """None where no other untrained method was run."""
    theirs: Estimate
    difference: Estimate
    standing: Standing
    """Missing where there is no other."""
    reservation: str = ""
    """Why there is no verdict."""


class Kept(NamedTuple):
    """What is left of a test when only answers of at least this P(correct) are given."""

    threshold: float
    n: int
    coverage: Estimate
    accuracy: Estimate


@dataclass(frozen=True)
class Tested:
    """The chosen method on one test.

    Attributes:
        setting: model and benchmark.
        rows: its scored answers.
        n_unscored: answers that it has no P(correct) of.
        against: each metric of `TOLD`.
        kept: each threshold of `THRESHOLDS`.
        certified: each risk of `ccps.analysis.certified.RISKS`.
        is_found_on_test: whether the untrained method is the best on this test, by each metric, as none was named
            beforehand.
    """

    setting: Setting
    rows: pd.DataFrame
    n_unscored: int
    against: tuple[Against, ...]
    kept: tuple[Kept, ...]
    certified: tuple[Certified, ...]
    is_found_on_test: bool

    def metrics(self, standing_: Standing) -> list[str]:
        """The metrics by which it stands thus to the best untrained method."""
        return [one.metric for one in self.against if one.standing is standing_]


@dataclass(frozen=True)
class Answer:
    """The confidence that was chosen for the answers of one model in one format.

    Attributes:
        model: name of the model.
        format: "mc" or "oe".
        method: name of the method, with its calibrator where it has one.
        brier: its Brier score on training answers, out of fold; `n` are the answers.
        folds: number of folds.
        candidates: how many methods it was chosen from.
        data: what was measured.
    """

    model: str
    format: str
    method: str
    brier: Estimate
    folds: int
    candidates: int
    data: ReportData

    @property
    def untrained(self) -> bool:
        """Whether it needs no training itself."""
        return self.method in self.data.unfitted

    @cached_property
    def tests(self) -> tuple[Tested, ...]:
        """The tests of its format that it has scored, the one with most answers first."""
        formats = dict(self.data.results[["benchmark", "format"]].itertuples(index=False, name=None))
        settings = [
            one for one in self.data.settings if one.model == self.model and formats[one.benchmark] == self.format
        ]
        tests = [found for setting in settings if (found := _tested(self.data, setting, self.method))]
        return tuple(sorted(tests, key=lambda test: -len(test.rows)))


def answers(data: ReportData) -> tuple[Answer, ...]:
    """What was chosen, for each model and format in the order of `data.choice`."""
    found = []
    for (model, form), rows in data.choice.groupby(["model", "format"], sort=False):
        n_compared = int(rows["brier"].notna().sum())
        for row in rows[rows["chosen"].astype(bool)].itertuples(index=False):
            brier = Estimate(float(row.brier), float(row.brier_low), float(row.brier_high), float(row.n))
            method = _name(str(row.method), row.calibrator)
            found.append(Answer(str(model), str(form), method, brier, int(row.folds), n_compared, data))
    return tuple(found)


def certified(found: Sequence[Answer]) -> pd.DataFrame:
    """The certified thresholds of all that was chosen, on each of its tests."""
    return certified_table(
        (answer.model, test.setting.benchmark, answer.format, answer.method, test.certified)
        for answer in found
        for test in answer.tests
    )


def _name(method: str, calibrator: object) -> str:
    """A method as the tables name it; the choice names its calibrator apart."""
    if pd.isna(calibrator) or calibrator in ("", NO_CALIBRATOR) or method.endswith(f"_{calibrator}"):
        return method
    return f"{method}_{calibrator}"


def _tested(data: ReportData, setting: Setting, method: str) -> Tested | None:
    """The method in a setting, None where it has no score."""
    everything = first_seed(data.scores, setting, method)
    rows = everything.dropna(subset=["p_correct"])
    if rows.empty:
        return None
    own = _Drawn(data, setting, method)
    others = [_Drawn(data, setting, name) for name in data.unfitted if name != method]
    others = [one for one in others if len(one.rows)]
    named = [one for name in data.untrained_of(setting.benchmark) for one in others if one.method == name]
    others = named[:1] or others
    against = tuple(_against(data, metric, own, others) for metric in TOLD)
    clusters = rows["subject"] if rows["subject"].nunique() > 1 else rows["question_id"]
    return Tested(
        setting,
        rows,
        len(everything) - len(rows),
        against,
        tuple(_kept(rows, clusters, threshold, data.level) for threshold in THRESHOLDS),
        certify(rows, clusters, data.level),
        is_found_on_test=not named and bool(others),
    )


@dataclass(frozen=True)
class _Drawn:
    """A method in one setting, measured over all questions at once."""

    data: ReportData
    setting: Setting
    method: str

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Its scored answers."""
        return first_seed(self.data.scores, self.setting, self.method).dropna(subset=["p_correct"])

    @property
    def behind(self) -> Behind:
        """How many of them are right, and how many wrong."""
        right = int(self.rows["correct"].sum())
        return Behind(right, len(self.rows) - right)

    @cached_property
    def values(self) -> dict[str, float]:
        """Each metric of `TOLD`; NaN where undefined."""
        return dict(zip(TOLD, self._measure(np.ones((1, len(self.rows))))[0].tolist(), strict=True))

    @cached_property
    def drawn(self) -> Floats | None:
        """The same in every resample, `[resamples, metrics]`; None where there is one unit only."""
        scores, unit = self.data.scores, "subject"
        scores = scores[scores["benchmark"] == self.setting.benchmark].dropna(subset=["p_correct"])
        if scores[unit].nunique() < 2:
            unit = "question_id"
        units = np.sort(scores[unit].unique())
        if len(units) < 2:
            return None
        drawing = Drawing(self.data.resamples, self.data.resampling_seed, self.data.level)
        times = drawing.times(f"questions of {self.setting.benchmark}", len(units))
        times = times[:, np.searchsorted(units, self.rows[unit])]
        parts, start = [], 0
        with np.errstate(invalid="ignore"):
            for size in batch_sizes(len(times), len(self.rows)):
                parts.append(self._measure(times[start : start + size]))
                start += size
        return np.concatenate(parts)

    def _measure(self, times: Floats) -> Floats:
        p, y = self.rows["p_correct"].to_numpy(float), self.rows["correct"].to_numpy(float)
        found = metric_table(p, y, times, find_convention(DIAGRAM_CONVENTION), TOLD)
        # Ties broken at random are no order.
        ranks = np.array([metric.ranks for metric in TOLD.values()])
        return np.where(ranks, np.nan, found) if is_constant(p) else found

    def of(self, metric: str) -> Floats | None:
        """One metric in every resample."""
        return None if self.drawn is None else self.drawn[:, list(TOLD).index(metric)]

    @property
    def is_chance(self) -> bool:
        """Whether it cannot be said to tell right answers from wrong ones."""
        drawn = self.of("auroc")
        return drawn is not None and is_chance(*percentile_ends(drawn, self.data.level))

    def estimate(self, metric: str) -> Estimate:
        """A metric with its interval."""
        return _estimate(self.values[metric], self.of(metric), self.data.level)


def _estimate(value: float, drawn: Floats | None, level: float) -> Estimate:
    return Estimate(value) if np.isnan(value) or drawn is None else Estimate(value, *percentile_ends(drawn, level))


def _against(data: ReportData, metric: str, own: _Drawn, others: Sequence[_Drawn]) -> Against:
    """One metric beside the untrained method that is best by it, of those that are given.

    Where there are several, the interval of the difference takes the choice as given, so it leans towards the other;
    and by a metric that a constant wins, those that cannot tell right from wrong do not count, unless none can.
    """
    known = [one for one in others if not np.isnan(one.values[metric])]
    if METRICS[metric].constant_wins:
        known = [one for one in known if not one.is_chance] or known
    mine = own.estimate(metric)
    if not known:
        return Against(metric, mine, None, Estimate(), Estimate(), Standing.MISSING)
    best = (min if METRICS[metric].lower_is_better else max)(known, key=lambda one: one.values[metric])
    a, b = own.of(metric), best.of(metric)
    drawn = None if a is None or b is None else a - b
    difference = _estimate(own.values[metric] - best.values[metric], drawn, data.level)
    known_answers = {(one.setting, one.method): one.behind for one in (own, best)}
    why = "" if drawn is None else why_no_verdict(known_answers, known_answers, drawn)
    verdict = standing(metric, difference.low, difference.high, why)
    return Against(metric, mine, best.method, best.estimate(metric), difference, verdict, why)


def _kept(rows: pd.DataFrame, clusters: pd.Series, threshold: float, level: float) -> Kept:
    """What a threshold keeps; the clusters of the intervals are the subjects, or the questions of one subject."""
    above = rows["p_correct"] >= threshold
    right = share_interval(rows.loc[above, "correct"], clusters[above], level=level)
    coverage = Estimate(1.0) if threshold == 0 else Estimate(*share_interval(above, clusters, level=level))
    return Kept(threshold, int(above.sum()), coverage, Estimate(*right))
