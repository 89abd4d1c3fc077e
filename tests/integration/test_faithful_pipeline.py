"""The faithful system end to end on a tiny model: what its tables say of traces of its own and of others."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_faithful import TEXTS, TinyFaithful, hydra_text, tiny_model

from ccps.asking.interview import Manner
from ccps.llm import load_model
from ccps.methods.ccps import by_probe
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.probes import ProbeConfig, fit_probe
from ccps.settings.probe import EncoderConfig, StageConfig

ESTIMATORS = ["deepconf", "rcc", "sampling", "stability"]
COLUMNS = ["model", "dataset", "prompt", "estimator", "metric", "value", "ci_low", "ci_high", "n"]


@pytest.fixture(scope="module")
def of_given(tmp_path_factory: pytest.TempPathFactory, sums: Path, traces_file: Path) -> Path:
    """The output of a run on the traces of a file and on traces of the model's own."""
    run = TinyFaithful(tmp_path_factory.mktemp("given"), sums)
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given", "prompt": "baseline"}
    return run.run(f"faithful.files.mine={hydra_text(file)}")


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


def test_traces_of_texts_alone_are_judged_by_their_words(faithful: TinyFaithful, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    file = {"path": str(path), "model": "elsewhere"}
    output = faithful.run("model=[]", f"faithful.files.mine={hydra_text(file)}")
    table = pd.read_csv(output / "tables" / "faithful.csv").set_index("metric")
    assert table.loc["mean_decisiveness", "n"] == len(TEXTS)
    assert "not among `model`" in (output / "report.html").read_text()


def test_parity_runs_to_the_end(faithful: TinyFaithful, traces_file: Path) -> None:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given"}
    output = faithful.run("faithful.mode=parity", f"faithful.files.mine={hydra_text(file)}")
    assert json.loads((output / "run.json").read_text())["config"]["faithful"]["mode"] == "parity"


def test_more_alternatives_are_read_if_deepconf_wants_them(faithful: TinyFaithful) -> None:
    output = faithful.run("faithful.estimators=[deepconf]", "faithful.deepconf.k=9")
    steps = pd.read_parquet(output / "tables" / "steps.parquet")
    assert steps["deepconf"].between(0, 1).all()


def test_demonstrations_stand_in_the_prompts_of_their_condition_alone(faithful: TinyFaithful) -> None:
    """And go through every stage, what all prompts begin with being read once."""
    shown = [
        {"question": "What is 5 and 6?", "reply": "Surely it is 11."},
        {"question": "And 7?", "reply": "Perhaps 9."},
    ]
    condition = f"+faithful.prompt.shown={hydra_text({'demonstrations': shown})}"
    output = faithful.run("faithful/prompt=[baseline]", condition, "faithful.estimators=[deepconf,rcc,sampling]")
    files = sorted((faithful.folder / "artifacts" / "trace").glob("*/*/rows.parquet"))
    rows = pd.concat([pd.read_parquet(path) for path in files])
    tokenizer = load_model(tiny_model()[1], "cpu").tokenizer
    prompts = [tokenizer.decode(ids) for ids in rows["prompt_ids"]]
    turns = ("What is 5 and 6?", "Surely it is 11.", "And 7?", "Perhaps 9.")
    with_them = [text for text in prompts if turns[0] in text]
    assert (len(prompts), len(with_them)) == (6, 3)
    for text in with_them:
        places = [text.index(turn) for turn in turns]
        assert places == sorted(places)
    steps = pd.read_parquet(output / "tables" / "steps.parquet")
    assert set(steps["prompt"]) == {"baseline", "shown"}
    for name in ("deepconf", "rcc", "sampling"):
        assert steps[name].notna().any()
        assert steps[name].dropna().between(0, 1).all()


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
    StoredScorer(by_probe(probe), settings).save(folder)
    return folder


def test_a_probe_is_read_on_the_tokens_of_each_step(faithful: TinyFaithful, traces_file: Path, scorer: Path) -> None:
    file = {"path": str(traces_file), "model": "tiny_random", "dataset": "given"}
    output = faithful.run(
        f"faithful.files.mine={hydra_text(file)}",
        "faithful.estimators=[stability]",
        f"faithful.stability.scorer={scorer}",
    )
    steps = pd.read_parquet(output / "tables" / "steps.parquet").query("dataset == 'given'")
    read = steps[~steps["trace_id"].isin(["plain", "wrong"])]
    assert read["stability"].between(0, 1).all()
    assert read["stability"].nunique() > 1
    assert not (faithful.folder / "artifacts" / "radii").exists()
    assert "longer than the probe reads" in (output / "report.html").read_text()
