"""The bridge to lm-polygraph 0.7, found as its factories find it: by the name of the module.

Where the package is not installed, its two base classes stand in (conftest.py).
"""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ccps.core.errors import UserError
from ccps.scorer import ConfidenceScorer


class Scorer:
    """Takes the length of an answer for its confidence, and remembers what it was asked."""

    settings = SimpleNamespace(format="oe")

    def predict_proba(self, questions: Any, answers: Any) -> Any:
        self.questions, self.answers = questions, answers
        return np.array([len(answer) / 10 for answer in answers])


def test_uncertainty_is_one_less_the_confidence(bridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer()
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        ConfidenceScorer, "load", classmethod(lambda cls, path, **given: (asked.update(given, path=path), scorer)[1])
    )
    environment = SimpleNamespace(model=SimpleNamespace(model="weights in memory", tokenizer="its tokenizer"))
    bridge.load_stat_calculator({"scorer": "a/folder", "location": "weights"}, environment)
    assert asked == {"path": "a/folder", "location": "weights"}
    calculator = bridge.load_stat_calculator({"scorer": "a/folder"}, environment)
    assert asked == {"path": "a/folder", "location": None, "model": "weights in memory", "tokenizer": "its tokenizer"}
    estimator = bridge.load_estimator({})
    assert set(estimator.stats_dependencies) <= set(calculator.stats)
    assert (estimator.level, str(estimator)) == ("sequence", "CCPS")
    assert calculator.stat_dependencies == ["greedy_texts"]
    texts = ["What is 2 + 3?", "Say nothing.", "Which river?"]
    stats = calculator({"greedy_texts": [" 5", "", "the Rhine"]}, texts, None)
    found = estimator(stats)
    assert found[[0, 2]] == pytest.approx([0.9, 0.1])
    assert math.isnan(found[1])
    # What lm-polygraph put to its model goes to the scorer's as the whole turn, the answers without white space.
    assert [one.asked for one in scorer.questions] == [texts[0], texts[2]]
    assert scorer.answers == ["5", "the Rhine"]


def test_a_calculator_without_a_fitting_scorer_is_refused(bridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="to be one with `scorer`, a folder or repository"):
        bridge.load_stat_calculator({}, None)
    choices = SimpleNamespace(settings=SimpleNamespace(format="mc"))
    monkeypatch.setattr(ConfidenceScorer, "load", classmethod(lambda cls, path, **given: choices))
    with pytest.raises(UserError, match="to be one of open-ended questions, but got one of multiple choice"):
        bridge.load_stat_calculator({"scorer": "a/folder"}, None)
