import math

import pytest
from faithful_cells import HOSTILE, cell, data

from ccps.analysis.faithful_traces import Piece, pieces, shown_traces
from ccps.report.faithful.traces import heading, step_html

HEDGED = "Perhaps it is 7. Clearly, 3 + 4 = 7. Is it?\n\tYes."


def _html(text: str) -> str:
    return str(step_html(tuple(pieces(text))))


def test_a_mark_says_what_it_counts() -> None:
    assert _html("It is unlikely.") == 'It is <mark class="hedge" title="hedge 0.21">unlikely</mark>.'
    assert _html("Is it?") == '<span class="asked">Is it?</span>'
    assert 'class="hedge asked"' in _html("Is it perhaps 7?")


def test_markup_of_a_model_is_text() -> None:
    html = _html(HOSTILE)
    assert html.startswith("&lt;script&gt;alert(1)&lt;/script&gt; <mark")
    assert "<img" not in html
    assert "&lt;img src=x onerror=&#34;go()&#34;&gt;" in html
    # A marker whose own words hold markup.
    assert str(step_html([Piece("<b>", "hedge", 0.5, False)])).endswith(">&lt;b&gt;</mark>")


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
