"""The judge against a real OpenAI-compatible server, and in processes that are told to stop."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import Proxy, hold, proxy, raw, says, serve, status
from judging import ANSWERS, judge, pairs

from ccps.grading import Verdict
from ccps.llm import ModelFiles

KEY = "sk-never-to-be-seen-5f2c"

RUN = """
import sys
from pathlib import Path
from judging import ANSWERS, judge, pairs
judge(sys.argv[1], sys.argv[2], Path(sys.argv[3]), concurrency=1, timeout_s=10.0).grade_all(pairs(ANSWERS))
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def upstream(smollm2_files: ModelFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """Port and model of the real server."""
    model: Any = smollm2_files.folder
    with serve(model, tmp_path_factory.mktemp("serve") / "log") as port:
        yield port, str(model)


@pytest.fixture
def front(upstream: tuple[int, str]) -> Iterator[Proxy]:
    """The proxy before the real server."""
    with proxy(upstream[0]) as server:
        yield server


@pytest.fixture
def alone() -> Iterator[Proxy]:
    """A proxy that only ever misbehaves."""
    with proxy() as server:
        yield server


def test_a_real_model_judges_once_and_never_again(front: Proxy, upstream: tuple[int, str], tmp_path: Path) -> None:
    grader = judge(front.base_url, upstream[1], tmp_path)
    first = grader.grade_all(pairs(["Paris", "London", "", " \n", "Paris"]))
    assert first[2:4] == [Verdict(False, "empty answer")] * 2
    assert first[0] == first[4]
    decided = [verdict for verdict in first[:2] if verdict.correct is not None]
    usage = grader.usage
    # One request for each clear reply, two where it was not clear; none for the empty and the repeated answer.
    assert usage.calls == len(front.bodies) == 4 - len(decided)
    assert decided, "SmolLM2 says yes or no to at least one of them"
    assert usage.prompt_tokens > 100 * usage.calls
    assert usage.completion_tokens >= usage.calls
    assert (usage.cached, usage.uncounted) == (0, 0)

    again = judge(front.base_url, upstream[1], tmp_path)
    assert again.grade_all(pairs(["Paris", "London"])) == first[:2]
    # Nothing is asked, and the tokens that the judgements took count all the same.
    assert again.usage == usage._replace(calls=0, cached=2)
    assert len(front.bodies) == usage.calls


def test_a_fault_before_the_real_model(front: Proxy, upstream: tuple[int, str], tmp_path: Path) -> None:
    front.faults.extend([status(500), raw(b"{")])
    grader = judge(front.base_url, upstream[1], tmp_path)
    (verdict,) = grader.grade_all(pairs(["Paris"]))
    assert (verdict.correct is None) == bool(verdict.reason)
    assert len(front.bodies) == 2 + grader.usage.calls


def start(base_url: str, model: str, cache: Path) -> subprocess.Popen[str]:
    """Judge all answers, one at a time, in a process of its own."""
    tests = Path(__file__).parents[1]
    path = os.pathsep.join(map(str, (tests.parent, tests / "helpers")))
    code = [sys.executable, "-c", RUN, base_url, model, str(cache)]
    return subprocess.Popen(
        code,
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """Undo what a shell does to all that it starts in the background: it has them ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_it_and_keeps_what_there_is(alone: Proxy, tmp_path: Path) -> None:
    reached = threading.Event()
    alone.faults.extend([says("yes"), says("no"), hold(reached)])
    child = start(alone.base_url, "m", tmp_path)
    assert reached.wait(600)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=600)
    assert "KeyboardInterrupt" in errors
    assert KEY not in errors
    assert len(alone.bodies) == 3
    alone.faults.extend([says("no")] * 6)
    grader = judge(alone.base_url, "m", tmp_path)
    assert grader.grade_all(pairs(ANSWERS))[0] == Verdict(True)
    assert grader.usage.cached == 2


def test_after_a_kill_only_the_rest_is_asked(front: Proxy, upstream: tuple[int, str], tmp_path: Path) -> None:
    reached = threading.Event()
    front.faults.extend([says("yes"), says("no"), says("maybe"), says("no"), hold(reached)])
    child = start(front.base_url, upstream[1], tmp_path)
    assert reached.wait(600)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL

    before = len(front.bodies)
    assert before == 5
    front.faults.extend([says("no")] * 4)
    grader = judge(front.base_url, upstream[1], tmp_path, concurrency=1)
    verdicts = grader.grade_all(pairs(ANSWERS))
    assert [verdict.correct for verdict in verdicts[:7]] == [True] + [False] * 6
    assert grader.usage.cached == 3
    assert len(front.bodies) - before == grader.usage.calls
    # The last of the five answers went to the real model.
    assert all(answer in asked for answer, asked in zip(ANSWERS[3:], front.asked_about()[before:], strict=False))
    assert grader.usage.calls in (5, 6)
