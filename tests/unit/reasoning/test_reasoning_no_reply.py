"""Where an endpoint sends something else than a reply, verdict and score say what it was."""

from pathlib import Path

import pytest
from judge_server import Proxy, raw, says

from ccps.grading.asker import ChatAsker
from ccps.reasoning.decisiveness.base import StepText
from ccps.reasoning.decisiveness.llm_judge import JudgeScorer
from ccps.reasoning.judges.base import Pair
from ccps.reasoning.judges.yes_no import UNCLEAR, EndpointJudge
from ccps.settings.faithful.decisiveness import DecisivenessConfig
from ccps.settings.grading import JudgeConfig

NO_JSON = "the judge sent a body that is no JSON"
pytestmark = pytest.mark.usefixtures("judge_key")


def config(server: Proxy) -> JudgeConfig:
    return JudgeConfig(base_url=server.base_url, model="m", retries=0, concurrency=1, max_tokens=None)


def test_a_verdict_that_is_missing_says_what_came(server: Proxy, tmp_path: Path) -> None:
    pairs = [Pair("It is red.", step) for step in ("It is red.", "It is blue.", "It may be.")]
    for _ in range(2):  # the second time from the cache
        server.faults.extend([says("Yes"), raw(b"<html>busy"), raw(b"<html>down"), says("Perhaps")])
        judge = EndpointJudge(ChatAsker(config(server), tmp_path))
        assert [verdict.reason for verdict in judge.judge(pairs)] == ["", NO_JSON, UNCLEAR]
        judge.close()
    assert len(server.bodies) == 4


@pytest.mark.parametrize("mode", ["strict", "parity"])
def test_a_score_that_is_missing_says_what_came(server: Proxy, tmp_path: Path, mode: str) -> None:
    server.faults.extend([says("[0.5]"), raw(b"<html>busy"), raw(b"<html>down"), says("[0.25]")])
    settings = DecisivenessConfig("llm_judge", judge=config(server), batch_size=1, shuffle=False)
    scorer = JudgeScorer(settings, tmp_path, mode)  # type: ignore[arg-type]
    scores = scorer.score([StepText("t", place, text) for place, text in enumerate(["One.", "Two.", "Three."])])
    scorer.close()
    assert [score.reason for score in scores] == ["", NO_JSON, ""]
    assert [scores[0].value, scores[2].value] == [0.5, 0.25]
