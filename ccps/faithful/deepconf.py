"""DeepConf: how peaked the model's next-token distributions are (Fu et al. 2025, arXiv 2508.15260).

The confidence of a token is −(1/k) Σ log p over its k most probable alternatives. Higher is more confident: as the
first alternative takes all, its own term goes to 0 and those of the others to −∞. With k = 5 it is never below ln 5, so
that the scaled confidence is never below 0.201; and a uniform distribution over a large vocabulary reads as confident.
"""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ccps.faithful.modes import Mode, check_mode
from ccps.metrics.inputs import FloatArray, check_positive

SCALE = 8.0
"""What the released code of arXiv 2606.03969 divides by to come to [0, 1]; nothing is known of its origin."""
TOP_K = 5
WINDOW = 2048

TopLogprobs = npt.NDArray[np.floating] | Sequence[Sequence[float]]
"""For each position the log-probabilities of its alternatives, at temperature 1, `[tokens, alternatives]` or ragged."""


class TraceDeepConf(NamedTuple):
    """Unscaled confidences of a whole trace, as DeepConf itself reports them (arXiv 2508.15260, section 3.1)."""

    mean: float
    """Over all tokens."""
    tail: float
    """Over the last 2048 tokens."""
    bottom: float
    """Mean of the lowest tenth of the means of windows of 2048 tokens."""


def token_confidence(top_logprobs: TopLogprobs, *, k: int = TOP_K, mode: Mode = "strict") -> FloatArray:
    """Unscaled confidence of each position, rounded to 3 decimals as in DeepConf's own code.

    Args:
        top_logprobs: log-probabilities of the alternatives of each position; the k largest count.
        k: alternatives per position.
        mode: in `strict` a position with fewer than k alternatives, or with one that is not finite among the k largest,
            is missing. `parity` averages over fewer alternatives too.

    Returns:
        `[tokens]`, at least 0; NaN where missing.

    Raises:
        ValueError: a value above 0, k below 1, or an unknown mode.
    """
    check_mode(mode)
    check_positive("k", k)
    table, lengths = _table(top_logprobs)
    positive = table[(table > 0) & np.isfinite(table)]
    if len(positive):
        raise ValueError(
            f"Expected `top_logprobs` to hold log-probabilities, but got {positive[0]}, above 0. "
            "Pass logarithms of probabilities, not probabilities or logits."
        )
    given = np.arange(table.shape[1]) < lengths[:, None]
    # NaN and +∞ sort first, so that they make their position missing; what was not given sorts last.
    ranked = np.where(np.isnan(table), np.inf, table)
    largest = -np.sort(-np.where(given, ranked, -np.inf), axis=1)[:, :k]
    counts = np.minimum(lengths, k)
    used = np.arange(largest.shape[1]) < counts[:, None]
    usable = (np.isfinite(largest) | ~used).all(axis=1) & (counts >= (k if mode == "strict" else 1))
    total = np.where(used, largest, 0.0)[usable].sum(axis=1)
    confidence = np.full(len(table), np.nan)
    confidence[usable] = np.round(-total / counts[usable], 3)
    return confidence


def deepconf(top_logprobs: TopLogprobs, *, k: int = TOP_K, scale: float = SCALE, mode: Mode = "strict") -> float:
    """Confidence of a run of tokens, such as a step: the mean over its tokens, divided by `scale`, cut off at 1.

    Source: arXiv 2606.03969, released code.

    Args:
        top_logprobs: as in `token_confidence`.
        k: alternatives per position.
        scale: what the mean is divided by.
        mode: see `token_confidence`.

    Returns:
        Confidence in [0, 1], higher being more confident; NaN if no token has one.

    Raises:
        ValueError: as in `token_confidence`, or a scale that is not positive.
    """
    confidence = token_confidence(top_logprobs, k=k, mode=mode)
    return float(scaled(step_means(confidence, [np.arange(len(confidence))]), scale)[0])


def deepconf_steps(
    top_logprobs: TopLogprobs,
    step_token_indices: Sequence[npt.ArrayLike],
    *,
    k: int = TOP_K,
    scale: float = SCALE,
    mode: Mode = "strict",
) -> FloatArray:
    """`deepconf` of every step of a trace.

    In `parity` tokens without a confidence are taken out before the steps are looked up, which moves all later tokens
    forward, as in the released code; indices beyond the end are left out.

    Args:
        top_logprobs: of all generated tokens.
        step_token_indices: the tokens of each step, counted from the first generated one.
        k: alternatives per position.
        scale: what means are divided by.
        mode: `strict` or `parity`.

    Returns:
        `[steps]`, NaN for a step without tokens that have a confidence.

    Raises:
        ValueError: as in `deepconf`, or in `strict` an index beyond the tokens.
    """
    confidence = token_confidence(top_logprobs, k=k, mode=mode)
    steps = [np.asarray(indices, dtype=np.int64) for indices in step_token_indices]
    if mode == "parity":
        confidence = confidence[~np.isnan(confidence)]
        steps = [indices[indices < len(confidence)] for indices in steps]
    return scaled(step_means(confidence, steps), scale)


