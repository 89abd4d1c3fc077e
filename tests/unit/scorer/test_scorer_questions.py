"""Questions as people have them."""

import doctest
from types import ModuleType
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.scorer import answers as of_answers
from ccps.scorer import deciding, records
from ccps.scorer import questions as of_questions
from ccps.scorer.answers import labels_of
from ccps.scorer.questions import as_asked

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello."},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": [{"type": "text", "text": "Who wrote "}, {"type": "text", "text": "Hamlet?"}]},
]


def test_a_conversation_is_put_word_for_word() -> None:
    for item in (TALK, {"messages": TALK, "id": "h"}):
        [one] = as_asked([item])
        assert one.question.text == "Who wrote Hamlet?"
        assert [turn["role"] for turn in one.conversation("system")] == ["system", "user", "assistant", "user"]
        assert one.conversation("system")[3]["content"] == "Who wrote Hamlet?"
        first, *rest = one.conversation("prepend")
        assert first == {"role": "user", "content": "Be brief.\n\nHello."}
        assert len(rest) == 2


def test_a_context_stands_before_the_question() -> None:
    [one] = as_asked([{"text": "Where?", "context": "In Rome.", "id": 7}])
    assert one.question.text == "In Rome.\n\nWhere?"
    assert one.question.id == "7"


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Who?", "question": " Who? "},
        {"prompt": "Q: Who?", "text": "Q: Who?"},
        {"messages": [{"role": "user", "content": "Who?"}], "question": "Who?"},
        {"text": "Who?", "options": ["a", "b"], "choices": ("a", "b")},
    ],
)
def test_what_is_said_twice_in_the_same_words_is_asked(row: dict[str, Any]) -> None:
    assert as_asked([row])[0].question.text.strip().endswith("Who?")


def test_records_of_the_house_stay_as_they_are() -> None:
    question = Question("q", "s", "Who?", (), ("Ann",), "test", "mine")
    assert as_asked([question])[0].question == question
    [known], labels = labels_of(as_asked([question]), None)
    assert (known.question.accepted, labels) == (("Ann",), None)


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (None, "`questions` to be several, but got nothing"),
        ("Who?", "several, but got a single text"),
        (7, "several, but got a int"),
        ("nowhere.csv", "a file of questions, but got No such file"),
        (TALK, "a list of questions, but got a single conversation"),
        ([TALK[:3]], "ends with that of the assistant"),
        ([[{"role": "robot", "content": "x"}]], "among system, user, assistant, but got 'robot'"),
        ([[*TALK, TALK[0], TALK[1]]], "one with a later system message"),
        ([{"messages": "Who?"}], "`messages` is the text 'Who\\?'"),
        ([{"messages": [{"role": "user", "content": [{"type": "image"}]}]}], r"`content` is a mapping"),
        (["Who?", {"text": "Red?", "options": ["a", "b"]}], "question '1' to be without options: so is the first"),
        ([{"text": "Red?", "options": ["a", "b"]}, "Who?"], "`options` of question '1'.*Fit multiple choice and open"),
        ([{"right": "a"}], "question '0' to be one with a `text`"),
        ([{"text": "Who?", "question": "What?"}], "`text` or `question`, but got both, which differ: 'What\\?'"),
        ([{"question": "Who?", "prompt": "Answer briefly."}], "`question` or `prompt`, but got both"),
        ([{"messages": TALK, "text": "Who?"}], "`messages` or `text`, but got both"),
        ([{"messages": TALK, "context": "In 1600."}], "`messages` or `context`, but got both"),
        ([{"text": "Red?", "options": ["a", "b"], "choices": ["a", "c"]}], "`options` or `choices`, but got both"),
    ],
)
def test_what_is_no_question(questions: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_asked(questions)


@pytest.mark.parametrize("module", [of_questions, of_answers, records, deciding])
def test_the_examples_are_true(module: ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed


@pytest.mark.parametrize("text", ["nan", "None", " null ", "N/A", "<NA>", "#REF!"])
def test_nothing_written_as_text_is_no_question(text: str) -> None:
    with pytest.raises(UserError, match="question 0 to be one whose fields are texts"):
        as_asked([{"text": text}])
    assert as_asked([{"text": "Q?", "options": [text, "x"]}])[0].question.options[0] == text


def test_labels_of_options_must_be_in_order() -> None:
    options = {"text": ["x", "y"], "label": ["A", "B"]}
    assert as_asked([{"text": "Q?", "options": options}])[0].question.options == ("x", "y")
    with pytest.raises(UserError, match="labelled b, a, not in order"):
        as_asked([{"text": "Q?", "options": options | {"label": ["B", "A"]}}])
