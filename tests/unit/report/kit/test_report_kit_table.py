import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ccps.report.kit.section import Section, latex_file
from ccps.report.kit.table import Cell, Row, Table, latex

TEXTS = st.text(st.sampled_from("\\`*_[]<>|~$&#{}^%!()-+=. \nabé−ρ"), max_size=8)
TABLE = Table(
    "a_b (mc)",
    ["Method", "ECE ↓", Cell("Brier ↓", "own")],
    [
        Row(["x & y", Cell("10.8", "[9.8, 12.8]", bold=True), "1 < 2"], "reference"),
        Row(["2 seeds", "1–2", ""], "reference spread"),
        Row(["Controls"], "group"),
        ("*z*", Cell("−1.5", "[−2.0, −1.0]", mark="▼", word="worse", kind="worse"), "3 %"),
    ],
    notes=["50 % of_it."],
)


class Cells(HTMLParser):
    """The cells of a table in HTML: name, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def test_as_html() -> None:
    html = TABLE.html("Results")
    assert 'aria-label="Results: a_b (mc)"' in html
    assert "<caption>a_b (mc)</caption>" in html
    assert '<th scope="col">ECE <span aria-label="lower is better">↓</span></th>' in html
    assert '<tr class="reference joined"><th scope="row" class="text id">x &amp; y</th>' in html
    assert '<td class="figure"><strong>10.8</strong><span class="interval">[9.8, 12.8]</span></td>' in html
    assert '<tr class="group"><th scope="row" colspan="3">Controls</th></tr>' in html
    assert '<td class="figure worse">−1.5<span class="interval">[−2.0, −1.0]</span><span class="word">▼ worse' in html
    assert '<p class="small">50 % of_it.</p>' in html


def test_as_markdown() -> None:
    assert TABLE.markdown() == (
        "### a\\_b (mc)\n\n"
        "| Method | ECE ↓ | Brier ↓ own |\n"
        "| :-- | --: | --: |\n"
        "| x & y | **10.8** \\[9.8, 12.8\\] | 1 \\< 2 |\n"
        "| *2 seeds* | 1–2 |  |\n"
        "| *Controls* |  |  |\n"
        "| \\*z\\* | ▼ −1.5 \\[−2.0, −1.0\\] | 3 % |\n\n"
        "- 50 % of\\_it."
    )


def test_as_latex() -> None:
    assert latex([TABLE]).splitlines() == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Method & ECE $\downarrow$ & Brier $\downarrow$ {\scriptsize own} \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\textit{a\_b (mc)}} \\",
        r"x \& y & \textbf{10.8} {\scriptsize [9.8, 12.8]} & 1 \textless{} 2 \\",
        r"\quad{\scriptsize 2 seeds} & {\scriptsize 1--2} & \\",
        r"\addlinespace",
        r"\multicolumn{3}{l}{\scriptsize Controls} \\",
        r"{}*z* & $\bigtriangledown$ $-$1.5 {\scriptsize [$-$2.0, $-$1.0]} & 3 \% \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par{\footnotesize 50 \% of\_it.}",
    ]


def test_tables_of_one_head_may_be_one_in_latex() -> None:
    section = Section("a", "A", tables=[TABLE, TABLE], notes=["Last."])
    assert section.latex(joined=True).count(r"\begin{tabular}") == 1
    assert section.latex(joined=True).count(r"\multicolumn{3}{l}{\textit{a\_b (mc)}}") == 2
    assert section.latex().count(r"\begin{tabular}") == 2
    assert latex_file([section]).startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}")
    assert latex_file([section]).endswith("\\par{\\footnotesize Last.}\n")


def test_without_a_row_it_says_so() -> None:
    empty = Table("", ["a"], [], empty="Nothing was <counted>.")
    assert "<p>Nothing was &lt;counted&gt;.</p>" in empty.html("x")
    assert "<table>" not in empty.html("x")
    assert empty.markdown() == "Nothing was \\<counted\\>."


def test_columns_of_words_stand_to_the_left() -> None:
    table = Table("", ["a", "b", "c", "d"], [("1", "2", "3", "4")], "lrl")
    assert table.markdown().splitlines()[1] == "| :-- | --: | :-- | --: |"
    assert latex([table]).startswith(r"\begin{tabular}{lrlr}")
    assert [cell == ' class="text"' for cell in re.findall(r"<td( class=\"text\")?>", table.html(""))] == [
        False, True, False,
    ]  # fmt: skip


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=3))
def test_any_text_stays_in_its_cell_in_each_language(rows: list[tuple[str, str, str]]) -> None:
    table = Table("", ["a", "b", "c"], rows)
    wanted = [[" ".join(text.split()) for text in row] for row in rows]
    html = MarkdownIt("commonmark").enable("table").render(table.markdown())
    for found in (Cells(table.html("")), Cells(html)):
        assert [[" ".join(text.split()) for text in row] for row in found.rows[1:]] == wanted
    body = latex([table]).splitlines()[4:-2]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in body] == [2] * len(rows)
