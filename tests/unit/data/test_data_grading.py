from dataclasses import replace

import pytest

from ccps.data.grading import answer_letter, grade, is_option_letter
from ccps.data.records import Question

MC = Question("quiz/0", "quiz", "Which way is up?", ("left", "up", "down"), ("b",), "test", "quiz")
OE = replace(MC, options=(), accepted=("up", "above"))


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
        ("(b", True, False),
        ("bb", True, False),
        ("c", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_graders(answer, substring, letter):
    assert grade(answer, MC, "substring") is substring
    assert grade(answer, MC, "letter") is letter


def test_substring_accepts_any_text_of_an_open_question():
    assert grade("It lies above.", OE, "substring")
    assert not grade("Up", OE, "substring")


@pytest.mark.parametrize(("question", "grader"), [(OE, "letter"), (MC, "judge")])
def test_a_grader_that_does_not_fit_is_refused(question, grader):
    with pytest.raises(ValueError, match=grader):
        grade("b", question, grader)


@pytest.mark.parametrize(
    ("answer", "is_letter"),
    [("c", True), ("C.", True), ("d", False), ("The", False), (None, False), ("é", False)],
)
def test_option_letters(answer, is_letter):
    assert is_option_letter(answer, MC) is is_letter


def test_an_open_question_has_no_option_letters():
    assert not is_option_letter("a", OE)


def test_answer_letter_is_lower_case():
    assert answer_letter("(D)") == "d"
