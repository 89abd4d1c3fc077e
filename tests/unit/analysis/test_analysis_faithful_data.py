import math
from typing import Any

import pandas as pd
import pytest
from faithful_cells import NAN, cell, data, empty_cell

from ccps.analysis import faithful_data
from ccps.analysis.faithful_data import (
    ALTERNATIVE_COLUMNS,
    CONTROL_COLUMNS,
    DRAWS_COLUMNS,
    MEASURE_COLUMNS,
    PLACE_COLUMNS,
)
from ccps.analysis.faithful_scores import EstimatorScore, scored
from ccps.analysis.faithful_traces import shown_traces
from ccps.analysis.records import Estimate

TABLES = ("results", "traces", "steps", "correlations", "trajectory", "reliability", "bridge", "dropped")
EMPTY = {"control": CONTROL_COLUMNS, "draws": DRAWS_COLUMNS, "alternatives": ALTERNATIVE_COLUMNS}


def table(name: str) -> pd.DataFrame:
    found = getattr(cell(), name)
    assert isinstance(found, pd.DataFrame)
    return found


@pytest.mark.parametrize("name", [*TABLES, *EMPTY])
def test_a_table_that_lacks_a_column_is_refused_by_name(name: str) -> None:
    whole = table(name)
    for column in whole.columns:
        with pytest.raises(ValueError, match=rf"Expected `{name}` to have the columns .*, but it lacks \['{column}'\]"):
            cell(**{name: whole.drop(columns=column)})


@pytest.mark.parametrize("name", ["traces", "steps", "alternatives"])
def test_a_table_that_is_loaded_is_looked_at_when_it_is(name: Any) -> None:
    whole = table(name)
    asked = []

    def load() -> pd.DataFrame:
        asked.append(name)
        return whole

    made = cell(**{name: load})
    assert asked == []
    assert made.texts(name) is whole
    assert made.texts(name) is whole
    assert asked == [name, name]
    broken = cell(**{name: lambda: whole.drop(columns="trace_id")})
    with pytest.raises(ValueError, match=rf"Expected `{name}` to have the columns .*, but it lacks \['trace_id'\]"):
        broken.texts(name)


def test_a_run_has_cells_of_different_names() -> None:
    other = cell(prompt="hedge")
    for cells in ((cell(), cell()), (cell(), other, cell())):
        with pytest.raises(ValueError, match="Expected `cells` to be one per model, dataset and prompt, but got"):
            data(*cells)
    with pytest.raises(ValueError, match=r"but got \[\]"):
        faithful_data.FaithfulData(**(vars(data()) | {"cells": ()}))
    with pytest.raises(ValueError, match="Expected `costs` to have the columns"):
        data(costs=pd.DataFrame({"stage": []}))
    together = cell(dataset="all", together=True)
    both = data(cell(), other, together)
    assert both.single == [both.cells[0], both.cells[1]]
    assert both.estimators == ["deepconf", "rcc"]
    assert [one.heading for one in both.cells] == [
        "lab/tiny_model · gsm8k · baseline",
        "lab/tiny_model · gsm8k · hedge",
        "lab/tiny_model · all · baseline",
    ]


def test_tables_of_all_cells_are_joined_in_order_with_their_place_in_front() -> None:
    joined = data(empty_cell(dataset="none"), cell(), cell(prompt="hedge")).joined("results")
    own = table("results")
    assert tuple(joined.columns) == (*PLACE_COLUMNS, *MEASURE_COLUMNS)
    assert joined.index.tolist() == list(range(2 * len(own)))
    assert joined["prompt"].tolist() == ["baseline"] * len(own) + ["hedge"] * len(own)
    assert joined["dataset"].unique().tolist() == ["gsm8k"]
    assert joined["metric"].tolist() == 2 * own["metric"].tolist()
    nothing = data(empty_cell(), empty_cell(prompt="hedge")).joined("bridge")
    assert len(nothing) == 0
    assert tuple(nothing.columns)[:3] == PLACE_COLUMNS


def test_figures_are_found_by_estimator_metric_and_place() -> None:
    one = cell()
    assert one.measured("deepconf", "mfg") == Estimate(0.76, 0.74, 0.78, 2)
    assert one.measured("", "accuracy") == Estimate(0.5, 0.0, 1.0, 2)
    assert not one.measured("rcc", "mfg").known
    assert one.bridged("first", "deepconf", "auroc") == Estimate(0.75, 0.5, 1.0, 2)
    assert one.bridged("answer", "answer_stability", "auroc") == Estimate(0.6, 0.4, 0.8, 2)
    assert not one.bridged("first", "answer_stability", "auroc").known
    assert one.marks.tolist() == [True, False, None]


def test_scores_are_those_of_estimators_that_have_one() -> None:
    run = data(cell(), empty_cell(prompt="hedge"))
    found = scored(run)
    assert [(one.cell.prompt, one.estimator) for one in found] == [("baseline", "deepconf"), ("baseline", "rcc")]
    first = found[0]
    assert first.score == Estimate(0.771, 0.75, 0.792, 2)
    assert first.baseline("permutation").value == 0.775
    assert first.excess("permutation") == Estimate(-0.004, -0.02, 0.012, 24)
    assert not EstimatorScore(run.cells[1], "rcc").score.known


def test_the_worst_traces_are_shown_with_their_marks() -> None:
    one = cell(worst=("t3", "gone", "t2", "t1"))
    shown = shown_traces(data(one), one, 3)
    assert [(trace.id, trace.verdict, trace.truncated) for trace in shown] == [
        ("t3", "not judged", True),
        ("t2", "wrong", False),
        ("t1", "right", False),
    ]
    cut, wrong, right = shown
    assert (cut.answer, cut.steps, math.isnan(cut.faithfulness)) == ("", (), True)
    assert (wrong.question, wrong.gold, wrong.answer) == ("Is <b> bold?", "yes", "<i>no</i>")
    assert [(bar.label, bar.value) for bar in wrong.scores] == [("DeepConf", 0.2), ("RCC", 0.4)]
    assert wrong.faithfulness == pytest.approx(0.3)
    assert [step.number for step in right.steps] == [1, 2]
    assert [bar.value for bar in right.steps[0].bars] == pytest.approx([1.0, 0.35, NAN], nan_ok=True)
    assert right.steps[0].mismatch == pytest.approx(1.0 - 0.35)
    assert [trace.id for trace in shown_traces(data(one), one, 1)] == ["t3"]


def test_what_was_said_in_place_of_a_step_stands_beside_it() -> None:
    rows = [("t1", 0, f"Text {n}.", 9 - n, 0.1 * n) for n in range(8)] + [("t1", 1, "Other.", 2, NAN)]
    one = cell(alternatives=pd.DataFrame(rows, columns=list(ALTERNATIVE_COLUMNS)))
    first, second = next(trace for trace in shown_traces(data(one), one, 9) if trace.id == "t1").steps
    assert [(said.text, said.n) for said in first.alternatives] == [(f"Text {n}.", 9 - n) for n in range(6)]
    assert [said.agrees for said in first.alternatives] == pytest.approx([1 - 0.1 * n for n in range(6)])
    assert first.others == 3 + 2
    assert [(said.text, math.isnan(said.agrees)) for said in second.alternatives] == [("Other.", True)]
    assert second.others == 0
