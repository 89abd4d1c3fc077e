"""L2-logistic regression from a table of numbers to P(correct), its strength chosen by cross-validation.

The loss is convex: one minimum, no seed, no training curve, and no way to collapse but by there being nothing to learn.
The fit is scikit-learn's; ours is what lies around it, so that a fit is stored without pickle and read by numpy alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import safetensors.numpy
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from scipy.special import expit
from threadpoolctl import threadpool_limits

from ccps.core.errors import UserError, expected
from ccps.core.stored import check_keys, read_json, write_json
from ccps.probes.curve import CurvePoint
from ccps.probes.preprocess import Standardizer
from ccps.probes.split import by_question, check_complete, check_labels, question_folds
from ccps.probes.stored import WAY_OUT

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression  # takes a second, where it is fitted

FloatArray = NDArray[np.float64]

FORMAT_VERSION = 1
WEIGHTS_FILE = "logistic.safetensors"
SETTINGS_FILE = "logistic.json"

NEWTON_COLUMNS = 600
"""With more columns than this, Newton's steps (a system of so many equations each) take longer than quasi-Newton's."""

TOLERANCE = 1e-5
"""Of the largest number in the gradient of the mean loss."""

PATIENCE = 3
"""Held-out loss falls with the strength and then rises; after so many values above the lowest the rest is not tried."""


@dataclass(frozen=True)
class LogisticRecipe:
    """How the strength is chosen.

    Attributes:
        strengths: scikit-learn's C, in order: the larger, the less the weights are held back. The penalty is
            |w|² / (2 C) against the loss summed over the rows, so that it weighs less the more rows there are.
        folds: of the questions; fewer where one label has fewer questions.
        seed: of the folds. Another would divide the questions otherwise, and nothing else.
    """

    strengths: list[float] = field(default_factory=lambda: [10.0 ** (half / 2) for half in range(-10, 3)])
    folds: int = 5
    seed: int = 23


class StrengthLoss(NamedTuple):
    """What cross-validation says of one strength."""

    strength: float
    loss: float
    """Mean log loss over the held-out rows, in nats."""


@dataclass(frozen=True)
class LogisticRecord:
    """How a fit came about."""

    train_rows: int
    """Rows that it was fitted to."""
    strength: float
    """scikit-learn's C, that of the lowest loss."""
    losses: tuple[StrengthLoss, ...]
    """Of every strength that was tried, from the smallest on."""

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """There is none: the minimum is found, not approached."""
        return ()

    def summary(self) -> dict[str, Any]:
        """Rows used, and the strength."""
        return {"train_rows": self.train_rows, "strength": self.strength}


