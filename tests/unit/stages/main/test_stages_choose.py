"""The best confidence is the one with the smallest squared error on training answers, out of fold."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ccps.methods import METHODS, Evidence, Method, TrainingAnswers
from ccps.methods.comparison import Judged, compare
from ccps.probes import ONE_P
from ccps.settings.evaluation import EvaluationConfig
from ccps.settings.method import MethodConfig
from ccps.stages.main import choose
from ccps.stages.main.choose import candidates_of

CONFIG = EvaluationConfig(resamples=400)
CORRECT = np.arange(60) % 3 > 0


def judged(name: str, p: npt.NDArray[np.float64], why_not: str = "") -> Judged:
    n = len(p)
    ids = [f"q{number}" for number in range(n)]
    rows = pd.DataFrame({"question_id": ids, "fold": np.arange(n) % 5, "correct": CORRECT[:n], "p_correct": p})
    return Judged(name, "", rows, why_not)


def test_brier_scores_by_hand_with_their_interval() -> None:
    rng = np.random.default_rng(0)
    p, base = rng.random(60), np.full(60, 2 / 3)
    table = compare([judged("noise", p), judged("base rate", base)], CONFIG).set_index("method")
    assert table.loc["noise", "brier"] == pytest.approx(((p - CORRECT) ** 2).mean())
    assert table.loc["base rate", "brier"] == pytest.approx(2 / 9)
    assert table["chosen"].to_dict() == {"noise": False, "base rate": True}
    assert set(table["n"]) == {60}
    assert set(table["folds"]) == {5}
    errors = (base - CORRECT) ** 2
    means = [errors[rng.integers(60, size=60)].mean() for _ in range(4000)]
    low, high = np.quantile(means, [0.025, 0.975])
    assert table.loc["base rate", "brier_low"] == pytest.approx(low, abs=0.01)
    assert table.loc["base rate", "brier_high"] == pytest.approx(high, abs=0.01)


@given(arrays(np.float64, (4, 60), elements=st.floats(0, 1)))
def test_the_least_is_chosen_and_of_equal_ones_the_first(
    p: npt.NDArray[np.float64],
) -> None:
    table = compare([judged(str(number), own) for number, own in enumerate(p)], EvaluationConfig(resamples=2))
    scores = table["brier"].tolist()
    assert table["chosen"].sum() == 1
    assert table["chosen"].tolist().index(True) == scores.index(min(scores))


def test_what_is_silent_or_dead_is_not_compared() -> None:
    silent = CORRECT.astype(np.float64)
    silent[7] = np.nan
    rows = [
        judged("silent", silent),
        judged("dead", CORRECT.astype(np.float64), "one P for every answer"),
        judged("fair", np.full(60, 0.5)),
    ]
    table = compare(rows, CONFIG).set_index("method")
    assert table["chosen"].to_dict() == {"silent": False, "dead": False, "fair": True}
    assert table["brier"].isna().to_dict() == {"silent": True, "dead": True, "fair": False}
    assert table["why_not"].to_dict() == {
        "silent": "it says nothing of 1 answers",
        "dead": "one P for every answer",
        "fair": "",
    }
    assert not compare(rows[1:2], CONFIG)["chosen"].any()


def test_what_gives_a_probability_is_a_candidate_as_it_is_too() -> None:
    found = candidates_of([MethodConfig("option_probability"), MethodConfig("entropy")], {}, {})
    assert [one.config for one in found] == [
        MethodConfig("option_probability"),
        MethodConfig("option_probability", "platt"),
        MethodConfig("entropy", "platt"),  # a score that is brought into [0, 1]
    ]


def test_scores_that_are_brought_into_the_unit_interval_are_no_probabilities() -> None:
    raw = {name for name, method in METHODS.items() if isinstance(method, Method) and not method.is_probability}
    assert {"entropy", "self_certainty", "option_radius"} <= raw
    assert not any(METHODS[name].is_probability for name in ("ccps", "ccps_logistic", "stack"))


class _Known(Method):
    """Says what it is told, as a probability."""

    name, label, source, is_probability = "known", "Known", "made up", True

    def __init__(self, p: npt.NDArray[np.float64]) -> None:
        self.p = p

    def p_correct(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        return self.p


@pytest.mark.parametrize(("p", "why_not"), [(np.linspace(0, 1, 60), ""), (np.full(60, 0.5), ONE_P)])
def test_a_raw_form_is_judged_by_its_own_squared_error(
    monkeypatch: pytest.MonkeyPatch, p: npt.NDArray[np.float64], why_not: str
) -> None:
    ids = [f"q{number:02}" for number in range(60)]
    evidence = Evidence(np.zeros((60, 75), dtype=np.float32), np.ones(60, dtype=np.int64), 100)
    known = TrainingAnswers(evidence, CORRECT, ids)
    monkeypatch.setattr(choose, "training_answers", lambda *_: known)
    stage: Any = SimpleNamespace(train_side=None, head=None)
    one = choose.ChooseStage._as_it_is(stage, _Known(p))
    assert (one.name, one.calibrator, one.why_not, one.fitted) == ("known", "none", why_not, None)
    row = compare([one], CONFIG).iloc[0]
    assert row["folds"] == 0
    assert row["chosen"] == (not why_not)
    if not why_not:
        assert row["brier"] == pytest.approx(((p - CORRECT) ** 2).mean())


def test_a_method_that_learns_nothing_gets_a_calibrator_unless_it_is_there_with_it() -> None:
    alone = candidates_of([MethodConfig("entropy")], {}, {})
    assert [one.method.name for one in alone] == ["entropy_platt"]
    assert [one.config for one in alone] == [MethodConfig("entropy", "platt")]
