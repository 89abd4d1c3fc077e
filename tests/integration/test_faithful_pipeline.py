"""The faithful system end to end on a tiny model: traces of its own, and traces that were made elsewhere."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ccps import ConfidenceScorer
from ccps.asking.interview import Manner
from ccps.core.errors import UserError
from ccps.core.settings import SettingsError
from ccps.llm import ModelConfig, ModelFiles, find_model, load_model
from ccps.methods.stored_scorer import ScorerSettings
from ccps.pipeline.stage import Run
from ccps.probes import ProbeConfig, fit_probe
from ccps.reasoning.offsets import token_offsets
from ccps.settings.probe import EncoderConfig, StageConfig
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.faithful.pipeline import run_faithful
from experiments.launch import CONF, checked_overrides

ESTIMATORS = ["deepconf", "rcc", "sampling", "stability"]
COLUMNS = ["model", "dataset", "prompt", "estimator", "metric", "value", "ci_low", "ci_high", "n"]
TEXTS = [
    "<think>\nThe sum is 5.\n\nMaybe it is 6?\n\nI think it is 5.\n</think>\n\nThe answer is \\boxed{5}.",
    "<think>\nPerhaps it is 7.\n\nNo, 9 is clearly right.\n</think>\n\n\\boxed{9}",
    "One step only, and \\boxed{3}.",
    "<think>\nIt might be 4.\n\nIt is probably 4, though unlikely",
]
GOLD = ["5", "8", "3", "4"]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sums") / "sums.jsonl"
    rows = [{"question": f"What is {n} and {n + 1}?", "answer": str(2 * n + 1)} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def task(questions: Path) -> str:
    source = {
        "name": "sums",
        "source": "file",
        "loader": "table",
        "location": str(questions),
        "format": "oe",
        "question": "question",
        "answer": "answer",
        "answer_kind": "text",
    }
    spec = {"name": "sums", "prompt": "{question}", "answer": "integer", "source": {"sums": source}}
    return _hydra(spec)


def _hydra(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


class TinyFaithful:
    """A run of the faithful system in a folder of its own."""

    def __init__(self, folder: Path, questions: Path) -> None:
        self.folder = folder
        self.questions = questions

    def overrides(self, *more: str) -> list[str]:
        common = [
            "experiment=faithful_smoke",
            "model=[tiny_random]",
            "faithful/dataset=[]",
            "faithful/prompt=[baseline]",
            f"faithful.dataset.sums={task(self.questions)}",
            "faithful.traces.max_new_tokens=12",
            "faithful.sampling.max_new_tokens=5",
            "faithful.scoring.resamples=20",
            "trainer=cpu",
            "logger=none",
            f"paths.artifacts={self.folder / 'artifacts'}",
            f"paths.output={self.folder / 'output'}",
        ]
        by_key = {text.split("=", 1)[0]: text for text in [*common, *more]}
        return list(by_key.values())

    def settings(self, *more: str) -> dict[str, Any]:
        checked = checked_overrides(self.overrides(*more), "faithful", to_faithful)
        with initialize_config_dir(str(CONF), version_base=None):
            composed = OmegaConf.to_container(compose("faithful", overrides=checked), resolve=True)
        assert isinstance(composed, dict)
        return {str(key): value for key, value in composed.items() if key != "hydra"}

    def run(self, *more: str) -> Path:
        settings = self.settings(*more)
        config = to_faithful(settings)
        output = run_faithful(config, settings, Run(Path(config.paths.artifacts), "cpu"))
        assert output is not None
        return output

    def keys(self, stage: str) -> set[str]:
        return {path.name for path in (self.folder / "artifacts" / stage).iterdir()}


@pytest.fixture
def tiny(tmp_path: Path, questions: Path) -> TinyFaithful:
    return TinyFaithful(tmp_path, questions)


def tiny_model() -> tuple[ModelConfig, ModelFiles]:
    """The configuration of the tiny model, and where it lies."""
    with initialize_config_dir(str(CONF), version_base=None):
        spec = OmegaConf.to_container(compose("model/tiny_random")["model"]["tiny_random"])
    assert isinstance(spec, dict)
    config = ModelConfig(**{str(key): value for key, value in spec.items()})
    return config, find_model("tiny_random", config)


@pytest.fixture(scope="module")
def traces_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traces with ids of the tiny model, several steps each; one of them without ids, one with ids that do not fit."""
    lm = load_model(tiny_model()[1], "cpu")
    prompt = lm.tokenizer("What is it?")["input_ids"]
    rows = []
    for index, (text, gold) in enumerate(zip(TEXTS, GOLD, strict=True)):
        ids = lm.tokenizer(text, add_special_tokens=False)["input_ids"]
        written, offsets = token_offsets(lm.tokenizer, ids)
        assert written == text
        rows.append(
            {
                "id": f"t{index}",
                "question_id": f"q{index}",
                "text": text,
                "gold": gold,
                "prompt_ids": prompt,
                "token_ids": ids,
                "offsets": np.asarray(offsets).tolist(),
                "ended": index < 3,
            }
        )
    rows.append({"id": "plain", "text": "It is certainly 2.\n\nOr is it?\n\n\\boxed{2}", "gold": "2"})
    rows.append({**rows[0], "id": "wrong", "question_id": "q9", "token_ids": rows[0]["token_ids"][:-3]})
    path = tmp_path_factory.mktemp("file") / "traces.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def of_given(tmp_path_factory: pytest.TempPathFactory, questions: Path, traces_file: Path) -> Path:
    """The output of a run on the traces of a file and on traces of the model's own."""
    run = TinyFaithful(tmp_path_factory.mktemp("given"), questions)
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given", "prompt": "baseline"}
    return run.run(f"faithful.files.mine={_hydra(file)}")


