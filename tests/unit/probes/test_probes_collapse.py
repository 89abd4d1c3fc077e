"""Probes that the decay has shrunk to a constant are told from those that have learnt something."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccps.probes import LEAST_SPREAD, ProbeConfig, fit_probe, is_collapsed, spread
from ccps.settings.probe import StageConfig


def test_spread_is_the_standard_deviation_of_what_is_known() -> None:
    assert spread([0.25, 0.75, np.nan]) == 0.25
    assert spread([0.6] * 5) == pytest.approx(0)
    assert np.isnan(spread([np.nan]))
    assert is_collapsed(LEAST_SPREAD / 2)
    assert not is_collapsed(LEAST_SPREAD)
    assert not is_collapsed(np.nan)


@pytest.fixture
def released_recipe() -> ProbeConfig:
    """A tenth of the released steps at ten times the rate and decay: as far, so far as the decay is concerned."""
    stage = StageConfig(steps=500, eval_every=500, learning_rate=1e-3, weight_decay=0.1)
    return ProbeConfig(contrastive=stage, classifier=replace(stage, batch_size=32, encoder_dropout=0.1))


def test_a_decay_that_kills_the_encoder_is_found_at_few_rows(make_table: Any, released_recipe: ProbeConfig) -> None:
    table = make_table(120, 0)
    rows = table.features, table.labels, table.questions
    dead = fit_probe(*rows, released_recipe, seed=23, radius=20.0)
    p = dead.predict(table.features)
    assert is_collapsed(spread(p))
    largest = max(float(value.detach().abs().max()) for value in dead.network.encoder.parameters())
    assert largest < 1e-3
    # It looks well: its one confidence is the share of right answers, up to what the seed has held out.
    assert p.mean() == pytest.approx(table.labels.mean(), abs=0.1)

    def without_decay(stage: StageConfig) -> StageConfig:
        return replace(stage, weight_decay=0.0)

    healthy = replace(
        released_recipe,
        contrastive=without_decay(released_recipe.contrastive),
        classifier=without_decay(released_recipe.classifier),
    )
    assert not is_collapsed(spread(fit_probe(*rows, healthy, seed=23, radius=20.0).predict(table.features)))
