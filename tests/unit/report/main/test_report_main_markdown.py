import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from answers import repeated

from ccps.analysis.data import COUNT_COLUMNS, ReportData
from ccps.report.main.write import write_report


def test_markdown_report_holds_verdict_tables_and_figures(make_data: Callable[..., ReportData], tmp_path: Path) -> None:
    other = make_data().results.assign(convention="pooled ct")
    other = other[other["metric"] == "ece"].assign(value=[0.3, 0.1, 0.2])
    more = [("Tokens", 12.375, "mean"), ("Of", "3 of 4", "")]
    counts = pd.concat([make_data().counts, pd.DataFrame(more, columns=COUNT_COLUMNS)])
    # The other method is sure of what is wrong, so that differences are clear.
    scores = repeated(make_data().scores, 6)
    scores["p_correct"] = scores["p_correct"].where(scores["method"] == "ccps", 1 - scores["p_correct"])
    data = make_data(
        scores=scores,
        results_other=other,
        convention_notes={"pooled ct": "over all questions"},
        counts=counts,
        run={"commit": "abc", "seeds": [0, 1], "machine": {"cores": 2, "gpu": None}, "versions": {}},
    )
    write_report(data, tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")

    assert page.startswith("# A \\<tiny\\> run\n\n**No confidence was chosen in this run.**")
    assert "## Results\n\n<details><summary>CCPS is ahead in part: it is better than Own" in page
    # It ranks every right answer of a subject first, and the other none, whatever is drawn.
    assert "without a verdict on AUROC (one value in every resample)" in page
    assert "| −1.5 (one value in every resample) |" in page
    assert (tmp_path / "tables" / "main.md").read_text(encoding="utf-8").strip() in page
    assert "| answer | 12.5 s | 8 | 1.56 s | 1,000 | 2.0 MB | 3.0 GB |\n" in page
    assert "| Answers left out | 2 | No letter & no text. |" in page
    assert "| Tokens | 12.38 | mean |\n| Of | 3 of 4 |  |" in page
    assert "- Commit abc, seeds 0, 1\n- cores 2\n" in page

    # Methods in the order of the table, CCPS first: its two seeds average 15 %, the other method has 30 %.
    table = "| Method | pooled ct |\n| :-- | --: |\n| CCPS | 15.0 |\n| Own p\\_100% | 30.0 |\n"
    assert f"{table}\n- pooled ct: over all questions\n" in page

    # A row of paired differences for the one other method.
    assert "| Own p\\_100% | ▲ −1.5 \\[−61.5, −26.0\\] | ▲ −1.5 \\[−62.6, −26.0\\] | ▲ −1.5" in page

    linked = re.findall(r"!\[.+?\]\(figures/(.+?)\)", page)
    assert sorted(linked) == sorted(path.name for path in (tmp_path / "figures").iterdir())
