import base64
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

from ccps.analysis.claims import Claim, ClaimSet
from ccps.analysis.data import ReportData
from ccps.analysis.records import Example
from ccps.core.errors import UserError
from ccps.report.kit.style import method_styles
from ccps.report.main.write import write_report

Make = Callable[..., ReportData]
VOID = {"meta", "img", "br", "link", "input", "hr"}
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """Collects what a test asks of a page, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def written(make_data: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unchanged report; tests only read it."""
    folder = tmp_path_factory.mktemp("report")
    write_report(make_data(), folder)
    return folder


def _read(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def _page(data: ReportData, folder: Path) -> Page:
    write_report(data, folder)
    return _read(folder)


def test_every_file_of_the_contract_is_written(written: Path) -> None:
    names = {str(path.relative_to(written)) for path in written.rglob("*")}
    assert names >= {
        "tables/results.csv", "tables/main.md", "tables/main.tex", "tables/per_subject.csv",
        "tables/other_conventions.csv", "tables/other_conventions.md", "report.html", "claims.json",
        "costs.csv", "run.json", "figures/reliability-lab-tiny-model-mmlu-choice-ccps.png",
    }  # fmt: skip
    assert json.loads((written / "run.json").read_text()) == {"config": {"seed": 0}, "commit": "abc"}
    assert json.loads((written / "claims.json").read_text()) == []


def test_page_needs_nothing_but_itself(written: Path) -> None:
    page = _read(written)
    assert page.open == []
    assert not {"link", "iframe"} & {tag for tag, _ in page.tags}
    # Its script is part of it.
    assert page.of("script") == [{}]
    source = (written / "report.html").read_text(encoding="utf-8")
    assert "url(" not in source
    assert "@import" not in source
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset"):
            if name in attributes:
                prefix = "data:image/png;base64," if tag == "img" else "#"
                assert str(attributes[name]).startswith(prefix)
    embedded = {base64.b64decode(str(image["src"]).split(",")[1]) for image in page.of("img")}
    assert embedded == {path.read_bytes() for path in (written / "figures").iterdir()}


def test_page_is_accessible(written: Path) -> None:
    page = _read(written)
    assert page.of("html") == [{"lang": "en"}]
    assert all(len(str(image["alt"])) > 20 for image in page.of("img"))
    assert all(head["scope"] in ("col", "row") for head in page.of("th"))
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {str(link["href"])[1:] for link in page.of("a")} <= ids


def test_page_says_first_that_nothing_was_chosen_then_who_wins_and_escapes_names(written: Path) -> None:
    page = _read(written)
    nothing = page.text.index("No confidence was chosen in this run.")
    conclusion = "Results No verdict on whether CCPS is better than Own p_100%: too few: 4 right, 4 wrong."
    assert nothing < page.text.index("This run chose no confidence to use.") < page.text.index(conclusion)
    for text in ("A <tiny> run", "No letter & no text.", "1 < 2 & 3?", "Accepted b Answer a Graded wrong"):
        assert text in page.text
    assert "12.5 s" in page.text
    assert "2.0 MB" in page.text


def test_same_data_give_same_bytes_and_no_global_style(make_data: Make, written: Path, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    again = write_report(make_data(), tmp_path)
    assert dict(matplotlib.rcParams) == before
    assert {path.relative_to(tmp_path) for path in again} == {
        path.relative_to(written) for path in written.rglob("*") if path.is_file()
    }
    for path in again:
        assert path.read_bytes() == (written / path.relative_to(tmp_path)).read_bytes()


def test_png_carries_no_date_or_text(written: Path) -> None:
    for path in (written / "figures").iterdir():
        content = path.read_bytes()
        assert content.startswith(PNG)
        assert b"tEXt" not in content
        assert b"tIME" not in content


def test_missing_values_are_dashes_with_a_reason(make_data: Make, tmp_path: Path) -> None:
    results = make_data().results.assign(reason=None)
    auroc = (results["method"] == "own") & (results["metric"] == "auroc")
    results.loc[auroc, ["value", "ci_low", "ci_high"]] = np.nan
    results.loc[auroc, "reason"] = "only right answers"
    scores = make_data().scores
    scores.loc[scores.index[:3], "p_correct"] = np.nan
    page = _page(make_data(results=results, scores=scores), tmp_path)
    assert "AUROC of Own p_100% is missing: only right answers." in page.text
    assert "Seed 0. 3 without a score left out." in page.text
    assert "nan" not in page.text.lower()


def test_one_method_and_one_subject(make_data: Make, tmp_path: Path) -> None:
    data = make_data()
    page = _page(
        make_data(
            results=data.results[data.results["method"] == "ccps"],
            scores=data.scores[(data.scores["method"] == "ccps") & (data.scores["subject"] == "anatomy")],
            own_method=None,
            examples=[],
        ),
        tmp_path,
    )
    assert "CCPS was compared with no other method" in page.text
    assert "1 subject, figure and table" in page.text
    assert "differences" not in {attributes.get("id") for _, attributes in page.tags}


def test_optional_parts(make_data: Make, tmp_path: Path) -> None:
    curves = pd.DataFrame(
        [
            ("m", 0, "contrastive", 1, 0.9, None),
            ("m", 0, "contrastive", 2, 0.8, None),
            ("m", 0, "head", 1, 0.7, 0.6),
        ],
        columns=["model", "seed", "stage", "step", "loss", "accuracy"],
    )
    claim = Claim("x/gap", "ECE gap", "ccps", "ece", "relative", ("big",), ("b",), -0.55, None, 0.05, "")
    claims = [ClaimSet("x", "a paper", "", "ct", ("big",), ("b",), (claim,))]
    other = make_data().results.assign(convention="equal_mass")
    page = _page(make_data(curves=curves, claims=claims, results_other=other), tmp_path)
    assert (tmp_path / "figures/training-m.png").is_file()
    assert "Nothing in this run can be held against the published figures of x (a paper): they are" in page.text
    assert "ECE gap (x)" not in page.text
    (row,) = pd.read_csv(tmp_path / "tables/claims.csv").to_dict("records")
    assert (row["id"], row["expected"], row["models"], row["verdict"]) == ("x/gap", -0.55, "big", "not measured")
    assert row["reason"] == "this run covers lab/tiny_model on MMLU-CHOICE, the publication big on b"
    assert "P(correct), ten bins of equal count" in page.text


def test_open_ended_examples(make_data: Make, tmp_path: Path) -> None:
    answer = " ".join(f"word{place}" for place in range(30)) + "."
    examples = [
        Example("Least sure, and right", "What is it?\nSay why.", (), answer, "seven | 7", True, 0.1, 0.2),
        Example("Least sure, and right", "And this?", (), "", None, True, 0.1, None),
    ]
    results = make_data().results.assign(format="oe")
    page = _page(make_data(results=results, examples=examples), tmp_path)
    assert page.open == []
    assert page.of("ol") == []
    assert (
        f"What is it? Say why. Accepted seven | 7 Answer {answer} Graded right P(correct) by CCPS: 10.0 %" in page.text
    )
    assert "And this? Answer (empty) Graded right" in page.text
    assert "MMLU-CHOICE (oe)" in page.text
    assert "open-ended questions (oe)" in page.text


def test_with_many_settings_the_page_says_what_it_leaves_in_the_folder(
    make_data: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccps.report.main.write._SETTINGS_IN_FULL", 1)
    data = make_data()
    names = ["B0", "B1"]
    page = _page(
        make_data(
            results=pd.concat([data.results.assign(benchmark=name) for name in names]),
            scores=pd.concat([data.scores.assign(benchmark=name) for name in names]),
            own_method=None,
        ),
        tmp_path,
    )
    # Per setting two panels of each of two methods, risk and coverage, and subjects.
    assert len(list((tmp_path / "figures").iterdir())) == 2 * (2 * 2 + 2)
    assert len(page.of("img")) == 2 * (2 + 2)
    assert "4 figures of the other methods" in page.text


def test_a_method_has_one_colour_whatever_else_is_shown() -> None:
    styles = method_styles(["ccps", *"abcdefgh"])
    assert styles["ccps"] == method_styles(["ccps"])["ccps"]
    assert len(set(styles.values())) == 9


@pytest.mark.parametrize("name", ["results", "scores"])
def test_no_rows_is_an_error(make_data: Make, name: str) -> None:
    empty = getattr(make_data(), name).iloc[:0]
    with pytest.raises(UserError, match=f"Expected `{name}` to be a table with at least one row, but got none"):
        make_data(**{name: empty})


def test_malformed_tables_are_errors(make_data: Make) -> None:
    data = make_data()
    with pytest.raises(ValueError, match=r"Expected `results` to have the columns .* lacks \['n'\]"):
        make_data(results=data.results.drop(columns="n"))
    with pytest.raises(ValueError, match=r"Expected metrics of `results` .* but got \['f1'\]"):
        make_data(results=data.results.assign(metric="f1"))
    with pytest.raises(ValueError, match="one format per benchmark"):
        make_data(results=pd.concat([data.results, data.results.assign(format="oe")]))
    with pytest.raises(ValueError, match=r"Expected `scores.correct` to be bool"):
        make_data(scores=data.scores.assign(correct=1))
    with pytest.raises(ValueError, match="Expected seeds of `scores` to be integers or missing"):
        make_data(scores=data.scores.assign(seed=0.5))
