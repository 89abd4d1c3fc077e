"""Any method with a post-hoc calibrator on top."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.calibrators import Calibrator, Kind, fit_calibrator
from ccps.core.errors import expected
from ccps.core.stored import read_json, write_json
from ccps.methods.base import Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings, no_curve
from ccps.methods.evidence import Evidence, FloatArray, Index
from ccps.probes import Reporting
from ccps.probes.split import question_folds, split_by_question

HELD_OUT = 0.2
"""Share of the training questions, if nothing else is said."""

SPLIT_SEED = 23
FOLDS = 5
"""Of the questions, for what a method that is built on others says out of fold."""

WORDS: Mapping[Kind, str] = {
    Kind.temperature: "temperature scaling",
    Kind.platt: "Platt",
    Kind.isotonic: "isotonic",
    Kind.intercept: "intercept",
}

FORMAT_VERSION = 1
FILE = "calibrated.json"
METHOD = "method"


@dataclass
class CalibratedRecipe:
    """What decides the result of a calibrated method."""

    kind: str
    """Of the calibrator."""
    held_out: float
    """Share of the questions that only the calibrator learns from; all, if the method itself learns nothing, and none,
    if it is built on others."""
    split_seed: int
    """Of the split."""
    method: Any
    """Recipe of the method itself; None if it learns nothing."""


@dataclass(frozen=True)
class Untrained:
    """A method that learns nothing, in the place of one that has."""

    method: Method
    parameters: int = 0

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """The method's."""
        return self.method.p_correct(evidence)

    def save(self, folder: Path) -> None:
        """There is nothing to write."""

    def summary(self) -> Mapping[str, Any]:
        """There is nothing to say."""
        return {}

    def curve(self) -> pd.DataFrame:
        """There is none."""
        return no_curve()

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Nothing is changed on the way."""
        return {}


@dataclass(frozen=True)
class FittedCalibrated:
    """A method and the calibrator of its P(correct)."""

    method: Fitted
    calibrator: Calibrator
    unscored: int
    """Answers that the method could not score, and the calibrator was not fitted to."""

    @property
    def parameters(self) -> int:
        """Numbers that training has set: the method's own and the calibrator's."""
        return self.method.parameters + self.calibrator.parameters

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """The method's P(correct), calibrated; NaN where the method has none."""
        return self.mapped(self.method.p_correct(evidence))

    def mapped(self, confidence: FloatArray) -> FloatArray:
        """What the method has said of some answers, calibrated; NaN where it has said nothing."""
        p, known = np.array(confidence), np.isfinite(confidence)
        if known.any():
            p[known] = self.calibrator.predict(p[known])
        return p

    def save(self, folder: Path) -> None:
        """Write `calibrator.json`, `calibrated.json`, and the method's own files into a folder `method`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.method.save(folder / METHOD)
        self.calibrator.save(folder)
        write_json(folder / FILE, FORMAT_VERSION, {"unscored": self.unscored})

    def summary(self) -> Mapping[str, Any]:
        """The method's own, and the answers that the calibrator was fitted to."""
        answers = self.calibrator.answers
        counts = {"calibration_rows": answers, "calibration_rows_right": self.calibrator.right}
        left_out = {"left out of calibration": {"no confidence": self.unscored}} if self.unscored else {}
        return {"train_rows": answers, **self.method.summary(), **counts, **left_out}

    def curve(self) -> pd.DataFrame:
        """The method's own; the calibrator has none."""
        return self.method.curve()

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """The method's own."""
        return self.method.notes(evidence)


