import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ccps.core.errors import UserError
from ccps.core.settings import SettingsError, check
from ccps.probes import ProbeConfig
from ccps.probes.encoders import build_encoder
from ccps.settings.probe import ACTIVATIONS, EncoderConfig, HeadConfig, Optimizer, Padding, StageConfig

CONF = Path(__file__).parents[3] / "conf" / "probe"


def compose_probe(name: str) -> ProbeConfig:
    with initialize_config_dir(str(CONF), version_base=None):
        merged = OmegaConf.merge(OmegaConf.structured(ProbeConfig), compose(name))
    config = OmegaConf.to_object(merged)
    assert isinstance(config, ProbeConfig)
    check(config, "probe")
    return config


def test_mc_yaml_says_every_setting_and_is_the_default_recipe() -> None:
    raw = OmegaConf.load(CONF / "mc.yaml")
    assert OmegaConf.to_container(raw) == OmegaConf.to_container(OmegaConf.structured(ProbeConfig), enum_to_str=True)
    assert compose_probe("mc") == ProbeConfig()


def test_oe_released_yaml_says_every_setting() -> None:
    raw = OmegaConf.to_container(OmegaConf.load(CONF / "oe_released.yaml"))
    defaults = OmegaConf.to_container(OmegaConf.structured(ProbeConfig))

    def keys(settings: Any, prefix: str = "") -> Iterator[Any]:
        for name, value in settings.items():
            yield from keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]

    assert sorted(keys(raw)) == sorted(keys(defaults))


def test_the_released_recipe_for_open_ended_answers() -> None:
    assert compose_probe("oe_released") == ProbeConfig(
        encoder=EncoderConfig([64, 32, 16], [3, 3, 3], 30, Padding.unmasked, 16, "ReLU"),
        head=HeadConfig([32], "ReLU"),
        contrastive=StageConfig(5000, 32, Optimizer.adam, 1e-3, 0.01, 0.05, 500),
        classifier=StageConfig(5000, 32, Optimizer.adam, 1e-4, 0.01, 0.2, 500),
    )


def test_the_restated_recipe_for_open_ended_answers() -> None:
    assert compose_probe("oe_paper") == ProbeConfig(
        encoder=EncoderConfig([64, 32], [3, 3], 30, Padding.unmasked, 16, "ReLU"),
        head=HeadConfig([32], "ReLU"),
        contrastive=StageConfig(5000, 32, Optimizer.adamw, 1e-4, 0.1, 0.0, 500),
        classifier=StageConfig(5000, 32, Optimizer.adamw, 1e-4, 0.1, 0.0, 500),
    )


@pytest.mark.parametrize(("name", "recipe"), [("smoke", "mc"), ("oe_smoke", "oe_released")])
def test_smoke_changes_only_the_number_of_steps(name: str, recipe: str) -> None:
    smoke, full = compose_probe(name), compose_probe(recipe)
    assert 0 < smoke.contrastive.steps < 100
    assert 0 < smoke.classifier.steps < 100
    for stage, full_stage in ((smoke.contrastive, full.contrastive), (smoke.classifier, full.classifier)):
        stage.steps, stage.eval_every = full_stage.steps, full_stage.eval_every
    assert smoke == full


@pytest.mark.parametrize(
    "overrides",
    [
        {"checkpoint": "worst"},
        {"margim": 2},
        {"contrastive": {"steps": "many"}},
        {"contrastive": {"optimizer": "sgd"}},
        {"encoder": {"padding": "mirrored"}},
        {"encoder": {"kernels": 3}},
    ],
)
def test_the_schema_refuses_unknown_words_keys_and_types(overrides: dict[str, Any]) -> None:
    with pytest.raises(OmegaConfBaseException):
        OmegaConf.merge(OmegaConf.structured(ProbeConfig), overrides)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_on_the_list_builds(activation: Any) -> None:
    encoder = build_encoder(EncoderConfig(activation=activation), 75, 0.0)
    assert activation in {type(module).__name__ for module in encoder.modules()}


def test_all_faults_come_in_one_message() -> None:
    config = ProbeConfig(
        encoder=EncoderConfig(hidden=[64, 0], kernels=[3, 4, -1], max_tokens=0, embed_dim=0, activation="Linear"),
        margin=0.0,
        contrastive=StageConfig(steps=-1, batch_size=0, learning_rate=0.0),
        classifier=StageConfig(weight_decay=-1.0, encoder_dropout=1.0, eval_every=0),
        validation_fraction=1.0,
    )
    with pytest.raises(SettingsError) as caught:
        check(config, "probe")
    faults = [fault.split("`")[1] for fault in caught.value.faults]
    assert faults == [
        "probe.encoder.hidden",
        "probe.encoder.kernels",
        "probe.encoder.max_tokens",
        "probe.encoder.embed_dim",
        "probe.encoder.activation",
        "probe.margin",
        "probe.contrastive.steps",
        "probe.contrastive.batch_size",
        "probe.contrastive.learning_rate",
        "probe.classifier.weight_decay",
        "probe.classifier.encoder_dropout",
        "probe.classifier.eval_every",
        "probe.validation_fraction",
    ]
    check(ProbeConfig(), "probe")


def test_a_fault_is_named_by_the_place_of_the_recipe() -> None:
    message = r"expected `probe\.oe\.margin` to be above 0 and at most 1000000, but got 0\.0"
    with pytest.raises(UserError, match=message):
        check(ProbeConfig(margin=0.0), "probe.oe")


def test_nan_is_within_no_range() -> None:
    stage = StageConfig(learning_rate=math.nan, weight_decay=math.nan, encoder_dropout=math.nan)
    with pytest.raises(SettingsError) as caught:
        check(ProbeConfig(margin=math.nan, contrastive=stage, validation_fraction=math.nan), "probe")
    assert len(caught.value.faults) == 5


@pytest.mark.parametrize(
    ("hidden", "kernels", "message"),
    [
        ([8, 8], [3, 4], r"to be odd numbers from 1 to 100001, but got \[3, 4\]"),
        ([8], [-1], r"to be odd numbers from 1 to 100001, but got \[-1\]"),
        ([8, 8], [3], r"to be as many as `hidden` \(2\) or none, but got \[3\]"),
        ([], [3], r"to be as many as `hidden` \(0\) or none, but got \[3\]"),
    ],
)
def test_kernels_that_do_not_fit_are_refused(hidden: list[Any], kernels: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(ProbeConfig(encoder=EncoderConfig(hidden=hidden, kernels=kernels)), "probe")
