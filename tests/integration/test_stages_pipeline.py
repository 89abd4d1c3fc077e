"""The whole pipeline on a tiny random model and invented questions."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from output_tables import NOT_CONTENT, chosen, contents, results, stored
from tiny import SUBJECTS, Tiny, benchmark, write_questions
from wandb_file import history, records

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError
from ccps.methods.calibrated import FittedCalibrated
from ccps.methods.ccps import CCPS

COLUMNS = ["model", "benchmark", "format", "method", "seed", "metric", "value", "ci_low", "ci_high", "n", "aggregate"]
ONCE = ("ccps_logistic", "lts")
TRAINED = ("ccps", "ccps_logistic", "p_ik", "saplma_m", "lts", "ccps_random", "ccps_shuffled")
UNTRAINED = ("p_true", "answer_probability", "option_probability", "option_radius", "entropy", "self_consistency")
TAKEN_ALONG = tuple(name for name in TRAINED if name not in ("ccps_random", "ccps_shuffled"))  # no controls
METRICS = [
    *["ece", "brier", "acc", "aucpr", "auroc", "log_loss", "aurc", "e_aurc", "prr", "prr50", "fpr95"],
    *["acc_at_50", "acc_at_80", "acc_at_90", "cov_at_5", "cov_at_10", "cov_at_20"],
]


def test_output_holds_all_that_is_promised(finished: Tiny) -> None:
    files = set(contents(finished.output))
    assert {
        "tables/results.csv",
        "tables/main.md",
        "tables/main.tex",
        "report.html",
        "tables/method_costs.csv",
        "tables/importance.csv",
        "claims.json",
        "claims.txt",
        "costs.csv",
        "run.json",
    } <= files
    pictures = {name for name in files if name.startswith("figures/") and name.endswith(".png")}
    for kind in ("reliability", "risk-coverage", "histogram", "subjects", "training", "cost", "importance"):
        assert any(name.startswith(f"figures/{kind}-tiny-random") for name in pictures), kind
    page = (finished.output / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://arxiv.org", "")


def test_results_have_the_agreed_columns_and_rows(finished: Tiny) -> None:
    table = results(finished.output)
    assert list(table.columns) == COLUMNS
    rows = table.groupby("method")["metric"].apply(list)
    best = chosen(finished.output)["tiny_random"]
    assert best == "option_probability_platt"  # none of the methods, but one of them calibrated: a row of its own
    assert set(rows.index) == {*TRAINED, *UNTRAINED, best}
    for method in TRAINED:
        assert rows[method] == METRICS * (1 if method in ONCE else 2)  # two seeds
    for method in (*UNTRAINED, best):
        assert rows[method] == METRICS
    assert set(table["model"]) == {"tiny_random"}
    assert set(table["benchmark"]) == {"boats"}
    assert set(table["format"]) == {"mc"}
    assert sorted(table["seed"].dropna().unique()) == [23, 24]
    assert (table["n"] == 18).all()
    # Log loss may be above 1, and rejecting the least sure may be worse than chance.
    shares = table[~table["metric"].isin(["log_loss", "prr", "prr50"])]
    for column in ("value", "ci_low", "ci_high"):
        assert shares[column].dropna().between(0, 1).all()
    assert table["value"].notna().all()


def test_costs_and_record_of_the_run(finished: Tiny) -> None:
    costs = pd.read_csv(finished.output / "costs.csv")
    assert {"stage", "seconds", "tokens", "bytes", "peak_memory"} <= set(costs.columns)
    assert costs["stage"].tolist() == [
        "head",
        "answer",
        "grade",
        "options",
        "option_radius",
        "extract",  # of training answers, which nobody samples
        "sample",
        "fit",
        "out_of_fold",
        "choose",
        "score",
        "evaluate",
        "audit",
    ]
    assert (costs["seconds"] > 0).all()
    run = json.loads((finished.output / "run.json").read_text())
    assert {"config", "versions", "commit", "seeds", "input_hashes"} <= set(run)
    assert run["seeds"] == [23, 24]
    assert run["versions"]["torch"]
    assert "paths" not in run["config"]


def test_every_letter_is_an_option_of_its_question(finished: Tiny) -> None:
    shards = sorted((finished.artifacts / "answer").glob("*/0*/rows.parquet"))
    rows = pd.concat([pd.read_parquet(shard) for shard in shards])
    assert len(rows) == 24 + 18
    assert set(rows["text"]) <= {"a", "b", "c"}
    assert rows["question_id"].is_unique
    assert rows["text"].isin(list("abc")).all()


def test_a_second_run_finds_everything_and_changes_no_byte(
    finished: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccps.pipeline.model.load_model", None)  # nothing may ask for the model
    artifacts, output = contents(finished.artifacts), contents(finished.output)
    assert finished.run() == finished.output
    lines = capsys.readouterr().out.splitlines()
    stages = [line for line in lines if " · " in line and not line.startswith(("questions", "scorer", "output"))]
    expected = {
        "answer": 2,  # training and test
        "grade": 2 * 2,  # by two graders
        "options": 2,  # of training answers too: calibrators are fitted to them
        "option_radius": 2,
        "sample": 1,  # self-consistency is not taken along, so nobody calibrates it
        "extract": 2 * 2,  # along the gradient and along random directions
        "fit": len(TRAINED),
        "out_of_fold": len(TAKEN_ALONG),
        "choose": 1,
        "score": len(TRAINED + UNTRAINED),
        "evaluate": 2,  # the methods, and what was chosen
        "audit": 1,
        "report": 1,
    }
    assert Counter(line.split()[0] for line in stages) == expected
    assert all(" · reused" in line for line in stages)
    assert contents(finished.artifacts) == artifacts
    assert contents(finished.output) == output


def test_the_lines_say_which_model_benchmark_and_method(finished: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    finished.run("stages=[answer,grade,sample,extract,fit,score,evaluate]")
    said = [line.split(" · ")[0] for line in capsys.readouterr().out.splitlines()]
    assert len(set(said)) == len(said)
    assert "score     boats, tiny_random, ccps" in said
    assert "fit       tiny_random, mc, ccps, 2 seeds" in said
    assert "extract   train_mc, tiny_random, radius 20 in 5 steps" in said


def test_offline_wandb_run_holds_what_the_files_hold(finished: Tiny) -> None:
    (file,) = finished.wandb.glob("wandb/offline-run-*/*.wandb")
    logged = history(file)
    manifests = list((finished.artifacts / "evaluate").glob("*/manifest.json"))
    assert len(manifests) == 2
    summaries = {path: json.loads(path.read_text())["summary"] for path in manifests}
    evaluation, of_chosen = sorted(manifests, key=lambda path: -len(summaries[path]))
    assert len(summaries[evaluation]) == 2 * len(TRAINED + UNTRAINED)
    assert len(summaries[of_chosen]) == 2
    titles = {evaluation: "boats, tiny_random, p_correct", of_chosen: "boats, tiny_random, p_correct, what was chosen"}
    for path, title in titles.items():
        for name, value in summaries[path].items():
            assert logged[f"evaluate/{title}/{name}"] == pytest.approx(value, rel=1e-12)
        rows = pd.read_parquet(path.parent / "00000" / "rows.parquet")
        assert logged[f"evaluate/{title}/rows/nrows"] == len(rows)
    table = results(finished.output).query("metric == 'auroc'").set_index("method")["value"]
    best = chosen(finished.output)["tiny_random"]
    for path, method in ((evaluation, "entropy"), (of_chosen, best)):
        assert logged[f"evaluate/{titles[path]}/{method} auroc"] == pytest.approx(table[method].item(), abs=1e-9)
    for name in ("answer", "grade", "options", "extract", "fit", "out_of_fold", "choose", "score", "evaluate"):
        assert any(key.startswith(f"{name}/") for key in logged)
    assert logged["fit/tiny_random/mc/ccps/seed23/classifier/val_loss"] > 0

    diagrams = {path.stem for path in (finished.output / "figures").glob("*.png")}
    diagrams = {name for name in diagrams if name.startswith(("chosen", "reliability"))}
    assert diagrams
    assert {key.split("/")[1] for key in logged if key.startswith("figures/")} == diagrams

    kept = {
        record.artifact.name: record.artifact.type
        for record in records(file)
        if record.WhichOneof("record_type") == "artifact"
    }
    assert {f"evaluate-{path.parent.name}" for path in manifests} <= set(kept)
    assert [name for name, kind in kept.items() if kind == "model"] == ["smoke-tiny_random-mc"]
    exits = [record.exit.exit_code for record in records(file) if record.WhichOneof("record_type") == "exit"]
    assert exits == [0]


def test_wandb_keeps_to_its_folder(finished: Tiny) -> None:
    assert {path.name for path in finished.wandb.iterdir()} == {"wandb"}


def test_parts_give_what_the_whole_gives(
    tiny: Tiny, finished: Tiny, command_line: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line(*tiny.overrides("stages=[extract]")) == 2
    error = capsys.readouterr().err
    assert "Expected the stage `answer` to have been run before `extract`, but got no artifact of it" in error
    assert "Add `answer` to `stages`" in error

    assert command_line(*tiny.overrides("stages=[answer,grade]")) == 0
    assert stored(tiny) == {"answer", "grade", "head"}
    assert command_line(*tiny.overrides("stages=[sample,extract,fit,score,evaluate]")) == 2
    error = capsys.readouterr().err
    assert "Add `options` and `option_radius` to `stages`" in error  # two methods score what these read
    tiny.run("stages=[options,option_radius,sample,extract,fit,out_of_fold,choose,score,evaluate]")
    assert not tiny.output.exists()
    assert not tiny.wandb.exists()
    stages = stored(tiny)
    assert stages == stored(finished) - {"audit", "report"}
    for stage in stages:
        own, whole = (contents(place.artifacts / stage, without=NOT_CONTENT) for place in (tiny, finished))
        assert own == whole


def test_two_models_on_two_benchmarks_without_the_probe(tiny: Tiny, tmp_path: Path, finished: Tiny) -> None:
    path = write_questions(tmp_path / "ships.jsonl", 9, seed=4, subjects=SUBJECTS[:2])
    shutil.copytree(finished.artifacts, tiny.artifacts)
    tiny.output.mkdir()
    second = "{source:random,location:llama,dtype:float32,seed:5,architecture:${model.tiny_random.architecture}}"
    tiny.run(
        f"model.second={second}",
        f"test.ships={benchmark(path)}",
        "method=[entropy,answer_probability]",
    )
    table = results(tiny.output)
    pairs = table[["model", "benchmark"]].drop_duplicates().itertuples(index=False)
    assert [tuple(pair) for pair in pairs] == [
        ("tiny_random", "boats"),
        ("tiny_random", "ships"),
        ("second", "boats"),
        ("second", "ships"),
    ]
    two = {"entropy", "answer_probability"}
    best = chosen(tiny.output)
    assert set(best.values()) <= {f"{one}_platt" for one in two}  # alone they give no probability to choose by
    for (model, _), rows in table.groupby(["model", "benchmark"]):
        assert set(rows["method"]) == {*two, best[model]}
        assert len(rows) == 3 * len(METRICS)
        auroc = rows.query("metric == 'auroc'").set_index("method")["value"]
        plain = auroc[best[model].removesuffix("_platt")]
        assert auroc[best[model]] in (
            plain,
            pytest.approx(1 - plain),
        )  # a line through the logit keeps or turns the order
    mine = (table["model"] == "tiny_random") & (table["benchmark"] == "boats") & table["method"].isin(two)
    own = table[mine].set_index(["method", "metric"])
    before = results(finished.output).set_index(["method", "metric"])
    pd.testing.assert_series_equal(own["value"], before["value"][own.index])
    first, other = (table[table["model"] == name]["value"].to_numpy() for name in ("tiny_random", "second"))
    assert (first != other).any()
    written = {path.parent.relative_to(tiny.output / "scorers") for path in tiny.output.rglob("scorer.json")}
    saved = {*two, *(f"{one}_platt" for one in two), "best"}
    assert written == {Path(model, "mc", one) for model in ("tiny_random", "second") for one in saved}
    assert len(list((tiny.artifacts / "head").iterdir())) == 2


def test_answers_that_hold_more_than_is_needed_are_found_again(
    tiny: Tiny, finished: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.artifacts, tiny.artifacts)
    monkeypatch.setattr("ccps.pipeline.model.load_model", None)  # nothing may ask for the model
    before = sorted(path.name for path in (tiny.artifacts / "answer").iterdir())
    tiny.run("method=[ccps]", "stages=[answer,grade,extract]")
    assert sorted(path.name for path in (tiny.artifacts / "answer").iterdir()) == before


def test_what_an_earlier_run_has_saved_is_not_taken_for_new(tiny: Tiny, finished: Tiny) -> None:
    shutil.copytree(finished.artifacts, tiny.artifacts)
    tiny.run("method=[ccps,entropy]")
    assert list((tiny.output / "scorers").rglob("probe.json"))
    tiny.run("method=[entropy]")
    assert not list((tiny.output / "scorers").rglob("probe.json"))


def test_a_part_does_not_ask_for_what_comes_after_it(tiny: Tiny) -> None:
    assert tiny.run("method=[ct,litcab,verbalised]", "stages=[answer,grade]") is None
    assert stored(tiny) == {"answer", "grade", "head"}
    assert tiny.run("method=[ct,litcab,verbalised]", "stages=[answer,grade,sample,verbalise]") is None
    assert stored(tiny) == {"answer", "grade", "head", "verbalise"}


def test_one_method_alone_replaces_the_figures_of_three(tiny: Tiny, finished: Tiny) -> None:
    shutil.copytree(finished.artifacts, tiny.artifacts)
    shutil.copytree(finished.output, tiny.output)
    (tiny.output / "notes.txt").write_text("the user's own")
    tiny.run("method=[ccps]")
    pictures = [path.name for path in (tiny.output / "figures").iterdir()]
    assert pictures
    assert not [name for name in pictures if "entropy" in name or "answer-probability" in name]
    assert (tiny.output / "notes.txt").exists()
    assert set(results(tiny.output)["method"]) == {"ccps"}


def test_a_calibrated_method_that_says_nothing_is_named_by_its_label(
    tiny: Tiny, finished: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.artifacts, tiny.artifacts)
    monkeypatch.setattr(FittedCalibrated, "p_correct", lambda _, evidence: np.full(len(evidence.lengths), np.nan))
    tiny.run("method=[ccps]", "+method.second={name:entropy,calibrator:platt}")
    report = (tiny.output / "report.md").read_text()
    assert "| Entropy, Platt | it scored no answer of tiny\\_random to boats |" in report


@pytest.mark.parametrize(("right", "word"), [(True, "right"), (False, "wrong")])
def test_all_training_answers_alike(
    tiny: Tiny,
    finished: Tiny,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    right: bool,
    word: str,
) -> None:
    for stage in ("answer", "head"):
        shutil.copytree(finished.artifacts / stage, tiny.artifacts / stage)
    monkeypatch.setattr("ccps.grading.rules.Substring.is_right", lambda *_: right)
    message = refused(*tiny.overrides())
    assert f"A probe cannot be fitted: all 24 questions are answered {word}" in message
    assert len(list(tiny.artifacts.glob("extract/*/manifest.json"))) == 4  # what came before is kept


def test_a_method_that_cannot_be_fitted_is_left_out_with_its_reason(
    tiny: Tiny, finished: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference itself, on which audits, curves and examples hang."""
    shutil.copytree(finished.artifacts, tiny.artifacts)

    def refuse(*_: object) -> None:
        raise UserError("Too few of one kind.")

    monkeypatch.setattr(CCPS, "version", 999)
    monkeypatch.setattr(CCPS, "fit", refuse)
    tiny.run("method=[ccps,ccps_logistic,answer_probability,entropy]")
    left_out = (tiny.output / "report.md").read_text().replace("\\", "")
    assert "it could not be fitted to the mc answers of tiny_random: Too few of one kind." in left_out
    assert "| methods not fitted, tiny_random, mc, ccps | 1 | Too few of one kind. |" in left_out
    methods = set(pd.read_csv(tiny.output / "tables" / "results.csv")["method"])
    assert {"ccps_logistic", "answer_probability"} <= methods
    assert "ccps" not in methods
    assert not (tiny.output / "scorers" / "tiny_random" / "mc" / "ccps").exists()
    assert (tiny.output / "scorers" / "tiny_random" / "mc" / "best").is_dir()


