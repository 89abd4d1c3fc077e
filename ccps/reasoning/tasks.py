"""A dataset as a reasoning task: its questions, how each is put to the model, what its answers look like."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, get_args

from ccps.core.errors import UserError, expected
from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.records import Question
from ccps.data.sampling import sample
from ccps.reasoning.marking import Kind, unfit

PLACEHOLDERS = ("question", "options", "n_options", "steps")
# A name in braces; behind a LaTeX command it is the command's argument.
_IN_BRACES = re.compile(r"(?<!\w)\{(\w+)\}")


# Not frozen: Hydra cannot compose files into a frozen schema (its nodes are read-only).
@dataclass
class TaskSpec:
    r"""A reasoning task; usable as a structured config.

    Attributes:
        name: name of the dataset, the `source` of its questions.
        prompt: what the user says. `{question}`, `{options}` (a numbered line each, from 1), `{n_options}` and
            `{steps}` are filled in; other braces stand for themselves, so `\boxed{}` is written as it is.
        answer: what a final answer looks like, see `ccps.reasoning.marking.Kind`.
        source: where its questions lie, under any keys; several are pooled.
        steps: for the prompt, how many steps (paragraphs) the reasoning may have at most. The released code of
            arXiv 2606.03969 asks for 20-30.
        n: how many questions to draw from the pool, each with the same chance; None takes all.
        seed: of the draw. A larger sample contains every smaller one of the same seed.

    Raises:
        UserError: settings that are wrong or do not go together, all in one message.
    """

    name: str
    prompt: str
    answer: str
    source: dict[str, BenchmarkSpec] = field(default_factory=dict)
    steps: str = "20-30"
    n: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        faults = [*self._prompt_faults(), *self._source_faults()]
        if self.answer not in get_args(Kind):
            faults.append(f"`answer` to be one of {', '.join(get_args(Kind))}, but got {self.answer!r}")
        if self.n is not None and self.n < 1:
            faults.append(f"`n` to be a positive number, or left out to take all questions, but got {self.n}")
        if faults:
            lines = "".join(f"\n  - {fault}" for fault in faults)
            raise UserError(f"Expected of task `{self.name}`:{lines}\nCorrect these settings and run again.")

    def _prompt_faults(self) -> list[str]:
        named = _IN_BRACES.findall(self.prompt)
        faults = [
            f"`prompt` to name only {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}, but got {{{name}}}"
            for name in dict.fromkeys(named)
            if name not in PLACEHOLDERS
        ]
        needed = ("question", "options") if self.answer == "option" else ("question",)
        return faults + [f"`prompt` to hold {{{name}}}, but got none" for name in needed if name not in named]

    def _source_faults(self) -> list[str]:
        names = Counter(source.name for source in self.source.values())
        faults = [f"sources of different names, but got `{name}` {n} times" for name, n in names.items() if n > 1]
        return faults or ([] if self.source else ["at least one `source`, but got none"])


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
    return _IN_BRACES.sub(lambda match: values[match[1]], task.prompt).strip()
