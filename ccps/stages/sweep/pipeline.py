"""The whole sweep: for each model and format, perturb at every strength, fit, judge, choose, and write it down."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.perturbation import Direction, Grid
from ccps.pipeline.provenance import provenance
from ccps.pipeline.publish import check_writable, copy_report, forget_others, printed
from ccps.pipeline.stage import Run, run_stage
from ccps.probes import ProbeConfig
from ccps.settings.sweep import SweepConfig
from ccps.stages.main.pipeline import Pipeline
from ccps.stages.main.questions import AllQuestions, all_questions
from ccps.stages.main.runs import Count, ModelSides, Side
from ccps.stages.sweep.checks import Swept
from ccps.stages.sweep.evaluate import SweepEvaluateStage, best_point
from ccps.stages.sweep.extract import FlipStage, SweepExtractStage
from ccps.stages.sweep.fit import CROSS_VALIDATION, SweepFitStage, SweptSide
from ccps.stages.sweep.points import all_points
from ccps.stages.sweep.report import DirectionRun, SweepReportStage, SweptFormat

_FLIPS: Direction = "gradient"


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
    questions = questions._replace(
        trains={form: asked for form, asked in questions.trains.items() if form in swept.sweep.grids},
        tests={label: asked for label, asked in questions.tests.items() if asked[0].format in swept.sweep.grids},
    )
    pipeline = Pipeline(config, settings, run)
    formats = []
    for name in config.model:
        sides = pipeline.sides(name, questions)
        assert sides is not None  # answers and grades are among the stages
        formats += [sweep_format(swept, sides, form, run) for form in sides.trains]
    report = run_stage(SweepReportStage(formats, left_out, swept, printed(settings), provenance()), run)
    run.ranks.on_first(lambda: forget_others(output, copy_report(report, output)))
    say("output", config.experiment, f"open {output / 'report.html'}", state="written")
    return output


def _not_swept(questions: AllQuestions, sweep: SweepConfig) -> list[Count]:
    """Test questions of a format for which there is no grid."""
    return [
        Count(f"questions of {label} left out", len(asked), f"`sweep.{asked[0].format}` is null")
        for label, asked in questions.tests.items()
        if asked[0].format not in sweep.grids
    ]


def sweep_format(swept: Swept, sides: ModelSides, form: str, run: Run) -> SweptFormat:
    """Sweep one model's answers of one format ("mc", "oe")."""
    train, tests = sides.trains[form], [side for side in sides.tests.values() if side.format == form]
    scratch = swept.experiment.perturbation.max_scratch_mib
    flips = [
        run_stage(FlipStage(side.answers, sides.head, f"{side.label}, {sides.model}", _FLIPS, scratch), run)
        for side in tests
    ]
    directions = [
        _direction(swept, sides, train, tests, direction, run) for direction in swept.sweep.grids[form].directions
    ]
    return SweptFormat(sides, train, tests, flips, directions)


def _direction(
    swept: Swept, sides: ModelSides, train: Side, tests: list[Side], direction: str, run: Run
) -> DirectionRun:
    config, sweep = swept
    grid = sweep.grids[train.format]
    points = all_points(grid, config.perturbation)
    recipe = _recipe(getattr(config.probe, train.format), grid.training_steps)

    def extract(side: Side) -> SweptSide:
        where = f"{side.label}, {sides.model}"
        scratch = config.perturbation.max_scratch_mib
        stage = SweepExtractStage(side.answers, sides.head, where, points, direction, scratch)  # type: ignore[arg-type]
        return SweptSide(side, run_stage(stage, run))

    swept_train, swept_tests = extract(train), {side.label: extract(side) for side in tests}
    where = f"{sides.model}, {train.format}, {direction}"

    def fit(chosen: list[Grid], seeds: list[int], folds: int) -> Artifact:
        stage = SweepFitStage(swept_train, swept_tests, points, chosen, recipe, seeds, folds, where)
        return run_stage(stage, run)

    def judge(scores: Artifact) -> Artifact:
        labels = {side.label: side.labels for side in tests}
        return run_stage(SweepEvaluateStage(scores, labels, where, config.evaluation.convention), run)

    on_grid = fit(points, sweep.seeds, sweep.folds)
    judged = judge(on_grid)
    chosen = best_point(judged.rows().to_pandas(), CROSS_VALIDATION, sweep.choose_by)
    paper = Grid(float(config.perturbation.radius), config.perturbation.steps)
    finals = fit(list(dict.fromkeys([chosen, paper])), sweep.chosen_seeds, 0)
    return DirectionRun(
        direction,
        [swept_train.features, *(test.features for test in swept_tests.values())],
        [on_grid, finals],
        judged,
        judge(finals),
        chosen,
    )


def _recipe(recipe: ProbeConfig, steps: int | None) -> ProbeConfig:
    """The probe's recipe with fewer mini-batches, if the sweep asks for that."""
    if steps is None:
        return recipe
    return replace(
        recipe,
        contrastive=replace(recipe.contrastive, steps=steps),
        classifier=replace(recipe.classifier, steps=steps),
    )
