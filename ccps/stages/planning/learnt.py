"""What stages take that need no language model: grades, fits, scores, judging, pages.

They run on the CPU, whatever the device. Fits go by the updates of their recipes; the rates of everything else are
those of the embedded experiment on two cores (docs/results/embedded.md), and rough.
"""

import math
from functools import singledispatch
from itertools import pairwise
from typing import Any

from ccps.methods import TrainedMethod
from ccps.methods.calibrated import CalibratedRecipe
from ccps.methods.out_of_fold import FOLDS
from ccps.perturbation import FEATURE_NAMES
from ccps.plan.shape import ModelShape
from ccps.plan.work import Part, Work
from ccps.settings.litcab import LitCabConfig
from ccps.settings.probe import ProbeConfig, StageConfig
from ccps.settings.state_probe import StateProbeConfig
from ccps.stages.main.audit import AuditStage
from ccps.stages.main.choose import ChooseStage
from ccps.stages.main.evaluate import EvaluateStage
from ccps.stages.main.fit import FitStage, LearningStage
from ccps.stages.main.grade import GradeStage
from ccps.stages.main.out_of_fold import OutOfFoldStage
from ccps.stages.main.report import ReportStage
from ccps.stages.main.score import ScoreStage
from ccps.stages.main.shifts import ShiftsStage
from ccps.stages.planning.taken import Known, Taken, Texts, rows_bytes, taken
from ccps.stages.sweep.evaluate import SweepEvaluateStage
from ccps.stages.sweep.fit import SweepFitStage
from ccps.stages.sweep.report import SweepReportStage

FLOP_RATE = 5e10
"""Operations a second that small networks reach on a core."""
UPDATE = 1e-3
"""Seconds of an update, however small the network."""
_GRADED = {"mc": 3e-5, "oe": 3e-4}
"""Seconds of an answer and grader, by format."""
_LOGISTIC = 0.5
"""Seconds of a logistic regression, its strength chosen by cross-validation, on some hundreds of answers."""
_EPOCHS = 30
"""After so many a state probe stops, whose patience is 20."""
_FOLDED = 0.6
"""Of a fit to all answers, a fit without a fold: fewer rows, and several in one stack."""
_SCORED = 0.05
_JUDGED, _PER_RESAMPLE = 4.0, 3e-7
"""Seconds of judging: in all, and for each answer, resample, method and seed."""
_AUDITED, _CHOSEN, _REPORTED = 6.0, 0.15, 20.0
_STATE_FLOAT = 4


@singledispatch
def updates(recipe: Any, rows: float, tokens: float, width: int) -> float:
    """Seconds of fitting once, by a recipe, to so many answers of so many tokens.

    Args:
        recipe: of the method.
        rows: answers.
        tokens: of each.
        width: of a hidden state.
    """
    return _LOGISTIC * max(1.0, rows / 1000)


@updates.register
def _(recipe: ProbeConfig, rows: float, tokens: float, width: int) -> float:
    encoder, places = recipe.encoder, 1.0
    widths = [len(FEATURE_NAMES), *encoder.hidden]
    kernels = encoder.kernels or [1] * len(encoder.hidden)
    if encoder.kernels:
        places = encoder.max_tokens
    weights = places * sum(a * b * k for a, b, k in zip(widths, widths[1:], kernels, strict=False))
    weights += widths[-1] * encoder.embed_dim
    head = sum(a * b for a, b in zip([encoder.embed_dim, *recipe.head.hidden], [*recipe.head.hidden, 2], strict=True))
    examples = rows if encoder.kernels else rows * tokens
    first = _stage_seconds(recipe.contrastive, examples, 2 * weights)
    return first + _stage_seconds(recipe.classifier, examples, weights + head)


def _stage_seconds(stage: StageConfig, rows: float, weights: float) -> float:
    return stage.steps_for(math.ceil(rows)) * _update(stage.batch_size * weights)


def _update(multiplied: float) -> float:
    """Seconds of an update: forward and back, and twice forward where nothing is kept for the way back."""
    return UPDATE + 6 * multiplied / FLOP_RATE


@updates.register
def _(recipe: StateProbeConfig, rows: float, tokens: float, width: int) -> float:
    widths = [width, *recipe.hidden, 1]
    weights = sum(a * b for a, b in pairwise(widths))
    steps = min(recipe.max_epochs, _EPOCHS) * rows * (1 - recipe.validation_fraction) / recipe.batch_size
    return steps * _update(recipe.batch_size * weights)


@updates.register
def _(recipe: CalibratedRecipe, rows: float, tokens: float, width: int) -> float:
    return _LOGISTIC if recipe.method is None else updates(recipe.method, rows, tokens, width)


def _train(stage: LearningStage, known: Known) -> Texts:
    return known.of(stage.train_side.answers)


@taken.register
def _(stage: FitStage, known: Known) -> Taken:
    return _fitted(stage, known, 1.0)


@taken.register
def _(stage: OutOfFoldStage, known: Known) -> Taken:
    found = _fitted(stage, known, _FOLDED * FOLDS)
    return Taken(found.model, found.benchmark, 0, found.work, found.host_seconds, rows_bytes(_train(stage, known).n))


