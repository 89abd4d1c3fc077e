"""A sweep made by hand: one place, one direction, two radii, two seeds."""

import math
from typing import Any

import pandas as pd

from ccps.analysis.sweep_data import (
    BEST_COLUMNS,
    CHANCE_COLUMNS,
    CHOSEN,
    ON_TEST,
    PAPER,
    RADIUS_COLUMNS,
    SWEEP_COLUMNS,
    Strength,
    SweepData,
)
from ccps.metrics import CONTEST


def _sweep() -> pd.DataFrame:
    rows = [
        ("m", "boats", "mc", "gradient", radius, 2, seed, metric, 0.6 + radius / 150 + seed / 10, False)
        for radius in (5.0, 20.0)
        for seed in (0, 1)
        for metric in CONTEST
        if metric != "ece"
    ]
    rows += [("m", "boats", "mc", "gradient", radius, 2, 0, "ece", radius / 50, False) for radius in (5.0, 20.0)]
    table = pd.DataFrame(rows, columns=SWEEP_COLUMNS)
    auroc = table["metric"] == "auroc"
    table.loc[auroc & (table["radius"] == 5.0), "value"] = [0.6, 0.7]
    table.loc[auroc & (table["radius"] == 20.0), "value"] = [0.7, 0.8]
    return table


def _best() -> pd.DataFrame:
    strengths = {CHOSEN: (5.0, 2, 0.2), PAPER: (20.0, 2, 0.25), ON_TEST: (1.0, 1, 0.1)}
    rows = [
        ("m", "boats", "mc", "gradient", choice, radius, steps, metric, value, *_ends(choice, value), 40, 2, "", 0)
        for choice, (radius, steps, value) in strengths.items()
        for metric in CONTEST
    ]
    return pd.DataFrame(rows, columns=BEST_COLUMNS)


def _ends(choice: str, value: float) -> tuple[float, float]:
    return (math.nan, math.nan) if choice == ON_TEST else (value - 0.1, value + 0.1)


def _radii() -> pd.DataFrame:
    row = ("m", "mc", "gradient", 5.0, 5.0, 20.0, 2, "boats", 40, 0.2, 0.1, 0.3, 0.25, 0.05, -0.01, 0.11, "")
    return pd.DataFrame([row], columns=RADIUS_COLUMNS)


def _chance() -> pd.DataFrame:
    rows = [
        ("m", "trees", "training", "mc", 60, 45, 0.25, 1e-9, True),
        ("m", "stones", "training", "mc", 60, 16, 0.25, 0.43, False),
        ("m", "boats", "test", "mc", 40, 30, 0.25, 1e-7, True),
    ]
    return pd.DataFrame(rows, columns=CHANCE_COLUMNS)


def _flips() -> pd.DataFrame:
    rows = [("a", 2.0, True), ("b", math.inf, True), ("c", 0.0, True), ("d", math.inf, False), ("e", math.inf, False)]
    columns = ["model", "benchmark", "question_id", "flip_radius", "correct"]
    return pd.DataFrame([("m", "boats", *row) for row in rows], columns=columns)


def sweep_data(**changes: Any) -> SweepData:
    """The sweep, any field replaced."""
    fields: dict[str, Any] = {
        "title": "A sweep_of <strength>",
        "sweep": _sweep(),
        "best": _best(),
        "radii": _radii(),
        "chance": _chance(),
        "flips": _flips(),
        "paper": Strength(20.0, 2),
        "choose_by": "brier",
        "chance_level": 0.01,
        "folds": 3,
        "level": 0.95,
        "convention": "ct",
        "costs": pd.DataFrame(
            [("head", 1.5, 0, 1000, 2e9, 1)], columns=["stage", "seconds", "tokens", "bytes", "peak_memory", "n"]
        ),
        "notes": ("left_out: 2 (no reason)",),
        "run": {"commit": "abc", "config": {"sweep": {"folds": 3}}},
    }
    return SweepData(**(fields | changes))
