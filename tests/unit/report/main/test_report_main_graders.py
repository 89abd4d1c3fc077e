import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from ccps.analysis.data import AGREEMENT_COLUMNS, DISAGREEMENT_COLUMNS, ReportData
from ccps.analysis.findings import Findings
from ccps.report.main.graders import disagreements_shown, graders_section
from ccps.report.main.job import MAIN
from ccps.report.main.write import head, write_report

Make = Callable[..., ReportData]
Frame = Callable[..., pd.DataFrame]

RIGHT, WRONG = {"says": "right", "other_says": "wrong"}, {"says": "wrong", "other_says": "right"}
HOSTILE = [
    "<script>alert('x')</script> & &lt;b&gt;",
    "a | b \\| c",
    "one\ntwo\r\nthree\rfour\u2028five",
    "# no heading",
    "```\nno fence",
    "$x$ and **no** _emphasis_ ~~at~~ [all](http://example.org)",
    "{{ 7 * 7 }} {% raw %}",
    "one\rtwo",
]


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of the time, and say nothing of graders."""
    monkeypatch.setattr(MAIN, "figures", [])


def _pages(data: ReportData) -> dict[str, str]:
    """Both pages of a report by name."""
    found = Findings(data)
    pages = MAIN.pages(found, head(found))
    return {"report.html": pages.html, "report.md": pages.markdown}


def _section(page: str) -> str:
    return page.split("## Do the graders agree?")[1].split("\n## ")[0]


def _html_section(page: str) -> str:
    found = re.search(r'<section id="graders">(.*?)</section>', page, re.DOTALL)
    assert found
    return found[1]


def _visible(html: str) -> str:
    """What a reader sees of HTML, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.mark.usefixtures("unpainted")
def test_one_grader_alone_leaves_no_trace(make_data: Make, tmp_path: Path) -> None:
    files = _pages(make_data())
    names = {path.name for path in write_report(make_data(), tmp_path)}
    assert not {"agreement.csv", "disagreements.csv"} & names
    assert "graders agree" not in files["report.html"] + files["report.md"]
    assert "kappa" not in files["report.html"]


def test_agreement_is_a_table_in_words(make_data: Make, agreement: Frame) -> None:
    files = _pages(make_data(agreement=agreement()))
    row = ("lab/tiny_model · MMLU-CHOICE", "normalised and f1", "100", "85.0", "0.70 [0.56, 0.84]", "10", "5")
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", _html_section(files["report.html"]))
    assert tuple(cells[-7:]) == row
    assert cells[4] == "κ, 95 % interval"
    assert f"| {' | '.join(row)} |".replace("_", "\\_").replace("[", "\\[").replace("]", "\\]") in files["report.md"]
    for name in ("report.html", "report.md"):
        assert "The labels used everywhere else are those of the grader normalised, named first below." in files[name]
        assert "κ says how far two graders agree beyond chance" in files[name]
        assert "No answer is judged right by one of a pair and wrong by the other." in files[name]
    assert '<a href="#graders">Graders</a>' in files["report.html"]
    assert "<dt>κ, Cohen’s kappa</dt>" in files["report.html"]


def test_what_is_missing_is_a_dash_with_a_reason_and_what_is_left_out_is_counted(
    make_data: Make, agreement: Frame
) -> None:
    alike = agreement(
        kappa=np.nan, kappa_low=np.nan, kappa_high=np.nan, agreement=1.0, note="κ is undefined: all are right"
    )
    unknown = agreement(other="llm_judge", unknown_grader=2, unknown_other=1203)
    section = graders_section(Findings(make_data(agreement=pd.concat([alike, unknown]))))
    assert section is not None
    row = section.tables[0].rows[0]
    assert isinstance(row, tuple)
    assert row[3:5] == ("100.0", "–")
    where = "lab/tiny_model · MMLU-CHOICE"
    assert section.notes == [
        f"{where}, normalised and f1: κ is undefined: all are right.",
        f"{where}, normalised and llm_judge: left out of n: 2 not judged by normalised and 1,203 not judged by "
        "llm_judge.",
    ]
    files = _pages(make_data(agreement=pd.concat([alike, unknown])))
    for note in section.notes:
        assert note in _visible(files["report.html"])
        assert note in _visible(MarkdownIt().render(_section(files["report.md"])))
    assert "nan" not in _visible(_html_section(files["report.html"])).lower()


