"""A small hand-made run of the faithful system: three traces, two estimators, one that was not computed."""

from typing import Any

import pandas as pd

from ccps.analysis.faithful_data import (
    BRIDGE_COLUMNS,
    CORRELATION_COLUMNS,
    COST_COLUMNS,
    DROPPED_COLUMNS,
    MEASURE_COLUMNS,
    RELIABILITY_COLUMNS,
    TRAJECTORY_COLUMNS,
    FaithfulCell,
    FaithfulData,
)

NAN = float("nan")
HOSTILE = '<script>alert(1)</script> Perhaps it is | 7 & **clearly** <img src=x onerror="go()">.'
"""One sentence of a hedge and a word of certainty."""

SCORES: dict[str, dict[str, tuple[float, float, float]]] = {
    "deepconf": {
        "cmfg_star": (0.771, 0.75, 0.792),
        "best_constant": (0.74, NAN, NAN),
        "excess_best_constant": (0.031, 0.01, 0.052),
        "permutation": (0.775, NAN, NAN),
        "excess_permutation": (-0.004, -0.02, 0.012),
        "always_decisive": (0.6, NAN, NAN),
        "excess_always_decisive": (0.171, 0.15, 0.2),
        "mfg": (0.76, 0.74, 0.78),
        "cmfg": (0.55, 0.5, 0.6),
        "mean_confidence": (0.4, 0.3, 0.5),
        "support_low": (0.3, NAN, NAN),
        "support_high": (0.6, NAN, NAN),
        "gap": (0.25, 0.2, 0.3),
        "spearman_across": (0.5, -0.1, 0.9),
        "spearman_within": (NAN, NAN, NAN),
    },
    "rcc": {
        "cmfg_star": (0.5, 0.4, 0.6),
        "best_constant": (0.9, NAN, NAN),
        "excess_best_constant": (-0.4, -0.5, -0.3),
        "permutation": (0.45, NAN, NAN),
        "excess_permutation": (0.05, 0.01, 0.09),
        "always_decisive": (0.5, NAN, NAN),
        "excess_always_decisive": (0.0, 0.0, 0.0),
    },
    "": {
        "accuracy": (0.5, 0.0, 1.0),
        "mean_decisiveness": (0.65, 0.5, 0.8),
        "mean_steps": (1.0, 0.0, 2.0),
        "n_truncated": (1, NAN, NAN),
        "n_unparsed": (1, NAN, NAN),
        "n_without_steps": (1, NAN, NAN),
    },
}


def results(scores: dict[str, dict[str, tuple[float, float, float]]]) -> pd.DataFrame:
    rows = [
        (name, metric, *ends, 24 if metric.startswith("excess") else 2)
        for name, own in scores.items()
        for metric, ends in own.items()
    ]
    return pd.DataFrame(rows, columns=list(MEASURE_COLUMNS))


def traces() -> pd.DataFrame:
    rows = [
        ("t1", "q1", "What is 3 + 4?", "7", "One.\n\nTwo.", "7", True, False, 2, 0.9, 0.5),
        ("t2", "q2", "Is <b> bold?", "yes", HOSTILE, "<i>no</i>", False, False, 1, 0.2, 0.4),
        ("t3", "q3", "Cut?", "1", "", None, None, True, 0, NAN, NAN),
    ]
    columns = ["trace_id", "question_id", "question", "gold", "text", "answer", "correct", "truncated", "n_steps"]
    return pd.DataFrame(rows, columns=[*columns, "faithfulness_deepconf", "faithfulness_rcc"])


def steps() -> pd.DataFrame:
    rows = [
        ("t1", 1, 6, 10, "Two.", 0.8, 0.7, 0.3),
        ("t1", 0, 0, 4, "One.", 1.0, 0.35, NAN),
        ("t2", 0, 0, len(HOSTILE), HOSTILE, 0.15, 0.95, 0.85),
    ]
    return pd.DataFrame(rows, columns=["trace_id", "step", "start", "end", "text", "decisiveness", "deepconf", "rcc"])


