from ccps.metrics import METRICS, is_constant


def test_a_constant_is_one_number_up_to_rounding() -> None:
    assert is_constant([0.5])
    assert is_constant([0.5, 0.5 + 9e-7])
    assert not is_constant([0.5, 0.5 + 2e-6, 0.5])
    assert not is_constant([])


def test_which_metrics_need_an_order() -> None:
    assert [name for name, metric in METRICS.items() if not metric.ranks] == ["ece", "brier", "acc", "log_loss"]
