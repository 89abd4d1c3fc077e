"""Write down what a run of the faithful system has found."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.core.artifacts import Artifact
from ccps.pipeline.costs import costs_by_stage
from ccps.pipeline.stage import Stage, Work, total_cost
from ccps.reasoning.profiles import worst
from ccps.report.faithful.write import write_faithful
from ccps.settings.faithful.run import ESTIMATORS, FaithfulConfig
from ccps.stages.faithful.cells import Cell
from ccps.stages.faithful.score import read_table
from ccps.stages.faithful.tables import Measured

_JUDGES = {
    "lexical": "words in common",
    "numeric": "the last number in each",
    "nli": "a model of entailment",
    "llm_yes_no": "a language model, asked yes or no",
}


_DROPPED = {
    "trace": "lines of the file",
    "read": "traces not read",
    "continue": "continuations",
    "mark": "answers not marked",
    "decide": "steps without decisiveness",
    "judge": "continuations not judged",
}


class Scored(NamedTuple):
    """One run, scored.

    Attributes:
        cell: what it is and what was made of it.
        measured: what its tables were put together from.
        scores: what `FaithStage` wrote.
    """

    cell: Cell
    measured: Measured
    scores: Artifact


class FaithReportStage(Stage):
    """Tables, figures and the page, as `ccps.report.faithful.write` has them."""

    name = "faith_report"
    version = 2
    unit = "pages"

    def __init__(
        self, scored: Sequence[Scored], config: FaithfulConfig, settings: Mapping[str, Any], made: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.scored = list(scored)
        self.config = config
        self.settings = dict(settings)
        self.made = dict(made)

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
            judges={
                "sampling": _JUDGES[faithful.judge.name],
                "stability": "CCPS probe" if faithful.stability.scorer else "flip radius",
            },
            deliberation=words.name == "lexicon" and not words.published_norms_only,
            costs=costs_by_stage(self._artifacts),
            settings=self._box(),
            run={"config": self.settings, **self.made, "artifacts": [artifact.key for artifact in self._artifacts]},
        )

    def save_shard(self, outputs: list[FaithfulData], folder: Path) -> Mapping[str, float]:
        """Write all files of the report."""
        write_faithful(outputs[0], folder)
        return {"n": 1}

    def _cell(self, scored: Scored) -> FaithfulCell:
        cell, measured = scored.cell, scored.measured
        table, estimators = partial(read_table, scored.scores), tuple(measured.confidences)
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
            # The stages know why a step has no confidence.
            dropped=pd.concat(
                [table("dropped").query("why != 'no confidence'"), self._dropped(cell, measured)], ignore_index=True
            ),
            worst=tuple(least.traces["trace_id"]),
            seconds={
                "decisiveness": total_cost(measured.steps, "seconds"),
                **{name: _seconds(name, cell, artifact) for name, artifact in measured.confidences.items()},
            },
            absent={
                **cell.absent,
                **dict.fromkeys(_others(self.config, estimators, cell), "not among `faithful.estimators`"),
            },
            notes=tuple(_notes(cell)),
        )

    def _dropped(self, cell: Cell, measured: Measured) -> pd.DataFrame:
        """What is missing of the task and of each estimator, by reason."""
        left_out = cell.place.task[1].left_out if cell.place.task else {}
        rows = [("questions", reason, number) for reason, number in left_out.items()]
        named = {artifact.folder: f"steps without {name}" for name, artifact in measured.confidences.items()}
        for artifact in cell.artifacts:
            what = named.get(artifact.folder, _DROPPED.get(artifact.stage, artifact.stage))
            rows += [(what, reason, number) for reason, number in artifact.summary.get("reasons", {}).items()]
        return pd.DataFrame(rows, columns=["what", "why", "n"])

    def _box(self) -> dict[str, str]:
        """Lines of the box at the head of the page."""
        faithful = self.config.faithful
        sampling, traces = faithful.sampling, faithful.traces
        return {
            "Mode": faithful.mode,
            "Steps": f"{faithful.unit}s of the reasoning",
            "Traces": (
                f"temperature {traces.temperature:g}, at most {traces.max_new_tokens:,} tokens, seed {traces.seed}"
            ),
            "Decisiveness": faithful.decisiveness.name,
            "DeepConf": f"k = {faithful.deepconf.k}, divisor {faithful.deepconf.scale:g}",
            "RCC": f"μ = {faithful.rcc.mu:g}, δ = {faithful.rcc.delta:g}, states {faithful.rcc.hidden}",
            "Sampling": (
                f"K = {sampling.k}, temperature {sampling.temperature:g}, at most {sampling.max_new_tokens} tokens, "
                f"at most {sampling.max_steps} steps of a trace, judged by {_JUDGES[faithful.judge.name]}"
            ),
        }


def _notes(cell: Cell) -> Iterator[str]:
    """What a reader needs to know of single artifacts."""
    for artifact in cell.artifacts:
        if "typical_radius" in artifact.summary:
            r0 = artifact.summary["typical_radius"]
            yield f"Stability: r0 is {r0:.3g}, the median of the flip radii that are finite and above 0."
        for what, number in artifact.summary.get("noted", {}).items():
            yield f"{what[0].upper()}{what[1:]}: {number:,}."
        if anew := artifact.summary.get("traces_tokenised_anew"):
            yield f"Sampling: the text of {anew} traces without fitting ids was tokenised anew."


def _others(config: FaithfulConfig, estimators: Sequence[str], cell: Cell) -> Iterator[str]:
    """Estimators that nobody asked for."""
    for name in ESTIMATORS:
        if name not in config.faithful.estimators and name not in estimators and name not in cell.absent:
            yield name


def _seconds(name: str, cell: Cell, confidence: Artifact) -> float:
    """What an estimator took for all traces, with all stages that only it needs."""
    only = {"sampling": ("continue", "judge"), "stability": ("radii",)}.get(name, ())
    needed = [artifact for artifact in cell.artifacts if artifact.stage in only]
    return sum(total_cost(artifact, "seconds") for artifact in [confidence, *needed])
