"""Sections and figures that register themselves, from outside the package too."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ccps.analysis.data import ReportData
from ccps.analysis.findings import Findings
from ccps.report.kit.figure import Gap, Picture, picture
from ccps.report.kit.job import PageHead, ReportJob
from ccps.report.kit.section import Section
from ccps.report.kit.style import new_figure
from ccps.report.kit.table import Table
from ccps.report.main.job import MAIN
from ccps.report.main.left_out import counts_section
from ccps.report.main.write import write_report

HEAD = PageHead("A <title>", "It is.", "Is it?", {"Questions": "8"})


def _picture(name: str, *, extra: bool = False) -> Picture:
    canvas = new_figure(2, 1)
    canvas.subplots().plot([0, 1], [0, 1])
    return picture(canvas, "tiny", name, "A caption.", f"A line called {name}.", extra=extra)


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ReportJob[Findings]:
    """The report of an experiment without its own figures, as it was again after the test."""
    monkeypatch.setattr(MAIN, "figures", [])
    monkeypatch.setattr(MAIN, "sections", [*MAIN.sections])
    return MAIN


def test_a_figure_from_outside_is_in_page_markdown_and_folder(
    main: ReportJob[Findings], make_data: Callable[..., ReportData], tmp_path: Path
) -> None:
    @main.figure("counts")
    def lines(found: Findings) -> Iterator[Picture]:
        yield _picture(f"lines-{len(found.data.methods)}")

    paths = write_report(make_data(), tmp_path)
    assert (tmp_path / "figures/lines-2.png").read_bytes().startswith(b"\x89PNG")
    assert tmp_path / "figures/lines-2.png" in paths
    page = (tmp_path / "report.html").read_text()
    section = re.search(r'<section id="counts">(.*?)</section>', page, re.DOTALL)
    assert section
    assert 'alt="A line called lines-2."' in section[1]
    assert "<figcaption>A caption.</figcaption>" in section[1]
    markdown = (tmp_path / "report.md").read_text().split("## Counts")[1].split("\n## ")[0]
    assert "![A line called lines-2.](figures/lines-2.png)" in markdown


def test_a_section_from_outside_stands_where_it_asked_to(
    main: ReportJob[Findings], make_data: Callable[..., ReportData], tmp_path: Path
) -> None:
    @main.section(after=counts_section)
    def weather(found: Findings) -> Section:
        return Section("weather", "The weather", [f"Fine, for {found.data.title}."])

    @main.section()
    def last(found: Findings) -> Section | None:
        return None

    write_report(make_data(), tmp_path)
    page, markdown = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    anchors = re.findall(r'<section id="(\w+)">', page)
    assert anchors.index("weather") == anchors.index("counts") + 1
    assert '<a href="#weather">The weather</a>' in page
    assert "<summary><h2>The weather</h2> <span>in words</span></summary>" in page
    assert "Fine, for A &lt;tiny&gt; run." in page
    folded = "<details><summary>in words</summary>\n\nFine, for A \\<tiny\\> run.\n\n</details>"
    assert f"## The weather\n\n{folded}" in markdown


def test_why_a_figure_is_missing_is_a_note_of_its_section() -> None:
    job: ReportJob[int] = ReportJob("", [lambda _: Section("a", "A", notes=["A note."])])
    job.figure("a")(lambda n: [Gap(f"No figure of {n}.")])
    pages = job.pages(3, HEAD)
    assert pages.pictures == []
    assert "- A note.\n- No figure of 3.\n" in pages.markdown
    assert '<p class="small">No figure of 3.</p>' in pages.html


def test_extra_figures_are_in_the_folder_alone_unless_the_page_has_room() -> None:
    job: ReportJob[int] = ReportJob("", [lambda _: Section("a", "A"), lambda _: Section("b", "B")])
    job.figure("b")(lambda _: [_picture("one"), _picture("two", extra=True)])
    full, brief = job.pages(0, HEAD), job.pages(0, HEAD, in_full=False)
    assert [image.name for image in full.pictures] == [image.name for image in brief.pictures] == ["one.png", "two.png"]
    assert full.html.count("<img") == full.markdown.count("![") == 2
    assert brief.html.count("<img") == brief.markdown.count("![") == 1
    assert (
        "1 figure of the other methods is not on this page; it lies in the folder figures/."
        in brief.html.split('id="b"')[1]
    )


def test_a_figure_needs_a_name_of_its_own_and_a_section_that_is_there() -> None:
    job: ReportJob[int] = ReportJob("", [lambda _: Section("a", "A")])
    job.figure("a")(lambda _: [_picture("one"), _picture("one")])
    with pytest.raises(ValueError, match=r"different file names, but got \['one.png'\]"):
        job.pages(0, HEAD)
    lost: ReportJob[int] = ReportJob("", [lambda _: Section("a", "A"), lambda _: None])
    lost.figure("b")(lambda _: [_picture("one")])
    with pytest.raises(ValueError, match=r"stand in a section of the report \(a\), but got some of \['b'\]"):
        lost.pages(0, HEAD)


def test_the_page_opens_with_title_conclusion_question_and_facts() -> None:
    pages = ReportJob("", [lambda _: Section("a", "A", link="Aye")]).pages(0, HEAD)
    assert pages.markdown == "# A \\<title\\>\n\n**It is.**\n\nIs it?\n\n- **Questions**: 8\n\n## A\n"
    for part in ("<title>A &lt;title&gt;</title>", '<p class="conclusion">It is.</p>', '<a href="#a">Aye</a>'):
        assert part in pages.html
    assert "<dt>Questions</dt><dd>8</dd>" in pages.html


def test_a_folded_section_shows_its_heading_and_what_is_in_it() -> None:
    part = Section("a", "A", ["Words."], folded="More & more", panels=True)
    page = part.html([_picture("one")])
    assert '<details class="part">\n<summary><h2>A</h2> <span>More &amp; more</span></summary>' in page
    # A browser opens what an anchor is folded in, and not what the anchor stands on.
    assert page.index("</summary>") < page.index('<section id="a">') < page.index('<div class="panels">')
    assert part.markdown([_picture("one")]) == (
        "## A\n\n<details><summary>More &amp; more</summary>\n\n"
        "Words.\n\n![A line called one.](figures/one.png)\n\n</details>"
    )
    assert part.markdown(heading=False) == "Words."


def test_a_job_folds_all_sections_but_those_that_it_opens() -> None:
    table = Table("", ["a", "b"], [["1", "2"]])
    sections: list[Callable[[int], Section | None]] = [
        lambda _: Section("a", "A", ["First."], folded="never"),
        lambda _: Section("b", "B", tables=[table, table]),
        lambda _: Section("c", "C", folded="A brief."),
    ]
    job: ReportJob[int] = ReportJob("", sections, opens={"a"})
    job.figure("b")(lambda _: [_picture("one")])
    page = job.pages(0, HEAD)
    assert re.findall("<h2>(.)</h2> <span>(.*?)</span>", page.html) == [("B", "2 tables, 1 figure"), ("C", "A brief.")]
    # Links stand above what they open.
    assert page.html.index('<section id="a">') < page.html.index('<a href="#b">B</a>') < page.html.index("<h2>B</h2>")
    assert "## A\n\nFirst.\n\n## B\n\n<details><summary>2 tables, 1 figure</summary>\n\n" in page.markdown


def test_a_figure_stands_in_the_part_whose_title_is_its_heading() -> None:
    parts = [Section("t", "tiny", ["Of tiny."], [Table("T", ["a"], [["1"]])]), Section("u", "other", folded="brief")]
    whole = Section("a", "A", ["All."], parts=parts)
    page = whole.html([_picture("one")])
    assert page.index("<h2>A</h2>") < page.index("All.") < page.index('<section id="t">') < page.index("<h3>tiny</h3>")
    assert page.index("Of tiny.") < page.index("<img") < page.index("<summary><h3>other</h3> <span>brief</span>")
    assert whole.markdown([_picture("one")]) == (
        "## A\n\nAll.\n\n### tiny\n\nOf tiny.\n\n![A line called one.](figures/one.png)\n\n"
        "#### T\n\n| a |\n| :-- |\n| 1 |\n\n### other\n\n<details><summary>brief</summary>\n\n\n\n</details>"
    )
