import numpy as np
import pytest

from ccps.methods import Evidence, TrainingAnswers, TrainingSettings
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import ProbeConfig, StateProbeConfig
from ccps.settings.probe import EncoderConfig, HeadConfig, StageConfig


@pytest.fixture(scope="session")
def answers() -> TrainingAnswers:
    """80 answers of one token; the first feature, and one number of every state, say whether they are right."""
    rng = np.random.default_rng(0)
    correct = np.arange(80) % 2 == 0
    features = rng.normal(size=(80, len(FEATURE_NAMES))).astype(np.float32)
    features[:, 0] += 6 * correct
    states = rng.normal(size=(4, 80, 5)).astype(np.float32)
    states[range(4), :, range(4)] += 6 * correct
    logits = rng.normal(size=(80, 2)).astype(np.float32)
    logits[:, 1] += 2 + 3 * correct
    known = Evidence(
        features,
        np.ones(80, dtype=np.int64),
        100,
        needs={
            "prompt_states": states[3],
            "layer_states": states[:3].swapaxes(0, 1),
            "self_evaluation": logits,
        },
    )
    return TrainingAnswers(known, correct, [str(index) for index in range(80)])


@pytest.fixture(scope="session")
def settings() -> TrainingSettings:
    probe = ProbeConfig(
        encoder=EncoderConfig(hidden=[8], embed_dim=4),
        head=HeadConfig(hidden=[]),
        contrastive=StageConfig(steps=0),
        classifier=StageConfig(steps=200, eval_every=100, learning_rate=1e-2, weight_decay=0.0),
    )
    return TrainingSettings(probe, StateProbeConfig(hidden=[8], learning_rate=1e-2, max_epochs=30), 20.0)
