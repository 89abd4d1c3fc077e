"""How often intervals hold what they are to hold, where the truth is known: simulated answers, drawn and resampled.

python -m experiments.benchmarks.coverage   prints the tables of docs/statistics.md; a minute or two on one core

Each data set is resampled as `ccps.analysis.resamples` does it: the same units, draws, metrics and percentiles, only
that a thousand resamples take milliseconds (`simulated.Sums`); a test holds the ends against it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import norm

from ccps.analysis.resamples import Drawing
from ccps.metrics import METRICS, expected_ece_noise
from ccps.metrics.aggregates import Aggregate
from ccps.metrics.conventions import CONVENTIONS, Convention
from ccps.metrics.evaluate import metric_table
from ccps.metrics.resampling import percentile_ends
from experiments.benchmarks.simulated import (
    AUROCS,
    MEASURED,
    RIGHT,
    Design,
    Floats,
    draw_answers,
    figures,
    sums,
    uneven,
)

LINEAR = ("brier", "log_loss")
"""Means of something of each answer: the share of subjects does not matter to what they estimate."""
SIMULATIONS, RESAMPLES, ANSWERS, SEED, LEVEL = 1000, 1000, 2_000_000, 23, 0.95
_ALIKE = 20
_CHOSEN = {name: METRICS[name] for name in MEASURED}


DESIGNS = (
    Design("570 questions", (570,)),
    Design("57 subjects of 10, pooled", (10,) * 57),
    Design("57 subjects of 10, macro", (10,) * 57, "macro"),
    Design("246 questions, uneven subjects, pooled", uneven(57, 246)),
    Design("57 subjects of 10, pooled, 5 seeds", (10,) * 57, seeds=5),
)


class Simulated(NamedTuple):
    """One data set's figures: of the first method, then of the difference to the second."""

    value: Floats
    """`[2, metrics]`."""
    low: Floats
    """`[2, metrics]`."""
    high: Floats
    """`[2, metrics]`."""


def simulate(design: Design, number: int, drawing: Drawing, times: Floats, convention: Convention) -> Simulated:
    """Draw a data set, measure it as it is and in every resample.

    Args:
        design: what is drawn.
        number: of the data set.
        drawing: of the resamples.
        times: how often each unit is drawn, `[resamples, units]`.
        convention: of the ECE.
    """
    answers = draw_answers(design, design.subjects, np.random.default_rng([SEED, number]))
    weights = np.concatenate([np.ones((1, times.shape[1])), times])
    means = []
    for method, seeds in zip(("first", "second"), answers.stated, strict=True):
        found = [sums(p, answers.correct, design.subjects, convention) for p in seeds]
        by_seed = np.stack([figures(each, weights, design.aggregate) for each in found])
        drawn = drawing.times(f"seeds of {method}, simulated, mc", len(seeds))
        shares = np.concatenate([np.ones((1, len(seeds))), drawn]) / len(seeds)
        means.append(np.einsum("rs,srm->rm", shares, by_seed))
    both = np.stack([means[0], means[0] - means[1]])
    ends = np.array([[percentile_ends(column, LEVEL) for column in drawn[1:].T] for drawn in both])
    return Simulated(both[:, 0], ends[..., 0], ends[..., 1])


