import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from ccps.analysis.answer import THRESHOLDS, Answer, answers, certified
from ccps.analysis.certified import CERTIFIED_COLUMNS, CONFIDENCE, RISKS
from ccps.analysis.data import CHOICE_COLUMNS, RESULT_COLUMNS, SCORE_COLUMNS, ReportData
from ccps.analysis.verdict import Standing
from ccps.metrics import choose_threshold

Make = Callable[..., ReportData]
N, SUBJECTS = 240, 24


def _chosen(**changes: Any) -> pd.DataFrame:
    row = dict(zip(CHOICE_COLUMNS, ("m", "mc", "good", "", 0.2, 0.18, 0.22, 400, 5, True), strict=True)) | changes
    others = [row | {"method": "own", "brier": 0.21, "chosen": False}, row | {"brier": math.nan, "chosen": False}]
    return pd.DataFrame([row, *others], columns=list(CHOICE_COLUMNS))


def _data(
    make_data: Make, *, right: float = 0.5, seeds: tuple[int | None, ...] = (None,), **changes: Any
) -> ReportData:
    """`good` tells right from wrong; `own` and `noise`, untrained, hardly and not at all."""
    rng = np.random.default_rng(1)
    y, rows = rng.random(N) < right, []
    strength = {"good": 0.35, "own": 0.1, "noise": 0.0}
    for method, far in strength.items():
        for seed in seeds if method == "good" else (None,):
            p = np.clip(0.5 + far * np.where(y, 1, -1) + rng.normal(0, 0.15, N), 0.01, 0.99)
            rows += [(f"q{i}", f"s{i % SUBJECTS}", "m", "b", method, seed, p[i], bool(y[i])) for i in range(N)]
    results = [("m", "b", "mc", method, None, "auroc", 0.5, 0.4, 0.6, N) for method in strength]
    fields: dict[str, Any] = {
        "scores": pd.DataFrame(rows, columns=list(SCORE_COLUMNS)),
        "results": pd.DataFrame(results, columns=list(RESULT_COLUMNS)),
        "choice": _chosen(),
        "unfitted": ["own", "noise"],
        "resamples": 200,
    }
    return make_data(reference="good", method_labels={}, **(fields | changes))


def _answer(data: ReportData) -> Answer:
    (found,) = answers(data)
    return found


def test_figures_are_those_of_all_questions_at_once(make_data: Make) -> None:
    data = _data(make_data)
    found = _answer(data)
    assert (found.method, found.folds, found.candidates, *found.brier[:3]) == ("good", 5, 2, 0.2, 0.18, 0.22)
    (test,) = found.tests
    own = data.scores[data.scores["method"] == "good"]
    p, y = own["p_correct"].to_numpy(), own["correct"].to_numpy()
    bins = np.minimum((p * 10).astype(int), 9)
    ece = sum(abs(p[bins == k].sum() - y[bins == k].sum()) for k in range(10)) / N
    by_hand = {"auroc": roc_auc_score(y, p), "ece": ece, "brier": brier_score_loss(y, p)}
    for one in test.against:
        assert one.own.value == pytest.approx(by_hand[one.metric])
        assert one.own.low < one.own.high


def test_the_rival_is_the_best_untrained_one_by_each_metric(make_data: Make) -> None:
    data = _data(make_data)
    (test,) = _answer(data).tests
    for one, measure, best in zip(
        [one for one in test.against if one.metric != "ece"], (roc_auc_score, brier_score_loss), (max, min), strict=True
    ):
        of = {name: data.scores[data.scores["method"] == name] for name in ("own", "noise")}
        rivals = {name: measure(rows["correct"], rows["p_correct"]) for name, rows in of.items()}
        wanted = best(rivals, key=lambda name: rivals[name])
        assert one.other == wanted
        assert one.theirs.value == pytest.approx(rivals[wanted])
        assert one.difference.value == pytest.approx(one.own.value - rivals[wanted])
        assert one.standing is Standing.BETTER


def test_thresholds_count_what_they_keep(make_data: Make) -> None:
    data = _data(make_data)
    (test,) = _answer(data).tests
    rows = data.scores[data.scores["method"] == "good"]
    assert tuple(kept.threshold for kept in test.kept) == THRESHOLDS
    for kept in test.kept:
        above = rows[rows["p_correct"] >= kept.threshold]
        assert kept.n == len(above)
        assert kept.coverage.value == len(above) / N
        assert kept.accuracy.value == pytest.approx(above["correct"].mean())
        assert kept.accuracy.low <= kept.accuracy.value <= kept.accuracy.high
    # That all answers are all of them is no estimate.
    assert math.isnan(test.kept[0].coverage.low)


