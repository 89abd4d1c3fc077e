"""Certifying, abstaining, recalibrating: on a model of random weights whose labels follow its own entropy."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from ccps import ConfidenceScorer
from ccps.core.errors import UserError


def test_an_intercept_is_all_that_labels_move(scorer: ConfidenceScorer, fitted: ConfidenceScorer, choices: Any) -> None:
    before = scorer.predict_proba(choices)
    moved = scorer.recalibrate(choices[:20], [1] * 15 + [0] * 5)
    after = scorer.predict_proba(choices)
    assert np.allclose(after, expit(logit(before) + moved.intercept))
    assert (moved.labels, moved.right) == (20, 15)
    assert moved.before == pytest.approx(before[:20].mean())
    assert moved.after == pytest.approx(after[:20].mean())
    # The sum of what was right comes to that of P(correct), but for the prior: its maximum is where b/4 is the rest.
    assert 15 - scorer.predict_proba(choices[:20]).sum() == pytest.approx(moved.intercept / 4, abs=1e-6)
    assert scorer.fitted is fitted.fitted
    assert fitted.learnt.shift is None


def test_what_can_be_certified_is_answered(scorer: ConfidenceScorer, choices: Any) -> None:
    p = scorer.predict_proba(choices)
    right = [int(one) for one in p >= np.sort(p)[20]]  # the 40 surest of 60
    assert scorer.certify(choices, right) == 60
    decisions = scorer.decide(choices, risk=0.2, confidence=0.8)
    threshold = scorer.threshold(0.2, 0.8).threshold
    assert threshold is not None
    assert [one.abstain for one in decisions] == [value < threshold for value in p]
    assert 30 <= sum(not one.abstain for one in decisions) < 60
    assert {one.why.split(", ")[1].split(" the ")[0] for one in decisions} == {"below", "at least"}
    scorer.recalibrate(choices, right)
    assert [one.abstain for one in scorer.decide(choices, 0.2, 0.8)] == [one.abstain for one in decisions]


def test_what_cannot_be_certified_is_not_answered(
    scorer: ConfidenceScorer, choices: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    scorer.certify(choices[:9], [1] * 9)
    decisions = scorer.decide(choices[:4], risk=0.05)
    assert all(one.abstain for one in decisions)
    assert all("cannot be certified with 9 labels" in one.why for one in decisions)
    assert "abstains from all" in capsys.readouterr().out
    with pytest.raises(UserError, match="`risk` to lie strictly between 0 and 1"):
        scorer.decide(choices[:4], risk=10)
