import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from reasoning_tables import NAN, random_cell, steps_of, traces_of
from scipy.stats import spearmanr

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError, check
from ccps.estimators.base import released_rules
from ccps.faithful import baselines
from ccps.reasoning.resampling import question_labels
from ccps.reasoning.scoring import (
    CORRELATION_COLUMNS,
    DROPPED_COLUMNS,
    RESULT_COLUMNS,
    CellScores,
    score_cell,
    score_traces,
)
from ccps.settings.faithful.scoring import ScoringSettings

RELEASED = released_rules()
QUICK = ScoringSettings(resamples=40)
QUICK_PARITY = ScoringSettings(mode="parity", resamples=40)

# Five traces of one step each, the vector of faithfulness and confidence for which MFG, cMFG and cMFG* are known.
C = (0.1, 0.2, 0.3, 0.9, 1.0)
D = (0.2, 0.4, 0.6, 0.5, 0.5)
FIVE = pd.concat([steps_of(f"q{i}", [d], deepconf=[c]) for i, (d, c) in enumerate(zip(D, C, strict=True))])
FIVE_TRACES = traces_of({f"q{i}": i % 2 == 0 for i in range(5)})


def metric(scores: CellScores, name: str, estimator: str = "deepconf") -> pd.Series:
    table = scores.results
    (row,) = (table[(table["estimator"] == estimator) & (table["metric"] == name)]).to_dict("records")
    return pd.Series(row)


def dropped(scores: CellScores) -> dict[tuple[str, str], int]:
    return {(row.what, row.why): row.n for row in scores.dropped.itertuples()}


@pytest.mark.parametrize(("settings", "cmfg"), [(QUICK, 0.7375), (QUICK_PARITY, 0.575)])
def test_the_published_vector(settings: ScoringSettings, cmfg: float) -> None:
    scores = score_cell(FIVE, FIVE_TRACES, ["deepconf"], settings)
    assert scores.traces["faithfulness_deepconf"].tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert metric(scores, "mfg")["value"] == pytest.approx(0.7)
    assert metric(scores, "cmfg")["value"] == pytest.approx(cmfg)
    assert metric(scores, "cmfg_star")["value"] == pytest.approx(0.672222, abs=1e-6)
    assert metric(scores, "cmfg_star_stratified")["value"] == pytest.approx(0.672222, abs=1e-6)
    assert (metric(scores, "support_low")["value"], metric(scores, "support_high")["value"]) == (0.1, 1.0)
    assert metric(scores, "cmfg_star_bins")["value"] == 5
    # Widths .05, .10, .35, .35, .05 of .9: with D = 1 faithfulness is the confidence.
    assert metric(scores, "always_decisive")["value"] == pytest.approx(0.55)
    assert metric(scores, "excess_always_decisive")["value"] == pytest.approx(0.672222 - 0.55, abs=1e-6)
    # The weighted median of the confidences is .3, for which F is .8, .9, 1, .4, .3.
    assert metric(scores, "best_constant_at")["value"] == 0.3
    best = (0.05 * 0.8 + 0.1 * 0.9 + 0.35 * 1 + 0.35 * 0.4 + 0.05 * 0.3) / 0.9
    assert metric(scores, "best_constant")["value"] == pytest.approx(best)
    assert metric(scores, "excess_best_constant")["value"] == pytest.approx(0.672222 - best, abs=1e-6)
    assert metric(scores, "gap")["value"] == pytest.approx(-0.06)
    assert (metric(scores, "gap_over")["value"], metric(scores, "gap_under")["value"]) == (0.6, 0.4)
    assert metric(scores, "mean_confidence")["value"] == pytest.approx(0.5)
    assert metric(scores, "spearman_across")["value"] == pytest.approx(spearmanr(C, D)[0])
    assert metric(scores, "accuracy", "")["value"] == 0.6
    assert metric(scores, "mean_decisiveness", "")["value"] == pytest.approx(0.44)
    assert (scores.results["n"] == 5)[~scores.results["metric"].isin(["cmfg", "spearman_within"])].all()


