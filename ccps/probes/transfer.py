"""Whether a probe fitted to one kind of questions knows right from wrong on another."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ccps.core.errors import UserError
from ccps.metrics.resampling import percentile_ends
from ccps.perturbation import FEATURE_NAMES
from ccps.probes.batched import ProbeTask, fit_probes
from ccps.probes.fitted import FittedProbe
from ccps.probes.preparation import prepare
from ccps.probes.resampled import FloatArray, auroc, resampled_auroc, why_undefined
from ccps.settings.probe import ProbeConfig

FEWEST_ANSWERS = 20
"""With fewer answers than this, nothing is fitted or measured."""

COLUMNS = ("train", "test", "split", "metric", "value", "ci_low", "ci_high", "n", "train_n", "reason")


class AnswerTable(NamedTuple):
    """Features of answers that are known to be right or wrong."""

    features: NDArray[np.float32]
    """`[tokens, 75]`, answer by answer, columns as in `FEATURE_NAMES`."""
    lengths: NDArray[np.int64]
    """`[answers]`, tokens of each, at least 1."""
    correct: NDArray[np.bool_]
    """`[answers]`"""
    question_ids: Sequence[str]
    """`[answers]`, one answer each."""

    def take(self, kept: NDArray[np.bool_]) -> Self:
        """Return the answers for which `kept` `[answers]` is true."""
        ids = [name for name, keep in zip(self.question_ids, kept, strict=True) if keep]
        rows = np.repeat(kept, self.lengths)
        return self._replace(
            features=self.features[rows], lengths=self.lengths[kept], correct=self.correct[kept], question_ids=ids
        )


def transfer(
    sources: Mapping[str, AnswerTable],
    tests: Mapping[str, AnswerTable],
    config: ProbeConfig,
    seeds: Sequence[int],
    *,
    radius: float,
    resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Fit probes to each source of training questions alone, and measure their AUROC on every other set of questions.

    On its own source a probe would be judged by what it has seen. There the questions are divided into two halves,
    stratified by label, and each half is scored by the probe of the other; probabilities of both are ranked together.
    These probes have learnt from half as many answers, which `train_n` shows.

    Args:
        sources: training answers by source.
        tests: answers of each test benchmark, none of which is fitted to.
        config: recipe of the probe (CCPS, arXiv 2505.21772).
        seeds: a probe is fitted from each.
        radius: largest perturbation radius of the features.
        resamples: of the questions, for the intervals.
        seed: of halves and resamples.
        level: probability that an interval is to hold.

    Returns:
        A row for each source and each set of questions, with the columns train, test, split (`train` or `test`: which
        kind of set), metric (`auroc`), value (a fraction, over all questions, mean over seeds), ci_low, ci_high, n
        (answers measured on), train_n (answers that each probe was fitted to, validation included) and reason. The
        percentile interval covers the draw of the questions, not the training. What cannot be fitted or measured is
        NaN and its reason named; else the reason is missing.

    Raises:
        UserError: the settings are out of range, or training diverges.
        ValueError: `resamples` or `level` is out of range.
    """
    halves = {name: _halves(answers.correct, seed) for name, answers in sources.items()}
    fitted = _fit(_parts(sources, halves), config, seeds, radius)
    sets = [("train", name, answers) for name, answers in sources.items()]
    sets += [("test", name, answers) for name, answers in tests.items()]
    rows = []
    for source in sources:
        for split, test, answers in sets:
            itself = (split, test) == ("train", source)
            parts = [fitted[source, half] for half in ((0, 1) if itself else (None,))]
            reasons = (_why_not(answers), *(part.reason for part in parts))
            reason = next((found for found in reasons if found is not None), None)
            if reason is not None:
                numbers = (np.nan, np.nan, np.nan)
            elif itself:
                p = _cross_fitted(answers, halves[source], *(part.probes for part in parts))
                numbers = _measured(p, answers.correct, resamples, seed, level)
            else:
                p = _predicted(answers, parts[0].probes)
                numbers = _measured(p, answers.correct, resamples, seed, level)
            train_n = min(part.answers for part in parts)
            rows.append((source, test, split, "auroc", *numbers, len(answers.correct), train_n, reason))
    return pd.DataFrame(rows, columns=list(COLUMNS))


