"""From decisiveness and confidences of steps to the results of one run: a model, a dataset, a prompt condition."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ccps.core.artifacts import Artifact
from ccps.estimators.base import released_rules
from ccps.estimators.sampling import JudgeStage
from ccps.pipeline.stage import Stage, Work
from ccps.reasoning.bridge import bridge
from ccps.reasoning.draws import DRAWS_COLUMNS, draws_rows
from ccps.reasoning.profiles import reliability, trajectory
from ccps.reasoning.scoring import score_cell
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.scoring import ScoringSettings
from ccps.stages.faithful.tables import MeasuredRun, answer_signals, estimators_of, step_table, trace_table

Tables = dict[str, pd.DataFrame]


class FaithStage(Stage):
    """Tables of traces, steps, results, correlations, what was dropped, trajectories, reliability, and the bridge."""

    name = "faith"
    version = 3
    unit = "tables"

    def __init__(
        self, measured: Sequence[MeasuredRun], label: str, segmentation: Segmentation, settings: ScoringSettings
    ) -> None:
        super().__init__()
        self.measured = list(measured)
        self.label = label
        self.segmentation = segmentation
        self.settings = replace(settings, mode=segmentation.mode)

    @property
    def title(self) -> str:
        """Whose faithfulness."""
        return self.label

    def inputs(self) -> Mapping[str, Any]:
        """All that was measured, and how it is scored."""
        return {
            "artifacts": [artifact for one in self.measured for artifact in one.artifacts],
            **self.segmentation._asdict(),
            **asdict(self.settings),
        }

    def plan(self) -> Sequence[Sequence[Work]]:
        """All tables at once."""
        return [[Work(None)]]

    def step(self, content: None) -> Tables:
        """Score the run."""
        estimators, mode = estimators_of(self.measured), self.segmentation.mode
        steps = pd.concat([step_table(one) for one in self.measured], ignore_index=True)
        traces = pd.concat([trace_table(one, self.segmentation) for one in self.measured], ignore_index=True)
        scores = score_cell(steps, traces, estimators, self.settings, released_rules())
        judged = [one.run.made[JudgeStage.name].rows() for one in self.measured if JudgeStage.name in one.run.made]
        draws = draws_rows(_pooled(judged), steps, traces, self.settings) if judged else []
        return {
            "control": scores.control,
            "draws": pd.DataFrame(draws, columns=list(DRAWS_COLUMNS)),
            "traces": scores.traces,
            "steps": steps,
            "results": scores.results,
            "correlations": scores.correlations,
            "dropped": scores.dropped,
            "trajectory": trajectory(steps, estimators, mode=mode),
            "reliability": reliability(steps, estimators, mode=mode),
            "bridge": bridge(steps, scores.traces, estimators, self.settings, answer_signals()),
        }

    def save_shard(self, outputs: list[Tables], folder: Path) -> Mapping[str, float]:
        """Write each table."""
        for name, table in outputs[0].items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        return {"n": len(outputs[0]["traces"])}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """The headline of each estimator."""
        results = pd.read_parquet(artifact.shard_folder(0) / "results.parquet")
        headline = results[results["metric"] == "cmfg_star"].dropna(subset="value")
        return {f"cmfg_star_{row.estimator}": float(row.value) for row in headline.itertuples()}


def _pooled(judged: Sequence[pa.Table]) -> pd.DataFrame:
    """The judgements of several runs, without what was said."""
    columns = ["trace_id", "step", "sample", "inconsistency"]
    return pd.concat([one.select(columns).to_pandas() for one in judged], ignore_index=True)


def read_table(artifact: Artifact, name: str) -> pd.DataFrame:
    """Read one of the tables that `FaithStage` wrote."""
    return pd.read_parquet(artifact.path(f"{name}.parquet"))