def test_bins_used_and_rows_without_a_bin() -> None:
    strict, parity = (score_cell(FIVE, FIVE_TRACES, ["deepconf"], mode, RELEASED) for mode in (QUICK, QUICK_PARITY))
    assert (metric(strict, "cmfg_bins_used")["value"], metric(strict, "cmfg_bins_empty")["value"]) == (4, 6)
    assert metric(strict, "cmfg")["n"] == 5
    assert metric(parity, "cmfg")["n"] == 4
    assert dropped(parity)["traces in cmfg deepconf", "a confidence of 1 lies in no bin (parity)"] == 1
    assert not any(what == "traces in cmfg deepconf" for what, _ in dropped(strict))


def test_columns() -> None:
    scores = score_cell(FIVE, FIVE_TRACES, ["deepconf"], QUICK)
    assert tuple(scores.results) == RESULT_COLUMNS
    assert tuple(scores.correlations) == CORRELATION_COLUMNS
    assert tuple(scores.dropped) == DROPPED_COLUMNS
    assert not scores.results.duplicated(["estimator", "metric"]).any()
    assert scores.traces[list(FIVE_TRACES)].equals(FIVE_TRACES)


def test_traces_by_hand() -> None:
    steps = pd.concat(
        [
            steps_of("a", [1.0, 0.5, NAN], deepconf=[0.8, NAN, 0.2], rcc=[0.2, 0.4, 0.6]),
            steps_of("b", [0.4], deepconf=[NAN], rcc=[0.9]),
        ]
    )
    traces = traces_of({"b": True, "empty": None, "a": False})
    scored = score_traces(steps, traces, ["deepconf", "rcc"], released=RELEASED).set_index("trace_id")
    assert list(scored.index) == ["b", "empty", "a"]
    assert scored.loc["a", "decisiveness"] == 0.75
    assert scored.loc["a", "confidence_deepconf"] == pytest.approx(0.5)
    assert scored.loc["a", "faithfulness_deepconf"] == pytest.approx(0.8)
    assert scored.loc["a", "gap_deepconf"] == pytest.approx(0.2)
    assert scored["n_scored_deepconf"].to_dict() == {"a": 1, "b": 0, "empty": 0}
    assert math.isnan(scored.loc["b", "confidence_deepconf"])
    assert math.isnan(scored.loc["b", "faithfulness_deepconf"])
    assert scored.loc["a", "confidence_rcc"] == pytest.approx(0.4)
    assert scored.loc["a", "last_confidence_rcc"] == 0.6
    assert scored.loc["a", "faithfulness_rcc"] == pytest.approx(1 - (0.8 + 0.1) / 2)
    assert scored.loc["empty"].drop(["question_id", "n_scored_deepconf", "n_scored_rcc"]).isna().sum() == 10
    assert "last_confidence_deepconf" not in scored


def test_parity_reads_traces_as_released() -> None:
    steps = steps_of("a", [1.0, -1.0], deepconf=[-1.0, -1.0], rcc=[0.2, 0.6], sampling=[NAN, NAN])
    traces = traces_of({"a": True, "empty": True})
    scored = score_traces(steps, traces, ["deepconf", "rcc", "sampling"], mode="parity", released=RELEASED).set_index(
        "trace_id"
    )
    assert scored.loc["a", "decisiveness"] == 1.0
    assert scored.loc["a", "confidence_rcc"] == 0.6
    assert scored.loc["empty", "confidence_rcc"] == 0.0
    assert scored.loc["a", "confidence_sampling"] == 0.5
    # −1 is how the released code says missing.
    assert scored[["confidence_deepconf", "faithfulness_deepconf", "faithfulness_sampling"]].isna().all(axis=None)


