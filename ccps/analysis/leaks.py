"""What tells of leaks: shared questions, the control that learnt nothing, and probes carried between benchmarks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ccps.analysis.averages import setting_means
from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.metrics import is_constant
from ccps.probes import LEAST_SPREAD

CHANCE = 0.5
LEAK_METRIC = "auroc"


class SharedQuestions(NamedTuple):
    """Training questions whose text stands in a test benchmark too."""

    found: int
    trained_on: int


class ChanceControl(NamedTuple):
    """AUROC of the control that learnt from shuffled labels, in one setting; NaN where missing.

    A fit that gives one P for every answer has learnt nothing because it is dead, which is no evidence against a leak:
    such seeds are named and count neither in the value nor in the interval.
    """

    setting: Setting
    value: float
    low: float
    high: float
    seeds: int = 0
    """Fits of the control, the dead ones included."""
    dead: tuple[int, ...] = ()
    """Seeds that give one P for every answer."""
    reservation: str = ""
    """Why nothing may be concluded from the interval; empty where something may."""

    @property
    def known(self) -> bool:
        """Whether there is a value with an interval."""
        return not (math.isnan(self.value) or math.isnan(self.low))

    @property
    def covers_chance(self) -> bool:
        """Whether its interval holds what nothing learnt would give."""
        return self.low <= CHANCE <= self.high


class Transfer(NamedTuple):
    """One metric of the probes of a model and format, by the benchmark trained on and the one tested on."""

    model: str
    format: str
    metric: str
    rows: pd.DataFrame

    @property
    def trains(self) -> list[str]:
        """Training benchmarks in order of appearance."""
        return list(dict.fromkeys(self.rows["train"].astype(str)))

    @property
    def tests(self) -> list[str]:
        """Test benchmarks in order of appearance, those that were trained on first and in their order."""
        trains, tests = self.trains, list(dict.fromkeys(self.rows["test"].astype(str)))
        return sorted(tests, key=lambda test: trains.index(test) if test in trains else len(trains))


def shared_questions(data: ReportData) -> SharedQuestions:
    """How many training questions stand in a test benchmark too, over all of them."""
    shared = data.audit.shared
    return SharedQuestions(int(shared["shared"].sum()), int((shared["shared"] - shared["left_out"]).sum()))


def chance_controls(data: ReportData, resamples: Resamples) -> list[ChanceControl]:
    """Where the control that learnt from shuffled labels stands, in each setting; empty where it was not run.

    Args:
        data: the results, and the name of that control.
        resamples: where its interval comes from; it covers seeds as well as questions.
    """
    control = data.chance_control
    if control is None or control not in data.methods:
        return []
    return [_chance_control(data, resamples, setting, control) for setting in data.settings]


def _chance_control(data: ReportData, resamples: Resamples, setting: Setting, control: str) -> ChanceControl:
    scores, results = data.scores, data.results
    alone = data.single_seeds
    alone = alone[(alone["model"] == setting.model) & (alone["benchmark"] == setting.benchmark)]
    alone = alone[(alone["method"] == control) & (alone["metric"] == LEAK_METRIC)].dropna(subset=["value"])
    if len(alone) > 1:
        return _over_shuffles(data, setting, alone)
    own = scores[(scores["model"] == setting.model) & (scores["benchmark"] == setting.benchmark)]
    own = own[own["method"] == control].dropna(subset=["p_correct"])
    by_seed = own.groupby("seed", dropna=False)["p_correct"]
    spreads = by_seed.std(ddof=0)
    dead = tuple(int(seed) for seed, spread in spreads.items() if not pd.isna(seed) and spread < LEAST_SPREAD)
    mine = results[(results["method"] == control) & ~results["seed"].isin(dead)]
    value = float(setting_means(mine, LEAK_METRIC)[control].get(setting, math.nan)) if len(mine) else math.nan
    drawn = resamples.of(setting, control, LEAK_METRIC)
    if dead and len(dead) == len(spreads):
        drawn = np.full_like(drawn, np.nan)  # nothing is left to draw from
    elif dead and any(not is_constant(by_seed.get_group(seed)) for seed in dead):
        drawn = _drawn_anew(data, own[~own["seed"].isin(dead)]).of(setting, control, LEAK_METRIC)
    found = resamples.estimate(value, drawn, [(setting, control)])
    return ChanceControl(setting, *found[:3], len(spreads), dead, found.reservation)


def _over_shuffles(data: ReportData, setting: Setting, seeds: pd.DataFrame) -> ChanceControl:
    """The mean over probes that were each fitted to labels dealt out anew, where the report shows one made of them all.

    One deal gives the probe a direction that may rank answers well or badly by luck, and an average of five is still
    one such direction: what ought to be one half is the mean over deals. Its error is that of the deals (Student's t)
    and that of the questions, which all deals share.
    """
    values = seeds["value"].to_numpy(dtype=np.float64)
    tail = stats.t.ppf((1 + data.level) / 2, len(values) - 1)
    of_deals = tail * values.std(ddof=1) / math.sqrt(len(values))
    of_questions = float((seeds["ci_high"] - seeds["ci_low"]).mean()) / 2
    half = math.hypot(of_deals, of_questions)
    mean = float(values.mean())
    return ChanceControl(setting, mean, mean - half, mean + half, len(values))


def _drawn_anew(data: ReportData, scores: pd.DataFrame) -> Resamples:
    """Resamples of some of the scores alone; those of a report leave out what is a constant to the last digits only."""
    return resample(replace(data, scores=scores), data.convention, by_subject(scores, data.convention))


def transfers(data: ReportData) -> Iterator[Transfer]:
    """The transfer rows of each model, format and metric."""
    for (model, format_, metric), rows in data.audit.transfer.groupby(["model", "format", "metric"], sort=False):
        yield Transfer(str(model), str(format_), str(metric), rows)


def missing_transfers(data: ReportData) -> dict[str, Sequence[str]]:
    """Why values of the transfer are missing: each reason with the pairs it holds for ("piqa to mmlu")."""
    missing = data.audit.transfer[data.audit.transfer["value"].isna()]
    if missing.empty:
        return {}
    reasons = missing["reason"] if "reason" in missing else pd.Series("no reason was recorded", index=missing.index)
    places = missing["train"].astype(str) + " to " + missing["test"].astype(str)
    return {str(reason): list(dict.fromkeys(here)) for reason, here in places.groupby(reasons)}
