from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ccps.errors import UserError
from ccps.probes import ProbeConfig
from ccps.probes.config import ACTIVATIONS, EncoderConfig, StageConfig, check_config
from ccps.probes.encoders import build_encoder

CONF = Path(__file__).parents[3] / "conf" / "probe"


def compose_probe(name: str) -> ProbeConfig:
    with initialize_config_dir(str(CONF), version_base=None):
        merged = OmegaConf.merge(OmegaConf.structured(ProbeConfig), compose(name))
    config = OmegaConf.to_object(merged)
    assert isinstance(config, ProbeConfig)
    return config


def test_mc_yaml_says_every_setting_and_is_the_default_recipe():
    raw = OmegaConf.load(CONF / "mc.yaml")
    assert OmegaConf.to_container(raw) == OmegaConf.to_container(OmegaConf.structured(ProbeConfig), enum_to_str=True)
    assert compose_probe("mc") == ProbeConfig()


def test_smoke_changes_only_the_number_of_steps():
    smoke = compose_probe("smoke")
    assert 0 < smoke.contrastive.steps < 100
    assert 0 < smoke.classifier.steps < 100
    for stage, full in (
        (smoke.contrastive, ProbeConfig().contrastive),
        (smoke.classifier, ProbeConfig().classifier),
    ):
        stage.steps, stage.eval_every = full.steps, full.eval_every
    assert smoke == ProbeConfig()


@pytest.mark.parametrize("overrides", [{"checkpoint": "worst"}, {"margim": 2}, {"contrastive": {"steps": "many"}}])
def test_the_schema_refuses_unknown_words_keys_and_types(overrides):
    with pytest.raises(OmegaConfBaseException):
        OmegaConf.merge(OmegaConf.structured(ProbeConfig), overrides)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_on_the_list_builds(activation):
    build_encoder(EncoderConfig(activation=activation), 75, 0.0)


def test_all_faults_come_in_one_message():
    config = ProbeConfig(
        encoder=EncoderConfig(hidden=[64, 0], embed_dim=0, activation="Linear"),
        margin=0.0,
        contrastive=StageConfig(steps=-1, batch_size=0, learning_rate=0.0),
        classifier=StageConfig(weight_decay=-1.0, encoder_dropout=1.0, eval_every=0),
        validation_fraction=1.0,
    )
    with pytest.raises(UserError) as caught:
        check_config(config)
    faults = [line.split("`")[1] for line in str(caught.value).splitlines()]
    assert faults == [
        "probe.encoder.embed_dim",
        "probe.encoder.hidden",
        "probe.encoder.activation",
        "probe.margin",
        "probe.validation_fraction",
        "probe.contrastive.steps",
        "probe.contrastive.batch_size",
        "probe.contrastive.learning_rate",
        "probe.classifier.weight_decay",
        "probe.classifier.encoder_dropout",
        "probe.classifier.eval_every",
    ]
    check_config(ProbeConfig())
