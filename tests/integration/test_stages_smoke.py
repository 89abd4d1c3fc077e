"""`make smoke` keeps what the README promises: every stage on a real language model and real questions."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from ccps.assets import catalogue as assets
from ccps.llm import ModelFiles
from ccps.metrics.registry import CONTEST

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory, smollm2_files: ModelFiles) -> Path:
    assets.fetch("questions")  # a first download shows its progress, which is no warning
    folder = tmp_path_factory.mktemp("smoke")
    places = [f"paths.{name}={folder / name}" for name in ("artifacts", "output", "wandb")]
    result = subprocess.run(
        [sys.executable, "-m", "experiments.reproduce", "experiment=smoke", "logger=none", *places],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # no warning that the user cannot act upon
    (folder / "said.txt").write_text(result.stdout)
    return folder


def test_each_stage_says_one_line(smoke: Path) -> None:
    lines = (smoke / "said.txt").read_text().splitlines()
    done = [line for line in lines if not line.endswith(" left")]  # which lines of progress do
    steps = [line.split()[0] for line in done if " · " in line]
    trained, untrained, controls = 9, 6, 2  # conf/experiment/smoke.yaml; one of the untrained is of options alone
    assert Counter(step for step in steps if step not in ("questions", "scorer", "output")) == {
        "answer": 4,  # two formats, training and test
        "grade": 2 * 2 + 2 * 4,  # graders that know the format
        "options": 2,  # of multiple choice
        "extract": 4 * 2,  # along the gradient and along random directions
        "fit": (trained + controls) * 2,
        "out_of_fold": trained * 2,
        "choose": 2,
        "score": (trained + untrained + controls) * 2 - 1,
        "evaluate": 2 * 2,  # the methods, and what was chosen
        "audit": 2,
        "report": 1,
    }
    assert steps[-1] == "output"
    assert done[-1].endswith(str(smoke / "output" / "report.html"))


def test_the_report_is_there_and_stands_alone(smoke: Path) -> None:
    page = (smoke / "output" / "report.html").read_text()
    assert "smollm2_135m" in page
    assert 'src="data:image/png;base64,' in page
    for name in ("tables/results.csv", "tables/main.md", "tables/main.tex", "claims.json", "costs.csv", "run.json"):
        assert (smoke / "output" / name).stat().st_size > 0
    assert list((smoke / "output" / "figures").glob("*.png"))


def test_results_are_fractions_over_all_subjects(smoke: Path) -> None:
    table = pd.read_csv(smoke / "output" / "tables" / "results.csv")
    assert {"ccps", "p_ik", "saplma_f", "p_true", "lts", "ccps_random", "ccps_shuffled"} <= set(table["method"])
    assert table.groupby("benchmark")["n"].max().to_dict() == {"mmlu": 114, "mmlu_oe": 102}
    # Of the further metrics some are no shares: a loss has no end, a ratio may be below 0.
    assert table.loc[table["metric"].isin(CONTEST), "value"].dropna().between(0, 1).all()
    known = table.dropna(subset=["ci_low", "ci_high"])
    assert (known["ci_low"] <= known["ci_high"]).all()
    assert known.query("metric == 'brier'")["benchmark"].nunique() == 2


def test_the_prompts_share_a_prefix_and_answers_are_letters(smoke: Path) -> None:
    answers = [pd.read_parquet(path) for path in (smoke / "artifacts" / "answer").glob("*/0*/rows.parquet")]
    choice = pd.concat([rows for rows in answers if (rows["answer_ids"].map(len) == 1).all()])
    assert len(choice) == 100 + 114
    assert choice["text"].isin(list("abcd")).all()
    heads = {tuple(prompt[:50]) for prompt in choice["prompt_ids"]}
    assert len(heads) == 1
