"""What every metric asks of its arguments, and the one way in which arguments are refused."""

import difflib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_CELLS_PER_BATCH = 2**21
# Kinds of arrays that hold numbers: truth values, integers, floats, texts and objects that say one.
_NUMBERS = "biufUO"
# Two units in the last place of float32 just above 1: sums of a softmax end there.
_ROUNDING = 2.0**-22


def checked_scores(p_correct: npt.ArrayLike, correct: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Read probabilities and labels as two float64 vectors of one length, rows in the order given.

    Raises:
        ValueError: if there is no row, the lengths differ, a probability is missing or outside [0, 1], or a
            label is anything but 0, 1 or a boolean.
    """
    _check_same_index(p_correct, correct)
    p = checked_probabilities(p_correct)
    y = _checked_labels(correct)
    if len(p) != len(y):
        raise ValueError(
            f"Expected `p_correct` and `correct` to have one length, but got {len(p)} and {len(y)}. "
            "Pass one probability and one label per answer."
        )
    return p, y


def checked_probabilities(p_correct: npt.ArrayLike, name: str = "p_correct") -> FloatArray:
    """Read a vector of probabilities as float64; what lies a rounding of float32 outside [0, 1] is its end.

    Raises:
        ValueError: if it is empty, not one-dimensional, or holds anything else outside [0, 1].
    """
    way_out = "Pass P(correct) as a fraction, after the softmax or sigmoid."
    try:
        given = _as_array(p_correct)
        if given.dtype.kind not in _NUMBERS:
            raise TypeError(f"values of type {given.dtype}")
        p = given.astype(np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"Expected `{name}` to hold numbers, but got: {error}. {way_out}") from error
    _check_vector(p, name)
    p = np.where((p > 1) & (p <= 1 + _ROUNDING), 1.0, np.where((p < 0) & (p >= -_ROUNDING), 0.0, p))
    bad = np.flatnonzero(~((p >= 0) & (p <= 1)))
    if len(bad):
        if np.isnan(p[bad[0]]):
            way_out = "Leave answers without one out, and count them."
        raise ValueError(
            f"Expected `{name}` to lie in [0, 1], but got {p[bad[0]]} in row {bad[0]} ({len(bad)} such rows). {way_out}"
        )
    return p


def group_members(groups: npt.ArrayLike | Sequence[object], n: int) -> list[IntArray]:
    """Row numbers of each group, groups in the order of their labels.

    Raises:
        ValueError: if there is not one label per row, or labels are missing or of mixed types.
    """
    labels = np.asarray(groups, dtype=object)
    if labels.shape != (n,):
        raise ValueError(
            f"Expected `groups` to hold one label for each of {n} rows, but got shape {labels.shape}. "
            "Pass the subject of every question."
        )
    try:
        missing = sum(label is None or bool(label != label) for label in labels)
        codes = np.unique(labels, return_inverse=True)[1]
    except TypeError as error:
        raise ValueError(
            f"Expected `groups` to hold labels of one type, none missing, but got: {error}. "
            "Pass text, or whole numbers, in every row."
        ) from error
    if missing:
        raise ValueError(
            f"Expected `groups` to hold a label in every row, but got none in {missing} of {n} rows. "
            "Name a subject for them, or leave them out and count them."
        )
    by_group = np.argsort(codes, kind="stable")
    return np.split(by_group, np.cumsum(np.bincount(codes))[:-1])


def check_choice(name: str, value: str, known: Collection[str]) -> None:
    """Refuse a name that is not among the known ones, and suggest the nearest.

    Raises:
        ValueError: if `value` is not in `known`.
    """
    if value in known:
        return
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "Choose one of these."
    raise ValueError(f"Expected `{name}` to be one of {', '.join(known)}, but got {value!r}. {hint}")


def check_positive(name: str, value: int) -> None:
    """Refuse a count below one.

    Raises:
        ValueError: if `value` is smaller than 1.
    """
    if value < 1:
        raise ValueError(f"Expected `{name}` to be at least 1, but got {value}. Ask for one or more.")


def ascending(p: FloatArray, y: FloatArray) -> IntArray:
    """The order in which metrics read rows: by probability, then by label.

    It makes every sum the same to the last bit, however the rows were ordered.
    """
    return np.lexsort((y, p))


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Elementwise quotient, NaN where the denominator is zero."""
    quotient = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def batch_sizes(total: int, row_length: int) -> Iterator[int]:
    """Split `total` repetitions of a computation on `row_length` rows into batches of bounded memory."""
    size = max(1, _CELLS_PER_BATCH // row_length)
    for start in range(0, total, size):
        yield min(size, total - start)


def _as_array(values: Any) -> npt.NDArray[Any]:
    if np.ma.is_masked(values):
        raise ValueError("masked values, which are none")
    return np.asarray(_off_device(values))


def _check_same_index(p_correct: Any, correct: Any) -> None:
    """Refuse two series of pandas whose rows have other names: the first of the one need not be that of the other."""
    if not (isinstance(p_correct, pd.Series) and isinstance(correct, pd.Series)):
        return
    if len(p_correct) == len(correct) and not p_correct.index.equals(correct.index):
        raise ValueError(
            "Expected `p_correct` and `correct` to have one index, but got rows of other names or in another order. "
            "Bring them into one order, then call `.to_numpy()` on both."
        )


def _off_device(values: Any) -> Any:
    """A tensor as an array, also one that lies on a GPU, takes part in a gradient, or is of half precision."""
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()


def _checked_labels(correct: npt.ArrayLike) -> FloatArray:
    try:
        labels = _as_array(correct)
    except ValueError as error:
        raise ValueError(f"Expected `correct` to hold one label per answer, but got: {error}. Leave it out.") from error
    _check_vector(labels, "correct")
    kinds = (bool, int, float, np.bool_, np.integer, np.floating)
    bad = [
        (row, label) for row, label in enumerate(labels.tolist()) if not (isinstance(label, kinds) and label in (0, 1))
    ]
    if bad:
        row, label = bad[0]
        raise ValueError(
            f"Expected `correct` to hold only 0, 1 or booleans, but got {label!r} in row {row} "
            f"({len(bad)} such rows). Leave answers without a label out, and count them."
        )
    return labels.astype(np.float64)


def _check_vector(values: npt.NDArray[np.generic], name: str) -> None:
    if values.ndim != 1:
        raise ValueError(
            f"Expected `{name}` to be one-dimensional, but got shape {values.shape}. Pass one value per answer."
        )
    if not len(values):
        raise ValueError(f"Expected `{name}` to hold at least one row, but got none. Pass one value per answer.")
