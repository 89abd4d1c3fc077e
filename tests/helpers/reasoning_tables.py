"""Small step and trace tables for the tests of this folder."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

NAN = float("nan")


def steps_of(trace_id: str, decisiveness: Sequence[float], **confidence: Sequence[float]) -> pd.DataFrame:
    """The steps of one trace."""
    n = len(decisiveness)
    return pd.DataFrame(
        {"trace_id": pd.Series([trace_id] * n, dtype=object), "step": range(n), "decisiveness": decisiveness}
        | {name: list(values) for name, values in confidence.items()}
    )


def traces_of(correct: Mapping[str, object], **columns: object) -> pd.DataFrame:
    """A row per trace, the question being what stands before "#"; `correct` is True, False or None by trace id."""
    ids = list(correct)
    return pd.DataFrame(
        {
            "trace_id": ids,
            "question_id": [name.partition("#")[0] for name in ids],
            "answer": [None if mark is None else "7" for mark in correct.values()],
            "correct": pd.Series(list(correct.values()), dtype=object),
            "truncated": False,
            "misaligned": "",
        }
        | columns
    )


def random_cell(seed: int, n: int = 12, estimators: Sequence[str] = ("deepconf", "rcc")) -> tuple[pd.DataFrame, ...]:
    """Steps and traces at random: two traces a question, some scores missing, some confidences equal."""
    rng = np.random.default_rng(seed)
    parts, correct = [], {}
    for number in range(n):
        size = int(rng.integers(0, 6))
        scores: dict[str, Any] = {name: np.round(rng.uniform(size=size), 1) for name in ("decisiveness", *estimators)}
        for values in scores.values():
            values[rng.uniform(size=size) < 0.15] = NAN
        name = f"q{number // 2}#{number % 2}"
        parts.append(steps_of(name, **scores))
        correct[name] = (None, True, False, True, False)[rng.integers(0, 5)]
    return pd.concat(parts, ignore_index=True), traces_of(correct)
