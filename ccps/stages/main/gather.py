"""From artifacts to the tables of the report."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ccps.analysis.data import (
    AGREEMENT_COLUMNS,
    CHOICE_COLUMNS,
    CURVE_COLUMNS,
    DISAGREEMENT_COLUMNS,
    SHIFT_SCORE_COLUMNS,
)
from ccps.analysis.records import SHARED_COLUMNS, Audit, Example, Importance
from ccps.data.records import Question
from ccps.metrics import agreement
from ccps.metrics.aggregates import Aggregate
from ccps.pipeline.costs import total_cost
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.audit import IMPORTANCE, SHAP, TRANSFER
from ccps.stages.main.choose import newly_scored
from ccps.stages.main.evaluate import leading_of
from ccps.stages.main.questions import Overlap
from ccps.stages.main.runs import OWN, REFERENCE, ModelRun, Side, all_tests

_EXAMPLES_PER_KIND = 3
_ACCEPTED_SHOWN = 3


def results(runs: Sequence[ModelRun], *, leading: bool) -> pd.DataFrame:
    """Evaluation rows that lead, or all others, with the reason where a value is missing."""
    tables = []
    for run, test in all_tests(runs):
        parts = [part.rows().to_pandas() for part in test.evaluations]
        rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
        rows = rows[rows["leads"] == leading].assign(
            model=run.model, benchmark=test.side.label, format=test.side.format
        )
        undefined = rows["value"].isna() & (rows["reason"] == "")
        rows.loc[undefined, "reason"] = "undefined: all answers right, or all wrong, or none in a bin"
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


def aggregates(runs: Sequence[ModelRun], config: EvaluationConfig) -> Mapping[str, Aggregate]:
    """Whether the figures that lead are pooled or means over subjects, for each test benchmark."""
    return {test.side.label: leading_of(test.side.labels, config) for _, test in all_tests(runs)}


def scores(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """One row per question, method and seed."""
    tables = []
    for run, test in all_tests(runs):
        subjects = test.side.labels.rows().select(["question_id", "subject"]).to_pandas()
        chosen = None if test.choice is None else newly_scored(test.scored, test.choice)
        scored = [(item.method, item.scores.rows().to_pandas()) for item in test.scored]
        for method, rows in [*scored, *([chosen] if chosen else [])]:
            table = rows.merge(subjects, on="question_id")
            tables.append(table.assign(model=run.model, benchmark=test.side.label, method=method))
    return pd.concat([table.astype({"seed": "Int64"}) for table in tables], ignore_index=True)


def choice(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """Which confidence is best taken along, of every model and format."""
    tables = [made.rows().to_pandas() for run in runs for made in run.choices.values()]
    columns = list(CHOICE_COLUMNS)
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def costs(runs: Sequence[ModelRun], reused: Collection[Path]) -> pd.DataFrame:
    """What each stage cost, over all models and benchmarks."""
    rows = []
    for run in runs:
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
                    "reused": artifact.folder in reused,
                }
            )
    table = pd.DataFrame(rows)
    by_stage = table.groupby("stage", sort=False)
    sums = by_stage[["seconds", "tokens", "bytes", "n"]].sum()
    return sums.assign(peak_memory=by_stage["peak_memory"].max(), reused=by_stage["reused"].all()).reset_index()


def curves(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """Training curves of the reference method's probes."""
    tables = [
        by_method[REFERENCE].rows().to_pandas().assign(model=run.model, format=form)
        for run in runs
        for form, by_method in run.trained.items()
        if REFERENCE in by_method
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(CURVE_COLUMNS))


def audit(runs: Sequence[ModelRun], overlaps: Sequence[Overlap]) -> Audit:
    """What tests share with the training benchmarks, and how probes do on benchmarks they were not trained on."""
    shared = pd.DataFrame([overlap[:3] for overlap in overlaps], columns=list(SHARED_COLUMNS))
    transfer = _of_audits(runs, TRANSFER)
    return Audit(shared) if transfer.empty else Audit(shared, transfer)


