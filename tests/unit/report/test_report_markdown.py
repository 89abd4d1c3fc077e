import re
from collections.abc import Callable
from pathlib import Path

from ccps.report import ReportData, write_report


def test_markdown_report_holds_verdict_tables_and_figures(make_data: Callable[..., ReportData], tmp_path: Path) -> None:
    data = make_data(run={"commit": "abc", "seeds": [0, 1], "machine": {"cores": 2, "gpu": None}, "versions": {}})
    write_report(data, tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")

    assert page.startswith("# A \\<tiny\\> run\n\n**Mixed: CCPS is better than Own")
    assert (tmp_path / "tables" / "main.md").read_text(encoding="utf-8").strip() in page
    assert "| answer | 12.5 s | 8 | 1,000 | 2.0 MB | 3.0 GB |" in page
    assert "| Answers left out | 2 | No letter & no text. |" in page
    assert "- Commit abc, seeds 0, 1\n- cores 2\n" in page

    linked = re.findall(r"!\[.+?\]\(figures/(.+?)\)", page)
    assert sorted(linked) == sorted(path.name for path in (tmp_path / "figures").iterdir())
