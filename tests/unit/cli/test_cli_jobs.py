"""The entry points as commands: what they are given is what `python -m` gives them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ccps.cli.jobs import with_experiment
from ccps.cli.main import main
from ccps.core.errors import UserError
from experiments import faithful, reproduce, sweep

Settings = dict[str, Any]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """Settings that entry points were called with; they run nothing, in an empty folder."""
    found: list[Settings] = []
    for entry in (reproduce, sweep, faithful):
        monkeypatch.setattr(entry, "main", found.append)
    monkeypatch.setattr(sys, "argv", ["ccps"])
    monkeypatch.chdir(tmp_path)
    return found


def test_a_bare_name_is_an_experiment(seen: list[Settings]) -> None:
    main(["run", "smoke", "seeds=[5]"])
    assert (seen[0]["experiment"], seen[0]["seeds"]) == ("smoke", [5])
    places = {"artifacts": "artifacts", "output": "outputs/smoke", "wandb": "artifacts"}
    assert seen[0]["paths"] == {**places, "cache": None, "when_held": None}


def test_without_a_name_it_is_that_of_the_primary_file(seen: list[Settings]) -> None:
    main(["run"])
    assert seen[0]["experiment"] == "embedded"


def test_sweeps_and_traces_have_commands_of_their_own(seen: list[Settings]) -> None:
    main(["sweep", "smoke", "sweep=smoke"])
    main(["faithful", "faithful_smoke"])
    assert seen[0]["paths"]["output"] == "outputs/smoke_sweep"
    assert seen[1]["faithful"]["questions"] == 6


def test_a_folder_of_rollouts_is_the_experiment_of_such(seen: list[Settings]) -> None:
    folder = Path("my traces, 'old'")
    folder.mkdir()
    main(["faithful", "--rollouts", str(folder), "faithful.scoring.resamples=20"])
    assert seen[0]["experiment"] == "faithful_rollouts"
    assert seen[0]["faithful"]["rollouts"]["path"] == str(folder)
    assert not seen[0].get("model")


def test_several_runs_go_one_after_another(seen: list[Settings]) -> None:
    main(["run", "smoke", "-m", "perturbation.radius=5,10"])
    assert [one["paths"]["output"] for one in seen] == [f"outputs/smoke/perturbation.radius={r}" for r in (5, 10)]


def test_configurations_of_ones_own_are_chosen_by_their_bare_name(seen: list[Settings]) -> None:
    folder = Path("mine", "experiment")
    folder.mkdir(parents=True)
    (folder / "my_own.yaml").write_text(
        "# @package _global_\ndefaults: [smoke, _self_]\nexperiment: my_own\nseeds: [5]\n"
    )
    main(["run", "--config-dir", "mine", "my_own"])
    assert (seen[0]["experiment"], seen[0]["seeds"]) == ("my_own", [5])


def test_other_processes_of_a_run_are_started_by_the_same_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Lightning starts them with `sys.argv`, which Hydra has had without the command's name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ccps"])
    argv: list[list[str]] = []
    monkeypatch.setattr(reproduce, "main", lambda settings: argv.append(list(sys.argv)))
    main(["run", "smoke", "trainer.devices=2"])
    assert argv == [["ccps", "run", "experiment=smoke", "trainer.devices=2"]]


def test_json_tells_what_was_run(seen: list[Settings], capfd: pytest.CaptureFixture[str]) -> None:
    main(["run", "smoke", "--json"])
    here = Path.cwd()
    assert json.loads(capfd.readouterr().out) == {
        "runs": [
            {
                "experiment": "smoke",
                "output": str(here / "outputs" / "smoke"),
                "report": None,
                "artifacts": str(here / "artifacts"),
            }
        ]
    }


@pytest.mark.parametrize("given", [["--cfg", "job"], ["launcher=joblib"], ["-c", "job"], ["hydra/launcher=joblib"]])
def test_json_is_refused_where_it_would_say_nothing(
    seen: list[Settings], given: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "smoke", "--json", *given])
    assert ended.value.code == 2
    assert seen == []
    assert capfd.readouterr().out == ""


def test_a_misspelt_experiment_is_refused_with_the_nearest(
    seen: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "smok"])
    assert (ended.value.code, seen) == (2, [])
    assert "unknown choice `experiment=smok`: did you mean `smoke`?" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["smoke", "embedded"], ["smoke", "experiment=embedded"]])
def test_two_experiments_are_refused(given: list[str]) -> None:
    with pytest.raises(UserError, match="one name, but got smoke and"):
        with_experiment(given)


def test_what_is_no_name_is_left_as_it_is() -> None:
    given = ["--config-dir", "mine", "~method.entropy", "smoke", "-m", "seeds=[1],[2]", "+x='a=b'"]
    assert with_experiment(given) == [*given[:3], "experiment=smoke", *given[4:]]


def test_settings_are_shown_with_their_meaning(seen: list[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "smoke", "--settings", "perturbation.radius=7"])
    shown = capsys.readouterr().out
    assert seen == []
    assert "  perturbation.radius=7\n" in shown
    assert "== Groups" in shown
