"""One rule for intervals: every table of a report is a statistic of the same resamples."""

from collections.abc import Callable
from functools import cache
from typing import Any

import brute_force
import numpy as np
import pandas as pd
import pytest
from answers import repeated

from ccps.analysis.averages import average_results, average_setting, headlines
from ccps.analysis.data import DIFFERENCE_COLUMNS, ReportData
from ccps.analysis.differences import average_differences, detectable, detectable_ranges, paired_differences
from ccps.analysis.findings import Findings
from ccps.analysis.main_table import summarise
from ccps.analysis.records import Estimate, Setting
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.metrics import CONTEST, evaluate
from ccps.report.main.differences import power_words

Make = Callable[..., ReportData]

# The reference has three seeds, one rival two of them, another one alone, and one is not trained.
SEEDS: dict[str, tuple[int | None, ...]] = {"ccps": (23, 24, 25), "p_ik": (23, 24), "lone": (23,), "own": (None,)}
BENCHMARKS = {"boats": "mc", "birds": "oe"}
RESAMPLES, SEED = 25, 4


def _scores() -> pd.DataFrame:
    """Two benchmarks of four subjects; a seed of the reference that is far better than the others."""
    rng = np.random.default_rng(7)
    tables = []
    for benchmark in BENCHMARKS:
        correct = rng.random(40) < 0.6
        for method, seeds in SEEDS.items():
            for seed in seeds:
                noise = 0.1 if seed == 25 else 0.5
                p = np.clip(correct * 0.5 + 0.25 + noise * rng.normal(size=40), 0, 1)
                table = pd.DataFrame({"p_correct": p, "correct": correct, "method": method, "seed": seed})
                table["question_id"] = [f"q{place}" for place in range(40)]
                table["subject"] = [f"s{place % 4}" for place in range(40)]
                tables.append(table.assign(model="m", benchmark=benchmark).astype({"seed": "Int64"}))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def data(make_data: Make) -> ReportData:
    scores, rows = _scores(), []
    for (benchmark, method, seed), table in scores.groupby(["benchmark", "method", "seed"], sort=False, dropna=False):
        measured = evaluate(table["p_correct"], table["correct"], groups=table["subject"])
        own = ["m", benchmark, BENCHMARKS[str(benchmark)], method, seed]
        rows += [(*own, metric, value, np.nan, np.nan, 40) for metric, value in measured.items()]
    columns = ["model", "benchmark", "format", "method", "seed", "metric", "value", "ci_low", "ci_high", "n"]
    results = pd.DataFrame(rows, columns=columns).astype({"seed": "Int64"})
    return make_data(results=results, scores=scores, resamples=RESAMPLES, resampling_seed=SEED, method_labels={})


@pytest.fixture(scope="module")
def resamples(data: ReportData) -> Resamples:
    return resample(data, data.convention, by_subject(data.scores, data.convention))


@pytest.fixture(scope="module")
def by_hand(data: ReportData) -> Callable[..., Any]:
    """All metrics of a method on every resample of a benchmark, one after the other, which takes a second."""
    return cache(
        lambda benchmark, method: brute_force.all_drawn(
            data.scores, "m", benchmark, BENCHMARKS[benchmark], method, seed=SEED, resamples=RESAMPLES
        )
    )


def _indexed(table: pd.DataFrame) -> pd.DataFrame:
    assert list(table.columns) == list(DIFFERENCE_COLUMNS)
    return table.set_index(["benchmark", "other", "metric"])


def _means(data: ReportData) -> dict[tuple[str, str, str], float]:
    keys = ["benchmark", "method", "metric"]
    return {key: float(rows["value"].mean()) for key, rows in data.results.groupby(keys)}


