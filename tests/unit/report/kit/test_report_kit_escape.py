import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ccps.report.kit.escape import latex_escape, markdown_escape
from ccps.report.kit.table import Table

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SPECIAL = "\\`*_[]<>|~$&#{}^%!()-+=.:;/\"'0123456789 \tabé−–ρ↓"
TEXTS = st.text(st.sampled_from(SPECIAL), max_size=12)


def _shown(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def test_escaping() -> None:
    assert markdown_escape("a|b_c*d<e") == r"a\|b\_c\*d\<e"
    assert latex_escape("a_b & 5 % {x} \\ ~") == r"a\_b \& 5 \% \{x\} \textbackslash{} \textasciitilde{}"


def test_markdown_escaping_keeps_a_text_on_its_line() -> None:
    assert markdown_escape("a\rb\r\nc\u2028d\x0be") == "a b c d e"
    assert markdown_escape("&lt; &#60; & x; $5") == r"\&lt; \&#60; & x; \$5"


@pytest.mark.parametrize("line", ["# a", "- a", "+ a", "1. a", "23) a", "---", "===", "- - -", "a #", "#", "12.", "-"])
def test_what_means_something_at_the_edge_of_a_line_is_text(line: str) -> None:
    for before in ("", "## ", "- "):
        html = PARSER.render(f"above\n\n{before}{markdown_escape(line)}")
        assert _shown(html) == f"above {line}"
        assert html.count("<h") == before.count("#") // 2
        assert html.count("<li") == before.count("-")


@pytest.mark.parametrize("number", ["+3.1", "-3.1", "1.5", "#3", "1.5 points", "3,4"])
def test_numbers_need_no_escape(number: str) -> None:
    assert markdown_escape(number) == number


@given(TEXTS)
@example("a [b](c) ![d](e) <f> `g` **h** _i_ ~~j~~ &amp; $k$ \\")
def test_markdown_shows_a_text_as_it_stands(text: str) -> None:
    wanted = " ".join(text.split())
    for before in ("", "## ", "- ", "> "):
        html = PARSER.render(before + markdown_escape(text))
        assert _shown(html) == wanted
        assert not re.search("<(em|strong|s|a|img|code|pre|hr|table|ol)[ >/]", html)


@given(TEXTS)
def test_latex_has_no_bare_special_and_loses_nothing(text: str) -> None:
    escaped = latex_escape(text)
    parts = re.findall(r"\\text\w+\{\}|\\[&%$#_{}]|\$[^$]*\$|.", escaped)
    bare = [part for part in parts if len(part) == 1]
    assert not set(bare) & set("\\&%$#_{}~^<>|")
    assert [part for part in bare if part.isalnum()] == [
        letter for letter in text if letter.isalnum() and letter != "ρ"
    ]


@pytest.mark.parametrize("letter", list("&%$#_{}"))
def test_each_special_of_latex_has_a_backslash(letter: str) -> None:
    assert latex_escape(f"a{letter}b") == f"a\\{letter}b"


def test_greek_and_arrows_are_formulae_in_latex() -> None:
    assert latex_escape("ρ κ μ ↑ ↓ ≤ −1") == r"$\rho$ $\kappa$ $\mu$ $\uparrow$ $\downarrow$ $\leq$ $-$1"


def test_hidden_characters_are_spelt_out_in_every_language() -> None:
    text = "a\u202eb\x1bc"
    shown = "a⟨U+202E⟩b⟨U+001B⟩c"
    assert markdown_escape(text) == shown
    assert latex_escape(text) == shown
    assert shown in Table("", ["x"], [[text]]).html("label")
