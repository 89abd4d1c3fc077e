"""What stages take that read stored states and the head: features, radii, probabilities of options."""

from collections.abc import Callable

from ccps.core.artifacts import Artifact
from ccps.needs.options import OptionRadiusStage, OptionStage
from ccps.perturbation import FEATURE_NAMES
from ccps.plan.shape import ModelShape
from ccps.plan.work import Work, features, flip_radii, own_logits
from ccps.stages.main.extract import ExtractStage
from ccps.stages.planning.taken import Known, Taken, Texts, rows_bytes, taken, without_sizes
from ccps.stages.sweep.extract import FlipStage, SweepExtractStage

_Work = Callable[[ModelShape, float], Work]

_FEATURE_ROW = 395
"""Bytes of a stored row of features, as `make bench` measures it."""
_FIXED = 13
"""Columns that do not depend on the strength."""
_STARTING = 0.5
"""Seconds in which tokenizer and head are read."""


def _head_memory(shape: ModelShape, scratch: float) -> float:
    """The head in float32, its cast, and the logits that are held at a time."""
    return shape.vocabulary * shape.width * (4 + shape.item) + scratch


@taken.register
def _(stage: ExtractStage, known: Known) -> Taken:
    scratch = stage.max_scratch_mib * 2**20
    return _of_tokens(
        stage.answers,
        known,
        scratch,
        lambda shape, tokens: features(shape, tokens, stage.config.steps, scratch=scratch),
        _FEATURE_ROW,
    )


@taken.register
def _(stage: SweepExtractStage, known: Known) -> Taken:
    scratch = stage.max_scratch_mib * 2**20
    radii = len({radius for point in stage.points for radius in point.radii()})
    moved = len(FEATURE_NAMES) - _FIXED
    return _of_tokens(
        stage.answers,
        known,
        scratch,
        lambda shape, tokens: features(shape, tokens, radii, swept=True, scratch=scratch),
        4 * (_FIXED + moved * len(stage.points)),
    )


@taken.register
def _(stage: FlipStage, known: Known) -> Taken:
    scratch = stage.max_scratch_mib * 2**20
    return _of_tokens(
        stage.answers, known, scratch, lambda shape, tokens: flip_radii(shape, tokens, scratch), rows_bytes(1)
    )


def _of_tokens(answers: Artifact, known: Known, scratch: float, work: _Work, row: float) -> Taken:
    texts = known.of(answers)
    shape = known.shape(texts.model)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    disk, memory = row * texts.tokens, _head_memory(shape, scratch)
    done = work(shape, texts.tokens)
    return Taken(texts.model, texts.label, texts.tokens, done, 0, disk, memory, texts.assumed)


@taken.register
def _(stage: OptionStage, known: Known) -> Taken:
    return _of_first_tokens(stage, known, lambda shape, n: own_logits(shape, n, 1, "head"))


@taken.register
def _(stage: OptionRadiusStage, known: Known) -> Taken:
    return _of_first_tokens(stage, known, lambda shape, n: flip_radii(shape, n))


def _of_first_tokens(stage: OptionStage, known: Known, work: _Work) -> Taken:
    texts: Texts = known.of(stage.answered.answers)
    shape = known.shape(texts.model)
    if shape is None:
        return without_sizes(texts.model, texts.label)
    done, memory = work(shape, texts.n), _head_memory(shape, 4 * texts.n * shape.vocabulary)
    return Taken(texts.model, texts.label, 0, done, _STARTING, rows_bytes(texts.n), memory, texts.assumed)
