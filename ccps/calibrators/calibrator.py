"""A calibrator that has been fitted: predict, save, load."""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from ccps.core.errors import expected
from ccps.core.stored import check_keys, read_json, write_json
from ccps.metrics.inputs import checked_probabilities

FORMAT_VERSION = 1
FILE = "calibrator.json"
WAY_OUT = "Fit the calibrator again, or load a folder that `Calibrator.save` wrote."

NEAREST = 2.0**-53
"""Distance from 1 of the largest float64 below it."""


class Kind(StrEnum):
    """The form of the map."""

    temperature = "temperature"
    """One number T: the logit divided by T."""
    platt = "platt"
    """Two numbers: slope times the logit, plus an intercept."""
    isotonic = "isotonic"
    """The non-decreasing function that fits best, linear between its points."""
    intercept = "intercept"
    """One number, added to the logit; for a few labels."""


@dataclass(frozen=True)
class LogitMap:
    """`sigmoid(slope · logit(p) + intercept)`, strictly increasing as far as float64 can tell."""

    slope: float
    """Above 0; 1/T for temperature scaling, 1 where only an intercept is fitted."""
    intercept: float
    """0 for temperature scaling."""

    @property
    def temperature(self) -> float:
        """1/slope: above 1 the confidences are drawn together, below 1 pushed apart."""
        return 1 / self.slope

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map probabilities `[n]`."""
        calibrated: NDArray[np.float64] = expit(self.slope * finite_logit(p) + self.intercept)
        return calibrated


@dataclass(frozen=True)
class StepMap:
    """Linear between points, constant beyond the first and the last."""

    confidence: tuple[float, ...]
    """P(correct) of the method at the points, increasing."""
    accuracy: tuple[float, ...]
    """Calibrated P(correct) there, non-decreasing."""

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map probabilities `[n]`."""
        return np.interp(p, self.confidence, self.accuracy)


@dataclass(frozen=True)
class Calibrator:
    """A map of P(correct), and what it was fitted to."""

    kind: Kind
    map: LogitMap | StepMap
    answers: int
    """Answers that it was fitted to."""
    right: int
    """How many of them were correct."""

    @property
    def parameters(self) -> int:
        """Numbers that were fitted: one, but two for Platt's map, and two for each point of a step map."""
        if isinstance(self.map, StepMap):
            return 2 * len(self.map.confidence)
        return 2 if self.kind is Kind.platt else 1

    def predict(self, p_correct: ArrayLike) -> NDArray[np.float64]:
        """Calibrate probabilities `[n]`; returns `[n]` in [0, 1], higher means more confident.

        Raises:
            ValueError: there is no value, or one is missing or outside [0, 1].
        """
        return self.map(checked_probabilities(p_correct))

    def save(self, folder: Path) -> None:
        """Write `calibrator.json` into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, FORMAT_VERSION, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "Calibrator":
        """Read a calibrator that `save` wrote.

        Raises:
            UserError: the file is missing or unreadable, is of another format version, or does not hold exactly
                the keys and the kind of numbers that its own kind asks for.
        """
        path = folder / FILE
        stored = read_json(path, "a calibrator", FORMAT_VERSION, cls.__dataclass_fields__, WAY_OUT)
        if stored["kind"] not in list(Kind):
            raise expected(f"`kind` in {path}", f"one of {', '.join(Kind)}", stored["kind"], WAY_OUT)
        kind = Kind(stored["kind"])
        return cls(kind, _map_from(kind, stored["map"], path), stored["answers"], stored["right"])


def finite_logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds `[n]`; 0 and 1 are read as 2⁻⁵³ and 1 − 2⁻⁵³, so the values lie within ±36.8."""
    log_odds: NDArray[np.float64] = logit(np.clip(p, NEAREST, 1 - NEAREST))
    return log_odds


def _map_from(kind: Kind, stored: object, path: Path) -> LogitMap | StepMap:
    form: type[LogitMap | StepMap] = StepMap if kind is Kind.isotonic else LogitMap
    check_keys(stored, form.__dataclass_fields__, path, WAY_OUT)
    assert isinstance(stored, dict)
    if form is LogitMap:
        usable = all(_is_number(value) for value in stored.values()) and stored["slope"] > 0
        fixed = {Kind.temperature: ("intercept", 0), Kind.intercept: ("slope", 1)}
        if usable and (kind not in fixed or stored[fixed[kind][0]] == fixed[kind][1]):
            return LogitMap(**stored)
    elif _are_points(stored["confidence"], stored["accuracy"]):
        return StepMap(tuple(stored["confidence"]), tuple(stored["accuracy"]))
    raise expected(f"`map` in {path}", f"the finite numbers of a rising {kind} map", stored, WAY_OUT)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]  # no bool, no text


def _are_points(confidence: object, accuracy: object) -> bool:
    if not isinstance(confidence, list) or not isinstance(accuracy, list) or not len(confidence) == len(accuracy) > 0:
        return False
    if not all(_is_number(value) and 0 <= value <= 1 for value in confidence + accuracy):
        return False
    return bool((np.diff(confidence) > 0).all() and (np.diff(accuracy) >= 0).all())
