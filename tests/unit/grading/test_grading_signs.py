"""Signs that decide are kept, punctuation is not; an answer that only holds the words says something else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.data.records import Question
from ccps.grading.normalise import normalise
from ccps.grading.open_ended import Contains, Normalised

QUESTION = Question("q", "s", "?", (), ("x",), "test", "s")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("49°C", "−49°C"),
        ("−$3", "$3"),
        ("$-3", "$3"),
        ("x - 5", "x + 5"),
        ("x-5", "x+5"),
        ("a-b", "a+b"),
        ("-x", "x"),
        ("a*b", "ab"),
        ("x/y", "xy"),
        ("I/II", "III"),
        ("f(x)", "fx"),
        ("2(x+1)", "2x+1"),
        ("3 - 2", "3 + 2"),
        ("10^-3", "10^3"),
        ("1e-3", "1e3"),
        ("a = b", "a ≠ b"),
        ("p < 0.05", "p > 0.05"),
        ("≤ 5", "≥ 5"),
        ("<5", ">5"),
        (r"\frac{x+5}{6}", r"\frac{x-5}{6}"),
        (r"-\frac{x}{5}", r"\frac{x}{5}"),
        ("10²", "102"),
        ("x²", "x2"),
        ("5½", "51/2"),
        ("Rh+", "Rh-"),
        ("AB−", "AB+"),
        ("Na+", "Na"),
        ("Cl-", "Cl"),
        ("C++", "C"),
        ("C#", "C"),
        ("A*", "A"),
        ("A-", "A+"),
        ("6'", "6''"),
        ("6'", "6"),
        ("Vitamin A", "Vitamin D"),
        ("Vitamin A", "Vitamin"),
        ("vitamin A deficiency", "vitamin deficiency"),
        ("A and B", "B"),
        ("type a b", "type b"),
        ("A, B", "B"),
        ("A or B", "B"),
        ("R&D", "RD"),
        ("-sin x", "sin x"),
        ("2 -log 3", "2 log 3"),
        ("n!", "n"),
        ("(n-1)!", "(n-1)"),
    ],
)
def test_signs_and_names_that_decide(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("**Paris**", "Paris"),
        ("It is 5!", "it is 5"),
        ("Paris!", "Paris"),
        ("well-sinned", "wellsinned"),
        ("_Paris_", "Paris"),
        ("`x`", "x"),
        ("'6'", "6"),
        ("(Paris)", "paris."),
        ("- Paris", "Paris"),
        ("Paris - France", "Paris, France"),
        ("the U.S.A.", "USA"),
        ("e.g.", "eg"),
        ("it's", "its"),
        ("A hat", "hat"),
        ("wear a hat", "wear hat"),
        ("10²", "10^2"),
        ("5½", "5 1/2"),
        ("$5", "5"),
        ("12 %", "12"),
        ("Rh−", "Rh-"),
        ("Pa\u200bris", "Paris"),
        ("\u202aParis\u202c", "Paris"),
        ("soft\u00adware", "software"),
        ("Paris\u00a0France", "Paris France"),
        ("❤\ufe0f", "❤"),
        ("the dogs' tails", "the dogs tails"),
        ("a 5 star hotel", "5 star hotel"),
        ("1990s'", "1990s"),
        ("3—5", "3-5"),
        ("Paris—France", "ParisFrance"),
        ("- 5", "5"),
        ("5 -", "5"),
        (",(x+1)", "x+1"),
        ("(x+1", "x+1"),
        ("x+1]", "x+1"),
        ("f((x)", "f((x"),
    ],
)
def test_punctuation_and_invisible_characters(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("text", "form"), [("The", "the"), ("?", "?"), ("THE\u200b  The", "the the"), ("", "")])
def test_a_text_of_which_nothing_would_be_left_stays_in_lower_case(text: str, form: str) -> None:
    assert normalise(text) == form


@given(st.text("ab1+-*/=<>^(){}[].,'\"$%& ", max_size=12))
def test_a_form_is_its_own_form(text: str) -> None:
    """What is compared may be compared again: nothing more is lost the second time than white space."""
    form = normalise(text)
    assert form == " ".join(form.split())


@pytest.mark.parametrize("grader", [Normalised(), Contains()], ids=lambda grader: grader.name)
@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("€5", "$5", False),
        ("$5", "$5", True),
        ("5", "$5", True),
        ("$5", "5", True),
        ("5%", "$5", False),
        ("5 %", "5%", True),
        ("£ 5", "€5", False),
    ],
)
def test_currencies_contradict_each_other(grader: Normalised, answer: str, accepted: str, right: bool) -> None:
    assert grader.is_right(answer, replace(QUESTION, accepted=(accepted,))) is right


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("Mars and Earth", "Earth", False),
        ("Conspiracy and murder.", "Murder.", False),
        ("Larceny, robbery, and burglary.", "Robbery and burglary.", False),
        ("Robbery and burglary", "Burglary and robbery.", False),  # words in a row are asked for
        ("1 tall violet: 1 tall white: 1 dwarf", "1 tall violet: 1 tall white", False),
        ("100 m/s north and 40 m/s down", "40 m/s down", False),
        ("[ 'abcd', 786 , 2.23 ]", "[786, 2.23]", False),
        ("black with white spots", "white", False),
        ("white with black spots", "white", False),
        ("Less than 1", "1.", False),
        ("at least 3 of them", "3", False),
        ("less than 1", "less than 1", True),
        ("7 million", "7", False),
        ("7 million people", "7 million", True),
        ("between 10 and 20", "10", False),
        ("10 to 20", "20", False),
        ("from 10 to 20 years", "10", False),
        ("the answer to this is 10", "10", True),
        ("It comes to 10 in all", "10", True),
        ("2 x 3", "3", False),
        ("2 x 3", "2 x 3", True),
        ("1990 BC", "1990", False),
        ("in 1990 BC", "1990 BC", True),
        ("Martin Luther King Jr", "Martin Luther", False),
        ("Martin Luther, the reformer", "Martin Luther", True),
        ("It was Martin Luther who wrote it", "Martin Luther", True),
        ("SSSSSSSS; AAAA", "SSSSSSSS; A", False),
        ("Hepatitis B", "Hepatitis A", False),
        ("It is hepatitis A.", "Hepatitis A", True),
        ("Paris, France", "Paris", True),
        ("The capital is Paris, and it is old.", "Paris", True),
        ("It goes well with salt.", "salt", True),
        ("The two moons of Mars are Phobos and Deimos.", "Phobos and Deimos", True),
    ],
)
def test_contains_tells_what_only_holds_the_words(answer: str, accepted: str, right: bool) -> None:
    assert Contains().is_right(answer, replace(QUESTION, accepted=(accepted,))) is right


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[1,2)", "(1,2)"),
        ("[1, 2]", "(1, 2)"),
        ("|x|", "x"),
        ("-∞", "∞"),
        ("− 5", "5"),
        ("< 5", "5"),
        ("<= 5", "5"),
        ("f'", "f"),
        ("e⁻", "e"),
        ("!=", "="),
        ("!x", "x"),
        ("5‰", "5%"),
        ("minus 5", "5"),
    ],
)
def test_more_signs_that_decide(one: str, other: str) -> None:
    for answer, accepted in ((one, other), (other, one)):
        assert not Normalised().is_right(answer, replace(QUESTION, accepted=(accepted,)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<= 5", "≤5"),
        ("< 5", "<5"),
        ("€ 5", "€5"),
        ("5 per cent", "5%"),
        ("minus five", "-5"),
        ("1 000", "1000"),
        ("in 1\u202f000 years", "in 1000 years"),
        ("Paris\x00", "Paris"),
        ("(3, 5)", "3, 5"),
    ],
)
def test_more_ways_to_write_one_thing(one: str, other: str) -> None:
    for answer, accepted in ((one, other), (other, one)):
        assert Normalised().is_right(answer, replace(QUESTION, accepted=(accepted,)))


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("A, B", "B", False),
        ("3, 5", "5", False),
        ("Paris, France", "Paris", True),
        ("It is vitamin A.", "vitamin", False),
        ("Henry VIII", "Henry", False),
        ("Paris I think", "Paris", True),
        ("It is minus 5.", "5", False),
        ("one half", "1", False),
        ("Answer: Paris", "Paris", True),
        ("Paris: the capital of France", "Paris", True),
        ("The two are: Paris and London", "Paris", False),
        ("Paris and London: two cities", "Paris", False),
        ("3:1", "3", False),
    ],
)
def test_more_that_only_holds_the_words(answer: str, accepted: str, right: bool) -> None:
    assert Contains().is_right(answer, replace(QUESTION, accepted=(accepted,))) == right


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("not Paris", "Paris", False),
        ("It isn't Paris.", "Paris", False),
        ("It isn’t in Paris.", "Paris", False),
        ("It was never called Paris", "Paris", False),
        ("London, not Paris", "Paris", False),
        ("London rather than Paris", "Paris", False),
        ("anything but Paris", "Paris", False),
        ("neither Paris nor London", "Paris", False),
        ("neither Paris nor London", "London", False),
        ("There is no gravity there.", "gravity", False),
        ("He was not guilty.", "guilty", False),
        ("It is not 5.", "5", False),
        ("not London but Paris", "Paris", True),
        ("It is not London, it is Paris.", "Paris", True),
        ("Paris, not London", "Paris", True),
        ("No, Paris.", "Paris", True),
        ("Certainly not. Paris", "Paris", True),
        ("none other than Paris", "Paris", True),
        ("nothing but Paris", "Paris", True),
        ("not only Paris", "Paris", True),
        ("There is no doubt that it is Paris.", "Paris", True),
        ("not guilty", "not guilty", True),
        ("He was not guilty.", "not guilty", True),
        ("It is not Paris. It is not Lyon. It is Paris.", "Paris", True),  # said once without a denial
        ("No 5", "5", True),
    ],
)
def test_contains_sees_a_denial_right_before_the_text(answer: str, accepted: str, right: bool) -> None:
    assert Contains().is_right(answer, replace(QUESTION, text="Which is it?", accepted=(accepted,))) is right


@pytest.mark.parametrize("asked", ["What can a penguin not do?", "What can't a penguin do?", "All birds can … except?"])
def test_a_question_of_what_is_not_so_may_be_answered_by_a_denial(asked: str) -> None:
    question = replace(QUESTION, text=asked, accepted=("fly",))
    assert Contains().is_right("It can not fly.", question)
    assert not Contains().is_right("It can not fly.", replace(question, text="What can a bat do?"))


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("New York", "York", False),
        ("NEW YORK", "York", False),
        ("It is in South Africa.", "Africa", False),
        ("South Korea", "Korea", False),
        ("North Atlantic", "Atlantic", True),
        ("Vice President Ford", "President Ford", True),
        ("New York", "New York", True),
        ("the new York", "York", True),
        ("It is south of Africa.", "Africa", True),
        ("Abraham Lincoln", "Lincoln", True),
        ("President Abraham Lincoln", "Abraham Lincoln", True),
        ("new shoes", "shoes", True),
        ("New shoes", "shoes", True),
    ],
)
def test_contains_sees_where_a_name_begins(answer: str, accepted: str, right: bool) -> None:
    assert Contains().is_right(answer, replace(QUESTION, accepted=(accepted,))) is right


@pytest.mark.parametrize(
    ("asked", "answer", "accepted", "right"),
    [
        ("How many are there?", "5 N", "5", False),
        ("How many are there?", "It is 5 km/h.", "5", False),
        ("How many are there?", "It is 5 kg^2.", "5", False),
        ("What is the force?", "5 kN", "5 N", False),
        ("What is the force in newtons?", "5 N", "5", True),
        ("What is the force (N)?", "It is 5 N.", "5", True),
        ("What is the speed in kilometres per hour?", "5 km/h", "5", True),
        ("How many are there?", "5 moons", "5", True),
        ("How far is it?", "26 miles", "26", True),
        ("How many are there?", "There are 5, in all.", "5", True),
        ("How many are there?", "5. N is a letter.", "5", True),
        ("What is the force?", "It is 5 N.", "5 N", True),
        ("Which vitamin?", "It is vitamin K", "vitamin K", True),
    ],
)
def test_contains_sees_a_unit_that_nobody_asked_for(asked: str, answer: str, accepted: str, right: bool) -> None:
    assert Contains().is_right(answer, replace(QUESTION, text=asked, accepted=(accepted,))) is right
