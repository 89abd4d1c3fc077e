"""The papers' experiments and the sweep, to their tables: toys of all their models, all benchmarks, every method."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from composing import composed
from toy_papers import DATA, MODELS, give_answers, method_overrides, paper_settings, write_benchmarks

from ccps.core.artifacts import ROWS
from ccps.methods import METHODS
from ccps.metrics import CONTEST
from ccps.pipeline.stage import Run
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.faithful.pipeline import run_faithful
from ccps.stages.main.checks import to_config
from ccps.stages.main.pipeline import run_experiment
from ccps.stages.sweep.checks import to_sweep
from ccps.stages.sweep.pipeline import run_sweep

pytestmark = pytest.mark.slow

FORMATS = {"mmlu": "mc", "mmlu_pro": "mc", "mmlu_oe": "oe"}
COPIES = 5
# Two records of MMLU make sense alone in none but one; the others are left out by form.
QUESTIONS = {"mmlu": 3 * COPIES, "mmlu_pro": 2 * COPIES, "mmlu_oe": COPIES}


@pytest.fixture(scope="module", autouse=True)
def _offline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("papers")


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    write_benchmarks(folder / "hub", COPIES)
    give_answers(folder / "hub")
    return folder / "hub"


def places(folder: Path, output: str) -> list[str]:
    return [f"paths.artifacts={folder / 'artifacts'}", f"paths.output={folder / output}"]


@pytest.fixture(scope="module")
def paper(folder: Path, data: Path) -> Path:
    own = (*method_overrides(), "seeds=[23,24]", *places(folder, "paper"))
    settings = paper_settings(data, "config", to_config, *own)
    config = to_config(settings)
    run_experiment(config, settings, Run(Path(config.paths.artifacts), "cpu"))
    return folder / "paper"


def test_every_method_has_a_row_for_every_model_and_benchmark(paper: Path) -> None:
    table = pd.read_csv(paper / "tables" / "results.csv")
    found = set(table[["model", "benchmark", "method"]].itertuples(index=False, name=None))
    wanted = {
        (model, benchmark, method)
        for (model, (benchmark, form)), method in product(product(MODELS, FORMATS.items()), METHODS)
        if form in METHODS[method].formats
    }
    page = (paper / "report.md").read_text()
    missing = wanted - found
    # A method that says nothing of any answer has no row; the page then says so.
    assert all(METHODS[method].label in page for _, _, method in missing)
    assert {method for _, _, method in missing} <= {"verbalised"}
    for metric in CONTEST:
        assert set(table.loc[table["metric"] == metric, "benchmark"]) == set(FORMATS)


def test_what_is_undefined_has_a_reason(paper: Path) -> None:
    table = pd.read_csv(paper / "tables" / "results.csv")
    led = table[(table["aggregate"] == "macro") & table["metric"].isin(CONTEST)]
    known = led.groupby(["model", "benchmark", "method", "metric"])["value"].count()
    missing = known.index[known == 0]
    # The order of answers that are all right, all wrong or of one P is none, and a P of 0 or 1 is in no bin of `ct`.
    assert set(missing.get_level_values("metric")) <= {"auroc", "aucpr", "ece"}
    lines = [
        line for line in (paper / "report.md").read_text().replace("\\_", "_").splitlines() if " missing: " in line
    ]
    for model, benchmark, method, metric in missing:
        said = [f"{model}, {benchmark}: ", CONTEST[metric].label, f" of {METHODS[method].label} "]
        assert any(all(part in line for part in said) for line in lines), said


def test_no_question_is_dropped_without_a_count(paper: Path, folder: Path) -> None:
    asked = [
        json.loads(path.read_text())["summary"] for path in (folder / "artifacts" / "answer").glob("*/manifest.json")
    ]
    table = pd.read_csv(paper / "tables" / "results.csv")
    assert table.groupby("benchmark")["n"].max().to_dict() == QUESTIONS
    for number in QUESTIONS.values():
        assert sum(one["answers"] == number for one in asked) >= len(MODELS)
    text = (paper / "report.md").read_text().replace("\\_", "_")
    assert "records left out of mmlu_oe" in text
    assert "records left out of ct_snli" in text


def test_every_model_and_method_is_told_in_costs(paper: Path) -> None:
    costs = pd.read_csv(paper / "costs.csv")
    assert {"answer", "grade", "extract", "fit", "score", "evaluate"} <= set(costs["stage"])


def test_the_sweep_of_the_paper_gets_to_its_tables(folder: Path, data: Path, paper: Path) -> None:
    grid = "{radii:[1,20],steps:[5],directions:[gradient,random],training_steps:4}"
    own = ("sweep.folds=2", "sweep.chosen_seeds=[23,24]", "sweep.at_chance=keep")
    settings = paper_settings(
        data, "sweep", to_sweep, f"sweep.mc={grid}", f"sweep.oe={grid}", *own, *places(folder, "sweep")
    )
    swept = to_sweep(settings)
    output = run_sweep(swept, settings, Run(Path(swept.experiment.paths.artifacts), "cpu"))
    best = pd.read_csv(output / "tables" / "best.csv")
    keys = ["model", "benchmark", "direction", "choice"]
    assert len(best[keys].drop_duplicates()) == len(MODELS) * len(FORMATS) * 2 * 3
    radii = pd.read_csv(output / "tables" / "radii.csv")
    assert len(radii) == len(MODELS) * len(FORMATS) * 2
    assert radii[["radius", "radius_low", "radius_high", "value", "lost"]].notna().all(axis=None)
    chance = pd.read_csv(output / "tables" / "chance.csv")
    assert set(chance["model"]) == set(MODELS)
    assert set(chance.loc[chance["side"] == "test", "source"]) == set(FORMATS)


# A toy of each kind among the models: Llama, and Qwen for all others.
KINDS = ("llama31_8b_random", "qwen25_14b_random")
SHORT_TRACES = (
    "faithful.questions=2",
    "faithful.traces.max_new_tokens=12",
    "faithful.traces.max_batch_tokens=16384",
    "faithful.judge.model=null",
    "faithful.sampling={k:2,max_new_tokens:4,max_steps:2}",
    "faithful.scoring.resamples=20",
    "trainer=cpu",
    "logger=none",
)


def reasoning_settings(folder: Path) -> dict[str, Any]:
    """`experiment=faithful_paper` on toys, its datasets in folders; the model under study judges itself."""
    legal = folder / "legalbench"
    for entry in map(json.loads, (DATA / "reasoning" / "legalbench.jsonl").read_text().splitlines()):
        own = legal / entry["task"] / "test"
        own.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(entry["rows"]), own / "0000.parquet")
    output = (f"paths.artifacts={folder / 'faithful_artifacts'}", f"paths.output={folder / 'faithful'}")
    given = ["experiment=faithful_paper", f"model=[{','.join(KINDS)}]", *SHORT_TRACES, *output]
    settings = composed(given, "faithful", lambda _: None)
    for model in settings["model"].values():
        model["toy"] = True
    for name, task in settings["faithful"]["dataset"].items():
        for source in task["source"].values():
            place = legal if name == "legalbench" else DATA / "reasoning" / name
            source |= {"location": str(place), "revision": None}
    return settings


def test_the_faithful_paper_gets_to_its_tables(folder: Path) -> None:
    settings = reasoning_settings(folder)
    config = to_faithful(settings)
    output = run_faithful(config, settings, Run(Path(config.paths.artifacts), "cpu"))
    assert output is not None
    tables = {path.name: pd.read_csv(path) for path in (output / "tables").glob("*.csv")}
    assert tables
    cells = next(table for table in tables.values() if {"model", "dataset", "prompt"} <= set(table))
    assert set(cells["dataset"]) == set(config.faithful.dataset)
    assert set(cells["model"]) == set(config.model)
    assert set(cells["prompt"]) == set(config.faithful.prompt)
    traces = sum(
        len(pd.read_parquet(path, columns=None))
        for path in (folder / "faithful_artifacts" / "trace").glob(f"*/0*/{ROWS}")
    )
    # One question of MuSR's three and the like are asked under each prompt by each model.
    assert traces == 2 * len(config.faithful.dataset) * len(config.model) * len(config.faithful.prompt)
