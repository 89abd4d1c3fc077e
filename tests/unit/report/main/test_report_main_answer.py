"""The first screen of the report: what it says, in which order, and how many words are open."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_tables import chosen_report

from ccps.analysis.findings import Findings
from ccps.report.main.answer import answer_section
from ccps.report.main.write import write_report

MOST_WORDS = 1500


class OpenWords(HTMLParser):
    """The words that a reader sees before anything is unfolded: of what is folded, its summary alone."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.folds: list[bool] = []
        self.within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "details":
            self.folds.append("open" not in dict(attrs))
        elif tag in ("style", "script", "title", "summary"):
            self.within = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self.folds.pop()
        elif tag == self.within:
            self.within = ""

    def handle_data(self, data: str) -> None:
        around = self.folds[:-1] if self.within == "summary" else self.folds
        if self.within not in ("style", "script", "title") and not any(around):
            self.words += data.split()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(chosen_report(), folder)
    return folder


def test_few_words_are_open_and_they_answer_in_order(written: Path) -> None:
    words = OpenWords((written / "report.html").read_text(encoding="utf-8")).words
    assert 300 < len(words) <= MOST_WORDS
    text = " ".join(words)
    order = [
        "For multiple choice answers of m use CCPS (AUROC",
        "on mmlu, not clearly better than without training).",
        "m, multiple choice: CCPS",
        "AUROC ↑",
        "Answer only if P is at least …, mmlu",
        "Certified with 90 % confidence",
        "It lies beside this page, in scorers/m/mc/best",
        'ConfidenceScorer.load("scorers/m/mc/best")',
        "m, open-ended: CCPS",
        "It lies beside this page, in scorers/m/oe/best",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_all_else_is_folded_under_words_of_its_own_and_anchors_lie_within(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    rest = page[page.index('<nav aria-label="Sections">') :]
    head = r'<details class="part">\n<summary><h2>[^\n]+</h2> <span>[^\n]+</span></summary>\n<section id="(\w+)">'
    folded = re.findall(head, rest)
    assert folded == re.findall(r'<section id="(\w+)">', rest)
    assert {"results", "differences", "cost", "making", "glossary"} <= set(folded)
    assert "::details-content { display: block;" in page.split("@media print")[1]


def test_markdown_has_the_same_and_folds_the_rest(written: Path) -> None:
    page = (written / "report.md").read_text(encoding="utf-8")
    first = page[: page.index("## Results")]
    assert "<details>" not in first
    assert "![Reliability diagram of CCPS on mmlu, 120 answers: ECE" in first
    order = ["| AUROC ↑ |", "#### Answer only if P is at least …, mmlu", "`scorers/m/mc/best`", "```python"]
    assert [first.index(part) for part in order] == sorted(first.index(part) for part in order)
    assert page.count("<details>") == page.count("</details>")
    assert len(first.split()) < MOST_WORDS


def test_it_says_when_it_is_no_better_than_what_needs_no_training(written: Path) -> None:
    page = (written / "report.md").read_text(encoding="utf-8")
    assert re.search(r"On mmlu \(120 questions, [\d.]+ % of the answers right\) it is no better", page)


@pytest.mark.usefixtures("unpainted")
def test_what_is_certified_is_in_words_in_the_table_and_in_a_file(tmp_path: Path) -> None:
    scores = chosen_report().scores
    apart = np.clip(scores["p_correct"] + 0.3 * (scores["correct"] - 0.5), 0, 1)
    write_report(chosen_report(scores=scores.assign(p_correct=apart)), tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "tables" / "thresholds.csv").query("benchmark == 'mmlu'")
    best = table[table["certified"]].iloc[0]
    rounded_up = np.ceil(best["threshold"] * 1e4) / 1e4
    assert f"Answer only if P is at least {rounded_up:.4f}, and at most {100 * best['risk']:g} % of the answers" in page
    assert f"{100 * best['coverage']:.1f} % of mmlu is answered. Certified on its 120 questions" in page
    assert f"at least {100 * (1 - best['bound']):.1f} |" in page


def test_where_nothing_is_certified_it_says_why() -> None:
    run = chosen_report()
    scores = run.scores.assign(correct=np.arange(len(run.scores)) % 2 == 0)
    text = answer_section(Findings(chosen_report(scores=scores))).markdown()
    assert "On mmlu no threshold is certified: at most 20 % wrong answers" in text
    assert "cannot be certified with 120 labels" in text


@pytest.mark.usefixtures("unpainted")
def test_further_models_are_folded_and_what_could_not_be_chosen_is_said(tmp_path: Path) -> None:
    choice = chosen_report().choice
    more = [choice.assign(model=name) for name in ("m2", "m3")]
    none = choice.assign(model="m4", chosen=False)
    write_report(chosen_report(choice=pd.concat([choice, *more, none])), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Which confidence to use, for 6 pairs of model and format" in page
    assert len(re.findall(r"<summary><h3>m[23], .+?</h3> <span>no test of this format</span>", page)) == 4
    assert "m4, open-ended: nothing was chosen, as no method could be compared." in page
    assert len(OpenWords(page).words) <= MOST_WORDS


def test_the_first_screen_says_what_a_few_labels_would_do() -> None:
    found = Findings(chosen_report(label_counts=[0, 25, 50], label_draws=20))
    (text,) = [line for line in answer_section(found).markdown().splitlines() if "not how many on mmlu." in line]
    curves = found.few_labels.curves.query("benchmark == 'mmlu' and method == 'ccps' and k == 50").set_index("metric")
    shown = [f"{100 * curves.loc[metric, 'value']:.1f}" for metric in ("ece", "brier")]
    assert "With 50 of its questions labelled" in text
    assert re.findall(r"(?:ECE|Brier) (\d+\.\d)", text) == shown


def test_without_labels_nothing_is_said_of_them() -> None:
    found = Findings(chosen_report(label_counts=[0]))
    assert "questions labelled" not in answer_section(found).markdown()


def test_an_interval_above_its_ece_is_said_to_be_one() -> None:
    scores = chosen_report().scores
    half = scores["question_id"].str[1:].astype(int) % 2
    # As many of each half are right as P says, so that the ECE is 0 and that of every resample more.
    exact = scores.groupby(["benchmark", "method", half])["correct"].transform("mean")
    chosen = scores["method"] == "ccps"
    text = answer_section(Findings(chosen_report(scores=scores.assign(p_correct=exact.where(chosen, 0.9))))).markdown()
    assert text.count("mmlu: the interval of the ECE lies above it") == 1
    assert "the interval of the ECE" not in answer_section(Findings(chosen_report())).markdown()
