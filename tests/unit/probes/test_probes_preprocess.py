from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from ccps.core.errors import UserError
from ccps.probes.preprocess import EPSILON, Standardizer, clean_for_evaluation, clean_for_training
from ccps.settings.probe import NeverFlips

NAMES = ("a", EPSILON, "b")
INF, NAN = np.inf, np.nan


def test_training_gives_never_flips_the_radius_and_drops_and_counts_the_rest() -> None:
    rows = clean_for_training(
        [[1, INF, 2], [NAN, 4, INF], [1, -INF, 2], [5, 8, -INF], [6, NAN, 2], [7, 8, NAN]], NAMES, radius=12.0
    )
    assert rows.features.tolist() == [[1, 12, 2]]
    assert rows.kept.tolist() == [True, False, False, False, False, False]
    assert rows.dropped == {
        "a is NaN": 1,
        "b is NaN": 1,
        "b is infinite": 1,
        f"{EPSILON} is NaN": 1,
        f"{EPSILON} is infinite": 1,
    }
    assert sum(rows.dropped.values()) == np.count_nonzero(~rows.kept)


@pytest.mark.parametrize(
    ("mode", "epsilon", "zeroed"),
    [
        (NeverFlips.strict, 20.0, {"a is NaN": 1, "b is infinite": 1}),
        (NeverFlips.parity_eval, 0.0, {"a is NaN": 1, "b is infinite": 1, f"{EPSILON} is infinite": 1}),
    ],
)
def test_evaluation_keeps_every_row_and_counts_what_it_zeroes(
    mode: Any, epsilon: float, zeroed: dict[str, int]
) -> None:
    rows = clean_for_evaluation([[NAN, 4, -INF], [3, INF, 5]], NAMES, 20.0, mode)
    assert rows.features.tolist() == [[0, 4, 0], [3, epsilon, 5]]
    assert rows.zeroed == zeroed


def test_cleaning_leaves_its_argument_alone_and_passes_no_rows_through() -> None:
    features = np.array([[1.0, INF, NAN]])
    clean_for_evaluation(features, NAMES, 20.0, NeverFlips.strict)
    clean_for_training(features, NAMES, 20.0)
    assert np.array_equal(features, [[1.0, INF, NAN]], equal_nan=True)
    assert clean_for_training(np.empty((0, 3)), NAMES, 20.0).features.shape == (0, 3)
    assert clean_for_evaluation(np.empty((0, 3)), NAMES, 20.0, NeverFlips.strict).features.shape == (0, 3)


@pytest.mark.parametrize("shape", [(4, 2), (3,), (1, 2, 3)])
def test_a_table_that_does_not_fit_its_names_is_refused(shape: tuple[Any, ...]) -> None:
    with pytest.raises(UserError, match="Expected `features` to be a table of 3 columns"):
        clean_for_training(np.zeros(shape), NAMES, 20.0)
    with pytest.raises(UserError, match="Expected `features` to be a table of 3 columns"):
        clean_for_evaluation(np.zeros(shape), NAMES, 20.0, NeverFlips.strict)


@given(arrays(np.float64, (20, 3), elements=st.integers(-50, 50)))
def test_scaling_agrees_with_sklearn_where_columns_vary(features: Any) -> None:
    varies = np.ptp(features, axis=0) > 0
    scaled = Standardizer.fit(features).transform(features)
    oracle = StandardScaler().fit_transform(features)
    np.testing.assert_allclose(scaled[:, varies], oracle[:, varies], atol=1e-9)
    assert (scaled[:, ~varies] == 0).all()


def test_rounding_noise_is_a_constant_column_here_and_unit_variance_in_sklearn() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 3))
    # Distance moved (20, float32 rounding), exact zeros and an honest column.
    features = np.stack([20 + 1e-6 * noise[:, 0], np.zeros(200), noise[:, 2]], axis=1)
    scaler = Standardizer.fit(features)
    assert scaler.constant.tolist() == [True, True, False]
    later = scaler.transform(np.array([[19.0, 5.0, 1.0]]))
    assert later[0, :2].tolist() == [0.0, 0.0]
    assert later[0, 2] == pytest.approx((1.0 - noise[:, 2].mean()) / noise[:, 2].std())
    assert StandardScaler().fit_transform(features)[:, 0].std() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("mean", "spread", "constant"),
    [(0, 0, True), (0, 1e-12, False), (1e-9, 1e-12, False), (1e3, 0.9e-3, True), (1e3, 1.1e-3, False)],
)
def test_the_line_between_constant_and_varying(mean: float, spread: float, constant: bool) -> None:
    # Half the values at mean − spread and half at mean + spread have that spread as standard deviation.
    features = np.array([[mean - spread], [mean + spread]] * 10)
    assert Standardizer.fit(features).constant.tolist() == [constant]
