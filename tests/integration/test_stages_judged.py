"""A judge in the pipeline: its verdicts are the labels, its cost is in the report, and its key is nowhere."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from judge_server import Proxy, proxy, says, status
from test_stages_open_ended import counts, open_overrides, write_open_questions
from tiny import Tiny

from experiments import reproduce

KEY = "sk-never-to-be-seen-77aa"
ANSWERS = 48 + 24 - 2  # one empty answer on each side is wrong without asking


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCPS_JUDGE_MODEL", "some-judge")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxy() as server:
        monkeypatch.setenv("CCPS_JUDGE_BASE_URL", server.base_url)
        yield server


@pytest.fixture
def overrides(tmp_path: Path) -> list[str]:
    write_open_questions(tmp_path / "trees.jsonl", 48, seed=1)
    write_open_questions(tmp_path / "boats.jsonl", 24, seed=2)
    return open_overrides(
        tmp_path,
        "grader=[llm_judge,normalised]",
        "grader.llm_judge.judge.concurrency=1",
        "grader.llm_judge.judge.retries=0",
        "grader.llm_judge.judge.price_prompt=1.0",
        "grader.llm_judge.judge.price_completion=2.0",
        labels=False,
    )


def test_verdicts_are_labels_and_the_report_says_what_they_cost(
    tiny: Tiny,
    overrides: list[str],
    endpoint: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    endpoint.faults.extend(says("yes" if index % 3 else "No.") for index in range(ANSWERS))
    monkeypatch.setenv("HOME", str(tmp_path))  # where a user's W&B key would lie
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    reproduce.main(tiny.settings(*overrides, "logger=wandb"))
    assert len(endpoint.bodies) == ANSWERS

    found = counts(tiny)
    where = "tiny_random on boats"
    # 23 replies of 10 + 2 tokens, at 1 and 2 USD per million.
    cost = (23 * 10 * 1 + 23 * 2 * 2) / 1e6
    assert found[f"replies of llm_judge, {where}"][0] == "23"
    assert found[f"judgements of llm_judge, {where}"] == ("0", "found in the cache")
    assert found[f"tokens of llm_judge, {where}"] == (
        "276",
        f"altogether: 230 sent, 46 received; {cost:.4f} USD",
    )
    rows = pd.concat([pd.read_parquet(path) for path in (tiny.artifacts / "grade").glob("*/0*/rows.parquet")])
    assert rows["correct"].notna().all()

    said = capfd.readouterr()
    assert KEY not in said.out + said.err
    written = [path for root in (tiny.artifacts, tiny.output, tiny.wandb) for path in root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in written)
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    assert json.loads((tiny.output / "run.json").read_text())["config"]["grader"]["llm_judge"]["judge"]["model"]


def test_a_judge_that_fails_ends_the_run_and_is_asked_for_the_rest_later(
    tiny: Tiny,
    overrides: list[str],
    endpoint: Proxy,
    command_line: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = list(
        {
            text.split("=", 1)[0]: text for text in tiny.overrides(*overrides, "stages=[answer,grade]", "logger=none")
        }.values()
    )
    endpoint.faults.extend([*(says("yes") for _ in range(20)), *(status(500) for _ in range(9))])
    assert command_line(*arguments) == 2
    error = capsys.readouterr().err
    assert "500" in error
    assert "kept" in error
    assert KEY not in error
    asked = len(endpoint.bodies)
    endpoint.faults.clear()
    endpoint.faults.extend(says("no") for _ in range(ANSWERS))
    assert command_line(*arguments) == 0
    assert len(endpoint.bodies) - asked == ANSWERS - 20


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CCPS_JUDGE_BASE_URL", "", "`judge.base_url`"),
        ("CCPS_JUDGE_BASE_URL", "http://me:secret-word@localhost/v1", "user name or password"),
        ("CCPS_JUDGE_MODEL", "", "`judge.model`"),
    ],
)
def test_an_endpoint_that_is_not_described_is_refused_before_anything_runs(
    variable: str,
    value: str,
    message: str,
    tiny: Tiny,
    overrides: list[str],
    endpoint: Proxy,
    command_line: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    by_key = {text.split("=", 1)[0]: text for text in tiny.overrides(*overrides)}
    assert command_line(*by_key.values()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "secret-word" not in error
    assert not tiny.artifacts.exists()
