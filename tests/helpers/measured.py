"""What a figure of the benchmarks holds, where it must hold something."""

from collections.abc import Sequence

from experiments.benchmarks.page import Figure


def value(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value


def bound(figure: Figure) -> float:
    assert figure.target is not None
    return figure.target.bound


def found(figures: Sequence[Figure], what: str) -> float:
    """The value of the one figure of this name."""
    [one] = [figure for figure in figures if figure.what == what]
    return value(one)
