"""What a trace does not bring is missing with its reason, in every estimator that reads it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ccps.estimators.base import ESTIMATORS, Estimator, TraceRun
from ccps.estimators.given import given_estimator
from ccps.estimators.stability import RadiiStage, _r0
from ccps.reasoning.attended import AttentionMeasure
from ccps.reasoning.stored_traces import StoredTrace, TokenStates
from ccps.reasoning.trace import GivenStep, Segmentation, Trace
from ccps.settings.faithful.estimators import RccConfig, StabilityConfig
from ccps.settings.faithful.run import FaithfulSettings

SEGMENTATION = Segmentation("paragraph", "strict")
TRACE = Trace("q", "q", "Two and two.\n\nThat is four.", token_ids=(1, 2, 3, 4))
STEPS = SEGMENTATION.steps(TRACE)
TOKENS = [np.array([0, 1]), np.array([2, 3])]


def opened(kind: type[Estimator], **settings: Any) -> Any:
    return kind.open(FaithfulSettings(**settings), SEGMENTATION, Path())


def scored(estimator: Estimator, trace: Trace = TRACE, **numbers: Any) -> tuple[list[float], str]:
    found = estimator.score(StoredTrace(trace, TokenStates(), np.nan, numbers), STEPS, TOKENS)
    return found.confidence.tolist(), found.reason


def all_missing(reason: str) -> Any:
    return (pytest.approx([np.nan, np.nan], nan_ok=True), reason)


def test_the_trace_has_two_steps() -> None:
    assert len(STEPS) == 2


def test_deepconf_without_log_probabilities() -> None:
    assert scored(opened(ESTIMATORS["deepconf"])) == all_missing("no log-probabilities")


@pytest.mark.parametrize("token", ["sampled", "argmax"])
def test_rcc_without_states_or_log_probabilities(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    estimator = opened(ESTIMATORS["rcc"], rcc=RccConfig(token=token))
    assert scored(estimator) == all_missing("not read by the model")
    monkeypatch.setattr(AttentionMeasure, "stored", lambda self, *of: object())
    assert scored(estimator) == all_missing("no log-probabilities")


def test_stability_by_radius() -> None:
    estimator = opened(ESTIMATORS["stability"])
    estimator.by_trace, estimator.typical = {}, 2.0
    assert scored(estimator) == all_missing("not read by the model")
    estimator.by_trace = {"q": [2.0, 2.0, 6.0, np.inf]}
    assert scored(estimator) == ([0.5, pytest.approx((0.75 + 1) / 2)], "")
    estimator.typical = np.nan
    assert scored(estimator) == all_missing("no token with a finite radius in the run")


def test_stability_by_a_probe(tmp_path: Path) -> None:
    estimator = opened(ESTIMATORS["stability"], stability=StabilityConfig(str(tmp_path)))
    assert scored(estimator) == all_missing("not read by the model")


def test_scores_that_traces_bring() -> None:
    plain, inverted = (opened(given_estimator("sure", inverted=one)) for one in (False, True))
    assert scored(plain) == all_missing("the trace brings no steps")
    assert plain.obstacle(TraceRun("x", None, scores=("sure",))) == ""  # type: ignore[arg-type]
    assert plain.obstacle(TraceRun("x", None)) == "the traces bring no such score"  # type: ignore[arg-type]
    steps = (GivenStep("Two and two.", scores={"sure": 0.25}), GivenStep("That is four."))
    trace = Trace("q", "q", TRACE.text, steps=steps)
    reason = "steps for which no score was given"
    for estimator, sure in ((plain, 0.25), (inverted, 0.75)):
        expected: Any = pytest.approx([sure, np.nan], nan_ok=True)
        assert scored(estimator, trace) == (expected, reason)


def test_the_typical_radius_is_said_where_there_is_one() -> None:
    assert _r0({}) == ""
    assert _r0({"typical_radius": 2.0}).startswith("Stability: r0 is 2, the median")
    assert RadiiStage.name == "radii"
