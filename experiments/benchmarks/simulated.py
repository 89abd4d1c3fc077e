"""Simulated answers of two methods, and the sums that their figures under any weighting are made of.

Evidence for an answer is normal, a distance apart for right and wrong ones that gives the AUROC. Subjects differ in
how often the model is right and in how sure it sounds; the seeds of a trained method in the log-odds that they state,
of all answers together and of each.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import norm

from ccps.metrics.aggregates import Aggregate
from ccps.metrics.conventions import Convention, assign_bins, confidence_and_outcome
from ccps.metrics.inputs import ratio

MEASURED = ("brier", "log_loss", "auroc", "ece")
RIGHT, AUROCS, ALIKE = 0.5, (0.70, 0.74), 0.6
SURE = (0.4, 0.1)
"""By what the log-odds of each method are too high."""
SLOPES = (0.7, 1.0)
"""By what they are to be multiplied to be as far apart as they should be."""
LUCK = 0.25
"""Standard deviation of the log-odds of one seed about those of another, of all answers together and of each."""

Floats = npt.NDArray[np.float64]


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
    def units(self) -> int:
        """How many there are of what is drawn."""
        return len(self.sizes) if self.clustered else self.sizes[0]

    @property
    def subjects(self) -> npt.NDArray[np.int64]:
        """The subject of each question, `[n]`; questions that are drawn one by one have each their own."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes) if self.clustered else np.arange(self.sizes[0])


def uneven(subjects: int, questions: int) -> tuple[int, ...]:
    """Sizes that grow from subject to subject, the largest several times the smallest."""
    edges = np.round(questions * np.linspace(0, 1, subjects + 1) ** 1.5).astype(int)
    return tuple(int(size) for size in np.diff(edges) if size)


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


class Sums(NamedTuple):
    """What the figures of one method and seed are made of, by unit (a subject, or a question).

    No resample sorts anything: with weights w of the units, a mean is w·losses/w·answers, the ECE Σ|w·gaps|/w·kept, and
    the AUROC w·wins·w/(w·right w·wrong).
    """

    answers: Floats
    """Answers of each unit, `[units]`."""
    losses: Floats
    """Sums of the linear metrics, `[units, 2]`."""
    gaps: Floats
    """Sums of outcome − confidence in each bin, `[units, bins]`; the last one holds what is in no bin."""
    kept: Floats
    """Answers in bins, `[units]`."""
    right: Floats
    """Right answers, `[units]`."""
    wins: Floats
    """How often a right answer of one unit is above a wrong one of another, ties counting half, `[units, units]`."""


def sums(p: Floats, correct: Floats, units: npt.NDArray[np.int64], convention: Convention) -> Sums:
    """Add up the answers of each unit."""
    members = np.zeros((len(p), units.max() + 1))
    members[np.arange(len(p)), units] = 1.0
    confidence, outcome = confidence_and_outcome(p, correct, convention)
    bins = assign_bins(confidence, np.ones((1, len(p))), convention).ravel()
    gaps = np.zeros((len(p), convention.n_bins + 1))
    gaps[np.arange(len(p)), bins] = outcome - confidence
    right = correct == 1
    above, level = p[right, None] > p[~right], p[right, None] == p[~right]
    losses = np.column_stack([(p - correct) ** 2, -np.log(np.where(right, p, 1 - p))])
    return Sums(
        members.sum(axis=0),
        members.T @ losses,
        members.T @ gaps,
        members.T @ (bins < convention.n_bins),
        members.T @ right,
        members[right].T @ (above + level / 2) @ members[~right],
    )


def figures(found: Sums, weights: Floats, aggregate: Aggregate) -> Floats:
    """The metrics `MEASURED` under weightings of the units `[weightings, units]`, `[weightings, metrics]`."""
    wrong = found.answers - found.right
    if aggregate == "macro":
        errors = np.abs(found.gaps[:, :-1]).sum(axis=1)
        pairs = found.right * wrong
        within = np.column_stack(
            [found.losses / found.answers[:, None], ratio(found.wins.diagonal(), pairs), ratio(errors, found.kept)]
        )
        return np.asarray((weights @ np.nan_to_num(within)) / (weights @ ~np.isnan(within)))
    some_right, some_wrong = np.flatnonzero(found.right), np.flatnonzero(wrong)
    wins = weights[:, some_right] @ found.wins[np.ix_(some_right, some_wrong)]
    auroc = (wins * weights[:, some_wrong]).sum(axis=1) / (weights @ found.right) / (weights @ wrong)
    means = (weights @ found.losses) / (weights @ found.answers)[:, None]
    error = np.abs(weights @ found.gaps[:, :-1]).sum(axis=1) / (weights @ found.kept)
    return np.column_stack([means, auroc, error])
