"""What the stages have made of each model, as the report reads it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ccps.core.artifacts import Artifact
from ccps.data.records import Question
from ccps.methods import Method, TrainedMethod
from ccps.stages.main.evaluate import MethodScores

REFERENCE, OWN, CHANCE = "ccps", "answer_probability", "ccps_shuffled"


class Count(NamedTuple):
    """How many of something there were, and why that is worth saying."""

    what: str
    number: float
    reason: str


class Side(NamedTuple):
    """Questions of one format, answered, graded and featurised by one model.

    Attributes:
        label: benchmark name, or `train_label` of the format.
        questions: what was asked.
        answers: artifact of the answer stage.
        grades: of the grade stage, by grader; the first one's labels decide.
        needs: of stages that ask the model more, by the field of `Evidence` they fill.
        features: of the extract stage, by direction of the perturbation.
    """

    label: str
    questions: Sequence[Question]
    answers: Artifact
    grades: Mapping[str, Artifact]
    needs: Mapping[str, Artifact]
    features: Mapping[str, Artifact]

    def evidence(self, method: Method | TrainedMethod, *, for_training: bool = False) -> dict[str, Artifact]:
        """The artifacts that decide what a method reads; the answers are among the inputs of the features."""
        wanted = set(method.needs)
        if for_training and isinstance(method, TrainedMethod):
            wanted |= method.training_needs
        found = {"features": self.features[method.direction]} if method.reads_features else {"answers": self.answers}
        found |= {need: self.needs[need] for need in sorted(wanted) if need in self.needs}
        return found

    @property
    def labels(self) -> Artifact:
        """The grades that decide."""
        return next(iter(self.grades.values()))

    @property
    def format(self) -> str:
        """Multiple choice ("mc") or open-ended ("oe")."""
        return self.questions[0].format

    def artifacts(self) -> Iterator[Artifact]:
        """All artifacts in the order in which they were made."""
        yield self.answers
        yield from self.grades.values()
        yield from self.needs.values()
        yield from self.features.values()


class ModelSides(NamedTuple):
    """What one model has answered.

    Attributes:
        model: key of the model in the configuration.
        head: its output head.
        trains: training questions by format.
        tests: test questions by benchmark.
        learnt: what was learnt from the training questions to ask it more, by format and need.
    """

    model: str
    head: Artifact
    trains: Mapping[str, Side]
    tests: Mapping[str, Side]
    learnt: Mapping[tuple[str, str], Artifact]


class Tested(NamedTuple):
    """One model on one test benchmark."""

    side: Side
    scored: Sequence[MethodScores]
    evaluation: Artifact


class ModelRun(NamedTuple):
    """Everything about one model.

    Attributes:
        sides: what it was asked.
        trained: artifacts of the fit stage, by format and method.
        tested: by benchmark.
        audits: artifacts of the audit stage, by format.
    """

    sides: ModelSides
    trained: Mapping[str, Mapping[str, Artifact]]
    tested: Sequence[Tested]
    audits: Mapping[str, Artifact]

    @property
    def model(self) -> str:
        """Key of the model in the configuration."""
        return self.sides.model

    @property
    def all_sides(self) -> list[Side]:
        """Training sides, then tests."""
        return [*self.sides.trains.values(), *(test.side for test in self.tested)]

    def artifacts(self) -> Iterator[tuple[str, Artifact]]:
        """All artifacts with the benchmark they are about, in the order in which they were made."""
        yield "head", self.sides.head
        for (form, _), artifact in self.sides.learnt.items():
            yield train_label(form), artifact
        for side in self.all_sides:
            for artifact in side.artifacts():
                yield side.label, artifact
        for form, by_method in self.trained.items():
            for fitted in by_method.values():
                yield train_label(form), fitted
        for test in self.tested:
            for item in test.scored:
                yield test.side.label, item.scores
            yield test.side.label, test.evaluation
        for form, audit in self.audits.items():
            yield train_label(form), audit


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
