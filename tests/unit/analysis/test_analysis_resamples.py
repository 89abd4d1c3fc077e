from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting
from ccps.analysis.resamples import Drawing, Resamples, by_subject, draw, resample
from ccps.metrics import CONTEST, METRICS, bootstrap, evaluate
from ccps.metrics.aggregates import Aggregate

Make = Callable[..., ReportData]
HERE = Setting("m", "b")


def scores(
    p: np.ndarray[Any, Any], correct: np.ndarray[Any, Any], subjects: int, method: str, **more: Any
) -> pd.DataFrame:
    table = pd.DataFrame({"p_correct": p, "correct": correct})
    table["question_id"] = [f"q{place}" for place in range(len(p))]
    table["subject"] = [f"s{place % subjects}" for place in range(len(p))]
    return table.assign(**({"model": "m", "benchmark": "b", "method": method, "seed": None} | more))


def _drawn(data: ReportData) -> Resamples:
    return resample(data, data.convention, by_subject(data.scores, data.convention))


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    p = rng.random(240)
    return p, rng.random(240) < p


@pytest.mark.parametrize(("subjects", "aggregate"), [(12, "macro"), (12, "pooled"), (1, "macro")])
def test_intervals_are_those_of_a_bootstrap_of_one_method(
    make_data: Make, answers: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], subjects: int, aggregate: str
) -> None:
    p, correct = answers
    table = scores(p, correct, subjects, "own")
    drawn = _drawn(make_data(scores=table, aggregates={"b": aggregate}, resamples=2000))
    groups, how = (table["subject"], aggregate) if subjects > 1 else (table["question_id"], "pooled")
    expected = bootstrap(p, correct, groups, "ct", seed=5, aggregate=how, n_resamples=2000)  # type: ignore[arg-type]
    # Two streams of draws: of further metrics, which take few values, so many are too few to agree so closely. Those
    # are held against a bootstrap by hand, of the same draws, in `test_analysis_differences`.
    for metric in CONTEST:
        ends = drawn.ends(drawn.of(HERE, "own", metric))
        assert ends == pytest.approx((expected[metric].low, expected[metric].high), abs=0.01)


def test_all_methods_and_models_see_the_same_questions(
    make_data: Make, answers: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
) -> None:
    p, correct = answers
    alike = [scores(p, correct, 12, "a"), scores(p, correct, 12, "b"), scores(p, correct, 12, "a", model="other")]
    drawn = _drawn(make_data(scores=pd.concat(alike)))
    for setting, method in ((HERE, "b"), (Setting("other", "b"), "a")):
        assert np.array_equal(drawn.drawn[HERE, "a"], drawn.drawn[setting, method])


def test_seeds_are_drawn_too_and_alike_on_all_benchmarks(make_data: Make) -> None:
    correct = np.ones(8, dtype=bool)
    tables = [
        scores(np.full(8, p), correct, 2, "a", seed=seed, benchmark=benchmark)
        for benchmark in ("b", "c")
        for seed, p in ((0, 1.0), (1, 0.0))
    ]
    drawn = _drawn(make_data(scores=pd.concat(tables), resamples=4000))
    brier = drawn.of(HERE, "a", "brier")
    assert brier is not None
    values, counts = np.unique(brier, return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    assert np.array_equal(brier, drawn.drawn[Setting("m", "c"), "a"][:, list(METRICS).index("brier")])


def test_order_of_rows_changes_nothing_and_the_seed_does(
    make_data: Make, answers: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
) -> None:
    table = scores(*answers, 12, "a")
    once = _drawn(make_data(scores=table)).drawn[HERE, "a"]
    assert np.allclose(_drawn(make_data(scores=table.iloc[::-1])).drawn[HERE, "a"], once, atol=1e-12)
    assert not np.allclose(_drawn(make_data(scores=table, resampling_seed=1)).drawn[HERE, "a"], once, atol=1e-3)


def test_what_is_undefined_or_was_not_scored_is_left_out(make_data: Make) -> None:
    p, correct = np.array([0.9, 0.8, 0.3, np.nan]), np.array([True, True, True, False])
    table = scores(p, correct, 2, "a")
    measured = by_subject(table, "ct").set_index("subject")
    assert measured["auroc"].isna().all()
    assert measured.loc["s0", "brier"] == pytest.approx(evaluate([0.9, 0.3], [1, 1])["brier"])
    assert measured.loc["s1", "acc"] == 1.0
    drawn = _drawn(make_data(scores=table))
    assert np.isnan(drawn.ends(drawn.of(HERE, "a", "auroc"))).all()
    assert drawn.of(HERE, "b", "ece") is None
    one_question = table.iloc[:1]
    assert _drawn(make_data(scores=one_question)).drawn == {}


@pytest.mark.parametrize("aggregate", ["macro", "pooled"])
@pytest.mark.parametrize("ranks_constants", [True, False])
def test_a_constant_ranks_at_random_only_where_that_is_asked_for(
    answers: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]], aggregate: Aggregate, ranks_constants: bool
) -> None:
    p, correct = answers
    # The rows of all methods have the same numbers, as those of joined tables may.
    table = pd.concat([scores(p, correct, 12, "own"), scores(np.full(240, 0.6), correct, 12, "dead")])
    measured = by_subject(table, "ct", ranks_constants=ranks_constants)
    drawing = Drawing(20, 0, 0.95, {"b": aggregate}, ranks_constants)
    drawn = draw(table, {"b": "mc"}, "ct", measured, drawing)
    own, dead = (drawn.drawn[HERE, method] for method in ("own", "dead"))
    names = list(METRICS)
    assert not np.isnan(own).any()
    assert not np.isnan(dead[:, names.index("ece")]).any()
    auroc = dead[:, names.index("auroc")]
    assert np.allclose(auroc, 0.5) if ranks_constants else np.isnan(auroc).all()
    assert np.isnan(dead[:, names.index("aucpr")]).all() != ranks_constants