def _fitted(stage: LearningStage, known: Known, folds: float) -> Taken:
    texts = _train(stage, known)
    recipe, shape, seeds = stage.method.recipe(stage.settings), known.shape(texts.model), len(stage.seeds)
    width = shape.width if shape else 1
    if isinstance(recipe, LitCabConfig):
        weights = 0 if shape is None else shape.vocabulary * (width + 1)
        work = Work() if shape is None else _litcab(recipe, shape, texts).times(seeds * folds)
        disk, memory = seeds * _STATE_FLOAT * weights, 6 * _STATE_FLOAT * weights
        return Taken(texts.model, texts.label, 0, work, 0, disk, memory, texts.assumed)
    seconds = seeds * folds * updates(recipe, texts.n, texts.each, width)
    return Taken(texts.model, texts.label, 0, Work(), seconds, seeds * _weights(stage.method, recipe, width))


def _weights(method: TrainedMethod, recipe: Any, width: int) -> float:
    """Bytes of what is learnt from a seed."""
    if isinstance(recipe, StateProbeConfig):
        widths = [width, *recipe.hidden, 1]
        return _STATE_FLOAT * sum(a * b for a, b in pairwise(widths))
    return 2e5 if isinstance(recipe, ProbeConfig) else 1e4


def _litcab(recipe: LitCabConfig, shape: ModelShape, texts: Texts) -> Work:
    """A layer as large as the head: tokens go forward and back, updates move weights, gradients and two moments."""
    answer = 1 if texts.form == "mc" else texts.each
    seen = recipe.epochs * texts.n * 2 * answer
    weights = shape.vocabulary * shape.width
    steps = recipe.epochs * texts.n * (1 - recipe.validation_fraction) / recipe.batch_size
    moved = steps * 8 * _STATE_FLOAT * weights + seen * 6 * _STATE_FLOAT * shape.vocabulary
    return Work((Part("head", "float32", (2 + 6) * seen * weights, moved),))


@taken.register
def _(stage: GradeStage, known: Known) -> Taken:
    texts = known.of(stage.answers)
    known.graded[known.artifact(stage).key] = texts
    disk = rows_bytes(texts.n)
    return Taken(texts.model, texts.label, 0, Work(), _GRADED[texts.form] * texts.n, disk, assumed=texts.assumed)


@taken.register
def _(stage: ChooseStage, known: Known) -> Taken:
    texts = known.of(stage.train_side.answers)
    return Taken(texts.model, texts.label, host_seconds=_CHOSEN * len(stage.candidates), disk=1e4)


@taken.register
def _(stage: ScoreStage, known: Known) -> Taken:
    texts = known.of(stage.side.answers)
    seconds = _SCORED * max(1.0, texts.tokens / 5000)
    return Taken(texts.model, texts.label, 0, Work(), seconds, rows_bytes(5 * texts.n) / 5)


@taken.register
def _(stage: EvaluateStage, known: Known) -> Taken:
    model, label, n = _graded(stage.grades.key, known)
    seeds = 5  # of methods that have any
    seconds = _JUDGED + _PER_RESAMPLE * n * stage.config.resamples * len(stage.scored) * (1 + seeds) / 2
    return Taken(model, label, host_seconds=seconds, disk=3e4)


def _graded(key: str, known: Known) -> tuple[str, str, float]:
    texts = known.graded.get(key)
    return ("", "", 0.0) if texts is None else (texts.model, texts.label, texts.n)


@taken.register
def _(stage: AuditStage, known: Known) -> Taken:
    texts = known.of(stage.train_side.answers)
    return Taken(texts.model, texts.label, host_seconds=_AUDITED * max(1.0, texts.n / 2000), disk=2e4)


@taken.register
def _(stage: ShiftsStage, known: Known) -> Taken:
    texts = known.of(stage.train_side.answers)
    sources = len({question.source for question in stage.train_side.questions})
    seconds = sum(
        sources * updates(method.recipe(stage.settings), texts.n, texts.each, 1)
        for method in stage.methods
        if isinstance(method, TrainedMethod)
    )
    return Taken(texts.model, texts.label, host_seconds=seconds, disk=rows_bytes(texts.n))


@taken.register(ReportStage)
@taken.register(SweepReportStage)
def _(stage: ReportStage | SweepReportStage, known: Known) -> Taken:
    return Taken(host_seconds=_REPORTED, disk=5e6)


@taken.register
def _(stage: SweepFitStage, known: Known) -> Taken:
    texts = known.of(stage.train_side.side.answers)
    probes = len(stage.chosen) * len(stage.seeds) * (stage.folds + 1)
    # Stacked, a hundred at a time: what an update costs whatever its size is shared out.
    each = updates(stage.recipe, texts.n, texts.each, 1)
    shared = UPDATE * (stage.recipe.contrastive.steps + stage.recipe.classifier.steps)
    tests = sum(known.of(side.side.answers).n for side in stage.tests.values())
    rows = probes * (texts.n / max(1, stage.folds) + tests)
    return Taken(texts.model, texts.label, 0, Work(), probes * max(each - 0.9 * shared, each / 4), 4 * rows)


@taken.register
def _(stage: SweepEvaluateStage, known: Known) -> Taken:
    found = [_graded(artifact.key, known) for artifact in stage.grades.values()]
    model = next((name for name, _, _ in found), "")
    n = sum(one[2] for one in found)
    return Taken(model, ", ".join(one[1] for one in found), host_seconds=_JUDGED + 1e-3 * n, disk=1e5)
