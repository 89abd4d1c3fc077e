"""`ccps fit` and `ccps score` on a real model, from a CSV file to decisions."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from commands import ended

from ccps.llm import ModelFiles

MODEL = "smollm2-135m-instruct"
N = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sums with three options."""
    folder, rng = tmp_path_factory.mktemp("data"), random.Random(0)
    with (folder / "sums.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "option_a", "option_b", "option_c", "answer"])
        for _ in range(N):
            x, y = rng.randint(1, 9), rng.randint(1, 9)
            options = rng.sample([x + y, x + y + 1, x + y + 3], 3)
            writer.writerow([f"What is {x} + {y}?", *options, "abc"[options.index(x + y)]])
    return folder


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capfd.readouterr()
    code = ended(*arguments, "--json")
    said = capfd.readouterr()
    assert code == 0, said.err
    return json.loads(said.out)


def test_from_a_file_to_decisions(
    data: Path, smollm2_files: ModelFiles, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(data)
    fitted = told(
        capfd, "fit", "--model", MODEL, "--data", "sums.csv", "--method", "option_probability", "--out", "mine"
    )
    assert fitted["scorer"] == str(data / "mine")
    assert fitted["columns"]["options"] == ["option_a", "option_b", "option_c"]
    assert fitted["columns"]["answer_kind"] == "letter"
    assert fitted["summary"]["n"] == N
    # So few labels cannot show that at most a tenth is wrong unless hardly any is.
    assert fitted["threshold"]["certified"] is False
    assert fitted["threshold"]["n"] == N

    scored = told(capfd, "score", "mine", "--data", "sums.csv")
    assert [one["id"] for one in scored["scores"]] == [f"sums/{place}" for place in range(N)]
    assert all(0 <= one["p_correct"] <= 1 for one in scored["scores"])
    assert {one["answer"] for one in scored["scores"]} <= set("abc")

    decided = told(capfd, "score", "mine", "--data", "sums.csv", "--risk", "0.1", "--out", "out.jsonl")
    assert all(one["abstain"] for one in decided["scores"])
    lines = [json.loads(line) for line in (data / "out.jsonl").read_text().splitlines()]
    assert lines == decided["scores"]
    assert [one["p_correct"] for one in lines] == [one["p_correct"] for one in scored["scores"]]

    assert ended("score", "mine", "--data", "sums.csv", "--out", "out.csv") == 0
    with (data / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["p_correct"]) for row in rows] == pytest.approx([one["p_correct"] for one in scored["scores"]])
    assert ended("score", "mine", "--data", "sums.csv", "--out", "out.csv") == 2
    assert ended("fit", "--model", MODEL, "--data", "sums.csv", "--out", "mine") == 2
    assert "which is there" in capfd.readouterr().err
