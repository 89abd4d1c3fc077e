"""What a probe on hidden states is made of and how it is fitted: `conf/state_probe/*.yaml`."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_FLOAT, LARGEST_WIDTH, setting
from ccps.settings.probe import ACTIVATIONS, Accelerator


@dataclass
class StateProbeConfig:
    """A perceptron on one hidden state, with the settings that the authors of CCPS use for P(IK) and SAPLMA.

    They are those of their later project on oncology questions; the settings in CCPS (arXiv 2505.21772) itself are
    not known.
    """

    hidden: list[int] = setting([512, 128], "widths of the hidden layers", at_least=1, at_most=LARGEST_WIDTH)
    activation: str = setting(
        "ReLU",
        "class name in `torch.nn`; follows every hidden layer",
        one_of=ACTIVATIONS,
    )
    dropout: float = setting(0.2, "dropout after each hidden layer", at_least=0, below=1)
    learning_rate: float = setting(0.001, "of Adam, constant", above=0, at_most=LARGEST_FLOAT)
    weight_decay: float = setting(
        0.0001, "coefficient of the L2 term that Adam adds to the gradient", at_least=0, at_most=1000
    )
    batch_size: int = setting(32, "answers of a mini-batch", at_least=1, at_most=LARGEST_COUNT)
    max_epochs: int = setting(
        200,
        "passes over the training answers, at most; the validation loss is taken after each",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    patience: int = setting(
        20,
        "training stops after so many epochs in a row without a lower validation loss",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    clip_norm: float = setting(
        1.0, "gradients with a longer Euclidean norm, all weights together, are shortened to this", above=0, at_most=1e9
    )
    validation_fraction: float = setting(
        0.1, "share of the training questions held out; a question's answers are never divided", above=0, below=1
    )
    standardise: bool = setting(
        False,
        "bring every column of the states to zero mean and unit variance first; else the states are read as they are",
    )
    base_rate: str = setting(
        "training",
        "of right answers, that P(correct) is meant for. training: as many as in training, the logarithm of the weight "
        "of right answers in the loss being subtracted from the logit; half: one half, as that weight makes it",
        one_of=("training", "half"),
    )
    accelerator: Accelerator = setting(
        Accelerator.cpu, "where it is trained; one seed gives the same bytes on one kind of device"
    )
