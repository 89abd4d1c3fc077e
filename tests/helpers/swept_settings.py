"""The settings of a small sweep."""

from typing import Any

from composing import composed

from ccps.stages.sweep.checks import to_sweep


def settings(*overrides: str) -> dict[str, Any]:
    # Means over subjects, though these are small: pooled figures are the main job's tests' affair.
    small = ["evaluation.resamples=20", "evaluation.aggregate=macro"]
    given = ["experiment=smoke", "sweep=smoke", "trainer=cpu", "logger=none", *small, *overrides]
    return composed(given, "sweep", to_sweep)
