"""What a probe on hidden states is made of and how it is fitted: the schema behind `conf/state_probe/*.yaml`."""

from dataclasses import dataclass, field

from ccps.probes.config import Accelerator
from ccps.probes.ranges import faults, refuse


@dataclass
class StateProbeConfig:
    """A perceptron on one hidden state, with the settings that the authors of CCPS use for P(IK) and SAPLMA.

    They are those of their later project on oncology questions; the settings in CCPS (arXiv 2505.21772) itself are
    not known.
    """

    hidden: list[int] = field(default_factory=lambda: [512, 128])
    """Widths of the hidden layers."""
    activation: str = "ReLU"
    """Class name in `torch.nn`, one of `ccps.probes.ranges.ACTIVATIONS`; follows every hidden layer."""
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


def check_state_config(config: StateProbeConfig, name: str = "state_probe") -> None:
    """Refuse settings that cannot be trained, all faults in one message.

    Args:
        config: the recipe.
        name: where it stands in an experiment.

    Raises:
        UserError: naming every setting that is out of range.
    """
    refuse(faults(config, name))
