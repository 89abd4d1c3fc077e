"""Judge the scores of a sweep, and choose the best strength without a look at any test."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import expected
from ccps.metrics import CONTEST, evaluate
from ccps.perturbation import Grid
from ccps.pipeline.stage import Stage, Work
from ccps.probes import is_collapsed
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.evaluate import leading_of

_POINT = ["radius", "steps", "seed", "sample"]


class SweepEvaluateStage(Stage):
    """Rows of radius, steps, seed, sample, metric, value, n and collapsed, under the headline convention.

    `collapsed` says whether a probe behind the row gives one P for every answer.

    Tests are averaged over subjects or pooled, as `evaluation.aggregate` says; cross-validation is over all answers.
    Intervals are the report's, which draws questions and seeds together.
    """

    name = "sweep_evaluate"
    version = 5
    unit = "strengths"

    def __init__(
        self,
        scores: Artifact,
        grades: Mapping[str, Artifact],
        label: str,
        config: EvaluationConfig,
    ) -> None:
        super().__init__()
        self.scores = scores
        self.grades = dict(grades)
        self.label = label
        self.config = config

    @property
    def title(self) -> str:
        """What is judged."""
        return f"{self.label}, {self.config.convention}"

    def inputs(self) -> Mapping[str, Any]:
        """Scores, subjects and settings."""
        return {
            "scores": self.scores,
            "grades": self.grades,
            "convention": self.config.convention,
            "aggregate": self.config.aggregate,
            "metrics": list(CONTEST),
        }

    def prepare(self, device: torch.device) -> None:
        """Read scores and subjects; where figures are pooled, as those of training answers, all are one subject."""
        subjects = {
            sample: grades.rows().select(["question_id", "subject"]).to_pandas().set_index("question_id")["subject"]
            for sample, grades in self.grades.items()
            if leading_of(grades, self.config) == "macro"
        }
        rows = self.scores.rows().to_pandas().astype({"sample": str, "question_id": str})
        rows["subject"] = ""
        for sample, subject in subjects.items():
            here = rows["sample"] == sample
            rows.loc[here, "subject"] = rows.loc[here, "question_id"].map(subject)
        self.tables = [table for _, table in rows.groupby(_POINT, sort=False)]

    def plan(self) -> Sequence[Sequence[Work]]:
        """One step for each strength, seed and sample; all in one shard."""
        return [[Work(index) for index in range(len(self.tables))]]

    def step(self, content: int) -> pd.DataFrame:
        """Judge one probe, or one cross-validation, on one sample."""
        table = self.tables[content].sort_values("question_id")
        p, correct, subjects = table["p_correct"], table["correct"], table["subject"]
        measured = evaluate(p, correct, self.config.convention, groups=subjects)
        rows = pd.DataFrame({"metric": list(CONTEST), "value": [measured[metric] for metric in CONTEST]})
        dead = is_collapsed(float(table["spread"].min()))
        return rows.assign(n=measured.n, collapsed=dead, **{name: table[name].iloc[0] for name in _POINT})

    def save_shard(self, outputs: list[pd.DataFrame], folder: Path) -> Mapping[str, float]:
        """Write all rows."""
        rows = pd.concat(outputs, ignore_index=True)
        rows[[*_POINT, "metric", "value", "n", "collapsed"]].to_parquet(folder / ROWS, index=False)
        return {"n": len(outputs)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Count what was judged, and what is undefined."""
        rows = artifact.written_rows().to_pandas()
        return {"judged": len(self.tables), "undefined": int(rows["value"].isna().sum())}


def best_point(rows: pd.DataFrame, sample: str, metric: str) -> Grid:
    """The strength with the best mean over seeds of a metric on a sample; of equals the weakest.

    One with a probe that gives one P for every answer is no best one, whatever its figures.

    Args:
        rows: those of `SweepEvaluateStage`.
        sample: `cross-validation`, or a benchmark.
        metric: which one; whether lower is better is its own affair.

    Raises:
        UserError: the metric is undefined at every strength, or every probe has collapsed.
    """
    here = rows[(rows["sample"] == sample) & (rows["metric"] == metric)]
    dead = here.groupby(["radius", "steps"], sort=True)["collapsed"].any()
    if dead.all():
        raise expected(
            "the probes of the sweep",
            f"some whose P(correct) varies at every seed and fold, to choose among on {sample}",
            "none: at every strength one gives one P for every answer",
            "Ask more questions, or choose another recipe (group `probe`).",
        )
    means = here.groupby(["radius", "steps"], sort=True)["value"].mean()[~dead].dropna()
    if means.empty:
        raise expected(
            f"`{metric}`",
            f"defined at some strength on {sample}",
            "none: all answers are right, or all wrong, in every subject",
            "Choose by another metric with sweep.choose_by=brier, or ask more questions.",
        )
    radius, steps = means.idxmin() if CONTEST[metric].lower_is_better else means.idxmax()
    return Grid(float(radius), int(steps))
