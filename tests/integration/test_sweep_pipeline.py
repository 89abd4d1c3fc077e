"""Whole sweeps of a tiny random model, from settings to page."""

from pathlib import Path

import pandas as pd
import pytest
from swept_settings import settings
from tiny import Tiny

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError
from ccps.pipeline.stage import Run
from ccps.stages.sweep.checks import to_sweep
from ccps.stages.sweep.fit import CROSS_VALIDATION
from ccps.stages.sweep.pipeline import run_sweep


def test_all_faults_of_experiment_and_grid_come_in_one_message() -> None:
    with pytest.raises(SettingsError) as caught:
        settings(
            "sweep.mc.radii=[0,1]",
            "sweep.folds=1",
            "sweep.choose_by=brie",
            "sweep.fold=3",
            "evaluation.level=2",
        )
    assert "unknown setting `sweep.fold`" in str(caught.value)
    assert "evaluation.level" in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        settings("sweep.mc.radii=[0,1]", "sweep.mc.directions=[gradiant]", "sweep.folds=1", "sweep.choose_by=brie")
    assert len(caught.value.faults) == 4
    for words in ("sweep.mc.radii", "did you mean `gradient`", "sweep.folds", "did you mean `brier`"):
        assert words in str(caught.value)
    with pytest.raises(SettingsError, match=r"expected `sweep` to have a grid of `mc` or `oe`"):
        settings("sweep.mc=null")
    with pytest.raises(SettingsError, match=r"expected `sweep` to have a grid of `oe`"):
        settings("benchmark@test=[mmlu_oe]")


def test_an_experiment_is_swept_from_its_answers_on_and_found_again(tiny: Tiny) -> None:
    swept_settings = settings(*tiny.overrides("sweep.mc.directions=[gradient]", "sweep.mc.training_steps=4")[1:])
    run = Run(tiny.artifacts, "cpu")
    folder = run_sweep(to_sweep(swept_settings), swept_settings, run)
    assert folder == tiny.output
    rows = pd.read_csv(folder / "tables" / "sweep.csv")
    assert set(rows["benchmark"]) == {CROSS_VALIDATION, "boats"}
    assert {path.name for path in tiny.artifacts.iterdir()} >= {"answer", "grade", "sweep_extract", "sweep_fit"}
    assert not (tiny.artifacts / "extract").exists()
    page = (folder / "report.html").read_bytes()
    written = {path: path.stat().st_mtime_ns for path in tiny.artifacts.rglob("*") if path.is_file()}
    run_sweep(to_sweep(swept_settings), swept_settings, run)
    assert {path: path.stat().st_mtime_ns for path in tiny.artifacts.rglob("*") if path.is_file()} == written
    assert (folder / "report.html").read_bytes() == page


@pytest.mark.parametrize("at_chance", ["keep", "leave_out"])
@pytest.mark.parametrize("stages", ["grade", "answer", "sweep_fit", "answer,extract"])
def test_a_list_of_stages_without_answers_or_grades_is_refused_by_name(tiny: Tiny, at_chance: str, stages: str) -> None:
    with pytest.raises(
        SettingsError, match="expected `stages` to hold answer and grade, without which nothing is swept"
    ):
        settings(*tiny.overrides(f"stages=[{stages}]", f"sweep.at_chance={at_chance}")[1:])


@pytest.mark.parametrize("at_chance", ["keep", "leave_out"])
def test_what_a_list_of_stages_lacks_is_named_before_anything_runs(tiny: Tiny, at_chance: str) -> None:
    given = [text for text in tiny.overrides()[1:] if not text.startswith("method=")]
    lacking = settings(*given, "method=[ccps,ct]", "stages=[answer,grade,ask_tuned]", f"sweep.at_chance={at_chance}")
    with pytest.raises(UserError, match=r"Expected the stage `tune` .* Add `tune` to `stages`"):
        run_sweep(to_sweep(lacking), lacking, Run(tiny.artifacts, "cpu"))
    assert not tiny.artifacts.exists()
    assert not (tiny.output / "report.html").exists()


def test_what_is_above_chance_is_swept_as_if_all_were_kept(tiny: Tiny) -> None:
    """The same stages with the same keys, though only a run tells them; and a model at chance leaves none to run."""
    run = Run(tiny.artifacts, "cpu")
    given = [text for text in tiny.overrides()[1:] if not text.startswith("method=")]
    small = [*given, "sweep.mc.directions=[gradient]", "sweep.mc.training_steps=4"]

    def swept_with(*more: str) -> set[Path]:
        chosen = settings(*small, *more)
        run_sweep(to_sweep(chosen), chosen, run)
        return {path for path in tiny.artifacts.glob("*/*") if path.parent.name != "sweep_report"}

    with pytest.raises(UserError, match=r"got none \(tiny_random on boats, tiny_random on trees\)"):
        swept_with("sweep.at_chance=leave_out", "sweep.chance_level=1e-9")
    stages = {path.name for path in tiny.artifacts.iterdir() if not path.name.startswith(".")}
    assert stages == {"answer", "grade", "head"}
    # One right answer is hardly ever less than guessing gives.
    left = swept_with("sweep.at_chance=leave_out", "sweep.chance_level=0.999999")
    assert {path.parent.name for path in left} > {"sweep_flip", "sweep_extract", "sweep_fit", "sweep_evaluate"}
    assert swept_with("sweep.at_chance=keep") == left
