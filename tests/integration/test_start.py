"""What the tutorial shows is run, and prints what stands there."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from documents import ROOT, Block, blocks, run, unlike

CAPITALS = ROOT / "docs" / "start" / "capitals.csv"
# What is fitted differs by rounding from processor to processor.
WITHIN = 0.03


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader works who has taken the file of questions."""
    shutil.copy(CAPITALS, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed_by(block: Block, following: Block) -> str | None:
    """What a block prints by its document: the rest of its own, or what stands below it; None where it is not run."""
    if block.text.startswith("$ ccps "):
        return block.text
    if block.language != "python":
        return None
    return following.text if following.language == "text" and not following.text.startswith("$") else ""


@pytest.mark.slow
def test_the_tutorial_prints_what_it_shows(folder: Path) -> None:
    names: dict[str, Any] = {}
    shown = [
        (one, text)
        for one, following in pairwise([*blocks("docs/start.md"), Block("", "")])
        if (text := printed_by(one, following)) is not None
    ]
    assert {one.language for one, _ in shown} == {"python", "text"}
    for block, text in shown:
        assert unlike(run(block, names), text, WITHIN) == [], block.text


def test_every_question_of_the_tutorial_has_an_answer_of_its_own() -> None:
    table = pd.read_csv(CAPITALS)
    assert list(table.columns) == ["question", "answer"]
    assert len(table) == 210
    assert table["question"].is_unique
    assert table["question"].str.fullmatch(r"What is the capital of [A-Z a-z-]+\?").all()
    # An answer that stands in its own question would be right for whoever repeats that.
    assert not any(row.answer in row.question for row in table.itertuples())


def test_what_is_not_as_shown_is_found() -> None:
    shown = "AUROC   0.813   0.757 to 0.865\n…\nThe model took 12.3 s, 1,200 answers.\n"
    assert unlike("AUROC  0.82 0.75 to 0.87\na\nb\nThe model took 1.5 min, 1,201 answers.", shown, 0.03) == []
    assert len(unlike("AUROC  0.92 0.75 to 0.87\nThe model took 99 s, 1,300 answers.", shown, 0.03)) == 2
    assert unlike("AUC 0.813 0.757 to 0.865\nThe model took 1 s, 1,200 answers.", shown, 0.03) != []
    assert unlike("", shown) != []
