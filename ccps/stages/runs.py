"""What the stages have made of each model, as the report reads it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ccps.artifacts import Artifact
from ccps.data.records import Question
from ccps.methods import Method, TrainedMethod
from ccps.stages.evaluate import Scored

REFERENCE, OWN = "ccps", "answer_probability"


class Count(NamedTuple):
    """How many of something there were, and why that is worth saying."""

    what: str
    number: float
    reason: str


class Side(NamedTuple):
    """Questions answered, graded and featurised by one model.

    Attributes:
        label: benchmark name, or "train".
        questions: what was asked.
        answers: artifact of the answer stage.
        grades: of the grade stage, by grader; the first one's labels decide.
        features: of the extract stage, by direction of the perturbation.
        self_evaluation: of the stage that asks the model about its answers; None if no method needs it.
    """

    label: str
    questions: Sequence[Question]
    answers: Artifact
    grades: Mapping[str, Artifact]
    features: Mapping[str, Artifact]
    self_evaluation: Artifact | None = None

    def evidence_keys(self, method: Method | TrainedMethod) -> dict[str, str]:
        """Keys of the artifacts that a method reads; those of the answers stand in those of the features."""
        keys = {"features": self.features[method.direction].key}
        if "self_evaluation" in method.needs and self.self_evaluation is not None:
            keys["self_evaluation"] = self.self_evaluation.key
        return keys

    @property
    def labels(self) -> Artifact:
        """The grades that decide."""
        return next(iter(self.grades.values()))

    @property
    def format(self) -> str:
        """Multiple choice ("mc") or open-ended ("oe")."""
        return self.questions[0].format


class Tested(NamedTuple):
    """One model on one test benchmark."""

    side: Side
    scored: Sequence[Scored]
    evaluation: Artifact


class ModelRun(NamedTuple):
    """Everything about one model; what was trained, by method and seed."""

    model: str
    head: Artifact
    train: Side
    trained: Mapping[str, Mapping[int, Artifact]]
    tested: Sequence[Tested]

    def artifacts(self) -> Iterator[tuple[str, Artifact]]:
        """All artifacts with the benchmark they are about, in the order in which they were made."""
        yield "head", self.head
        for side in (self.train, *(test.side for test in self.tested)):
            yield side.label, side.answers
            for grades in side.grades.values():
                yield side.label, grades
            if side.self_evaluation is not None:
                yield side.label, side.self_evaluation
            for features in side.features.values():
                yield side.label, features
        for by_seed in self.trained.values():
            for fitted in by_seed.values():
                yield self.train.label, fitted
        for test in self.tested:
            for item in test.scored:
                yield test.side.label, item.scores
            yield test.side.label, test.evaluation


def reference_of(methods: Iterable[str]) -> str:
    """The method that others are compared with: CCPS if it is there, else the first."""
    names = list(methods)
    return REFERENCE if REFERENCE in names else names[0]


def all_tests(runs: Sequence[ModelRun]) -> Iterator[tuple[ModelRun, Tested]]:
    """Every model with every benchmark it was tested on."""
    for run in runs:
        for test in run.tested:
            yield run, test
