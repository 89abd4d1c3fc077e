import json
import math
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.reasoning.decisiveness.llm_judge import rating_chat, read_ratings
from ccps.reasoning.judges.yes_no import agreement_chat

NAN = math.nan


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ("[0.5, 1, 0]", [0.5, 1, 0]),
        (" [0.5,\n1.0,\n0] \n", [0.5, 1, 0]),
        ("```json\n[0.5, 1, 0]\n```", [0.5, 1, 0]),
        ("```\n[0.5, 1, 0]```", [0.5, 1, 0]),
        ("[5e-1, 1, 0.0]", [0.5, 1, 0]),
    ],
)
@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_an_array_of_as_many_scores_as_were_asked_for(
    reply: str, scores: list[float], mode: Literal["strict", "parity"]
) -> None:
    assert read_ratings(reply, 3, mode=mode) == scores


@pytest.mark.parametrize(
    ("reply", "in_parity"),
    [
        # Too few, too many.
        ("[0.5, 1]", [0.5, 1, NAN]),
        ("[0.5, 1, 0, 0.25]", [0.5, 1, 0]),
        ("[]", [NAN] * 3),
        # As many, but not all of them scores.
        ("[0.5, 1.5, 0]", [0.5, NAN, 0]),
        ("[0.5, -1, 0]", [0.5, NAN, 0]),
        ("[0.5, null, 0]", [0.5, NAN, 0]),
        ("[0.5, NaN, 0]", [0.5, NAN, 0]),
        ("[0.5, Infinity, 0]", [0.5, NAN, 0]),
        ('[0.5, "1", 0]', [0.5, 1, 0]),
        ("[0.5, true, 0]", [0.5, 1, 0]),
        ("[0.5, [1], 0]", [0.5, NAN, 0]),
        # No JSON, or no array: all numbers in [0, 1] in their order.
        ("0.5, 1, 0", [0.5, 1, 0]),
        ("Scores: [0.5, 1, 0]", [0.5, 1, 0]),
        ("[0.5, 1, 0", [0.5, 1, 0]),
        ('{"scores": [0.5, 1, 0]}', [0.5, 1, 0]),
        ("1. 0.5\n2. 0.7\n3. 0.9", [1, 0.5, 0.7]),
        ("First .5, then 7, -0.3, 12.5 and 1e-1.", [0.5, 1, NAN]),
        ("I cannot rate these.", [NAN] * 3),
        ("", [NAN] * 3),
        ("0.5", [0.5, NAN, NAN]),
        ("[" * 100_000, [NAN] * 3),
    ],
)
def test_what_is_not_that_is_refused_or_made_the_best_of(reply: str, in_parity: list[float]) -> None:
    assert read_ratings(reply, 3) is None
    assert read_ratings(reply, 3, mode="parity") == pytest.approx(in_parity, nan_ok=True)


@pytest.mark.parametrize("digits", ["9" * 4_400, "9" * 400])
def test_numbers_of_any_length_are_no_scores_and_no_crash(digits: str) -> None:
    for reply in (f"[0.5, {digits}, 1]", f"[0.5, {digits}", digits, f'[0.5, "{digits}", 1]'):
        assert read_ratings(reply, 3) is None
    # The released code fails at such a number, and gives up the batch, unless it stands in quotes or in no array.
    assert read_ratings(f"[0.5, {digits}, 1]", 3, mode="parity") == pytest.approx([NAN] * 3, nan_ok=True)
    assert read_ratings(f'[0.5, "{digits}", 1]', 3, mode="parity") == pytest.approx([0.5, NAN, 1], nan_ok=True)


def test_odd_replies_are_read_in_parity_as_the_released_code_reads_them() -> None:
    """400 replies with what the released parser made of them: reply, scores asked for, scores (null: none)."""
    with (Path(__file__).parents[2] / "data_files" / "reasoning" / "odd_ratings.jsonl").open(encoding="utf-8") as file:
        known = [json.loads(line) for line in file]
    assert len(known) == 400
    for reply, n, scores in known:
        wanted = [NAN if score is None else score for score in scores]
        assert read_ratings(reply, n, mode="parity") == pytest.approx(wanted, abs=0, nan_ok=True), reply


@given(st.text(), st.integers(1, 5))
def test_whatever_is_said_gives_scores_or_none(reply: str, n: int) -> None:
    ratings = read_ratings(reply, n)
    assert ratings is None or all(0 <= score <= 1 for score in ratings)
    made: Any = read_ratings(reply, n, mode="parity")
    assert len(made) == n
    assert all(math.isnan(score) or 0 <= score <= 1 for score in made)


def test_texts_are_numbered_quoted_and_put_on_one_line_each() -> None:
    system, user = rating_chat(["It {may}\n be so.", "It is."])
    assert (system["role"], user["role"]) == ("system", "user")
    assert "1. “It {may} be so.”\n2. “It is.”\n" in user["content"]
    assert "2 numbers" in user["content"]
    assert "one number" in rating_chat(["It is."])[1]["content"]


def test_the_examples_span_the_scale() -> None:
    system = rating_chat(["x"])[0]["content"]
    scores = (0.129, 0.224, 0.689, 0.506, 0.504, 1, 0.267, 0.011, 0.779)
    assert all(f"\n{score:g}: “" in system for score in scores)
    assert len(re.findall(r"^[0-9.]+: “.+”$", system, re.MULTILINE)) == 11


def test_the_judge_of_agreement_sees_both_texts_and_nothing_else() -> None:
    (message,) = agreement_chat("a {passage}", "a {statement}")
    assert message["role"] == "user"
    assert "a {passage}" in message["content"]
    assert "a {statement}" in message["content"]