def test_every_file_of_the_report_is_there(of_given: Path) -> None:
    for name in ("faithful.csv", "bridge.csv", "steps.parquet", "traces.parquet", "main.md", "main.tex"):
        assert (of_given / "tables" / name).stat().st_size > 0
    for name in ("report.html", "report.md", "run.json", "costs.csv"):
        assert (of_given / name).stat().st_size > 0
    assert list((of_given / "figures").glob("*.png"))


def test_a_row_for_every_model_dataset_and_prompt(of_given: Path) -> None:
    table = pd.read_csv(of_given / "tables" / "faithful.csv", keep_default_na=False)
    assert list(table.columns) == COLUMNS
    places = table[["model", "dataset", "prompt"]].drop_duplicates()
    assert sorted(places["dataset"]) == ["given", "sums"]
    scored = table[(table["metric"] == "cmfg_star") & (table["dataset"] == "given")]
    assert sorted(scored["estimator"]) == ESTIMATORS


def test_mfg_is_what_the_steps_give(of_given: Path) -> None:
    steps = pd.read_parquet(of_given / "tables" / "steps.parquet").query("dataset == 'given'")
    table = pd.read_csv(of_given / "tables" / "faithful.csv").query("dataset == 'given' and metric == 'mfg'")
    for name in ESTIMATORS:
        faithful = 1 - (steps["decisiveness"] - steps[name]).abs()
        by_hand = faithful.groupby(steps["trace_id"]).mean().dropna()
        row = table[table["estimator"] == name].iloc[0]
        assert row["value"] == pytest.approx(by_hand.mean())
        assert row["n"] == len(by_hand)


def test_steps_are_the_paragraphs_and_confidences_lie_between_0_and_1(of_given: Path) -> None:
    steps = pd.read_parquet(of_given / "tables" / "steps.parquet").query("dataset == 'given'")
    assert steps.groupby("trace_id").size().to_dict() == {"t0": 3, "t1": 2, "t2": 1, "t3": 2, "plain": 3, "wrong": 3}
    assert list(steps.query("trace_id == 't1'")["text"]) == ["Perhaps it is 7.", "No, 9 is clearly right."]
    read = steps[~steps["trace_id"].isin(["plain", "wrong"])]
    for name in ESTIMATORS:
        assert read[name].between(0, 1).all(), name


def test_nothing_is_read_off_ids_that_are_missing_or_do_not_fit(of_given: Path) -> None:
    traces = pd.read_parquet(of_given / "tables" / "traces.parquet").set_index("trace_id")
    steps = pd.read_parquet(of_given / "tables" / "steps.parquet").set_index("trace_id")
    assert traces.loc["wrong", "misaligned"]
    assert not traces.loc["t0", "misaligned"]
    for name in ("deepconf", "rcc", "stability"):
        assert steps.loc[["plain", "wrong"], name].isna().all()
    assert steps.loc[["plain", "wrong"], "decisiveness"].notna().all()
    dropped = pd.read_csv(of_given / "tables" / "dropped.csv")
    assert (dropped["why"] == "no token ids").any()


