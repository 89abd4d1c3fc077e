"""What the README shows is run, on the small model and fewer questions; its figures are of a larger one."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from documents import Block, blocks, run
from omegaconf import OmegaConf

from ccps import ConfidenceScorer
from ccps.data import BenchmarkSpec, load_questions
from ccps.data.records import Question
from ccps.llm import LanguageModel
from experiments.configs import CONF

pytestmark = pytest.mark.slow

N, SMALL = 60, "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """The first of ARC-Easy that have four options."""
    spec: Any = OmegaConf.to_container(OmegaConf.load(CONF / "benchmark" / "arc_easy.yaml"))
    found = load_questions(BenchmarkSpec(**spec["arc_easy"])).questions
    return [one for one in found if len(one.options) == 4][:N]


@pytest.fixture
def folder(questions: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `arc_easy.csv` lies."""
    with (tmp_path / "arc_easy.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "A", "B", "C", "D", "answer"])
        writer.writerows([one.text, *one.options, one.accepted[0]] for one in questions)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(start: str) -> Block:
    """The one block of the README that has such a line."""
    (found,) = [
        block for block in blocks("README.md") if any(line.startswith(start) for line in block.text.split("\n"))
    ]
    return found


def kinds_of_lines(text: str) -> set[str]:
    """Lines by what stands in them beside names and numbers."""
    kinds = set()
    for line in text.splitlines():
        if found := re.match(
            r"(\S.*: P\(correct\) of answers of|fitted to|out of fold|AUROC|ECE|Brier|Certified|\$)", line
        ):
            kinds.add(re.sub(r".*(?=: P\()", "", found[1]))
    return kinds


def test_the_command_prints_lines_like_those_that_are_shown(folder: Path) -> None:
    example = shown("$ ccps fit")
    (model,) = re.findall(r"--model (\S+)", example.text)
    printed = run(Block(example.language, example.text.replace(model, SMALL)), {})
    wanted = kinds_of_lines(example.text)
    assert (
        len(wanted) == 8
    )  # the command, two lines of what it is, the head of a table and its three rows, the threshold
    # The small model is at chance: nothing can be certified of it, and that is said in the place of the threshold.
    assert kinds_of_lines(printed) | {"Certified"} == wanted
    assert "certified" in printed.lower()
    assert f"fitted to {N} answers" in printed
    assert f"answers of {SMALL}\n" in printed


def test_the_lines_of_python_give_numbers_and_decisions(questions: list[Question], smollm2: LanguageModel) -> None:
    asked = [{"text": one.text, "options": list(one.options)} for one in questions]
    names: dict[str, Any] = {
        "model": smollm2.model,
        "tokenizer": smollm2.tokenizer,
        "questions": asked[:40],
        "right_answers": [one.accepted[0] for one in questions[:40]],
        "new_questions": asked[40:],
    }
    example = shown("from ccps import ConfidenceScorer")
    run(example, names)
    scorer = names["scorer"]
    assert isinstance(scorer, ConfidenceScorer)
    assert scorer.summary is not None
    assert scorer.summary.n == 40
    *_, probabilities, decisions = [line.split("  #")[0] for line in example.text.rstrip().splitlines()]
    p = eval(probabilities, names)
    assert p.shape == (N - 40,)
    assert ((p >= 0) & (p <= 1)).all()
    assert [one.p_correct for one in eval(decisions, names)] == pytest.approx(p.tolist(), abs=1e-3)


def test_the_mathematics_alone() -> None:
    hidden, weight = torch.randn(3, 16), torch.randn(50, 16)
    names: dict[str, Any] = {"hidden": hidden, "weight": weight, "token_ids": (hidden @ weight.T).argmax(dim=1)}
    example = shown("from ccps.perturbation")
    run(example, names)
    features, radii = (eval(line.split("  #")[0], names) for line in example.text.rstrip().splitlines()[-2:])
    assert features.shape == (3, 75)
    # At the exact distance another token leads: beyond it the prediction has changed, before it has not.
    assert np.isfinite(radii).any()
