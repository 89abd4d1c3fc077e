"""From committed scores to every table of a report, so that no processor's rounding enters.

The tables in `tests/data_files/report/expected` were written by the code that stood before the middle was rebuilt; none
of their numbers lies so near to a half of its last digit that another order of a sum would round it otherwise.
Paired differences are not among them: these were mended, and `test_analysis_differences` computes them by hand.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answers import repeated

from ccps.analysis.averages import strongest
from ccps.analysis.claims import parse_claims
from ccps.analysis.data import COST_COLUMNS, COUNT_COLUMNS, ReportData
from ccps.analysis.findings import Findings
from ccps.analysis.verdict import Standing
from ccps.core.artifacts import ROWS, Artifact
from ccps.metrics import CONTEST, METRICS, Convention, Metric, evaluate, register
from ccps.metrics.inputs import FloatArray
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run
from ccps.report.main.job import MAIN
from ccps.report.main.write import write_report
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.evaluate import EvaluateStage
from ccps.stages.main.runs import MethodScores

FILES = Path(__file__).parents[3] / "data_files" / "report"
FORMATS = {"boats": "mc", "birds": "oe"}
CONFIG = EvaluationConfig(convention="ct", aggregate="macro", resamples=47)
OTHERS = ["p_correct", "pooled ct"]
CLAIMS: dict[str, Any] = {
    "toy": {
        "source": "an invented paper",
        "note": "",
        "convention": "p_correct",
        "models": ["large", "small"],
        "benchmarks": ["boats", "birds"],
        "gaps": [
            {"method": "ccps", "metric": metric, "scale": scale, "value": 0.05, "tolerance": 0.03, "note": "A remark."}
            for metric, scale in (("ece", "relative"), ("brier", "relative"), ("auroc", "points"))
        ],
        "averages": {
            "tolerance": 0.05,
            "values": {"ccps": {"ece": [0.2, 0.01], "auroc": 0.8}, "verbalised": {"acc": 0.7}, "saplma": {"acc": 0.6}},
        },
        "cells": {
            "tolerance": 0.05,
            "methods": ["ccps", "p_ik"],
            "metrics": ["brier"],
            "values": {"large": {"boats": {"ccps": {"brier": 0.1}}}},
        },
    }
}


def _artifact(root: Path, stage: str, table: pd.DataFrame) -> Artifact:
    made = Artifact.at(root, stage, {"table": table.to_json()})
    with made.writing(), made.shard(0) as folder:
        table.to_parquet(folder / ROWS, index=False)
    made.finish(1, {})
    return made


def _evaluated(root: Path, scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of the evaluate stage for every model and benchmark, as the report gathers them."""
    for (model, benchmark), here in scores.groupby(["model", "benchmark"], sort=False):
        columns = ["seed", "question_id", "p_correct", "correct"]
        scored = [
            MethodScores(str(method), _artifact(root, "score", rows[columns]))
            for method, rows in here.groupby("method", sort=False)
        ]
        grades = _artifact(root, "grade", here[["question_id", "subject"]].drop_duplicates())
        judged = run_stage(EvaluateStage(scored, grades, f"{benchmark}, {model}", CONFIG), Run(root, "cpu"))
        rows = judged.rows().to_pandas()
        yield rows.assign(model=model, benchmark=benchmark, format=FORMATS[str(benchmark)], reason="undefined")


def _write(root: Path, scores: pd.DataFrame) -> ReportData:
    """Evaluate some scores and write their report, without figures, into the folder `report`."""
    rows = pd.concat(_evaluated(root / "artifacts", scores), ignore_index=True)
    data = ReportData(
        title="Committed scores",
        question="Are they the same numbers?",
        results=rows[rows["convention"] == CONFIG.convention],
        results_other=rows[rows["convention"].isin(OTHERS)],
        scores=scores,
        costs=pd.DataFrame([("answer", 1.0, 10, 100, 1e9, 8, False)], columns=list(COST_COLUMNS)),
        counts=pd.DataFrame([("Answers", 64, "")], columns=list(COUNT_COLUMNS)),
        run={"seeds": [1, 2, 3]},
        own_method="answer_probability",
        controls=["ccps_random"],
        claims=parse_claims(CLAIMS),
        resamples=CONFIG.resamples,
        resampling_seed=CONFIG.seed,
        level=CONFIG.level,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MAIN, "figures", [])
        write_report(data, root / "report")
    return data


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return pd.read_csv(FILES / "scores.csv").astype({"seed": "Int64"})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, scores: pd.DataFrame) -> Path:
    root = tmp_path_factory.mktemp("written")
    _write(root, scores)
    return root / "report"


@pytest.mark.parametrize("name", ["results", "other_conventions", "per_subject", "averages"])
def test_numbers_are_those_that_were_written_before(written: Path, name: str) -> None:
    found, wanted = (pd.read_csv(path) for path in (written / f"tables/{name}.csv", FILES / f"expected/{name}.csv"))
    assert len(wanted)
    if name in ("results", "other_conventions"):
        found = found[found["metric"].isin(CONTEST)].reset_index(drop=True)
    if name == "results":
        assert set(found["aggregate"]) == {"macro", "pooled"}
        found = found[found["aggregate"] == "macro"].drop(columns="aggregate")
    pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=1e-9)


