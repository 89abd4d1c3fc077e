"""Write down what a sweep has found."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ccps.analysis.resamples import Drawing, Resamples, by_subject, draw
from ccps.analysis.sweep_data import (
    CHANCE_COLUMNS,
    Strength,
    SweepData,
)
from ccps.core.artifacts import Artifact
from ccps.pipeline.costs import costs_by_stage
from ccps.pipeline.stage import Stage, Work
from ccps.report.sweep.write import write_sweep
from ccps.stages.main.evaluate import leading_of
from ccps.stages.main.runs import Count
from ccps.stages.sweep.checks import Swept
from ccps.stages.sweep.fit import COLLAPSED
from ccps.stages.sweep.runs import DirectionRun, SweptFormat
from ccps.stages.sweep.sources import Source
from ccps.stages.sweep.tables import Choice, best_rows, final_scores, flip_rows, radius_rows, sweep_rows


class SweepReportStage(Stage):
    """Writes tables, figures, `report.html`, `report.md`, `costs.csv` and `run.json`."""

    name = "sweep_report"
    version = 3
    unit = "reports"
    gathers = True

    def __init__(
        self,
        formats: Sequence[SweptFormat],
        sources: Sequence[Source],
        left_out: Sequence[Count],
        swept: Swept,
        settings: Mapping[str, Any],
        made: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.formats = list(formats)
        self.sources = list(sources)
        self.left_out = list(left_out)
        self.swept = swept
        self.settings = settings
        self.made = made

    @property
    def title(self) -> str:
        """The experiment."""
        return self.swept.experiment.experiment

    def inputs(self) -> Mapping[str, Any]:
        """Every artifact the report speaks of, and the settings it prints."""
        return {
            "artifacts": self._artifacts,
            "sources": self.sources,
            "left_out": self.left_out,
            "settings": self.settings,
            "made": self.made,
        }

    @property
    def _artifacts(self) -> list[Artifact]:
        return [artifact for form in self.formats for artifact in form.artifacts()]

    def plan(self) -> Sequence[Sequence[Work]]:
        """One report."""
        return [[Work(None)]]

    def step(self, content: None) -> SweepData:
        """Gather the data."""
        config, sweep = self.swept
        paper = Strength(float(config.perturbation.radius), config.perturbation.steps)
        resamples = self._resamples()
        evaluation = config.evaluation
        choice = Choice(sweep.choose_by, evaluation.convention, self._drawing, resamples)
        best = pd.concat(
            [best_rows(form, run, paper, sweep.choose_by, resamples) for form, run in self._runs()], ignore_index=True
        )
        return SweepData(
            title=f"CCPS · sweep of the strength · {config.experiment}",
            sweep=pd.concat([sweep_rows(form, run) for form, run in self._runs()], ignore_index=True),
            best=best,
            radii=pd.concat(
                [radius_rows(form, run, best, paper, choice) for form, run in self._runs()], ignore_index=True
            ),
            chance=pd.DataFrame(self.sources, columns=list(CHANCE_COLUMNS)),
            flips=pd.concat([flip_rows(form) for form in self.formats], ignore_index=True),
            paper=paper,
            choose_by=sweep.choose_by,
            chance_level=sweep.chance_level if sweep.at_chance == "leave_out" else None,
            folds=sweep.folds,
            level=config.evaluation.level,
            convention=config.evaluation.convention,
            costs=costs_by_stage(self._artifacts),
            notes=tuple(self._notes()),
            run={"config": self.settings, **self.made, "artifacts": [artifact.key for artifact in self._artifacts]},
        )

    def save_shard(self, outputs: list[SweepData], folder: Path) -> Mapping[str, float]:
        """Write all files of the report."""
        write_sweep(outputs[0], folder)
        return {"n": 1}

    def _runs(self) -> Iterator[tuple[SweptFormat, DirectionRun]]:
        for form in self.formats:
            for run in form.directions:
                yield form, run

    @property
    def _drawing(self) -> Drawing:
        settings = self.swept.experiment.evaluation
        aggregates = {test.label: leading_of(test.labels, settings) for form in self.formats for test in form.tests}
        # A strength at which probes collapse is not to be judged by those that have not.
        return Drawing(settings.resamples, settings.seed, settings.level, aggregates, ranks_constants=True)

    def _resamples(self) -> Resamples:
        """The chosen and the paper's strength along every direction on resampled questions and seeds."""
        settings = self.swept.experiment.evaluation
        scores = pd.concat([final_scores(form, run) for form, run in self._runs()], ignore_index=True)
        formats = {test.label: test.format for form in self.formats for test in form.tests}
        measured = by_subject(scores, settings.convention, ranks_constants=True)
        return draw(scores, formats, settings.convention, measured, self._drawing)

    def _notes(self) -> Iterator[str]:
        for count in self.left_out:
            yield f"{count.what}: {count.number:,.0f} ({count.reason})"
        for form in self.formats:
            for side in (form.train, *form.tests):
                where = f"answers of {form.answers.model} to {side.label} not fitted or judged"
                for reason, number in side.labels.reasons("unknown").items():
                    yield f"{where}, unknown ({reason}): {number:,}"
            for run in form.directions:
                if undefined := run.grid.summary["undefined"]:
                    where = f"{form.answers.model}, {form.train.format}, {run.direction}"
                    yield f"undefined figures, {where}: {undefined:,}"
                yield from _collapsed(form, run)


def _collapsed(form: SweptFormat, run: DirectionRun) -> Iterator[str]:
    """How many probes give one P for every answer."""
    for what, scores in zip(("on the grid", "at the chosen and the paper's strength"), run.scores, strict=True):
        where = f"{form.answers.model}, {form.train.format}, {run.direction}, {what}"
        for reason, dead in scores.reasons(COLLAPSED).items():
            if dead:
                yield f"collapsed probes, {where}: {dead:,} of {scores.summary['probes']:,} ({reason})"
