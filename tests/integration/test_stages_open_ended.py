"""The whole pipeline on open-ended questions: answers that the data hold, and answers of a tiny random model."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tiny import METHODS, Tiny, benchmark
from tiny_open_ended import counts, open_overrides, write_open_questions

from ccps import ConfidenceScorer
from ccps.probes.collapse import LEAST_SPREAD
from ccps.stages.main.checks import to_config
from ccps.stages.main.counts import TRUNCATED
from ccps.stages.main.questions import all_questions


@pytest.fixture(scope="module")
def open_questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("open_questions")
    write_open_questions(folder / "trees.jsonl", 48, seed=1)
    write_open_questions(folder / "boats.jsonl", 24, seed=2)
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, open_questions: Path) -> Tiny:
    experiment = Tiny(tmp_path_factory.mktemp("judged"), open_questions)
    experiment.run(*open_overrides(open_questions, "grader=[given,normalised,f1]"))
    return experiment


def test_answers_of_the_data_are_read_labelled_and_scored(judged: Tiny) -> None:
    table = pd.read_csv(judged.output / "tables" / "results.csv")
    assert set(table["format"]) == {"oe"}
    assert {"ccps", "p_ik", "p_true", "answer_probability", "entropy"} <= set(table["method"])
    # 24 answers: 2 not judged, 1 empty.
    assert (table["n"] == 21).all()


def test_nothing_is_left_out_in_silence(judged: Tiny) -> None:
    found = counts(judged)
    where = "tiny_random on boats"
    assert found[f"answers given with the data, {where}"] == ("24", "read, not generated")
    assert found[f"empty answers, {where}"][0] == "1"
    assert found[f"answers not scored, {where}"][0] in ("1", "2")
    assert found[f"answers not graded by given, {where}"][0] == "2"
    assert "it is not for questions as those of boats" in (judged.output / "report.md").read_text()
    long = [name for name, (_, reason) in found.items() if reason == TRUNCATED]
    assert f"long answers, {where}" in long  # bytes are tokens: the longest answer has 59


def test_graders_are_compared_on_the_same_answers(judged: Tiny) -> None:
    agreement = pd.read_csv(judged.output / "tables" / "agreement.csv").set_index(["benchmark", "other"])
    assert set(agreement.index) == {(side, other) for side in ("train_oe", "boats") for other in ("normalised", "f1")}
    row = agreement.loc[("boats", "normalised")]
    assert row["grader"] == "given"
    # 24 answers, 2 without a label; what is right is counted here anew from the file.
    questions = pd.read_json(judged.questions / "boats.jsonl", lines=True).query("label >= 0")
    right = questions["answer"].str.strip().eq("7")
    label = questions["label"].eq(1)
    assert (row["n"], row["unknown_grader"]) == (22, 2)
    assert row["both_right"] == int((right & label).sum())
    assert row["only_grader"] == int((~right & label).sum())
    assert row["only_other"] == int((right & ~label).sum())
    listed = pd.read_csv(judged.output / "tables" / "disagreements.csv")
    assert len(listed.query("benchmark == 'boats' and other == 'normalised'")) == row["only_grader"] + row["only_other"]


def test_loaded_scorers_say_what_the_table_says(judged: Tiny, open_questions: Path) -> None:
    config = to_config(judged.settings(*open_overrides(open_questions, "grader=[given,normalised,f1]")))
    questions = list(all_questions(config, judged=True).by_label["boats"])
    inputs = {path.parent: json.loads(path.read_text()) for path in (judged.artifacts / "score").glob("*/inputs.json")}
    scorers = judged.output / "scorers" / "tiny_random" / "oe"
    found = {path.name for path in scorers.iterdir() if (path / "scorer.json").exists()}
    assert {"p_ik", "saplma_m", "p_true", "answer_probability", "entropy", "best"} <= found
    for folder, made in inputs.items():
        name = made["method"][0]
        if name in found:
            rows = pd.read_parquet(folder / "00000" / "rows.parquet")
            rows = rows[rows["seed"].isna() | (rows["seed"] == rows["seed"].min())].set_index("question_id")
            said = {
                one.question_id: one for one in ConfidenceScorer.load(scorers / name, device="cpu").score(questions)
            }
            for question, p in rows["p_correct"].items():
                assert said[str(question)].p_correct == pytest.approx(p, abs=1e-6), name


def test_a_second_run_changes_nothing(judged: Tiny, open_questions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (judged.output / "report.html").read_bytes()
    judged.run(*open_overrides(open_questions, "grader=[given,normalised,f1]"))
    said = [line for line in capsys.readouterr().out.splitlines() if " · " in line]
    lines = [line for line in said if not line.startswith(("questions", "scorer", "output"))]
    assert all(" · reused" in line for line in lines)
    # Scorers are written anew with the output; those of which every fit is dead are not, which is said each time.
    spreads = {path: json.loads(path.read_text()) for path in (judged.artifacts / "fit").glob("*/0*/spreads.json")}
    dead = {
        json.loads((path.parents[1] / "inputs.json").read_text())["method"][0]
        for path, by_seed in spreads.items()
        if max(by_seed.values()) < LEAST_SPREAD
    }
    silent = {line.split(" · ")[0].split(", ")[-1] for line in said if " · not written" in line}
    assert silent == dead - {"ccps_random", "ccps_shuffled"}  # controls are no scorers
    assert (judged.output / "report.html").read_bytes() == before


def test_another_grader_finds_the_answers_again(judged: Tiny, open_questions: Path) -> None:
    answers = sorted((judged.artifacts / "answer").iterdir())
    judged.run(*open_overrides(open_questions, "grader=[normalised,given]", "stages=[answer,grade]"))
    assert sorted((judged.artifacts / "answer").iterdir()) == answers


def test_the_models_own_answers_have_a_state_for_every_token(tiny: Tiny, open_questions: Path) -> None:
    settings = ["grader=[normalised]", "method=[ccps]", "stages=[answer,grade,extract]"]
    tiny.run(*open_overrides(open_questions, *settings, given=False))
    for answers in (tiny.artifacts / "answer").iterdir():
        summary = json.loads((answers / "manifest.json").read_text())["summary"]
        assert summary["given"] == 0
        assert summary["most_answer_tokens"] <= 6
    rows = pd.concat([pd.read_parquet(path) for path in (tiny.artifacts / "answer").glob("*/0*/rows.parquet")])
    features = pd.concat([pd.read_parquet(path) for path in (tiny.artifacts / "extract").glob("*/0*/rows.parquet")])
    assert len(rows) == 72
    assert len(features) == rows["answer_ids"].map(len).sum() > 72
    ids = features.sort_values(["question_id", "token_index"]).groupby("question_id")["token_id"].apply(list)
    for row in rows.itertuples():
        assert list(row.answer_ids) == ids.get(row.question_id, [])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("grader=[letter]", "to have one for every format that is tested, but got none for oe (letter)"),
        ("grader=[]", "expected `grader` to hold at least one entry"),
        ("grader.f1.threshold=2", "expected `grader.f1.threshold` to be above 0"),
        ("answering.max_new_tokens=0", "expected `answering.max_new_tokens` to be from 1"),
        ("test.boats.format=mc", "`test.boats.options` to be columns for multiple choice, or `option_texts` given"),
        ("probe.oe.encoder.kernels=[2,3,3]", "probe.oe.encoder.kernels"),
        ("probe@probe.oe=mc", "choose probe@probe.oe=oe_released"),
        ("grader=[f1]", "put it first to use them"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    override: str,
    message: str,
    tiny: Tiny,
    open_questions: Path,
    command_line: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fine = tiny.overrides(*open_overrides(open_questions, "grader=[given,f1]"))
    by_key = {text.split("=", 1)[0]: text for text in fine}
    by_key[override.split("=", 1)[0]] = override
    assert command_line(*by_key.values()) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_both_formats_in_one_experiment(tiny: Tiny, open_questions: Path, questions: Path) -> None:
    train, test = open_overrides(open_questions, labels=False)[:2]
    tiny.run(
        train.replace("train.trees", "train.bushes").replace('"trees"', '"bushes"'),
        test.replace("test.boats", "test.ships").replace('"boats"', '"ships"'),
        f"train.trees={benchmark(questions / 'trees.jsonl')}",
        f"test.boats={benchmark(questions / 'boats.jsonl')}",
        "grader=[contains,substring]",
        "probe@probe.oe=oe_smoke",
        "answering.max_new_tokens=6",
    )
    table = pd.read_csv(tiny.output / "tables" / "results.csv")
    assert table.groupby("benchmark")["format"].unique().map(list).to_dict() == {"boats": ["mc"], "ships": ["oe"]}
    methods = table.groupby("benchmark")["method"].unique().map(set)
    # Each format chooses for itself, and what it chooses may be one of the methods with a calibrator: a row of its own.
    choices = pd.read_csv(tiny.output / "tables" / "choice.csv").dropna(subset="brier")
    best = choices.loc[choices.groupby("format")["brier"].idxmin()].set_index("format")["method"]
    of_options = {"option_probability", "option_radius"}
    both = {*METHODS} - of_options
    assert methods["boats"] == {*both, *of_options, best["mc"]}
    assert methods["ships"] == {*both, best["oe"]}
    averages = pd.read_csv(tiny.output / "tables" / "averages.csv").query("metric == 'brier'")
    assert averages.set_index("method")["n_settings"].to_dict() == {
        method: (method in methods["boats"]) + (method in methods["ships"])
        for method in methods["boats"] | methods["ships"]
    }
    assert sorted(path.name for path in (tiny.output / "scorers" / "tiny_random").iterdir()) == ["mc", "oe"]