def cell(**changes: Any) -> FaithfulCell:
    fields: dict[str, Any] = {
        "model": "lab/tiny_model",
        "dataset": "gsm8k",
        "prompt": "baseline",
        "estimators": ("deepconf", "rcc"),
        "results": results(SCORES),
        "traces": traces(),
        "steps": steps(),
        "correlations": pd.DataFrame(
            [
                ("decisiveness", "decisiveness", 1.0, 3),
                ("decisiveness", "confidence_rcc", -0.25, 3),
                ("confidence_rcc", "decisiveness", -0.25, 3),
                ("confidence_rcc", "confidence_rcc", NAN, 3),
            ],
            columns=list(CORRELATION_COLUMNS),
        ),
        "trajectory": pd.DataFrame(
            [
                ("decisiveness", 0.05, 0.9, 0.1, 2),
                ("decisiveness", 0.95, 0.8, NAN, 1),
                ("confidence_deepconf", 0.05, 0.35, 0.1, 2),
                ("faithfulness_deepconf", 0.05, 0.45, 0.1, 2),
            ],
            columns=list(TRAJECTORY_COLUMNS),
        ),
        "reliability": pd.DataFrame(
            [("deepconf", 0.35, 1.0, 1), ("deepconf", 0.7, 0.8, 1)], columns=list(RELIABILITY_COLUMNS)
        ),
        "bridge": pd.DataFrame(
            [
                ("first", "deepconf", "mean", 0.4, 0.3, 0.5, 2),
                ("first", "deepconf", "auroc", 0.75, 0.5, 1.0, 2),
                ("first", "deepconf", "spearman_decisiveness", -0.5, NAN, NAN, 2),
                ("answer", "p_true", "auroc", NAN, NAN, NAN, 0),
                ("answer", "answer_stability", "auroc", 0.6, 0.4, 0.8, 2),
            ],
            columns=list(BRIDGE_COLUMNS),
        ),
        "dropped": pd.DataFrame([("traces in rcc", "no tokens & no ids", 1)], columns=list(DROPPED_COLUMNS)),
        "worst": ("t2", "t1"),
        "seconds": {"deepconf": 12.0, "decisiveness": 0.5},
        "absent": {"sampling": "no continuations were drawn"},
    }
    return FaithfulCell(**(fields | changes))


def empty_cell(**changes: Any) -> FaithfulCell:
    """A run in which nothing could be scored: one trace without steps or mark."""

    def none(columns: tuple[str, ...]) -> pd.DataFrame:
        return pd.DataFrame(columns=list(columns))

    empty: dict[str, Any] = {
        "results": none(MEASURE_COLUMNS),
        "traces": traces().iloc[2:],
        "steps": steps().iloc[:0],
        "correlations": none(CORRELATION_COLUMNS),
        "trajectory": none(TRAJECTORY_COLUMNS),
        "reliability": none(RELIABILITY_COLUMNS),
        "bridge": none(BRIDGE_COLUMNS),
        "dropped": none(DROPPED_COLUMNS),
        "worst": (),
        "seconds": {},
    }
    return cell(**(empty | changes))


def data(*cells: FaithfulCell, **changes: Any) -> FaithfulData:
    fields: dict[str, Any] = {
        "title": "Faithfulness · <tiny> run",
        "cells": cells or (cell(),),
        "mode": "strict",
        "level": 0.95,
        "decisiveness": "lexicon, version 1",
        "judges": {"stability": "flip radius"},
        "deliberation": "none",
        "costs": pd.DataFrame([("trace", 12.5, 1000, 2_000_000, 3e9, 3)], columns=list(COST_COLUMNS)),
        "settings": {"Traces": "3 <b>"},
        "run": {"config": {"seed": 0}, "commit": "abc"},
    }
    return FaithfulData(**(fields | changes))
