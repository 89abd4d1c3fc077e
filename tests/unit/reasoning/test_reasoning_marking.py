"""Marks by kind of answer, as they should be given and as the released code gives them."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.data.records import Question
from ccps.reasoning.marking import Marked, is_formula, mark, plain, right_answers, unfit

RIVERS = ("Elbe", "Rhine", "Main")


def question(*accepted: Any, options: Sequence[Any] = ()) -> Question:
    return Question("q", "s", "?", tuple(options), accepted, "test", "quiz")


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("204", "204"),
        ("0204.0", "204"),
        (r"\text{204}", "204"),
        ("x = 204", "204"),
        (r"3 + 4 = 7", "7"),
        (r"$1{,}450{,}000$", "1450000"),
        ("1,450,000", "1450000"),
        (r"1\,450\,000", "1450000"),
        (r"\$18", "18"),
        ("$18 dollars", "18"),
        (r"18\ \text{cm}", "18"),
        (r"18\%", "18"),
        (r"40^\circ", "40"),
        (r"40^{\circ}", "40"),
        (r"\textbf{(18)}", "18"),
        ("eighteen eggs", "18"),
        ("-3", "-3"),
        ("−3", "-3"),
        ("3.5", "3.5"),
        ("18, that is 18", "18"),
        (r"\frac{9}{2}", None),
        ("3 or 4", None),
        ("no idea", None),
        ("2^{10}", None),
    ],
)
def test_integers_are_read_through_latex_units_and_words(answer: str, number: str | None) -> None:
    marked = mark(answer, question("18"), "integer")
    assert (marked.answer, marked.correct) == (number, None if number is None else number == "18")
    assert bool(marked.reason) == (number is None)


@pytest.mark.parametrize(
    ("answer", "gold", "correct"),
    [("204", "204", True), ("-204", "204", True), ("20.4", "204", True), ("025", "25", True), ("x", "25", None)],
)
def test_parity_integers_are_their_digits(answer: str, gold: str, correct: bool | None) -> None:
    assert mark(answer, question(gold), "integer", mode="parity").correct is correct


@given(st.integers(-(10**9), 10**9))
def test_every_integer_is_itself(number: int) -> None:
    for written in (f"{number}", f"{number:,}", f"${number}$", rf"\text{{{number}}}", f"x = {number}"):
        assert mark(written, question(str(number)), "integer").correct is True
        assert mark(written, question(str(number + 1)), "integer").correct is False


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("2", "2"),
        ("(2)", "2"),
        ("2.", "2"),
        ("Option 2", "2"),
        (r"\text{2}", "2"),
        ("2. Rhine", "2"),
        ("Rhine", "2"),
        ("the Rhine", "2"),
        ("b)", "2"),
        ("3", "3"),
        ("7", None),
        ("0", None),
        ("-2", None),
        ("2.5", None),
        ("Loire", None),
    ],
)
def test_options_go_by_number_text_or_letter(answer: str, number: str | None) -> None:
    marked = mark(answer, question("b", options=RIVERS), "option")
    assert (marked.answer, marked.correct) == (number, None if number is None else number == "2")


def test_numbers_of_options_come_before_texts_that_are_numbers() -> None:
    asked = question("a", options=("2", "1", "30"))
    assert mark("1", asked, "option") == Marked(True, "1")
    assert mark("30", asked, "option") == Marked(False, "3")


@pytest.mark.parametrize(("answer", "correct"), [("2", True), ("step 1: 2", False), ("22", False), ("Rhine", None)])
def test_parity_options_are_the_first_number(answer: str, correct: bool | None) -> None:
    assert mark(answer, question("b", options=RIVERS), "option", mode="parity").correct is correct


@pytest.mark.parametrize(
    ("answer", "correct"),
    [
        ("B", True),
        ("(b)", True),
        (r"\text{B}", True),
        ("B. Penguin", True),
        ("Option B", True),
        ("C", False),
        ("A penguin", None),
        ("Bird", None),
    ],
)
def test_letters(answer: str, correct: bool | None) -> None:
    assert mark(answer, question("B"), "letter_or_text").correct is correct


@pytest.mark.parametrize(
    ("answer", "correct"), [("b", True), ("B. Penguin", True), ("A penguin", False), ("", False), ("Bird", False)]
)
def test_parity_letters_are_the_first_sign(answer: str, correct: bool) -> None:
    assert mark(answer, question("B"), "letter_or_text", mode="parity").correct is correct


def test_texts_are_compared_as_a_whole_after_normalisation() -> None:
    asked = question("the Rhine", "Rhein")
    assert mark("Rhine.", asked, "letter_or_text") == Marked(True, "Rhine.")
    assert mark(r"\text{Rhein}", asked, "letter_or_text").correct is True
    assert mark("not the Rhine", asked, "letter_or_text").correct is False
    assert mark(" ", asked, "letter_or_text") == Marked(None, None, "the answer is empty")


def test_parity_texts_contain_each_other_and_an_empty_one_fits_all() -> None:
    asked = question("the Rhine")
    for answer in ("not the Rhine", "rhine", "", "e"):
        assert mark(answer, asked, "letter_or_text", mode="parity").correct is True
    assert mark("Elbe", asked, "letter_or_text", mode="parity").correct is False


@pytest.mark.parametrize(
    ("answer", "strict", "parity"),
    [
        ("Yes", True, True),
        (r"\text{Yes}", True, True),
        ("No.", False, False),
        ("Yes, there is no doubt", True, False),
        ("I say yes", True, True),
        ("yes or no", True, False),
        ("either yes or no", None, False),
        ("nothing", None, False),
    ],
)
def test_yes_and_no(answer: str, strict: bool | None, parity: bool) -> None:
    assert mark(answer, question("Yes"), "yes_no").correct is strict
    assert mark(answer, question("yes"), "yes_no", mode="parity").correct is parity
    assert mark(answer, question("b", options=("no", "yes")), "yes_no").correct is strict


def test_what_cannot_be_marked_says_why() -> None:
    assert mark(None, question("3"), "integer") == Marked(None, None, "there is no answer")
    assert mark("3", question(), "integer") == Marked(None, "3", "no right answer is known")
    assert unfit(question("many"), "integer") == "the right answer is no number"
    assert unfit(question("3"), "option") == "the question has no options"
    assert unfit(question("maybe"), "yes_no") == "the right answer is neither yes nor no"
    assert unfit(question("maybe"), "letter_or_text") == ""
    with pytest.raises(ValueError, match=r"`kind` to be one of integer, .*got 'essay'"):
        mark("3", question("3"), "essay")


def test_right_answers_are_written_as_a_model_should_write_them() -> None:
    assert right_answers(question("b", options=RIVERS), "option") == ("2",)
    assert right_answers(question("b", options=("no", "yes")), "yes_no") == ("yes",)
    assert right_answers(question("4,000"), "integer") == ("4,000",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\left(\frac{1}{2}\right)", r"(\frac12 )"),
        (r"\( 5 \)", "5"),
        ("**Rhine**", "Rhine"),
        (r"\mathbf{B}", "B"),
        ("`x`", "x"),
        (r"\textstyle", r"\textstyle"),
    ],
)
def test_plain_text_loses_formatting_only(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("42", True), (r"\frac{2}{3}", True), ("x^2 + 1", True), ("Rhine", False), ("42 apples", False), ("pi", False)],
)
def test_formulae_have_signs_and_no_words(text: str, expected: bool) -> None:
    assert is_formula(text) is expected
