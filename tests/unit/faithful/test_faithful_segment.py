from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccps.faithful import segment, think_block
from ccps.faithful.sentences import mask_formulae, sentence_spans

# Text, and the spans that the released code of arXiv 2606.03969 finds in it.
RELEASED = [
    (
        "<think>\nA one.\n\nB two.\n\n\nC three.\n</think>\n\nFinal 7",
        [(7, 14, "A one."), (16, 22, "B two."), (25, 34, "C three.")],
    ),
    ("A one.\n\nB two.\n</think>\n\nFinal", [(0, 6, "A one."), (8, 15, "B two.")]),
    ("<think>\nA one.\n\nB two", [(0, 14, "<think>\nA one."), (16, 21, "B two")]),
    ("A one.\n\nB two.\nstill B", [(0, 6, "A one."), (8, 22, "B two.\nstill B")]),
    ("<think>\n\n</think>\n\nX", []),
    ("<think>A\n \nB\n\n  \n\nC</think>", [(7, 12, "A\n \nB"), (18, 19, "C")]),
    ("A\n\nB</think> then <think>C\n\nD</think>", [(0, 1, "A"), (3, 4, "B")]),
]
TEXTS = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "\n", "\r\n", " ", "\t", "So x = 1.", "Is it? ", "e.g. ", "$a.b$", "1. ", "é", "..."]
    ),
    max_size=25,
).map("".join)


@pytest.mark.parametrize(("text", "spans"), RELEASED)
def test_parity_finds_the_released_spans(text: str, spans: list[Any]) -> None:
    assert segment(text, mode="parity") == spans


@pytest.mark.parametrize("number", [0, 1, 3, 4, 6])
def test_strict_agrees_where_nothing_is_to_mend(number: int) -> None:
    text, spans = RELEASED[number]
    assert segment(text) == spans


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("<think>\nA one.\n\nB two", [(7, 14, "A one."), (16, 21, "B two")]),
        ("<think>A\n \nB\n\n  \n\nC</think>", [(7, 8, "A"), (11, 12, "B"), (18, 19, "C")]),
        ("<think>\n<think>\nA\n\nB</think>", [(15, 17, "A"), (19, 20, "B")]),
        ("A one\r\nstill A.\r\n\r\nB two.", [(0, 15, "A one\nstill A."), (19, 25, "B two.")]),
        ("A\n\nB</think>C</think>\n\nD", [(0, 1, "A"), (3, 4, "B")]),
        ("", []),
        (" \n\n\t", []),
    ],
)
def test_strict_mends_tags_and_blank_lines(text: str, spans: list[Any]) -> None:
    assert segment(text) == spans


@pytest.mark.parametrize(
    ("text", "truncated", "surplus"),
    [
        ("<think>a", True, 0),
        ("a", False, 0),
        ("<think><think>a</think>", False, 1),
        ("a</think>b</think>", False, 1),
        ("a</think><think>b", False, 0),
    ],
)
def test_tags_are_reported(text: str, truncated: bool, surplus: int) -> None:
    block = think_block(text)
    assert (block.truncated, block.surplus_tags) == (truncated, surplus)


@given(text=TEXTS, unit=st.sampled_from(["paragraph", "sentence"]), mode=st.sampled_from(["strict", "parity"]))
def test_spans_are_of_the_original_text_and_in_order(
    text: Any, unit: Literal["paragraph", "sentence"], mode: Literal["strict", "parity"]
) -> None:
    steps, block = segment(text, unit=unit, mode=mode), think_block(text, mode=mode)
    for step in steps:
        assert step.text
        assert step.text.replace("\r\n", "\n") == text[step.start : step.end].strip().replace("\r\n", "\n")
    edges = [block.start, *(edge for step in steps for edge in step[:2]), block.end]
    assert edges == sorted(edges)
    # Nothing but white space lies between steps.
    between = zip(edges[::2], edges[1::2], strict=True)
    assert not any(text[a:b].strip() for a, b in between)


@given(TEXTS)
def test_sentences_are_parts_of_paragraphs(text: Any) -> None:
    paragraphs = segment(text)
    for sentence in segment(text, unit="sentence"):
        assert sum(step.start <= sentence.start and sentence.end <= step.end for step in paragraphs) == 1


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("So x = 3. Then y = 4.", ["So x = 3.", "Then y = 4."]),
        ("Take n, e.g. 3.5 or i.e. pi. Done!", ["Take n, e.g. 3.5 or i.e. pi.", "Done!"]),
        ("Is it? maybe not. no.", ["Is it?", "maybe not.", "no."]),
        ("Wait... that is off. Hmm... So be it.", ["Wait... that is off.", "Hmm...", "So be it."]),
        ("1. First thing. 2 more.\n2. Second", ["1. First thing.", "2 more.", "2. Second"]),
        ("Items:\n- one\n- two", ["Items:", "- one", "- two"]),
        ("The answer is B. So it is.", ["The answer is B.", "So it is."]),
        ('He said "yes." Then left.', ['He said "yes."', "Then left."]),
        ("See $a. B$ and \\(c. D\\) here. Next.", ["See $a. B$ and \\(c. D\\) here.", "Next."]),
        ("Smith v. Jones in the U.S. courts.", ["Smith v. Jones in the U.S. courts."]),
        ("No full stop", ["No full stop"]),
        ("", []),
    ],
)
def test_sentences(text: str, sentences: list[Any]) -> None:
    assert [text[a:b] for a, b in sentence_spans(text)] == sentences


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a $x$ b", "a xxx b"),
        ("$5 and $6", "$5 and $6"),
        ("run `may be` now", "run xxxxxxxx now"),
        ("```\nmaybe\n", "x" * 10),
        ("\\[ maybe \\] ok", "x" * 11 + " ok"),
        ("\\begin{align*}a?\\end{align*}!", "x" * 28 + "!"),
    ],
)
def test_formulae_and_code_are_masked_in_place(text: str, masked: str) -> None:
    assert mask_formulae(text) == masked


@pytest.mark.parametrize("wrong", [{"mode": "exact"}, {"unit": "word"}])
def test_unknown_choices_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Expected `(mode|unit)` to be one of"):
        segment("a", **wrong)
