"""An answer names the same option wherever it is given: in a file, or to a scorer."""

import json
from pathlib import Path
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.data.benchmarks import BenchmarkSpec, load_questions
from ccps.data.named_option import named_option
from ccps.grading import answer_letter
from ccps.scorer.answers import with_answers
from ccps.scorer.questions import as_asked

RIVERS = ["Elbe", "Rhine", "the Main"]


def in_a_file(folder: Path, options: list[str], answer: str) -> str | None:
    file = folder / "t.jsonl"
    file.write_text(json.dumps({"q": "Which?", "o": options, "a": "a", "said": answer}))
    columns: Any = {"question": "q", "options": ["o"], "answer": "a", "given_answer": "said"}
    spec = BenchmarkSpec(name="t", location=str(file), source="file", loader="table", answer_kind="letter", **columns)
    return load_questions(spec).questions[0].given_answer


def to_a_scorer(options: list[str], answer: str) -> str | None:
    asked = as_asked([{"text": "Which?", "options": options}])
    return with_answers(asked, [answer])[0].question.given_answer


@pytest.mark.parametrize(
    ("options", "answer", "letter"),
    [
        (RIVERS, "b", "b"),
        (RIVERS, "B", "b"),
        (RIVERS, " (B). ", "b"),
        (RIVERS, "(b", "b"),
        (RIVERS, "b:", "b"),
        (RIVERS, "Rhine", "b"),
        (RIVERS, "rhine", "b"),
        (RIVERS, "the  Main\n", "c"),
        (RIVERS, "Rhi\u200bne", "b"),
        (RIVERS, "B. Rhine", "b"),
        (RIVERS, "(b) rhine", "b"),
        (RIVERS, "B - RHINE", "b"),
        (RIVERS, "c) the Main", "c"),
        (["B. Elbe", "C. Rhine"], "C. Rhine", "b"),  # as it stands there
        (["mW", "MW"], "MW", "b"),  # case decides where nothing else does
        (["x", "x", "y"], "x", "a"),
        (["x", "y"], "x", "a"),  # no letter of an option
        (["A", "B"], "B", "b"),
        (["C", "B", "A"], "a.", "a"),
        (["e\u0301t\u00e9", "hiver"], "\u00e9t\u00e9", "a"),
    ],
)
def test_one_option_is_named(tmp_path: Path, options: list[str], answer: str, letter: str) -> None:
    assert named_option(answer, options) == letter
    assert to_a_scorer(options, answer) == letter
    written = in_a_file(tmp_path, options, answer)
    assert written is not None
    assert written == letter or answer_letter(written) == letter  # a letter stays as it is spelt


@pytest.mark.parametrize("answer", ["Danube", "d", "D. Danube", "B. Elbe", "d. Rhine", "Rhine, Elbe", "B Rhine", "bb"])
def test_no_option_is_named(tmp_path: Path, answer: str) -> None:
    """It stays an answer where a model gave it, if a wrong one; who gives it to a scorer is told."""
    assert named_option(answer, RIVERS) is None
    assert in_a_file(tmp_path, RIVERS, answer) == answer
    with pytest.raises(UserError, match="to be a letter from a to c or the text of one of its options, but got"):
        to_a_scorer(RIVERS, answer)


@pytest.mark.parametrize(
    ("options", "answer", "said"),
    [
        (["C", "B", "A"], "A", r"the letter of one option and the text of another: write \(c\) or \(a\)"),
        (["C", "B", "a."], "a.", r"the letter of one option and the text of another: write \(c\) or \(a\)"),
        (["mW", "MW", "W"], "mw", r"but for case is the text of several options: write \(a\) or \(b\)"),
    ],
)
def test_an_answer_that_may_be_two_options_is_refused(
    tmp_path: Path, options: list[str], answer: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        in_a_file(tmp_path, options, answer)
    with pytest.raises(UserError, match=said):
        to_a_scorer(options, answer)
    with pytest.raises(ValueError, match=said):
        named_option(answer, options)
