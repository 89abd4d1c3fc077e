"""How LitCab is trained: the schema behind `conf/litcab/*.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass

from ccps.core.errors import UserError
from ccps.probes.config import Accelerator
from ccps.probes.ranges import NOT_NEGATIVE, POSITIVE_INTEGER, fault, faults, refuse


@dataclass
class LitCabConfig:
    """LitCab (arXiv 2310.19208) with the numbers of its released code."""

    learning_rate: float = 5e-6
    """Of AdamW, constant."""
    weight_decay: float = 0.01
    """Of AdamW, decoupled."""
    penalty: float = 0.01
    """Of the Euclidean norm of the weights, the bias left out, in the loss."""
    wrong_bound: float = 3.0
    """Mean cross-entropy per token, in nats, from which on the wrong answers of a batch are left alone."""
    batch_size: int = 128
    """Questions of a mini-batch, each with a right and a wrong answer."""
    epochs: int = 20
    """Passes over the training questions; the weights of the one with the lowest validation loss are kept."""
    validation_fraction: float = 0.2
    """Share of the training questions held out."""
    wrong_seed: int = 23
    """Which wrong answers are read; all seeds train on the same."""
    accelerator: Accelerator = Accelerator.auto
    """One seed gives the same bytes on one kind of device."""


def check_litcab(config: LitCabConfig) -> None:
    """Refuse settings that cannot be trained, all faults in one message.

    Raises:
        UserError: naming every setting that is out of range.
    """
    refuse(_faults(config))


def _faults(config: LitCabConfig) -> Iterator[UserError]:
    yield from faults(config, "litcab")
    for name in ("penalty", "wrong_bound"):
        if not NOT_NEGATIVE.holds(getattr(config, name)):
            yield fault(f"litcab.{name}", NOT_NEGATIVE.wanted, getattr(config, name))
    if not POSITIVE_INTEGER.holds(config.epochs):
        yield fault("litcab.epochs", POSITIVE_INTEGER.wanted, config.epochs)
