"""From work to seconds."""

import pytest

from ccps.plan.device import PREDICTED, Device
from ccps.plan.work import Part, Work
from ccps.settings.plan import KINDS, DeviceConfig

PEAK = {"bfloat16": 1e12, "float16": 1e12, "float32": 1e11}
CONFIG = DeviceConfig("a device", "cuda", [], PEAK, 1e9, 1e10, 0.5, {"read": 0.25}, "a test")


def test_the_slower_of_multiplying_and_moving_counts() -> None:
    device = Device("a", CONFIG)
    assert device.seconds(Work((Part("read", "bfloat16", 4e12, 1e9),))) == pytest.approx(4 / 0.25)
    assert device.seconds(Work((Part("read", "bfloat16", 4e12, 8e9),))) == pytest.approx(8 / 0.25)
    assert device.seconds(Work((Part("read", "float32", 4e12, 8e9),))) == pytest.approx(40 / 0.25)


def test_parts_follow_each_other() -> None:
    parts = Part("read", "bfloat16", 1e12, 0), Part("read", "bfloat16", 0, 3e9)
    assert Device("a", CONFIG).seconds(Work(parts)) == pytest.approx(4 / 0.25)


def test_calls_take_their_time_however_little_is_in_them() -> None:
    assert Device("a", CONFIG).seconds(Work((Part("read", "bfloat16", 1e12, 0),), layer_calls=100)) == 50


def test_what_was_not_measured_is_predicted() -> None:
    device = Device("a", CONFIG)
    written = Work((Part("write", "bfloat16", 1e12, 2e9),))
    assert device.seconds(written) == pytest.approx(2 / PREDICTED["write"])
    assert not device.is_measured(written)
    assert device.is_measured(Work((Part("read", "bfloat16", 1e12, 0),)))


def test_many_rows_are_written_as_many_tokens_are_read() -> None:
    device = Device("a", CONFIG)
    one, many = (Work((Part("write", "bfloat16", rows * 1e11, 2e9),)) for rows in (1, 40))
    assert device.seconds(one) == pytest.approx(2 / PREDICTED["write"])
    assert device.seconds(many) == pytest.approx(4 / 0.25)
    assert device.is_measured(many)


def test_every_kind_has_a_prediction() -> None:
    assert set(PREDICTED) == set(KINDS)
