"""How a scorer's methods are fitted: the recipes `auto_mc` and `auto_oe` of `conf/probe`, from the same seeds."""

from ccps.methods import TrainingSettings
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.probe import (
    Checkpoint,
    EncoderConfig,
    HeadConfig,
    Optimizer,
    Padding,
    ProbeConfig,
    StageConfig,
)
from ccps.settings.state_probe import StateProbeConfig

SEEDS = (23, 24, 25, 26, 27)
PERTURBATION = PerturbationConfig()

METHODS = (
    "stack",
    "ccps",
    "ccps_logistic",
    "middle_logistic",
    "answer_probability",
    "option_probability",
    "entropy",
)
"""Among which `fit` chooses if none is named: what one pass shows, and what takes seconds to fit."""


def _probe(encoder: EncoderConfig, head: HeadConfig, contrastive: StageConfig, dropout: float) -> ProbeConfig:
    classifier = StageConfig(
        batch_size=32,
        optimizer=Optimizer.adamw,
        learning_rate=1e-3,
        encoder_dropout=dropout,
        eval_every=25,
        passes=16,
    )
    return ProbeConfig(
        encoder=encoder,
        head=head,
        contrastive=contrastive,
        classifier=classifier,
        checkpoint=Checkpoint.lowest_loss,
        average=True,
        refits=3,
    )


PROBES = {
    "mc": _probe(EncoderConfig(), HeadConfig(), StageConfig(steps=0), dropout=0.1),
    "oe": _probe(
        EncoderConfig(kernels=[3, 3, 3], padding=Padding.unmasked, embed_dim=16, activation="ReLU"),
        HeadConfig(hidden=[32], activation="ReLU"),
        StageConfig(steps=0, batch_size=32, learning_rate=1e-3),
        dropout=0.2,
    ),
}


def training_settings(format: str) -> TrainingSettings:
    """How methods are trained on questions of a format."""
    return TrainingSettings(PROBES[format], StateProbeConfig(), PERTURBATION.radius)
