"""What a figure of the benchmarks holds, where it must hold something."""

from experiments.benchmarks.page import Figure


def value(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value


def bound(figure: Figure) -> float:
    assert figure.target is not None
    return figure.target.bound
