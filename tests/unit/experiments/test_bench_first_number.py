"""The first number of a saved scorer, on a tiny random model."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chance_questions import questions
from measured import found

from ccps.core.errors import UserError
from ccps.llm import LanguageModel
from experiments.benchmarks import first_number

OWN, LAYERS = "Of it ours: the scorer's files and the question", "Of it the model's layers on the question"


pytestmark = pytest.mark.usefixtures("few")


def answering(monkeypatch: pytest.MonkeyPatch, code: int = 0, calls: int = 2) -> list[list[str]]:
    """Processes that say at once what took how long; every command that was started."""
    started = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        started.append(command)
        assert (Path(command[3]) / "scorer.json").is_file()
        assert len(json.loads(command[4])[0]["options"]) == 4
        said = json.dumps({"imported": 0.25, "own": 0.5, "layers": 2.0, "calls": calls})
        return subprocess.CompletedProcess(command, code, stdout=f"{said}\n", stderr="no room")

    monkeypatch.setattr(subprocess, "run", run)
    return started


def test_every_figure_of_a_first_number(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    started = answering(monkeypatch)
    figures = first_number.measure_first_number(lm, questions(4, 80), 2, 1)
    assert [found(figures, what) for what in (OWN, LAYERS, "Of it `import ccps`")] == [0.5, 2, 0.25]
    assert len(started) == 3  # one of them untimed
    assert [figure.what for figure in figures if figure.target] == [
        "From nothing to the first number",
        OWN,
        "Of it `import ccps`",
    ]


def test_a_process_that_fails_and_layers_of_another_name_are_said(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, code=1)
    with pytest.raises(UserError, match="ended with 1: no room"):
        first_number.measure_first_number(lm, questions(4, 80), 1, 1)
    answering(monkeypatch, calls=0)
    with pytest.raises(UserError, match="layers of this model are not known"):
        first_number.measure_first_number(lm, questions(4, 80), 1, 1)


@pytest.mark.slow
def test_a_real_process_finds_the_layers(lm: LanguageModel) -> None:
    figures = first_number.measure_first_number(lm, questions(4, 80), 1, 1)
    whole, layers, own = (found(figures, what) for what in ("From nothing to the first number", LAYERS, OWN))
    assert 0 < layers < whole
    assert 0 < own < whole
