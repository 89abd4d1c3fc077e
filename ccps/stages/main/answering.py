"""Everything that takes the language model: its answers, their grades, and what methods need from it beyond them."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from ccps.asking.follow_up import AfterAnswer
from ccps.asking.interview import Manner
from ccps.core.artifacts import Artifact
from ccps.core.errors import expected
from ccps.grading import GRADERS, make_grader
from ccps.methods import TrainedMethod
from ccps.needs.asked import Asked
from ccps.needs.registry import NEEDS
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import run_device
from ccps.settings.experiment import Config
from ccps.stages.main.answer import AnswerStage
from ccps.stages.main.grade import GradeStage
from ccps.stages.main.questions import AllQuestions
from ccps.stages.main.runs import ModelSides, Side, train_label

if TYPE_CHECKING:
    from ccps.stages.main.pipeline import Pipeline


class Answering:
    """The stages of one model that need it to be there.

    Args:
        pipeline: runs them.
        model: the model.
        questions: what it is asked.
    """

    def __init__(self, pipeline: "Pipeline", model: SharedModel, questions: AllQuestions) -> None:
        self.pipeline = pipeline
        self.config = pipeline.config
        self.model = model
        self.questions = questions
        self.learnt: dict[tuple[str, str], Artifact] = {}

    def run(self) -> ModelSides | None:
        """Answer, grade and ask on; None if the last stage that is asked for comes before."""
        answers = {label: self._answer(label) for label in self.questions.by_label}
        # The head is kept too, so that nothing after this needs the model.
        run = self.pipeline.run_settings
        run.ranks.on_first(lambda: self.model.save_head(run, run_device(run)))
        head = self.model.head_artifact(run)
        if self.pipeline.ends_with("answer"):
            return None
        grades = {label: self._grade(label, answers[label]) for label in answers}
        if self.pipeline.ends_with("grade"):
            return None
        asked = {
            label: Asked(
                label,
                self.questions.by_label[label],
                answers[label],
                next(iter(grades[label].values())),
                self.model,
                manner_of(self.config, self.model.name),
                self.config,
            )
            for label in answers
        }
        needs = self._ask_on(asked)
        sides = {
            label: Side(label, one.questions, one.answers, grades[label], needs[label], {})
            for label, one in asked.items()
        }
        return ModelSides(
            self.model.name,
            head,
            {form: sides[train_label(form)] for form in self.questions.trains},
            {label: sides[label] for label in self.questions.tests},
            self.learnt,
        )

    def _answer(self, label: str) -> Artifact:
        """The answers, with what methods need to have read after them; answers that hold more will do as well."""
        wanted = {need for method in self.pipeline.methods for need in method.needs} & set(AfterAnswer._fields)
        further = [name for name in AfterAnswer._fields if name not in wanted]
        stages = [
            self._answer_stage(label, [*wanted, *more])
            for size in range(len(further) + 1)
            for more in combinations(further, size)
        ]
        there = (stage for stage in stages if stage.artifact(self.pipeline.run_settings).complete)
        return self.pipeline.do(next(there, stages[0]))

    def _answer_stage(self, label: str, collect: Sequence[str]) -> AnswerStage:
        return AnswerStage(
            self.questions.by_label[label],
            label,
            self.model,
            manner_of(self.config, self.model.name),
            self.config.answering.shard_questions,
            collect,  # type: ignore[arg-type]
        )

    def _grade(self, label: str, answers: Artifact) -> dict[str, Artifact]:
        """The answers graded by every grader that knows their format, the one that decides first.

        Raises:
            UserError: that one knows of no answer whether it is right.
        """
        questions = self.questions.by_label[label]
        where = f"{label}, {self.model.name}"
        kept = Path(self.config.paths.artifacts) / "judgements"
        grades = {
            name: self.pipeline.do(GradeStage(answers, questions, where, make_grader(grader, kept)))
            for name, grader in self.config.grader.items()
            if questions[0].format in GRADERS[grader.name].formats
        }
        deciding, labels = next(iter(grades.items()))
        if "accuracy" not in labels.summary:
            raise expected(
                f"the grader `{deciding}`",
                f"able to say of some answer whether it is right ({where})",
                ", ".join(f"{name}: {number}" for name, number in labels.summary.items() if name.startswith("unknown")),
                "Name another grader first.",
            )
        return grades

    def _ask_on(self, asked: Mapping[str, Asked]) -> dict[str, dict[str, Artifact]]:
        """What stages of their own make for methods, by side and need."""
        found: dict[str, dict[str, Artifact]] = {label: {} for label in asked}
        for name, need in NEEDS.items():
            for form, train in ((form, asked[train_label(form)]) for form in self.questions.trains):
                sides = [train] if self._trains_on(name) else []
                sides += [one for label, one in asked.items() if label in self.questions.tests and self._tests_on(name)]
                sides = [one for one in sides if one.questions[0].format == form]
                if not sides:
                    continue
                learnt = None
                if need.training is not None:
                    training = need.training(train)
                    if not self.pipeline.reaches(training):
                        continue
                    learnt = self.learnt[form, name] = self.pipeline.do(training)
                for one in sides:
                    stage = need.stage(one, learnt)
                    # Only scores need the tests': a run that ends before them need not name the stage.
                    is_needed = one is train or not self.pipeline.ends_with("fit") or stage.name in self.config.stages
                    if is_needed and self.pipeline.reaches(stage):
                        found[one.label][name] = self.pipeline.do(stage)
        return found

    def _trains_on(self, need: str) -> bool:
        methods = [method for method in self.pipeline.methods if isinstance(method, TrainedMethod)]
        return any(need in method.needs | method.training_needs for method in methods)

    def _tests_on(self, need: str) -> bool:
        return any(need in method.needs for method in self.pipeline.methods)


def manner_of(config: Config, model: str) -> Manner:
    """How questions are put to a model."""
    answering = config.answering
    return Manner(
        choice=answering.method,  # type: ignore[arg-type]
        prompt=answering.prompt,  # type: ignore[arg-type]
        max_new_tokens=answering.max_new_tokens,
        system_role=config.model[model].system_role,  # type: ignore[arg-type]
        max_batch_tokens=answering.max_batch_tokens,
    )
