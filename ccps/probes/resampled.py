"""AUROC of probes on resampled questions."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccps.metrics.discrimination import weighted_auroc
from ccps.metrics.inputs import ascending, batch_sizes, check_positive
from ccps.metrics.resampling import drawn_counts

FloatArray = NDArray[np.float64]


def why_undefined(correct: ArrayLike) -> str | None:
    """Say why answers have no AUROC, None if they have one."""
    known = np.asarray(correct, dtype=np.bool_)
    if not len(known):
        return "no answers"
    return f"all {len(known)} answers are {'right' if known[0] else 'wrong'}" if known.all() == known.any() else None


def auroc(p_correct: FloatArray, correct: ArrayLike) -> FloatArray:
    """Area under the ROC curve, ties counting half, of each row of probabilities `[rows, answers]`: `[rows]`."""
    return _auroc(p_correct, correct, np.ones((1, p_correct.shape[1])))[:, 0]


def resampled_auroc(p_correct: FloatArray, correct: ArrayLike, resamples: int, seed: int) -> FloatArray:
    """AUROC of resamples of as many answers, drawn with replacement, the same ones for each row of probabilities.

    Args:
        p_correct: `[rows, answers]`, several probabilities of the same answers.
        correct: `[answers]`.
        resamples: how many.
        seed: of the draw.

    Returns:
        `[rows, resamples]`, NaN where one class is absent.
    """
    check_positive("resamples", resamples)
    rng, answers = np.random.default_rng(seed), p_correct.shape[1]
    drawn = (drawn_counts(rng, size, answers) for size in batch_sizes(resamples, answers))
    return np.concatenate([_auroc(p_correct, correct, times) for times in drawn], axis=1)


def _auroc(p_correct: FloatArray, correct: ArrayLike, times: FloatArray) -> FloatArray:
    y = np.asarray(correct, dtype=np.float64)
    orders = [ascending(p, y) for p in p_correct]
    areas = [weighted_auroc(p[order], y[order], times[:, order]) for p, order in zip(p_correct, orders, strict=True)]
    return np.array(areas)
