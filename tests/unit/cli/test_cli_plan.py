"""`ccps plan`, and `plan=true` at the entry points: the same plan, and no run."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny import Tiny, write_questions

from ccps.cli.main import main
from experiments import reproduce
from experiments.launch import launch


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    for name, n in (("trees", 12), ("boats", 9)):
        write_questions(tmp_path / f"{name}.jsonl", n, seed=n)
    monkeypatch.setattr(sys, "argv", ["ccps"])
    monkeypatch.chdir(tmp_path)
    return Tiny(tmp_path, tmp_path)


def arguments(tiny: Tiny, *more: str) -> list[str]:
    by_key = {
        text.split("=", 1)[0]: text for text in tiny.overrides("stages=[answer,grade]", "plan.device=h100", *more)
    }
    return [text.removeprefix("experiment=") for text in by_key.values()]


def test_the_command_prints_a_table_and_runs_nothing(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    main(["plan", *arguments(tiny, "plan.price_per_hour=36")])
    out = capfd.readouterr().out
    _, _, table = out.partition("On NVIDIA H100 SXM, 80 GB, one process:\n")
    head, *rows = [line for line in table.splitlines() if line]
    assert head.split() == [
        "model",
        "benchmark",
        "stage",
        "state",
        "tokens",
        "time",
        "memory",
        "disk",
        "money",
        "basis",
    ]
    assert [row.split()[2] for row in rows if row.startswith("tiny_random  boats")] == ["answer", "grade"]
    assert any(row.startswith("all ") for row in rows)
    assert not tiny.artifacts.exists()


def test_it_answers_in_json(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    main(["plan", *arguments(tiny, "plan.by=[stage]"), "--json"])
    [plan] = json.loads(capfd.readouterr().out)["plans"]
    assert [row["stage"] for row in plan["rows"]][:2] == ["answer", "head"]
    assert plan["total"]["to_be_made"] == sum(row["to_be_made"] for row in plan["rows"])
    assert plan["rows"][0]["hours"] > 0


def test_an_entry_point_prints_the_same(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given = arguments(tiny)
    main(["plan", *given])
    told = capfd.readouterr().out
    runs: list[Any] = []
    entry = [f"experiment={text}" if "=" not in text else text for text in given]
    monkeypatch.setattr(sys, "argv", ["reproduce", *entry, "plan=true"])
    launch(runs.append, reproduce.check, planner=reproduce.plan)
    assert capfd.readouterr().out == told
    assert runs == []


def test_a_sweep_and_traces_have_plans_of_their_own(tiny: Tiny, capfd: pytest.CaptureFixture[str]) -> None:
    own = [text for text in arguments(tiny, "sweep=smoke") if not text.startswith(("method=", "state_probe", "stages"))]
    main(["plan", *own, "--job", "sweep", "plan.by=[stage]", "--json"])
    [plan] = json.loads(capfd.readouterr().out)["plans"]
    assert {"sweep_extract", "sweep_fit"} <= {row["stage"] for row in plan["rows"]}
