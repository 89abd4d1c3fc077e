"""Rows of a plan, and what they come to."""

from collections import Counter
from dataclasses import replace

import pytest

from ccps.plan.table import BEGUN, FOUND, MISSING, Plan, Row, total

ROW = Row("m", "b", "answer", Counter({MISSING: 1}), 1000, 7200, 5e9, 2e10)
EXTRACT = replace(ROW, stage="extract", seconds=3600, memory=3e10, is_predicted=True, assumed=("lengths",))
OTHER = replace(ROW, benchmark="c", states=Counter({FOUND: 1}), seconds=0)
PLAN = Plan([ROW, EXTRACT, OTHER], "a device", processes=8, nodes=2, price_per_hour=2.5, notes=["mind this"])


def test_rows_of_one_model_and_benchmark_are_taken_together() -> None:
    first, second = PLAN.grouped(["model", "benchmark"])
    assert (first.benchmark, first.stage, first.seconds, first.tokens) == ("b", "", 10_800, 2000)
    assert (first.disk, first.memory) == (1e10, 3e10)
    assert second is OTHER


def test_states_are_counted() -> None:
    assert ROW.state == MISSING
    assert PLAN.total.state == "2 to be made, 1 found"
    assert replace(ROW, states=Counter({BEGUN: 1})).state == BEGUN


def test_money_is_of_all_nodes_for_as_long_as_it_takes() -> None:
    assert PLAN.money(ROW) == pytest.approx(2 * 2.5 * 2)
    assert replace(PLAN, price_per_hour=None).money(ROW) is None


def test_what_hours_rest_on() -> None:
    assert ROW.basis == "by rates"
    assert replace(ROW, is_measured=True).basis == "measured"
    assert EXTRACT.basis == "predicted, assumed"
    assert replace(ROW, unknown=1).basis == "not known"
    assert total([EXTRACT, replace(ROW, unknown=1)]).basis == "predicted, assumed, 1 not known"


def test_the_table_ends_in_a_sum() -> None:
    *_, last = PLAN.cells(["model", "stage"])
    assert last == ["all", "", "2 to be made, 1 found", "3,000", "3 h 00 min", "30.0 GB", "15.0 GB", "15.00",
                    "predicted, assumed"]  # fmt: skip
    assert PLAN.head(["model", "stage"]) == [
        "model",
        "stage",
        "state",
        "tokens",
        "time",
        "memory",
        "disk",
        "money",
        "basis",
    ]


def test_what_nobody_knows_has_no_time() -> None:
    [cells, _] = replace(PLAN, rows=[replace(ROW, unknown=1, seconds=0)], price_per_hour=None).cells(["stage"])
    assert cells == ["answer", "to be made", "1,000", "", "20.0 GB", "5.0 GB", "not known"]


def test_machines_read_the_same() -> None:
    data = PLAN.data(["stage"])
    assert data["rows"][1] == {
        "model": "m",
        "benchmark": "b",
        "stage": "extract",
        "found": 0,
        "begun": 0,
        "to_be_made": 1,
        "tokens": 1000,
        "hours": 1.0,
        "peak_memory_bytes": 30_000_000_000,
        "disk_bytes": 5_000_000_000,
        "money": 5.0,
        "basis": "predicted, assumed",
        "assumed": ["lengths"],
    }
    assert data["total"]["hours"] == 3
    assert data["notes"] == ["mind this"]


def test_a_plan_of_nothing() -> None:
    assert Plan([], "a device").total.tokens == 0


def test_what_is_found_is_held_against_what_it_took() -> None:
    found = replace(ROW, states=Counter({FOUND: 1}), seconds=0.0, whole=90.0, took=60.0)
    plan = replace(PLAN, rows=[ROW, found, replace(found, stage="extract", whole=60.0, took=90.0)])
    assert plan.compared(["stage"]) == [
        ["answer", "1.5 min", "1.0 min", "+50.0 %"],
        ["extract", "1.0 min", "1.5 min", "−33.3 %"],
        ["all", "2.5 min", "2.5 min", "0.0 %"],
    ]
    assert PLAN.compared(["stage"]) == []
