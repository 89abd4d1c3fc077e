"""The control that must succeed and the one that must fail, and the resamples that both go through at once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.faithful import cmfg_star, decisiveness, phrase, say
from ccps.reasoning.control import control_rows, planted_words
from ccps.reasoning.draws import draws_rows
from ccps.reasoning.estimator_rows import Sample
from ccps.reasoning.excess import Excess
from ccps.reasoning.weighted import DealtExcess, WeightedResamples
from ccps.settings.faithful.scoring import ScoringSettings

FEW = ScoringSettings(resamples=200)


def sample(seed: int, *, traces: int = 40, steps: int = 12, spread: float = 0.25, questions: int = 10) -> Sample:
    """Words that have nothing to do with confidences which vary from trace to trace and step to step."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.3, 0.8, traces) if spread else np.full(traces, 0.5)
    c = [np.clip(own + spread * rng.standard_normal(steps), 0, 1) for own in level]
    d = [rng.choice([1.0, 1.0, 1.0, 0.7, 0.2], steps) for _ in range(traces)]
    table = pd.DataFrame({"confidence_x": [own.mean() for own in c]})
    names = np.array([f"q{trace % questions}" for trace in range(traces)], dtype=object)
    return Sample("x", table, d, c, names, FEW)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_each_resample_is_what_excess_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    sizes = rng.integers(1, 5, n)
    d, c = ([np.round(rng.uniform(size=size), 1) for size in sizes] for _ in range(2))
    c_trace = np.array([own.mean() for own in c])
    resamples = WeightedResamples(
        c_trace, np.array([f"q{i}" for i in range(n)], dtype=object), ScoringSettings(resamples=5)
    )
    levels, words = np.unique(np.concatenate(d), return_inverse=True)
    found = DealtExcess(np.concatenate(c), np.repeat(np.arange(n), sizes), levels, resamples).of(words)
    own = Excess(d, c, c_trace, bins=10, mode="strict")
    for value, times in zip(found, resamples.times.astype(int), strict=True):
        assert value == pytest.approx(own.over_permutation(np.repeat(np.arange(n), times)), abs=1e-12)


def test_planted_words_are_found_and_dealt_out_words_are_not() -> None:
    """At full strength at least 95 of 100, at none at most 70 of 1,000, with 40 traces of 10 questions."""
    one = sample(0)
    rows = {(planted, share): (found, of) for _, planted, share, found, of, _ in control_rows(one)}
    for planted in ("exactly", "by the lexicon’s phrases"):
        assert rows[planted, 1.0][0] >= 95
    false = sum(
        found
        for seed in range(1, 6)
        for _, planted, share, found, _, _ in control_rows(sample(seed), simulations=1, dealt=200)
        if (planted, share) == ("exactly", 0.0)
    )
    assert false <= 70


def test_nothing_can_be_found_where_confidence_does_not_vary() -> None:
    rows = list(control_rows(sample(0, spread=0.0), simulations=20, dealt=20))
    assert {share for _, _, share, _, _, _ in rows} >= {0.0, 1.0}
    assert all(found == 0 for _, planted, share, found, _, _ in rows if share == 1.0)


def test_of_one_question_nothing_is_said() -> None:
    assert list(control_rows(sample(0, questions=1))) == []


def test_planted_phrases_say_the_nearest_that_there_are_words_for() -> None:
    c = np.linspace(0, 1, 41)
    words = planted_words(c)
    assert list(words["exactly"]) == list(c)
    for own, planted in zip(c, words["by the lexicon’s phrases"], strict=True):
        assert abs(own - planted) == pytest.approx(abs(own - decisiveness(say(own)).score), abs=1e-12), phrase(own)


def test_fewer_draws_are_the_first_of_each_step() -> None:
    judged = pd.DataFrame(
        [(f"t{t}", s, k, float((t + s + k) % 3 == 0)) for t in range(4) for s in range(3) for k in range(12)],
        columns=["trace_id", "step", "sample", "inconsistency"],
    )
    steps = pd.DataFrame(
        [(f"t{t}", s, 1.0 - 0.2 * s) for t in range(4) for s in range(3)], columns=["trace_id", "step", "decisiveness"]
    )
    traces = pd.DataFrame({"trace_id": [f"t{t}" for t in range(4)], "question_id": ["q0", "q0", "q1", "q1"]})
    rows = pd.DataFrame(
        draws_rows(judged, steps, traces, FEW), columns=["part", "k", "metric", "value", "low", "high", "n"]
    )
    assert sorted(set(rows["k"])) == [3, 10, 12]
    whole = rows[(rows["part"] == "all steps") & (rows["metric"] == "cmfg_star")].set_index("k")["value"]
    for k in (3, 10, 12):
        c = 1 - judged[judged["sample"] < k].groupby(["trace_id", "step"])["inconsistency"].mean()
        f = 1 - (steps.set_index(["trace_id", "step"])["decisiveness"] - c).abs()

        assert whole[k] == pytest.approx(cmfg_star(f.groupby("trace_id").mean(), c.groupby("trace_id").mean()))
    cost = rows[(rows["metric"] == "cost") & (rows["k"] == 12)]
    assert (cost[["value", "low", "high"]] == 0).all().all()
