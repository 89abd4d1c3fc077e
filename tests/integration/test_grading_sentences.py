"""On sentences made around real answers: those that say one are right, those that deny it or take it back are not."""

import random
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.records import Question
from ccps.grading.open_ended import Contains

CONF = Path(__file__).parents[2] / "conf" / "benchmark" / "trivia_qa.yaml"
SAYING = [
    "{x}", "It is {x}.", "The answer is {x}.", "I am not sure, but it is {x}.", "No, it is {x}.", "{x} is right.",
    "I think it is {x}, but I may be wrong.", "Unless I am wrong, {x}.", "Not Zanzibar, {x}.",
    "Zanzibar? No, {x}.",
    "I thought it was Zanzibar, but it is {x}.", "Some say Zanzibar, but it is {x}.",
    "Zanzibar is wrong. It is {x}.",
    "{x}, and not Zanzibar.", "Without doubt it is {x}.",
]  # fmt: skip
DENYING = [
    "It is not {x}.", "Anything but {x}.", "{x} is wrong.", "{x}? No.", "{x} is not the answer.",
    "It is wrong to say {x}.",
    "I thought it was {x}, but it is Zanzibar.", "Many say {x}, but it is actually Zanzibar.",
    "{x}, no, wait, Zanzibar.",
    "Some people say {x}. That is wrong.", "I do not think it is {x}.", "{x} is a common mistake.",
    "It can't be {x}.",
]  # fmt: skip


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """A thousand questions of TriviaQA."""
    loaded = OmegaConf.to_container(OmegaConf.load(CONF))
    assert isinstance(loaded, dict)
    found = load_questions(BenchmarkSpec(**{str(key): value for key, value in loaded["trivia_qa"].items()})).questions
    return random.Random(1).sample(found, 1000)


def share(questions: list[Question], forms: list[str]) -> float:
    """Of all sentences, those that are graded as right."""
    grader = Contains()
    right = [grader.is_right(form.format(x=one.accepted[0]), one) for one in questions for form in forms]
    print(f"{sum(right)} of {len(right)} are right")
    return sum(right) / len(right)


def test_sentences_that_say_the_answer(questions: list[Question]) -> None:
    assert share(questions, SAYING) > 0.98


def test_sentences_that_deny_it_or_take_it_back(questions: list[Question]) -> None:
    # What stays is of questions that ask for what is not so, and of texts that end like a sentence.
    assert share(questions, DENYING) < 0.04
