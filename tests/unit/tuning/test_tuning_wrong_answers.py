from collections import Counter

import pytest

from ccps.data.records import Question
from ccps.tuning.wrong_answers import FOREIGN, OPTION, OWN, Wrong, wrong_answer


def choice(number: int, accepted: str = "b") -> Question:
    return Question(f"q{number}", "s", "Which?", ("w", "x", "y", "z"), (accepted,), "train", "s")


def open_ended(number: int, *accepted: str) -> Question:
    return Question(f"q{number}", "s", f"Who is {number}?", (), accepted, "train", "s")


def test_every_wrong_option_has_its_turn_and_the_right_one_never() -> None:
    questions = [choice(number) for number in range(400)]
    chosen = [wrong_answer(question, "b", False, questions, 23) for question in questions]
    counts = Counter(one.text for one in chosen if one)
    assert set(counts) == {"a", "c", "d"}
    assert all(90 < number < 180 for number in counts.values())
    assert {one.origin for one in chosen if one} == {OPTION}


def test_a_choice_depends_on_seed_and_question_alone() -> None:
    questions = [choice(number) for number in range(30)]
    first = [wrong_answer(question, "a", True, questions, 23) for question in questions]
    assert [wrong_answer(question, "d", False, [question], 23) for question in questions] == first
    assert [wrong_answer(question, "a", True, questions, 24) for question in questions] != first


def test_an_open_question_takes_the_models_own_wrong_answer() -> None:
    assert wrong_answer(open_ended(0, "Ann"), "Bob", True, [open_ended(1, "Cy")], 1) == Wrong("Bob", OWN)


@pytest.mark.parametrize(("own", "is_wrong"), [("Ann", False), ("", True)])
def test_else_it_takes_an_answer_to_another_question(own: str, is_wrong: bool) -> None:
    question = open_ended(0, "Ann", "Anna")
    others = [question, open_ended(1, "the ANN"), open_ended(2, " "), open_ended(3), open_ended(4, "Cy", "Ann")]
    assert {wrong_answer(question, own, is_wrong, others, seed) for seed in range(20)} == {Wrong("Cy", FOREIGN)}


def test_there_may_be_none() -> None:
    assert wrong_answer(open_ended(0, "Ann"), "Ann", False, [open_ended(1, "Ann")], 1) is None
    single = Question("q", "s", "Which?", ("w",), ("a",), "train", "s")
    assert wrong_answer(single, "a", False, [single], 1) is None
