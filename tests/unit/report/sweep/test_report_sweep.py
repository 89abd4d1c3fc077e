import re
from pathlib import Path

import pytest
from sweep_tables import sweep_data

from ccps.analysis.sweep_data import CHOSEN
from ccps.report.kit.table import Cell
from ccps.report.sweep.best import sentences
from ccps.report.sweep.radius import headline, radius_section
from ccps.report.sweep.write import write_sweep

SENTENCE = (
    "m · boats, gradient: radius 5 in 2 steps is chosen on 3 training folds by Brier; on the test its Brier is "
    "20.0 % [10.0, 30.0], against 25.0 % [15.0, 35.0] at the paper's radius 20 in 2 steps. With hindsight radius 1 "
    "in 1 step would have been best on the test (10.0 %, by the grid's own fits)."
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report; tests only read it."""
    folder = tmp_path_factory.mktemp("sweep")
    write_sweep(sweep_data(), folder)
    return folder


def test_the_first_sentence_says_what_was_chosen_and_against_what() -> None:
    assert sentences(sweep_data()) == [SENTENCE]
    best = sweep_data().best
    here = best["choice"] == CHOSEN
    best.loc[here, ["radius", "steps"]] = [20.0, 2]
    assert "which is the paper's own. With" in sentences(sweep_data(best=best))[0]


def test_the_page_begins_with_the_best_radius_and_what_is_lost_at_the_papers() -> None:
    assert headline(sweep_data()) == (
        "Best radius along gradient: m (multiple choice) 5 [5, 20]. At the paper's 20, Brier is worse by 5.0 "
        "[−1.0, 11.0] points at most (m on boats), and by more than chance in 0 of 1 cases."
    )


def test_what_is_gained_at_another_radius_has_a_true_minus() -> None:
    (table,) = radius_section(sweep_data(radii=sweep_data().radii.assign(lost=-0.004))).tables
    assert table.lines[0].cells[-1] == Cell("−0.4 [−1.0, 11.0]")
    (table,) = radius_section(sweep_data(radii=sweep_data().radii.assign(lost=-0.0001))).tables
    assert table.lines[0].cells[-1] == Cell("0.0 [−1.0, 11.0]")


def test_sources_at_chance_are_left_out_by_name(written: Path) -> None:
    text = (written / "report.md").read_text()
    said = "m is above chance on trees (multiple choice), boats (multiple choice); at chance, and left out: stones"
    assert f"{said} (multiple choice)." in text
    assert "| m | stones, multiple choice | training | 60 | 26.7 % | 25.0 % | 0.43 | no |" in text


def test_a_collapsed_probe_is_said_on_the_figure(tmp_path: Path) -> None:
    sweep = sweep_data().sweep
    sweep.loc[sweep["radius"] == 20.0, "collapsed"] = True
    write_sweep(sweep_data(sweep=sweep), tmp_path)
    assert "Crossed: one P for every answer, the probe has collapsed." in (tmp_path / "report.html").read_text()


def test_every_file_is_named_and_the_same_each_time(written: Path, tmp_path: Path) -> None:
    paths = write_sweep(sweep_data(), tmp_path)
    assert sorted(paths) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {str(path.relative_to(tmp_path)) for path in paths} == {
        "tables/radii.csv", "tables/chance.csv", "tables/sweep.csv", "tables/best.csv",
        "figures/curves-m-boats.png", "figures/heat-m-boats-gradient.png",
        "figures/flips-m-boats.png", "costs.csv", "run.json", "report.html", "report.md",
    }  # fmt: skip
    for path in paths:
        assert path.read_bytes() == (written / path.relative_to(tmp_path)).read_bytes()


def test_page_and_markdown_hold_the_same_sections(written: Path) -> None:
    page, text = (written / "report.html").read_text(), (written / "report.md").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == re.findall("^## (.*)$", text, re.MULTILINE)
    assert titles == [
        "The best radius of each model", "Above chance, or not", "Best strengths",
        "Metrics against the radius", "Radius and steps", "Where predictions give way",
        "What it cost", "How it was made",
    ]  # fmt: skip
    assert "<h1>A sweep_of &lt;strength&gt;</h1>" in page
    assert text.startswith("# A sweep\\_of \\<strength\\>\n\n**Best radius along gradient: m (multiple choice) 5 ")
    assert "left_out: 2 (no reason)" in page
    assert "- left\\_out: 2 (no reason)" in text
    assert re.findall(r"\(figures/(.*?)\)", text) == [
        "curves-m-boats.png", "heat-m-boats-gradient.png", "flips-m-boats.png",
    ]  # fmt: skip


def test_hindsight_has_no_interval(written: Path) -> None:
    text = (written / "report.md").read_text()
    assert "| m · boats | gradient | best on the test | radius 1 in 1 step | 10.0 % | 10.0 % |" in text
    assert "| m · boats | gradient | paper | radius 20 in 2 steps | 25.0 % \\[15.0, 35.0\\] |" in text


def test_figures_say_in_words_what_they_show(written: Path) -> None:
    page = (written / "report.html").read_text()
    for words in (
        "gradient: AUROC from 65.0 to 75.0 %",
        "best AUROC 75.0 %, best ECE 10.0 %",
        "3 right answers, median 2, 1 never, 1 at radius 0; 2 wrong answers, median never, 2 never, 0 at radius 0",
    ):
        assert words in page