def test_methods_with_other_numbers_of_seeds_differ_by_their_means(data: ReportData, resamples: Resamples) -> None:
    """Seeds of one number were once paired, so that the reference's third seed met neither p_ik nor lone.

    On boats the AUROC of ccps is 0.813, of p_ik 0.764 and of lone 0.792; its differences are +0.049 and +0.021. They
    were then −0.044 [−0.179, 0.106] and −0.235 [−0.354, −0.112]: ccps "worse" than what it is ahead of on average.
    """
    table, means = _indexed(paired_differences(data, resamples)), _means(data)
    assert len(table) == len(BENCHMARKS) * 3 * len(CONTEST)
    for benchmark, other, metric in table.index:
        wanted = means[benchmark, "ccps", metric] - means[benchmark, other, metric]
        assert table.loc[(benchmark, other, metric), "value"] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("other", ["p_ik", "lone", "own"])
@pytest.mark.parametrize("metric", ["ece", "auroc"])
def test_intervals_are_those_of_a_bootstrap_by_hand(
    data: ReportData, resamples: Resamples, by_hand: Callable[..., Any], other: str, metric: str
) -> None:
    found: Any = {}
    for benchmark in BENCHMARKS:
        ours, theirs = [by_hand(benchmark, method)[metric] for method in ("ccps", other)]
        found[benchmark] = np.subtract(ours, theirs)
        row = _indexed(paired_differences(data, resamples)).loc[(benchmark, other, metric)]
        wanted = brute_force.ends(found[benchmark], data.level)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(wanted, abs=1e-12)
    average = average_differences(data, resamples).set_index(["other", "metric"]).loc[(other, metric)]
    wanted = brute_force.ends(np.mean(list(found.values()), axis=0), data.level)
    assert (average["ci_low"], average["ci_high"]) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("metric", ["log_loss", "aurc", "e_aurc", "prr", "fpr95", "acc_at_80", "cov_at_20"])
def test_further_metrics_have_the_same_resamples(
    resamples: Resamples, by_hand: Callable[..., Any], metric: str
) -> None:
    benchmark = next(iter(BENCHMARKS))
    found = resamples.of(Setting("m", benchmark), "ccps", metric)
    assert found is not None
    assert found.tolist() == pytest.approx(by_hand(benchmark, "ccps")[metric], abs=1e-12, nan_ok=True)
    assert np.isfinite(found).any()


def test_tables_differences_headline_and_averages_say_the_same(data: ReportData, resamples: Resamples) -> None:
    differences, mean = paired_differences(data, resamples), average_results(data, resamples)
    average, settings = average_setting(data), data.settings
    joint = resamples.with_average(average, settings)
    blocks = [*summarise(mean, "ccps", (), joint), *summarise(data.results, "ccps", (), resamples)]
    both = _indexed(pd.concat([average_differences(data, resamples), differences]))
    for block in blocks:
        cells = {
            (row.method, metric): cell for row in block.rows for metric, cell in zip(CONTEST, row.cells, strict=True)
        }
        for (method, metric), cell in cells.items():
            if method != "ccps":
                wanted = cells["ccps", metric].value - cell.value
                assert both.loc[(block.benchmark, method, metric), "value"] == pytest.approx(wanted, abs=1e-12)
    table = _indexed(differences)
    for metric in CONTEST:
        for other in ("p_ik", "lone", "own"):
            parts = [table.loc[(setting.benchmark, other, metric), "value"] for setting in settings]
            assert both.loc[(average.benchmark, other, metric), "value"] == pytest.approx(np.mean(parts), abs=1e-12)


def test_the_headline_of_one_setting_is_the_difference_to_the_strongest(data: ReportData, make_data: Make) -> None:
    results, scores = (table[table["benchmark"] == "boats"] for table in (data.results, data.scores))
    one = make_data(results=results, scores=scores, resamples=RESAMPLES, resampling_seed=SEED)
    joint = resample(one, one.convention, by_subject(one.scores, one.convention))
    table = _indexed(paired_differences(one, joint))
    means = {(method, metric): value for (_, method, metric), value in _means(one).items()}
    for found in headlines(one, joint):
        best = min if CONTEST[found.metric].lower_is_better else max
        strongest = best(one.rivals, key=lambda method: means[method, found.metric])
        row = table.loc[("boats", strongest, found.metric)]
        assert found.measured[:3] == pytest.approx((row["value"], row["ci_low"], row["ci_high"]), abs=1e-12)


