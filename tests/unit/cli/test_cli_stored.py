"""What is stored: listed, deleted, moved, told."""

import json
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from commands import ended
from stored_runs import StoredRun, made

from ccps.core.objects import note_copy
from experiments import reproduce


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capfd.readouterr()
    assert ended(*arguments, "--json") == 0
    return json.loads(capfd.readouterr().out)


def stages(found: list[dict[str, Any]]) -> list[str]:
    return sorted(one["stage"] for one in found)


def test_a_list_by_run_and_by_stage(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    StoredRun(here, "first").record(ended=True)
    unfinished = StoredRun(here, "second", finished=False)
    unfinished.record(ended=False)
    made(unfinished.root, "answer", {"of": "nobody"}, {"rows.txt": "x" * 4000})
    assert ended("ls") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "state", "artifacts", "size", "last", "written"]
    assert lines[1].startswith("first   report ")
    assert lines[2].startswith("second  unfinished ")
    assert any(line.split()[:2] == ["answer", "(nothing)"] and line.endswith("stale") for line in lines)
    assert any(
        line.split()[:2] == ["extract", "second"] and line.endswith("unfinished, not complete") for line in lines
    )
    assert lines[-2].startswith("6 artifacts, ")
    assert lines[-1].startswith("1 artifact (")
    assert lines[-1].endswith("nothing refers to: ccps prune")


