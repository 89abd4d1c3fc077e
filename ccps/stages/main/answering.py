"""Everything that takes the language model: its answers, their grades, and what methods need from it beyond them."""

from collections.abc import Collection, Sequence
from itertools import combinations

from ccps.core.artifacts import Artifact
from ccps.core.errors import expected
from ccps.grading import GRADERS, make_grader
from ccps.methods import Method, TrainedMethod
from ccps.needs.base import NEEDS, AnsweredQuestions, Respondent, is_portable
from ccps.pipeline.job import Job
from ccps.pipeline.model import SharedModel
from ccps.pipeline.trainer import run_device
from ccps.settings.experiment import Config
from ccps.stages.main.answer import AnswerStage, manner_of
from ccps.stages.main.grade import GradeStage
from ccps.stages.main.questions import AllQuestions
from ccps.stages.main.runs import ModelAnswers, train_label


class Answering:
    """The stages of one model that need it to be there.

    Args:
        job: takes in the stages.
        model: the model.
        questions: what it is asked.
        methods: whose needs are seen to.
        config: how it is asked and graded.

    Raises:
        UserError: a method needs what nobody makes.
    """

    def __init__(
        self,
        job: Job,
        model: SharedModel,
        questions: AllQuestions,
        methods: Sequence[Method | TrainedMethod],
        config: Config,
    ) -> None:
        self.job = job
        self.questions = questions
        self.config = config
        self.model = model
        self.manner = manner_of(config.answering, config.model[model.name])
        self.methods = list(methods)
        for method in methods:
            for need in sorted(method.reads(for_training=True)):
                NEEDS.find(need)

    def run(self) -> ModelAnswers:
        """Answer, grade and ask on."""
        answers = {label: self._answer(label) for label in self.questions.by_label}
        # The head is kept too, so that nothing after this needs the model.
        run = self.job.run_settings
        head = self.job.keep(self.model.head_artifact(run), lambda: self.model.save_head(run, run_device(run)))
        answered = {
            label: AnsweredQuestions(label, self.questions.by_label[label], found, self._grade(label, found))
            for label, found in answers.items()
        }
        trains = {form: answered[train_label(form)] for form in self.questions.trains}
        tests = {label: answered[label] for label in self.questions.tests}
        needs: dict[str, dict[str, Artifact]] = {label: {} for label in answered}
        learnt: dict[tuple[str, str], Artifact] = {}
        respondent = Respondent(self.model, head, self.manner, self.config.answering.shard_questions)
        for need in NEEDS.values():
            for form, train in trains.items():
                sides = [train] if need.name in self._trained(form) else []
                if need.name in self._tested(form):
                    sides += [test for test in tests.values() if test.format == form]
                training = need.training(train, respondent, self.config) if sides else None
                if training is not None:
                    learnt[form, need.name] = self.job.add(training)
                for side in sides:
                    stage = need.stage(side, respondent, self.config, learnt.get((form, need.name)))
                    if stage is not None:
                        needs[side.label][need.name] = self.job.add(stage)
        return ModelAnswers(self.model.name, head, trains, tests, needs, learnt)

    def _tested(self, form: str) -> set[str]:
        """What methods read of answers of a format to score them."""
        return {need for method in self.methods if form in method.formats for need in method.reads()}

    def _trained(self, form: str) -> set[str]:
        """What is read of training answers of a format: by methods that learn, and by those that get a calibrator."""
        read = [
            method
            for method in self.methods
            if form in method.formats and (isinstance(method, TrainedMethod) or is_portable(method))
        ]
        return {need for method in read for need in method.reads(for_training=True)}

    def _answer(self, label: str) -> Artifact:
        """The answers, with what methods need to have read after them; answers that hold more will do as well."""
        collected = [name for name, need in NEEDS.items() if need.is_collected]
        wanted = [name for name in collected if name in self._tested(self.questions.by_label[label][0].format)]
        further = [name for name in collected if name not in wanted]
        stages = [
            self._answer_stage(label, [*wanted, *more])
            for size in range(len(further) + 1)
            for more in combinations(further, size)
        ]
        there = (stage for stage in stages if stage.artifact(self.job.run_settings).complete)
        return self.job.add(next(there, stages[0]))

    def _answer_stage(self, label: str, collect: Collection[str]) -> AnswerStage:
        return AnswerStage(
            self.questions.by_label[label],
            label,
            self.model,
            self.manner,
            self.config.answering.shard_questions,
            collect,  # type: ignore[arg-type]
        )

    def _grade(self, label: str, answers: Artifact) -> dict[str, Artifact]:
        """The answers graded by every grader that knows their format, the one that decides first."""
        questions = self.questions.by_label[label]
        where = f"{label}, {self.model.name}"
        cache = self.config.paths.folder / "judgements"
        grades = {
            name: self.job.add(GradeStage(answers, questions, where, make_grader(grader, cache)))
            for name, grader in self.config.grader.items()
            if questions[0].format in GRADERS[grader.name].formats
        }
        deciding, labels = next(iter(grades.items()))
        self.job.then(lambda: _check_labels(deciding, labels, where), after=[labels])
        return grades


def _check_labels(grader: str, labels: Artifact, where: str) -> None:
    """Refuse a grader that knows of no answer whether it is right."""
    if "accuracy" not in labels.summary:
        raise expected(
            f"the grader `{grader}`",
            f"able to say of some answer whether it is right ({where})",
            ", ".join(f"unknown ({reason}): {number}" for reason, number in labels.reasons("unknown").items()),
            "Name another grader first.",
        )
