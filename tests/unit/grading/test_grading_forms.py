"""What is written in several forms is one answer; what only looks alike is not."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.data.records import Question
from ccps.grading.forms import numbers_of, one_form
from ccps.grading.open_ended import Contains, Normalised

QUESTION = Question("q", "s", "?", (), ("x",), "test", "s")
GRADERS = pytest.mark.parametrize("grader", [Normalised(), Contains()], ids=lambda grader: grader.name)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("(1,2)", "(1, 2)"),
        ("The point is (1,2).", "The point is (1, 2)."),
        ("1,2,3", "1, 2, 3"),
        ("1,5", "1,5"),
        ("1,234,567", "1,234,567"),
        ("(1,000)", "(1,000)"),
        ("1;2", "1; 2"),
        ("red,green", "red, green"),
        ("['a','b']", "['a', 'b']"),
        ("2,4-dinitrophenol", "2,4-dinitrophenol"),
        (r"5\,m", r"5\,m"),
        (r"1{,}000", r"1{,}000"),
        ("4 July", "4 july"),
        ("the 4th of July, 1776", "the 4 july 1776"),
        ("July 4th, 1776", "4 july 1776"),
        ("JULY 4", "4 july"),
        ("Jan. 5, 1990", "5 january 1990"),
        ("1776-07-04", "4 july 1776"),
        ("1776-13-04", "1776-13-04"),
        ("4-5 July", "4-5 July"),
        ("45 July", "45 July"),
        ("July 4,000", "July 4,000"),
        ("1 may think", "1 may think"),
        ("4/7/1776", "4/7/1776"),
        ("1e3", "1000"),
        ("2E-3", "0.002"),
        ("6.02 × 10²³", "602000000000000000000000"),
        ("6.02x10^23", "602000000000000000000000"),
        (r"3 \times 10^{8} m/s", "300000000 m/s"),
        ("10^-3", "0.001"),
        ("2^10^3", "2^10^3"),
        ("x^10", "x^10"),
        ("1e300", "1e300"),
        ("1.5 million", "1500000"),
        ("5km", "5 km"),
        ("10GB", "10 GB"),
        ("5m", "5 m"),
        ("1990s", "1990s"),
        ("4th", "4th"),
        ("3D", "3D"),
    ],
)
def test_one_form_of_each(text: str, form: str) -> None:
    assert one_form(text) == form


SAME = [
    ("(1,2)", "(1, 2)"),
    ("[1,2,3]", "[1, 2, 3]"),
    ("{1,2}", "{1, 2}"),
    ("1,2", "1, 2"),
    ("1,2,3", "1, 2, 3"),
    ("(100,200)", "(100, 200)"),
    ("(1.5,2)", "(1.50, 2)"),
    ("red,green,blue", "red, green, blue"),
    ("1e3", "1000"),
    ("1,000", "1e3"),
    ("1.5e3", "1500"),
    ("2e-3", "0.002"),
    ("10^3", "1000"),
    ("10³", "1 thousand"),
    ("5 million", "5,000,000"),
    ("five million", "5000000"),
    ("$2.5 billion", "$2,500,000,000"),
    ("6.02e23", "6.02 × 10^23"),
    ("4 July", "July 4"),
    ("1 July", "July 1"),
    ("31 July", "July 31"),
    ("4th July", "July 4th"),
    ("4th of July", "July 4"),
    ("the 4th of July", "4 July"),
    ("July 4, 1776", "4 July 1776"),
    ("1776-07-04", "July 4, 1776"),
    ("Dec 25", "25 December"),
    ("5km", "5 km"),
    ("5 kilometres", "5 km"),
    ("60 mph", "60 miles per hour"),
    ("5 KB", "5 kB"),
]


@GRADERS
@pytest.mark.parametrize(("one", "other"), SAME)
def test_either_form_is_right(grader: Normalised, one: str, other: str) -> None:
    for answer, accepted in ((one, other), (other, one)):
        assert grader.is_right(answer, replace(QUESTION, accepted=(accepted,))), (answer, accepted)
        assert grader.is_right(answer, replace(QUESTION, accepted=(accepted, "nothing of the kind")))


@GRADERS
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(1,2)", "(2,1)"),
        ("(1,2)", "[1,2]"),
        ("1,2", "12"),
        ("1,000", "1, 0"),
        ("(1,000)", "(1, 0)"),
        ("1e3", "13"),
        ("1e3", "1e-3"),
        ("10^3", "103"),
        ("5 million", "5 billion"),
        ("4 July", "5 July"),
        ("4 July", "4 June"),
        ("July 4, 1776", "July 4, 1777"),
        ("1776-07-04", "April 7, 1776"),
        ("5 Mb", "5 MB"),
        ("5 kb", "5 kB"),
        ("5 kb", "5 KB"),
        ("10 Gb", "10 GB"),
        ("5 Mb/s", "5 MB/s"),
        ("5 Mbps", "5 MBps"),
        ("5 KiB", "5 KB"),
        ("5 mW", "5 MW"),
        ("3 mm", "3 Mm"),
        ("3 nm", "3 Nm"),
        ("3 mM", "3 mm"),
        ("2 M", "2 m"),
        ("5 s", "5 S"),
        ("5 mHz", "5 MHz"),
        ("5 mg", "5 Mg"),
        ("5 pF", "5 F"),
        ("5 H", "5 h"),
        ("5 mAh", "5 Ah"),
    ],
)
def test_what_looks_alike_is_not_the_same(grader: Normalised, one: str, other: str) -> None:
    for answer, accepted in ((one, other), (other, one)):
        assert not grader.is_right(answer, replace(QUESTION, accepted=(accepted,))), (answer, accepted)


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("It is 5 Mb.", "5 MB", False),
        ("It is 5 MB.", "5 MB", True),
        ("The power is 5 mW, I think.", "5 MW", False),
        ("5 m per second", "5 m", False),
        ("It was on the 4th of July, 1776.", "July 4, 1776", True),
        ("It was on 4 July.", "July 4", True),
        ("12 April 1979", "April 1979", True),
        ("April 12, 1979", "April 1979", True),
        ("It has about 1e3 members.", "1000", True),
        ("The point is (1,2).", "(1, 2)", True),
        ("The population is 5 million.", "5,000,000", True),
    ],
)
def test_in_a_sentence(answer: str, accepted: str, right: bool) -> None:
    assert Contains().is_right(answer, replace(QUESTION, text="Which is it?", accepted=(accepted,))) is right


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1, 2", "1 2"),
        ("(1;-2)", "1 -2"),
        ("[.5,2.50]", "0.5 2.5"),
        ("(100,200).", "100 200"),
        ("100,200", None),
        ("(1,00)", None),
        ("1", None),
        ("1, x", None),
        ("", None),
    ],
)
def test_a_text_that_is_nothing_but_numbers(text: str, numbers: str | None) -> None:
    assert numbers_of(text) == (None if numbers is None else tuple(map(Decimal, numbers.split())))


@given(st.text("0123456789,;.()[]{}^eEx×·- MayJuly4thkgmillion'", max_size=40))
def test_any_text_has_a_form(text: str) -> None:
    assert one_form(one_form(text)) is not None
    numbers_of(text)