def test_further_metrics_are_told_and_not_compared(written: Path, scores: pd.DataFrame) -> None:
    rows = pd.read_csv(written / "tables/results.csv").astype({"seed": "Int64"})
    further = rows[~rows["metric"].isin(CONTEST) & (rows["aggregate"] == "macro")]
    assert set(further["metric"]) == set(METRICS) - set(CONTEST)
    keys = ["model", "benchmark", "method", "seed"]
    for key, here in further.groupby(keys, dropna=False):
        own = scores[(scores[keys].eq(list(key)) | (scores[keys].isna() & pd.isna(pd.Series(key, keys)))).all(axis=1)]
        own = own.dropna(subset="p_correct")
        by_hand = evaluate(own["p_correct"], own["correct"], groups=own["subject"])
        values = here.set_index("metric")["value"].to_dict()
        assert values == pytest.approx({metric: by_hand[metric] for metric in values}, nan_ok=True)
    # The middle of few resamples need not hold a value, but their ends are in order, and not all of them points.
    defined = further.dropna(subset=["ci_low", "ci_high"])
    assert (defined["ci_low"] <= defined["ci_high"]).all()
    assert (defined["ci_low"] < defined["ci_high"]).mean() > 0.8

    words = (written / "report.md").read_text().split("## Further metrics\n")[1].split("\n## ")[0]
    assert "| Method | Log loss ↓ | AURC ↓ |" in words
    assert "**" not in words
    for name in ("averages", "per_subject"):
        assert "log_loss" not in (written / f"tables/{name}.csv").read_text()
    assert "log_loss" not in (written / "claims.json").read_text()


@pytest.mark.parametrize("name", ["main.md", "main.tex", "other_conventions.md"])
def test_tables_for_readers_hold_them_in_the_same_order(written: Path, name: str) -> None:
    """The numbers alone: how a table is printed is the kit's affair."""
    paths = (written / "tables" / name, FILES / "expected" / name)
    found, wanted = (re.findall(r"\d+\.\d", path.read_text()) for path in paths)
    assert len(wanted) > 100
    assert found == wanted


def test_the_ledger_is_too(written: Path) -> None:
    found, wanted = (json.loads(path.read_text()) for path in (written / "claims.json", FILES / "expected/claims.json"))
    assert [list(row) for row in found] == [list(row) for row in wanted]
    verdicts = {row["verdict"] for row in wanted}
    assert verdicts == {"match", "differs", "not measured", "unknown"}
    for row, other in zip(found, wanted, strict=True):
        for key, value in other.items():
            if row["verdict"] == "no verdict" and key in ("verdict", "reason"):
                # Since then: no verdict from fewer than 20 answers of a kind.
                assert other["verdict"] in ("match", "differs")
                assert row["reason"].startswith("too few: ")
            else:
                assert row[key] == (pytest.approx(value, rel=0, abs=1e-9) if isinstance(value, float) else value)


def test_no_table_is_left_out(written: Path) -> None:
    tables = {path.name for path in (written / "tables").iterdir()} | {"claims.json"}
    later = {"differences.csv", "claims.csv"}
    assert tables == {path.name for path in (FILES / "expected").iterdir()} | later


@pytest.fixture
def surprise() -> Iterator[Metric]:
    """A metric from outside the package: how surprised one is by what happened, in bits; lower is better."""

    def measure(p: FloatArray, y: FloatArray, weights: FloatArray, convention: Convention) -> FloatArray:
        bits = -np.log2(np.clip(np.where(y == 1, p, 1 - p), 1e-3, 1))
        surprise: FloatArray = (weights * bits).sum(axis=1) / weights.sum(axis=1)
        return surprise

    words = "How far what happened was from being expected."
    yield register(Metric("surprise", "Surprise", lower_is_better=True, scale="points", gloss=words, measure=measure))
    METRICS.remove("surprise")


def test_a_metric_from_outside_is_in_every_table_and_the_right_way_round(
    tmp_path: Path, scores: pd.DataFrame, surprise: Metric
) -> None:
    here = scores[(scores["model"] == "large") & (scores["benchmark"] == "boats") & (scores["method"] != "verbalised")]
    here = repeated(here, 7)  # 84 right answers and 21 wrong ones, enough for a verdict
    data = _write(tmp_path, here)
    own = here[here["method"] == "answer_probability"]
    p, right = own["p_correct"], own["correct"]
    by_hand = (-np.log2(p.where(right, 1 - p).clip(1e-3))).groupby(own["subject"]).mean().mean()
    assert evaluate(p, right, groups=own["subject"])["surprise"] == pytest.approx(by_hand)

    tables = tmp_path / "report" / "tables"
    results = pd.read_csv(tables / "results.csv").query("aggregate == 'macro'").set_index(["method", "metric"])
    row = results.loc[("answer_probability", "surprise")]
    assert row["value"] == pytest.approx(by_hand)
    assert row["ci_low"] < by_hand < row["ci_high"]
    assert "surprise_ccps" in pd.read_csv(tables / "per_subject.csv")
    page = (tmp_path / "report" / "report.md").read_text()
    assert "| AUROC ↑ | Surprise ↓ |" in page
    assert surprise.gloss in (tmp_path / "report" / "report.html").read_text()

    found = {one.other: one for one in Findings(data).verdict.comparisons if one.metric == "surprise"}
    assert found["ccps_random"].standing is Standing.BETTER
    assert found["ccps_random"].high < 0
    (best,) = strongest(data, Findings(data).resamples, "surprise")
    assert best == results.xs("surprise", level="metric")["value"].groupby("method").mean()[list(data.rivals)].idxmin()
