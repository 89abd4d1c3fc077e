from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ccps.core.artifacts import ROWS, Artifact
from ccps.metrics import CONTEST, CONVENTIONS, METRICS, evaluate
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.evaluate import EvaluateStage
from ccps.stages.main.evaluate_chosen import EvaluateChosenStage
from ccps.stages.main.runs import MethodScores

SUBJECTS = ("algebra", "botany", "cookery")
CONFIG = EvaluationConfig(convention="ct", aggregate="macro", resamples=20)


def artifact(root: Path, stage: str, table: pd.DataFrame) -> Artifact:
    made = Artifact.at(root, stage, {"table": table.to_json()})
    with made.writing(), made.shard(0) as folder:
        table.to_parquet(folder / ROWS, index=False)
    made.finish(1, {})
    return made


def judge(root: Path, correct: Sequence[bool], methods: Mapping[tuple[str, int | None], Sequence[float]]) -> Artifact:
    n = len(correct)
    ids = [f"q{index:03d}" for index in range(n)]
    subjects = [SUBJECTS[index % len(SUBJECTS)] for index in range(n)]
    grades = pd.DataFrame({"question_id": ids, "subject": subjects, "text": "a", "correct": correct})
    rows = [
        pd.DataFrame({"method": method, "question_id": ids, "p_correct": p, "correct": correct}).assign(
            seed=pd.array([seed] * n, dtype="Int64")
        )
        for (method, seed), p in methods.items()
    ]
    # Rows in another order than the grades: they belong together by their ids. None where a method says nothing.
    scores = pd.concat(rows, ignore_index=True).dropna(subset="p_correct").sample(frac=1, random_state=0)
    scored = [
        MethodScores(str(method), artifact(root, "score", table.drop(columns="method")))
        for method, table in scores.groupby("method", sort=False)
    ]
    scored.sort(key=lambda item: list(dict.fromkeys(method for method, _ in methods)).index(item.method))
    stage = EvaluateStage(scored, artifact(root, "grade", grades), "toy", CONFIG)
    return run_stage(stage, Run(root, "cpu"))


@pytest.fixture(scope="module")
def correct() -> list[bool]:
    return [bool(value) for value in np.random.default_rng(0).integers(2, size=60)]


@pytest.fixture(scope="module")
def p() -> dict[tuple[str, int | None], list[float]]:
    rng = np.random.default_rng(1)
    return {key: rng.uniform(size=60).tolist() for key in (("ccps", 1), ("ccps", 2), ("entropy", None))}


def test_values_are_those_of_the_metrics(tmp_path: Path, correct: list[bool], p: Any) -> None:
    rows = judge(tmp_path, correct, p).rows().to_pandas()
    subjects = [SUBJECTS[index % 3] for index in range(60)]
    assert len(rows) == 3 * 2 * (len(CONVENTIONS) * len(CONTEST) + len(METRICS) - len(CONTEST))
    for convention in CONVENTIONS:
        for name, groups in ((convention, subjects), (f"pooled {convention}", None)):
            found = rows[(rows["convention"] == name) & (rows["method"] == "ccps") & (rows["seed"] == 2)]
            wanted = evaluate(p["ccps", 2], correct, convention, groups=groups)
            told = METRICS if convention == CONFIG.convention else CONTEST
            values = found.set_index("metric")["value"].to_dict()
            assert values == pytest.approx({metric: wanted[metric] for metric in told})
    assert rows["n"].eq(60).all()
    assert rows[rows["method"] == "entropy"]["seed"].isna().all()
    assert (rows["ci_low"] <= rows["ci_high"]).all()


def test_answers_of_which_a_method_says_nothing_are_left_out_of_its_figures(
    tmp_path: Path, correct: list[bool]
) -> None:
    rng = np.random.default_rng(3)
    whole, part = rng.uniform(size=60), rng.uniform(size=60)
    part[::4] = np.nan
    made = judge(tmp_path, correct, {("ccps", None): whole.tolist(), ("verbalised", None): part.tolist()})
    rows = made.rows().to_pandas()
    assert rows.groupby("method")["n"].unique().map(list).to_dict() == {"ccps": [60], "verbalised": [45]}


@pytest.mark.parametrize("known", [0, 1])
def test_a_method_that_says_too_little_is_left_out(tmp_path: Path, correct: list[bool], known: int) -> None:
    part = [0.5] * known + [np.nan] * (60 - known)
    made = judge(tmp_path, correct, {("ccps", None): [0.1, 0.9] * 30, ("verbalised", None): part})
    assert set(made.rows().to_pandas()["method"]) == {"ccps"}


def test_the_summary_is_the_mean_over_seeds(tmp_path: Path, correct: list[bool], p: Any) -> None:
    summary = judge(tmp_path, correct, p).summary
    subjects = [SUBJECTS[index % 3] for index in range(60)]
    both = [evaluate(p["ccps", seed], correct, groups=subjects).auroc for seed in (1, 2)]
    assert summary["ccps auroc"] == pytest.approx(np.mean(both))
    assert set(summary) == {"ccps auroc", "ccps ece", "entropy auroc", "entropy ece"}


def test_what_is_undefined_is_said_and_never_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = judge(tmp_path, [False] * 6, {("ccps", 1): [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], ("entropy", None): [0.5] * 6})
    assert made.summary["ccps auroc"] == "undefined"
    line = capsys.readouterr().out
    assert "ccps auroc undefined" in line
    assert "nan" not in line
    assert "NaN" not in (made.folder / "manifest.json").read_text()
    rows = made.rows().to_pandas()
    auroc = rows[rows["metric"] == "auroc"]
    assert auroc["value"].isna().all()
    assert auroc["undefined_groups"].eq(auroc["groups"]).all()


def test_a_constant_ranks_nothing(tmp_path: Path, correct: list[bool], p: Any) -> None:
    alike = (0.6 + np.linspace(0, 5e-7, 60)).tolist()
    rows = judge(tmp_path, correct, {("ccps", 1): p["ccps", 1], ("ccps", 2): alike}).rows().to_pandas()
    further = [name for name, metric in METRICS.items() if metric.ranks and name not in ("auroc", "aucpr")]
    ranks = rows["metric"].isin(["auroc", "aucpr", *further])
    dead = rows[(rows["seed"] == 2) & ranks]
    assert len(dead) == 2 * (2 * len(CONVENTIONS) + len(further))
    assert dead[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert dead["reason"].eq("constant: one P for every answer").all()
    others = rows.drop(dead.index)
    assert others[["value", "ci_low", "ci_high"]].notna().all(axis=None)
    assert others["reason"].eq("").all()


@pytest.mark.parametrize("chosen", ["entropy", None])
def test_what_was_chosen_is_judged_once_and_nothing_chosen_is_no_fault(
    tmp_path: Path, correct: list[bool], p: Any, chosen: str | None
) -> None:
    ids = [f"q{index:03d}" for index in range(60)]
    table = pd.DataFrame({"question_id": ids, "p_correct": p["entropy", None], "correct": correct})
    scored = [MethodScores("entropy", artifact(tmp_path, "score", table.assign(seed=pd.array([None] * 60, "Int64"))))]
    grades = artifact(tmp_path, "grade", pd.DataFrame({"question_id": ids, "subject": "botany"}))
    choice = artifact(tmp_path, "choose", pd.DataFrame({"method": ["entropy"], "chosen": [chosen == "entropy"]}))
    made = run_stage(EvaluateChosenStage(scored, grades, "toy", CONFIG, choice), Run(tmp_path, "cpu"))
    assert made.complete
    assert made.rows().num_rows == 0
    assert made.figures == {}
