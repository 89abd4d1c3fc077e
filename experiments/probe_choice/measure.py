"""Leave one source of training questions out, fit to some of the others, judge on it."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ccps.methods import TrainedMethod, TrainingAnswers, TrainingSettings, find_method
from ccps.metrics.discrimination import weighted_auroc
from ccps.metrics.inputs import ascending
from ccps.metrics.resampling import drawn_counts, percentile_ends
from ccps.probes import is_collapsed, spread
from ccps.probes.reporting import SILENT
from experiments.probe_choice.recipes import Recipe

FloatArray = NDArray[np.float64]

COLUMNS = ("format", "recipe", "size", "metric", "value", "low", "high", "difference", "difference_low",
           "difference_high", "dead", "probes", "seconds")  # fmt: skip
BASE = "logistic"
"""What differences are to."""


class Fold(NamedTuple):
    """One source left out, and what is fitted to."""

    source: str
    size: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]


class Measured(NamedTuple):
    """What one recipe says of the answers of every fold."""

    p: list[FloatArray]
    """`[answers left out]` for each fold: of all seeds together where the recipe averages."""
    p_of_one: list[FloatArray]
    """Of the first seed alone."""
    dead: dict[int, int]
    """Fits that have collapsed, by size."""
    probes: dict[int, int]
    seconds: float
    """Of one core, for all fits."""


def folds_of(sources: NDArray[np.str_], sizes: Sequence[int], draws: int, seed: int) -> list[Fold]:
    """Every source left out, for every size and draw; sizes beyond what the others hold are all of them, once."""
    found, rng = [], np.random.default_rng(seed)
    for source in np.unique(sources):
        test, others = np.flatnonzero(sources == source), np.flatnonzero(sources != source)
        for size in sizes:
            whole = size >= len(others)
            for _ in range(1 if whole else draws):
                found.append(Fold(str(source), size, np.sort(rng.permutation(others)[:size]), test))
    return found


def fit_and_score(
    recipe: Recipe, answers: TrainingAnswers, folds: Sequence[Fold], seeds: Sequence[int], settings: TrainingSettings
) -> Measured:
    """Fit a recipe to every fold, and score what is left out."""
    method = find_method(recipe.method)
    assert isinstance(method, TrainedMethod)
    own = settings._replace(probe=recipe.probe)
    parts, started = [answers.select(fold.train) for fold in folds], time.process_time()
    fits = method.fit_parts(parts, own, seeds if method.is_seeded else [0], SILENT)
    seconds = time.process_time() - started
    dead: dict[int, int] = {}
    probes: dict[int, int] = {}
    for fold, part, found in zip(folds, parts, fits, strict=True):
        single = found[1:] if method.averages(own) else found
        collapsed = [is_collapsed(spread(fitted.p_correct(part.evidence))) for fitted in single]
        dead[fold.size] = dead.get(fold.size, 0) + sum(collapsed)
        probes[fold.size] = probes.get(fold.size, 0) + len(single)
    tests = [answers.evidence.select(fold.test) for fold in folds]
    p = [found[0].p_correct(test) for test, found in zip(tests, fits, strict=True)]
    first = 1 if method.averages(own) else 0
    p_of_one = [found[first].p_correct(test) for test, found in zip(tests, fits, strict=True)]
    return Measured(p, p_of_one, dead, probes, seconds)


def table(
    form: str,
    measured: dict[str, Measured],
    answers: TrainingAnswers,
    folds: Sequence[Fold],
    resamples: int,
    level: float,
) -> pd.DataFrame:
    """A row for each recipe, size and metric: means over draws, then over the sources left out.

    Intervals are over the questions of each source, drawn anew for all recipes alike; the luck of the draws of training
    answers is not in them. Columns `COLUMNS`.
    """
    rows = [row for size in dict.fromkeys(fold.size for fold in folds) for row in _at(
        form, size, measured, answers, folds, resamples, level)]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _at(
    form: str,
    size: int,
    measured: dict[str, Measured],
    answers: TrainingAnswers,
    folds: Sequence[Fold],
    resamples: int,
    level: float,
) -> Iterator[tuple[object, ...]]:
    here = [number for number, fold in enumerate(folds) if fold.size == size]
    drawn = {name: _drawn([one.p[number] for number in here], [folds[number] for number in here], answers, resamples)
             for name, one in measured.items()}  # fmt: skip
    for name, one in measured.items():
        for place, metric in enumerate(("auroc", "brier", "log_loss")):
            values = drawn[name][:, place]
            apart = values - drawn[BASE][:, place] if BASE in drawn else np.full(len(values), np.nan)
            yield (form, name, size, metric, values[0], *percentile_ends(values[1:], level), apart[0],
                   *percentile_ends(apart[1:], level), one.dead[size], one.probes[size], one.seconds)  # fmt: skip


def _drawn(p: Sequence[FloatArray], folds: Sequence[Fold], answers: TrainingAnswers, resamples: int) -> FloatArray:
    """AUROC, Brier score and log loss, `[1 + resamples, 3]`: of the answers as they are, then of resamples."""
    by_source: dict[str, list[FloatArray]] = {}
    for own, fold in zip(p, folds, strict=True):
        y = answers.correct[fold.test].astype(np.float64)
        # The same resamples of a source for all recipes and draws.
        rng = np.random.default_rng([len(y), sum(map(ord, fold.source))])
        times = np.concatenate([np.ones((1, len(y))), drawn_counts(rng, resamples, len(y))])
        order, clipped = ascending(own, y), own.clip(1e-6, 1 - 1e-6)
        loss = -np.where(y == 1, np.log(clipped), np.log1p(-clipped))
        measured = [weighted_auroc(own[order], y[order], times[:, order]), times @ (own - y) ** 2 / len(y),
                    times @ loss / len(y)]  # fmt: skip
        by_source.setdefault(fold.source, []).append(np.stack(measured, axis=1))
    means: FloatArray = np.nanmean([np.mean(draws, axis=0) for draws in by_source.values()], axis=0)
    return means