class _Part(NamedTuple):
    """Probes of one part of a source, one for each seed, or why there are none."""

    probes: list[FittedProbe]
    answers: int
    reason: str | None


_Key = tuple[str, int | None]


def _parts(sources: Mapping[str, AnswerTable], halves: Mapping[str, NDArray[np.int64]]) -> dict[_Key, AnswerTable]:
    """Each source whole (None) and in halves (0 and 1)."""
    parts: dict[_Key, AnswerTable] = {}
    for name, answers in sources.items():
        parts[name, None] = answers
        for half in (0, 1):
            parts[name, half] = answers.take(halves[name] == half)
    return parts


def _fit(
    parts: Mapping[_Key, AnswerTable], config: ProbeConfig, seeds: Sequence[int], radius: float
) -> dict[_Key, _Part]:
    """Fit everything that can be fitted, all of it at once."""
    tasks = {key: _tasks(answers, seeds, radius) for key, answers in parts.items()}
    whole = {name: _why_not(answers) for (name, half), answers in parts.items() if half is None}
    reasons = {key: whole[key[0]] or _refusal(tasks[key], config) for key in parts}
    probes = iter(fit_probes([task for key in parts if reasons[key] is None for task in tasks[key]], config))
    return {
        key: _Part(
            [next(probes) for _ in seeds] if reasons[key] is None else [], len(answers.question_ids), reasons[key]
        )
        for key, answers in parts.items()
    }


def _tasks(answers: AnswerTable, seeds: Sequence[int], radius: float) -> list[ProbeTask]:
    labels = np.repeat(answers.correct, answers.lengths)
    ids = np.repeat(answers.question_ids, answers.lengths).tolist()
    return [ProbeTask(answers.features, labels, ids, seed, radius) for seed in seeds]


def _refusal(tasks: Sequence[ProbeTask], config: ProbeConfig) -> str | None:
    """Why one of them cannot be fitted, which would stop the others too."""
    try:
        for task in tasks:
            rows = task.features, task.labels, task.question_ids
            prepare(*rows, config, task.seed, task.radius, FEATURE_NAMES)
    except UserError as error:
        return str(error)
    return None


def _why_not(answers: AnswerTable) -> str | None:
    number = len(answers.question_ids)
    return (
        f"{number} answers, fewer than {FEWEST_ANSWERS}" if number < FEWEST_ANSWERS else why_undefined(answers.correct)
    )


def _halves(correct: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Which half each answer is in, 0 or 1; both halves have right and wrong answers if there are two of each."""
    halves = np.zeros(len(correct), dtype=np.int64)
    rng = np.random.default_rng(seed)
    for label in (False, True):
        places = rng.permutation(np.flatnonzero(correct == label))
        halves[places[1::2]] = 1
    return halves


def _predicted(answers: AnswerTable, probes: Sequence[FittedProbe]) -> FloatArray:
    """P(correct) by each probe, `[probes, answers]`."""
    return np.array([probe.predict(answers.features, answers.lengths.tolist()) for probe in probes])


def _cross_fitted(
    answers: AnswerTable, halves: NDArray[np.int64], first: Sequence[FittedProbe], second: Sequence[FittedProbe]
) -> FloatArray:
    """P(correct) by the probes of the other half, `[seeds, answers]`."""
    p = np.zeros((len(first), len(halves)))
    for half, probes in ((0, second), (1, first)):
        p[:, halves == half] = _predicted(answers.take(halves == half), probes)
    return p


def _measured(
    p: FloatArray, correct: NDArray[np.bool_], resamples: int, seed: int, level: float
) -> tuple[float, float, float]:
    """Mean AUROC of several probes, with its interval."""
    low, high = percentile_ends(resampled_auroc(p, correct, resamples, seed).mean(axis=0), level)
    return float(auroc(p, correct).mean()), low, high