def test_a_method_without_a_result_has_no_row_and_an_undefined_value_no_interval(
    data: ReportData, make_data: Make, resamples: Resamples
) -> None:
    silent = (data.results["method"] == "own") & (data.results["benchmark"] == "birds")
    results = data.results[~silent].copy()
    undefined = (results["method"] == "lone") & (results["metric"] == "auroc")
    results.loc[undefined, "value"] = np.nan
    changed = make_data(results=results, scores=data.scores, resamples=RESAMPLES, resampling_seed=SEED)
    table = _indexed(paired_differences(changed, resamples))
    assert ("birds", "own", "ece") not in table.index
    assert table.loc[("boats", "lone", "auroc"), ["value", "ci_low", "ci_high"]].isna().all()
    average = average_differences(changed, resamples).set_index(["other", "metric"])
    assert average.loc[("own", "ece"), ["value", "ci_low", "ci_high"]].isna().all()
    assert average.loc[("p_ik", "ece"), ["value", "ci_low", "ci_high"]].notna().all()


def test_without_the_reference_there_is_nothing_to_compare(
    data: ReportData, resamples: Resamples, make_data: Make
) -> None:
    others: dict[str, Any] = {"results": data.results[data.results["method"] != "ccps"], "scores": data.scores}
    assert paired_differences(make_data(**others), resamples).empty
    assert average_differences(make_data(**others), resamples).empty
    assert resamples.mean([Setting("m", "nowhere")], "ccps", "ece") is None


def test_what_could_have_been_shown_is_as_large_as_its_power_needs() -> None:
    """A true difference of that size has a lower end above 0 in four of five samples."""
    error, level = 0.013, 0.95
    least = detectable(Estimate(0.0, -0.1, 0.1, error=error), level)
    assert least / error == pytest.approx(2.8016, abs=1e-3)
    measured = np.random.default_rng(0).normal(least, error, 100_000)
    assert np.mean(measured - 1.959964 * error > 0) == pytest.approx(0.8, abs=0.005)
    assert np.isnan(detectable(Estimate(0.0, 0.0, 0.0, error=0.0, reservation="too few: 3 right"), level))


def test_differences_hold_their_error_and_the_page_says_what_could_be_shown(
    data: ReportData, resamples: Resamples, make_data: Make
) -> None:
    table = _indexed(paired_differences(data, resamples))
    ours, theirs = (resamples.of(Setting("m", "boats"), method, "auroc") for method in ("ccps", "own"))
    assert ours is not None
    assert theirs is not None
    row = table.loc[("boats", "own", "auroc")]
    assert row["error"] == pytest.approx(np.std(ours - theirs, ddof=1))
    # 40 answers have fewer than 20 wrong ones, so nothing could be shown; three times as many do.
    assert row["reservation"].startswith("too few: ")
    assert np.isnan(row["detectable"])
    enough = make_data(
        results=data.results,
        scores=repeated(data.scores, 3),
        resamples=RESAMPLES,
        resampling_seed=SEED,
        controls=["lone"],
    )
    found = Findings(enough)
    ranges = detectable_ranges(found.differences, enough.controls)
    assert list(ranges) == [average_setting(enough), Setting("m", "boats"), Setting("m", "birds")]
    errors = found.differences.query("benchmark == 'boats' and metric == 'auroc' and other != 'lone'")["error"]
    assert ranges[Setting("m", "boats")]["auroc"] == pytest.approx(
        (2.8016 * errors.min(), 2.8016 * errors.max()), rel=1e-3
    )
    (words,) = power_words(found)
    assert "m · boats (120 questions) ECE " in words
