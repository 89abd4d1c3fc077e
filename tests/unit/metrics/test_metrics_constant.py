from ccps.metrics import METRICS, hardly_varies, is_constant


def test_a_constant_is_one_number_up_to_rounding() -> None:
    assert is_constant([0.5])
    assert is_constant([0.5, 0.5 + 9e-7])
    assert not is_constant([0.5, 0.5 + 2e-6, 0.5])
    assert not is_constant([])


def test_which_metrics_need_an_order() -> None:
    assert [name for name, metric in METRICS.items() if not metric.ranks] == ["ece", "brier", "acc", "log_loss"]


def test_what_hardly_varies_may_rank_all_the_same() -> None:
    assert hardly_varies([0.6, 0.619])  # a standard deviation of 0.0095
    assert not hardly_varies([0.6, 0.621])
    assert not hardly_varies([])