def test_rcc_has_both_readings() -> None:
    steps = pd.concat([steps_of(f"q{i}", [0.5, 0.5], rcc=[0.1 * i, 0.05 * i]) for i in range(6)])
    traces = traces_of({f"q{i}": True for i in range(6)})
    strict, parity = (score_cell(steps, traces, ["rcc"], mode, RELEASED) for mode in (QUICK, QUICK_PARITY))
    assert metric(strict, "mean_confidence", "rcc")["value"] == pytest.approx(0.1875)
    assert metric(strict, "mean_confidence_last", "rcc")["value"] == pytest.approx(0.125)
    assert metric(parity, "mean_confidence", "rcc")["value"] == pytest.approx(0.125)
    last = metric(parity, "cmfg_star", "rcc")["value"]
    assert metric(strict, "cmfg_star_last", "rcc")["value"] == pytest.approx(last)


def test_parity_leaves_out_traces_without_a_mark() -> None:
    traces = traces_of({"q0": True, "q1": None, "q2": False, "q3": None, "q4": True})
    strict, parity = (score_cell(FIVE, traces, ["deepconf"], mode, RELEASED) for mode in (QUICK, QUICK_PARITY))
    assert metric(strict, "mfg")["n"] == 5
    assert metric(parity, "mfg")["n"] == 3
    assert metric(parity, "mfg")["value"] == pytest.approx(0.7)
    assert metric(parity, "mean_decisiveness", "")["value"] == pytest.approx((0.2 + 0.6 + 0.5) / 3)
    for scores in (strict, parity):
        assert metric(scores, "n_unparsed", "")["value"] == metric(scores, "n_unmarked", "")["value"] == 2
        assert metric(scores, "accuracy", "")[["value", "n"]].tolist() == pytest.approx([2 / 3, 3])
        assert dropped(scores)["traces in accuracy", "not known whether the answer is right"] == 2
        assert len(scores.traces) == 5
    why = "not known whether the answer is right (parity)"
    assert dropped(parity)["traces in faithfulness", why] == 2
    assert ("traces in faithfulness", why) not in dropped(strict)


def test_everything_left_out_is_counted() -> None:
    steps = pd.concat(
        [
            steps_of("a", [1.0, NAN, 0.3, 0.4], deepconf=[NAN, 0.5, 0.5, 0.5]),
            steps_of("b", [0.5], deepconf=[NAN]),
        ]
    )
    traces = traces_of({"a": True, "b": True, "c": True}, truncated=[True, False, True], misaligned=["", "why", ""])
    scores = score_cell(steps, traces, ["deepconf"], QUICK)
    assert dropped(scores) == {
        ("traces in mean_decisiveness", "no step has a decisiveness"): 1,
        ("steps in deepconf", "no decisiveness"): 1,
        ("steps in deepconf", "no confidence"): 2,
        ("traces in deepconf", "no step has both decisiveness and confidence"): 2,
        ("traces in spearman_within deepconf", "fewer than three scored steps, or one score does not vary"): 1,
    }
    overall = {name: metric(scores, name, "")["value"] for name in scores.results["metric"][:10]}
    assert overall == {
        "accuracy": 1.0,
        "mean_decisiveness": pytest.approx((1.7 / 3 + 0.5) / 2),
        "mean_steps": pytest.approx(5 / 3),
        "n_traces": 3,
        "n_questions": 3,
        "n_truncated": 2,
        "n_without_steps": 1,
        "n_unparsed": 0,
        "n_unmarked": 0,
        "n_misaligned": 1,
    }


def test_undefined_resamples_are_counted() -> None:
    # Of three questions a resample draws one three times now and then: then nothing varies.
    steps = pd.concat([steps_of(f"q{i}", [0.1 * i], deepconf=[0.1 * i]) for i in range(3)])
    scores = score_cell(steps, traces_of({"q0": True, "q1": True, "q2": True}), ["deepconf"], QUICK)
    assert metric(scores, "spearman_across")["value"] == pytest.approx(1)
    assert 0 < dropped(scores)["resamples of spearman_across deepconf", "it is undefined there"] < 40