@cache
def truth(aggregate: Aggregate, seeds: int, answers: int) -> Floats:
    """What the figures are estimates of, `[2, metrics]`: those of endlessly many answers.

    Pooled ones are taken over questions each of another subject, in sets of 20,000, each with seeds of its own. Means
    over subjects are those over subjects of 2,000 questions, but for what is linear in the answers.
    """
    rng, convention = np.random.default_rng([SEED, 1]), CONVENTIONS["ct"]
    design = Design("", (1,), aggregate, seeds)

    def mean(size: int, subjects: npt.NDArray[np.int64]) -> Floats:
        found = []
        for _ in range(answers // size):
            each = draw_answers(design, subjects, rng)
            one = np.ones((1, size))
            first, second = (
                np.mean([metric_table(p, each.correct, one, convention, _CHOSEN)[0] for p in stated], axis=0)
                for stated in each.stated
            )
            found.append(np.stack([first, first - second]))
        return np.asarray(np.mean(found, axis=0))

    pooled = mean(20_000, np.arange(20_000))
    if aggregate == "pooled":
        return pooled
    linear = [name in LINEAR for name in MEASURED]
    return np.where(linear, pooled, mean(2_000, np.zeros(2_000, dtype=np.int64)))


class Coverage(NamedTuple):
    """Of each figure, `[2, metrics]`: the method's, and the difference's.

    Attributes:
        true: what is estimated.
        bias: by how much estimates are too high on average.
        covered: share of intervals that hold the truth.
        width: mean width of the intervals.
    """

    true: Floats
    bias: Floats
    covered: Floats
    width: Floats


def coverage(
    design: Design, simulations: int = SIMULATIONS, resamples: int = RESAMPLES, answers: int = ANSWERS
) -> Coverage:
    """Simulate and count.

    Args:
        design: what is drawn.
        simulations: data sets.
        resamples: of each; every twenty data sets have the same ones.
        answers: that the truth is taken over.
    """
    convention, true = CONVENTIONS["ct"], truth(design.aggregate, design.seeds, answers)
    found = []
    for start in range(0, simulations, _ALIKE):
        drawing = Drawing(resamples, start // _ALIKE, LEVEL)
        times = drawing.times("questions of simulated", design.units)
        numbers = range(start, min(start + _ALIKE, simulations))
        found += [simulate(design, number, drawing, times, convention) for number in numbers]
    value, low, high = (np.stack(column) for column in zip(*found, strict=True))
    inside = (low <= true) & (true <= high)
    return Coverage(true, value.mean(axis=0) - true, inside.mean(axis=0), (high - low).mean(axis=0))


def coverage_table(found: Mapping[str, Coverage]) -> str:
    """Shares covered, in Markdown; metrics and their differences in columns."""
    gated = MEASURED[:-1]
    heads = [METRICS[name].label for name in gated]
    lines = [
        "| answers | " + " | ".join([*heads, *(f"{head}, difference" for head in heads)]) + " |",
        "|---|" + "--:|" * (2 * len(heads)),
    ]
    for what, each in found.items():
        cells = [f"{100 * each.covered[row, MEASURED.index(name)]:.1f}" for row in (0, 1) for name in gated]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ece_table(found: Mapping[str, Coverage]) -> str:
    """What the ECE and its differences estimate, by how much they miss it, and how often intervals hold it."""
    lines = [
        "| answers | true ECE | bias | covered | true difference | bias | covered |",
        "|---|" + "--:|" * 6,
    ]
    for what, each in found.items():
        cells = [
            cell
            for row in (0, 1)
            for cell in (
                f"{100 * each.true[row, -1]:.1f}",
                f"{100 * each.bias[row, -1]:+.1f}",
                f"{100 * each.covered[row, -1]:.1f}",
            )
        ]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


COUNTS = (10, 57, 100, 246, 570, 1000, 2850, 10_000)
BINS = (5, 10, 15, 20, 50)


def floor_table(counts: Sequence[int] = COUNTS, bins: Sequence[int] = BINS) -> str:
    """The ECE of P(correct) that a perfectly calibrated forecaster shows: mean, and what one in twenty exceeds."""
    lines = ["| answers | " + " | ".join(f"{number} bins" for number in bins) + " |", "|--:|" + "--:|" * len(bins)]
    for n in counts:
        cells = []
        for number in bins:
            found = expected_ece_noise(
                calibrated(n), replace(CONVENTIONS["p_correct"], n_bins=number), seed=SEED, n_draws=2000
            )
            cells.append(f"{100 * found.mean:.1f} ({100 * found.q95:.1f})")
        lines.append(f"| {n:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def calibrated(n: int) -> Floats:
    """Confidences of a Bayesian who tells right from wrong with an AUROC of 70 %: the quantiles of their law, `[n]`."""
    distance = math.sqrt(2) * norm.ppf(AUROCS[0])
    rng = np.random.default_rng([SEED, 2])
    many = rng.normal(size=400_000) + distance * ((rng.random(400_000) < RIGHT) - 0.5)
    return np.asarray(expit(distance * np.quantile(many, (np.arange(n) + 0.5) / n) + logit(RIGHT)))


def main() -> None:
    """Print the tables."""
    found = {design.what: coverage(design) for design in DESIGNS}
    for table in (coverage_table(found), ece_table(found), floor_table()):
        print(table, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
