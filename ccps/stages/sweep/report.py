"""Write down what a sweep has found."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ccps.analysis.records import Estimate, Setting
from ccps.analysis.resamples import Drawing, Resamples, by_subject, draw
from ccps.analysis.sweep_data import BEST_COLUMNS, CHOSEN, ON_TEST, PAPER, SWEEP_COLUMNS, Strength, SweepData
from ccps.core.artifacts import Artifact
from ccps.needs.base import AnsweredQuestions
from ccps.perturbation import Grid
from ccps.pipeline.costs import costs_by_stage
from ccps.pipeline.stage import Stage, Work
from ccps.report.sweep.write import write_sweep
from ccps.stages.main.evaluate import leading_of
from ccps.stages.main.runs import Count, ModelAnswers
from ccps.stages.sweep.checks import Swept
from ccps.stages.sweep.evaluate import best_point


class DirectionRun(NamedTuple):
    """What was made of one model's answers of one format along one direction.

    Attributes:
        direction: where the states were moved.
        features: of all strengths, training side first.
        scores: of the grid, then of the chosen and the paper's strength.
        grid: evaluation of the whole grid, cross-validation included.
        finals: evaluation of the chosen and the paper's strength.
        chosen: the strength that cross-validation prefers.
    """

    direction: str
    features: Sequence[Artifact]
    scores: Sequence[Artifact]
    grid: Artifact
    finals: Artifact
    chosen: Grid


class SweptFormat(NamedTuple):
    """Everything about one model's answers of one format."""

    answers: ModelAnswers
    train: AnsweredQuestions
    tests: Sequence[AnsweredQuestions]
    flips: Sequence[Artifact]
    directions: Sequence[DirectionRun]

    def artifacts(self) -> Iterator[Artifact]:
        """All artifacts in the order in which they were made."""
        yield self.answers.head
        for side in (self.train, *self.tests):
            yield from side.artifacts()
        yield from self.flips
        for run in self.directions:
            yield from (*run.features, *run.scores, run.grid, run.finals)


class SweepReportStage(Stage):
    """Writes tables, figures, `report.html`, `report.md`, `costs.csv` and `run.json`."""

    name = "sweep_report"
    version = 2
    unit = "reports"

    def __init__(
        self,
        formats: Sequence[SweptFormat],
        left_out: Sequence[Count],
        swept: Swept,
        settings: Mapping[str, Any],
        made: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.formats = list(formats)
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
        return SweepData(
            title=f"CCPS · sweep of the strength · {config.experiment}",
            sweep=pd.concat([_sweep_rows(form, run) for form, run in self._runs()], ignore_index=True),
            best=pd.concat(
                [_best_rows(form, run, paper, sweep.choose_by, resamples) for form, run in self._runs()],
                ignore_index=True,
            ),
            flips=pd.concat([_flip_rows(form) for form in self.formats], ignore_index=True),
            paper=paper,
            choose_by=sweep.choose_by,
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

    def _resamples(self) -> Resamples:
        """The chosen and the paper's strength along every direction on resampled questions and seeds."""
        settings = self.swept.experiment.evaluation
        scores = pd.concat([_final_scores(form, run) for form, run in self._runs()], ignore_index=True)
        formats = {test.label: test.format for form in self.formats for test in form.tests}
        # A strength at which probes collapse is not to be judged by those that have not.
        aggregates = {test.label: leading_of(test.labels, settings) for form in self.formats for test in form.tests}
        drawing = Drawing(settings.resamples, settings.seed, settings.level, aggregates, ranks_constants=True)
        measured = by_subject(scores, settings.convention, ranks_constants=True)
        return draw(scores, formats, settings.convention, measured, drawing)

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


def _sweep_rows(form: SweptFormat, run: DirectionRun) -> pd.DataFrame:
    rows = run.grid.rows().to_pandas().rename(columns={"sample": "benchmark"})
    rows = rows.assign(model=form.answers.model, format=form.train.format, direction=run.direction)
    return rows[list(SWEEP_COLUMNS)]


def _final_scores(form: SweptFormat, run: DirectionRun) -> pd.DataFrame:
    """The scores of the chosen and the paper's strength on every test, as `ccps.analysis.data.SCORE_COLUMNS`."""
    subjects = pd.concat(
        [
            side.labels.rows().select(["question_id", "subject"]).to_pandas().assign(benchmark=side.label)
            for side in form.tests
        ]
    )
    rows = run.scores[-1].rows().to_pandas().astype({"sample": str, "question_id": str})
    methods = [_method(run, Strength(*point)) for point in rows[["radius", "steps"]].itertuples(index=False)]
    rows = rows.assign(model=form.answers.model, benchmark=rows["sample"], method=methods)
    return rows.merge(subjects, on=["benchmark", "question_id"])


def _method(run: DirectionRun, point: Strength) -> str:
    """What plays the part of a method when resamples are drawn."""
    return f"{run.direction}, {point.words}"


def _best_rows(
    form: SweptFormat, run: DirectionRun, paper: Strength, choose_by: str, resamples: Resamples
) -> pd.DataFrame:
    """The chosen and the paper's strength with intervals, and what would have been best on each test."""
    grid, finals = run.grid.rows().to_pandas(), run.finals.rows().to_pandas()
    tables = []
    for test in form.tests:
        hindsight = best_point(grid, test.label, choose_by)
        setting = Setting(form.answers.model, test.label)
        for choice, point, rows in (
            (CHOSEN, run.chosen, finals),
            (PAPER, paper, finals),
            (ON_TEST, hindsight, grid),
        ):
            here = rows[(rows["sample"] == test.label) & (rows["radius"] == point.radius)]
            here = here[here["steps"] == point.steps]
            means = here.groupby("metric", sort=False)[["value", "n"]].mean().reset_index()
            # Hindsight is the best of many, and has no interval.
            method = None if choice == ON_TEST else _method(run, Strength(*point))
            estimates = [
                Estimate(row.value)
                if method is None
                else resamples.estimate(row.value, resamples.of(setting, method, row.metric), [(setting, method)])
                for row in means.itertuples(index=False)
            ]
            tables.append(
                means.assign(
                    model=form.answers.model,
                    benchmark=test.label,
                    format=test.format,
                    direction=run.direction,
                    choice=choice,
                    radius=point.radius,
                    steps=point.steps,
                    ci_low=[estimate.low for estimate in estimates],
                    ci_high=[estimate.high for estimate in estimates],
                    reservation=[estimate.reservation for estimate in estimates],
                    seeds=here["seed"].nunique(),
                )
            )
    return pd.concat(tables, ignore_index=True)[list(BEST_COLUMNS)]


def _flip_rows(form: SweptFormat) -> pd.DataFrame:
    """The smallest flip radius of each answer that is known to be right or wrong."""
    tables = []
    for side, flips in zip(form.tests, form.flips, strict=True):
        radius = flips.rows().to_pandas().groupby("question_id", sort=False)["flip_radius"].min().reset_index()
        grades = side.labels.rows().select(["question_id", "correct"]).to_pandas().dropna(subset="correct")
        merged = radius.merge(grades, on="question_id").astype({"correct": bool})
        tables.append(merged.assign(model=form.answers.model, benchmark=side.label))
    return pd.concat(tables, ignore_index=True)
