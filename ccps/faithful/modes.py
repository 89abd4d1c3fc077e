"""The two ways of computing everything in this room, and what each takes for missing."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ccps.metrics.inputs import FloatArray, check_choice

Mode = Literal["strict", "parity"]
"""`strict` does what is right; `parity` does what the released code of arXiv 2606.03969 does, quirks included."""


def check_mode(mode: str) -> None:
    """Refuse a mode that is neither `strict` nor `parity`.

    Raises:
        ValueError: naming both.
    """
    check_choice("mode", mode, get_args(Mode))


def read_scores(values: npt.ArrayLike, name: str, mode: Mode) -> FloatArray:
    """Read scores in [0, 1] as a float64 vector with NaN where one is missing.

    Args:
        values: `[n]`; None and NaN are missing, and in `parity` so are −1 and infinities.
        name: what to call them in messages.
        mode: `strict` refuses what lies outside [0, 1]; `parity` leaves it as it is.

    Raises:
        ValueError: not a vector of numbers, an unknown mode, or in `strict` a value outside [0, 1].
    """
    check_mode(mode)
    try:
        scores = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected `{name}` to hold numbers, but got: {error}. Pass fractions, NaN where one is missing."
        ) from error
    if scores.ndim != 1:
        raise ValueError(f"Expected `{name}` to be one-dimensional, but got shape {scores.shape}. Pass a flat list.")
    if mode == "parity":
        return np.where(np.isfinite(scores) & (scores != -1), scores, np.nan)
    bad = np.flatnonzero(~(np.isnan(scores) | ((scores >= 0) & (scores <= 1))))
    if len(bad):
        raise ValueError(
            f"Expected `{name}` to lie in [0, 1], but got {scores[bad[0]]} in row {bad[0]} ({len(bad)} such rows). "
            'Pass NaN where a score is missing; mode="parity" also takes −1 for missing.'
        )
    return scores


def check_same_length(first: FloatArray, second: FloatArray, names: tuple[str, str]) -> None:
    """Refuse two vectors of different lengths.

    Raises:
        ValueError: naming both lengths.
    """
    if len(first) != len(second):
        raise ValueError(
            f"Expected `{names[0]}` and `{names[1]}` to have one length, but got {len(first)} and {len(second)}. "
            "Pass one value of each per row, NaN where one is missing."
        )
