"""Equality of expressions, judged in a process of its own that may be asked from any thread and may run late."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.reasoning.marking import Marked, mark
from ccps.reasoning.mathematics import Comparer, same_mathematics


def question(*accepted: Any) -> Question:
    return Question("q", "s", "?", (), accepted, "test", "quiz")


@pytest.mark.parametrize(
    ("gold", "answer", "same"),
    [
        (r"\frac{1}{2}", "0.5", True),
        (r"\frac{1}{2}", "1/2", True),
        (r"$\frac{1}{2}$", r"\dfrac12", True),
        (r"2\sqrt{3}", r"\sqrt{12}", True),
        ("x^2 + 2x + 1", "(x+1)^2", True),
        ("(3, 4)", "(3,4)", True),
        ("(3, 4)", "(4,3)", False),
        (r"\{1, 2\}", r"\{2, 1\}", True),
        ("1,450,000", "1450000", True),
        ("7", "8", False),
        (r"\frac{1}{23}", r"\frac{12}{3}", False),
    ],
)
def test_equal_expressions_are_the_same(gold: str, answer: str, same: bool) -> None:
    assert same_mathematics(gold, answer) == (same, "")


def test_threads_get_the_same_marks() -> None:
    with ThreadPoolExecutor(4) as pool:
        marks = list(pool.map(lambda n: mark(f"{n}/2", question("2.5"), "mathematics"), range(12)))
    assert [marked.correct for marked in marks] == [n == 5 for n in range(12)]


def test_several_right_answers_and_what_is_no_mathematics() -> None:
    assert mark("4", question("3", "4"), "mathematics") == Marked(True, "4")
    assert mark("5", question("3", "4"), "mathematics", mode="parity") == Marked(False, "5")
    nothing = mark(r"\text{ }", question("3"), "mathematics")
    assert nothing == Marked(None, None, "the answer cannot be read as mathematics")
    assert mark(r"\frac{4}{6}", question(r"\frac{2}{3}"), "letter_or_text").correct is True
    assert mark(r"\frac{1}{23}", question(r"\frac{12}{3}"), "letter_or_text").correct is False


def test_a_comparison_that_takes_too_long_is_unknown_and_the_next_is_made() -> None:
    comparer = Comparer()
    try:
        assert comparer.compare("1", "1").same is True
        late = comparer.compare("1", "9^{9^{9^{9}}}", seconds=0.5)
        assert late == (None, "comparing took over 0.5 s")
        assert comparer.compare("2", "2").same is True
    finally:
        comparer.close()


def test_without_the_library_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"pip install 'math-verify\[antlr4_9_3\]'"):
        Comparer().compare("1", "1")
