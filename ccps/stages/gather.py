"""From artifacts to the tables of the report."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ccps.data.records import Question
from ccps.report import Example
from ccps.stages.evaluate import DIFFERENCES
from ccps.stages.runs import OWN, REFERENCE, ModelRun, Side, Tested, all_tests
from ccps.stages.stage import total_cost

_EXAMPLES_PER_KIND = 3


def results(runs: Sequence[ModelRun], keep: Callable[[str], bool]) -> pd.DataFrame:
    """Evaluation rows of the conventions that `keep` accepts, with the reason where a value is missing."""
    tables = []
    for run, test in all_tests(runs):
        rows = test.evaluation.rows().to_pandas()
        rows = rows[rows["convention"].map(keep)].assign(model=run.model, benchmark=test.side.label, format="mc")
        undefined = rows["value"].isna()
        rows["reason"] = ""
        rows.loc[undefined, "reason"] = "undefined: all answers right, or all wrong, or none in a bin"
        tables.append(rows)
    return pd.concat(tables, ignore_index=True)


def differences(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """Paired differences, reference − other, averaged over seeds."""
    tables = []
    for run, test in all_tests(runs):
        table = pd.read_parquet(test.evaluation.path(DIFFERENCES))
        means = table.groupby(["method", "other", "metric"], sort=False)[["value", "ci_low", "ci_high"]].mean()
        tables.append(means.reset_index().assign(model=run.model, benchmark=test.side.label))
    return pd.concat(tables, ignore_index=True)


def scores(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """One row per question, method and seed."""
    tables = []
    for run, test in all_tests(runs):
        subjects = test.side.grades.rows().select(["question_id", "subject"]).to_pandas()
        for item in test.scored:
            table = item.scores.rows().to_pandas().merge(subjects, on="question_id")
            tables.append(table.assign(model=run.model, benchmark=test.side.label, method=item.method, seed=item.seed))
    return pd.concat([table.astype({"seed": "Int64"}) for table in tables], ignore_index=True)


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


def counts(runs: Sequence[ModelRun], dropped: int, convention: str) -> pd.DataFrame:
    """Everything that was dropped, skipped or undefined, and why."""
    rows: list[tuple[str, float, str]] = [
        ("training questions left out", dropped, "their text stands in a test benchmark too")
    ]
    sources = Counter(question.source for question in runs[0].train.questions)
    rows += [
        (f"training questions from {source}", n, "equal shares, unless one is used up")
        for source, n in sorted(sources.items())
    ]
    for run in runs:
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
            rows += _evaluation_counts(run.model, test, convention)
    return pd.DataFrame(rows, columns=["what", "number", "reason"])


def curves(runs: Sequence[ModelRun]) -> pd.DataFrame:
    """Training curves of all probes."""
    tables = [
        probe.rows().to_pandas().assign(model=run.model, seed=seed)
        for run in runs
        for seed, probe in run.probes.items()
    ]
    columns = ["model", "seed", "stage", "step", "loss", "accuracy"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def examples(runs: Sequence[ModelRun]) -> list[Example]:
    """The answers CCPS was surest of and wrong, and least sure of and right, of the first model and benchmark."""
    _, test = next(all_tests(runs))
    scores = {item.method: item.scores.rows().to_pandas().set_index("question_id") for item in reversed(test.scored)}
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
            counts.append(
                (f"answers in no bin of the ECE, {method}, {where}", int(dropped), "its bins are open at one end")
            )
    return counts
