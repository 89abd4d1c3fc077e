"""How often intervals hold what they are to hold, where the truth is known: simulated answers, drawn and resampled.

python -m experiments.benchmarks.coverage   prints the tables of docs/statistics.md; minutes on one core

Each data set is resampled as `ccps.analysis.resamples` does it, with its own functions: the same units, weights,
metrics and percentiles. Evidence for an answer is normal, a distance apart for right and wrong ones that gives the
AUROC. Subjects differ in how often the model is right and in how sure it sounds; the seeds of a trained method differ
in the latter, and add noise of their own to the evidence of each answer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
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

MEASURED = ("brier", "log_loss", "auroc", "ece")
LINEAR = ("brier", "log_loss")
"""Means of something of each answer: the share of subjects does not matter to what they estimate."""
SIMULATIONS, RESAMPLES, SEED, LEVEL = 1000, 1000, 23, 0.95
RIGHT, AUROCS, ALIKE = 0.5, (0.70, 0.74), 0.6
SURE = (0.4, 0.1)
"""By what the log-odds of each method are too high."""
SLOPES = (0.7, 1.0)
"""By what they are to be multiplied to be as far apart as they should be."""
LUCK = 0.25
"""Standard deviation of the log-odds of one seed about those of another, of all answers together and of each."""

Floats = npt.NDArray[np.float64]
_CHOSEN = {name: METRICS[name] for name in MEASURED}


class Design(NamedTuple):
    """What is asked and how its figures are made.

    Attributes:
        what: in words.
        sizes: questions of each subject; one subject means that questions are drawn.
        aggregate: as in the settings.
        seeds: of the first method; the second one learns nothing.
        ease: how far subjects spread in the log-odds of a right answer.
        tone: how far they spread in the log-odds that both methods state.
    """

    what: str
    sizes: tuple[int, ...]
    aggregate: Aggregate = "pooled"
    seeds: int = 1
    ease: float = 0.6
    tone: float = 0.3

    @property
    def clustered(self) -> bool:
        """Whether subjects are drawn."""
        return len(self.sizes) > 1

    @property
    def subjects(self) -> npt.NDArray[np.int64]:
        """The subject of each question, `[n]`; questions that are drawn one by one have each their own."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes) if self.clustered else np.arange(self.sizes[0])


def uneven(subjects: int, questions: int) -> tuple[int, ...]:
    """Sizes that grow from subject to subject, the largest several times the smallest."""
    edges = np.round(questions * np.linspace(0, 1, subjects + 1) ** 1.5).astype(int)
    return tuple(int(size) for size in np.diff(edges) if size)


DESIGNS = (
    Design("570 questions", (570,)),
    Design("57 subjects of 10, pooled", (10,) * 57),
    Design("57 subjects of 10, macro", (10,) * 57, "macro"),
    Design("246 questions, uneven subjects, pooled", uneven(57, 246)),
    Design("57 subjects of 10, pooled, 5 seeds", (10,) * 57, seeds=5),
)


class Answers(NamedTuple):
    """One data set.

    Attributes:
        correct: `[n]`.
        stated: P(correct) of each method, `[seeds, n]`.
    """

    correct: Floats
    stated: tuple[Floats, Floats]


def draw_answers(design: Design, subjects: npt.NDArray[np.int64], rng: np.random.Generator) -> Answers:
    """Answers to questions of these subjects, `[n]`, numbered from 0."""
    count, n = int(subjects.max()) + 1, len(subjects)
    ease, tone = (rng.normal(scale=scale, size=count)[subjects] for scale in (design.ease, design.tone))
    correct = (rng.random(n) < expit(logit(RIGHT) + ease)).astype(float)
    first = rng.normal(size=n)
    second = ALIKE * first + math.sqrt(1 - ALIKE**2) * rng.normal(size=n)
    log_odds = []
    for noise, auroc, sure, slope in zip((first, second), AUROCS, SURE, SLOPES, strict=True):
        distance = math.sqrt(2) * norm.ppf(auroc)
        log_odds.append(distance * (noise + distance * (correct - 0.5)) / slope + logit(RIGHT) + sure + tone)
    of_seeds = log_odds[0] + np.zeros((design.seeds, 1))
    if design.seeds > 1:
        of_seeds += LUCK * (rng.normal(size=(design.seeds, 1)) + rng.normal(size=(design.seeds, n)))
    return Answers(correct, (expit(of_seeds), expit(log_odds[1])[None]))


