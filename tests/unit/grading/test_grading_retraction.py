"""An answer that denies or takes back what it says is not right; one that only sounds so is."""

from pathlib import Path

import pytest

from ccps.data.records import Question
from ccps.grading import GraderConfig, make_grader

CAPITAL = "What is the capital of France?"


def contains(answer: str, accepted: str, question: str = CAPITAL) -> bool | None:
    asked = Question("q", "s", question, (), (accepted,), "test", "s")
    return make_grader(GraderConfig("contains"), Path("unused")).grade_all([(asked, answer)])[0].correct


@pytest.mark.parametrize(
    "answer",
    [
        "Paris is wrong", "Paris is incorrect.", "Paris would be wrong", "The answer Paris is wrong",
        "Paris is clearly false.",
        "Paris is not the answer", "Paris is not correct.", "Paris isn't right", "Paris cannot be right",
        "Paris is not",
        "Paris isn't the capital", "Paris is no longer the capital of France", "Paris is out of the question",
        "Paris? No.", "Paris? No, London.", "Paris? Wrong.", "Paris? Not at all.",
        "Paris, no wait, London", "Paris. Wait, no. London.", "Paris, sorry, London", "Paris. No, it is London.",
        "I thought Paris, but it is London", "I first thought it was Paris, but the answer is London",
        "Paris was my first guess, but the answer is London.", "Paris is a common mistake; the answer is London",
        "Some say Paris, but they are wrong.", "Many people say Paris. That's wrong.",
        "They say Paris. This is not true.",
        "Everyone thinks it's Paris, but it's actually London.", "Most people would say Paris, but it is London",
        "It is false that it is Paris", "It's wrong to say Paris", "I do not think it is Paris",
        "I doubt it is Paris",
        "I don't believe the answer is Paris", "No one would say Paris", "It can't be Paris", "It was never Paris",
        "Paris or London", "It is Paris or London", "It could be Paris, or London.",
    ],
)  # fmt: skip
def test_what_is_denied_or_taken_back(answer: str) -> None:
    assert contains(answer, "Paris") is False


@pytest.mark.parametrize(
    "answer",
    [
        "Paris", "The answer is Paris.", "Paris, France", "Paris is right", "Paris is correct.",
        "Paris is not London.",
        "I am not sure, but Paris", "Paris, if I am not wrong", "Unless I am wrong, Paris",
        "Paris, unless I'm wrong.",
        "Paris is the capital, not London", "Paris (not London)", "It's Paris, not Lyon.",
        "Paris, and not Marseille",
        "Not London, Paris", "London is wrong; it is Paris", "No, Paris", "No. Paris.", "London? No, Paris",
        "It is not London but Paris", "Wrong guess before: it is Paris", "Paris. London is wrong.",
        "Without doubt, Paris",
        "Paris is not a small town, but it is the capital", "Paris, which is not on the sea", "Paris, no doubt",
        "Paris is wrong to some, but it is Paris", "I think it is Paris, but London is bigger",
        "Paris, no question.",
        "I thought it was London, but it is Paris", "Some say London, but it is Paris", "Paris, or so I think",
        "Is it Paris? Yes, Paris.", "Paris. It is false that Lyon is the capital.",
        "They call it Paris, and it is old.",
        "London, no wait, Paris", "Paris is not only old, it is the capital", "Paris isn't on the coast.",
    ],
)  # fmt: skip
def test_what_only_sounds_so(answer: str) -> None:
    assert contains(answer, "Paris") is True


def test_a_question_of_what_is_wrong_is_answered_by_saying_that_it_is() -> None:
    assert contains("Paris is wrong.", "Paris", "Which of these is wrong?") is True
    assert contains("Bats are not birds.", "Bats", "Which animals are not birds?") is True


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("over 5", "5"), ("under 5", "5"), ("above 5", "5"), ("below 5", "5"), ("greater than or equal to 5", "5"),
        ("a minimum of 5", "5"), ("a maximum of 5", "5"), ("either 5 or 6", "5"), ("It is 5 or 6.", "5"),
        ("5 euros", "$5"), ("5 USD", "€5"), ("EUR 5", "$5"), ("5 dollars", "£5"), ("5 per cent", "$5"),
    ],
)  # fmt: skip
def test_bounds_choices_and_currencies_in_words_are_other_answers(answer: str, accepted: str) -> None:
    assert contains(answer, accepted, "How much is it?") is False


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("equal to 5", "5"),
        ("5 dollars", "$5"),
        ("USD 5", "$5"),
        ("5 euros", "5"),
        ("about 5", "5"),
        ("5 percent", "5%"),
    ],
)
def test_the_same_amount_in_words(answer: str, accepted: str) -> None:
    assert contains(answer, accepted, "How much is it?") is True


@pytest.mark.parametrize("name", ["normalised", "contains"])
@pytest.mark.parametrize(
    ("answer", "accepted"), [("5 mW", "5 MW"), ("5 Mm", "5 mm"), ("3 GPa", "3 Pa"), ("2 mg", "2 Mg")]
)
def test_units_that_differ_in_case_alone_are_two(name: str, answer: str, accepted: str) -> None:
    question = Question("q", "s", "How much?", (), (accepted,), "test", "s")
    grader = make_grader(GraderConfig(name), Path("unused"))
    assert [one.correct for one in grader.grade_all([(question, answer), (question, accepted)])] == [False, True]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Greater London is wrong", False), ("It is not Greater London.", False), ("Greater London? No.", False),
        ("Greater London", True), ("Not Greater London but London", True),
        ("London is right, Greater London is wrong", True),
    ],
)  # fmt: skip
def test_a_text_inside_another_that_is_denied_is_not_said(answer: str, right: bool) -> None:
    question = Question("q", "s", CAPITAL, (), ("London", "Greater London"), "test", "s")
    grader = make_grader(GraderConfig("contains"), Path("unused"))
    assert grader.grade_all([(question, answer)])[0].correct is right
