from dataclasses import fields, replace
from typing import Any

import pytest

from ccps.data.records import Question, asked_hash, questions_hash

QUESTION = Question("quiz/0", "quiz", "Which way is up?", ("left", "up"), ("b",), "test", "quiz")


def test_format_and_letters() -> None:
    assert (QUESTION.format, QUESTION.letters) == ("mc", "ab")
    assert (replace(QUESTION, options=()).format, replace(QUESTION, options=()).letters) == ("oe", "")


def changed(name: str, value: object) -> Question:
    """The question with one field replaced."""
    change: dict[str, Any] = {name: value}
    return replace(QUESTION, **change)


def test_hash_sees_every_field_and_the_order() -> None:
    other = replace(QUESTION, id="quiz/1")
    variants = [
        [QUESTION],
        [other],
        [QUESTION, other],
        [other, QUESTION],
        *([changed(name, "x")] for name in ("subject", "text", "split", "source")),
        [replace(QUESTION, accepted=("a",))],
        [replace(QUESTION, options=("left, up",))],
        [replace(QUESTION, asked="")],
        [replace(QUESTION, given_answer="")],
        [replace(QUESTION, given_label=False)],
    ]
    hashes = [questions_hash(variant) for variant in variants]
    assert len(set(hashes)) == len(variants)
    assert questions_hash([replace(QUESTION)]) == hashes[0]
    assert all(len(value) == 32 for value in hashes)


ASKED = {
    "id": "quiz/1",
    "text": "Which way?",
    "options": ("left, up",),
    "asked": "",
    "given_answer": "",
}
NOT_ASKED = {
    "subject": "ways",
    "accepted": ("a",),
    "split": "train",
    "source": "exam",
    "given_label": False,
}


def test_hash_of_what_is_asked_sees_what_decides_the_answer_and_the_order() -> None:
    other = replace(QUESTION, id="quiz/1", text="Which way is down?")
    variants = [
        [QUESTION],
        [QUESTION, other],
        [other, QUESTION],
        *([changed(name, value)] for name, value in ASKED.items()),
    ]
    hashes = [asked_hash(variant) for variant in variants]
    assert len(set(hashes)) == len(variants)
    assert asked_hash([replace(QUESTION)]) == hashes[0]
    assert all(len(value) == 32 for value in hashes)


@pytest.mark.parametrize("name", NOT_ASKED)
def test_hash_of_what_is_asked_does_not_see_the_rest(name: str) -> None:
    corrected = [changed(name, NOT_ASKED[name])]
    assert asked_hash(corrected) == asked_hash([QUESTION])
    assert questions_hash(corrected) != questions_hash([QUESTION])


def test_every_field_is_either_asked_or_not() -> None:
    assert {field.name for field in fields(QUESTION)} == {*ASKED, *NOT_ASKED}
