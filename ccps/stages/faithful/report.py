"""Write down what a run of the faithful system has found."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import pandas as pd

from ccps.analysis.faithful_claims import parse_faithful_claims
from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.core.artifacts import Artifact
from ccps.estimators.base import ESTIMATORS, Estimator
from ccps.faithful import Mode
from ccps.faithful.deliberation import Deliberation
from ccps.faithful.segment import Unit
from ccps.pipeline.costs import costs_by_stage, total_cost
from ccps.pipeline.stage import Stage, Work
from ccps.reasoning.profiles import worst
from ccps.reasoning.trace import Segmentation
from ccps.report.faithful.write import write_faithful
from ccps.settings.faithful.run import FaithfulConfig
from ccps.stages.faithful.cells import RunCell
from ccps.stages.faithful.score import read_table
from ccps.stages.faithful.tables import MeasuredRun, alternatives_table, estimators_of

NOT_ASKED = "not among `faithful.estimators`"
# What the reasons in the summary of a stage are reasons for.
_LEFT_OUT = {
    "trace": "lines of the file",
    "read": "traces not read",
    "mark": "answers not marked",
    "decide": "steps without decisiveness",
}


class ScoredRun(NamedTuple):
    """One run, scored.

    Attributes:
        cell: what it is and what was made of it.
        measured: what its tables were put together from, of several runs that are taken together.
        scores: what `FaithStage` wrote.
    """

    cell: RunCell
    measured: Sequence[MeasuredRun]
    scores: Artifact


class FaithReportStage(Stage):
    """Tables, figures and the page, as `ccps.report.faithful.write` has them."""

    name = "faith_report"
    version = 6
    unit = "pages"
    gathers = True

    def __init__(
        self,
        scored: Sequence[ScoredRun],
        estimators: Sequence[Estimator],
        config: FaithfulConfig,
        settings: Mapping[str, Any],
        made: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.scored = list(scored)
        self.estimators = list(estimators)
        self.config = config
        self.settings = dict(settings)
        self.made = dict(made)
        self.segmentation = Segmentation(cast(Unit, config.faithful.unit), cast(Mode, config.faithful.mode))

    @property
    def title(self) -> str:
        """Name of the experiment."""
        return self.config.experiment

    def inputs(self) -> Mapping[str, Any]:
        """Every artifact the report speaks of, and the settings it prints."""
        return {"artifacts": self._artifacts, "settings": self.settings, "made": self.made}

    @property
    def _artifacts(self) -> list[Artifact]:
        return [artifact for one in self.scored for artifact in one.cell.artifacts]

    def plan(self) -> Sequence[Sequence[Work]]:
        """One report."""
        return [[Work(None)]]

    def step(self, content: None) -> FaithfulData:
        """Gather the data."""
        faithful = self.config.faithful
        words = faithful.decisiveness
        return FaithfulData(
            title=f"Faithful calibration · {self.config.experiment}",
            cells=[self._cell(one) for one in self.scored],
            mode=faithful.mode,
            level=faithful.scoring.level,
            decisiveness=words.name,
            judges={estimator.name: estimator.behind for estimator in self.estimators if estimator.behind},
            quotes=faithful.rollouts.path is None or faithful.rollouts.quoted,
            deliberation=cast(Deliberation, words.deliberation),
            costs=costs_by_stage(self._artifacts),
            settings=self._box(),
            run={"config": self.settings, **self.made, "artifacts": [artifact.key for artifact in self._artifacts]},
            claims=parse_faithful_claims(self.config.claims),
        )

    def save_shard(self, outputs: list[FaithfulData], folder: Path) -> Mapping[str, float]:
        """Write all files of the report."""
        write_faithful(outputs[0], folder)
        return {"n": 1}

    def _cell(self, scored: ScoredRun) -> FaithfulCell:
        cell, measured = scored.cell, scored.measured
        table, estimators = partial(read_table, scored.scores), tuple(estimators_of(measured))
        traces, steps = partial(table, "traces"), partial(table, "steps")
        least = worst(traces(), steps(), estimators)
        return FaithfulCell(
            model=cell.place.model,
            dataset=cell.place.dataset,
            prompt=cell.place.prompt,
            estimators=estimators,
            results=table("results"),
            traces=traces,
            steps=steps,
            correlations=table("correlations"),
            trajectory=table("trajectory"),
            reliability=table("reliability"),
            bridge=table("bridge"),
            control=table("control"),
            draws=table("draws"),
            # The stages know why a step has no confidence.
            dropped=pd.concat(
                [table("dropped").query("why != 'no confidence'"), self._dropped(cell, measured)], ignore_index=True
            ),
            worst=tuple(least.traces["trace_id"]),
            alternatives=partial(alternatives_table, measured, self.segmentation, set(least.traces["trace_id"])),
            together=cell.together,
            seconds={
                "decisiveness": sum(total_cost(one.steps, "seconds") for one in measured),
                **{
                    one.name: sum(_seconds(one, own) for own in measured)
                    for one in self.estimators
                    if one.name in estimators
                },
            },
            absent={
                **cell.absent,
                **{name: NOT_ASKED for name in ESTIMATORS if name not in self.config.faithful.estimators},
            },
            notes=tuple(self._notes(cell)),
        )

    def _dropped(self, cell: RunCell, measured: Sequence[MeasuredRun]) -> pd.DataFrame:
        """What is missing of the task and of each estimator, by reason."""
        left_out = cell.place.task[1].left_out if cell.place.task else {}
        rows = [("questions", reason, number) for reason, number in left_out.items()]
        named = {
            artifact.folder: f"steps without {name}" for one in measured for name, artifact in one.confidences.items()
        }
        of_stages = {**_LEFT_OUT, **{own.name: own.left_out for one in self.estimators for own in one.stages}}
        for artifact in cell.artifacts:
            what = named.get(artifact.folder, of_stages.get(artifact.stage, artifact.stage))
            rows += [(what, reason, number) for reason, number in artifact.summary.get("reasons", {}).items()]
        counted = pd.DataFrame(rows, columns=["what", "why", "n"])
        return counted.groupby(["what", "why"], sort=False, as_index=False)["n"].sum()

    def _box(self) -> dict[str, str]:
        """Lines of the box at the head of the page."""
        faithful = self.config.faithful
        return {
            "Mode": faithful.mode,
            "Steps": f"{faithful.unit}s of the reasoning",
            "Traces": self._traces_in_words,
            "Decisiveness": faithful.decisiveness.name,
            **{estimator.label: estimator.in_words for estimator in self.estimators if estimator.in_words},
        }

    @property
    def _traces_in_words(self) -> str:
        """How traces were drawn, or where they come from."""
        traces, rollouts = self.config.faithful.traces, self.config.faithful.rollouts.path
        drawn = f"temperature {traces.temperature:g}, at most {traces.max_new_tokens:,} tokens, seed {traces.seed}"
        own = [drawn] if self.config.model and self.config.faithful.dataset else []
        given = [f"from {Path(rollouts).name}, made elsewhere"] if rollouts else []
        return "; ".join([*own, *given]) or "made elsewhere"

    def _notes(self, cell: RunCell) -> Iterator[str]:
        """What a reader needs to know of single artifacts."""
        of_stages = {own.name: own.note for estimator in self.estimators for own in estimator.stages}
        for artifact in cell.artifacts:
            if artifact.stage in of_stages and (note := of_stages[artifact.stage](artifact.summary)):
                yield note
            for what, number in artifact.summary.get("noted", {}).items():
                yield f"{what[0].upper()}{what[1:]}: {number:,}."


def _seconds(estimator: Estimator, measured: MeasuredRun) -> float:
    """What an estimator took for all traces of a run, with all stages that only it needs."""
    made = measured.run.made
    own = [made[stage.name] for stage in estimator.stages if stage.name in made]
    own += [measured.confidences[estimator.name]] if estimator.name in measured.confidences else []
    return sum(total_cost(artifact, "seconds") for artifact in own)