def shifts(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """P(correct) of training answers by fits that have not seen their source."""
    tables = [
        artifact.rows().to_pandas().assign(model=run.model, format=form)
        for run in runs
        for form, artifact in run.shifts.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(SHIFT_SCORE_COLUMNS))


def importance(runs: Sequence[ModelRun]) -> Importance:
    """Which features the probe of each model and format listens to."""
    shap, drops = _of_audits(runs, SHAP), _of_audits(runs, IMPORTANCE)
    return Importance() if shap.empty else Importance(shap, drops)


def _of_audits(runs: Sequence[ModelRun], name: str) -> pd.DataFrame:
    """One file of every audit, with its model and format."""
    tables = [
        pd.read_parquet(artifact.path(f"{name}.parquet")).assign(model=run.model, format=form)
        for run in runs
        for form, artifact in run.audits.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def agreements(runs: Sequence[ModelRun], level: float) -> pd.DataFrame:
    """How far every other grader agrees with the one that decides, on the same answers."""
    rows = []
    for run, side, other, table in _compared(runs):
        found = agreement(_verdicts(table["correct"]), _verdicts(table["other"]), level)
        rows.append(
            {
                "model": run.model,
                "benchmark": side.label,
                "grader": next(iter(side.grades)),
                "other": other,
                "n": found.n,
                "unknown_grader": found.unknown_first,
                "unknown_other": found.unknown_second,
                "both_right": found.both_right,
                "only_grader": found.only_first,
                "only_other": found.only_second,
                "both_wrong": found.both_wrong,
                "agreement": found.agreement,
                "kappa": found.kappa,
                "kappa_low": found.kappa_low,
                "kappa_high": found.kappa_high,
                "note": found.note,
            }
        )
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def disagreements(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """Every answer that two graders judge differently."""
    rows = []
    for run, side, other, table in _compared(runs):
        questions = {question.id: question for question in side.questions}
        known = table.dropna(subset=["correct", "other"])
        for row in known[known["correct"] != known["other"]].itertuples():
            question = questions[row.question_id]
            rows.append(
                {
                    "model": run.model,
                    "benchmark": side.label,
                    "question_id": question.id,
                    "question": question.text,
                    "accepted": " | ".join(question.accepted),
                    "answer": row.text,
                    "grader": next(iter(side.grades)),
                    "says": "right" if row.correct else "wrong",
                    "other": other,
                    "other_says": "right" if row.other else "wrong",
                }
            )
    return pd.DataFrame(rows, columns=list(DISAGREEMENT_COLUMNS))


def _compared(runs: Sequence[ModelRun]) -> Iterator[tuple[ModelRun, Side, str, pd.DataFrame]]:
    """Each model, side and further grader, with the deciding verdicts in `correct` and its own in `other`."""
    for run in runs:
        for side in run.all_sides:
            decided = side.labels.rows().to_pandas()
            for name, grades in list(side.grades.items())[1:]:
                theirs = grades.rows().select(["question_id", "correct"]).to_pandas()
                renamed = theirs.rename(columns={"correct": "other"})
                yield run, side, name, decided.merge(renamed, on="question_id", validate="one_to_one")


def _verdicts(column: "pd.Series[Any]") -> list[bool | None]:
    return [None if pd.isna(value) else bool(value) for value in column]


def examples(runs: Sequence[ModelRun]) -> list[Example]:
    """The answers CCPS was surest of and wrong, and least sure of and right, of the first model and benchmark."""
    _, test = next(all_tests(runs))
    tables = {item.method: item.scores.rows().to_pandas() for item in test.scored}
    if REFERENCE not in tables or tables[REFERENCE].empty:
        return []
    # Of the first seed, where there are several.
    scores = {name: rows.drop_duplicates("question_id").set_index("question_id") for name, rows in tables.items()}
    table = scores[REFERENCE].copy()
    if OWN in scores:
        table["own"] = scores[OWN]["p_correct"]
    table["text"] = test.side.labels.rows().to_pandas().set_index("question_id")["text"]
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


def _accepted(question: Question) -> str:
    """The first accepted texts, and how many more there are."""
    more = len(question.accepted) - _ACCEPTED_SHOWN
    return " | ".join([*question.accepted[:_ACCEPTED_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _example(kind: str, question: Question, row: "pd.Series[Any]") -> Example:
    return Example(
        kind=kind,
        question=question.text,
        options=question.options,
        answer=str(row["text"]),
        truth=_accepted(question),
        correct=bool(row["correct"]),
        p_ccps=float(row["p_correct"]),
        p_own=float(row["own"]) if "own" in row else None,
    )
