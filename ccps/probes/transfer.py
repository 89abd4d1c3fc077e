"""Whether what is learnt from one kind of questions knows right from wrong on another."""

from collections.abc import Callable, Mapping, Sequence
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


Predict = Callable[[AnswerTable], FloatArray]
"""P(correct) of each answer, `[answers]`."""

Learn = Callable[[Sequence[AnswerTable]], Sequence[Sequence[Predict] | str]]
"""Learns from each of several sets of answers alone, once from each seed; or says why one cannot be learnt from."""


def transfer(
    sources: Mapping[str, AnswerTable],
    tests: Mapping[str, AnswerTable],
    learn: Learn,
    *,
    resamples: int = 1000,
    seed: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Learn from each source of training questions alone, and measure the AUROC on every other set of questions.

    On its own source it would be judged by what it has seen. There the questions are divided into two halves,
    stratified by label, and each half is scored by what was learnt from the other; probabilities of both are ranked
    together. These have learnt from half as many answers, which `train_n` shows.

    Args:
        sources: training answers by source.
        tests: answers of each test benchmark, none of which is learnt from.
        learn: what is examined, `by_probes` for instance; it gets everything at once.
        resamples: of the questions, for the intervals.
        seed: of halves and resamples.
        level: probability that an interval is to hold.

    Returns:
        A row for each source and each set of questions, with the columns train, test, split (`train` or `test`: which
        kind of set), metric (`auroc`), value (a fraction, over all questions, mean over seeds), ci_low, ci_high, n
        (answers measured on), train_n (answers learnt from, validation included) and reason. The
        percentile interval covers the draw of the questions, not the training. What cannot be fitted or measured is
        NaN and its reason named; else the reason is missing.

    Raises:
        UserError: see `learn`.
        ValueError: `resamples` or `level` is out of range.
    """
    halves = {name: _halves(answers.correct, seed) for name, answers in sources.items()}
    fitted = _fit(_parts(sources, halves), learn)
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
                p = _cross_fitted(answers, halves[source], *(part.fits for part in parts))
                numbers = _measured(p, answers.correct, resamples, seed, level)
            else:
                p = _predicted(answers, parts[0].fits)
                numbers = _measured(p, answers.correct, resamples, seed, level)
            train_n = min(part.answers for part in parts)
            rows.append((source, test, split, "auroc", *numbers, len(answers.correct), train_n, reason))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def by_probes(config: ProbeConfig, seeds: Sequence[int], radius: float) -> Learn:
    """The probe of CCPS (arXiv 2505.21772), from each seed; all of them are fitted as one stack.

    Args:
        config: the recipe.
        seeds: a probe is fitted from each.
        radius: largest perturbation radius of the features.

    Returns:
        What raises a `UserError` if the settings are out of range, or training diverges.
    """

    def learn(tables: Sequence[AnswerTable]) -> list[list[Predict] | str]:
        tasks = [_tasks(answers, seeds, radius) for answers in tables]
        reasons = [_refusal(own, config) for own in tasks]
        kept = [task for own, reason in zip(tasks, reasons, strict=True) if reason is None for task in own]
        probes = iter(fit_probes(kept, config))
        return [[_predict_by(next(probes)) for _ in seeds] if reason is None else reason for reason in reasons]

    return learn


def _predict_by(probe: FittedProbe) -> Predict:
    return lambda answers: probe.predict(answers.features, answers.lengths.tolist())


class _Part(NamedTuple):
    """What was learnt from one part of a source, from each seed, or why nothing was."""

    fits: Sequence[Predict]
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


def _fit(parts: Mapping[_Key, AnswerTable], learn: Learn) -> dict[_Key, _Part]:
    """Learn from everything that there is enough of, all of it at once."""
    whole = {name: _why_not(answers) for (name, half), answers in parts.items() if half is None}
    enough = [key for key in parts if whole[key[0]] is None]
    learnt = dict(zip(enough, learn([parts[key] for key in enough]), strict=True))
    fitted = {}
    for key, answers in parts.items():
        found = learnt.get(key, whole[key[0]] or "")
        reason = found if isinstance(found, str) else None
        fitted[key] = _Part([] if isinstance(found, str) else found, len(answers.question_ids), reason)
    return fitted


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


def _predicted(answers: AnswerTable, fits: Sequence[Predict]) -> FloatArray:
    """P(correct) from each seed, `[seeds, answers]`."""
    return np.array([predict(answers) for predict in fits])


def _cross_fitted(
    answers: AnswerTable, halves: NDArray[np.int64], first: Sequence[Predict], second: Sequence[Predict]
) -> FloatArray:
    """P(correct) by what was learnt from the other half, `[seeds, answers]`."""
    p = np.zeros((len(first), len(halves)))
    for half, fits in ((0, second), (1, first)):
        p[:, halves == half] = _predicted(answers.take(halves == half), fits)
    return p


def _measured(
    p: FloatArray, correct: NDArray[np.bool_], resamples: int, seed: int, level: float
) -> tuple[float, float, float]:
    """Mean AUROC over seeds, with its interval."""
    low, high = percentile_ends(resampled_auroc(p, correct, resamples, seed).mean(axis=0), level)
    return float(auroc(p, correct).mean()), low, high
