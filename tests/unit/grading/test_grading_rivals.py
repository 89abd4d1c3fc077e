"""Two things of one kind are no answer where one was asked for; what a comma adds may still say more of the same."""

from dataclasses import replace

import pytest

from ccps.data.records import Question
from ccps.grading.open_ended import Contains
from ccps.grading.rivals import names_rivals

QUESTION = Question("q", "s", "Which is it?", (), ("x",), "test", "s")


def is_right(answer: str, *accepted: str, question: str = "Which is it?") -> bool:
    return Contains().is_right(answer, replace(QUESTION, text=question, accepted=accepted))


JOINED = [
    "{a}, {b}", "{b}, {a}.", "{a} / {b}", "{a}/{b}", "{a}; {b}", "{a} & {b}", "{a} and {b}", "{a} or {b}", "{a} | {b}",
    "{a}\n{b}", "{b}\n\n{a}", "1. {a}\n2. {b}", "1. {b} 2. {a}", "(1) {a}, (2) {b}", "- {a}\n- {b}", "**{a}**, **{b}**",
    "{a}, maybe {b}", "{a} (or {b})", "It is {a}, {b}.", "The answer is {b}, {a}", "{a}. {b}.", "{a}? {b}?",
    "both {a}, {b}",
]  # fmt: skip
RIVALS = [
    ("Earth", "Mars"), ("July", "August"), ("Monday", "Friday"), ("red", "blue"), ("Asia", "Africa"),
    ("oxygen", "nitrogen"), ("France", "Germany"), ("Texas", "Ohio"), ("north", "south"), ("gas", "liquid"),
    ("North America", "South America"), ("the USA", "Germany"), ("winter", "autumn"), ("Leo", "Virgo"),
    ("the Atlantic Ocean", "the Pacific Ocean"), ("Islam", "Judaism"), ("true", "false"), ("4", "5"), ("1969", "1970"),
    ("1.5", "2.5"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "other"), RIVALS, ids=str)
def test_two_of_one_kind_are_a_list(asked: str, other: str) -> None:
    # "4. 5." is a 5 at the fourth place of a list as well, "4 / 5" may be 4 of 5.
    forms = [form for form in JOINED if not (form in ("{a}. {b}.", "{a} / {b}") and asked[0].isdigit())]
    assert [form for form in forms if is_right(form.format(a=asked, b=other), asked)] == []


@pytest.mark.parametrize(
    "answer", ["Earth Mars", "January February", "Asia Africa", "France Germany", "oxygen nitrogen", "Moon Sun Earth"]
)
def test_some_kinds_need_no_sign_between(answer: str) -> None:
    assert not is_right(answer, answer.split()[0])


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("Earth, the third planet", "Earth"),
        ("Earth, of course", "Earth"),
        ("Earth, not Mars", "Earth"),
        ("Earth (the planet)", "Earth"),
        ("Earth, Earth", "Earth"),
        ("The Moon, Earth's satellite", "Moon"),
        ("Paris, France", "Paris"),
        ("Georgia, USA", "Georgia"),
        ("England, UK", "England"),
        ("Northern Ireland, United Kingdom", "Northern Ireland"),
        ("Luxembourg, Belgium", "Luxembourg"),
        ("Indiana, Pennsylvania", "Indiana"),
        ("Hamlet, Shakespeare", "Hamlet"),
        ("Mercury, Freddie", "Mercury"),
        ("Mars, Ares", "Mars"),
        ("July, 1969", "July"),
        ("July 20, 1969", "1969"),
        ("autumn, fall", "autumn"),
        ("aluminium (aluminum)", "aluminium"),
        ("Holland / Netherlands", "Netherlands"),
        ("Moon (Earth)", "Moon"),
        ("Ireland (Northern Ireland)", "Northern Ireland"),
        ("12 / 225", "12"),
        ("Burma, Myanmar", "Myanmar"),
        ("north west", "north"),
        ("blue green", "blue"),
        ("7 ± 2", "7"),
        ("5 (five)", "5"),
        ("five / 5", "5"),
        ("1,000", "1000"),
        ("Earth is the third planet, Mars the fourth", "Earth"),
        ("Red is the colour of blood, blue that of the sky", "red"),
    ],
)
def test_what_says_more_of_the_same_is_no_list(answer: str, accepted: str) -> None:
    assert is_right(answer, accepted)


def test_who_lists_nothing_but_accepted_texts_is_right() -> None:
    assert is_right("Earth, Mars", "Earth", "Mars")
    assert is_right("the planet Mars / Earth", "Earth", "Mars")
    assert not is_right("Earth, Mars, Venus", "Earth", "Mars")
    assert is_right("Bombay or Mumbai", "Mumbai", "Bombay")
    assert is_right("4, 5", "4", "5")
    assert is_right("4 / 5", "4", "5")
    assert not is_right("4, 5", "4", "6")


def test_what_the_question_names_says_where_it_lies() -> None:
    assert is_right("Spain, France", "Spain", question="Which neighbour of France has a king?")
    assert not is_right("Spain, France", "Spain", question="Which country has a king?")
    # Where the question names both, it asks for one of them.
    assert not is_right("Earth, Mars", "Earth", question="Which is larger, Earth or Mars?")
    assert not is_right("4, 5", "4", question="Is it 4 or 5?")


def test_a_long_text_is_not_searched() -> None:
    months = "January, February, March, April, May, June, July, August, September, October, November, December"
    assert names_rivals(months, ["May"])
    assert not names_rivals(f"{months}, {months}, {months}", ["May"])


@pytest.mark.parametrize("answer", ["Lennon, McCartney", "Macbeth, Hamlet", "London, Rome", "Armstrong, Aldrin"])
def test_of_other_kinds_nothing_is_known(answer: str) -> None:
    """The limit of the rule: by their form alone these are as "Hamlet, Shakespeare" is."""
    assert is_right(answer, answer.split(",")[0])
