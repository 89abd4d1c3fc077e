"""How often a threshold is certified, how much it answers, how often it breaks its word: simulated, the truth known.

python -m experiments.benchmarks.thresholds   prints the tables of docs/thresholds.md; less than a minute on one core

Evidence is Gaussian, of variance 1, and its mean is higher for right answers by as much as gives the AUROC. P(correct)
is what Bayes' rule makes of it, so the share of wrong answers above any threshold is known exactly.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr, ndtri

from ccps.metrics import choose_threshold

ACCURACIES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RISKS = (0.05, 0.1, 0.2, 0.3)
LABELS = (100, 200, 400, 1000, 2000)
AUROC, CONFIDENCE, SEED = 0.85, 0.9, 23
DRAWS, DRAWS_OF_A_CELL = 2000, 200

Floats = npt.NDArray[np.float64]


class World(NamedTuple):
    """What answers are drawn from, and what is asked of a threshold."""

    accuracy: float = 0.6
    labels: int = 400
    risk: float = 0.2
    auroc: float = AUROC


class Outcome(NamedTuple):
    """Shares of all draws, but for the last."""

    certified: float
    """Of draws in which a threshold was certified."""
    violated: float
    """Of draws in which more than `risk` of all answers above the threshold are wrong."""
    answered: float
    """Of all answers that are above the threshold, a mean over all draws: none where nothing was certified."""


def gap(auroc: float) -> float:
    """How far the means of the evidence lie apart."""
    return math.sqrt(2) * float(ndtri(auroc))


def draw(world: World, rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """P(correct) and truth of the labelled answers, `[labels]` each."""
    apart = gap(world.auroc)
    correct = rng.random(world.labels) < world.accuracy
    evidence = rng.standard_normal(world.labels) + apart * correct
    return expit(logit(world.accuracy) + apart * evidence - apart**2 / 2), correct


def truth(world: World, threshold: float) -> tuple[float, float]:
    """How many of all answers have P of at least the threshold, and how many of these are wrong, as shares."""
    apart = gap(world.auroc)
    evidence = (logit(threshold) - logit(world.accuracy) + apart**2 / 2) / apart
    wrong = (1 - world.accuracy) * float(ndtr(-evidence))
    right = world.accuracy * float(ndtr(apart - evidence))
    return wrong + right, wrong / (wrong + right)


def measure(world: World, draws: int) -> Outcome:
    """Choose a threshold for each of so many sets of labelled answers."""
    certified = violated = answered = 0.0
    for number in range(draws):
        p, correct = draw(world, np.random.default_rng([SEED, number]))
        found = choose_threshold(p, correct, world.risk, CONFIDENCE)
        if found.threshold is None:
            continue
        coverage, risk = truth(world, found.threshold)
        certified += 1
        violated += risk > world.risk
        answered += coverage
    return Outcome(certified / draws, violated / draws, answered / draws)


def table(draws: int = DRAWS_OF_A_CELL) -> tuple[str, float]:
    """A row for each accuracy and number of labels, a column for each risk; and the most violations of any cell."""
    head = ["right", "labels", *(f"{risk:.0%} wrong" for risk in RISKS)]
    lines, most = [f"| {' | '.join(head)} |", "|" + "--:|" * len(head)], 0.0
    for accuracy in ACCURACIES:
        for labels in LABELS:
            cells = [measure(World(accuracy, labels, risk), draws) for risk in RISKS]
            most = max(most, *(cell.violated for cell in cells))
            figures = [f"{cell.certified:.0%} ({cell.answered:.0%})" for cell in cells]
            lines.append(f"| {accuracy:.0%} | {labels:,} | {' | '.join(figures)} |".replace("%", " %"))
    return "\n".join(lines).replace("0% wrong", "0 % wrong").replace("5% wrong", "5 % wrong"), most


def main() -> None:
    """Print what the page shows."""
    world = World()
    found = measure(world, DRAWS)
    print(f"{world}, {DRAWS:,} draws: certified {found.certified:.1%}, violated {found.violated:.1%}, ", end="")
    print(f"answered {found.answered:.1%}\n")
    cells, most = table()
    print(f"{cells}\n\nmost violations of a cell: {most:.1%} of {DRAWS_OF_A_CELL} draws")


if __name__ == "__main__":
    main()
