"""A dataset as a reasoning task: its questions, how each is put to the model, what its answers look like."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from ccps.core.errors import expected
from ccps.core.settings import check
from ccps.data.benchmarks import load_questions
from ccps.data.records import Question
from ccps.data.sampling import sample
from ccps.reasoning.marking import unfit
from ccps.settings.faithful.task import IN_BRACES, TaskSpec


class LoadedTask(NamedTuple):
    """The questions of a task."""

    questions: list[Question]
    """In an order that depends on seed and ids alone."""
    left_out: Mapping[str, int]
    """How many records and questions are not among them, by reason."""


def load_task(spec: TaskSpec) -> LoadedTask:
    """Read the questions of a task and draw its sample.

    Raises:
        UserError: a source cannot be read, or nothing is left of the task.
    """
    check(spec, spec.name)
    pool: list[Question] = []
    left_out: Counter[str] = Counter()
    for source in spec.source.values():
        loaded = load_questions(source)
        left_out.update(loaded.left_out)
        for question in loaded.questions:
            reason = unfit(question, spec.answer)
            if reason:
                left_out[reason] += 1
            else:
                pool.append(replace(question, source=spec.name))
    if not pool:
        reasons = ", ".join(f"{reason} ({n})" for reason, n in left_out.items() if n) or "its data are empty"
        raise expected(f"task `{spec.name}`", "at least one question", f"none: {reasons}", "Correct `source`.")
    chosen = sample(pool, total=len(pool) if spec.n is None else spec.n, seed=spec.seed)
    left_out["not in the sample"] = len(pool) - len(chosen)
    return LoadedTask(chosen, +left_out)


def task_prompt(task: TaskSpec, question: Question) -> str:
    """The text of the user's turn: the task's prompt, filled in."""
    options = "\n".join(f"{number}. {option}" for number, option in enumerate(question.options, start=1))
    values = {
        "question": question.text.strip(),
        "options": options,
        "n_options": str(len(question.options)),
        "steps": task.steps,
    }
    return IN_BRACES.sub(lambda match: values[match[1]], task.prompt).strip()
