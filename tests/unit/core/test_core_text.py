import math

import pytest

from ccps.core import text


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(0.1234, "12.3"), (1.0, "100.0"), (-0.05, "−5.0"), (-0.0001, "0.0"), (math.nan, "–")],
)
def test_percent(fraction: float, shown: str) -> None:
    assert text.percent(fraction) == shown


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(0.031, "+3.1"), (-0.031, "−3.1"), (0.0004, "0.0"), (-0.0004, "0.0"), (math.nan, "–")],
)
def test_signed_points(fraction: float, shown: str) -> None:
    assert text.signed_points(fraction) == shown


def test_interval_is_empty_when_an_end_is_missing() -> None:
    assert text.interval(0.1, 0.25) == "[10.0, 25.0]"
    assert text.interval(math.nan, 0.25) == ""


@pytest.mark.parametrize(
    ("names", "shown"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listed(names: list[str], shown: str) -> None:
    assert text.listed(names) == shown


def test_counts() -> None:
    assert text.count(14042) == "14,042"
    assert text.count_range([8, 8, math.nan]) == "8"
    assert text.count_range([9, 7]) == "7–9"
    assert text.count_range([math.nan]) == "–"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(12, "12 B"), (1500, "1.5 kB"), (2e6, "2.0 MB"), (3.25e9, "3.2 GB"), (math.nan, "–")],
)
def test_byte_size(number: float, shown: str) -> None:
    assert text.byte_size(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.44, "0.4 s"), (90, "1.5 min"), (3599, "1 h 00 min"), (7260, "2 h 01 min")]
)
def test_duration(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(1234, "1,234"), (12.375, "12.38"), ("3 of 4", "3 of 4"), (math.nan, "–")]
)
def test_plain_number(number: float | str, shown: str) -> None:
    assert text.plain_number(number) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a" * 200, "a" * 200),
        ("a" * 201, "a" * 199 + "…"),
        ("a" * 198 + " bcd", "a" * 198 + "…"),
        ("a\n b\tc", "a b c"),
        ("\n", "(empty)"),
    ],
)
def test_excerpt(given: str, shown: str) -> None:
    assert text.excerpt(given) == shown


def test_slug_keeps_versions_and_drops_what_paths_cannot_hold() -> None:
    assert text.slug("Qwen/Qwen2.5-0.5B", "P(True)") == "qwen-qwen2.5-0.5b-p-true"
