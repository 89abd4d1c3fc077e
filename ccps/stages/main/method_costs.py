"""What each method costs by itself, for one question of a test."""

from collections.abc import Sequence

import pandas as pd

from ccps.analysis.data import METHOD_COST_COLUMNS
from ccps.methods import Method, TrainedMethod, find_method
from ccps.needs.base import NEEDS
from ccps.pipeline.costs import total_cost
from ccps.settings.method import MethodConfig
from ccps.stages.main.evaluate import LEAST_ANSWERS
from ccps.stages.main.runs import MethodScores, ModelRun, Side, all_tests


def method_costs(runs: Sequence[ModelRun], methods: Sequence[MethodConfig]) -> pd.DataFrame:
    """Seconds, tokens and bytes per question of every method on every test, and what its training took.

    A method is charged with answering, with what it needs beyond that, with the extraction of all features if it reads
    any, and with its scores. What several methods read in one pass each is charged with, up to the last token it needs.
    """
    rows = []
    for run, test in all_tests(runs):
        by_name = {item.method: item for item in test.scored}
        for config in methods:
            method = find_method(config.name, config.calibrator)
            scored = by_name.get(method.name)
            if scored is not None and scored.scores.summary["scored"] >= LEAST_ANSWERS:
                costs = _per_question(test.side, method, scored) | _training(run, test.side.format, method)
                rows.append({"model": run.model, "benchmark": test.side.label, "method": method.name, **costs})
    return pd.DataFrame(rows, columns=list(METHOD_COST_COLUMNS))


def _per_question(side: Side, method: Method | TrainedMethod, scored: MethodScores) -> dict[str, float]:
    n = len(side.questions)
    answering = total_cost(side.answers, "seconds") - total_cost(side.answers, "follow_up_seconds")
    answer_tokens = total_cost(side.answers, "tokens") - total_cost(side.answers, "follow_up_tokens")
    share = max((NEEDS[need].share_of_follow_up(side.answers) for need in method.needs), default=0.0)
    extra = [side.needs[need] for need in sorted(method.needs) if need in side.needs]
    features = [side.features[method.direction]] if method.reads_features else []
    seeds = scored.scores.rows().column("seed").unique()
    seconds = (
        answering
        + share * total_cost(side.answers, "follow_up_seconds")
        + sum(total_cost(artifact, "seconds") for artifact in [*extra, *features])
        + total_cost(scored.scores, "seconds") / len(seeds)
    )
    tokens = (
        answer_tokens
        + share * total_cost(side.answers, "follow_up_tokens")
        + sum(total_cost(artifact, "tokens") for artifact in extra)
    )
    stored = sum(artifact.n_bytes for artifact in [side.answers, *extra, *features])
    return {"seconds": seconds / n, "shared": answering / n, "tokens": tokens / n, "bytes": stored / n}


def _training(run: ModelRun, form: str, method: Method | TrainedMethod) -> dict[str, float]:
    """Numbers that were trained, and seconds it took for one seed: of the method, or of the model for it."""
    trained = run.trained.get(form, {}).get(method.name)
    if trained is not None:
        seconds = total_cost(trained, "seconds") / len(trained.inputs["seeds"])
        return {"parameters": trained.summary["parameters"], "training_seconds": seconds}
    tuned = [run.answers.learnt[form, need] for need in method.needs if (form, need) in run.answers.learnt]
    if not tuned:
        return {"parameters": 0, "training_seconds": 0.0}
    return {
        "parameters": sum(artifact.summary["parameters"] for artifact in tuned),
        "training_seconds": sum(total_cost(artifact, "seconds") for artifact in tuned),
    }
