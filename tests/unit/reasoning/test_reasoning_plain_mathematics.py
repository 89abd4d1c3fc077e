"""Mathematics as people type it is what it says, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.reasoning.mathematics import same_mathematics
from ccps.reasoning.plain_mathematics import as_latex, readings


@pytest.mark.parametrize(
    ("plain", "latex"),
    [
        ("sqrt(3)", r"\sqrt{3}"),
        ("sqrt(x + (y))/2", r"\sqrt{x + (y)}/2"),
        ("sqrt3", r"\sqrt{3}"),
        ("2sqrt3", r"2\sqrt{3}"),
        ("the square root of 3", r"\sqrt{3}"),
        ("sqrtx", "sqrtx"),
        ("√2", r"\sqrt{2}"),
        ("√(2)", r"\sqrt{2}"),
        ("cbrt(2)", r"\sqrt[3]{2}"),
        ("74°", r"74^\circ"),
        ("74 degrees", r"74^\circ"),
        ("20 °C", "20 °C"),
        ("11 5/6", r"(11+\frac{5}{6})"),
        (r"-11 \frac{5}{6}", r"-(11+\frac{5}{6})"),
        ("1½", r"(1+\frac{1}{2})"),
        ("x²", "x^{2}"),
        ("10⁻³", "10^{-3}"),
        ("sin(x)", r"\sin(x)"),
        (r"\sin(x)", r"\sin(x)"),
        ("using(x)", "using(x)"),
        (r"\sqrt{3} - 1", r"\sqrt{3} - 1"),
        ("2 3", "2 3"),
    ],
)
def test_plain_forms(plain: str, latex: str) -> None:
    assert as_latex(plain) == latex


@given(st.text("0123456789+-*/^()[]{}\\sqrtcbfo√½%° .,", max_size=20))
def test_any_text_has_readings_and_they_end(text: str) -> None:
    assert readings(text)[0] == text


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [
        (r"74^\circ", "74°", True),
        (r"\sqrt{3} - 1", "-1 + sqrt(3)", True),
        ("0.335", r"33.5\%", True),
        ("33.5", "33.5%", True),
        ("33.5", "0.335", False),
        ("71/6", "11 5/6", True),
        ("55/6", "11 5/6", False),
        (r"\frac{3}{2}", "1½", True),
        (r"2\sqrt{3}", "2√3", True),
        ("x^2", "x²", True),
        (r"\infty", "∞", True),
        (r"\ln 2", "ln(2)", True),
        (r"\sqrt{3}", "sqrt(2)", False),
        (r"74^\circ", "47°", False),
    ],
)
def test_plain_forms_are_compared_by_value(gold: str, answer: str, same: bool) -> None:
    assert same_mathematics(gold, answer).same is same


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("10^{-3}", "1e-3"),
        (r"3\cdot 10^8", "3E8"),
        ("1500", "1.5 x 10^3"),
        (r"1\,000", "1000"),
        ("1 000", "1000"),
        (r"2\pi", "2pi"),
        ("2**10", "1024"),
        ("１２", "12"),
        ("5 m/s", "5 metres per second"),
        (r"5\text{ m s}^{-1}", "5 m/s"),
        ("12 square metres", r"12 \text{ m}^2"),
        ("5 J", "5 N m"),
        (r"\frac{1}{2} m", "0.5 metres"),
        ("5 cm", "5"),
        ("12.", "12"),
    ],
)
def test_more_plain_forms_are_the_same(gold: str, answer: str) -> None:
    assert same_mathematics(gold, answer).same
    assert same_mathematics(answer, gold).same


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1e3", "13"),
        ("1 000", "1"),
        ("1.000", "1000"),
        ("10³", "103"),
        ("[1,2)", "(1,2)"),
        ("±2", "2"),
        ("5 m", "5 cm"),
        (r"5\text{ m}", "5 s"),
        ("5 m", "500 cm"),  # nothing is converted
    ],
)
def test_more_that_only_look_alike(gold: str, answer: str) -> None:
    assert not same_mathematics(gold, answer).same