def test_answers_are_marked_and_traces_that_were_cut_off_are_kept(of_given: Path) -> None:
    traces = pd.read_parquet(of_given / "tables" / "traces.parquet").set_index("trace_id")
    assert traces.loc["t0", "correct"]
    assert traces.loc["t1", "correct"] is False or traces.loc["t1", "correct"] == False  # noqa: E712
    assert pd.isna(traces.loc["t3", "correct"])
    assert traces.loc["t3", "truncated"]
    assert traces.loc[["t0", "t1", "t2"], "p_true"].between(0, 1).all()
    assert traces.loc[["t0", "t1", "t2"], "answer_stability"].between(0, 1).all()
    assert traces.loc[["t0", "t1", "t2"], "answer_probability"].between(0, 1).all()


def test_a_second_run_computes_nothing_and_gives_the_same_bytes(
    tiny: TinyFaithful, capsys: pytest.CaptureFixture[str]
) -> None:
    first = (tiny.run() / "tables" / "faithful.csv").read_bytes()
    capsys.readouterr()
    assert (tiny.run() / "tables" / "faithful.csv").read_bytes() == first
    said = [line for line in capsys.readouterr().out.splitlines() if " · " in line]
    assert not [line for line in said if "done" in line]


def test_a_run_that_was_broken_off_goes_on_to_the_same_rows(tiny: TinyFaithful) -> None:
    tiny.run()
    [key] = tiny.keys("continue")
    folder = tiny.folder / "artifacts" / "continue" / key
    rows = pd.read_parquet(folder / "00000" / "rows.parquet")
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "00000")
    (folder / ".00000.json").unlink(missing_ok=True)
    tiny.run()
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "00000" / "rows.parquet"), rows)


def test_another_judge_draws_no_continuation_again(tiny: TinyFaithful) -> None:
    tiny.run("faithful/judge=lexical")
    drawn = tiny.keys("continue")
    tiny.run("faithful/judge=numeric")
    assert tiny.keys("continue") == drawn
    assert len(tiny.keys("judge")) == 2
    assert len(tiny.keys("read")) == 1


def test_another_divisor_asks_the_model_nothing(tiny: TinyFaithful) -> None:
    tiny.run("faithful.estimators=[deepconf]")
    before = {stage: tiny.keys(stage) for stage in ("trace", "read", "mark", "decide")}
    tiny.run("faithful.estimators=[deepconf]", "faithful.deepconf.scale=4")
    assert {stage: tiny.keys(stage) for stage in before} == before
    assert len(tiny.keys("confidence")) == 2