def test_certified_thresholds_are_those_of_the_scores_of_the_test(make_data: Make) -> None:
    data = _data(make_data)
    found = _answer(data)
    rows = data.scores[data.scores["method"] == "good"]
    (test,) = found.tests
    assert [one.found.risk for one in test.certified] == list(RISKS)
    for one in test.certified:
        assert one.found == choose_threshold(rows["p_correct"], rows["correct"], one.found.risk, CONFIDENCE)
        if one.found.threshold is None:
            assert math.isnan(one.coverage.value)
        else:
            assert one.coverage.value == (rows["p_correct"] >= one.found.threshold).mean()
    assert any(one.found.certified for one in test.certified)
    table = certified([found])
    assert list(table.columns) == list(CERTIFIED_COLUMNS)
    assert list(table["bound"]) == [one.found.bound for one in test.certified]
    assert set(table["method"]) == {found.method}


def test_tests_are_those_of_its_model_and_format_the_largest_first(make_data: Make) -> None:
    plain = _data(make_data)
    less, more = plain.scores[plain.scores["question_id"].str.len() < 4], plain.scores
    scores = [
        less.assign(benchmark="small"),
        more,
        more.assign(benchmark="open"),
        more.assign(model="other"),
    ]
    formats = {"small": "mc", "b": "mc", "open": "oe"}
    results = [plain.results.assign(benchmark=name, format=form) for name, form in formats.items()]
    found = _answer(
        _data(
            make_data,
            scores=pd.concat(scores, ignore_index=True),
            results=pd.concat([*results, plain.results.assign(model="other")], ignore_index=True),
        )
    )
    assert [tuple(test.setting) for test in found.tests] == [("m", "b"), ("m", "small")]
    assert [len(test.rows) for test in found.tests] == [N, 100]


def test_without_an_untrained_method_nothing_is_held_against_it(make_data: Make) -> None:
    data = _data(make_data, unfitted=[])
    (test,) = _answer(data).tests
    own = data.scores[data.scores["method"] == "good"]
    auroc = next(one for one in test.against if one.metric == "auroc")
    assert auroc.own.value == pytest.approx(roc_auc_score(own["correct"], own["p_correct"]))
    for one in test.against:
        assert one.other is None
        assert one.standing is Standing.MISSING
        assert math.isnan(one.theirs.value)
        assert math.isnan(one.difference.value)
        assert one.reservation == ""


def test_the_first_seed_is_what_is_taken_along(make_data: Make) -> None:
    (test,) = _answer(_data(make_data, seeds=(23, 24))).tests
    assert set(test.rows["seed"]) == {23}


def test_few_right_answers_have_no_verdict(make_data: Make) -> None:
    (test,) = _answer(_data(make_data, right=0.05)).tests
    assert {one.standing for one in test.against} == {Standing.NONE}
    assert all("too few" in one.reservation for one in test.against)


def test_no_calibrator_is_no_part_of_the_name(make_data: Make) -> None:
    found = _answer(_data(make_data, choice=_chosen(method="ccps", calibrator="none")))
    assert found.method == "ccps"


@pytest.mark.parametrize("method", ["good", "good_platt"])
def test_a_calibrator_is_part_of_the_name_once(make_data: Make, method: str) -> None:
    found = _answer(_data(make_data, choice=_chosen(method=method, calibrator="platt")))
    assert (found.method, found.tests) == ("good_platt", ())


def test_nothing_chosen_is_no_answer(make_data: Make) -> None:
    assert answers(_data(make_data, choice=_chosen(chosen=False))) == ()
    assert answers(make_data()) == ()


def test_the_untrained_method_that_was_named_beforehand_is_the_one_held_against(make_data: Make) -> None:
    (test,) = _answer(_data(make_data, untrained={"mc": ("absent", "noise", "own")})).tests
    assert {one.other for one in test.against} == {"noise"}
    assert not test.is_found_on_test
    (found,) = _answer(_data(make_data, untrained={"mc": ("absent",)})).tests
    assert found.is_found_on_test
    assert {one.other for one in found.against} <= {"own", "noise"}


def _with_flat(data: ReportData, near: float) -> pd.DataFrame:
    """The scores, and those of a method that gives the base rate whatever the answer, or something near it."""
    own = data.scores[data.scores["method"] == "own"]
    shift = near * np.random.default_rng(3).normal(size=len(own))
    flat = own.assign(method="flat", p_correct=own["correct"].mean() + shift)
    return pd.concat([data.scores, flat], ignore_index=True)


@pytest.mark.parametrize("near", [0.0, 0.001])
def test_what_tells_nothing_apart_is_not_held_against_by_a_metric_that_constants_win(
    make_data: Make, near: float
) -> None:
    plain = _data(make_data)
    scores, unfitted = _with_flat(plain, near), ["own", "noise", "flat"]
    (test,) = _answer(_data(make_data, scores=scores, unfitted=unfitted)).tests
    assert {one.metric: one.other for one in test.against} == dict.fromkeys(("auroc", "ece", "brier"), "own")
    (alone,) = _answer(_data(make_data, scores=scores, unfitted=["noise", "flat"])).tests
    # Where none of them tells anything apart, the best is the best.
    ece = next(one for one in alone.against if one.metric == "ece")
    assert ece.other == "flat"
    assert ece.theirs.value < 0.01
