from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from ccps.analysis.data import RESULT_COLUMNS, ReportData
from ccps.analysis.few_labels import (
    FEW_LABELS_COLUMNS,
    FEW_LABELS_DIFFERENCE_COLUMNS,
    Skipped,
    few_labels,
)
from ccps.analysis.support import POINT

Make = Callable[..., ReportData]
N = 80


def scores(method: str, shift: float, seed: int | None = None, model: str = "m", noise: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    correct = rng.random(N) < expit(x)
    p = expit(x + shift + 0.5 * np.random.default_rng(noise).normal(size=N))
    return pd.DataFrame(
        {
            "question_id": [f"q{place:02}" for place in range(N)],
            "subject": [f"s{place % 8}" for place in range(N)],
            "model": model,
            "benchmark": "b",
            "method": method,
            "seed": pd.array([seed] * N, dtype="Int64"),
            "p_correct": p,
            "correct": correct,
        }
    )


def made(make_data: Make, *tables: pd.DataFrame, **changes: object) -> ReportData:
    table = pd.concat(tables, ignore_index=True)
    found = table[["model", "benchmark", "method"]].drop_duplicates()
    results = pd.DataFrame(
        [(*row, "brier", 0.2, 0.1, 0.3, N) for row in found.itertuples(index=False, name=None)],
        columns=["model", "benchmark", "method", "metric", "value", "ci_low", "ci_high", "n"],
    ).assign(format="mc", seed=None)[list(RESULT_COLUMNS)]
    fields = {"label_counts": [0, 10, 40, 41], "label_draws": 30, "untrained": {"mc": ("absent", "own")}}
    return make_data(results=results, scores=table, **(fields | changes))


def test_tables_hold_every_method_and_number_and_their_differences_to_the_untrained_one(make_data: Make) -> None:
    found = few_labels(made(make_data, scores("ccps", 1.0), scores("own", 0.5, noise=3)))
    assert tuple(found.curves.columns) == FEW_LABELS_COLUMNS
    assert tuple(found.differences.columns) == FEW_LABELS_DIFFERENCE_COLUMNS
    assert {*found.curves["method"]} == {"ccps", "own"}
    assert len(found.curves) == 2 * 3 * 3
    assert found.skipped == (Skipped("b", 41, N),)
    assert {*found.differences[["method", "other"]].itertuples(index=False, name=None)} == {("ccps", "own")}
    assert found.differences["metric"].tolist() == ["auroc", "brier", "ece"] * 3
    assert found.curves.groupby("k")["n"].unique().map(list).to_dict() == {0: [80], 10: [70], 40: [40]}
    assert (found.curves["draws"] == 30).all()
    assert (found.curves["low"] <= found.curves["high"]).all()
    # The same draws and questions: a difference is that of the two values.
    for metric in ("brier", "ece"):
        for k in (0, 10, 40):
            here = found.curves[(found.curves["metric"] == metric) & (found.curves["k"] == k)]
            value = here.set_index("method")["value"]
            apart = found.differences[(found.differences["metric"] == metric) & (found.differences["k"] == k)]
            assert apart["value"].item() == pytest.approx(value["ccps"] - value["own"], abs=1e-12)


def test_draws_are_the_same_for_all_models_and_methods_and_each_time(make_data: Make) -> None:
    tables = scores("ccps", 1.0), scores("own", 1.0), scores("ccps", 1.0, model="other")
    found = few_labels(made(make_data, *tables)).curves
    first, second, third = (
        found[(found["method"] == method) & (found["model"] == model)][["k", "metric", "value", "low", "high"]]
        for method, model in (("ccps", "m"), ("own", "m"), ("ccps", "other"))
    )
    assert first.to_numpy().tolist() == second.to_numpy().tolist() == third.to_numpy().tolist()
    pd.testing.assert_frame_equal(few_labels(made(make_data, *tables)).curves, found)
    other = few_labels(made(make_data, *tables, resampling_seed=7)).curves
    assert other["value"].tolist() != found["value"].tolist()


def test_rows_may_come_in_any_order(make_data: Make) -> None:
    table = scores("ccps", 1.0)
    mixed = table.sample(frac=1, random_state=0)
    one, other = (few_labels(made(make_data, rows)).curves for rows in (table, mixed))
    np.testing.assert_allclose(one["value"], other["value"], rtol=1e-12)


def test_the_mean_of_seeds_is_the_method(make_data: Make) -> None:
    single = [scores("ccps", shift, seed) for seed, shift in ((23, 1.0), (24, -0.4))]
    means = few_labels(made(make_data, *single)).curves
    alone = [few_labels(made(make_data, table)).curves["value"] for table in single]
    np.testing.assert_allclose(means["value"], (alone[0] + alone[1]) / 2, rtol=1e-12)


def test_nothing_is_concluded_from_few_answers_of_a_kind_or_from_a_point(make_data: Make) -> None:
    right = [scores(method, shift).assign(correct=np.arange(N) >= 5) for method, shift in (("ccps", 1.0), ("own", 0.5))]
    found = few_labels(made(make_data, *right)).differences
    assert (found["reservation"] == "too few: 5 wrong").all()
    alike = few_labels(made(make_data, scores("ccps", 1.0), scores("own", 1.0))).differences
    assert (alike["reservation"] == POINT).all()
    apart = few_labels(made(make_data, scores("ccps", 1.0), scores("own", 0.5, noise=3))).differences
    assert (apart["reservation"] == "").all()


def test_differences_are_on_answers_that_both_score(make_data: Make) -> None:
    own = scores("own", 0.5, noise=3)
    own.loc[::2, "p_correct"] = np.nan
    found = few_labels(made(make_data, scores("ccps", 1.0), own))
    nothing = found.differences[found.differences["k"] == 0]
    assert (nothing["n"] == N // 2).all()
    of_all = found.curves[(found.curves["k"] == 0) & (found.curves["method"] == "ccps")]
    assert (of_all["n"] == N).all()
    ccps, other = scores("ccps", 1.0)[1::2], own[1::2]
    first, second = (((rows["p_correct"] - rows["correct"]) ** 2).mean() for rows in (ccps, other))
    assert nothing.set_index("metric")["value"]["brier"] == pytest.approx(first - second, abs=1e-12)


def test_without_numbers_of_labels_or_an_untrained_method_there_is_nothing(make_data: Make) -> None:
    data = made(make_data, scores("ccps", 1.0), label_counts=[])
    assert few_labels(data).curves.empty
    assert few_labels(made(make_data, scores("ccps", 1.0))).differences.empty
