import math
from dataclasses import asdict
from typing import Any

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ccps.core.settings import SettingsError, check
from ccps.settings.state_probe import StateProbeConfig


def test_the_defaults_are_the_authors_later_settings() -> None:
    assert asdict(StateProbeConfig()) == {
        "hidden": [512, 128],
        "activation": "ReLU",
        "dropout": 0.2,
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
        "batch_size": 32,
        "max_epochs": 200,
        "patience": 20,
        "clip_norm": 1.0,
        "validation_fraction": 0.1,
        "standardise": False,
        "base_rate": "training",
        "accelerator": "cpu",
    }


def test_all_faults_of_the_settings_come_in_one_message() -> None:
    config = StateProbeConfig(
        hidden=[0],
        activation="Linear",
        dropout=1.0,
        learning_rate=0.0,
        weight_decay=-1.0,
        batch_size=0,
        max_epochs=0,
        patience=0,
        clip_norm=math.nan,
        validation_fraction=1.0,
        base_rate="third",
    )
    with pytest.raises(SettingsError) as caught:
        check(config, "state_probe")
    names = [fault.split("`")[1].removeprefix("state_probe.") for fault in caught.value.faults]
    assert sorted(names) == sorted(set(asdict(config)) - {"standardise", "accelerator"})
    check(StateProbeConfig(), "state_probe")


@pytest.mark.parametrize("overrides", [{"hiden": [8]}, {"batch_size": "many"}, {"accelerator": "tpu"}])
def test_the_schema_refuses_unknown_words_keys_and_types(overrides: dict[str, Any]) -> None:
    with pytest.raises(OmegaConfBaseException):
        OmegaConf.merge(OmegaConf.structured(StateProbeConfig), overrides)
