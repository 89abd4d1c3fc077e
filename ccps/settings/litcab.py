"""How LitCab is trained: `conf/litcab/*.yaml`."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_FLOAT, LARGEST_SEED, setting
from ccps.settings.probe import Accelerator


@dataclass
class LitCabConfig:
    """LitCab (arXiv 2310.19208) with the numbers of its released code."""

    learning_rate: float = setting(5e-06, "of AdamW, constant", above=0, at_most=LARGEST_FLOAT)
    weight_decay: float = setting(0.01, "of AdamW, decoupled", at_least=0, at_most=1000)
    penalty: float = setting(
        0.01, "of the Euclidean norm of the weights, the bias left out, in the loss", at_least=0, at_most=1e6
    )
    wrong_bound: float = setting(
        3.0,
        "mean cross-entropy per token, in nats, from which on the wrong answers of a batch are left alone",
        at_least=0,
        at_most=1e6,
    )
    batch_size: int = setting(
        128, "questions of a mini-batch, each with a right and a wrong answer", at_least=1, at_most=LARGEST_COUNT
    )
    epochs: int = setting(
        20,
        "passes over the training questions; the weights of the one with the lowest validation loss are kept",
        at_least=1,
        at_most=1_000_000,
    )
    validation_fraction: float = setting(0.2, "share of the training questions held out", above=0, below=1)
    wrong_seed: int = setting(
        23, "which wrong answers are read; all seeds train on the same", at_least=0, at_most=LARGEST_SEED
    )
    accelerator: Accelerator = setting(
        Accelerator.auto, "where it is trained; one seed gives the same bytes on one kind of device"
    )
