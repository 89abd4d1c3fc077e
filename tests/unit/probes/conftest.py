from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from ccps.probes import ProbeConfig
from ccps.settings.probe import StageConfig


class Table(NamedTuple):
    features: np.ndarray
    labels: np.ndarray
    questions: list[str]


def _make_table(rows: int, seed: int) -> Table:
    """Noise on 75 different scales; in ten columns right answers lie 1.5 standard deviations higher."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=rows)
    features = rng.normal(size=(rows, 75))
    features[:, :10] += 1.5 * labels[:, None]
    return Table(features * np.geomspace(0.01, 100, 75), labels, [f"q{row}" for row in range(rows)])


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
