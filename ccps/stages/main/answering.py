"""Everything that takes the language model: its answers, their grades, and what methods need from it beyond them."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from ccps.asking.follow_up import AfterAnswer
from ccps.asking.interview import Manner
from ccps.core.artifacts import Artifact
from ccps.core.errors import expected
from ccps.grading import GRADERS, make_grader
from ccps.methods import Method, TrainedMethod
from ccps.needs.asked import Asked
from ccps.needs.registry import NEEDS
from ccps.pipeline.job import Job
from ccps.pipeline.model import SharedModel
from ccps.pipeline.stage import run_device
from ccps.settings.experiment import Config
from ccps.stages.main.answer import AnswerStage
from ccps.stages.main.grade import GradeStage
from ccps.stages.main.questions import AllQuestions
from ccps.stages.main.runs import ModelSides, Side, train_label


class Answering:
    """The stages of one model that need it to be there.

    Args:
        config: the experiment.
        methods: that will read what it says.
        job: takes in the stages.
        model: the model.
        questions: what it is asked.
    """

    def __init__(
        self,
        config: Config,
        methods: Sequence[Method | TrainedMethod],
        job: Job,
        model: SharedModel,
        questions: AllQuestions,
    ) -> None:
        self.config = config
        self.methods = methods
        self.job = job
        self.model = model
        self.questions = questions
        self.learnt: dict[tuple[str, str], Artifact] = {}

    def sides(self) -> ModelSides:
        """Answer, grade and ask on."""
        answers = {label: self._answer(label) for label in self.questions.by_label}
        # The head is kept too, so that nothing after this needs the model.
        run = self.job.run_settings
        head = self.job.keep(self.model.head_artifact(run), lambda: self.model.save_head(run, run_device(run)))
        grades = {label: self._grade(label, answers[label]) for label in answers}
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
        wanted = {need for method in self.methods for need in method.needs} & set(AfterAnswer._fields)
        further = [name for name in AfterAnswer._fields if name not in wanted]
        stages = [
            self._answer_stage(label, [*wanted, *more])
            for size in range(len(further) + 1)
            for more in combinations(further, size)
        ]
        there = (stage for stage in stages if stage.artifact(self.job.run_settings).complete)
        return self.job.add(next(there, stages[0]))

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
        """The answers graded by every grader that knows their format, the one that decides first."""
        questions = self.questions.by_label[label]
        where = f"{label}, {self.model.name}"
        kept = Path(self.config.paths.artifacts) / "judgements"
        grades = {
            name: self.job.add(GradeStage(answers, questions, where, make_grader(grader, kept)))
            for name, grader in self.config.grader.items()
            if questions[0].format in GRADERS[grader.name].formats
        }
        deciding, labels = next(iter(grades.items()))
        self.job.then(lambda: _check_labels(deciding, labels, where), after=[labels])
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
                    learnt = self.learnt[form, name] = self.job.add(need.training(train))
                for one in sides:
                    found[one.label][name] = self.job.add(need.stage(one, learnt))
        return found

    def _trains_on(self, need: str) -> bool:
        methods = [method for method in self.methods if isinstance(method, TrainedMethod)]
        return any(need in method.needs | method.training_needs for method in methods)

    def _tests_on(self, need: str) -> bool:
        return any(need in method.needs for method in self.methods)


def _check_labels(grader: str, labels: Artifact, where: str) -> None:
    """Refuse a grader that knows of no answer whether it is right."""
    if "accuracy" not in labels.summary:
        raise expected(
            f"the grader `{grader}`",
            f"able to say of some answer whether it is right ({where})",
            ", ".join(f"{name}: {number}" for name, number in labels.summary.items() if name.startswith("unknown")),
            "Name another grader first.",
        )


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
