"""A bootstrap as one would explain it on a blackboard: nothing but loops, draws and the public `evaluate`."""

import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ccps.metrics import evaluate


def times(seed: int, stream: str, resamples: int, n: int) -> list[list[int]]:
    """How often each of `n` units is drawn; every thing that is drawn has a stream of random numbers of its own."""
    rng = np.random.default_rng([seed, zlib.crc32(stream.encode())])
    return [rng.multinomial(n, [1 / n] * n).tolist() for _ in range(resamples)]


def repeated(units: Sequence[object], counts: Sequence[int]) -> list[object]:
    return [unit for unit, count in zip(units, counts, strict=True) for _ in range(count)]


def drawn(
    scores: pd.DataFrame, model: str, benchmark: str, form: str, method: str, metric: str, *, seed: int, resamples: int
) -> list[float]:
    """A metric of a method in every resample of subjects and of its seeds, each evaluated from scratch."""
    return all_drawn(scores, model, benchmark, form, method, seed=seed, resamples=resamples)[metric]


def all_drawn(
    scores: pd.DataFrame, model: str, benchmark: str, form: str, method: str, *, seed: int, resamples: int
) -> dict[str, list[float]]:
    """The same of every metric, which are evaluated together."""
    everyone = scores[scores["benchmark"] == benchmark]
    subjects = sorted(everyone["subject"].unique())
    own = everyone[(everyone["model"] == model) & (everyone["method"] == method)]
    tables = [table for _, table in own.groupby("seed", dropna=False)]
    of_subjects = times(seed, f"questions of {benchmark}", resamples, len(subjects))
    of_seeds = times(seed, f"seeds of {method}, {model}, {form}", resamples, len(tables))
    found: dict[str, list[float]] = {}
    for subject_counts, seed_counts in zip(of_subjects, of_seeds, strict=True):
        values = []
        for number in repeated(range(len(tables)), seed_counts):
            table = tables[number]  # type: ignore[call-overload]
            parts = [
                table[table["subject"] == subject].assign(draw=draw)
                for draw, subject in enumerate(repeated(subjects, subject_counts))
            ]
            rows = pd.concat(parts)
            values.append(evaluate(rows["p_correct"], rows["correct"], groups=rows["draw"]))
        for metric in values[0]:
            found.setdefault(metric, []).append(float(np.mean([one[metric] for one in values])))
    return found


def ends(values: Sequence[float], level: float) -> tuple[float, float]:
    known = [value for value in values if not np.isnan(value)]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
