import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ccps.analysis.data import ReportData
from ccps.analysis.leaks import chance_controls, missing_transfers, shared_questions, transfers
from ccps.analysis.records import SHARED_COLUMNS, TRANSFER_COLUMNS, Audit, Setting
from ccps.analysis.resamples import Resamples
from ccps.metrics import METRICS

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
