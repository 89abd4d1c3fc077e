"""The pages of reports as readers open them: wide and on a phone, in the dark, by keyboard, on paper."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import PHONE, WIDE, executable, hard_to_read, launched, opened, unfold
from faithful_cells import HOSTILE, cell, data, traces
from PIL import Image
from playwright.sync_api import Browser, Locator, Page
from report_tables import chosen_report
from sweep_tables import sweep_data

from ccps.analysis.faithful_data import ALTERNATIVE_COLUMNS
from ccps.report.faithful.write import write_faithful
from ccps.report.kit.job import PageHead, ReportJob
from ccps.report.kit.section import Section
from ccps.report.kit.table import Cell, Row, Table
from ccps.report.main.write import write_report
from ccps.report.sweep.write import write_sweep

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium is installed: apt-get install chromium, or Chrome"
)
PAGES = ("main", "faithful", "sweep")
STEPS = 30
TABLE = Table(
    "Everything that a cell may say",
    ["Method", "AUROC ↑", "Time", "Difference", "n", *(f"A further column {place}" for place in range(6))],
    [
        Row(
            ["Ours", Cell("71.7", "[69.0, 74.0]"), "12.5 s", Cell("−1.5", "[−2.0, 1.0]", "▼", "worse"), "1,200"],
            "reference",
        ),
        Row(["2 seeds, lowest–highest", "70.1–99.9", "", "", ""], "reference spread"),
        ["b10", Cell("9.8", "[8.0, 110.0]", bold=True), "1.2 min", "0.0", "950"],
        ["b9", Cell("104.0", "[9.0, 110.0]"), "1 h 03 min", "+3.1", "10,400"],
        ["c", "–", "350 ms", "constant", "–"],
        ["d", Cell("68.4", "[1.0, 99.0]"), "2.00 ms", "+0.2", "7"],
        Row(["Controls"], "group"),
        ["x", "5.5", "900 µs", "+1.0", "1"],
        ["y", "55.0", "3.0 s", "−1.0", "2"],
    ],
)
WRITTEN = ["Ours", "2 seeds, lowest–highest", "b10", "b9", "c", "d", "Controls", "x", "y"]
SMALL = Table("Three rows", ["Method", "AUROC ↑"], [("a", "3.0"), ("b", "1.0"), ("c", "2.0")])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind of report, and one of tables alone."""
    folder = tmp_path_factory.mktemp("pages")
    write_report(chosen_report(), folder / "main")
    write_faithful(_reasoning(), folder / "faithful")
    write_sweep(sweep_data(), folder / "sweep")
    job = ReportJob[None](sections=[lambda _: Section("tables", "Tables", tables=[TABLE, SMALL])])
    (folder / "tables").mkdir()
    html = job.pages(None, PageHead("Title", "A conclusion.", "", {})).html
    (folder / "tables" / "report.html").write_text(html, encoding="utf-8")
    return {name: folder / name / "report.html" for name in (*PAGES, "tables")}


