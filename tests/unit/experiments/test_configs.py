"""Configurations of one's own, beside those of `conf/`."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from ccps.core.settings import SettingsError
from ccps.stages.main.checks import to_config
from experiments.configs import CONF, Configs, quoted
from experiments.launch import checked_overrides, launch


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with a model and an experiment that uses it."""
    folder = tmp_path / "my configs"
    (folder / "model").mkdir(parents=True)
    (folder / "experiment").mkdir()
    (folder / "model" / "my_model.yaml").write_text("my_model: {source: asset, location: smollm2-135m-instruct}\n")
    (folder / "experiment" / "my_own.yaml").write_text(
        "# @package _global_\ndefaults: [smoke, override /model: [my_model], _self_]\nexperiment: my_own\nseeds: [5]\n"
    )
    return folder


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(sys, "argv", ["entry", *arguments])
    launch(seen.append, to_config)
    return seen


@pytest.mark.parametrize(
    "given",
    ["--config-dir {}", "-cd {}", "--config-dir={}", "hydra.searchpath=['{}']", "hydra.searchpath=['file://{}']"],
)
def test_an_experiment_of_ones_own_is_run(mine: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    arguments = [part.format(mine) for part in given.split(" ", 1)]
    (settings,) = started(monkeypatch, *arguments, "experiment=my_own")
    assert list(settings["model"]) == ["my_model"]
    assert settings["seeds"] == [5]
    assert settings["paths"]["output"] == "outputs/my_own"


def test_a_folder_beside_the_working_one_is_found(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    seen = started(monkeypatch, "-m", "--config-dir", mine.name, "experiment=my_own", "model=[my_model],[smollm2_135m]")
    assert [list(settings["model"]) for settings in seen] == [["my_model"], ["smollm2_135m"]]


def test_both_ways_together_are_one_path(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "others" / "model"
    other.mkdir(parents=True)
    shutil.copy(mine / "model" / "my_model.yaml", other / "second.yaml")
    found = checked_overrides(
        [f"hydra.searchpath=['{other.parent}']", "model=[my_model]"], "config", to_config, config_dir=str(mine)
    )
    assert found == [f"hydra.searchpath=['{other.parent}','file://{mine}']", "model=[my_model]"]


def test_a_misspelt_choice_is_told_among_those_of_all_folders(mine: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        checked_overrides(["model=my_modle"], "config", to_config, config_dir=str(mine))
    assert caught.value.faults == ["unknown choice `model=my_modle`: did you mean `my_model`?"]


def test_folders_that_are_not_there_are_refused(mine: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        checked_overrides(
            ["hydra.searchpath=[/nowhere,pkg://no.such,s3://x,3]", "model=my_model"],
            "config",
            to_config,
            config_dir=str(mine),
        )
    none = "to be a folder with configurations of yours, but there is none"
    assert caught.value.faults == [
        "expected `hydra.searchpath` to be a list of folders, but got 3 in it: hydra.searchpath=[PATH]",
        *(f"expected `{entry}` {none}" for entry in ("/nowhere", "pkg://no.such", "s3://x")),
    ]


def test_a_file_that_would_never_be_read_is_refused(mine: Path) -> None:
    (mine / "experiment" / "smoke.yaml").write_text("seeds: [7]\n")
    with pytest.raises(SettingsError) as caught:
        checked_overrides(["experiment=smoke"], "config", to_config, config_dir=str(mine))
    (fault,) = caught.value.faults
    assert "names that conf/ has not, but got experiment/smoke.yaml: those of conf/ are read" in fault


@pytest.mark.parametrize("flag", ["--config-path", "--config-name"])
def test_flags_that_leave_conf_are_refused(
    flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        started(monkeypatch, flag, "other")
    assert ended.value.code == 2
    assert f"without {flag}, but got other" in capsys.readouterr().err


def test_groups_are_those_of_conf_and_of_the_others(mine: Path) -> None:
    own, alone = Configs([str(mine), "pkg://hydra.conf"]).groups, Configs().groups
    assert set(own["model"]) - set(alone["model"]) == {"my_model"}
    assert alone["paths"] == ["default"]
    assert set(alone["faithful/prompt"]) == {path.stem for path in (CONF / "faithful" / "prompt").glob("*.yaml")}
    assert Configs().is_group("faithful")
    assert not Configs().is_group("faith")


@given(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs", "Cc"])))
def test_whatever_is_quoted_is_read_back(text: str) -> None:
    assert OverridesParser.create().parse_override(f"key=[{quoted(text)}]").value() == [text]
