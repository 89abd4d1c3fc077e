from collections.abc import Callable

import pytest

from ccps.asking.interview import Interview, Manner
from ccps.data.records import Question
from ccps.llm import LanguageModel
from ccps.tuning import Answered, Example, ask_about

TEXTS = ("Who?", "What is the longest river?", "Why is that so?", "How many?", "Where to?", "Whence, and for how long?")
QUESTIONS = [Question(f"q{i}", "s", text, (), ("x",), "test", "s") for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="session")
def questions() -> list[Question]:
    return QUESTIONS


@pytest.fixture(scope="session")
def answered() -> Callable[[LanguageModel], list[Answered]]:
    """What a model answers to a few open questions; some tiny models answer with nothing, and are not for this."""

    def answer(lm: LanguageModel) -> list[Answered]:
        interview = Interview(lm, QUESTIONS, Manner(max_new_tokens=3))
        given = interview.answer_all()
        return [
            Answered(question.id, one.text, prompt, one.tokens, one.states)
            for question, prompt, one in zip(QUESTIONS, interview.prompts, given, strict=True)
            if one.tokens
        ]

    return answer


@pytest.fixture(scope="session")
def examples(answered: Callable[[LanguageModel], list[Answered]]) -> Callable[[LanguageModel], list[Example]]:
    """The same with the query after each; every other one is called right."""

    def lay_out(lm: LanguageModel) -> list[Example]:
        known = answered(lm)
        assert len(known) >= 4
        return [
            Example(tokens, len(one.prompt), one.states, index % 2 == 0)
            for index, (one, tokens) in enumerate(
                zip(known, ask_about(lm, known, QUESTIONS[0], Manner()).prompts, strict=True)
            )
        ]

    return lay_out