class Calibrated(TrainedMethod):
    """A method whose P(correct) is mapped to a better calibrated one by a map that keeps the order.

    If the method learns nothing, the calibrator is fitted to all training answers. If it learns, a share of the
    training questions is held out for the calibrator, and the method is fitted to the others: confidence in answers
    that it has learnt from would say nothing. The held-out questions are the same for every seed. If it is built on
    other methods, these have learnt from all of the questions, and none can be held out: the calibrator is fitted to
    what the method says of all answers out of fold.

    Args:
        method: what is calibrated.
        kind: form of the map.
        held_out: share of the questions that are held out, in (0, 1).
    """

    def __init__(self, method: Method | TrainedMethod, kind: Kind, held_out: float = HELD_OUT) -> None:
        self.method = method
        self.kind = kind
        self.held_out = held_out

    def recipe(self, settings: TrainingSettings) -> CalibratedRecipe:
        """The calibrator's and the method's."""
        if isinstance(self.method, Method):
            return CalibratedRecipe(self.kind, 1.0, SPLIT_SEED, None)
        held_out = 0.0 if self.method.bases else self.held_out
        return CalibratedRecipe(self.kind, held_out, SPLIT_SEED, self.method.recipe(settings))

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit the method from each seed, if it learns, and a calibrator to each.

        Raises:
            UserError: the questions are too few to hold some out, or the calibrator cannot be fitted (`intercept`
                apart, where the answers are all right or all wrong, or have one confidence; any, where they have none);
                and whatever the method raises.
        """
        return self.fit_parts([answers], settings, seeds, reporting)[0]

    def fit_parts(
        self,
        parts: Sequence[TrainingAnswers],
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> list[list[Fitted]]:
        """Fit the method to all parts together, and a calibrator to each."""
        if isinstance(self.method, Method):
            return [[self._calibrate(Untrained(self.method), part)] * len(seeds) for part in parts]
        if self.method.bases:
            return [[*self._fit_built(self.method, part, settings, seeds, reporting)] for part in parts]
        splits = [
            split_by_question(part.correct.astype(np.int64), part.question_ids, self.held_out, SPLIT_SEED)
            for part in parts
        ]
        known = [part.select(split.train) for part, split in zip(parts, splits, strict=True)]
        held_out = [part.select(split.validation) for part, split in zip(parts, splits, strict=True)]
        found = self.method.fit_parts(known, settings, seeds, reporting)
        return [[self._calibrate(fitted, own) for fitted in fits] for fits, own in zip(found, held_out, strict=True)]

    def averages(self, settings: TrainingSettings) -> bool:
        """Whether the method does; what it makes of all seeds has a calibrator of its own then."""
        return isinstance(self.method, TrainedMethod) and self.method.averages(settings)

    def out_of_fold(
        self,
        answers: TrainingAnswers,
        folds: Index,
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> FloatArray:
        """As of any method; what learns nothing is asked once, and only the calibrator fitted without each fold."""
        if isinstance(self.method, TrainedMethod):
            if self.method.bases:
                return self._built_out_of_fold(self.method, answers, folds, settings, seeds, reporting)
            return super().out_of_fold(answers, folds, settings, seeds, reporting)
        confidence = self.method.p_correct(answers.evidence)
        p, known = np.full(len(folds), np.nan), np.isfinite(confidence)
        self._check_known(known)
        for fold in range(folds.max() + 1):
            others, own = known & (folds != fold), known & (folds == fold)
            calibrator = fit_calibrator(self.kind, confidence[others], answers.correct[others])
            if own.any():
                p[own] = calibrator.predict(confidence[own])
        return np.tile(p, (len(seeds), 1))

    def load(self, folder: Path) -> Fitted:
        """Read method and calibrator."""
        method = Untrained(self.method) if isinstance(self.method, Method) else self.method.load(folder / METHOD)
        way_out = "Fit the method again."
        stored = read_json(folder / FILE, "what was counted in calibration", FORMAT_VERSION, ["unscored"], way_out)
        return FittedCalibrated(method, Calibrator.load(folder), stored["unscored"])

    def _fit_built(
        self,
        method: TrainedMethod,
        answers: TrainingAnswers,
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> list[FittedCalibrated]:
        """Fit a method that is built on others to all answers, and a calibrator to what it says of them out of fold."""
        fits = method.fit(answers, settings, seeds, reporting)
        folds = question_folds(answers.correct.astype(np.int64), answers.question_ids, FOLDS, SPLIT_SEED)
        told = method.out_of_fold(answers, folds, settings, seeds, reporting)
        return [
            FittedCalibrated(fitted, *self._learn(p, answers.correct)) for fitted, p in zip(fits, told, strict=True)
        ]

    def _built_out_of_fold(
        self,
        method: TrainedMethod,
        answers: TrainingAnswers,
        folds: Index,
        settings: TrainingSettings,
        seeds: Sequence[int],
        reporting: Reporting,
    ) -> FloatArray:
        """What the method says of each fold, through a calibrator that the fold's labels have no say in."""
        told = method.out_of_fold(answers, folds, settings, seeds, reporting)
        p = np.full(told.shape, np.nan)
        for fold in range(folds.max() + 1):
            others, own = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            fits = self._fit_built(method, answers.select(others), settings, seeds, reporting)
            p[:, own] = [fitted.mapped(known[own]) for fitted, known in zip(fits, told, strict=True)]
        return p

    def _calibrate(self, fitted: Fitted, answers: TrainingAnswers) -> FittedCalibrated:
        return FittedCalibrated(fitted, *self._learn(fitted.p_correct(answers.evidence), answers.correct))

    def _learn(self, confidence: FloatArray, correct: npt.NDArray[np.bool_]) -> tuple[Calibrator, int]:
        """The calibrator of some confidences, and how many answers have none."""
        known = np.isfinite(confidence)
        self._check_known(known)
        return fit_calibrator(self.kind, confidence[known], correct[known]), int(np.count_nonzero(~known))

    def _check_known(self, known: npt.NDArray[np.bool_]) -> None:
        if not known.any():
            raise expected(
                f"P(correct) of `{self.method.name}`",
                "known for some of the answers that it is calibrated on",
                f"none for {len(known)}",
                "Leave this method uncalibrated, or out.",
            )


def calibrated(method: Method | TrainedMethod, kind: str, held_out: float = HELD_OUT) -> TrainedMethod:
    """Put a calibrator on top of a method; the result is named `<method>_<kind>`.

    Args:
        method: any method.
        kind: `temperature`, `platt`, `isotonic` or `intercept`.
        held_out: share of the training questions that the calibrator is fitted to, if the method learns from the
            others.

    Raises:
        UserError: the kind is unknown.
    """
    if kind not in list(Kind):
        raise expected("`calibrator`", f"one of {', '.join(Kind)}", repr(kind), "Choose one of these, or none.")
    words = WORDS[Kind(kind)]

    class Wrapped(Calibrated):
        name = f"{method.name}_{kind}"
        label = f"{method.label}, {words}"
        source = f"{method.source}; {words} on training answers"
        version = 1000 + method.version
        direction = method.direction
        formats = method.formats
        needs = method.needs
        training_needs = method.training_needs if isinstance(method, TrainedMethod) else frozenset()
        bases = method.bases if isinstance(method, TrainedMethod) else ()
        is_seeded = method.is_seeded if isinstance(method, TrainedMethod) else False
        reads_features = method.reads_features
        is_control = method.is_control
        is_light = method.is_light
        takes = method.takes

    return Wrapped(method, Kind(kind), held_out)
