"""Some of the test questions labelled, the others tested: one method with an intercept from each draw of labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ccps.calibrators import finite_logit, fit_intercepts
from ccps.metrics import CONVENTIONS, METRICS, is_constant
from ccps.metrics.evaluate import metric_table
from ccps.metrics.inputs import ratio
from ccps.metrics.resampling import drawn_counts

CONVENTION = CONVENTIONS["p_correct"]
"""Of the ECE: what is moved is P(correct), whatever the headline convention bins."""
MOVED = ("ece", "brier", "log_loss")
"""What an intercept changes. It keeps the order of answers, and with it AUROC."""
RANKED = "auroc"

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labelling:
    """Draws of k labelled questions out of n, and how the others are tested.

    Attributes:
        labelled: numbers of the labelled questions, `[draws, k]`.
        tested: 1 for a question that is not labelled, else 0, `[draws, n]`; one draw where k is 0, as all are alike.
        resampled: how often such a question counts in a resample, `[draws, n]`.
    """

    labelled: npt.NDArray[np.int64]
    tested: Floats
    resampled: Floats


class Answered(NamedTuple):
    """All that one method says of n questions.

    Attributes:
        p: P(correct), `[seeds, n]`, NaN where it says nothing.
        correct: 1 where the answer is right, else 0, `[n]`; anything where `p` is NaN.
        shares: how much each seed counts in each resample, `[draws, seeds]`, rows of sum 1.
    """

    p: Floats
    correct: Floats
    shares: Floats

    @property
    def known(self) -> Bools:
        """Which answers it scores from every seed, `[n]`."""
        known: Bools = np.logical_and.reduce(np.isfinite(self.p), axis=0)
        return known


class Measured(NamedTuple):
    """What one method, or the difference of two, comes to with k labels.

    Attributes:
        value: of each metric the mean over draws, on the questions that are not labelled.
        drawn: of each metric, in every draw, what it is on resampled questions and seeds, `[draws]`.
        n: answers that are tested, on average over draws.
    """

    value: Mapping[str, float]
    drawn: Mapping[str, Floats]
    n: float


def labellings(
    units: npt.NDArray[np.int64], counts: Sequence[int], draws: int, rng: np.random.Generator
) -> Iterator[Labelling]:
    """Draw the questions that are labelled, those of a smaller number among those of a larger.

    Args:
        units: what is resampled as a whole (its subject), of each question, numbered from 0, `[n]`.
        counts: numbers of labels, each below n.
        draws: how many.
        rng: where they come from.
    """
    n = len(units)
    order = rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
    times = drawn_counts(rng, draws, int(units.max()) + 1)[:, units]
    for k in counts:
        tested = np.ones((draws, n))
        np.put_along_axis(tested, order[:, :k], 0.0, axis=1)
        yield Labelling(order[:, :k], tested if k else tested[:1], tested * times)


def measure(answered: Answered, labelling: Labelling, among: Bools | None = None) -> Measured:
    """Give a method an intercept from the labels of each draw, and test it on the other questions.

    Args:
        answered: what it says; an answer that it does not score is neither labelled nor tested.
        labelling: the draws.
        among: the questions to test on, `[n]`; all that it scores, if nothing is said.
    """
    among = answered.known if among is None else among
    seeds = [_of_seed(p, answered, labelling, among) for p in answered.p]
    even = np.full((1, len(seeds)), 1 / len(seeds))
    return Measured(
        {name: float(_over_seeds([one[name][:1] for one, _ in seeds], even)[0]) for name in (*MOVED, RANKED)},
        {name: _over_seeds([one[name] for _, one in seeds], answered.shares) for name in (*MOVED, RANKED)},
        float(labelling.tested[:, among].sum(axis=1).mean()),
    )


def less(first: Measured, second: Measured) -> Measured:
    """The difference of two methods that were measured on the same questions of the same draws."""
    return Measured(
        {name: first.value[name] - second.value[name] for name in first.value},
        {name: first.drawn[name] - second.drawn[name] for name in first.drawn},
        first.n,
    )


def _of_seed(
    p: Floats, answered: Answered, labelling: Labelling, among: Bools
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Each metric's mean over draws, `[1]`, and what it is in every draw on resampled questions, `[draws]`."""
    known, y, labelled = answered.known, answered.correct[among], labelling.labelled
    moved = p[among]
    if labelled.shape[1]:
        log_odds = finite_logit(np.where(known, p, 0.5))
        shifts = fit_intercepts(log_odds[labelled], answered.correct[labelled], known[labelled].astype(float))
        moved = expit(log_odds[among] + shifts[:, None])
    found = [_metrics(p[among], moved, y, weights[:, among]) for weights in (labelling.tested, labelling.resampled)]
    return {name: values.mean(keepdims=True) for name, values in found[0].items()}, found[1]


def _metrics(p: Floats, moved: Floats, y: Floats, weights: Floats) -> dict[str, Floats]:
    """Each metric under every weighting, `[draws]`; AUROC by the order of p, which is that of `moved`."""
    with np.errstate(invalid="ignore"):
        found = {name: METRICS[name].measure(moved, y, weights, CONVENTION) for name in MOVED}
        auroc = metric_table(p, y, weights, CONVENTION, {RANKED: METRICS[RANKED]})[:, 0]
    return {**found, RANKED: np.full(len(weights), np.nan) if is_constant(p) else auroc}


def _over_seeds(values: Sequence[Floats], shares: Floats) -> Floats:
    """The mean over seeds, `[draws]`; a seed that is a constant has no AUROC and is left out of that mean.

    Args:
        values: of each seed, `[draws]`.
        shares: how much each seed counts, `[draws, seeds]`.
    """
    table = np.stack(values, axis=1)
    defined = ~np.isnan(table)
    return ratio((shares * np.where(defined, table, 0.0)).sum(axis=1), (shares * defined).sum(axis=1))
