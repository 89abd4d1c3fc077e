"""From a file or folder of traces with rollouts to the page, without a model."""

from pathlib import Path

import pandas as pd
import pytest
from composing import composed
from tiny_rollouts import ACCURACY, DIFFERENT, MODELS, SENTENCES, row, rows, write_file, write_folder

from ccps.faithful import decisiveness
from ccps.grading.normalise import token_f1
from ccps.pipeline.stage import Run
from ccps.stages.faithful.checks import to_faithful
from ccps.stages.faithful.pipeline import run_faithful

ESTIMATORS = {"sampling", "given_1-different", "given_accuracy"}
# The traces of one model make one run; those of all make one each and one of all together.
FIRST = f"faithful.rollouts.only=['{MODELS[0]}/*']"


def run(folder: Path, path: Path, *more: str) -> Path:
    overrides = [
        "experiment=faithful_rollouts",
        f"faithful.rollouts.path={path}",
        "faithful.scoring.resamples=20",
        "trainer=cpu",
        "logger=none",
        f"paths.artifacts={folder / 'artifacts'}",
        f"paths.output={folder / 'output'}",
        *more,
    ]
    settings = composed(overrides, "faithful", to_faithful)
    output = run_faithful(to_faithful(settings), settings, Run(folder / "artifacts", "cpu"))
    assert output is not None
    return output


@pytest.fixture(scope="module")
def of_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rollouts")
    return run(folder, write_file(folder / "traces.jsonl.gz"))


def steps_of(output: Path, model: str = MODELS[0]) -> pd.DataFrame:
    steps = pd.read_parquet(output / "tables" / "steps.parquet")
    return steps[(steps["model"] == model) & (steps["trace_id"] == f"{model}/correct_base_solution/problem_1")]


def test_each_model_is_a_run_and_all_together_are_one(of_file: Path) -> None:
    table = pd.read_csv(of_file / "tables" / "faithful.csv", keep_default_na=False)
    counts = table[table["metric"] == "n_traces"].set_index("model")["value"].astype(float).to_dict()
    assert counts == {MODELS[0]: 4, MODELS[1]: 4, "2 models together": 8}
    scored = table[table["metric"] == "cmfg_star"]
    assert set(scored["estimator"]) == ESTIMATORS


def test_given_scores_and_alternatives_become_confidences(of_file: Path) -> None:
    steps = steps_of(of_file)
    assert list(steps["text"]) == SENTENCES
    assert list(steps["decisiveness"]) == [decisiveness(text).score for text in SENTENCES]
    assert list(steps["given_1-different"]) == [1 - value for value in DIFFERENT]
    assert list(steps["given_accuracy"]) == ACCURACY
    by_hand = [1.0, token_f1("It is 9 then, surely.", SENTENCES[1])]
    assert list(steps["sampling"])[:2] == pytest.approx(by_hand)
    assert steps["sampling"].isna().tolist() == [False, False, True]
    dropped = pd.read_csv(of_file / "tables" / "dropped.csv")
    missing = dropped[dropped["what"].str.contains("without sampling")].set_index("model")["n"].to_dict()
    assert missing == {MODELS[0]: 4, MODELS[1]: 4, "2 models together": 8}


def test_the_page_shows_what_was_said_instead_and_markdown_quotes_nothing(of_file: Path) -> None:
    page, words = ((of_file / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    # Both alternatives of the first sentence are one text; every trace of every model is shown once.
    assert page.count('<b>2 ×</b> <span dir="auto">It is 4.</span> <small>agrees 1.00</small>') == len(rows())
    assert page.count("It is 9 then, surely.") == len(rows())
    assert "surely" not in words
    assert "It is probably" not in words
    assert 'id="seen"' in page


def test_one_model_alone_is_one_run(tmp_path: Path) -> None:
    output = run(tmp_path, write_folder(tmp_path / "rollouts"), FIRST)
    table = pd.read_csv(output / "tables" / "faithful.csv", keep_default_na=False)
    assert set(table["model"]) == {MODELS[0]}
    assert MODELS[0] in (output / "report.md").read_text()


def test_a_folder_gives_the_same_figures(of_file: Path, tmp_path: Path) -> None:
    output = run(tmp_path, write_folder(tmp_path / "rollouts", hub=True))
    first, second = (pd.read_csv(one / "tables" / "faithful.csv") for one in (of_file, output))
    order = ["model", "estimator", "metric"]
    pd.testing.assert_frame_equal(
        first.sort_values(order).reset_index(drop=True), second.sort_values(order).reset_index(drop=True)
    )


def test_paragraphs_take_given_sentences_together(tmp_path: Path) -> None:
    output = run(tmp_path, write_file(tmp_path / "traces.jsonl.gz"), FIRST, "faithful.unit=paragraph")
    steps = steps_of(output)
    assert list(steps["text"]) == [" ".join(SENTENCES[:2]), SENTENCES[2]]
    assert list(steps["given_accuracy"]) == [0.75, 0.75]
    by_hand = (1 + 1 + token_f1("It is 9 then, surely.", SENTENCES[1])) / 3
    assert steps["sampling"].iloc[0] == pytest.approx(by_hand)


def test_steps_that_do_not_stand_in_the_text_are_kept_and_counted(tmp_path: Path) -> None:
    lines = rows()
    lines[0]["steps"][1]["text"] = "Perhaps, it is  5?"
    output = run(tmp_path, write_file(tmp_path / "traces.jsonl.gz", *lines), FIRST)
    steps = steps_of(output)
    assert steps["given_accuracy"].notna().all()
    assert (output / "report.md").read_text().count("do not stand in the text of their trace: 1") == 1


def test_scores_without_alternatives_need_neither_judge_nor_model(tmp_path: Path) -> None:
    bare = [row("tiny-a", n, True, steps=[{"text": text, "sure": 0.5} for text in SENTENCES]) for n in (1, 2)]
    output = run(tmp_path, write_file(tmp_path / "traces.jsonl.gz", *bare))
    table = pd.read_csv(output / "tables" / "faithful.csv", keep_default_na=False)
    assert set(table.query("metric == 'cmfg_star'")["estimator"]) == {"given_sure"}
    assert not (tmp_path / "artifacts" / "judge").exists()
