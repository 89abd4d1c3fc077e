import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from faithful_cells import HOSTILE, NAN, SCORES, cell, data, empty_cell, results, steps, traces
from markdown_it import MarkdownIt

from ccps.analysis.faithful_data import FaithfulCell, FaithfulData
from ccps.report.faithful.write import write_faithful

VOID = {"meta", "img", "br"}
FORBIDDEN = {"iframe", "object", "link", "form", "base"}


class Page(HTMLParser):
    """The words and tags of a page, whose tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def _runs() -> FaithfulData:
    """Two runs, one of which is empty."""
    return data(cell(), empty_cell(dataset="empty", estimators=("rcc",)))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report; tests only read it."""
    folder = tmp_path_factory.mktemp("faithful")
    write_faithful(_runs(), folder)
    return folder


def _page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_all_files_are_named_and_the_same_each_time(written: Path, tmp_path: Path) -> None:
    paths = write_faithful(_runs(), tmp_path)
    assert sorted(paths) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    names = {str(path.relative_to(tmp_path)) for path in paths}
    assert {
        *(f"tables/{name}" for name in ("faithful.csv", "bridge.csv", "correlations.csv", "dropped.csv")),
        *(f"tables/{name}" for name in ("control.csv", "draws.csv")),
        *(f"tables/{name}" for name in ("traces.parquet", "steps.parquet", "main.md", "main.tex")),
        *("report.html", "report.md", "run.json", "costs.csv"),
        *(f"figures/{kind}-lab-tiny-model-gsm8k-baseline.png" for kind in ("scores", "trajectory", "reliability")),
        "figures/correlations-lab-tiny-model-gsm8k-baseline.png",
    } == names
    assert [path.read_bytes() for path in paths] == [
        (written / name.relative_to(tmp_path)).read_bytes() for name in paths
    ]
    assert json.loads((tmp_path / "run.json").read_text()) == {"commit": "abc", "config": {"seed": 0}}


def test_results_are_fractions_with_the_run_in_front(written: Path) -> None:
    table = pd.read_csv(written / "tables" / "faithful.csv", keep_default_na=False)
    columns = ["model", "dataset", "prompt", "estimator", "metric", "value", "ci_low", "ci_high", "n"]
    assert list(table.columns) == columns
    assert len(table) == len(cell().results)
    row = ["lab/tiny_model", "gsm8k", "baseline", "deepconf", "cmfg_star", "0.771", "0.75", "0.792", "2"]
    lines = (written / "tables" / "faithful.csv").read_text().splitlines()
    assert ",".join(row) in lines
    assert "lab/tiny_model,gsm8k,baseline,,accuracy,0.5,0.0,1.0,2" in lines


def test_traces_and_steps_keep_what_is_unknown(written: Path) -> None:
    kept = pd.read_parquet(written / "tables" / "traces.parquet")
    assert kept["dataset"].tolist() == ["gsm8k"] * 3 + ["empty"]
    assert kept["correct"].tolist()[:2] == [True, False]
    assert kept["correct"].isna().tolist() == [False, False, True, True]
    assert kept["text"].tolist()[1] == HOSTILE
    assert len(pd.read_parquet(written / "tables" / "steps.parquet")) == 3


def test_page_needs_nothing_but_itself(written: Path) -> None:
    page = _page(written)
    assert not FORBIDDEN & {tag for tag, _ in page.tags}
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}, {}]
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert links
    assert all(link and link.startswith(("data:image/png;base64,", "#")) for link in links)
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link[1:] for link in links if link and link.startswith("#")} <= anchors
    css = (written / "report.html").read_text(encoding="utf-8").split("</style>")[0]
    assert "url(" not in css
    assert "@import" not in css


def test_page_shows_what_a_model_wrote_and_does_not_run_it(written: Path) -> None:
    page = _page(written)
    assert HOSTILE in page.text
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    marks = [attributes["class"] for tag, attributes in page.tags if tag == "mark"]
    # The legend, then "Perhaps" and "clearly" of the worst trace.
    assert marks == ["hedge", "booster", "hedge", "booster"]
    assert "<i>no</i>" in page.text
    assert "Is <b> bold?" in page.text


def test_bars_are_as_long_as_their_scores(written: Path) -> None:
    widths = [attributes["style"] for tag, attributes in _page(written).tags if tag == "i"]
    # The worst trace first, then the two steps of the other in their order; a missing score has no bar.
    lengths = ("15.0", "95.0", "85.0", "100.0", "35.0", "80.0", "70.0", "30.0")
    assert widths == [f"width: {length}%" for length in lengths]


def test_page_gives_scores_in_percent_beside_baselines(written: Path) -> None:
    text = _page(written).text
    for row in (
        "DeepConf 77.1 [75.0, 79.2] 74.0 +3.1 [+1.0, +5.2] 77.5 −0.4 [−2.0, +1.2] 2 12.0 s",
        "DeepConf 40.0 [30.0, 50.0] – 30.0 to 60.0 +25.0 [+20.0, +30.0] 0.50 [−0.10, 0.90] –",
        "DeepConf 60.0 +17.1 [+15.0, +20.0] 76.0 [74.0, 78.0] 55.0 [50.0, 60.0] – –",
        "lab/tiny_model · gsm8k · baseline 50.0 [0.0, 100.0] 2 65.0 [50.0, 80.0] 0.5 s 3 1.0 1 1 1",
    ):
        assert _words(row) in _words(text)
    assert "lab/tiny_model · gsm8k · baseline: 3 traces, mode strict." in text
    for row in ("traces in rcc no tokens & no ids 1", "Sampling not computed: no continuations were drawn – all"):
        assert _words(row) in _words(text)
    assert "first third" in text
    assert "75.0 [50.0, 100.0]" not in text  # of two answers
    assert "Answer stability (flip radius)" in text
    # Of answers; that of steps is in no run.
    assert text.count("Here: flip radius.") == 1
    assert "Here: lexicon, version 1." in text


