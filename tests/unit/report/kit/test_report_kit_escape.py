from ccps.report.kit.escape import latex_escape, markdown_escape


def test_escaping() -> None:
    assert markdown_escape("a|b_c*d<e") == r"a\|b\_c\*d\<e"
    assert latex_escape("a_b & 5 % {x} \\ ~") == r"a\_b \& 5 \% \{x\} \textbackslash{} \textasciitilde{}"


def test_markdown_escaping_keeps_a_text_on_its_line() -> None:
    assert markdown_escape("a\rb\r\nc\u2028d\x0be") == "a b c d e"
    assert markdown_escape("&lt; &#60; & x; $5") == r"\&lt; \&#60; & x; \$5"
