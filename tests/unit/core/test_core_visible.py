import unicodedata

import pytest

from ccps.core.visible import visible


@pytest.mark.parametrize("text", ["plain", "a\tb\nc", "é − ✓ 你好 שלום", "👩\u200d🚀", "क\u094d\u200dष"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("code", [0x00, 0x07, 0x0D, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x202E, 0x2066, 0xFEFF, 0xE0041])
def test_what_cannot_is_spelt_out(code: int) -> None:
    assert visible(f"a{chr(code)}b") == f"a⟨U+{code:04X}⟩b"


def test_no_control_and_no_turn_of_direction_is_left() -> None:
    shown = visible("".join(map(chr, range(0x3000))))
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not [one for one in shown if unicodedata.bidirectional(one) in turning]
    assert {one for one in shown if unicodedata.category(one) == "Cc"} == {"\t", "\n"}