def test_broken_shard(tiny: Tiny, finished: Tiny, refused: Callable[..., str]) -> None:
    shutil.copytree(finished.artifacts / "answer", tiny.artifacts / "answer")
    shutil.copytree(finished.artifacts / "head", tiny.artifacts / "head")
    for rows in tiny.artifacts.glob("answer/*/00000/rows.parquet"):
        rows.write_bytes(rows.read_bytes()[:-1])
    message = refused(*tiny.overrides("stages=[answer,grade]"))
    assert "00000/rows.parquet is not what was written" in message
    assert "rm -r" in message


def test_broken_manifest(tiny: Tiny, finished: Tiny, refused: Callable[..., str]) -> None:
    shutil.copytree(finished.artifacts / "answer", tiny.artifacts / "answer")
    for manifest in tiny.artifacts.glob("answer/*/manifest.json"):
        manifest.write_bytes(manifest.read_bytes()[:50])
    message = refused(*tiny.overrides("stages=[answer]"))
    assert "manifest.json cannot be read" in message
    assert str(tiny.artifacts) in message


def test_two_processes_on_one_artifact(tiny: Tiny, finished: Tiny, refused: Callable[..., str]) -> None:
    keys = [path.name for path in (finished.artifacts / "answer").iterdir()]
    first, second = (Artifact(tiny.artifacts / "answer" / key, "answer", {}) for key in keys)
    with first.writing(), second.writing():  # a lock holds within one process too
        message = refused(*tiny.overrides("stages=[answer]"))
    assert "is writing" in message
    assert "Wait until it has ended" in message
