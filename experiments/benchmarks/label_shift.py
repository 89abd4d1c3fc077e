"""What labels of the target are worth where the truth is known: calibrators on simulated answers.

python -m experiments.benchmarks.label_shift   prints the table of docs/few-labels.md; seconds

Confidences are those of a Bayesian who knows the training answers, 64 % of which are right, and tells right from wrong
with an AUROC of 70 %. On the target 43 % are right, in one of two ways:

- `share`: only the share of right answers is another, as intercept and EM assume;
- `both`: confidences of right and of wrong answers are lower alike, as on harder questions, and their log-odds vary by
  a third more than is warranted.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import norm

from ccps.calibrators import fit_calibrator
from ccps.metrics import ece

TRAINING, TARGET, AUROC = 0.64, 0.43, 0.70
QUESTIONS, DRAWS, SEED = 570, 200, 23
COUNTS = (25, 50, 100, 200)
CORNER = 0.02
_EM_STEPS, _EM_PRECISION = 10_000, 1e-9

Floats = npt.NDArray[np.float64]


class World(NamedTuple):
    """How the target differs from the training answers, but for its share of right ones."""

    drop: float
    """How far the evidence in every stated confidence falls, in standard deviations of that of right answers."""
    slope: float
    """By what the stated log-odds are to be multiplied to be those of the target."""


WORLDS = {"share": World(0.0, 1.0), "both": World(0.7, 0.75)}


class Target(NamedTuple):
    """Answers of the target.

    Attributes:
        stated: P(correct) as learnt on the training answers, `[n]`.
        true: P(correct) on the target, `[n]`.
        correct: drawn from it, `[n]`.
    """

    stated: Floats
    true: Floats
    correct: Floats


Calibrate = Callable[[Target, npt.NDArray[np.int64]], Floats]
"""From the answers, and the numbers of those whose labels may be seen, to P(correct), `[n]`."""


def draw_target(world: World, rng: np.random.Generator) -> Target:
    """Evidence of right and of wrong answers is normal, a distance apart that gives the AUROC."""
    distance = math.sqrt(2) * norm.ppf(AUROC)
    correct = (rng.random(QUESTIONS) < TARGET).astype(float)
    evidence = rng.normal(size=QUESTIONS) + distance * (correct - 0.5)
    true = expit(distance * evidence + logit(TARGET))
    stated = expit(distance * (evidence / world.slope - world.drop) + logit(TRAINING))
    return Target(stated, true, correct)


def without_labels(stated: Floats) -> tuple[Floats, float]:
    """P(correct) and the share of right answers by EM, from the confidences alone.

    Source: Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
    probabilities"; the maximum of the likelihood of the confidences where only the share has changed.
    """
    share = TRAINING
    for _ in range(_EM_STEPS):
        moved = expit(logit(stated) + logit(share) - logit(TRAINING))
        found = float(np.clip(moved.mean(), 1e-12, 1 - 1e-12))
        if abs(found - share) < _EM_PRECISION:
            break
        share = found
    return moved, share


def mean_errors(world: World, calibrate: Calibrate, k: int) -> tuple[float, float]:
    """Mean ECE (of P(correct)) and Brier score on what is not labelled, over draws of answers and labels.

    Args:
        world: of the target.
        calibrate: makes P(correct) of them.
        k: how many that are.
    """
    found = []
    for draw in range(DRAWS):
        rng = np.random.default_rng([SEED, draw])
        target = draw_target(world, rng)
        order = rng.permutation(QUESTIONS)
        labelled, tested = order[:k], order[k:]
        p, y = calibrate(target, labelled)[tested], target.correct[tested]
        found.append((ece(p, y, "p_correct"), float(((p - y) ** 2).mean())))
    error, brier = np.mean(found, axis=0).tolist()
    return error, brier


def by_labels(kind: str) -> Calibrate:
    """A calibrator of this kind, fitted to the labelled answers."""

    def calibrate(target: Target, labelled: npt.NDArray[np.int64]) -> Floats:
        fitted = fit_calibrator(kind, target.stated[labelled], target.correct[labelled])
        return fitted.predict(target.stated)

    return calibrate


def in_corners(world: World) -> float:
    """How often EM ends at a share below `CORNER` or above 1 − `CORNER`."""
    targets = [draw_target(world, np.random.default_rng([SEED, draw])) for draw in range(DRAWS)]
    shares = [without_labels(target.stated)[1] for target in targets]
    return float(np.mean([min(share, 1 - share) < CORNER for share in shares]))


def rows(world: World) -> list[tuple[str, int, float, float]]:
    """Calibrator, labels, ECE and Brier score of one world, as fractions."""
    free: dict[str, Calibrate] = {
        "none": lambda target, _: target.stated,
        "EM, no labels": lambda target, _: without_labels(target.stated)[0],
        "the truth": lambda target, _: target.true,
    }
    kinds = ("intercept", "platt", "isotonic")
    by_kind = [(kind, k, *mean_errors(world, by_labels(kind), k)) for kind in kinds for k in COUNTS]
    alone = {name: (name, 0, *mean_errors(world, calibrate, 0)) for name, calibrate in free.items()}
    return [alone["none"], alone["EM, no labels"], *by_kind, alone["the truth"]]


def table() -> str:
    """Both worlds side by side, in Markdown."""
    lines = [
        "| calibrator | labels | ECE, share | Brier, share | ECE, both | Brier, both |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one, other in zip(*(rows(world) for world in WORLDS.values()), strict=True):
        figures = " | ".join(f"{100 * value:.1f}" for value in (*one[2:], *other[2:]))
        lines.append(f"| {one[0]} | {one[1]} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and how often EM ends in a corner."""
    print(table())
    print()
    for name, world in WORLDS.items():
        print(f"EM in a corner, {name}: {in_corners(world):.0%} of {DRAWS} draws")


if __name__ == "__main__":
    main()