def step_means(values: npt.ArrayLike, step_token_indices: Sequence[npt.ArrayLike]) -> FloatArray:
    """Mean of a number per token over the tokens of each step; NaN tokens do not count.

    With the probabilities of the tokens this is the plain mean token probability, a check on every other estimator.

    Args:
        values: `[tokens]`.
        step_token_indices: the tokens of each step.

    Returns:
        `[steps]`, NaN where no token of a step has a value.

    Raises:
        ValueError: an index beyond the tokens.
    """
    numbers = np.asarray(values, dtype=np.float64)
    means = np.full(len(step_token_indices), np.nan)
    for step, indices in enumerate(step_token_indices):
        own = np.asarray(indices, dtype=np.int64)
        if len(own) and not 0 <= own.min() <= own.max() < len(numbers):
            raise ValueError(
                f"Expected the tokens of step {step} to be among {len(numbers)} generated ones, but got index "
                f"{own.max()}. Pass one value per generated token."
            )
        known = numbers[own][~np.isnan(numbers[own])]
        if len(known):
            means[step] = known.mean()
    return means


def scaled(raw: FloatArray, scale: float = SCALE) -> FloatArray:
    """Bring unscaled confidences to [0, 1].

    Raises:
        ValueError: a scale that is not positive.
    """
    if not scale > 0:
        raise ValueError(f"Expected `scale` to be positive, but got {scale}. The released code uses {SCALE:g}.")
    return np.clip(raw / scale, 0.0, 1.0)


def quantile_normalised(values: npt.ArrayLike) -> FloatArray:
    """Put each value's place among all in its stead, (rank − ½)/n: a scale that needs no divisor.

    Args:
        values: `[n]`; NaN stays NaN. Equal values share the mean of their ranks.

    Returns:
        `[n]`, strictly between 0 and 1.
    """
    numbers = np.asarray(values, dtype=np.float64)
    n = np.count_nonzero(~np.isnan(numbers))
    ranks: FloatArray = rankdata(numbers, nan_policy="omit")
    quantiles: FloatArray = np.subtract(ranks, 0.5) / max(n, 1)
    return quantiles


def trace_deepconf(confidence: npt.ArrayLike, *, window: int = WINDOW, bottom: float = 0.1) -> TraceDeepConf:
    """Summaries of a whole trace in DeepConf's own units, to compare with its published ones.

    Args:
        confidence: from `token_confidence`, `[tokens]`; NaN is left out.
        window: tokens per window; a shorter trace is one window.
        bottom: share of the windows that `bottom` averages, at least one window.

    Returns:
        NaN throughout if no token has a confidence.
    """
    numbers = np.asarray(confidence, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return TraceDeepConf(np.nan, np.nan, np.nan)
    width = min(window, len(numbers))
    sums = np.cumsum(np.concatenate([[0.0], numbers]))
    windows = np.sort((sums[width:] - sums[:-width]) / width)
    lowest = windows[: max(1, int(len(windows) * bottom))]
    return TraceDeepConf(float(numbers.mean()), float(numbers[-window:].mean()), float(lowest.mean()))


def _table(top_logprobs: TopLogprobs) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Positions as rows of one width, and how many values each row was given."""
    if isinstance(top_logprobs, np.ndarray):
        if top_logprobs.ndim != 2:
            raise ValueError(
                f"Expected `top_logprobs` to have shape [tokens, alternatives], but got {top_logprobs.shape}. "
                "Pass the alternatives of one position as a row."
            )
        return top_logprobs.astype(np.float64), np.full(len(top_logprobs), top_logprobs.shape[1])
    lengths = np.array([len(row) for row in top_logprobs], dtype=np.int64)
    table = np.full((len(lengths), int(lengths.max(initial=0))), np.nan)
    given = np.arange(table.shape[1]) < lengths[:, None]
    table[given] = np.fromiter(chain.from_iterable(top_logprobs), np.float64, count=int(lengths.sum()))
    return table, lengths
