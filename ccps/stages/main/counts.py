"""Everything that was dropped, skipped, cut or undefined on the way, counted for the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ccps.analysis.data import COUNT_COLUMNS
from ccps.core.artifacts import Artifact
from ccps.grading import GraderConfig, judging_cost
from ccps.methods.base import ALL_SEEDS
from ccps.probes import ONE_P
from ccps.stages.main.fit import REFITTED, collapsed_seeds, living_seeds, why_unfitted
from ccps.stages.main.questions import AllQuestions
from ccps.stages.main.runs import REFERENCE, Count, ModelRun, Side, Tested
from ccps.stages.main.score import SILENT

TRUNCATED = "longer than the probe reads: kept whole, but only their first tokens are read"


def count_all(
    runs: Sequence[ModelRun], questions: AllQuestions, convention: str, graders: Mapping[str, GraderConfig]
) -> pd.DataFrame:
    """Everything that was dropped, skipped or undefined, and why."""
    rows = list(questions.left_out)
    sources = Counter(question.source for group in questions.trains.values() for question in group)
    rows += [
        Count(f"training questions much like one of {overlap.benchmark}", overlap.alike, "half of the wording; kept")
        for overlap in questions.overlaps
    ]
    rows += [
        Count(f"training questions from {source}", n, "equal shares, unless one is used up")
        for source, n in sorted(sources.items())
    ]
    for run in runs:
        for side in run.all_sides:
            rows += _side_counts(run.model, side, graders)
        for form, by_method in run.trained.items():
            for method, fitted in by_method.items():
                rows += _training_counts(f"{run.model}, {form}, {method}", fitted)
                rows += _collapsed_counts(f"{run.model}, {form}, {method}", method, fitted)
        for test in run.tested:
            rows += _evaluation_counts(run.model, test, convention)
    return pd.DataFrame(rows, columns=list(COUNT_COLUMNS))


def _training_counts(where: str, fitted: Artifact) -> list[Count]:
    summary = fitted.summary
    if reason := why_unfitted(fitted):
        return [Count(f"methods not fitted, {where}", 1, reason)]
    rows = [
        Count(f"training rows dropped, {where}", number, reason) for reason, number in fitted.reasons("dropped").items()
    ]
    if truncated := summary.get("truncated"):
        rows.append(Count(f"long training answers, {where}", truncated, TRUNCATED))
    if without := summary.get("left_out"):
        rows.append(Count(f"training answers left out, {where}", without, "no token with finite features"))
    rows += [Count(f"collapsed fits, {where}", n, reason) for reason, n in fitted.reasons(REFITTED).items()]
    return rows


def _collapsed_counts(where: str, method: str, fitted: Artifact) -> list[Count]:
    dead = collapsed_seeds(fitted)
    if not dead:
        return []
    named = ["all together" if seed == ALL_SEEDS else str(seed) for seed in dead if seed is not None]
    what = f"seed{'s' if len(named) > 1 else ''} {', '.join(named)}: {ONE_P}" if named else ONE_P
    if method == REFERENCE:
        alive = living_seeds(fitted)
        scorer = "the average of the others" if ALL_SEEDS in alive else f"that of seed {alive[0]}" if alive else ""
        what += f"; the scorer is {scorer}" if scorer else "; no scorer is written"
    return [Count(f"collapsed probes, {where}", len(dead), what)]


def _side_counts(model: str, side: Side, graders: Mapping[str, GraderConfig]) -> list[Count]:
    answers, where = side.answers.summary, f"{model} on {side.label}"
    rows = [
        Count(f"answers, {where}", answers["answers"], f"template: {answers['template']}"),
        Count(f"empty answers, {where}", answers["empty"], "kept and graded, not scored: there is no token to probe"),
    ]
    if answers["given"]:
        rows.append(Count(f"answers given with the data, {where}", answers["given"], "read, not generated"))
    if side.format == "mc":
        other = round(answers["answers"] * (1 - side.labels.summary["letter_rate"]))
        rows.append(Count(f"answers that are not an option letter, {where}", other, "kept; graded like all others"))
    else:
        rows += [
            Count(f"answers cut off at the limit, {where}", answers["cut"], "kept; graded as far as they go"),
            Count(f"tokens of an answer, mean, {where}", answers["mean_answer_tokens"], "end of turn not counted"),
        ]
    for name, grades in side.grades.items():
        rows += _grade_counts(name, grades, where, graders[name])
    return rows


def _grade_counts(grader: str, grades: Artifact, where: str, config: GraderConfig) -> list[Count]:
    summary = grades.summary
    unknown = grades.reasons("unknown")
    known = summary["graded"] - sum(unknown.values())
    right = round(known * summary.get("accuracy", 0.0))
    rows = [Count(f"answers right, {where}", right, f"of {known:,} graded by {grader}")]
    rows += [Count(f"answers not graded by {grader}, {where}", number, reason) for reason, number in unknown.items()]
    if "calls" in summary:
        sent, received = summary["prompt_tokens"], summary["completion_tokens"]
        tokens = f"altogether: {sent:,.0f} sent, {received:,.0f} received; {_cost(summary, config)}"
        rows += [
            Count(f"replies of {grader}, {where}", summary["calls"], "asked for when these answers were graded"),
            Count(f"judgements of {grader}, {where}", summary["cached"], "found in the cache"),
            Count(f"tokens of {grader}, {where}", sent + received, tokens),
        ]
    return rows


def _cost(summary: Mapping[str, Any], config: GraderConfig) -> str:
    """USD of all judgements behind the labels, those found in the cache included."""
    if summary["uncounted"]:
        return f"cost unknown: judgements whose tokens the endpoint did not count: {summary['uncounted']:,.0f}"
    cost = judging_cost(config.judge, summary["prompt_tokens"], summary["completion_tokens"]) if config.judge else None
    return "no prices set" if cost is None else f"{cost:.4f} USD"


def _evaluation_counts(model: str, test: Tested, convention: str) -> list[Count]:
    rows = test.evaluation.rows().to_pandas()
    rows = rows[rows["convention"] == convention]
    where = f"{model} on {test.side.label}"
    auroc, ece = rows[rows["metric"] == "auroc"], rows[rows["metric"] == "ece"]
    counts = []
    for item in test.scored:
        reasons = item.scores.reasons("not scored").items()
        # What no method can score is said once; what one of them leaves out, under its name.
        counts += [
            Count(f"answers not scored{f' by {item.method}' if reason == SILENT else ''}, {where}", n, reason)
            for reason, n in reasons
            if reason == SILENT or item is test.scored[0]
        ]
    if truncated := max(item.scores.summary.get("truncated", 0) for item in test.scored):
        counts.append(Count(f"long answers, {where}", truncated, TRUNCATED))
    counts.append(
        Count(
            f"subjects without AUROC, {where}",
            int(auroc["undefined_groups"].max()),
            f"of {int(auroc['groups'].max())}: all answers right, or all wrong; left out of its mean",
        )
    )
    if len({question.subject for question in test.side.questions}) == 1:
        counts.append(Count(f"subjects, {where}", 1, "so that intervals are over questions, not over subjects"))
    for method, dropped in ece.groupby("method", sort=False)["ece_dropped"].max().items():
        if dropped:
            counts.append(
                Count(f"answers in no bin of the ECE, {method}, {where}", int(dropped), "its bins are open at one end")
            )
    return counts
