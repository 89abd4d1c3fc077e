import math
from collections.abc import Callable

import pandas as pd
import pytest

from ccps.analysis.verdict import Standing, decide, standing

Frame = Callable[..., pd.DataFrame]
LOWER, HIGHER = ("ece", "brier"), ("acc", "aucpr", "auroc")
LABELS = {"ccps": "CCPS", "own": "own probability", "p_true": "P(True)"}


def _label(method: str) -> str:
    return LABELS[method]


def _rows(other: str, gains: dict[str, float]) -> list[tuple[str, str, float, float, float]]:
    """A gain is how much better the reference is; its interval reaches 0.02 to either side."""
    signed = {metric: -gain if metric in LOWER else gain for metric, gain in gains.items()}
    return [(metric, other, value, value - 0.02, value + 0.02) for metric, value in signed.items()]


def _everywhere(gain: float) -> dict[str, float]:
    return dict.fromkeys((*LOWER, *HIGHER), gain)


@pytest.mark.parametrize(
    ("metric", "low", "high", "expected"),
    [
        ("ece", -0.2, -0.1, Standing.BETTER),
        ("ece", 0.1, 0.2, Standing.WORSE),
        ("auroc", 0.1, 0.2, Standing.BETTER),
        ("auroc", -0.2, -0.1, Standing.WORSE),
        ("acc", -0.1, 0.1, Standing.LEVEL),
        ("acc", 0.0, 0.1, Standing.LEVEL),
        ("acc", math.nan, 0.1, Standing.MISSING),
    ],
)
def test_standing(metric: str, low: float, high: float, expected: Standing) -> None:
    assert standing(metric, low, high) is expected


def test_win(differences: Frame) -> None:
    table = differences(*_rows("own", _everywhere(0.05)), *_rows("p_true", _everywhere(0.1)))
    verdict = decide(table, "ccps", _label)
    assert verdict.conclusion == "CCPS wins: it is better than every other method on all 5 metrics."


def test_loss_is_said_plainly(differences: Frame) -> None:
    table = differences(*_rows("own", _everywhere(-0.05)), *_rows("p_true", _everywhere(0.1)))
    verdict = decide(table, "ccps", _label)
    assert verdict.conclusion == "CCPS loses: it is worse than at least one other method on all 5 metrics."


def test_tie(differences: Frame) -> None:
    one = decide(differences(*_rows("own", _everywhere(0.01))), "ccps", _label)
    assert one.conclusion == "No winner: on none of the 5 metrics can CCPS be told from own probability."
    table = differences(*_rows("own", _everywhere(0.01)), *_rows("p_true", _everywhere(0.1)))
    assert decide(table, "ccps", _label).conclusion == (
        "No winner: on none of the 5 metrics is CCPS clearly better than every other method, "
        "and on none clearly worse than any."
    )


def test_mixed(differences: Frame) -> None:
    gains = {"ece": 0.1, "brier": 0.05, "acc": -0.05, "aucpr": 0.0, "auroc": -0.05}
    table = differences(*_rows("own", gains), *_rows("p_true", _everywhere(0.1)))
    verdict = decide(table, "ccps", _label)
    assert verdict.conclusion == (
        "Mixed: CCPS is better than every other method on ECE and Brier; worse than own probability on ACC "
        "and AUROC; not distinguishable from at least one other method on AUCPR."
    )
    texts = {c.metric: c.marked for c in verdict.comparisons if c.other == "own"}
    assert texts["ece"] == "▲ −10.0 [−12.0, −8.0]"
    assert texts["acc"] == "▼ −5.0 [−7.0, −3.0]"
    assert texts["aucpr"] == "· 0.0 [−2.0, +2.0]"


def test_controls_are_compared_but_conclude_nothing(differences: Frame) -> None:
    table = differences(*_rows("own", _everywhere(0.05)), *_rows("p_true", _everywhere(-0.1)))
    verdict = decide(table, "ccps", _label, controls=["p_true"])
    assert verdict.conclusion == "CCPS wins: it is better than own probability on all 5 metrics."
    assert {c.other for c in verdict.comparisons} == {"own", "p_true"}


def test_many_that_are_ahead_are_counted_and_not_named(differences: Frame) -> None:
    rows = [row for name in "abcd" for row in _rows(name, _everywhere(0.05) | {"acc": -0.05})]
    assert decide(differences(*rows), "ccps").conclusion == (
        "Mixed: ccps is better than every other method on ECE, Brier, AUCPR and AUROC; "
        "worse than one or more of 4 other methods on ACC."
    )


def test_partly_behind_never_sounds_ahead(differences: Frame) -> None:
    gains = _everywhere(0.0) | {"ece": -0.1}
    verdict = decide(differences(*_rows("own", gains)), "ccps", _label)
    assert verdict.conclusion == (
        "CCPS loses in part: it is worse than own probability on ECE; "
        "not distinguishable from own probability on Brier, ACC, AUCPR and AUROC."
    )


def test_missing_difference_is_neither_won_nor_tied(differences: Frame) -> None:
    rows = _rows("own", _everywhere(0.1))[:4]
    verdict = decide(differences(*rows, ("auroc", "own", math.nan, math.nan, math.nan)), "ccps", _label)
    assert verdict.conclusion == (
        "CCPS is ahead in part: it is better than own probability on ECE, Brier, ACC and AUCPR; "
        "not compared with own probability on AUROC."
    )
    assert verdict.comparisons[-1].marked == "–"


def test_nothing_to_compare_with(differences: Frame) -> None:
    verdict = decide(differences(), "ccps", _label)
    assert verdict.conclusion == (
        "CCPS was compared with no other method, so nothing can be said about whether it is better."
    )
    assert verdict.comparisons == ()


def test_many_settings_are_counted(differences: Frame) -> None:
    won = differences(*_rows("own", _everywhere(0.05)))
    lost = differences(*_rows("own", _everywhere(0.0) | {"ece": -0.1})).assign(benchmark="MMLU-OE")
    verdict = decide(pd.concat([won, lost]), "ccps", _label)
    assert verdict.conclusion == (
        "Mixed: CCPS is better than every other method in 5 of 10 contests (5 metrics on 2 pairs of model "
        "and benchmark), worse than at least one in 1, and neither in 4."
    )
    both = decide(pd.concat([won, won.assign(benchmark="MMLU-OE")]), "ccps", _label)
    assert both.conclusion.startswith("CCPS wins: it is better than every other method in 10 of 10 contests")


def test_without_support_there_is_no_verdict(differences: Frame) -> None:
    table = differences(*_rows("own", _everywhere(0.1)))
    few = table.assign(reservation="too few: 3 right")
    verdict = decide(few, "ccps", _label)
    assert verdict.conclusion == "No verdict on whether CCPS is better than own probability: too few: 3 right."
    assert {one.marked for one in verdict.comparisons} == {"+10.0 (too few: 3 right)", "−10.0 (too few: 3 right)"}
    partly = table.assign(
        reservation=["one value in every resample" if one == "auroc" else "" for one in table["metric"]]
    )
    assert decide(partly, "ccps", _label).conclusion == (
        "CCPS is ahead in part: it is better than own probability on ECE, Brier, ACC and AUCPR; "
        "without a verdict on AUROC (one value in every resample)."
    )
    both = decide(pd.concat([table, few.assign(benchmark="MMLU-OE")]), "ccps", _label)
    assert both.conclusion == (
        "CCPS is ahead in part: it is better than every other method in 5 of 10 contests (5 metrics on 2 pairs of "
        "model and benchmark), worse than at least one in 0, and neither in 0; "
        "in 5 there is no verdict (too few: 3 right)."
    )
