"""Steps that a trace brings, found again in its text."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from ccps.faithful import place_steps
from ccps.faithful.segment import Unit

TEXT = "One is odd. Wait. Two is even.\n\nThree is odd. Wait. Four."


def test_steps_are_found_in_their_order() -> None:
    placed = place_steps(TEXT, ["One is odd.", "Wait.", " Two is even. ", "Three is odd.", "Wait.", "Four."])
    assert placed.absent == ()
    assert [TEXT[step.start : step.end] for step in placed.steps] == [step.text for step in placed.steps]
    assert [step.start for step in placed.steps] == [0, 12, 18, 32, 46, 52]


def test_what_does_not_stand_in_the_text_has_an_empty_span_and_keeps_its_words() -> None:
    placed = place_steps(TEXT, ["One is odd.", "Zero  is even.", "Two is even."])
    assert placed.absent == (1,)
    assert placed.steps[1] == (11, 11, "Zero  is even.")
    assert placed.steps[2].start == 18


def test_a_few_words_that_stand_again_later_take_no_one_along() -> None:
    """The second "Wait." of the list is not in the text before "Two": the one in the next paragraph is not meant."""
    placed = place_steps(TEXT, ["One is odd.", "Wait.", "Wait.", "Two is even.", "Four."])
    assert placed.absent == (2,)
    assert [step.start for step in placed.steps] == [0, 12, 17, 18, 52]


def test_paragraphs_take_together_what_no_blank_line_parts() -> None:
    given_steps = ["One is odd.", "Wait.", "Nowhere.", "Two is even.", "Three is odd.", "Wait.", "Four."]
    placed = place_steps(TEXT, given_steps, unit="paragraph")
    assert placed.parts == [range(4), range(4, 7)]
    assert [step.text for step in placed.steps] == [
        "One is odd. Wait. Nowhere. Two is even.",
        "Three is odd. Wait. Four.",
    ]
    assert [(step.start, step.end) for step in placed.steps] == [(0, 30), (32, 57)]


def test_a_blank_line_with_spaces_parts_in_strict_alone() -> None:
    text = "One.\n  \nTwo."
    assert len(place_steps(text, ["One.", "Two."], unit="paragraph").parts) == 2
    assert len(place_steps(text, ["One.", "Two."], unit="paragraph", mode="parity").parts) == 1


def test_no_steps_are_none() -> None:
    assert place_steps("Some text.", []) == ([], [], ())
    assert place_steps("Some text.", [], unit="paragraph") == ([], [], ())


@given(st.text("ab .\n", max_size=40), st.lists(st.text("ab .\n", max_size=6), max_size=8))
def test_spans_go_forward_and_hold_their_text_or_nothing(text: str, steps: list[str]) -> None:
    for unit in get_args(Unit):
        placed = place_steps(text, steps, unit=unit)
        assert [place for part in placed.parts for place in part] == list(range(len(steps)))
        ends = [0, *(step.end for step in placed.steps)]
        assert all(end <= step.start <= step.end for end, step in zip(ends, placed.steps, strict=False))
    alone = place_steps(text, steps)
    for place, step in enumerate(alone.steps):
        assert text[step.start : step.end] == ("" if place in alone.absent else step.text)