@pytest.mark.usefixtures("unpainted")
def test_csv_files_hold_everything(make_data: Make, agreement: Frame, disagreements: Frame, tmp_path: Path) -> None:
    listed = disagreements(*({"question": text, "answer": text + "x" * 300} for text in HOSTILE))
    measured = pd.concat([agreement(), agreement(other="given", kappa=np.nan, n=7)])
    write_report(make_data(agreement=measured, disagreements=listed), tmp_path)
    again = pd.read_csv(tmp_path / "tables/disagreements.csv", dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(again, listed, check_dtype=False)
    table = pd.read_csv(tmp_path / "tables/agreement.csv")
    assert tuple(table.columns) == AGREEMENT_COLUMNS
    assert table["n"].tolist() == [100, 7]
    assert table["kappa"].isna().tolist() == [False, True]


@pytest.mark.usefixtures("unpainted")
def test_no_disagreement_leaves_a_table_without_rows(make_data: Make, agreement: Frame, tmp_path: Path) -> None:
    write_report(make_data(agreement=agreement()), tmp_path)
    lines = (tmp_path / "tables/disagreements.csv").read_text().splitlines()
    assert lines == [",".join(DISAGREEMENT_COLUMNS)]


def test_texts_are_shown_as_they_stand(make_data: Make, agreement: Frame, disagreements: Frame) -> None:
    listed = disagreements(
        *({"question": text, "answer": text, "accepted": text} | RIGHT for text in HOSTILE[:3]),
        *({"question": text, "answer": text, "accepted": text} | WRONG for text in HOSTILE[3:6]),
    )
    files = _pages(make_data(agreement=agreement(), disagreements=listed))
    markdown = MarkdownIt().enable(["table", "strikethrough"]).render(_section(files["report.md"]))
    html = _html_section(files["report.html"])
    assert not re.search("<(script|a|em|del|code|h1|pre)[ >]", html + markdown)
    for text in HOSTILE[:6]:
        line = " ".join(text.split())
        for page in (html, markdown):
            assert _visible(page).count(line) == 3
    # Dollar signs make formulae on some hosts.
    assert "\\$x\\$" in files["report.md"]


def test_templates_in_texts_are_not_filled(make_data: Make, agreement: Frame, disagreements: Frame) -> None:
    listed = disagreements({"question": HOSTILE[6]})
    files = _pages(make_data(agreement=agreement(), disagreements=listed))
    assert HOSTILE[6] in _visible(_html_section(files["report.html"]))


def test_long_and_empty_texts(make_data: Make, agreement: Frame, disagreements: Frame) -> None:
    listed = disagreements({"question": "w" * 201, "accepted": "v" * 200, "answer": " \n"})
    files = _pages(make_data(agreement=agreement(), disagreements=listed))
    for name in ("report.html", "report.md"):
        assert "w" * 199 + "…" in files[name]
        assert "w" * 200 not in files[name]
        assert "v" * 200 in files[name]
        assert "(empty)" in files[name]


def test_every_pair_is_shown_and_each_is_spread_over_its_rows(
    make_data: Make, agreement: Frame, disagreements: Frame
) -> None:
    train = {"benchmark": "train"}
    listed = disagreements(*[RIGHT] * 11, *[RIGHT | train] * 2, *[RIGHT | {"other": "given"}] * 11)
    pairs = pd.concat([agreement(), agreement(**train), agreement(other="given")])
    shown = disagreements_shown(make_data(agreement=pairs, disagreements=listed), 8)
    assert [one.question for one in shown.chosen] == [
        f"question {place}" for place in (0, 5, 10, 11, 12, 13, 18, 23)
    ]  # fmt: skip
    assert [one.setting for one in shown.chosen].count("lab/tiny_model · train") == 2
    assert shown.words.startswith("8 of 24 disagreements follow")


def test_page_shows_twelve_and_markdown_six(make_data: Make, agreement: Frame, disagreements: Frame) -> None:
    listed = disagreements(*[RIGHT] * 20, *[WRONG] * 20)
    files = _pages(make_data(agreement=agreement(), disagreements=listed))
    assert _html_section(files["report.html"]).count("<article") == 12
    assert _section(files["report.md"]).count("\n  - Question: ") == 6
    assert "12 of 40 disagreements follow" in files["report.html"]
    assert "6 of 40 disagreements follow" in files["report.md"]
    one = make_data(agreement=agreement(), disagreements=listed.iloc[:1])
    assert disagreements_shown(one, 6).words.startswith("All disagreements (1) follow")


def test_same_data_give_same_bytes(make_data: Make, agreement: Frame, disagreements: Frame) -> None:
    def once() -> dict[str, str]:
        listed = disagreements(*[RIGHT] * 20, *[WRONG] * 20)
        return _pages(make_data(agreement=agreement(), disagreements=listed))

    assert once() == once()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"says": "true"}, "Expected `disagreements` to say right and wrong"),
        ({"says": "wrong"}, "Expected `disagreements` to say right and wrong"),
        ({"other": "given"}, "Expected `disagreements` to be between graders that `agreement` compares"),
        ({"benchmark": "train"}, "Expected `disagreements` to be between graders that `agreement` compares"),
    ],
)
def test_faulty_disagreements_are_errors(
    make_data: Make, agreement: Frame, disagreements: Frame, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_data(agreement=agreement(), disagreements=disagreements(changes))


@pytest.mark.parametrize("name", ["agreement", "disagreements"])
def test_a_missing_column_is_an_error(make_data: Make, agreement: Frame, disagreements: Frame, name: str) -> None:
    tables = {"agreement": agreement(), "disagreements": disagreements({})}
    with pytest.raises(ValueError, match=rf"Expected `{name}` to have the columns .* lacks \['other'\]"):
        make_data(**(tables | {name: tables[name].drop(columns="other")}))
