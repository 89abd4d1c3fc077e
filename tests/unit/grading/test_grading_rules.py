from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.grading import GraderConfig, Usage, Verdict, answer_letter, is_option_letter, make_grader

MC = Question("quiz/0", "quiz", "Which way is up?", ("left", "up", "down"), ("b",), "test", "quiz")
OE = replace(MC, options=(), accepted=("up", "above"))


def verdicts(name: str, *pairs: tuple[Question, str]) -> list[Verdict]:
    return make_grader(GraderConfig(name), Path("unused")).grade_all(pairs)


def right(name: str, question: Question, answer: str) -> bool | None:
    return verdicts(name, (question, answer))[0].correct


@pytest.mark.parametrize(
    ("answer", "substring", "letter"),
    [
        ("b", True, True),
        (" b\n", True, True),
        ("B", False, True),
        ("(b)", True, True),
        ("b)", True, True),
        ("b.", True, True),
        ("The best", True, False),
        ("b and c", True, False),
        ("(b", True, True),
        (" (b", True, True),
        (" B.", False, True),
        ("(B):", False, True),
        ("b).", True, True),
        ("b b", True, False),
        ("((b", True, False),
        ("b)))", True, False),
        ("1b", True, False),
        ("-b", True, False),
        ("bb", True, False),
        ("c", False, False),
    ],
)
def test_multiple_choice(answer: str, substring: bool, letter: bool) -> None:
    assert right("substring", MC, answer) is substring
    assert right("letter", MC, answer) is letter


def test_substring_accepts_any_text_of_an_open_question() -> None:
    assert right("substring", OE, "It lies above.")
    assert right("substring", OE, "Up") is False


@pytest.mark.parametrize("name", ["substring", "letter", "normalised", "contains", "f1"])
@pytest.mark.parametrize("answer", ["", " ", "\n"])
def test_an_empty_answer_is_wrong(name: str, answer: str) -> None:
    question = MC if name == "letter" else OE
    assert verdicts(name, (question, answer)) == [Verdict(False, "empty answer")]


@pytest.mark.parametrize("name", ["substring", "letter", "normalised", "contains", "f1"])
@pytest.mark.parametrize(("accepted", "got"), [((), "none"), (("",), "an empty one"), (("b", " "), "an empty one")])
def test_a_question_without_accepted_answers_is_refused_by_name(name: str, accepted: tuple[Any, ...], got: str) -> None:
    question = replace(MC if name == "letter" else OE, id="quiz/17", accepted=accepted)
    with pytest.raises(UserError) as caught:
        verdicts(name, (question, "b"))
    assert str(caught.value) == (
        f"Expected question quiz/17 to be given with accepted answers, but got {got}. "
        "Correct the record in its file, or leave the question out."
    )


@pytest.mark.parametrize(("name", "question"), [("letter", OE), ("normalised", MC), ("contains", MC), ("f1", MC)])
def test_a_grader_refuses_the_other_format(name: str, question: Any) -> None:
    wanted, got = ("multiple choice", "open-ended") if name == "letter" else ("open-ended", "multiple choice")
    with pytest.raises(UserError) as caught:
        verdicts(name, (question, "b"))
    assert str(caught.value) == (
        f"Expected every question for the grader `{name}` to be {wanted}, but got {got} question quiz/0. "
        "Choose another grader for it, docs/graders.md says which are for what."
    )


def test_the_datas_own_label() -> None:
    asked = replace(OE, given_answer="up ")
    pairs = [
        (replace(asked, given_label=True), "up"),
        (replace(asked, given_label=False), " up"),
        (replace(asked, given_label=True), "down"),
        (asked, "up"),
        (replace(OE, given_label=True), "up"),
    ]
    assert [verdict.correct for verdict in verdicts("given", *pairs)] == [True, False, None, None, None]
    assert verdicts("given", pairs[3])[0].reason == "the data hold no label"
    assert "another answer" in verdicts("given", pairs[2])[0].reason


def test_order_is_kept() -> None:
    assert [v.correct for v in verdicts("letter", (MC, "a"), (MC, "b"), (MC, ""), (MC, "b"))] == [
        False,
        True,
        False,
        True,
    ]


def test_comparisons_cost_nothing() -> None:
    assert make_grader(GraderConfig("letter"), Path("unused")).usage == Usage(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("answer", "is_letter"),
    [("c", True), ("C.", True), ("d", False), ("The", False), (None, False), ("é", False)],
)
def test_option_letters(answer: str | None, is_letter: bool) -> None:
    assert is_option_letter(answer, MC) is is_letter


def test_an_open_question_has_no_option_letters() -> None:
    assert not is_option_letter("a", OE)


def test_answer_letter_is_lower_case() -> None:
    assert answer_letter("(D)") == "d"
