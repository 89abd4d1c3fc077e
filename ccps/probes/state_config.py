"""What a probe on hidden states is made of and how it is fitted: the schema behind `conf/state_probe/*.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ccps.errors import UserError, expected
from ccps.probes.config import ACTIVATIONS, Accelerator


@dataclass
class StateProbeConfig:
    """A perceptron on one hidden state, with the settings that the authors of CCPS use for P(IK) and SAPLMA.

    They are those of their later project on oncology questions; the settings in CCPS (arXiv 2505.21772) itself are
    not known.
    """

    hidden: list[int] = field(default_factory=lambda: [512, 128])
    """Widths of the hidden layers."""
    activation: str = "ReLU"
    """Class name in `torch.nn`, one of `ACTIVATIONS`; follows every hidden layer."""
    dropout: float = 0.2
    """Dropout after each hidden layer."""
    learning_rate: float = 1e-3
    """Of Adam, constant."""
    weight_decay: float = 1e-4
    """Coefficient of the L2 term that Adam adds to the gradient."""
    batch_size: int = 32
    """Answers of a mini-batch."""
    max_epochs: int = 200
    """Passes over the training answers, at most; the validation loss is taken after each."""
    patience: int = 20
    """Training stops after so many epochs in a row without a lower validation loss."""
    clip_norm: float = 1.0
    """Gradients with a longer Euclidean norm, all weights together, are shortened to this."""
    validation_fraction: float = 0.1
    """Share of the training questions held out; a question's answers are never divided."""
    standardise: bool = False
    """Bring every column of the states to zero mean and unit variance first; else the states are read as they are."""
    accelerator: Accelerator = Accelerator.cpu
    """One seed gives the same bytes on one kind of device."""


def check_state_config(config: StateProbeConfig) -> None:
    """Refuse settings that cannot be trained, all faults in one message.

    Raises:
        UserError: naming every setting that is out of range.
    """
    faults = list(_faults(config))
    if faults:
        raise UserError("\n".join(str(fault) for fault in faults))


def _faults(config: StateProbeConfig) -> Iterator[UserError]:
    def fault(name: str, wanted: str) -> UserError:
        return expected(
            f"`state_probe.{name}`",
            wanted,
            getattr(config, name),
            "Change it in conf/state_probe or on the command line.",
        )

    if any(width < 1 for width in config.hidden):
        yield fault("hidden", "positive integers")
    if config.activation not in ACTIVATIONS:
        yield fault("activation", f"one of {', '.join(ACTIVATIONS)}")
    if not 0 <= config.dropout < 1:
        yield fault("dropout", "in [0, 1)")
    for name in ("learning_rate", "clip_norm"):
        if not getattr(config, name) > 0:
            yield fault(name, "above 0")
    if not config.weight_decay >= 0:
        yield fault("weight_decay", "0 or more")
    for name in ("batch_size", "max_epochs", "patience"):
        if getattr(config, name) < 1:
            yield fault(name, "a positive integer")
    if not 0 < config.validation_fraction < 1:
        yield fault("validation_fraction", "between 0 and 1")
