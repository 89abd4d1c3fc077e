import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import binom

from ccps.analysis.records import Setting
from ccps.analysis.resamples import Drawing, by_subject, draw
from ccps.metrics import expected_ece_noise
from ccps.metrics.conventions import CONVENTIONS
from experiments.benchmarks import coverage
from experiments.benchmarks.coverage import DESIGNS, SEED, simulate, truth
from experiments.benchmarks.simulated import AUROCS, MEASURED, Design, draw_answers

PAGE = Path(__file__).parents[3] / "docs" / "statistics.md"
SHORT = [
    Design("questions", (150,)),
    Design("subjects", (5,) * 30),
    Design("means over subjects", (8,) * 30, "macro"),
    Design("seeds", (5,) * 30, seeds=5),
]


def scores(design: Design, answers: Any) -> pd.DataFrame:
    """The answers as the report has them."""
    parts = []
    for method, seeds in zip(("first", "second"), answers.stated, strict=True):
        for seed, p in enumerate(seeds):
            here = pd.DataFrame({"p_correct": p, "correct": answers.correct == 1, "question_id": np.arange(len(p))})
            here["subject"] = design.subjects if design.clustered else 0
            parts.append(here.assign(model="simulated", benchmark="simulated", method=method, seed=seed))
    return pd.concat(parts)


@pytest.mark.parametrize("design", SHORT, ids=lambda design: design.what)
def test_intervals_are_those_of_the_report(design: Design) -> None:
    drawing = Drawing(200, 3, 0.95, {"simulated": design.aggregate})
    times = drawing.times("questions of simulated", design.units)
    found = simulate(design, 7, drawing, times, CONVENTIONS["ct"])
    table = scores(design, draw_answers(design, design.subjects, np.random.default_rng([SEED, 7])))
    drawn = draw(table, {"simulated": "mc"}, "ct", by_subject(table, "ct"), drawing)
    here = Setting("simulated", "simulated")
    for place, metric in enumerate(MEASURED):
        first, second = drawn.of(here, "first", metric), drawn.of(here, "second", metric)
        assert first is not None
        assert second is not None
        assert (found.low[0, place], found.high[0, place]) == pytest.approx(drawn.ends(first), abs=1e-10)
        assert (found.low[1, place], found.high[1, place]) == pytest.approx(drawn.ends(first - second), abs=1e-10)


@pytest.mark.parametrize("design", SHORT[:3], ids=lambda design: design.what)
def test_intervals_hold_the_truth_as_often_as_they_say(design: Design) -> None:
    """A short form of the page: of 200 intervals so many hold the truth as 95 % allow, at 1 in 1,000 on either side."""
    simulations = 200
    found = coverage.coverage(design, simulations, resamples=400, answers=400_000)
    fewest, most = binom.ppf([1e-3, 1 - 1e-3], simulations, 0.95)
    held = np.round(found.covered[:, : MEASURED.index("ece")] * simulations)
    assert (held >= fewest).all()
    assert (held <= most).all()


def test_the_truth_is_that_of_the_law_of_the_answers() -> None:
    """Within a subject, the AUROC that evidence so far apart has; the Brier score by integration over the evidence."""
    found = truth("macro", 1, 400_000)
    place = MEASURED.index("auroc")
    # 400,000 answers: a standard error of 0.0008 each.
    assert found[:, place] == pytest.approx([AUROCS[0], AUROCS[0] - AUROCS[1]], abs=0.004)
    plain = Design("", (1,), ease=0.0, tone=0.0)
    answers = draw_answers(plain, np.arange(400_000), np.random.default_rng(0))
    assert answers.correct.mean() == pytest.approx(0.5, abs=0.004)
    # The second method is told its evidence's own log-odds, but for a shift: with the shift undone it is calibrated.
    p = expit(logit(answers.stated[1][0]) - 0.1)
    for low in np.arange(0.1, 0.9, 0.1):
        inside = (p >= low) & (p < low + 0.1)
        assert answers.correct[inside].mean() == pytest.approx(p[inside].mean(), abs=0.015)


def test_the_floor_is_that_of_normal_bins() -> None:
    """With many answers a bin of n_b at p adds √(2 p (1 − p) n_b / π) / n to the ECE of a calibrated forecaster."""
    n, bins = 20_000, 10
    p = coverage.calibrated(n)
    found = expected_ece_noise(p, replace(CONVENTIONS["p_correct"], n_bins=bins), seed=1, n_draws=300)
    variances = np.bincount((p * bins).astype(int), weights=p * (1 - p), minlength=bins)
    assert found.mean == pytest.approx(sum(map(math.sqrt, variances * 2 / math.pi)) / n, rel=0.03)


@pytest.mark.slow
def test_the_page_shows_what_is_measured() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = {design.what: coverage.coverage(design) for design in DESIGNS}
    for table in (coverage.coverage_table(found), coverage.ece_table(found), coverage.floor_table()):
        assert table in page
