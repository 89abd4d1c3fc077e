"""The section on a few labels: its table, its figure, and the files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from ccps.analysis.data import RESULT_COLUMNS, ReportData
from ccps.analysis.findings import Findings
from ccps.report.kit.figure import Picture
from ccps.report.kit.table import Cell
from ccps.report.main.few_labels import few_labels_section, label_curves, named_methods
from ccps.report.main.write import write_report

Make = Callable[..., ReportData]
N = 120


def _made(make_data: Make, methods: int = 3, **changes: object) -> ReportData:
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    names = ["ccps", "own", *(f"other_{place}" for place in range(methods - 2))]
    tables = [
        pd.DataFrame(
            {
                "question_id": [f"q{row:03}" for row in range(N)],
                "subject": "all",
                "model": "m",
                "benchmark": "b",
                "method": name,
                "seed": None,
                "p_correct": expit(x + 1 + 0.1 * place * rng.normal(size=N)),
                "correct": np.random.default_rng(1).random(N) < expit(x),
            }
        )
        for place, name in enumerate(names)
    ]
    results = pd.DataFrame(
        [("m", "b", "mc", name, None, metric, 0.2, 0.1, 0.3, N) for name in names for metric in ("brier", "auroc")],
        columns=list(RESULT_COLUMNS),
    )
    fields = {"label_counts": [0, 20, 60, 100], "label_draws": 20, "untrained": {"mc": ["own"]}, "examples": ()}
    return make_data(results=results, scores=pd.concat(tables, ignore_index=True), **(fields | changes))


def test_the_table_shows_no_label_and_the_largest_number_that_fits(make_data: Make) -> None:
    found = Findings(_made(make_data))
    section = few_labels_section(found)
    assert section is not None
    (table,) = section.tables
    assert table.caption == "m · b, 60 labels"
    assert table.head == [
        "Method",
        "ECE, no labels",
        "ECE, 60 labels",
        "Brier, no labels",
        "Brier, 60 labels",
        *(f"{metric} less Own p_100%’s" for metric in ("AUROC", "Brier", "ECE")),
        "n tested",
    ]
    first, second, _ = (row.cells for row in table.lines)
    texts = [[cell.text if isinstance(cell, Cell) else cell for cell in row] for row in (first, second)]
    assert (texts[0][0], texts[0][-1]) == ("CCPS", "60")
    assert (texts[1][0], texts[1][5:8]) == ("Own p_100%", [""] * 3)
    curves = found.few_labels.curves
    here = curves[(curves["method"] == "ccps") & (curves["k"] == 60) & (curves["metric"] == "ece")].iloc[0]
    assert isinstance(first[2], Cell)
    assert first[2].text == f"{100 * here['value']:.1f}"
    assert first[2].below == f"[{100 * here['low']:.1f}, {100 * here['high']:.1f}]"
    assert any("b: 100 labels are left out" in note and "its 120 questions" in note for note in section.notes)


def test_without_an_untrained_method_the_table_compares_nothing(make_data: Make) -> None:
    section = few_labels_section(Findings(_made(make_data, untrained={})))
    assert section is not None
    assert len(section.tables[0].head) == 6
    assert len(section.tables[0].lines[0].cells) == 6


def test_nothing_is_said_where_no_labels_were_asked_for(make_data: Make) -> None:
    found = Findings(make_data())
    assert few_labels_section(found) is None
    assert list(label_curves(found)) == []


def test_the_figure_says_in_words_what_it_draws_and_greys_what_is_too_much(make_data: Make) -> None:
    found = Findings(_made(make_data, methods=9, controls=["other_0"]))
    (image,) = label_curves(found)
    assert isinstance(image, Picture)
    named = named_methods(found, found.data.settings[0], found.few_labels.curves)
    assert len(named) == 6
    assert {"ccps", "own"} <= {*named}
    assert "other_0" not in named
    assert "Grey: 3 other methods" in image.caption
    curves = found.few_labels.curves
    value = curves[(curves["method"] == "ccps") & (curves["k"] == 20) & (curves["metric"] == "brier")]["value"].item()
    assert f"{100 * value:.1f} % at 20" in image.alt


@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize(("counts", "files"), [([0, 20], True), ([], False)])
def test_the_tables_are_written_where_there_are_any(
    make_data: Make, tmp_path: Path, counts: list[int], files: bool
) -> None:
    written = write_report(_made(make_data, label_counts=counts), tmp_path)
    names = {"few_labels.csv", "few_labels_differences.csv"}
    assert ({path.name for path in written} & names == names) is files
    if files:
        table = pd.read_csv(tmp_path / "tables" / "few_labels_differences.csv")
        assert {*table["metric"]} == {"auroc", "brier", "ece"}
        assert (tmp_path / "figures" / "few-labels-m-b.png").is_file()
