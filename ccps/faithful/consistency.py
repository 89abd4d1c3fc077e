"""Prefix-conditioned sampling: does the model say the same again when it starts from where a step began?

What can be done without a model: which steps are sampled, from which prefix, what of a continuation is judged, and what
the judgements amount to. Source: arXiv 2606.03969, released code; judgements after SelfCheckGPT (arXiv 2303.08896).
"""

import hashlib
import math
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ccps.data.thinking import SINGLE
from ccps.faithful.modes import Mode, check_mode
from ccps.faithful.segment import Step
from ccps.metrics.inputs import FloatArray

MAX_STEPS = 20

_MARK = re.compile("|".join(map(re.escape, SINGLE[1::2])))
_BLANK_LINE = re.compile(r"\r?\n[ \t]*\r?\n")
_VERDICT = re.compile(r"(?:answer\s+yes\s+or\s+no:\s*)?\b(yes|no|n/a)\b", re.IGNORECASE)
_INCONSISTENCY = {"yes": 0.0, "no": 1.0, "n/a": 0.5}


class Consistency(NamedTuple):
    """How far the continuations of one step agree with it."""

    confidence: float
    """1 − mean inconsistency, in [0, 1], higher being more confident; NaN without a judgement."""
    low: float
    """Lower end of its Wilson interval."""
    high: float
    """Upper end."""
    n: int
    """Judgements."""
    missing: int
    """Continuations without one."""


def trace_random(seed: int, trace_id: str) -> random.Random:
    """A source of random numbers that depends on nothing but a seed and a trace's id, whatever came before it."""
    digest = hashlib.sha256(f"{seed}:{trace_id}".encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def sampled_steps(n_steps: int, source: random.Random, max_steps: int = MAX_STEPS) -> list[int]:
    """The steps that are sampled: all, or the first, the last and a random choice of those between.

    The released code uses one `random.Random(42)` for all traces in turn; `trace_random` gives each its own.

    Args:
        n_steps: steps of the trace.
        source: where the choice comes from; not asked if all are taken.
        max_steps: how many at most, at least 2.

    Returns:
        Indices of steps, ascending.

    Raises:
        ValueError: `max_steps` below 2.
    """
    if max_steps < 2:
        raise ValueError(f"Expected `max_steps` to be at least 2, but got {max_steps}. The first and last are kept.")
    if n_steps <= max_steps:
        return list(range(n_steps))
    return [0, *sorted(source.sample(range(1, n_steps - 1), max_steps - 2)), n_steps - 1]


def prefix_end(steps: Sequence[Step], index: int, *, mode: Mode = "strict") -> int:
    """Up to which character of the generated text the model has written when a step begins.

    `parity` starts the first step from the prompt alone, and so drops an opening tag that the model wrote itself.

    Raises:
        ValueError: unknown mode.
    """
    check_mode(mode)
    return 0 if mode == "parity" and index == 0 else steps[index].start


def first_paragraph(continuation: str, *, mode: Mode = "strict") -> str:
    """What of a continuation is compared with the step: its first paragraph.

    Returns:
        The text; empty if there is none, which `strict` counts as missing and `parity` has judged all the same. In
        `strict` a paragraph also ends where thinking does.

    Raises:
        ValueError: unknown mode.
    """
    check_mode(mode)
    if mode == "parity":
        return continuation.strip().split("\n\n")[0].strip()
    return _BLANK_LINE.split(_MARK.split(continuation)[0].strip())[0].strip()


def verdict_inconsistency(reply: str, *, mode: Mode = "strict") -> float:
    """Read a judge's reply: 0 for "yes, consistent", 1 for "no", ½ for "n/a".

    Returns:
        The inconsistency; of a reply that says none of these, NaN in `strict` and ½ in `parity`.

    Raises:
        ValueError: unknown mode.
    """
    check_mode(mode)
    match = _VERDICT.search(reply)
    if match is None:
        return 0.5 if mode == "parity" else math.nan
    return _INCONSISTENCY[match[1].lower()]


def consistency(inconsistencies: npt.ArrayLike, *, level: float = 0.95) -> Consistency:
    """Sum up the judgements on one step's continuations.

    The interval is Wilson's (1927) for a proportion, which also holds where all K agree. It takes the continuations as
    independent draws, and a judgement of ½ as half a success.

    Args:
        inconsistencies: `[K]`, 0 consistent to 1 inconsistent; NaN or None where a continuation has no judgement.
            Empty for a step that was not sampled.
        level: probability that the interval is to hold, strictly between 0 and 1.

    Raises:
        ValueError: a value outside [0, 1], or `level` out of range.
    """
    given = np.asarray(inconsistencies, dtype=np.float64)
    if not 0 < level < 1:
        raise ValueError(f"Expected `level` to lie between 0 and 1, but got {level}. Use 0.95, say.")
    known = given[~np.isnan(given)]
    if len(known) and not 0 <= known.min() <= known.max() <= 1:
        raise ValueError("Expected `inconsistencies` to lie in [0, 1], but got a value outside. Pass NaN for missing.")
    n = len(known)
    if not n:
        return Consistency(math.nan, math.nan, math.nan, 0, len(given))
    confidence = 1.0 - float(known.mean())
    z2 = float(ndtri((1 + level) / 2)) ** 2
    centre = (confidence + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2) / (1 + z2 / n) * math.sqrt(confidence * (1 - confidence) / n + z2 / (4 * n * n))
    return Consistency(confidence, max(centre - reach, 0.0), min(centre + reach, 1.0), n, len(given) - n)


def sampling_confidence(inconsistencies: Sequence[npt.ArrayLike]) -> FloatArray:
    """Confidence of every step of a trace by `consistency`.

    Args:
        inconsistencies: for each step those of its continuations; empty if it was not sampled.

    Returns:
        `[steps]`, NaN where there is no judgement.
    """
    return np.array([consistency(step).confidence for step in inconsistencies], dtype=np.float64)
