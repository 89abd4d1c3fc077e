import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ccps import metrics
from ccps.metrics.conventions import Convention
from ccps.metrics.inputs import checked_probabilities, checked_scores

P, Y, G = [0.2, 0.9, 0.6], [0, 1, 1], ["a", "a", "b"]

ENTRIES = [
    metrics.evaluate,
    metrics.ece,
    metrics.reliability_bins,
    metrics.risk_coverage,
    metrics.choose_threshold,
    lambda p, y: metrics.bootstrap(p, y, ["a", "b", "b"][: len(y)], seed=0),
]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        ([0.2, 1.000001, 0.5], Y, "to lie in [0, 1], but got 1.000001 in row 1 (1 such rows)"),
        ([-0.1, 0.5, 1.2], Y, "to lie in [0, 1], but got -0.1 in row 0 (2 such rows)"),
        ([0.2, float("nan"), 0.5], Y, "to lie in [0, 1], but got nan in row 1 (1 such rows). Leave answers without"),
        ([0.2, None, 0.5], Y, "to lie in [0, 1], but got nan in row 1"),
        (["high", "low", "low"], Y, "to hold numbers, but got"),
        ([[0.1, 0.9]], [1], "to be one-dimensional, but got shape (1, 2)"),
        ([0.1, 0.9], Y, "`p_correct` and `correct` to have one length, but got 2 and 3"),
        (P, [0, 1, 2], "to hold only 0, 1 or booleans, but got 2 in row 2"),
        (P, [0, 1, 0.5], "to hold only 0, 1 or booleans"),
        (P, [0, 1, None], "to hold only 0, 1 or booleans, but got None in row 2"),
        (P, [0, 1, float("nan")], "to hold only 0, 1 or booleans"),
        (P, [True, False, pd.NA], "to hold only 0, 1 or booleans"),
        (P, ["0", "1", "1"], "to hold only 0, 1 or booleans"),
        ([], [], "to hold at least one row, but got none"),
    ],
)
def test_bad_rows_are_refused_everywhere(entry: Any, p: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Expected .*{re.escape(message)}"):
        entry(p, y)


@pytest.mark.parametrize(
    ("p", "y", "groups"),
    [
        (np.array(P, dtype=np.float32), np.array(Y, dtype=bool), np.array(G)),
        (pd.Series(P, index=[7, 8, 9]), pd.Series(Y, index=[7, 8, 9]), pd.Series(G)),
        (torch.tensor(P, dtype=torch.float64), torch.tensor(Y), ["history", "history", "law"]),
        (P, np.array([False, True, np.True_], dtype=object), [1, 1, 2]),
        (P, [0.0, 1.0, 1.0], pd.Categorical(G)),
    ],
)
def test_rows_may_come_in_any_container(p: Any, y: Any, groups: Any) -> None:
    result = metrics.evaluate(p, y, groups=groups)
    assert dict(result) == pytest.approx(dict(metrics.evaluate(P, Y, groups=G)), abs=1e-7, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("CT", "Choose one of these"), ("equal_mas", "Did you mean 'equal_mass'?"), ("guo", "Choose")],
)
def test_unknown_convention_lists_the_known_and_suggests_the_nearest(name: str, hint: str) -> None:
    pattern = f"Expected `convention` to be one of ct, max_prob, .*, but got {name!r}. {re.escape(hint)}"
    for entry in (metrics.evaluate, metrics.ece, metrics.reliability_bins):
        with pytest.raises(ValueError, match=pattern):
            entry(P, Y, name)
    with pytest.raises(ValueError, match=pattern):
        metrics.expected_ece_noise(P, name, seed=0)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a", "b"], "one label for each of 3 rows, but got shape \\(2,\\)"),
        (["a", None, "b"], "labels of one type, none missing"),
        ([None, None, None], "none"),
        ([1.0, float("nan"), 2.0], "but got none in 1 of 3 rows"),
        (["a", pd.NA, "b"], "labels of one type, none missing"),
        (["a", 1, "b"], "labels of one type, none missing"),
    ],
)
def test_bad_groups_are_refused(groups: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^Expected `groups` to hold .*{message}"):
        metrics.evaluate(P, Y, groups=groups)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: metrics.evaluate(P, Y, nan_groups="drop"),  # type: ignore[arg-type]
            "`nan_groups` to be one of skip, propagate, but got 'drop'",
        ),
        (
            lambda: metrics.bootstrap(P, Y, G, seed=0, aggregate="mean"),  # type: ignore[arg-type]
            "`aggregate` to be one of macro, pooled",
        ),
        (lambda: metrics.bootstrap(P, Y, G, seed=0, scheme="cluster"), "Did you mean 'clusters'?"),  # type: ignore[arg-type]
        (
            lambda: metrics.bootstrap(P, Y, G, seed=0, n_resamples=0),
            "`n_resamples` to be at least 1, but got 0",
        ),
        (lambda: metrics.bootstrap(P, Y, G, seed=0, level=95), "`level` to lie between 0 and 1, but got 95"),
        (
            lambda: metrics.bootstrap(P, Y, ["a"] * 3, seed=0),
            "`groups` to hold at least two subjects, but got 1",
        ),
        (lambda: metrics.expected_ece_noise(P, seed=0, n_draws=0), "`n_draws` to be at least 1"),
        (lambda: Convention("x", "", "", "p_correct", "half_open", n_bins=0), "`n_bins` to be at least 1"),
        (lambda: Convention("x", "", "", "p_correct", "closed"), "`binning` to be one of half_open"),  # type: ignore[arg-type]
        (lambda: Convention("x", "", "", "p_corect", "half_open"), "Did you mean 'p_correct'?"),  # type: ignore[arg-type]
    ],
)
def test_bad_settings_are_refused(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^Expected .*{re.escape(message)}"):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rounding_outside_is_the_end_of_the_range(dtype: type[np.floating[Any]]) -> None:
    above, below = np.nextafter(dtype(1), dtype(2)), -np.finfo(dtype).eps
    assert checked_probabilities(np.array([above, below, 0.25], dtype=dtype)).tolist() == [1.0, 0.0, 0.25]
    for far in (1 + 1e-6, -1e-6, np.nan, 1.01):
        with pytest.raises(ValueError, match=r"to lie in \[0, 1\]"):
            checked_probabilities([0.5, far])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_tensors_of_any_kind(dtype: torch.dtype) -> None:
    p = torch.tensor([0.75, 0.25], dtype=dtype, requires_grad=True)
    for y in (torch.tensor([1, 0]), torch.tensor([True, False]), torch.tensor([1.0, 0.0], requires_grad=True)):
        scores, labels = checked_scores(p, y)
        assert (scores.tolist(), labels.tolist()) == ([0.75, 0.25], [1.0, 0.0])


@pytest.mark.parametrize(
    ("p", "correct"),
    [
        (np.ma.array([0.5, 0.6], mask=[False, True]), [1, 0]),
        ([0.5, 0.6], np.ma.array([1, 0], mask=[False, True])),
        (np.array([0.5 + 1j, 0.6]), [1, 0]),
        (np.array([0, 1], dtype="timedelta64[ns]"), [1, 0]),
        ([b"0.5", b"0.6"], [1, 0]),
        (np.array([(0.5,), (0.6,)], dtype=[("p", float)]), [1, 0]),
        (pd.Series([0.5, 0.6], index=[1, 0]), pd.Series([1, 0])),
    ],
)
def test_what_numpy_would_turn_into_other_numbers_is_refused(p: Any, correct: Any) -> None:
    with pytest.raises(ValueError, match=r"^Expected `"):
        checked_scores(p, correct)


def test_series_of_one_index_are_paired() -> None:
    p, y = checked_scores(pd.Series([0.5, 0.6], index=[7, 3]), pd.Series([True, False], index=[7, 3]))
    assert (p.tolist(), y.tolist()) == ([0.5, 0.6], [1.0, 0.0])