def measure(design: Design, answers: Answers, times: Floats, convention: Convention) -> list[Floats]:
    """Each metric of each method and seed under every weighting of the units, `[seeds, weightings, metrics]`."""
    subjects = design.subjects
    if design.aggregate == "pooled":
        weights = times[:, subjects]
        return [
            np.stack([metric_table(p, answers.correct, weights, convention, _CHOSEN) for p in seeds])
            for seeds in answers.stated
        ]
    rows = [np.flatnonzero(subjects == subject) for subject in range(len(design.sizes))]
    found = []
    for seeds in answers.stated:
        within = np.array(
            [
                [
                    metric_table(p[here], answers.correct[here], np.ones((1, len(here))), convention, _CHOSEN)[0]
                    for here in rows
                ]
                for p in seeds
            ]
        )
        known = ~np.isnan(within)
        found.append((times @ np.nan_to_num(within)) / (times @ known))
    return found


class Simulated(NamedTuple):
    """One data set's figures: of the first method, then of the difference to the second.

    Attributes:
        value: `[2, metrics]`.
        low: `[2, metrics]`.
        high: `[2, metrics]`.
    """

    value: Floats
    low: Floats
    high: Floats


def simulate(design: Design, number: int, resamples: int, convention: Convention) -> Simulated:
    """Draw a data set, measure it, resample it."""
    answers = draw_answers(design, design.subjects, np.random.default_rng([SEED, number]))
    units = len(design.sizes) if design.clustered else design.sizes[0]
    drawing = Drawing(resamples, number, LEVEL)
    times = np.concatenate([np.ones((1, units)), drawing.times("questions of simulated", units)])
    measured = measure(design, answers, times, convention)
    first, second = (
        np.einsum("rs,srm->rm", _shares(drawing, f"seeds of {method}, simulated, mc", len(seeds)), seeds)
        for method, seeds in zip(("first", "second"), measured, strict=True)
    )
    both = np.stack([first, first - second])
    ends = np.array([[percentile_ends(drawn[1:, place], LEVEL) for place in range(len(MEASURED))] for drawn in both])
    return Simulated(both[:, 0], ends[..., 0], ends[..., 1])


def _shares(drawing: Drawing, stream: str, seeds: int) -> Floats:
    """How much each seed counts, the data themselves first, `[1 + resamples, seeds]`."""
    return np.concatenate([np.full((1, seeds), 1 / seeds), drawing.times(stream, seeds) / seeds])


def truth(design: Design, convention: Convention, answers: int = 4_000_000) -> Floats:
    """What the figures are estimates of, `[2, metrics]`: those of endlessly many answers.

    Pooled ones are taken over questions each of another subject, in sets of 20,000, each with seeds of its own. Means
    over subjects are those over 2,000 subjects of as many questions, but for what is linear in the answers.
    """
    rng = np.random.default_rng([SEED, 1])
    of_one_subject = design.aggregate == "macro"
    size = 2_000 if of_one_subject else 20_000
    alone, together = np.arange(size), np.zeros(size, dtype=np.int64)

    def figures(subjects: npt.NDArray[np.int64]) -> Floats:
        found = draw_answers(design, subjects, rng)
        whole = Design("", (size,), seeds=design.seeds)
        first, second = (table.mean(axis=0)[0] for table in measure(whole, found, np.ones((1, size)), convention))
        return np.stack([first, first - second])

    def mean(subjects: npt.NDArray[np.int64]) -> Floats:
        return np.asarray(np.mean([figures(subjects) for _ in range(answers // size)], axis=0))

    found = mean(together if of_one_subject else alone)
    if of_one_subject:
        linear = [MEASURED.index(name) for name in LINEAR]
        found[:, linear] = mean(alone)[:, linear]
    return found


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
    design: Design, simulations: int = SIMULATIONS, resamples: int = RESAMPLES, answers: int = 4_000_000
) -> Coverage:
    """Simulate and count."""
    convention = CONVENTIONS["ct"]
    true = truth(design, convention, answers)
    found = [simulate(design, number, resamples, convention) for number in range(simulations)]
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