def _reasoning() -> Any:
    """Of one hostile step, of none, and of many whose words are less and less sure, the belief more and more."""
    rows = [("t2", 0, 0, len(HOSTILE), HOSTILE, 0.15, 0.95, 0.85)]
    rows += [
        ("t1", place, 5 * place, 5 * place + 4, f"Step {place}. " * 9, 1 - place / STEPS, 0.3 + place / 90, 0.5)
        for place in range(STEPS)
    ]
    rows[-1] = (*rows[-1][:6], np.nan, 0.5)  # of the last it is not known
    steps = pd.DataFrame(rows, columns=["trace_id", "step", "start", "end", "text", "decisiveness", "deepconf", "rcc"])
    said = [("t1", 1, HOSTILE, 3, 0.25), ("t1", 1, "Two?", 2, np.nan), ("t2", 0, "No.", 4, 1.0)]
    alternatives = pd.DataFrame(said, columns=list(ALTERNATIVE_COLUMNS))
    return data(cell(steps=steps, traces=traces(), alternatives=alternatives, worst=("t2", "t3", "t1")))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_nothing_is_wider_than_the_page_but_what_scrolls_by_itself(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    with opened(browser, pages[name], width) as page:
        for _ in ("folded", "unfolded"):
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            unfold(page)
        assert page.locator("h2").count() > 3


@pytest.mark.parametrize("name", [*PAGES, "tables"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(browser: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    with opened(browser, pages[name], color_scheme=scheme) as page:
        unfold(page)
        assert hard_to_read(page) == []
        darkness = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (darkness == "rgb(255, 255, 255)") == (scheme == "light")


def test_what_is_hard_to_read_is_found(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "grey.html"
    file.write_text('<body style="color: #777">grey <b style="background: rgb(0 0 0 / .6)">on grey</b></body>')
    with opened(browser, file) as page:
        # On white #777 is 4.48 to 1; black of 0.6 on white is #666, on which it is 1.28.
        assert [one.split(" ")[0] for one in hard_to_read(page)] == ["4.48", "1.28"]


def names_of(page: Page) -> list[str]:
    return page.locator("table").first.locator("tbody tr > th").all_inner_texts()


def title(page: Page, words: str) -> Locator:
    return page.locator("table").first.locator("thead button", has_text=re.compile(f"^{words}"))


@pytest.mark.parametrize(
    ("column", "order"),
    [
        ("AUROC", ["b9", "Ours", "d", "b10", "c", "y", "x"]),
        ("Time", ["d", "c", "Ours", "b10", "b9", "x", "y"]),
        ("Difference", ["Ours", "b10", "d", "b9", "c", "y", "x"]),
        ("n", ["d", "b10", "Ours", "b9", "c", "x", "y"]),
        ("Method", ["b9", "b10", "c", "d", "Ours", "x", "y"]),
    ],
)
def test_a_click_on_a_title_sorts_each_part_of_a_table_by_its_figures(
    browser: Browser, pages: dict[str, Path], column: str, order: list[str]
) -> None:
    def with_small_print(names: list[str]) -> list[str]:
        after = [one for name in names for one in ([name, WRITTEN[1]] if name == "Ours" else [name])]
        return [*after[:-2], "Controls", *after[-2:]]

    # What has no figure stays last when the order is turned round.
    missing = [name for name in order[:5] if name == "c" and column not in ("Time", "Method")]
    known = [name for name in order[:5] if name not in missing]
    turned = [*known[::-1], *missing, *order[:4:-1]]
    with opened(browser, pages["tables"]) as page:
        button, head = title(page, column), title(page, column).locator("xpath=..")
        assert names_of(page) == WRITTEN
        button.click()
        assert names_of(page) == with_small_print(order)
        first = "descending" if column == "AUROC" else "ascending"
        assert head.get_attribute("aria-sort") == first
        button.press("Enter")
        assert names_of(page) == with_small_print(turned)
        assert head.get_attribute("aria-sort") == {"ascending": "descending", "descending": "ascending"}[first]
        button.press("Space")
        assert names_of(page) == WRITTEN
        assert page.locator("[aria-sort]").count() == 0


def test_one_column_is_sorted_at_a_time_and_few_rows_are_not(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["tables"]) as page:
        title(page, "Time").click()
        title(page, "AUROC").click()
        assert page.locator("[aria-sort]").all_inner_texts() == ["AUROC ↑"]
        assert page.locator("table").nth(1).locator("button").count() == 0


def test_a_table_of_a_report_is_sorted_by_what_it_shows(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["main"]) as page:
        unfold(page)
        table = page.locator("#answer table").nth(1)
        table.locator("button", has_text="Answers").click()
        shown = table.locator("tr:not(.group) > td:last-child").all_inner_texts()
        figures = [int(one.replace(",", "")) for one in shown if one != "–"]
        assert len(figures) > 5
        # The thresholds, then those that are certified, each on their own.
        assert figures[:8] == sorted(figures[:8])


def edge(frame: Locator) -> float:
    """How light the right edge of a frame is, from 0 to 255: half of its pixels are at most that."""
    picture = np.asarray(Image.open(io.BytesIO(frame.screenshot())).convert("L"))
    return float(np.median(picture[:, -2]))


def test_a_table_shows_on_a_phone_that_it_goes_on(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["tables"], PHONE) as page:
        long, short = page.locator(".scroll").all()
        assert long.evaluate("one => one.scrollWidth > one.clientWidth + 100")
        assert edge(long) < 245
        assert edge(short) == 255
        # The names stay in sight.
        assert long.locator("tbody th").first.evaluate("one => one.getBoundingClientRect().left") == pytest.approx(16)
        long.evaluate("one => one.scrollTo(one.scrollWidth, 0)")
        assert edge(long) == 255
        assert long.locator("tbody th").first.evaluate("one => one.getBoundingClientRect().left") == pytest.approx(16)


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    browser: Browser, pages: dict[str, Path], width: int
) -> None:
    wanted = """[...document.querySelectorAll("a[href], summary, button, pre, .scroll")].filter((one) =>
      one.checkVisibility() && (!one.matches(".scroll") || one.scrollWidth > one.clientWidth)).length"""
    outlined = """() => { const style = getComputedStyle(document.activeElement);
      const drawn = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
      return drawn && document.activeElement !== document.body }"""
    with opened(browser, pages["main"], width) as page:
        n = page.evaluate(wanted)
        assert n > 20
        for _ in range(n):
            page.keyboard.press("Tab")
            assert page.evaluate(outlined), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body")


def at(page: Page) -> tuple[str, str]:
    """Trace and step that are chosen, which has the focus and is in sight."""
    row = page.locator("tr[aria-current]")
    assert row.evaluate("one => one === document.activeElement")
    box = row.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 900
    question = row.locator("xpath=ancestor::details[contains(@class, 'trace')]/summary").inner_text()
    return question.split(" · ")[-1], row.get_attribute("data-step") or ""


def test_keys_move_the_reader_of_traces(browser: Browser, pages: dict[str, Path]) -> None:
    first, second = "Is <b> bold?", "What is 3 + 4?"
    with opened(browser, pages["faithful"]) as page:
        page.keyboard.press("ArrowDown")  # the browser's, until a step is chosen
        assert page.locator("tr[aria-current]").count() == 0
        page.keyboard.press("j")  # a letter is another tool's, until the focus is among the traces
        assert page.locator("tr[aria-current]").count() == 0
        page.locator("details.trace > summary").first.focus()
        page.keyboard.press("j")
        assert at(page) == (first, "1")
        page.keyboard.press("j")
        assert at(page) == (first, "1")
        page.keyboard.press("ArrowRight")  # over the trace without steps
        assert at(page) == (second, "1")
        assert page.locator("details.trace[open]").count() == 1
        page.keyboard.press("ArrowRight")
        assert at(page) == (second, "1")
        for key, step in {"j": "2", "ArrowDown": "3", "k": "2"}.items():
            page.keyboard.press(key)
            assert at(page) == (second, step)
        said = page.locator("tr[aria-current] .instead")
        assert not said.locator("li").first.is_visible()
        page.keyboard.press("Enter")
        assert said.locator("li").all_inner_texts()[1] == "2 × Two? not judged"
        page.keyboard.press("Enter")
        assert not said.locator("li").first.is_visible()
        for _ in range(STEPS):
            page.keyboard.press("j")
        assert at(page) == (second, str(STEPS))
        page.keyboard.press("ArrowLeft")
        assert at(page) == (first, "1")


def test_steps_are_put_in_the_order_of_their_mismatch(browser: Browser, pages: dict[str, Path]) -> None:
    def steps() -> list[int]:
        return [int(one) for one in page.locator("details.trace[open] tbody th").all_inner_texts()]

    def pressed() -> list[str]:
        return page.locator("details.trace[open] button[aria-pressed=true]").all_inner_texts()

    with opened(browser, pages["faithful"]) as page:
        page.locator("details.trace > summary").nth(0).click()
        page.locator("details.trace > summary").last.click()
        assert (steps(), pressed()) == (list(range(1, STEPS + 1)), ["As written"])
        page.get_by_role("button", name="Unsure words, sure model").locator("visible=true").click()
        assert (steps(), pressed()) == ([*range(STEPS - 1, 0, -1), STEPS], ["Unsure words, sure model"])
        # A letter goes on from the order of the button, which has the focus.
        page.keyboard.press("s")
        assert (steps(), pressed()) == (list(range(1, STEPS + 1)), ["As written"])
        assert at(page)[1] == "1"
        page.keyboard.press("s")
        assert (steps()[0], pressed()) == (1, ["Sure words, unsure model"])


def test_steps_are_coloured_by_their_words_and_by_the_belief(browser: Browser, pages: dict[str, Path]) -> None:
    def colours(page: Page, part: str, style: str) -> list[list[float]]:
        """From the first step to the last, red, green and blue from 0 to 1."""
        script = f"all => all.map((one) => getComputedStyle(one).{style})"
        found = page.locator(f"details.trace[open] tbody {part}").evaluate_all(script)
        return [[float(number) for number in one.removesuffix(")").split()[1:4]] for one in found]

    with opened(browser, pages["faithful"]) as page:
        page.locator("details.trace > summary").nth(0).click()
        page.locator("details.trace > summary").last.click()
        words, belief = colours(page, "th", "backgroundColor"), colours(page, "td.belief[style]", "borderRightColor")
        assert (len(words), len(belief)) == (STEPS, STEPS - 1)
        # Blue for words and orange for belief, the surer the further from white: the words lose, the belief gains.
        assert words[0][0] < words[0][2]
        assert belief[-1][0] > belief[-1][2]
        assert np.diff([sum(one) for one in words]).min() > 0
        assert np.diff([sum(one) for one in belief]).max() < 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_shows_what_is_folded_and_no_controls(
    browser: Browser, pages: dict[str, Path], name: str, scheme: Any
) -> None:
    # The width of A4 within its margins.
    with opened(browser, pages[name], 718) as page:
        page.emulate_media(media="print", color_scheme=scheme)
        folded = page.locator("details:not([open]):not(.trace):not(.instead) > :not(summary)")
        assert folded.count() > 3
        assert folded.evaluate_all("all => all.every((one) => one.getBoundingClientRect().height > 0)")
        assert not any(one.is_visible() for one in page.locator("nav, .orders, .keys").all())
        marks = page.locator(".sort").evaluate_all("all => all.map((one) => getComputedStyle(one, '::after').display)")
        assert set(marks) <= {"none"}
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        assert hard_to_read(page) == []


@pytest.mark.parametrize("name", [*PAGES, "tables"])
def test_without_scripts_everything_is_there_but_what_needs_them(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    with opened(browser, pages[name], java_script_enabled=False) as page:
        assert page.locator("table").count() > 0
        assert page.locator("thead button").count() == 0
        assert not any(one.is_visible() for one in page.locator(".orders, .keys").all())