@pytest.mark.parametrize("settings", [QUICK, QUICK_PARITY])
@pytest.mark.parametrize(
    ("steps", "n"),
    [
        (steps_of("a", [], deepconf=[]), 0),
        (steps_of("a", [0.5], deepconf=[0.5]), 1),
        (steps_of("a", [0.5, 0.4], deepconf=[NAN, NAN]), 0),
        (steps_of("a", [NAN], deepconf=[0.3]), 0),
    ],
)
def test_hardly_anything_to_score(steps: Any, n: int, settings: ScoringSettings) -> None:
    scores = score_cell(steps, traces_of({"a": True}), ["deepconf"], settings)
    row = metric(scores, "cmfg_star")
    assert row["n"] == n
    assert row["value"] == 1.0 if n else math.isnan(row["value"])
    # One question says nothing about how far others would differ.
    assert scores.results[["ci_low", "ci_high"]].isna().all(axis=None)
    assert metric(scores, "accuracy", "")["value"] == 1.0


def test_no_traces_and_no_estimators() -> None:
    steps, traces = steps_of("a", [], deepconf=[]), traces_of({})
    scores = score_cell(steps, traces, ["deepconf"], QUICK)
    assert metric(scores, "n_traces", "")["value"] == 0
    assert math.isnan(metric(scores, "accuracy", "")["value"])
    assert math.isnan(metric(scores, "cmfg")["value"])
    alone = score_cell(steps_of("a", [0.5]), traces_of({"a": None}), [], QUICK)
    assert set(alone.results["estimator"]) == {""}
    assert metric(alone, "mean_decisiveness", "")["value"] == 0.5


def test_all_confidences_equal() -> None:
    steps = pd.concat([steps_of(f"q{i}", [0.1 * i], deepconf=[0.5]) for i in range(11)])
    scores = score_cell(steps, traces_of({f"q{i}": True for i in range(11)}), ["deepconf"], QUICK)
    f = 1 - np.abs(0.1 * np.arange(11) - 0.5)
    assert metric(scores, "cmfg_star")["value"] == pytest.approx(f.mean())
    assert metric(scores, "best_constant")["value"] == pytest.approx(1)
    assert metric(scores, "permutation")["value"] == pytest.approx(f.mean())
    assert math.isnan(metric(scores, "spearman_across")["value"])


def test_correlations_in_pairs() -> None:
    steps, traces = random_cell(3, n=30)
    scores = score_cell(steps, traces, ["deepconf", "rcc"], QUICK, RELEASED)
    table = scores.correlations.set_index(["first", "second"])
    assert len(table) == 25
    a, b = scores.traces["confidence_deepconf"], scores.traces["faithfulness_rcc"]
    both = a.notna() & b.notna()
    row = table.loc[("confidence_deepconf", "faithfulness_rcc")]
    assert row["n"] == both.sum()
    assert row["rho"] == pytest.approx(spearmanr(a[both], b[both])[0])
    assert table.loc[("faithfulness_rcc", "confidence_deepconf"), "rho"] == pytest.approx(row["rho"])
    assert table.loc[("decisiveness", "decisiveness"), "rho"] == pytest.approx(1)


def test_intervals_draw_questions() -> None:
    # Two traces of each question are alike: as one cluster they say no more than one trace.
    once = pd.concat([steps_of(f"q{i}#0", [d], deepconf=[c]) for i, (d, c) in enumerate(zip(D, C, strict=True))])
    twice = pd.concat([once, once.assign(trace_id=once["trace_id"].str.replace("#0", "#1"))])
    settings = ScoringSettings(resamples=200)
    alone = score_cell(once, traces_of({f"q{i}#0": True for i in range(5)}), ["deepconf"], settings)
    doubled = score_cell(
        twice, traces_of({f"q{i}#{k}": True for i in range(5) for k in (0, 1)}), ["deepconf"], settings
    )
    narrow, wide = metric(alone, "mfg"), metric(doubled, "mfg")
    assert wide["n"] == 10
    assert wide[["value", "ci_low", "ci_high"]].tolist() == pytest.approx(
        narrow[["value", "ci_low", "ci_high"]].tolist()
    )
    assert narrow["ci_low"] < narrow["value"] < narrow["ci_high"]


