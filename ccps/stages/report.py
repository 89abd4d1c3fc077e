"""Gather what the stages have found into one report."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ccps.artifacts import Artifact
from ccps.data.records import Question
from ccps.methods import METHODS
from ccps.metrics import CONVENTIONS
from ccps.report import Example, Fact, ReportData, parse_claims, write_report
from ccps.stages.config import Config
from ccps.stages.evaluate import DIFFERENCES, Scored
from ccps.stages.stage import Stage, Work, total_cost

REFERENCE, OWN = "ccps", "answer_probability"
_EXAMPLES_PER_KIND = 3


class Side(NamedTuple):
    """Questions answered, graded and featurised by one model.

    Attributes:
        label: benchmark name, or "train".
        questions: what was asked.
        answers: artifact of the answer stage.
        grades: of the grade stage.
        features: of the extract stage.
    """

    label: str
    questions: Sequence[Question]
    answers: Artifact
    grades: Artifact
    features: Artifact


class Tested(NamedTuple):
    """One model on one test benchmark."""

    side: Side
    scored: Sequence[Scored]
    evaluation: Artifact


class ModelRun(NamedTuple):
    """Everything about one model."""

    model: str
    train: Side
    probes: Mapping[int, Artifact]
    tested: Sequence[Tested]

    def artifacts(self) -> Iterator[tuple[str, Artifact]]:
        """All artifacts with the benchmark they are about, in the order in which they were made."""
        for side in (self.train, *(test.side for test in self.tested)):
            yield side.label, side.answers
            yield side.label, side.grades
            yield side.label, side.features
        for probe in self.probes.values():
            yield self.train.label, probe
        for test in self.tested:
            for item in test.scored:
                yield test.side.label, item.scores
            yield test.side.label, test.evaluation


class ReportStage(Stage):
    """Writes tables, figures, `report.html`, `claims.json`, `costs.csv` and `run.json`."""

    name = "report"
    unit = "reports"

    def __init__(
        self,
        runs: Sequence[ModelRun],
        dropped: int,
        reused: set[Path],
        config: Config,
        settings: Mapping[str, Any],
        made: Any,
    ) -> None:
        super().__init__()
        self.runs = list(runs)
        self.dropped = dropped
        self.reused = reused
        self.config = config
        self.settings = settings
        self.made = made

    @property
    def title(self) -> str:
        """The experiment."""
        return self.config.experiment

    def inputs(self) -> Mapping[str, Any]:
        """Every artifact the report speaks of, and the settings it prints."""
        return {
            "artifacts": [artifact.key for run in self.runs for _, artifact in run.artifacts()],
            "dropped": self.dropped,
            "settings": self.settings,
        }

    def plan(self) -> Sequence[Sequence[Work]]:
        """One report."""
        return [[Work(None)]]

    def step(self, content: None) -> ReportData:
        """Gather the data."""
        return ReportData(
            title=f"CCPS · {self.config.experiment}",
            question=(
                "Does a small probe that reads how a language model's answer holds up under perturbation know when "
                "the answer is right, and does it know better than the model's own probability does?"
            ),
            results=self._results(lambda name: name == self.config.evaluation.convention),
            results_other=self._results(lambda name: name != self.config.evaluation.convention),
            scores=self._scores(),
            differences=self._differences(),
            costs=self._costs(),
            counts=pd.DataFrame(self._counts(), columns=["what", "number", "reason"]),
            run=self._run(),
            facts=self._facts(),
            reference=REFERENCE if REFERENCE in self.config.method else next(iter(self.config.method)),
            own_method=OWN if OWN in self.config.method else None,
            method_labels={name: method.label for name, method in METHODS.items()},
            convention=self.config.evaluation.convention,
            convention_notes=_convention_notes(),
            mode=self._modes(),
            level=self.config.evaluation.level,
            curves=self._curves(),
            examples=self._examples(),
            claims=parse_claims(self.config.claims) if self.config.claims else None,
        )

    def save_shard(self, outputs: list[ReportData], folder: Path) -> Mapping[str, float]:
        """Write all files of the report."""
        write_report(outputs[0], folder)
        return {"n": 1}

    def _tests(self) -> Iterator[tuple[ModelRun, Tested]]:
        for run in self.runs:
            for test in run.tested:
                yield run, test

    def _results(self, keep: Any) -> pd.DataFrame:
        tables = []
        for run, test in self._tests():
            rows = test.evaluation.rows().to_pandas()
            rows = rows[rows["convention"].map(keep)].assign(model=run.model, benchmark=test.side.label, format="mc")
            undefined = rows["value"].isna()
            rows["reason"] = ""
            rows.loc[undefined, "reason"] = "undefined in every subject (all answers right, or all wrong)"
            tables.append(rows)
        return pd.concat(tables, ignore_index=True)

    def _differences(self) -> pd.DataFrame:
        tables = []
        for run, test in self._tests():
            table = pd.read_parquet(test.evaluation.path(DIFFERENCES))
            means = table.groupby(["method", "other", "metric"], sort=False)[["value", "ci_low", "ci_high"]].mean()
            tables.append(means.reset_index().assign(model=run.model, benchmark=test.side.label))
        return pd.concat(tables, ignore_index=True)

    def _scores(self) -> pd.DataFrame:
        tables = []
        for run, test in self._tests():
            subjects = test.side.grades.rows().select(["question_id", "subject"]).to_pandas()
            for item in test.scored:
                table = item.scores.rows().to_pandas().merge(subjects, on="question_id")
                tables.append(
                    table.assign(model=run.model, benchmark=test.side.label, method=item.method, seed=item.seed)
                )
        return pd.concat([table.astype({"seed": "Int64"}) for table in tables], ignore_index=True)

    def _costs(self) -> pd.DataFrame:
        rows = []
        for run in self.runs:
            for label, artifact in run.artifacts():
                rows.append(
                    {
                        "stage": artifact.stage,
                        "model": run.model,
                        "benchmark": label,
                        "seconds": total_cost(artifact, "seconds"),
                        "tokens": total_cost(artifact, "tokens"),
                        "bytes": artifact.n_bytes,
                        "peak_memory": max((cost["peak_memory"] for cost in artifact.costs()), default=float("nan")),
                        "n": total_cost(artifact, "n"),
                        "reused": artifact.folder in self.reused,
                    }
                )
        table = pd.DataFrame(rows)
        by_stage = table.groupby("stage", sort=False)
        sums = by_stage[["seconds", "tokens", "bytes", "n"]].sum()
        return sums.assign(peak_memory=by_stage["peak_memory"].max(), reused=by_stage["reused"].all()).reset_index()

    def _counts(self) -> list[tuple[str, float, str]]:
        rows: list[tuple[str, float, str]] = [
            ("training questions left out", self.dropped, "their text stands in a test benchmark too")
        ]
        for run in self.runs:
            for side in (run.train, *(test.side for test in run.tested)):
                rows += _side_counts(run.model, side)
            for seed, probe in run.probes.items():
                rows += [
                    (
                        f"training rows dropped, {run.model}, seed {seed}",
                        number,
                        name.removeprefix("dropped (").removesuffix(")"),
                    )
                    for name, number in probe.summary.items()
                    if name.startswith("dropped")
                ]
            for test in run.tested:
                rows += _evaluation_counts(run.model, test, self.config.evaluation.convention)
        return rows

    def _facts(self) -> list[Fact]:
        train = self.runs[0].train
        sources = sorted({question.source for question in train.questions})
        facts = [
            Fact("Language models", ", ".join(run.model for run in self.runs)),
            Fact("Training questions", f"{len(train.questions):,} from {', '.join(sources)}"),
        ]
        for test in self.runs[0].tested:
            subjects = len({question.subject for question in test.side.questions})
            facts.append(
                Fact(
                    f"Test questions, {test.side.label}",
                    f"{len(test.side.questions):,} of {subjects} subjects",
                )
            )
        for run, test in self._tests():
            accuracy = float(test.side.grades.summary["accuracy"])
            facts.append(Fact(f"{run.model} on {test.side.label}", f"{accuracy:.1%} of answers right"))
        radius = f"radius {self.config.perturbation.radius:g} in {self.config.perturbation.steps} steps"
        facts.append(Fact("Perturbation", radius))
        facts.append(Fact("Probes", f"one for each of {len(self.config.seeds)} seeds"))
        return facts

    def _run(self) -> dict[str, Any]:
        inputs = {f"{run.model}/{label}/{a.stage}": a.key for run in self.runs for label, a in run.artifacts()}
        models = {run.model: run.train.answers.inputs["model"] for run in self.runs}
        return {
            "config": self.settings,
            "seeds": list(self.config.seeds),
            "input_hashes": {"models": models, "artifacts": inputs},
            **self.made,
        }

    def _modes(self) -> str:
        """Every choice between the released way and another, by name."""
        asked, probe = self.config.answering, self.config.probe
        return (
            f"prompt {asked.prompt}, answers {asked.method}, grader {asked.grader}, "
            f"checkpoint {probe.checkpoint}, never_flips {probe.never_flips}"
        )

    def _curves(self) -> pd.DataFrame:
        tables = [
            probe.rows().to_pandas().assign(model=run.model, seed=seed)
            for run in self.runs
            for seed, probe in run.probes.items()
        ]
        columns = ["model", "seed", "stage", "step", "loss", "accuracy"]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)

    def _examples(self) -> list[Example]:
        _, test = next(self._tests())
        scores = {
            item.method: item.scores.rows().to_pandas().set_index("question_id") for item in reversed(test.scored)
        }
        if REFERENCE not in scores:
            return []
        table = scores[REFERENCE].copy()
        if OWN in scores:
            table["own"] = scores[OWN]["p_correct"]
        table["text"] = test.side.grades.rows().to_pandas().set_index("question_id")["text"]
        questions = {question.id: question for question in test.side.questions}
        ranked = table.sort_values("p_correct", kind="stable")
        chosen = [
            ("Surest, and wrong", ranked[~ranked["correct"]].iloc[::-1]),
            ("Least sure, and right", ranked[ranked["correct"]]),
        ]
        return [
            _example(kind, questions[str(question_id)], row)
            for kind, rows in chosen
            for question_id, row in rows.head(_EXAMPLES_PER_KIND).iterrows()
        ]


def _example(kind: str, question: Question, row: "pd.Series[Any]") -> Example:
    return Example(
        kind=kind,
        question=question.text,
        options=question.options,
        answer=str(row["text"]),
        truth=question.accepted[0],
        correct=bool(row["correct"]),
        p_ccps=float(row["p_correct"]),
        p_own=float(row["own"]) if "own" in row else None,
    )


def _side_counts(model: str, side: Side) -> list[tuple[str, float, str]]:
    answers, where = side.answers.summary, f"{model} on {side.label}"
    return [
        (f"answers, {where}", answers["answers"], f"template: {answers['template']}"),
        (
            f"answers that are not an option letter, {where}",
            round(answers["answers"] * (1 - answers["letter_rate"])),
            "kept; graded like all others",
        ),
        (f"empty answers, {where}", answers["empty"], "kept; graded wrong"),
        (
            f"answers right, {where}",
            round(answers["answers"] * side.grades.summary["accuracy"]),
            "by the grader",
        ),
    ]


def _evaluation_counts(model: str, test: Tested, convention: str) -> list[tuple[str, float, str]]:
    rows = test.evaluation.rows().to_pandas()
    rows = rows[rows["convention"] == convention]
    where = f"{model} on {test.side.label}"
    auroc, ece = rows[rows["metric"] == "auroc"], rows[rows["metric"] == "ece"]
    counts: list[tuple[str, float, str]] = [
        (
            f"subjects without AUROC, {where}",
            int(auroc["undefined_groups"].max()),
            f"of {int(auroc['groups'].max())}: all answers right, or all wrong; left out of its mean",
        )
    ]
    for method, dropped in ece.groupby("method", sort=False)["ece_dropped"].max().items():
        if dropped:
            counts.append((f"answers in no bin of the ECE, {method}, {where}", int(dropped), "confidence of exactly 1"))
    return counts


def _convention_notes() -> dict[str, str]:
    notes = {name: convention.description for name, convention in CONVENTIONS.items()}
    pooled = {
        f"pooled {name}": f"{text}; over all questions, not averaged over subjects" for name, text in notes.items()
    }
    return notes | pooled
