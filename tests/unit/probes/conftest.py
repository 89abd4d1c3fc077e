from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from ccps.probes import ProbeConfig
from ccps.probes.config import StageConfig


class Table(NamedTuple):
    features: np.ndarray
    labels: np.ndarray
    questions: list[str]


def _make_table(rows: int, seed: int) -> Table:
    """Rows whose label is the sign of one direction in ten of the 75 columns; the others are noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 75)) * rng.uniform(0.1, 10, size=75)
    direction = np.zeros(75)
    direction[:10] = 1 / features[:, :10].std(axis=0)
    return Table(features, (features @ direction > 0).astype(np.int64), [f"q{row}" for row in range(rows)])


@pytest.fixture(scope="session")
def table() -> Table:
    return _make_table(400, seed=0)


@pytest.fixture(scope="session")
def make_table() -> Callable[[int, int], Table]:
    return _make_table


@pytest.fixture
def config() -> ProbeConfig:
    """The paper's recipe, a few steps of it."""
    return ProbeConfig(
        contrastive=StageConfig(steps=20, eval_every=8),
        classifier=StageConfig(steps=30, batch_size=32, encoder_dropout=0.1, eval_every=10),
    )