@pytest.mark.parametrize(
    "command", [["ls"], ["prune", "--yes"], ["export", "first", "first.tar"], ["import", "first.tar"]]
)
def test_a_store_is_copied_before_it_is_looked_into(
    here: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    note_copy(here / "cache", "s3://bucket/prefix")
    for given, shown in (("s3://bucket/prefix", "the object store"), ("cache", "one with parts of the object store")):
        assert ended(*command, "--artifacts", given) == 2
        said = capsys.readouterr().err
        assert f"folder of this machine that holds artifacts, but got {shown} s3://bucket/prefix. Copy what" in said


def test_a_list_of_one_run_and_of_what_is_stale(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = StoredRun(here, "first")
    stray = made(run.root, "grade", {"of": "nobody"}, {"rows.txt": "x"})
    everything = told(capfd, "ls")
    assert stages(everything["artifacts"]) == ["answer", "extract", "grade", "report"]
    assert everything["runs"] == [{"name": "first", "output": str(run.output), "report": True, "finished": True}]
    assert stages(told(capfd, "ls", "first")["artifacts"]) == ["answer", "extract", "report"]
    (stale,) = told(capfd, "ls", "--stale")["artifacts"]
    assert (stale["key"], stale["state"], stale["runs"]) == (stray.key, "stale", [])


def test_without_a_folder_of_artifacts_it_says_where_it_looked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("ls") == 2
    assert f"none at {here / 'artifacts'}" in capsys.readouterr().err


def test_prune_deletes_what_nothing_refers_to(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    used, unfinished = StoredRun(here, "first"), StoredRun(here, "second", finished=False)
    unfinished.record(ended=False)
    stray = made(used.root, "answer", {"of": "nobody"}, {"rows.txt": "x"})
    (used.root / "answer" / f".{'0' * 16}.removed").mkdir()
    gone = told(capfd, "prune", "--yes")
    assert [one["key"] for one in gone["deleted"]] == [stray.key]
    assert stages(told(capfd, "ls")["artifacts"]) == ["answer", "answer", "extract", "extract", "report"]
    assert not list(used.root.glob("*/.*"))
    assert told(capfd, "prune", "--yes")["deleted"] == []


def test_prune_all_takes_what_unfinished_runs_need(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    StoredRun(here, "first")
    StoredRun(here, "second", finished=False).record(ended=False)
    assert stages(told(capfd, "prune", "--all", "--yes")["deleted"]) == ["answer", "extract"]
    assert {one["state"] for one in told(capfd, "ls")["artifacts"]} == {"used"}


@pytest.mark.parametrize(("answer", "left"), [("y\n", 3), ("n\n", 4), ("\n", 4)])
def test_prune_shows_and_asks(
    here: Path, answer: str, left: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = StoredRun(here, "first")
    stray = made(run.root, "answer", {"of": "nobody"}, {"rows.txt": "x"})

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

        @staticmethod
        def readline() -> str:
            return answer

    monkeypatch.setattr(sys, "stdin", Terminal)
    assert ended("prune") == 0
    assert f"answer/{stray.key}" in capfd.readouterr().err
    assert len(told(capfd, "ls")["artifacts"]) == left


def test_prune_without_a_terminal_deletes_nothing(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = StoredRun(here, "first")
    made(run.root, "answer", {"of": "nobody"}, {"rows.txt": "x"})
    assert ended("prune") == 2
    assert "Give --yes" in capfd.readouterr().err
    assert len(told(capfd, "ls")["artifacts"]) == 4


def test_a_run_is_moved(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    StoredRun(here, "first").record(ended=True)
    assert stages(
        [{"stage": name.split("/")[0]} for name in told(capfd, "export", "first", "run.tar")["artifacts"]]
    ) == [
        "answer",
        "extract",
        "report",
    ]
    there = here / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    moved = told(capfd, "import", "../run.tar")
    assert moved["output"] == str(there / "outputs" / "first")
    assert {one["state"] for one in told(capfd, "ls")["artifacts"]} == {"used"}
    assert ended("import", "../run.tar") == 2


def paged(run: StoredRun) -> Path:
    (run.output / "report.md").write_text("# CCPS\n\n**The probe is better \\(by 2\\).**\n\nA question?\n")
    (run.output / "report.html").write_text("<html>")
    return run.output / "report.html"


def test_a_report_is_told_with_its_headline(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = paged(StoredRun(here, "first"))
    assert ended("report", "first") == 0
    assert capfd.readouterr().out == "outputs/first/report.html\nThe probe is better (by 2).\n".replace(
        "outputs", str(here / "outputs")
    )
    assert told(capfd, "report")["runs"] == [
        {"name": "first", "report": str(page), "headline": "The probe is better (by 2)."}
    ]


def test_a_report_is_opened(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    page = paged(StoredRun(here, "first"))
    opened: list[str] = []

    def browser(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    assert ended("report", "first", "--open") == 0
    assert opened == [page.as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert ended("report", "first", "--open") == 2
    assert "Open" in capfd.readouterr().err


def test_a_report_that_was_deleted_is_made_anew_of_what_is_stored(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = StoredRun(here, "first")
    settings = {"experiment": "first", "logger": {"mode": "auto", "project": "x"}, "paths": {"output": "elsewhere"}}
    run.record(ended=True, settings=settings)
    seen: list[dict[str, Any]] = []

    def reported(settings: dict[str, Any]) -> None:
        seen.append(settings)
        paged(run)

    monkeypatch.setattr(reproduce, "main", reported)
    assert ended("report", "first") == 0
    assert seen[0]["stages"] == ["report"]
    assert seen[0]["paths"] == {"artifacts": "artifacts", "output": str(run.output), "wandb": "artifacts"}
    assert seen[0]["logger"] == {"mode": "disabled", "project": "x"}
    assert ended("report", "first") == 0
    assert len(seen) == 1
    assert ended("report", "first", "--again") == 0
    assert len(seen) == 2


def test_a_report_is_not_made_of_what_is_missing(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = StoredRun(here, "first", finished=False)
    run.record(ended=False)
    assert ended("report", "first") == 2
    assert f"but got no extract/{run.features.key}. Run it to its end first" in capfd.readouterr().err


def test_without_any_report_it_says_how_to_come_by_one(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ended("report") == 0
    assert "There is no report in outputs." in capfd.readouterr().out
    assert ended("report", "--open") == 2
