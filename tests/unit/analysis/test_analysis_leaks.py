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
