import math

import pandas as pd
import pytest
from faithful_cells import HOSTILE, NAN, cell, data

from ccps.analysis.faithful_data import ALTERNATIVE_COLUMNS
from ccps.analysis.faithful_traces import Piece, pieces, shown_traces
from ccps.report.faithful.job import FAITHFUL
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


SAID = pd.DataFrame(
    [("t1", 1, HOSTILE, 3, 0.25), ("t1", 1, "Two?", 2, NAN), *(("t1", 1, f"{n}", 1, 1.0) for n in range(9))],
    columns=list(ALTERNATIVE_COLUMNS),
)


def test_a_step_brings_what_was_said_instead_and_how_far_words_and_belief_lie_apart() -> None:
    second = shown_traces(data(), cell(alternatives=SAID), 10)[1]
    assert second.steps[0].alternatives == ()
    assert [(one.n, one.agrees) for one in second.steps[1].alternatives[:1]] == [(3, 0.75)]
    assert len(second.steps[1].alternatives) == 6
    assert second.steps[1].others == 5
    # No estimator has a control here, so the first is the belief: D 0.8 against 0.7, and 1 against 0.35.
    assert [step.mismatch for step in second.steps] == pytest.approx([0.65, 0.1])


def test_the_page_colours_a_step_twice_and_says_what_its_order_goes_by() -> None:
    part = FAITHFUL.parts(data(cell(alternatives=SAID)))["traces"]
    assert part.more is not None
    html = " ".join(part.more.html.split())
    assert '<tr data-step="1" data-mismatch="0.6500"><th scope="row" style="--sure: 100%" class="words">1</th>' in html
    assert '<td class="scores belief" style="--sure: 35%">' in html
    assert '<b>3 ×</b> <span dir="auto">&lt;script&gt;alert(1)' in html
    assert "and 5 times something else" in html
    assert html.count("not judged</small>") == 1
    assert 'data-order="overstated"' in html


def test_unknown_marks_and_cut_traces_say_so() -> None:
    (trace,) = shown_traces(data(), cell(worst=("t3",)), 10)
    assert heading(trace) == "faithfulness – · not judged, cut off · Cut?"
    assert trace.answer == ""
    assert trace.steps == ()