def _words(text: str) -> str:
    """Without any white space, which the layout of a table adds."""
    return re.sub(r"\s", "", text)


def test_what_is_missing_reads_as_a_dash_with_its_reason(written: Path) -> None:
    text = _page(written).text
    head = "lab/tiny_model · empty · baseline"
    for reason in (
        f"RCC: score no trace has both decisiveness and this confidence – {head}",
        f"accuracy, AUROC of no answer is it known whether it is right – {head}",
        f"{head}: no figure: no estimator has a score.",
        f"{head}: no figure: no step has a score.",
        f"{head}: no figure: no step has both decisiveness and a confidence.",
        f"{head}: no figure: no two scores of traces vary over three traces or more.",
        "No trace has a faithfulness.",
        "DeepConf: ρ within traces no trace has three steps between which both scores vary",
    ):
        assert _words(reason) in _words(text)


def test_a_run_with_nothing_in_it_is_still_a_report(tmp_path: Path) -> None:
    costs = data().costs.iloc[:0]
    write_faithful(data(empty_cell(estimators=(), absent={}), costs=costs, settings={}), tmp_path)
    assert "No trace has both decisiveness and a confidence" in _page(tmp_path).text
    assert not list((tmp_path / "figures").iterdir())
    header = (tmp_path / "tables" / "faithful.csv").read_text()
    assert header == "model,dataset,prompt,estimator,metric,value,ci_low,ci_high,n\n"


def test_many_runs_show_fewer_traces_of_each(tmp_path: Path) -> None:
    many = pd.concat([traces().iloc[:1].assign(trace_id=f"t{place}") for place in range(12)])
    worst = tuple(many["trace_id"])

    def run(name: str) -> FaithfulCell:
        return empty_cell(dataset=name, traces=many, worst=worst)

    for n_runs, shown in ((1, 10), (4, 12)):
        write_faithful(data(*(run(f"d{place}") for place in range(n_runs))), tmp_path)
        assert _page(tmp_path).text.count("It has no steps.") == shown


def test_markdown_shows_hostile_text_as_text(written: Path) -> None:
    source = (written / "report.md").read_text(encoding="utf-8")
    html = MarkdownIt("commonmark").enable("table").render(source)
    page = Page(html)
    assert not {"script", "b", "i"} & {tag for tag, _ in page.tags}
    assert HOSTILE in page.text
    row = next(line for line in source.splitlines() if "alert" in line)
    assert "**Perhaps**" in row
    assert "*clearly*" in row
    # The text holds a bar: cells are step, text and three scores.
    assert len(re.split(r"(?<!\\)\|", row)) == 5 + 2
    linked = re.findall(r"!\[.+?\]\(figures/(.+?)\)", source)
    assert sorted(linked) == sorted(path.name for path in (written / "figures").iterdir())


def test_tables_for_readers_are_escaped(written: Path) -> None:
    latex = (written / "tables" / "main.tex").read_text(encoding="utf-8")
    assert r"lab/tiny\_model" in latex
    assert r"no tokens \& no ids" in latex
    assert "ρ" not in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 7
    assert r"DeepConf & 77.1 [75.0, 79.2] & 74.0 & +3.1 [+1.0, +5.2]" in latex
    assert "lab/tiny\\_model" in (written / "tables" / "main.md").read_text(encoding="utf-8")


def test_figures_say_in_words_what_they_show(written: Path) -> None:
    alts = [attributes.get("alt") or "" for tag, attributes in _page(written).tags if tag == "img"]
    assert len(alts) == 4
    assert "DeepConf 0.771 [0.750, 0.792], best constant 0.740, dealt at random 0.775" in alts[0]
    assert "Decisiveness from 0.90 to 0.80" in alts[1]
    assert "F, DeepConf from 0.45 to 0.45" in alts[1]
    assert "0.35 1.00, 0.70 0.80" in alts[2]
    assert alts[3].endswith("Decisiveness and C, RCC −0.25.")


def test_two_runs_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="no two of the same names"):
        data(cell(), cell())
    with pytest.raises(ValueError, match=r"lacks \['faithfulness_stability'\]"):
        cell(estimators=("stability",))


def test_a_figure_without_an_interval_is_drawn(tmp_path: Path) -> None:
    ends = {"ci_low": NAN, "ci_high": NAN}
    own = empty_cell(results=results(SCORES).assign(**ends), steps=steps())
    write_faithful(data(own), tmp_path)
    text = _page(tmp_path).text
    assert _words("DeepConf: interval it takes traces of two questions or more") in _words(text)
    assert "not told apart, for want of an interval, from the best constant, 0.740" in text
