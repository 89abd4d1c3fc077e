"""A scorer with a probe that was fitted on noise, to be read on the steps of traces."""

import numpy as np

from ccps.asking.interview import Manner
from ccps.llm import ModelConfig
from ccps.methods.ccps import by_probe
from ccps.methods.stored_scorer import ScorerSettings, StoredScorer
from ccps.probes import FittedProbe, ProbeConfig, ProbeEnsemble, fit_probe
from ccps.settings.probe import EncoderConfig, StageConfig

RADIUS, STEPS = 7.0, 3


def fitted(encoder: EncoderConfig) -> FittedProbe:
    rng = np.random.default_rng(0)
    stage = StageConfig(steps=10, eval_every=10)
    config = ProbeConfig(encoder=encoder, contrastive=stage, classifier=stage)
    answers = np.repeat(np.arange(40), 3)
    return fit_probe(rng.normal(size=(120, 75)), answers % 2, answers.tolist(), config, 0, radius=RADIUS)


def make_scorer(probe: FittedProbe | ProbeEnsemble, form: str = "oe") -> StoredScorer:
    settings = ScorerSettings(
        model_name="tiny",
        model=ModelConfig(),
        fingerprint="mine",
        radius=RADIUS,
        steps=STEPS,
        format=form,
        manner=Manner(),
    )
    return StoredScorer(by_probe(probe), settings)