def test_unknown_questions_are_questions_of_their_own() -> None:
    traces = traces_of({"a": True, "b": True, "c": True}, question_id=["", "q", None])
    assert question_labels(traces).tolist() == ["a", "q", "c"]


@hypothesis_settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from(["strict", "parity"]))
def test_bounds_and_order(seed: int, mode: str) -> None:
    steps, traces = random_cell(seed)
    settings = ScoringSettings(mode=mode, resamples=10)
    scores = score_cell(steps, traces, ["deepconf", "rcc"], settings, RELEASED)
    fractions = ["mfg", "cmfg", "cmfg_star", "always_decisive", "best_constant", "permutation", "mean_confidence"]
    table = scores.results[scores.results["metric"].isin(fractions)]
    for column in ("value", "ci_low", "ci_high"):
        assert table[column].dropna().between(-1e-12, 1 + 1e-12).all()
    rng = np.random.default_rng(seed)
    mixed_steps, mixed_traces = (t.iloc[rng.permutation(len(t))].reset_index(drop=True) for t in (steps, traces))
    mixed = score_cell(mixed_steps, mixed_traces, ["deepconf", "rcc"], settings, RELEASED)
    pd.testing.assert_frame_equal(mixed.results, scores.results, check_exact=True)
    pd.testing.assert_frame_equal(mixed.correlations, scores.correlations, check_exact=True)
    pd.testing.assert_frame_equal(mixed.dropped, scores.dropped)
    assert mixed.traces["trace_id"].tolist() == mixed_traces["trace_id"].tolist()


def test_baselines_and_scores_agree() -> None:
    steps, traces = random_cell(7, n=40)
    scores = score_cell(steps, traces, ["deepconf"], QUICK)
    groups = [steps[steps["trace_id"] == name] for name in traces["trace_id"]]
    found = baselines(
        "cmfg_star",
        [own["decisiveness"] for own in groups],
        [own["deepconf"] for own in groups],
        scores.traces["confidence_deepconf"],
    )
    assert metric(scores, "cmfg_star")["value"] == pytest.approx(found.score)
    assert metric(scores, "permutation")["value"] == pytest.approx(found.permutation)
    assert metric(scores, "excess_permutation")["value"] == pytest.approx(found.over_permutation)


@pytest.mark.parametrize(
    ("steps", "traces", "message"),
    [
        (FIVE.drop(columns="deepconf"), FIVE_TRACES, "none called deepconf"),
        (FIVE, FIVE_TRACES.drop(columns=["correct", "answer"]), "none called answer, correct"),
        (FIVE, FIVE_TRACES.iloc[:3], r"got 'q3' \(2 such traces\)"),
        (
            pd.concat([FIVE, FIVE.iloc[:1]]),
            FIVE_TRACES,
            "one row per trace_id and step, but got q0, 0 again",
        ),
        (FIVE, pd.concat([FIVE_TRACES, FIVE_TRACES]), "`traces` to have one row per trace_id, but got q0 again"),
        (FIVE.assign(deepconf=1.5), FIVE_TRACES, r"`deepconf` to lie in \[0, 1\]"),
    ],
)
def test_tables_that_do_not_fit(steps: Any, traces: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_cell(steps, traces, ["deepconf"], QUICK)


def test_settings_out_of_range() -> None:
    check(ScoringSettings(), "scoring")
    wrong = ScoringSettings(mode="loose", bins=0, resamples=0, level=1.0, seed=-1)
    with pytest.raises(SettingsError) as refusal:
        check(wrong, "faithful.scoring")
    lines = refusal.value.faults
    assert [line.split("`")[1].rpartition(".")[2] for line in lines] == ["mode", "bins", "resamples", "level", "seed"]
    assert "`faithful.scoring.mode` to be one of strict, parity, but got 'loose'" in lines[0]
    with pytest.raises(UserError):
        score_cell(FIVE, FIVE_TRACES, ["deepconf"], wrong)
