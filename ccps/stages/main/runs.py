"""What the stages have made of each model, as the report reads it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ccps.core.artifacts import Artifact
from ccps.methods import Method, TrainedMethod
from ccps.needs.base import AnsweredQuestions

REFERENCE, OWN, CHANCE = "ccps", "answer_probability", "ccps_shuffled"
UNTRAINED = {"mc": ("option_probability", "answer_probability"), "oe": ("sequence_probability",)}
"""What a trained method of each format has to be better than; the first of them that is run."""


class MethodScores(NamedTuple):
    """The scores of one method.

    Attributes:
        method: its name.
        scores: the score artifact, which holds all seeds.
    """

    method: str
    scores: Artifact


class Count(NamedTuple):
    """How many of something there were, and why that is worth saying."""

    what: str
    number: float
    reason: str


@dataclass(frozen=True)
class Side(AnsweredQuestions):
    """Answered questions with all that methods read of them.

    Attributes:
        needs: of stages that ask the model more, by need.
        features: of the extract stage, by direction of the perturbation.
    """

    needs: Mapping[str, Artifact]
    features: Mapping[str, Artifact]

    def evidence(self, method: Method | TrainedMethod, *, for_training: bool = False) -> dict[str, Artifact]:
        """The artifacts that decide what a method reads; the answers are among the inputs of the features."""
        found = {"features": self.features[method.direction]} if method.reads_features else {"answers": self.answers}
        wanted = sorted(method.reads(for_training=for_training))
        return found | {need: self.needs[need] for need in wanted if need in self.needs}

    def artifacts(self) -> Iterator[Artifact]:
        """All artifacts in the order in which they were made."""
        yield from super().artifacts()
        yield from self.needs.values()
        yield from self.features.values()


class ModelAnswers(NamedTuple):
    """What one model has answered, and what it was asked beyond that.

    Attributes:
        model: key of the model in the configuration.
        head: its output head.
        trains: training questions by format.
        tests: test questions by benchmark.
        needs: artifacts of stages that asked it more, by label and need.
        learnt: what was learnt from the training questions to ask it more, by format and need.
    """

    model: str
    head: Artifact
    trains: Mapping[str, AnsweredQuestions]
    tests: Mapping[str, AnsweredQuestions]
    needs: Mapping[str, Mapping[str, Artifact]]
    learnt: Mapping[tuple[str, str], Artifact]

    def side(self, answered: AnsweredQuestions, features: Mapping[str, Artifact]) -> Side:
        """Some of the questions with all that methods read of them."""
        parts = answered.label, answered.questions, answered.answers, answered.grades
        return Side(*parts, self.needs[answered.label], features)


class Tested(NamedTuple):
    """One model on one test benchmark.

    Attributes:
        side: its answers.
        scored: by each method.
        evaluation: of these.
        choice: artifact of the choose stage for this format; None where it was not asked for, or had no candidate.
        chosen: evaluation of what was chosen, where it is none of the methods that were scored.
    """

    side: Side
    scored: Sequence[MethodScores]
    evaluation: Artifact
    choice: Artifact | None = None
    chosen: Artifact | None = None

    @property
    def evaluations(self) -> list[Artifact]:
        """Of all methods that the report has."""
        return [self.evaluation, *([self.chosen] if self.chosen else [])]


class ModelRun(NamedTuple):
    """Everything about one model.

    Attributes:
        answers: what it answered.
        trains: training questions by format.
        trained: artifacts of the fit stage, by format and method; those that a method is built on are among them.
        out_of_fold: of the out-of-fold stage, likewise.
        choices: of the choose stage, by format, if it was asked for or is there.
        tested: by benchmark.
        audits: artifacts of the audit stage, by format.
        shifts: artifacts of the shifts stage, by format.
    """

    answers: ModelAnswers
    trains: Mapping[str, Side]
    trained: Mapping[str, Mapping[str, Artifact]]
    out_of_fold: Mapping[str, Mapping[str, Artifact]]
    choices: Mapping[str, Artifact]
    tested: Sequence[Tested]
    audits: Mapping[str, Artifact]
    shifts: Mapping[str, Artifact]

    @property
    def model(self) -> str:
        """Key of the model in the configuration."""
        return self.answers.model

    @property
    def all_sides(self) -> list[Side]:
        """Training sides, then tests."""
        return [*self.trains.values(), *(test.side for test in self.tested)]

    def artifacts(self) -> Iterator[tuple[str, Artifact]]:
        """All artifacts with the benchmark they are about, in the order in which they were made."""
        yield "head", self.answers.head
        for (form, _), artifact in self.answers.learnt.items():
            yield train_label(form), artifact
        for side in self.all_sides:
            for artifact in side.artifacts():
                yield side.label, artifact
        for form, by_method in [*self.trained.items(), *self.out_of_fold.items()]:
            for fitted in by_method.values():
                yield train_label(form), fitted
        for form, choice in self.choices.items():
            yield train_label(form), choice
        for test in self.tested:
            for item in test.scored:
                yield test.side.label, item.scores
            for evaluation in test.evaluations:
                yield test.side.label, evaluation
        for part in (self.audits, self.shifts):
            for form, artifact in part.items():
                yield train_label(form), artifact


def train_label(form: str) -> str:
    """What the training questions of a format are called."""
    return f"train_{form}"


def reference_of(methods: Iterable[str]) -> str:
    """The method that others are compared with: CCPS if it is there, else the first."""
    names = list(methods)
    return REFERENCE if REFERENCE in names else names[0]


def all_tests(runs: Sequence[ModelRun]) -> Iterator[tuple[ModelRun, Tested]]:
    """Every model with every benchmark it was tested on."""
    for run in runs:
        for test in run.tested:
            yield run, test
