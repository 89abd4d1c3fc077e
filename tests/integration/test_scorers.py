"""Whatever can be taken along says of the test questions what the table says; and the best is chosen without them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import Tiny

from ccps import ConfidenceScorer
from ccps.calibrators import Calibrator
from ccps.data.records import Question
from ccps.methods.stack import Stacked
from ccps.methods.stored_scorer import StoredScorer
from ccps.probes import LogisticRecipe
from ccps.stages.main.checks import to_config
from ccps.stages.main.questions import all_questions

ON_TOP = "stack_platt"
"""A calibrator on what is built on other methods."""
PORTABLE = [
    ON_TOP,
    *["ccps", "middle_logistic", "stack", "stack_full", "p_ik", "saplma_m", "p_true", "lts"],
    *["answer_probability", "entropy", "option_probability", "option_radius"],
]
OTHERS = ["self_consistency", "ccps_shuffled"]
PROBABILITIES = ["p_true", "answer_probability", "option_probability"]
UNTRAINED = ["p_true", "answer_probability", "entropy", "option_probability", "option_radius"]


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory, finished: Tiny) -> Tiny:
    """The tiny experiment with stacks, on answers that are there already."""
    tiny = Tiny(tmp_path_factory.mktemp("stacked"), finished.questions)
    shutil.copytree(finished.artifacts, tiny.artifacts)
    with pytest.MonkeyPatch.context() as patch:
        # Of these answers nothing is to be learnt; the strength that cross-validation would choose gives a constant.
        patch.setattr(Stacked, "recipe", lambda *_: LogisticRecipe(strengths=[1.0]))
        names = [name for name in [*PORTABLE, *OTHERS] if name != ON_TOP]
        tiny.run(f"method=[{','.join(names)}]", f"+method.{ON_TOP}={{name:stack,calibrator:platt}}")
    return tiny


def of_test(tiny: Tiny, label: str) -> list[Question]:
    return list(all_questions(to_config(tiny.settings()), judged=True).by_label[label])


def scored(tiny: Tiny, method: str) -> "pd.Series[float]":
    """P(correct) in a method's score artifact, of the first seed, by question."""
    made = [path.parent for path in (tiny.artifacts / "score").glob("*/inputs.json")]
    own = [path for path in made if json.loads((path / "inputs.json").read_text())["method"][0] == method]
    # Stacks need more of each answer than the first run has kept, so that there are answers of two runs.
    table = pd.read_parquet(max(own, key=lambda path: (path / "inputs.json").stat().st_mtime) / "00000/rows.parquet")
    first = table[table["seed"].isna() | (table["seed"] == table["seed"].min())]
    return first.set_index("question_id")["p_correct"]


def scorers(tiny: Tiny) -> Path:
    return tiny.output / "scorers" / "tiny_random" / "mc"


def said(tiny: Tiny, name: str) -> "pd.Series[float]":
    """What a loaded scorer says of the test questions."""
    found = ConfidenceScorer.load(scorers(tiny) / name, device="cpu").score(of_test(tiny, "boats"))
    assert len(found) == 18
    return pd.Series({one.question_id: one.p_correct for one in found})


def same(found: "pd.Series[float]", wanted: "pd.Series[float]") -> bool:
    return bool(np.allclose(found[wanted.index], wanted, rtol=0, atol=1e-6))


def test_every_method_that_reads_one_pass_is_written(stacked: Tiny) -> None:
    folder = scorers(stacked)
    written = {path.name for path in folder.iterdir() if (path / "scorer.json").exists()}
    assert written == {*PORTABLE, *(f"{name}_platt" for name in UNTRAINED), "best"}
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    assert StoredScorer.load(folder).settings == StoredScorer.load(folder / "ccps").settings


@pytest.mark.parametrize("method", PORTABLE)
def test_a_loaded_scorer_says_what_the_table_says(stacked: Tiny, method: str) -> None:
    assert same(said(stacked, method), scored(stacked, method))


@pytest.mark.parametrize("method", UNTRAINED)
def test_a_method_that_learns_nothing_is_calibrated_by_what_was_fitted_to_training_answers(
    stacked: Tiny, method: str
) -> None:
    raw = scored(stacked, method)
    mapped = Calibrator.load(scorers(stacked) / f"{method}_platt").predict(raw)
    assert same(said(stacked, f"{method}_platt"), pd.Series(mapped, raw.index))


def test_a_calibrator_on_a_stack_maps_what_the_stack_says(stacked: Tiny) -> None:
    raw = scored(stacked, "stack")
    mapped = Calibrator.load(scorers(stacked) / ON_TOP).predict(raw)
    assert raw.nunique() > 1
    assert same(scored(stacked, ON_TOP), pd.Series(mapped, raw.index))


def test_the_best_is_the_row_of_the_choice_with_the_smallest_score(stacked: Tiny) -> None:
    table = pd.read_csv(stacked.output / "tables" / "choice.csv")
    assert sorted(table["method"]) == sorted(
        [*(f"{name}_platt" if name in UNTRAINED else name for name in PORTABLE), *PROBABILITIES]
    )
    assert set(table.loc[table["method"].isin(PROBABILITIES), "calibrator"]) == {"none"}
    assert table.set_index("method").loc[ON_TOP, "calibrator"] == "platt"
    assert set(table["n"]) == {24}
    best = table.loc[table["brier"].idxmin()].fillna("")
    assert table.loc[table["chosen"], "method"].tolist() == [best["method"]]
    compared = table.dropna(subset="brier")
    assert (compared["brier_low"] <= compared["brier"]).all()
    assert (compared["brier"] <= compared["brier_high"]).all()
    settings = StoredScorer.load(scorers(stacked) / "best").settings
    calibrator = settings.calibrator or ""
    assert (calibrator or "none") == best["calibrator"]
    assert f"{settings.method}{'_' * bool(calibrator)}{calibrator}" == best["method"]
    # Where it is a row of its own nowhere else, the tables have it too.
    assert best["method"] in set(pd.read_csv(stacked.output / "tables" / "results.csv")["method"])
