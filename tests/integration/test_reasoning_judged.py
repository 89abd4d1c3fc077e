"""Judges of steps against a server on loopback that says what it is told to, and against a real small model."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from judge_server import Proxy, raw, says, status

from ccps.core.errors import UserError
from ccps.grading import JudgeConfig
from ccps.llm import LanguageModel
from ccps.reasoning.decisiveness.base import DecisivenessScorer, StepText, open_scorer
from ccps.reasoning.judges.base import ConsistencyJudge, Pair, open_judge
from ccps.reasoning.judges.yes_no import YesNoJudge
from ccps.settings.faithful.decisiveness import DecisivenessConfig
from ccps.settings.faithful.judge import JudgeChoice

STEPS = [StepText("a", index, f"It might be {index}.") for index in range(4)]
UNREADABLE = "no score in the judge's reply"
pytestmark = pytest.mark.usefixtures("judge_key")


def scorer(
    server: Proxy, cache: Path, mode: str = "strict", retries: int = 1, **settings: object
) -> DecisivenessScorer:
    judge = JudgeConfig(server.base_url, "m", timeout_s=120, retries=retries, concurrency=1, max_tokens=None)
    config = DecisivenessConfig("llm_judge", judge=judge, **{"shuffle": False, **settings})  # type: ignore[arg-type]
    return open_scorer(config, cache, mode)  # type: ignore[arg-type]


def values(scorer: DecisivenessScorer, steps: list[StepText] = STEPS) -> list[float]:
    return [score.value for score in scorer.score(steps)]


def texts(server: Proxy) -> list[list[str]]:
    """What each request asked about."""
    return [re.findall("“(.*)”", asked) for asked in server.asked_about()]


def test_all_steps_in_one_request_and_never_again(server: Proxy, tmp_path: Path) -> None:
    server.faults.append(says("[0.1, 0.2, 0.3, 0.4]"))
    first = scorer(server, tmp_path)
    assert values(first) == [0.1, 0.2, 0.3, 0.4]
    assert texts(server) == [[step.text for step in STEPS]]
    assert values(first) == [0.1, 0.2, 0.3, 0.4]
    again = scorer(server, tmp_path)
    assert values(again) == [0.1, 0.2, 0.3, 0.4]
    assert len(server.bodies) == 1
    assert (first.usage.calls, first.usage.cached) == (1, 0)
    assert (again.usage.calls, again.usage.cached, again.usage.prompt_tokens) == (0, 1, 10)


@pytest.mark.parametrize(
    "reply", ["[0.1, 0.2, 0.3]", "[0.1, 0.2, 0.3, 0.4, 0.5]", "[0.1, 0.2, 0.3", "[0.1, 0.2, 0.3, 1.4]", "", None]
)
def test_a_reply_that_does_not_fit_is_thrown_away_and_the_halves_are_asked_about(
    server: Proxy, tmp_path: Path, reply: str | None
) -> None:
    server.faults.extend([says(reply), says("[0.5, 0.6]"), says("[0.7]"), says("[0.8]"), says("[0.9]")])
    found = scorer(server, tmp_path)
    assert values(found) == [0.5, 0.6, 0.8, 0.9]
    whole = [step.text for step in STEPS]
    assert texts(server) == [whole, whole[:2], whole[2:], whole[2:3], whole[3:]]
    assert found.usage.calls == 5


def test_what_stays_unreadable_is_missing_with_its_reason(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([says("no"), says("[0.5]"), says("never")])
    found = scorer(server, tmp_path).score(STEPS[:2])
    assert found[0] == (0.5, "", ())
    assert math.isnan(found[1].value)
    assert found[1].reason == UNREADABLE
    # Neither is asked again.
    again = scorer(server, tmp_path).score(STEPS[:2])
    assert again[1].reason == UNREADABLE
    assert len(server.bodies) == 3


def test_parity_takes_the_first_and_asks_once(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([says("[0.1, 0.2, 0.3]"), says("0.7 0.8 0.9")])
    found = scorer(server, tmp_path, "parity", batch_size=2).score([*STEPS[:2], STEPS[0]])
    assert [score.value for score in found] == [0.1, 0.2, 0.7]
    # The third is the first once more.
    assert texts(server) == [[STEPS[0].text, STEPS[1].text], [STEPS[0].text]]
    server.faults.append(says("[0.4, none]"))
    found = scorer(server, tmp_path, "parity", batch_size=2).score(STEPS[2:])
    assert [score.reason for score in found] == ["", UNREADABLE]


@pytest.mark.parametrize("batch_size", [1, 3, 20])
def test_steps_are_asked_about_in_batches_each_text_once_in_an_order_of_its_own(
    server: Proxy, tmp_path: Path, batch_size: int
) -> None:
    def rate(handler: Any) -> None:
        asked = re.findall("“It might be (\\d+).”", server.asked_about()[-1])
        says(str([int(number) / 100 for number in asked]))(handler)

    many = [StepText("a", index, f"It might be\n{index % 40}.") for index in range(50)]
    server.faults.extend([rate] * 40)
    found = scorer(server, tmp_path, shuffle=True, batch_size=batch_size).score([*many, StepText("a", 50, " ")])
    assert [score.value for score in found[:-1]] == [index % 40 / 100 for index in range(50)]
    assert found[-1].reason == "a step without words"
    asked = [text for batch in texts(server) for text in batch]
    assert len(asked) == len(set(asked)) == 40
    assert len(server.bodies) == math.ceil(40 / batch_size)
    assert asked != [f"It might be {index}." for index in range(40)]
    # Whatever the order of the steps, the requests are the same.
    backwards = scorer(server, tmp_path, shuffle=True, batch_size=batch_size)
    backwards.score(many[::-1])
    assert backwards.usage.calls == 0
    # Another seed, another order.
    server.faults.extend([rate] * 40)
    other = scorer(server, tmp_path, shuffle=True, batch_size=batch_size, seed=1)
    other.score(many)
    assert (other.usage.calls == 0) == (batch_size == 1)


@pytest.mark.parametrize("fault", [status(429, Retry_After="0.1"), status(500), status(503), raw(b"{"), raw(b"null")])
def test_a_passing_fault_is_got_over(server: Proxy, tmp_path: Path, fault: Any) -> None:
    server.faults.extend([fault, says("[0.1, 0.2, 0.3, 0.4]")])
    assert values(scorer(server, tmp_path)) == [0.1, 0.2, 0.3, 0.4]
    assert len(server.bodies) == 2


def test_after_a_lasting_fault_only_the_rest_is_asked(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([says("[0.1, 0.2]"), status(500)])
    with pytest.raises(UserError, match=r"status 500.*the same command goes on"):
        scorer(server, tmp_path, retries=0, batch_size=2).score(STEPS)
    server.faults.append(says("[0.3, 0.4]"))
    found = scorer(server, tmp_path, batch_size=2)
    assert values(found) == [0.1, 0.2, 0.3, 0.4]
    assert (found.usage.calls, found.usage.cached) == (1, 1)
    found.close()


def test_the_nucleus_is_sent_if_it_is_set(server: Proxy, tmp_path: Path) -> None:
    server.faults.extend([says("[0.1]")] * 2)
    scorer(server, tmp_path).score(STEPS[:1])
    scorer(server, tmp_path, top_p=0.1).score(STEPS[:1])
    assert [body.get("top_p") for body in server.bodies] == [None, 0.1]


def agreement(server: Proxy, cache: Path, mode: str = "strict") -> ConsistencyJudge:
    endpoint = JudgeConfig(server.base_url, "m", timeout_s=120, retries=1, concurrency=1)
    return open_judge(JudgeChoice("llm_yes_no", endpoint=endpoint), cache, mode)  # type: ignore[arg-type]


def test_an_endpoint_says_whether_texts_agree(server: Proxy, tmp_path: Path) -> None:
    pairs = [Pair("one", "x"), Pair("two", "x"), Pair("", "x"), Pair("three", "x"), Pair("one", "x"), Pair("four", "x")]
    server.faults.extend([says("Yes."), says("No, it"), says("N/A"), status(500), says("perhaps")])
    judge = agreement(server, tmp_path)
    found = judge.judge(pairs)
    expected = [0, 1, math.nan, 0.5, 0, math.nan]
    assert [verdict.inconsistency for verdict in found] == pytest.approx(expected, nan_ok=True)
    assert [verdict.reply for verdict in found] == ["Yes.", "No, it", "", "N/A", "Yes.", "perhaps"]
    assert (found[2].reason, found[5].reason) == ("an empty continuation", "neither yes nor no in the judge's reply")
    assert judge.usage.calls == 4
    judge.close()
    again = agreement(server, tmp_path)
    assert again.judge(pairs)[:2] == found[:2]
    assert len(server.bodies) == 5
    # In parity what cannot be read is half, and nothing is missing: only the empty one is asked about anew.
    server.faults.append(says("yes"))
    released = agreement(server, tmp_path, "parity").judge(pairs)
    assert [verdict.inconsistency for verdict in released] == [0, 1, 0, 0.5, 0, 0.5]
    assert len(server.bodies) == 6


def test_a_real_small_model_says_yes_or_no(smollm2: LanguageModel) -> None:
    pairs = [
        Pair("Ann has 3 apples and buys 4 more, so she has 7 apples.", "Ann has 7 apples."),
        Pair("Ann has 3 apples and buys 4 more, so she has 7 apples.", "Ann has no apples at all."),
    ]
    found = YesNoJudge(smollm2).judge(pairs)
    assert all(verdict.inconsistency in (0, 1) for verdict in found)
    assert all(verdict.reply.lower().startswith(("yes", "no")) for verdict in found)
