import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from answers import repeated

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.leaks import chance_controls, missing_transfers, shared_questions, transfers
from ccps.analysis.records import SHARED_COLUMNS, TRANSFER_COLUMNS, Audit, Setting
from ccps.analysis.resamples import Resamples, by_subject, resample
from ccps.metrics import METRICS
from ccps.report.main.audit import audit_section

Make = Callable[..., ReportData]
HERE = Setting("lab/tiny_model", "MMLU-CHOICE")


def _transfer() -> pd.DataFrame:
    rows = [("piqa", "mmlu", math.nan), ("arc", "mmlu", 0.6), ("arc", "arc", 0.7), ("piqa", "arc", math.nan)]
    table = [("m", "mc", a, b, "auroc", value, value, value, 30) for a, b, value in rows]
    return pd.DataFrame(table, columns=TRANSFER_COLUMNS)


def test_shared_questions_are_added_up_over_benchmarks(make_data: Make) -> None:
    shared = pd.DataFrame([("a", 3, 2), ("b", 4, 4)], columns=SHARED_COLUMNS)
    assert shared_questions(make_data(audit=Audit(shared))) == (7, 1)
    assert shared_questions(make_data()) == (0, 0)


def test_benchmarks_that_were_trained_on_come_first_in_a_transfer(make_data: Make) -> None:
    (one,) = transfers(make_data(audit=Audit(transfer=_transfer())))
    assert (one.model, one.format, one.metric) == ("m", "mc", "auroc")
    assert one.trains == ["piqa", "arc"]
    assert one.tests == ["arc", "mmlu"]


def test_missing_transfers_are_gathered_by_reason(make_data: Make) -> None:
    reasons = {"few": ["piqa to mmlu", "piqa to arc"]}
    assert missing_transfers(make_data(audit=Audit(transfer=_transfer().assign(reason="few")))) == reasons
    assert list(missing_transfers(make_data(audit=Audit(transfer=_transfer())))) == ["no reason was recorded"]
    assert missing_transfers(make_data()) == {}


@pytest.mark.parametrize(("ends", "covers"), [((0.4, 0.5), True), ((0.5, 0.6), True), ((0.51, 0.6), False)])
def test_a_control_covers_chance_by_its_interval(make_data: Make, ends: tuple[float, float], covers: bool) -> None:
    drawn = Resamples({(HERE, "own"): np.repeat(np.repeat(ends, 100)[:, None], len(METRICS), axis=1)}, 0.95)
    (one,) = chance_controls(make_data(chance_control="own"), drawn)
    assert (one.setting, one.covers_chance) == (HERE, covers)
    assert one.value == pytest.approx(0.75)
    (unknown,) = chance_controls(make_data(chance_control="own"), Resamples({}, 0.95))
    assert not unknown.known
    assert chance_controls(make_data(chance_control="never run"), drawn) == []


def _with_seeds(make_data: Make, p: Callable[[int, pd.DataFrame], "pd.Series[float] | float"]) -> ReportData:
    """Two seeds of the reference on 48 answers, as the control that learnt from shuffled labels."""
    data = make_data()
    scores = repeated(data.scores, 6)
    for seed in (0, 1):
        here = scores["seed"] == seed
        scores.loc[here, "p_correct"] = p(seed, scores[here])
    return make_data(scores=scores, chance_control="ccps")


def test_dead_seeds_of_a_control_are_named_and_count_nowhere(make_data: Make) -> None:
    """The second seed ranks by its last digits alone, and backwards."""
    data = _with_seeds(make_data, lambda seed, rows: rows["p_correct"] if seed == 0 else 0.6 - rows["p_correct"] / 1e5)
    (one,) = chance_controls(data, resample(data, "ct", by_subject(data.scores, "ct")))
    assert (one.seeds, one.dead) == (2, (1,))
    assert one.value == pytest.approx(0.73)
    assert (one.low, one.high) == (1.0, 1.0)
    assert one.reservation == "one value in every resample"


def test_a_control_that_is_dead_throughout_shows_nothing(make_data: Make) -> None:
    data = _with_seeds(make_data, lambda seed, _: 0.6 + seed / 100)
    found = Findings(data)
    (one,) = chance_controls(data, found.resamples)
    assert (one.seeds, one.dead, one.known) == (2, (0, 1), False)
    section = audit_section(found)
    assert section is not None
    (line,) = section.words
    assert line.endswith(
        "CCPS is a constant, one P for every answer, from every seed (seeds 0 and 1): it shows nothing."
    )


@pytest.mark.parametrize(("questions", "covers"), [(0.02, False), (0.06, True)])
def test_a_control_of_averaged_seeds_is_judged_by_the_mean_over_deals(
    make_data: Make, questions: float, covers: bool
) -> None:
    """Five deals at 0.57 on average; the interval is worked out by hand from t(4) = 2.776445."""
    values = np.array([0.570, 0.581, 0.618, 0.527, 0.554])
    data = make_data(chance_control="own")
    row = data.results[(data.results["method"] == "own") & (data.results["metric"] == "auroc")].iloc[0]
    seeds = pd.DataFrame([row] * 5).assign(
        seed=range(5), value=values, ci_low=values - questions, ci_high=values + questions
    )
    (one,) = chance_controls(make_data(chance_control="own", single_seeds=seeds), Resamples({}, 0.95))
    half = math.hypot(2.776445 * values.std(ddof=1) / math.sqrt(5), questions)
    assert one.value == pytest.approx(0.57)
    assert (one.low, one.high) == pytest.approx((0.57 - half, 0.57 + half), abs=1e-6)
    assert (one.seeds, one.dead, one.covers_chance) == (5, (), covers)
    section = audit_section(Findings(make_data(chance_control="own", single_seeds=seeds)))
    assert section is not None
    assert "(mean over 5 deals)" in section.words[-1]
