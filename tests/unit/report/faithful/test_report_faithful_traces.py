import math

import pytest
from faithful_cells import HOSTILE, cell, data, steps
from hypothesis import given
from hypothesis import strategies as st

from ccps.analysis.faithful_traces import Piece, pieces, printable, shown_traces
from ccps.report.faithful.traces import heading, step_html

HEDGED = "Perhaps it is 7. Clearly, 3 + 4 = 7. Is it?\n\tYes."


def _html(text: str) -> str:
    return str(step_html(tuple(pieces(text))))


def test_hedges_boosters_and_questions_are_found_at_their_places() -> None:
    found = [(piece.text, piece.kind, piece.question) for piece in pieces(HEDGED)]
    assert found == [
        ("Perhaps", "hedge", False),
        (" it is 7.", "", False),
        (" ", "", False),
        ("Clearly", "booster", False),
        (", 3 + 4 = 7.", "", False),
        (" ", "", False),
        ("Is it?", "", True),
        ("\n\t", "", False),
        ("Yes.", "", False),
    ]


def test_a_mark_says_what_it_counts() -> None:
    assert _html("It is unlikely.") == 'It is <mark class="hedge" title="hedge 0.21">unlikely</mark>.'
    assert _html("Is it?") == '<span class="asked">Is it?</span>'
    assert 'class="hedge asked"' in _html("Is it perhaps 7?")


def test_thinking_aloud_is_marked_only_if_it_counts() -> None:
    text = "Hmm, it is 7."
    assert not any(piece.kind for piece in pieces(text))
    assert [piece.text for piece in pieces(text, deliberation=True) if piece.kind == "hedge"] == ["Hmm"]


def test_markup_of_a_model_is_text() -> None:
    html = _html(HOSTILE)
    assert html.startswith("&lt;script&gt;alert(1)&lt;/script&gt; <mark")
    assert "<img" not in html
    assert "&lt;img src=x onerror=&#34;go()&#34;&gt;" in html
    # A marker whose own words hold markup.
    assert str(step_html([Piece("<b>", "hedge", 0.5, False)])).endswith(">&lt;b&gt;</mark>")


@given(st.text())
def test_pieces_are_the_text(text: str) -> None:
    assert "".join(piece.text for piece in pieces(text)) == text


@given(st.text(st.characters(exclude_categories=[])))
def test_printable_text_has_the_same_length_and_can_be_written(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    shown.encode("utf-8")


def test_characters_that_turn_text_round_are_not_printed() -> None:
    assert printable("a\u202eb\x1b[31mc\x00d\ud800e\nf\tg é 漢") == "a\ufffdb\ufffd[31mc\ufffdd\ufffde\nf\tg é 漢"


def test_traces_are_shown_worst_first_with_their_steps_in_order() -> None:
    shown = shown_traces(data(), cell(), 10)
    assert [trace.id for trace in shown] == ["t2", "t1"]
    second = shown[1]
    assert [step.number for step in second.steps] == [1, 2]
    assert [bar.label for bar in second.steps[0].bars] == ["Decisiveness", "DeepConf", "RCC"]
    assert [bar.value for bar in second.steps[0].bars][:2] == [1.0, 0.35]
    assert not second.steps[0].bars[2].known
    assert second.faithfulness == pytest.approx(0.7)
    assert heading(shown[0]) == "faithfulness 0.30 · wrong · Is <b> bold?"
    assert shown_traces(data(), cell(), 1) == shown[:1] or math.isnan(shown[0].scores[0].value)


def test_unknown_marks_and_cut_traces_say_so() -> None:
    (trace,) = shown_traces(data(), cell(worst=("t3",)), 10)
    assert heading(trace) == "faithfulness – · not judged, cut off · Cut?"
    assert trace.answer == ""
    assert trace.steps == ()


def test_long_steps_are_cut_and_say_by_how_much() -> None:
    own = cell(steps=steps().assign(text="word " * 1000))
    step = shown_traces(data(), own, 1)[0].steps[0]
    assert step.cut == 3000
    assert sum(len(piece.text) for piece in step.pieces) == 2000
