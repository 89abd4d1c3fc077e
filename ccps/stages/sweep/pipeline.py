"""The whole sweep: for each model and format, perturb at every strength, fit, judge, choose, and write it down."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.needs.base import AnsweredQuestions
from ccps.perturbation import Direction, Grid
from ccps.pipeline.job import Job, asked_of
from ccps.pipeline.provenance import provenance
from ccps.pipeline.publish import check_writable, printed, publish_report
from ccps.pipeline.stage import Run
from ccps.probes import ProbeConfig
from ccps.settings.experiment import STAGES
from ccps.settings.sweep import SweepConfig
from ccps.stages.main.pipeline import Pipeline
from ccps.stages.main.questions import AllQuestions, all_questions
from ccps.stages.main.runs import Count, ModelAnswers
from ccps.stages.sweep.checks import Swept
from ccps.stages.sweep.evaluate import SweepEvaluateStage, best_point
from ccps.stages.sweep.extract import FlipStage, SweepExtractStage
from ccps.stages.sweep.fit import CROSS_VALIDATION, SweepFitStage, SweptSide
from ccps.stages.sweep.points import all_points
from ccps.stages.sweep.report import SweepReportStage
from ccps.stages.sweep.runs import DirectionRun, SweptFormat
from ccps.stages.sweep.sources import above_chance, chance_counts, sources_of

_FLIPS: Direction = "gradient"
OWN_STAGES = tuple(
    stage.name for stage in (FlipStage, SweepExtractStage, SweepFitStage, SweepEvaluateStage, SweepReportStage)
)
"""What a sweep adds to the stages of its experiment, and is run whatever `stages` names."""


def run_sweep(swept: Swept, settings: Mapping[str, Any], run: Run) -> Path:
    """Run a sweep; what is complete is found again, what is missing is computed.

    Args:
        swept: the experiment and its grid.
        settings: the same as plain values, printed in the report.
        run: where artifacts lie, and the logger.

    Returns:
        The folder with the report.

    Raises:
        UserError: see each stage.
    """
    config = swept.experiment
    output = Path(config.paths.output)
    run.ranks.on_first(lambda: check_writable(output))
    questions = run.ranks.node_by_node(lambda: all_questions(config, judged=True))
    left_out = [*questions.left_out, *_not_swept(questions, swept.sweep)]
    questions = of_swept_formats(questions, swept.sweep)
    job = Job(run, asked_of(config.stages, STAGES), OWN_STAGES)
    pipeline = Pipeline(config, settings, job)
    graded = [pipeline.answers(name, questions) for name in config.model]
    answers, level = graded, None
    if swept.sweep.at_chance == "leave_out":
        level = swept.sweep.chance_level
        # On which sources a model is above chance hangs on its grades, and with it what is swept.
        job.run()
        answers = above_chance(graded, level)
    sweeps = [FormatSweep(swept, own, form, job) for own in answers for form in own.trains]
    job.run()
    sources = [source for own in graded for source in sources_of(own, level)]
    left_out += chance_counts(sources)
    # What comes now hangs on which strength is best.
    formats = [sweep.finals(best_by(swept.sweep.choose_by)) for sweep in sweeps]
    report = job.add(SweepReportStage(formats, sources, left_out, swept, printed(settings), provenance()))
    job.run()
    run.ranks.on_first(lambda: publish_report(report, output))
    say("output", config.experiment, f"open {output / 'report.html'}", state="written")
    return output


def of_swept_formats(questions: AllQuestions, sweep: SweepConfig) -> AllQuestions:
    """The questions of those formats for which there is a grid."""
    return questions._replace(
        trains={form: asked for form, asked in questions.trains.items() if form in sweep.grids},
        tests={label: asked for label, asked in questions.tests.items() if asked[0].format in sweep.grids},
    )


def _not_swept(questions: AllQuestions, sweep: SweepConfig) -> list[Count]:
    """Test questions of a format for which there is no grid."""
    return [
        Count(f"questions of {label} left out", len(asked), f"`sweep.{asked[0].format}` is null")
        for label, asked in questions.tests.items()
        if asked[0].format not in sweep.grids
    ]


Choose = Callable[[Artifact, Sequence[Grid]], Grid]


def best_by(metric: str) -> Choose:
    """Chooses the strength that is best by a metric on the training folds, see `best_point`."""
    return lambda judged, _: best_point(judged.rows().to_pandas(), CROSS_VALIDATION, metric)


class FormatSweep:
    """One model's answers of one format, perturbed at every strength.

    Args:
        swept: the experiment and its grid.
        answers: the answers.
        form: their format ("mc", "oe").
        job: takes in the stages.
    """

    def __init__(self, swept: Swept, answers: ModelAnswers, form: str, job: Job) -> None:
        self.answers = answers
        self.train = answers.trains[form]
        self.tests = [side for side in answers.tests.values() if side.format == form]
        scratch = swept.experiment.perturbation.max_scratch_mib
        self.flips = [
            job.add(FlipStage(side.answers, answers.head, f"{side.label}, {answers.model}", _FLIPS, scratch))
            for side in self.tests
        ]
        self.directions = [
            _DirectionSweep(swept, answers, self.train, self.tests, direction, job)
            for direction in swept.sweep.grids[form].directions
        ]

    def finals(self, choose: Choose) -> SweptFormat:
        """The chosen strength of each direction, see `_DirectionSweep.finals`."""
        directions = [direction.finals(choose) for direction in self.directions]
        return SweptFormat(self.answers, self.train, self.tests, self.flips, directions)


class _DirectionSweep:
    """The grid along one direction, and then the strengths that come out of it.

    Args:
        swept: the experiment and its grid.
        answers: the answers of one model.
        train: those that probes are fitted to.
        tests: those they are tested on.
        direction: where states are pushed.
        job: takes in the stages.
    """

    def __init__(
        self,
        swept: Swept,
        answers: ModelAnswers,
        train: AnsweredQuestions,
        tests: Sequence[AnsweredQuestions],
        direction: str,
        job: Job,
    ) -> None:
        self.config, self.sweep = swept
        self.direction = direction
        self.job = job
        grid = self.sweep.grids[train.format]
        self.points = all_points(grid, self.config.perturbation)
        self.recipe = _recipe(getattr(self.config.probe, train.format), grid.training_steps)
        self.where = f"{answers.model}, {train.format}, {direction}"
        self.labels = {side.label: side.labels for side in tests}
        self.train = self._extract(train, answers)
        self.tests = {side.label: self._extract(side, answers) for side in tests}
        self.on_grid = self._fit(self.points, self.sweep.seeds, self.sweep.folds)
        self.judged = self._judge(self.on_grid)

    def finals(self, choose: Choose) -> DirectionRun:
        """From more seeds: the strength that is best on the grid, and the paper's.

        Args:
            choose: says which is best, of the judged grid and its points.

        Raises:
            UserError: as `choose` does.
        """
        chosen = choose(self.judged, self.points)
        paper = Grid(float(self.config.perturbation.radius), self.config.perturbation.steps)
        finals = self._fit(list(dict.fromkeys([chosen, paper])), self.sweep.chosen_seeds, 0)
        return DirectionRun(
            self.direction,
            [self.train.features, *(test.features for test in self.tests.values())],
            [self.on_grid, finals],
            self.judged,
            self._judge(finals),
            chosen,
        )

    def _extract(self, side: AnsweredQuestions, answers: ModelAnswers) -> SweptSide:
        where = f"{side.label}, {answers.model}"
        scratch = self.config.perturbation.max_scratch_mib
        stage = SweepExtractStage(
            side.answers,
            answers.head,
            where,
            self.points,
            self.direction,  # type: ignore[arg-type]
            scratch,
        )
        return SweptSide(side, self.job.add(stage))

    def _fit(self, chosen: list[Grid], seeds: list[int], folds: int) -> Artifact:
        return self.job.add(
            SweepFitStage(self.train, self.tests, self.points, chosen, self.recipe, seeds, folds, self.where)
        )

    def _judge(self, scores: Artifact) -> Artifact:
        return self.job.add(SweepEvaluateStage(scores, self.labels, self.where, self.config.evaluation))


def _recipe(recipe: ProbeConfig, steps: int | None) -> ProbeConfig:
    """The probe's recipe with fewer mini-batches, if the sweep asks for that; a stage that is left out stays so."""
    if steps is None:
        return recipe
    contrastive, classifier = (
        replace(stage, steps=steps) if stage.steps else stage for stage in (recipe.contrastive, recipe.classifier)
    )
    return replace(recipe, contrastive=contrastive, classifier=classifier)
