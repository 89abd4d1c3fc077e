"""Pages of methods say what the classes and the page of results say, and are the ones that are committed."""

import re

import pytest

from ccps.methods.registry import METHODS
from experiments.method_pages import DOCS, RESULTS, pages

FOLDER = DOCS / "methods"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages(RESULTS.read_text(encoding="utf-8"))


def test_the_committed_pages_are_these(made: dict[str, str]) -> None:
    committed = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")}
    assert committed == made, "run python -m experiments.method_pages"


def test_every_method_has_a_page_and_stands_in_the_list(made: dict[str, str]) -> None:
    assert {f"{name}.md" for name in METHODS} | {"index.md"} == set(made)
    listed = re.findall(r"^\| \[`(\w+)`\]\((\w+)\.md\)", made["index.md"], re.MULTILINE)
    assert listed == [(name, name) for name in METHODS]


def test_a_page_says_what_a_method_takes_and_whether_it_can_be_taken_along(made: dict[str, str]) -> None:
    assert "| reads | the 75 features of every answer token |" in made["ccps.md"]
    assert "| reads | `layer_states`, `samples` in training |" in made["semantic_entropy_probe.md"]
    assert "| can be taken along | no |" in made["ct.md"]
    assert "along random directions" in made["ccps_random.md"]


def test_figures_are_those_of_the_page_of_results(made: dict[str, str]) -> None:
    results = RESULTS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| mmlu \|.*$", made["stack.md"], re.MULTILINE)
    [cells] = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    [own] = [
        line for line in results.splitlines() if line.startswith("| Stack |") and cells[2] in line and cells[4] in line
    ]
    assert cells[3] in own
    assert "Not on the committed pages" in made["litcab.md"]


def test_a_page_without_the_table_is_refused() -> None:
    with pytest.raises(AssertionError, match="100 labels"):
        pages("# Nothing")
