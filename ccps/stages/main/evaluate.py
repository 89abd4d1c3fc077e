"""Judge confidences: every metric with its interval under every convention."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, get_args

import pandas as pd
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import expected
from ccps.metrics import (
    CONSTANT,
    CONTEST,
    CONVENTIONS,
    METRICS,
    Evaluation,
    Interval,
    Metric,
    bootstrap,
    evaluate,
    is_constant,
)
from ccps.metrics.aggregates import Aggregate, leading_aggregate, variant
from ccps.pipeline.stage import Stage, Work
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.runs import MethodScores

LEAST_ANSWERS = 2
"""Of fewer there is no interval; a method that scores fewer is left out."""


_COLUMNS = [
    *("method", "seed", "convention", "leads", "metric", "value", "ci_low", "ci_high"),
    *("n", "undefined_groups", "groups", "ece_dropped", "reason"),
]


class _Item(NamedTuple):
    """The scores of one method from one seed, with the subject of each question, in the order of the ids."""

    method: str
    seed: int | None
    table: pd.DataFrame


class _Measured(NamedTuple):
    """Metrics under one convention, and their intervals."""

    values: Evaluation
    intervals: Mapping[str, Interval]


class EvaluateStage(Stage):
    """Rows of method, seed, convention, metric, value, interval, n, whether they lead, and why a value is missing.

    Each convention has figures averaged over subjects (the paper's way), and over all questions (`pooled …`). Of the
    headline convention those lead that `evaluation.aggregate` asks for, or subjects of this size bear.
    Metrics that methods are not compared by are the same under every convention and stand under the headline one alone.
    Resamples draw whole subjects, or questions where the benchmark has one subject only. The interval of a row is that
    of one seed; what compares seeds, methods or benchmarks is resampled jointly by the report. Where all P(correct) are
    one number, the metrics of their order have no value, and `reason` says so.
    """

    name = "evaluate"
    version = 5
    unit = "scores"
    may_be_empty: ClassVar[bool] = False
    """Whether it is no fault where there is nothing to judge."""

    def __init__(self, scored: Sequence[MethodScores], grades: Artifact, label: str, config: EvaluationConfig) -> None:
        super().__init__()
        self.scored = list(scored)
        self.grades = grades
        self.label = label
        self.config = config

    @property
    def title(self) -> str:
        """What is judged."""
        return f"{self.label}, {self.config.convention}"

    def inputs(self) -> Mapping[str, Any]:
        """Scores, grades and settings."""
        return {
            "scores": [[item.method, item.scores] for item in self.scored],
            "grades": self.grades,
            "convention": self.config.convention,
            "aggregate": self.config.aggregate,
            "metrics": list(METRICS),
            "resamples": self.config.resamples,
            "level": self.config.level,
            "seed": self.config.seed,
        }

    def tables(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """The rows of scores that are judged, by method."""
        for item in self.scored:
            yield item.method, item.scores.rows().to_pandas()

    def prepare(self, device: torch.device) -> None:
        """Read all scores, in the order of the question ids."""
        grades = self.grades.rows().select(["question_id", "subject"]).to_pandas()
        self.leading = leading_of(self.grades, self.config)
        self.items = []
        for method, rows in self.tables():
            for seed, table in rows.sort_values("question_id").groupby("seed", dropna=False):
                merged = table.merge(grades, on="question_id", validate="one_to_one")
                if len(merged) < LEAST_ANSWERS:
                    continue
                self.items.append(_Item(method, None if pd.isna(seed) else int(seed), merged))

        if not self.items and not self.may_be_empty:
            raise expected(
                f"some method to score {LEAST_ANSWERS} answers ({self.label})",
                "among those chosen",
                ", ".join(item.method for item in self.scored),
                "Add other methods.",
            )

    def plan(self) -> Sequence[Sequence[Work]]:
        """One step for each method and seed, all in one shard; one of nothing where there is nothing to judge."""
        return [[Work(index) for index in range(len(self.items))] or [Work(None)]]

    def step(self, content: int | None) -> list[dict[str, Any]]:
        """Judge one method."""
        if content is None:
            return []
        item, headline = self.items[content], self.config.convention
        rows = []
        for aggregate in get_args(Aggregate):
            first = self._measured(item, headline, aggregate, METRICS)
            rows += self._rows(item, headline, aggregate, first)
            for convention in (name for name in CONVENTIONS if name != headline):
                differ = {name: metric for name, metric in CONTEST.items() if metric.by_convention}
                own = self._measured(item, convention, aggregate, differ)
                rows += self._rows(item, convention, aggregate, own, first)
        return rows

    def save_shard(self, outputs: list[list[dict[str, Any]]], folder: Path) -> Mapping[str, float]:
        """Write the results."""
        results = pd.DataFrame([row for output in outputs for row in output], columns=_COLUMNS)
        results.astype({"seed": "Int64"}).to_parquet(folder / ROWS, index=False)
        return {"n": len(results)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Headline AUROC and ECE of each method, for the one line of the stage."""
        rows = artifact.written_rows().to_pandas()
        headline = rows[rows["leads"].astype(bool)]
        means = headline[headline["metric"].isin(["ece", "auroc"])].groupby(["method", "metric"], sort=False)["value"]
        return {
            f"{method} {metric}": "undefined" if math.isnan(value) else float(value)
            for (method, metric), value in means.mean().items()
        }

    def _measured(self, item: _Item, convention: str, aggregate: Aggregate, metrics: Mapping[str, Metric]) -> _Measured:
        p, correct, subjects = (item.table[column] for column in ("p_correct", "correct", "subject"))
        groups = subjects if aggregate == "macro" else None
        measured = evaluate(p, correct, convention, groups=groups, metrics=metrics)
        intervals = bootstrap(
            p,
            correct,
            **_drawn(item.table, aggregate),
            convention=convention,
            seed=self.config.seed,
            n_resamples=self.config.resamples,
            level=self.config.level,
            metrics=metrics,
        )
        return _Measured(measured, intervals)

    def _rows(
        self, item: _Item, convention: str, aggregate: Aggregate, own: _Measured, shared: _Measured | None = None
    ) -> list[dict[str, Any]]:
        """A row for each metric; those that the convention makes no difference to are `shared`."""
        metrics = METRICS if shared is None else CONTEST
        found = {metric: shared if shared and metric not in own.values else own for metric in metrics}
        ranked = not is_constant(item.table["p_correct"])
        known = {metric: ranked or not METRICS[metric].ranks for metric in metrics}
        return [
            {
                "method": item.method,
                "seed": item.seed,
                "convention": variant(convention, aggregate),
                "leads": convention == self.config.convention and aggregate == self.leading,
                "metric": metric,
                "value": found[metric].values[metric] if known[metric] else math.nan,
                "ci_low": found[metric].intervals[metric].low if known[metric] else math.nan,
                "ci_high": found[metric].intervals[metric].high if known[metric] else math.nan,
                "n": own.values.n,
                "undefined_groups": found[metric].values.undefined[metric],
                "groups": own.values.n_groups,
                "ece_dropped": own.values.ece_dropped,
                "reason": "" if known[metric] else CONSTANT,
            }
            for metric in metrics
        ]


def _drawn(table: pd.DataFrame, aggregate: str) -> dict[str, Any]:
    """What resamples draw: subjects, or the questions of a single one, over which a mean of subjects is no mean."""
    if table["subject"].nunique() > 1:
        return {"groups": table["subject"], "aggregate": aggregate}
    return {"groups": table["question_id"], "aggregate": "pooled"}


def leading_of(grades: Artifact, config: EvaluationConfig) -> Aggregate:
    """Whether the figures of graded answers that lead are pooled, or means over subjects."""
    subjects = grades.rows().select(["subject"]).to_pandas()["subject"]
    return leading_aggregate(config.aggregate, subjects.astype(str))
