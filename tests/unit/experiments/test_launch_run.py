import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.stages.main.checks import to_config
from experiments.launch import launch

Settings = dict[str, Any]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Start an entry point with a command line; returns the exit code."""

    def call(main: Callable[[Settings], None], *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["entry", *arguments])
        try:
            launch(main, to_config)
        except SystemExit as exit:
            return int(exit.code or 0)
        return 0

    return call


def test_main_gets_plain_settings(start: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Settings] = []
    assert start(seen.append, "experiment=smoke", "seeds=[5]") == 0
    assert seen[0]["seeds"] == [5]
    assert seen[0]["paths"]["output"] == "outputs/smoke"
    assert seen[0]["sampling"]["train_total"] == 100
    assert "hydra" not in seen[0]
    assert list(tmp_path.iterdir()) == []  # nothing is made but by the stages


def test_each_job_of_a_sweep_has_an_output_of_its_own(start: Callable[..., int], tmp_path: Path) -> None:
    seen: list[Settings] = []
    swept = ["perturbation.radius=5,10", "method=[ccps],[ccps,entropy]", "seeds=[1, 2]", f"paths.output={tmp_path}"]
    assert start(seen.append, "-m", *swept) == 0
    assert [settings["paths"]["output"] for settings in seen] == [
        f"{tmp_path}/perturbation.radius={radius},method={method}"
        for radius in (5, 10)
        for method in ("ccps", "ccps,entropy")
    ]
    assert [settings["perturbation"]["radius"] for settings in seen] == [5, 5, 10, 10]


@pytest.mark.parametrize(("said", "means"), [([], "wait"), (["paths.when_held=refuse"], "refuse")])
def test_jobs_of_a_multirun_wait_for_each_other(
    start: Callable[..., int], tmp_path: Path, said: list[str], means: str
) -> None:
    seen: list[Settings] = []
    assert start(seen.append, "-m", "perturbation.radius=5,10", f"paths.output={tmp_path}", *said) == 0
    assert [settings["paths"]["when_held"] for settings in seen] == [means, means]


def test_a_run_alone_is_refused_what_another_holds(start: Callable[..., int], tmp_path: Path) -> None:
    seen: list[Settings] = []
    assert start(seen.append, f"paths.output={tmp_path}") == 0
    assert seen[0]["paths"]["when_held"] is None


def test_a_multirun_of_one_keeps_its_output(start: Callable[..., int], tmp_path: Path) -> None:
    seen: list[Settings] = []
    assert start(seen.append, f"paths.output={tmp_path}", "--multirun") == 0
    assert [settings["paths"]["output"] for settings in seen] == [str(tmp_path)]


def test_a_user_error_is_its_message_alone(start: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    def main(settings: Settings) -> None:
        raise UserError("Expected `x` to be y, but got z. Mend it.")

    assert start(main) == 2
    assert capsys.readouterr().err == "Expected `x` to be y, but got z. Mend it.\n"


def test_ctrl_c_says_how_to_go_on(start: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    def main(settings: Settings) -> None:
        raise KeyboardInterrupt

    assert start(main) == 130
    assert "Run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["-c", "job"], ["--cfg=job"]])
def test_settings_are_printed_and_nothing_is_run(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    seen: list[Settings] = []
    assert start(seen.append, "seeds=[5]", *flags, "experiment=smoke") == 0
    assert seen == []
    assert "seeds:\n- 5\n" in capsys.readouterr().out


def test_faults_are_found_before_anything_is_run(start: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Settings] = []
    assert start(seen.append, "sede=[1]", "model=gpt", "perturbation.radius=5,10") == 2
    assert seen == []
    assert capsys.readouterr().err.startswith("3 settings are at fault, nothing was run:\n")


def test_an_unknown_flag_is_refused(start: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Settings] = []
    assert start(seen.append, "--fast") == 2
    assert seen == []
    assert "unrecognized arguments: --fast" in capsys.readouterr().err


def test_two_flags_that_say_what_to_do_are_refused_in_a_line(
    start: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Settings] = []
    assert start(seen.append, "-m", "seeds=[5],[6]", "--cfg", "job") == 2
    assert seen == []
    assert "but got -m and --cfg" in capsys.readouterr().err


def test_sizes_on_the_command_line_alone_cut_data_of_the_users_own(start: Callable[..., int]) -> None:
    seen: list[Settings] = []
    for arguments, cuts in (
        ([], []),
        (["sampling.seed=3"], []),
        (["sampling.train_total=50"], ["train_total"]),
        (["sampling.test_per_subject=5", "+sampling.per_subject.mmlu=3"], ["test_per_subject", "per_subject"]),
        (["sampling.train_total=50", "sampling.cuts_own=[]"], []),
    ):
        assert start(seen.append, "experiment=smoke", *arguments) == 0
        assert seen[-1]["sampling"]["cuts_own"] == cuts
