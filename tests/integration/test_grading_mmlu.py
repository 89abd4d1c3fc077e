"""On real questions: no wrong option of a question is graded as its right answer."""

from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.records import Question
from ccps.grading.base import Comparison
from ccps.grading.normalise import normalise
from ccps.grading.open_ended import Contains, Normalised

CONF = Path(__file__).parents[2] / "conf" / "benchmark" / "mmlu_oe.yaml"


@pytest.fixture(scope="module")
def questions() -> list[tuple[Question, list[str]]]:
    """Every open-ended MMLU question with its wrong options."""
    loaded = OmegaConf.to_container(OmegaConf.load(CONF))
    assert isinstance(loaded, dict)
    spec = BenchmarkSpec(**{str(key): value for key, value in loaded["mmlu_oe"].items()})
    choices = replace(spec, format="mc", keep_answer_pattern=None)
    options = {question.id: question for question in load_questions(choices).questions}
    found = []
    for question in load_questions(spec).questions:
        asked = options[question.id]
        texts = dict(zip(asked.letters, asked.options, strict=True))
        found.append((question, [text for letter, text in texts.items() if letter not in asked.accepted]))
    return found


@pytest.mark.parametrize("grader", [Normalised(), Contains()], ids=lambda grader: grader.name)
def test_no_wrong_option_is_right(grader: Comparison, questions: list[tuple[Question, list[str]]]) -> None:
    assert len(questions) > 2000
    passed = [
        (question.id, question.accepted, option)
        for question, wrong in questions
        for option in wrong
        if grader.is_right(option, question) and normalise(option) not in map(normalise, question.accepted)
    ]
    assert passed == []


@pytest.mark.parametrize("grader", [Normalised(), Contains()], ids=lambda grader: grader.name)
def test_every_right_option_is_right(grader: Comparison, questions: list[tuple[Question, list[str]]]) -> None:
    missed = [question.id for question, _ in questions if not grader.is_right(question.accepted[0], question)]
    assert missed == []
