"""A judge in the pipeline: its verdicts are the labels, its cost is in the report, and its key is nowhere."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from judge_server import Proxy, proxy, says, status
from tiny import Tiny
from tiny_open_ended import counts, open_overrides, write_open_questions

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError
from ccps.data.records import Question
from ccps.grading import GraderConfig, JudgeConfig, make_grader
from ccps.pipeline.computing import run_stage
from ccps.pipeline.stage import Run
from ccps.stages.main.grade import GradeStage
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


@pytest.mark.slow
def test_verdicts_are_labels_and_the_report_says_what_they_cost(
    tiny: Tiny,
    overrides: list[str],
    endpoint: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    endpoint.faults.extend(says("yes" if index % 3 else "No.", usage=index > 0) for index in range(ANSWERS))
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
    # The first reply, about a training answer, came without a count.
    assert found["tokens of llm_judge, tiny_random on train_oe"] == (
        "552",
        "altogether: 460 sent, 92 received; cost unknown: judgements whose tokens the endpoint did not count: 1",
    )
    rows = pd.concat([pd.read_parquet(path) for path in (tiny.artifacts / "grade").glob("*/0*/rows.parquet")])
    assert rows["correct"].notna().all()

    said = capfd.readouterr()
    assert KEY not in said.out + said.err
    written = [path for root in (tiny.artifacts, tiny.output, tiny.wandb) for path in root.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in written)
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    assert json.loads((tiny.output / "run.json").read_text())["config"]["grader"]["llm_judge"]["judge"]["model"]

    # Other prices show in the next report, and nobody is asked for it.
    tiny.run(*overrides, "grader.llm_judge.judge.price_prompt=100", "grader.llm_judge.judge.price_completion=0")
    assert len(endpoint.bodies) == ANSWERS
    assert counts(tiny)[f"tokens of llm_judge, {where}"][1].endswith("; 0.0230 USD")


def grade_stage(root: Path, base_url: str, n: int, **settings: object) -> GradeStage:
    """A stage that has a judge grade `n` different answers."""
    questions = [Question(f"quiz/{i}", "quiz", f"What is {i}?", (), ("7",), "test", "quiz") for i in range(n)]
    answers = Artifact.at(root, "answer", {"n": n})
    if not answers.complete:
        with answers.writing(), answers.shard(0) as folder:
            rows = pd.DataFrame({"question_id": [question.id for question in questions], "text": "some text"})
            rows.to_parquet(folder / ROWS, index=False)
        answers.finish(1, {})
    config = JudgeConfig(base_url, "some-judge", retries=0, **settings)  # type: ignore[arg-type]
    return GradeStage(answers, questions, "quiz", make_grader(GraderConfig("llm_judge", judge=config), root))


def test_all_ramblings_are_one_line(endpoint: Proxy, tmp_path: Path) -> None:
    endpoint.faults.extend(says(f"Well, {index}") for index in range(2 * 40))
    grades = run_stage(grade_stage(tmp_path, endpoint.base_url, 40), Run(tmp_path, "cpu"))
    assert grades.reasons("unknown") == {"the judge said neither yes nor no": 40}


def test_tokens_of_a_run_that_was_cut_short_are_in_the_account(endpoint: Proxy, tmp_path: Path) -> None:
    endpoint.faults.extend([*(says("yes") for _ in range(10)), status(404)])
    with pytest.raises(UserError, match="404"):
        run_stage(grade_stage(tmp_path, endpoint.base_url, 40, concurrency=1), Run(tmp_path, "cpu"))
    endpoint.faults.extend(says("no") for _ in range(30))
    summary = run_stage(grade_stage(tmp_path, endpoint.base_url, 40), Run(tmp_path, "cpu")).summary
    taken = {name: summary[name] for name in ("calls", "cached", "prompt_tokens", "completion_tokens", "uncounted")}
    assert taken == {"calls": 30, "cached": 10, "prompt_tokens": 400, "completion_tokens": 80, "uncounted": 0}
    assert summary["accuracy"] == 0.25


def test_shards_hold_the_same_answers_whatever_the_concurrency(tmp_path: Path) -> None:
    shards = []
    for concurrency in (1, 50, 1000):
        stage = grade_stage(tmp_path, "http://localhost:1/v1", 600, concurrency=concurrency)
        stage.prepare(torch.device("cpu"))
        plan = stage.plan()
        assert max(work.size for shard in plan for work in shard) == min(512, max(32, 4 * concurrency))
        shards.append([[row["question_id"] for work in shard for row in work.content] for shard in plan])
    assert shards[0] == shards[1] == shards[2]
    assert [len(shard) for shard in shards[0]] == [512, 88]


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
        ("CCPS_JUDGE_BASE_URL", "", "`grader.llm_judge.judge.base_url`"),
        ("CCPS_JUDGE_BASE_URL", "http://me:secret-word@localhost/v1", "user name or password"),
        ("CCPS_JUDGE_MODEL", "", "`grader.llm_judge.judge.model`"),
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
