from faithful_cells import cell, data, steps
from hypothesis import given
from hypothesis import strategies as st

from ccps.analysis.faithful_traces import pieces, printable, shown_traces

HEDGED = "Perhaps it is 7. Clearly, 3 + 4 = 7. Is it?\n\tYes."


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


def test_thinking_aloud_is_marked_only_if_it_counts() -> None:
    text = "Hmm, it is 7."
    assert not any(piece.kind for piece in pieces(text))
    assert [piece.text for piece in pieces(text, deliberation="suggested") if piece.kind == "hedge"] == ["Hmm"]


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


def test_long_steps_are_cut_and_say_by_how_much() -> None:
    own = cell(steps=steps().assign(text="word " * 1000))
    step = shown_traces(data(), own, 1)[0].steps[0]
    assert step.cut == 3000
    assert sum(len(piece.text) for piece in step.pieces) == 2000
