"""What a few labels of the target do for each method: calibration once k of the answers are known to be right or not.

A confidence that has learnt the base rate of its training answers is off by it elsewhere. Whoever uses it can label
some questions of their own and add one number to its log-odds (`ccps.calibrators.fit_intercepts`). What that is worth
is measured on the test questions themselves: some are drawn and labelled, the others are tested.
"""

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.labelling import MOVED, RANKED, Answered, Labelling, Measured, labellings, less, measure
from ccps.analysis.records import Setting
from ccps.analysis.resamples import Drawing
from ccps.analysis.support import behind, why_no_verdict
from ccps.metrics.resampling import percentile_ends

COMPARED = (RANKED, "brier", "ece")
FEW_LABELS_COLUMNS = ("model", "benchmark", "method", "k", "draws", "n", "metric", "value", "low", "high")
FEW_LABELS_DIFFERENCE_COLUMNS = (*FEW_LABELS_COLUMNS[:3], "other", *FEW_LABELS_COLUMNS[3:], "reservation")


class Skipped(NamedTuple):
    """A number of labels that a benchmark has too few questions for."""

    benchmark: str
    k: int
    questions: int


class FewLabels(NamedTuple):
    """What was measured; all values are fractions, log losses in nats.

    Attributes:
        curves: columns `FEW_LABELS_COLUMNS`, of the metrics that an intercept changes.
        differences: columns `FEW_LABELS_DIFFERENCE_COLUMNS`, method − other, of `COMPARED`, on the answers that both
            score; `reservation` says why nothing may be concluded from one (`ccps.analysis.support`), empty if it may.
        skipped: numbers of labels that would take more than half of the questions.
    """

    curves: pd.DataFrame
    differences: pd.DataFrame
    skipped: tuple[Skipped, ...]


def few_labels(data: ReportData) -> FewLabels:
    """Measure every method with each number of labels, and how far it is ahead of the strongest untrained one.

    In each draw k questions of the benchmark are labelled, the same for all models and methods. Each method gets its
    own intercept from them and is tested on all others. A value is the mean over draws. Its interval is the percentiles
    over draws in which subjects (questions, where there is one subject) and seeds are resampled too: it covers which
    questions were labelled, which were asked, and the luck of the training.
    """
    curves, differences, skipped = list[Any](), list[Any](), list[Skipped]()
    scores = data.scores.dropna(subset=["p_correct"])
    known = behind(scores)
    for benchmark, rows in scores.groupby("benchmark", sort=False):
        subjects = rows.drop_duplicates("question_id").set_index("question_id")["subject"].sort_index()
        counts = [k for k in data.label_counts if 2 * k <= len(subjects)]
        skipped += [Skipped(str(benchmark), k, len(subjects)) for k in data.label_counts if k not in counts]
        units = pd.factorize(subjects)[0] if subjects.nunique() > 1 else np.arange(len(subjects))
        rng = np.random.default_rng([data.resampling_seed, zlib.crc32(f"labels of {benchmark}".encode())])
        drawn = list(labellings(units, counts, data.label_draws, rng))
        for model, here in rows.groupby("model", sort=False):
            setting = Setting(str(model), str(benchmark))
            methods = dict(_all_answered(data, setting, here, subjects.index))
            for k, labelling in zip(counts, drawn, strict=True):
                found = {method: measure(answered, labelling) for method, answered in methods.items()}
                curves += [(*setting, method, k, *row) for method in found for row in _rows(data, found[method], MOVED)]
                for method, rival, apart in _ahead(data, setting, methods, found, labelling):
                    compared = [(setting, method), (setting, rival)]
                    differences += [
                        (*setting, method, rival, k, *row, why_no_verdict(known, compared, apart.drawn[metric]))
                        for metric, row in zip(COMPARED, _rows(data, apart, COMPARED), strict=True)
                    ]
    return FewLabels(
        pd.DataFrame(curves, columns=list(FEW_LABELS_COLUMNS)),
        pd.DataFrame(differences, columns=list(FEW_LABELS_DIFFERENCE_COLUMNS)),
        tuple(skipped),
    )


def _ahead(
    data: ReportData,
    setting: Setting,
    methods: Mapping[str, Answered],
    found: Mapping[str, Measured],
    labelling: Labelling,
) -> Iterator[tuple[str, str, Measured]]:
    """Every method, the untrained one, and their difference on the answers that both score."""
    rival = next((name for name in data.untrained_of(setting.benchmark) if name in methods), None)
    for method in methods:
        if rival is None or method == rival:
            continue
        both = methods[method].known & methods[rival].known
        own, other = (
            found[name] if np.array_equal(both, methods[name].known) else measure(methods[name], labelling, both)
            for name in (method, rival)
        )
        yield method, rival, less(own, other)


def _all_answered(
    data: ReportData, setting: Setting, rows: pd.DataFrame, questions: "pd.Index[Any]"
) -> Iterator[tuple[str, Answered]]:
    """What every method says of the questions, in their order."""
    drawing = Drawing(data.label_draws, data.resampling_seed, data.level)
    for method in data.methods:
        own = rows[rows["method"] == method]
        if own.empty:
            continue
        by_seed = [part.set_index("question_id") for _, part in own.groupby("seed", dropna=False)]
        correct = pd.concat(part["correct"] for part in by_seed).groupby(level=0).first()
        yield (
            method,
            Answered(
                np.stack([part["p_correct"].astype(float).reindex(questions).to_numpy() for part in by_seed]),
                correct.astype(float).reindex(questions).fillna(0.0).to_numpy(),
                drawing.times(f"seeds of {method}, {setting.model}", len(by_seed)) / len(by_seed),
            ),
        )


def _rows(data: ReportData, measured: Measured, metrics: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Draws, answers, and each metric with its interval."""
    for metric in metrics:
        ends = percentile_ends(measured.drawn[metric], data.level)
        yield data.label_draws, round(measured.n), metric, measured.value[metric], *ends