def test_traces_of_texts_alone_are_judged_by_their_words(tiny: TinyFaithful, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    file = {"path": str(path), "model": "elsewhere"}
    output = tiny.run("model=[]", f"faithful.files.mine={_hydra(file)}")
    table = pd.read_csv(output / "tables" / "faithful.csv").set_index("metric")
    assert table.loc["mean_decisiveness", "n"] == len(TEXTS)
    assert "not among `model`" in (output / "report.html").read_text()


def test_parity_runs_to_the_end(tiny: TinyFaithful, traces_file: Path) -> None:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given"}
    output = tiny.run("faithful.mode=parity", f"faithful.files.mine={_hydra(file)}")
    assert json.loads((output / "run.json").read_text())["config"]["faithful"]["mode"] == "parity"


def test_every_fault_of_the_settings_is_named_at_once(tiny: TinyFaithful) -> None:
    wrong = [
        "faithful.mode=loose",
        "faithful.estimators=[deepconf,rccc]",
        "faithful.rcc.delta=1.5",
        "faithful.sampling.k=0",
        "faithful.unknown=1",
    ]
    with pytest.raises(SettingsError) as caught:
        tiny.settings(*wrong)
    assert "faithful.unknown" in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        tiny.settings(*wrong[:-1])
    for word in ("faithful.mode", "did you mean `rcc`?", "faithful.rcc.delta", "k"):
        assert word in str(caught.value)
    assert len(caught.value.faults) == 4


def test_a_probe_that_is_not_there_is_refused(tiny: TinyFaithful) -> None:
    with pytest.raises(UserError, match=r"scorer\.json|scorer"):
        tiny.run("faithful.stability.scorer=/nowhere/at/all", "faithful.estimators=[stability]")


def test_a_part_that_needs_what_is_not_there_is_refused(tiny: TinyFaithful) -> None:
    with pytest.raises(UserError, match=r"Expected the stage `trace`"):
        tiny.run("stages=[confidence,faith,faith_report]")


def test_a_part_that_ends_with_the_model_leaves_nothing_for_it_to_do(
    tiny: TinyFaithful, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tiny.settings("stages=[trace,read,continue]")
    config = to_faithful(settings)
    assert run_faithful(config, settings, Run(Path(config.paths.artifacts), "cpu")) is None
    assert len(tiny.keys("head")) == 1
    capsys.readouterr()
    tiny.run("stages=[mark,decide,judge,radii,confidence,faith,faith_report]")
    done = [line.split()[0] for line in capsys.readouterr().out.splitlines() if " · done in " in line]
    assert not {"trace", "read", "continue"} & set(done)


@pytest.mark.parametrize("last", ["judge", "radii"])
def test_a_stage_that_is_the_last_one_is_run(tiny: TinyFaithful, last: str) -> None:
    settings = tiny.settings(f"stages=[trace,read,continue,mark,decide,judge,{last}]".replace("judge,judge", "judge"))
    config = to_faithful(settings)
    assert run_faithful(config, settings, Run(Path(config.paths.artifacts), "cpu")) is None
    assert len(tiny.keys(last)) == 1


def test_more_alternatives_are_read_if_deepconf_wants_them(tiny: TinyFaithful) -> None:
    output = tiny.run("faithful.estimators=[deepconf]", "faithful.deepconf.k=9")
    steps = pd.read_parquet(output / "tables" / "steps.parquet")
    assert steps["deepconf"].between(0, 1).all()


def test_another_judge_of_words_leaves_the_judgements_of_continuations(tiny: TinyFaithful) -> None:
    tiny.run()
    judged = tiny.keys("judge")
    tiny.run("faithful.decisiveness.aggregate=min")
    assert tiny.keys("judge") == judged
    assert len(tiny.keys("decide")) == 2


def test_a_file_may_not_go_by_the_names_of_a_run_of_our_own(tiny: TinyFaithful, traces_file: Path) -> None:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "sums", "prompt": "baseline"}
    with pytest.raises(SettingsError, match="every model, dataset and prompt once"):
        tiny.settings(f"faithful.files.mine={_hydra(file)}")


def test_what_is_missing_is_missed_before_the_model_works(tiny: TinyFaithful) -> None:
    with pytest.raises(UserError, match="traces"):
        tiny.run(f"faithful.files.mine={_hydra({'path': '/nowhere/traces.jsonl'})}")
    assert not (tiny.folder / "artifacts" / "trace").exists()


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A probe for open-ended answers of the tiny model that reads three tokens, fitted on noise."""
    rng = np.random.default_rng(0)
    stage = StageConfig(steps=10, eval_every=10)
    encoder = EncoderConfig(hidden=[8, 8], kernels=[3, 3], max_tokens=3, embed_dim=4)
    recipe = ProbeConfig(encoder=encoder, contrastive=stage, classifier=stage)
    answers = np.repeat(np.arange(40), 3)
    probe = fit_probe(rng.normal(size=(120, 75)), answers % 2, answers.tolist(), recipe, 0, radius=7.0)
    config, files = tiny_model()
    settings = ScorerSettings("tiny_random", config, files.fingerprint, 7.0, 3, "oe", Manner())
    folder = tmp_path_factory.mktemp("scorer")
    ConfidenceScorer(probe, settings, "cpu").save(folder)
    return folder


def test_a_probe_is_read_on_the_tokens_of_each_step(tiny: TinyFaithful, traces_file: Path, scorer: Path) -> None:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given"}
    output = tiny.run(
        f"faithful.files.mine={_hydra(file)}",
        "faithful.estimators=[stability]",
        f"faithful.stability.scorer={scorer}",
    )
    steps = pd.read_parquet(output / "tables" / "steps.parquet").query("dataset == 'given'")
    read = steps[~steps["trace_id"].isin(["plain", "wrong"])]
    assert read["stability"].between(0, 1).all()
    assert read["stability"].nunique() > 1
    assert not (tiny.folder / "artifacts" / "radii").exists()
    assert "longer than the probe reads" in (output / "report.html").read_text()


def test_two_processes_write_what_one_writes(tmp_path: Path, questions: Path) -> None:
    one, two = TinyFaithful(tmp_path / "one", questions), TinyFaithful(tmp_path / "two", questions)
    few = ["faithful.traces.max_batch_tokens=1", "faithful.shard_traces=1", "trainer.threads=1"]
    one.run(*few)
    command = [sys.executable, "-m", "experiments.faithful", *two.overrides(*few, "trainer.devices=2")]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=1200, check=False
    )
    assert ended.returncode == 0, ended.stderr
    for stage in ("trace", "read", "continue", "mark", "decide", "judge", "radii", "confidence", "faith"):
        for path in sorted((one.folder / "artifacts" / stage).rglob("*.parquet")):
            twin = two.folder / path.relative_to(one.folder)
            assert twin.read_bytes() == path.read_bytes(), path
    name = Path("output", "tables", "faithful.csv")
    assert (two.folder / name).read_bytes() == (one.folder / name).read_bytes()
