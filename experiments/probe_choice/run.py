"""Read the graded training answers of an experiment, compare recipes on them, write the tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ccps.core.console import say
from ccps.core.errors import expected
from ccps.core.text import interval, percent
from ccps.data.records import Question
from ccps.methods import TrainingAnswers, find_method
from ccps.pipeline.job import Job
from ccps.pipeline.publish import check_writable, output_errors
from ccps.pipeline.stage import Run
from ccps.settings.experiment import Config
from ccps.stages.main.graded import graded_answers
from ccps.stages.main.pipeline import Pipeline
from ccps.stages.main.questions import AllQuestions, all_questions
from experiments.probe_choice.measure import Measured, fit_and_score, folds_of, table
from experiments.probe_choice.recipes import all_recipes, chosen_of
from experiments.probe_choice.settings import Choice

TABLE, PAGE = "probes.csv", "probes.md"
ALONE_TOO = ("auto", "paper")
"""Recipes of which the first seed stands in the table by itself too."""

_FOLD_SEED = 0


def compare_recipes(choice: Choice, settings: Mapping[str, Any], run: Run, output: Path) -> None:
    """Compare the recipes for every model and format; `probes.csv` and `probes.md` are written after each."""
    check_writable(output)
    questions = all_questions(choice.experiment, judged=False)
    for form in choice.choice.formats:
        _check_sources(form, questions.trains[form])
    found: list[pd.DataFrame] = []
    for model in choice.experiment.model:
        for form in choice.choice.formats:
            answers, sources = training_answers(choice.experiment, settings, run, model, questions.trains[form])
            found.append(_compared(choice, model, form, answers, sources, settings))
            rows = pd.concat(found, ignore_index=True)
            with output_errors(output):
                rows.to_csv(output / TABLE, index=False, lineterminator="\n")
                (output / PAGE).write_text("\n".join(page(rows)) + "\n", encoding="utf-8")
    say("probes", choice.experiment.experiment, str(output / PAGE), state="written")


def training_answers(
    config: Config, settings: Mapping[str, Any], run: Run, model: str, asked: Sequence[Question]
) -> tuple[TrainingAnswers, np.ndarray[Any, np.dtype[np.str_]]]:
    """One model's graded answers to the training questions of one format with their features, the source of each."""
    form = asked[0].format
    questions = AllQuestions({form: asked}, {}, [], [])
    pipeline = Pipeline(config, settings, Job(run, ["answer", "grade", "extract"]))
    answered = pipeline.answers(model, questions)
    side = pipeline._side(answered, answered.trains[form])
    pipeline.job.run()
    known = graded_answers(side, find_method("ccps"), answered.head)
    source_of = {question.id: question.source for question in asked}
    sources = np.array([source_of[name] for name in known.question_ids])
    return TrainingAnswers(known.evidence, known.correct, known.question_ids), sources


def _check_sources(form: str, questions: Sequence[Question]) -> None:
    """Refuse what leaves nothing to fit to."""
    sources = sorted({question.source for question in questions})
    if len(sources) < 2:
        what, wanted = f"the training questions ({form})", "of two sources or more, one of which is left out in turn"
        raise expected(what, wanted, ", ".join(sources), "Train on further benchmarks (benchmark@train).")


def _compared(
    choice: Choice,
    model: str,
    form: str,
    answers: TrainingAnswers,
    sources: np.ndarray[Any, np.dtype[np.str_]],
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    config, own = choice
    trained = Pipeline(config, settings, None).training_settings(form)  # type: ignore[arg-type]
    assert trained.paper_probe is not None
    recipes = chosen_of(all_recipes(trained.probe, trained.paper_probe), own.recipes)
    folds = folds_of(sources, own.sizes, own.draws, _FOLD_SEED)
    measured: dict[str, Measured] = {}
    for name, recipe in recipes.items():
        measured[name] = fit_and_score(recipe, answers, folds, own.seeds, trained)
        if name in ALONE_TOO:
            measured[f"{name}, one seed"] = measured[name]._replace(p=measured[name].p_of_one)
        dead, probes = sum(measured[name].dead.values()), sum(measured[name].probes.values())
        say("probes", f"{model}, {form}, {name}", f"{dead} of {probes} collapsed, {measured[name].seconds:.0f} s")
    rows = table(form, measured, answers, folds, config.evaluation.resamples, config.evaluation.level)
    return rows.assign(model=model)


def page(rows: pd.DataFrame) -> Iterator[str]:
    """The table in Markdown, a part for each model and format."""
    for (model, form), own in rows.groupby(["model", "format"], sort=False):
        sizes = list(own["size"].drop_duplicates())
        yield f"### {model}, {form}\n"
        yield "| recipe | " + " | ".join(f"AUROC, n = {size} | Brier | collapsed" for size in sizes) + " |"
        yield "|---|" + "---|" * 3 * len(sizes)
        for name, one in own.groupby("recipe", sort=False):
            cells = [cell for size in sizes for cell in _cells(one[one["size"] == size])]
            yield f"| {name} | " + " | ".join(cells) + " |"
        yield ""


def _cells(own: pd.DataFrame) -> Iterator[str]:
    by_metric = own.set_index("metric")
    for metric in ("auroc", "brier"):
        row = by_metric.loc[metric]
        apart = f"{100 * row['difference']:+.1f} {interval(row['difference_low'], row['difference_high'])}"
        yield f"{percent(row['value'])} ({apart})"
    yield f"{own['dead'].iloc[0]} of {own['probes'].iloc[0]}"
