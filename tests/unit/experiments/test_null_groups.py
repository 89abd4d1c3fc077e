"""Every group of settings set to null on the command line, through the entry points that users start."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
import yaml

from experiments import bench, faithful, probes, reproduce, rollouts, sweep
from experiments.configs import CONF
from experiments.launch import launch

ENTRIES: dict[str, tuple[ModuleType, str]] = {
    "reproduce": (reproduce, "config"),
    "sweep": (sweep, "sweep"),
    "faithful": (faithful, "faithful"),
    "bench": (bench, "bench"),
    "probes": (probes, "probes"),
    "rollouts": (rollouts, "rollouts"),
}


def primary(name: str) -> dict[str, Any]:
    found = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def groups(name: str) -> Iterator[str]:
    """Config groups, with their packages, that an entry point composes; those of the files it builds on too."""
    for entry in primary(name).get("defaults", []):
        if isinstance(entry, str):
            if entry != "_self_" and (CONF / f"{entry}.yaml").is_file():
                yield from groups(entry)
            continue
        for key in entry:
            group = key.removeprefix("optional ").removeprefix("override ").lstrip("/")
            if not group.startswith("hydra"):
                yield group


def refused(entry: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> str:
    """What an entry point says before it leaves with code 2."""
    module, name = ENTRIES[entry]
    monkeypatch.setattr(sys, "argv", ["entry", *arguments])
    source = vars(module)
    check = source.get("check") or source["to_study"]

    def never(settings: Any) -> None:
        raise AssertionError("the run has begun")

    with pytest.raises(SystemExit) as ended:
        launch(never, check, name)
    assert ended.value.code == 2, arguments
    return str(capsys.readouterr().err)


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_group_that_is_null_is_refused_by_name(
    entry: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = dict.fromkeys(groups(ENTRIES[entry][1]))
    said = refused(entry, [f"{group}=null" for group in chosen], monkeypatch, capsys)
    assert "Traceback" not in said
    for group in chosen:
        assert f"`{group}=null` to name a file of conf/{group.partition('@')[0]}, but got null" in said
