"""An estimator of confidence that is defined here, with a stage and settings of its own: the package is not touched."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tiny_faithful import TinyFaithful, hydra_text

from ccps.core.errors import UserError
from ccps.core.fields import setting
from ccps.core.settings import SettingsError
from ccps.estimators.base import ESTIMATORS, Estimator, Kept, OwnStage, StepScores, TraceRun, register
from ccps.faithful import Step, TraceRule
from ccps.metrics.inputs import IntArray
from ccps.pipeline.by_shard import ByShardStage, Rows
from ccps.reasoning.stored_traces import StoredTrace, stored_traces
from ccps.stages.faithful.checks import to_faithful


class LengthStage(ByShardStage):
    """Rows of trace id and its number of characters."""

    name = "length"
    schema = pa.schema([("trace_id", pa.string()), ("length", pa.int32())])

    def __init__(self, run: TraceRun) -> None:
        super().__init__(run.traces, run.label)

    def inputs(self) -> Mapping[str, Any]:
        return {"traces": self.source}

    def step(self, content: int) -> Rows:
        traces = [stored.trace for stored in stored_traces(self.source, shards=[content])]
        return [{"trace_id": trace.id, "length": len(trace.text)} for trace in traces]

    def summary_of(self, rows: pd.DataFrame) -> Mapping[str, Any]:
        return {"traces": len(rows), "reasons": {"too long to be brief": 1}}


@dataclass
class BrevitySettings:
    """What counts as brief."""

    weight: float = setting(1.0, "weight of a step's share of its trace", above=0, at_most=1)


class Brevity(Estimator):
    """One minus the weighted share of a trace's characters that a step takes."""

    name = "brevity"
    label = "Brevity"
    description = "How short a step is. In [0, 1], higher is shorter."
    released_rule = TraceRule("last")
    reads_answer = True
    settings = BrevitySettings
    stages = (
        OwnStage(
            LengthStage,
            lambda own, run: LengthStage(run),
            left_out="traces that were measured",
            note=lambda summary: f"Brevity: {summary['traces']} traces.",
        ),
    )

    @property
    def kept(self) -> Kept:
        return Kept(alternatives=7, states=("post_norm",))

    @property
    def in_words(self) -> str:
        return f"weight {self.own.weight:g}"

    @property
    def behind(self) -> str:
        return "a ruler"

    def inputs(self, run: TraceRun) -> Mapping[str, Any]:
        return {"lengths": run.made[LengthStage.name], "weight": self.own.weight}

    def prepare(self, run: TraceRun, device: object) -> None:
        rows = run.made[LengthStage.name].rows().to_pylist()
        self.lengths = {row["trace_id"]: row["length"] for row in rows}

    def score(self, stored: StoredTrace, steps: Sequence[Step], tokens: Sequence[IntArray]) -> StepScores:
        assert stored.states.post_norm is not None
        assert stored.trace.top_log_probs is not None
        assert stored.trace.top_log_probs.shape[1] == 7
        length = self.lengths[stored.trace.id]
        return StepScores(np.array([1 - self.own.weight * (step.end - step.start) / length for step in steps]))


@pytest.fixture(autouse=True)
def brevity() -> Iterator[None]:
    """The estimator, for as long as a test lasts."""
    register(Brevity)
    yield
    ESTIMATORS.remove("brevity")


def test_it_runs_to_tables_and_page(faithful: TinyFaithful, traces_file: Path) -> None:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given"}
    output = faithful.run(
        f"faithful.files.mine={hydra_text(file)}",
        "faithful.estimators=[deepconf,brevity]",
        f"faithful.own={hydra_text({'brevity': {'weight': 0.5}})}",
    )
    tables = output / "tables"
    steps = pd.read_parquet(tables / "steps.parquet").query("dataset == 'given' and trace_id == 't1'")
    length = len(pd.read_parquet(tables / "traces.parquet").set_index("trace_id").loc["t1", "text"])
    assert list(steps["brevity"]) == pytest.approx(list(1 - 0.5 * (steps["end"] - steps["start"]) / length))
    results = pd.read_csv(tables / "faithful.csv").query("dataset == 'given' and estimator == 'brevity'")
    assert {"cmfg_star", "mfg", "mean_confidence_last"} <= set(results["metric"])
    bridge = pd.read_csv(tables / "bridge.csv").query("dataset == 'given' and metric == 'mean'")
    assert bridge.set_index("signal").loc["answer_brevity", "n"] > 0
    dropped = pd.read_csv(tables / "dropped.csv")
    assert (dropped["what"] == "traces that were measured").any()
    page = (output / "report.html").read_text()
    for words in (
        "How short a step is. In [0, 1], higher is shorter. Here: a ruler.",
        "weight 0.5",
        "Answer brevity",
        "Brevity: 6 traces.",
        "not computed: not among",
    ):
        assert words in page, words


def test_its_settings_and_its_stage_are_checked(faithful: TinyFaithful) -> None:
    settings = faithful.settings("faithful.estimators=[brevity]", "stages=[length,confidence]")
    settings["faithful"]["own"] = {"brevity": {"weight": 2, "heigth": 1}, "brevty": {}}
    with pytest.raises(SettingsError) as caught:
        to_faithful(settings)
    assert len(caught.value.faults) == 3
    for words in ("`faithful.own.brevity.weight` to be above 0 and at most 1, but got 2", "heigth", "`brevity`?"):
        assert words in str(caught.value)


def test_a_part_without_its_stage_is_refused(finished_faithful: TinyFaithful) -> None:
    with pytest.raises(UserError, match="Expected the stage `length`"):
        finished_faithful.run("faithful.estimators=[brevity]", "stages=[read,confidence,faith,faith_report]")


def test_each_estimator_has_a_name_of_its_own() -> None:
    with pytest.raises(ValueError, match="called `brevity`"):
        register(Brevity)