@dataclass(frozen=True)
class FittedLogistic:
    """A linear function of standardised columns, under a sigmoid."""

    scaler: Standardizer
    weights: FloatArray
    """`[columns]`, of the standardised columns; 0 for those that did not vary."""
    intercept: float
    training: LogisticRecord

    @property
    def parameters(self) -> int:
        """Numbers that training has set: weights of the columns that vary, and the intercept."""
        return int(np.count_nonzero(~self.scaler.constant)) + 1

    def logits(self, inputs: ArrayLike) -> FloatArray:
        """Log odds that each row's answer is correct, `[rows]`.

        Args:
            inputs: `[rows, columns]`, as in training.

        Raises:
            UserError: they are no finite table of as many columns.
        """
        values = _table(inputs)
        if values.shape[1] != len(self.weights):
            way_out = "Pass the columns that it was fitted to."
            raise expected("`inputs`", f"{len(self.weights)} columns wide", values.shape[1], way_out)
        logits: FloatArray = self.scaler.transform(values) @ self.weights + self.intercept
        return logits

    def predict(self, inputs: ArrayLike) -> FloatArray:
        """P(correct) of each row, `[rows]`; see `logits`."""
        p: FloatArray = expit(self.logits(inputs))
        return p

    def save(self, folder: Path) -> None:
        """Write `logistic.safetensors` and `logistic.json` into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {**vars(self.scaler), "weights": self.weights, "intercept": np.array([self.intercept])}
        contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        safetensors.numpy.save_file(contiguous, folder / WEIGHTS_FILE)
        losses = [item._asdict() for item in self.training.losses]
        write_json(folder / SETTINGS_FILE, FORMAT_VERSION, {"training": {**asdict(self.training), "losses": losses}})

    @classmethod
    def load(cls, folder: Path) -> "FittedLogistic":
        """Read what `save` wrote; it gives the same probabilities to the last bit.

        Raises:
            UserError: a file is missing, unreadable, or not what `save` writes.
        """
        path = folder / SETTINGS_FILE
        training = read_json(path, "a logistic regression's record", FORMAT_VERSION, {"training"}, WAY_OUT)["training"]
        check_keys(training, LogisticRecord.__dataclass_fields__, path, WAY_OUT)
        losses = tuple(StrengthLoss(**item) for item in training["losses"])
        tensors = _read_tensors(folder / WEIGHTS_FILE)
        return cls(
            scaler=Standardizer(tensors["mean"], tensors["scale"], tensors["constant"]),
            weights=tensors["weights"],
            intercept=float(tensors["intercept"][0]),
            training=LogisticRecord(**{**training, "losses": losses}),
        )


def fit_logistic(
    inputs: ArrayLike, labels: ArrayLike, question_ids: Sequence[object], recipe: LogisticRecipe | None = None
) -> FittedLogistic:
    """Fit to rows that are known to be right or wrong.

    Columns are standardised over all rows, folds included: that looks at no label. Columns that do not vary count for
    nothing. The strength is the one whose log loss over held-out questions is lowest, of equal ones the smallest; with
    it the whole is fitted again. Where there are more columns than rows, the regression is fitted in the span of the
    rows, in which the minimum lies: the same weights, at the price of as many columns as there are rows.

    Args:
        inputs: `[rows, columns]`, finite.
        labels: `[rows]`, 1 where the answer is correct, else 0.
        question_ids: `[rows]`; rows of one question are held out together.
        recipe: strengths and folds.

    Raises:
        UserError: the table is not finite, labels or ids are missing, or a label has fewer than two questions.
    """
    recipe = recipe or LogisticRecipe()
    values = _table(inputs)
    known = check_labels(labels, len(values))
    folds = _folds(known, question_ids, recipe)
    scaler = Standardizer.fit(values)
    scaled = scaler.transform(values)
    # So small are the systems of equations that threads wait for each other longer than they work: one is faster, on a
    # busy machine ten times.
    with threadpool_limits(1):
        rows, basis = _span(scaled)
        losses = tuple(_losses(rows, known, folds, sorted(recipe.strengths)))
        strength = min(losses, key=lambda item: item.loss).strength
        model = _fit(rows, known, strength)
    weights = basis @ model.coef_[0] if basis is not None else model.coef_[0]
    return FittedLogistic(
        scaler=scaler,
        weights=np.where(scaler.constant, 0.0, weights),
        intercept=float(model.intercept_[0]),
        training=LogisticRecord(train_rows=len(rows), strength=strength, losses=losses),
    )


def _span(scaled: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """The rows in an orthonormal basis of their span, and the basis `[columns, rows]`; as they are if it is no smaller.

    The gradient of the loss is a sum of rows and that of the penalty is w, so w at the minimum is a sum of rows, also
    for some of the rows; in an orthonormal basis its length is the same.
    """
    if scaled.shape[1] <= scaled.shape[0]:
        return scaled, None
    left, sizes, right = np.linalg.svd(scaled, full_matrices=False)
    return left * sizes, right.T


def _folds(
    labels: NDArray[np.int64], question_ids: Sequence[object], recipe: LogisticRecipe
) -> list[NDArray[np.bool_]]:
    """Which rows are held out, `[rows]` for each fold; questions are divided by their majority label."""
    check_complete(question_ids)
    if len(question_ids) != len(labels):
        way_out = "Name the question of every row."
        raise expected("`question_ids`", f"{len(labels)} identifiers", len(question_ids), way_out)
    strata = by_question(labels, question_ids).strata
    right = int(strata.sum())
    fewest = min(right, len(strata) - right)
    if fewest < 2:
        raise UserError(
            f"A logistic regression cannot be fitted: of {len(strata)} questions {right} have the label 1 "
            "(answered right, if that is what it learns). It takes two of each kind, one of them to be held out. Add "
            "questions that are harder or easier for this model."
        )
    folds = question_folds(labels, question_ids, recipe.folds, recipe.seed)
    return [folds == fold for fold in range(folds.max() + 1)]


def _losses(
    rows: FloatArray, labels: NDArray[np.int64], folds: Sequence[NDArray[np.bool_]], strengths: Sequence[float]
) -> Iterator[StrengthLoss]:
    """Losses by strength from the smallest on, until `PATIENCE` in a row are no better than the best."""
    models: list[LogisticRegression | None] = [None] * len(folds)
    best, worse = math.inf, 0
    for strength in strengths:
        total = 0.0
        for number, held_out in enumerate(folds):
            models[number] = model = _fit(rows[~held_out], labels[~held_out], strength, models[number])
            sign = np.where(labels[held_out] == 1, 1.0, -1.0)
            logits = (rows[held_out] @ model.coef_.T + model.intercept_)[:, 0]
            total += float(np.logaddexp(0.0, -sign * logits).sum())
        loss = total / len(labels)
        yield StrengthLoss(strength, loss)
        best, worse = (loss, 0) if loss < best else (best, worse + 1)
        if worse == PATIENCE:
            return


def _fit(
    rows: FloatArray, labels: NDArray[np.int64], strength: float, start: "LogisticRegression | None" = None
) -> "LogisticRegression":
    """The minimum, looked for from another fit on; a convex loss has but one."""
    solver = "newton-cholesky" if rows.shape[1] <= NEWTON_COLUMNS else "lbfgs"
    from sklearn import config_context
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, solver=solver, tol=TOLERANCE, max_iter=1000, warm_start=True)
    if start is not None:
        model.coef_, model.intercept_, model.classes_ = start.coef_, start.intercept_, start.classes_
    # Rows and strength have been looked at; with few rows, to look again takes longer than a step to the minimum.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        return model.fit(rows, labels)


def _table(inputs: ArrayLike) -> FloatArray:
    values = np.asarray(inputs, dtype=np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise expected("`inputs`", "a table `[rows, columns]`", f"an array of shape {values.shape}", "Pass one.")
    unusable = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
    if unusable:
        way_out = "Leave these rows out, and count them, or say what stands for such a value."
        raise expected("`inputs`", "finite", f"NaN or ±inf in {unusable} of {len(values)} rows", way_out)
    return values


def _read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        tensors: dict[str, NDArray[Any]] = safetensors.numpy.load_file(path)
    except (OSError, SafetensorError) as error:
        raise expected(f"`{path}`", "the weights of a logistic regression", str(error), WAY_OUT) from error
    columns = tensors["weights"].shape if "weights" in tensors else None
    wanted = {"mean": "float64", "scale": "float64", "constant": "bool", "weights": "float64", "intercept": "float64"}
    got = {name: value.dtype.name for name, value in tensors.items()}
    shapes = {value.shape for name, value in tensors.items() if name != "intercept"}
    if got != wanted or shapes != {columns} or tensors["intercept"].shape != (1,):
        raise expected(f"the tensors in {path}", f"columns of {wanted}", f"{got} of shapes {shapes}", WAY_OUT)
    return tensors
