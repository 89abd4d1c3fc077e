"""From the scores of steps to those of a trace."""

from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from ccps.faithful.modes import Mode, check_same_length, read_scores
from ccps.metrics.inputs import FloatArray, check_choice

Reduction = Literal["mean", "last"]


class TraceRule(NamedTuple):
    """How an estimator's step confidences become one for the trace.

    The released code of arXiv 2606.03969 has a rule for each estimator, with a number for a trace none of whose steps
    has a confidence: such a trace is not told from a doubtful one.
    """

    reduction: Reduction = "mean"
    """`mean` over the steps that have one, or the `last` of these."""
    empty: float = np.nan
    """What a trace gets none of whose steps has one."""


class TraceScore(NamedTuple):
    """Decisiveness, confidence and faithfulness of one trace."""

    decisiveness: float
    """Mean over all steps that have one."""
    confidence: float
    """By the estimator's rule."""
    faithfulness: float
    """1 − mean |D − C| over the steps that have both; NaN, in `parity` −1, if none has."""
    gap: float
    """Mean D − C over the same steps: above 0, the words are more certain than the model; NaN if none has both."""
    n_steps: int
    """Steps of the trace."""
    n_scored: int
    """Steps that have both."""


def step_faithfulness(decisiveness: npt.ArrayLike, confidence: npt.ArrayLike, *, mode: Mode = "strict") -> FloatArray:
    """F = 1 − |D − C| of every step (arXiv 2606.03969, section 2).

    Args:
        decisiveness: `[steps]`, in [0, 1].
        confidence: `[steps]`, in [0, 1]. In `parity` it may be shorter and is then joined by position, as the released
            code joins what RCC leaves after dropping steps; in `strict` one value per step is required.
        mode: `strict` or `parity`.

    Returns:
        `[steps]`, NaN where either is missing.

    Raises:
        ValueError: values out of range or of different lengths, or an unknown mode.
    """
    d, c = _pairs(decisiveness, confidence, mode)
    return 1.0 - np.abs(d - c)


def trace_confidence(confidence: npt.ArrayLike, rule: TraceRule | None = None, *, mode: Mode = "strict") -> float:
    """One confidence for a trace from those of its steps.

    Args:
        confidence: `[steps]`.
        rule: how; the mean, with NaN for an empty trace, unless another is given.
        mode: `strict` or `parity`.

    Raises:
        ValueError: values out of range, an unknown reduction or mode.
    """
    rule = rule or TraceRule()
    check_choice("reduction", rule.reduction, get_args(Reduction))
    scores = read_scores(confidence, "confidence", mode)
    known = scores[~np.isnan(scores)]
    if not len(known):
        return rule.empty
    return float(known[-1] if rule.reduction == "last" else known.mean())


def score_trace(
    decisiveness: npt.ArrayLike,
    confidence: npt.ArrayLike,
    rule: TraceRule | None = None,
    *,
    mode: Mode = "strict",
) -> TraceScore:
    """Score one trace by one estimator.

    Never above 1 − |mean D − mean C| over the scored steps, by Jensen's inequality; equal where D − C keeps its sign.

    Args:
        decisiveness: `[steps]`, see `step_faithfulness`.
        confidence: `[steps]`.
        rule: how the trace's own confidence is read, see `trace_confidence`.
        mode: `strict` or `parity`.

    Raises:
        ValueError: as in `step_faithfulness`.
    """
    d, c = _pairs(decisiveness, confidence, mode)
    absent = -1.0 if mode == "parity" else np.nan
    gaps = (d - c)[~np.isnan(d - c)]
    decided = d[~np.isnan(d)]
    return TraceScore(
        decisiveness=float(decided.mean()) if len(decided) else absent,
        confidence=trace_confidence(confidence, rule, mode=mode),
        faithfulness=float(1.0 - np.abs(gaps).mean()) if len(gaps) else absent,
        gap=float(gaps.mean()) if len(gaps) else np.nan,
        n_steps=len(d),
        n_scored=len(gaps),
    )


def _pairs(decisiveness: npt.ArrayLike, confidence: npt.ArrayLike, mode: Mode) -> tuple[FloatArray, FloatArray]:
    d, c = read_scores(decisiveness, "decisiveness", mode), read_scores(confidence, "confidence", mode)
    if mode == "parity" and len(c) < len(d):
        c = np.concatenate([c, np.full(len(d) - len(c), np.nan)])
    check_same_length(d, c, ("decisiveness", "confidence"))
    return d, c
