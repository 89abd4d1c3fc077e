"""What a probe is made of and how it is fitted: `conf/probe/*.yaml`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ccps.core.fields import LARGEST_COUNT, LARGEST_FLOAT, LARGEST_WIDTH, setting
from ccps.core.settings import Fault, fault

ACTIVATIONS = ("ELU", "GELU", "LeakyReLU", "Mish", "PReLU", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Tanh")


class Checkpoint(StrEnum):
    """Which weights of a stage are kept."""

    last = "last"
    """Those after the last step. What the released code does in effect, though it means to keep the best."""
    best = "best"
    """Those with the lowest validation loss (contrastive) or the highest validation accuracy (classifier)."""
    lowest_loss = "lowest_loss"
    """Those with the lowest validation loss after some training, in both stages. An accuracy counts questions, a few
    dozen where data are few, and does not see how sure the probe is of them."""


class NeverFlips(StrEnum):
    """What an infinite `epsilon_to_flip_token` (no radius on the grid flips) becomes at evaluation."""

    strict = "strict"
    """The radius of the grid, as in training."""
    parity_eval = "parity_eval"
    """Zero, as in the released evaluation: the steadiest token looks like the one that flips at once."""


class Padding(StrEnum):
    """What the places beyond the end of an answer do in a network that reads whole answers."""

    masked = "masked"
    """Nothing: zero before each convolution, never the maximum. An embedding does not depend on `max_tokens`."""
    unmasked = "unmasked"
    """They count as tokens at the mean of every feature, as in the released code: `max_tokens` matters."""


class Optimizer(StrEnum):
    """How weight decay enters an update."""

    adam = "adam"
    """Adam with an L2 term in the gradient, as in the released code."""
    adamw = "adamw"
    """AdamW: decoupled from the gradient, `learning_rate · weight_decay` of the weights at each step."""


class Accelerator(StrEnum):
    """Where a probe is trained."""

    cpu = "cpu"
    gpu = "gpu"
    auto = "auto"


@dataclass
class EncoderConfig:
    """The network that embeds an answer: a perceptron on one token's row, or convolutions over its tokens."""

    hidden: list[int] = setting([64, 32, 16], "widths of the hidden layers", at_least=1, at_most=LARGEST_WIDTH)
    kernels: list[int] = setting(
        [],
        "tokens that each convolution spans, one odd number per entry of `hidden`; empty for the perceptron",
        odd=True,
        at_least=1,
        at_most=100_001,
    )
    max_tokens: int = setting(
        30,
        "the convolutions read the first so many tokens of an answer; the perceptron reads the last one",
        at_least=1,
        at_most=1_000_000,
    )
    padding: Padding = setting(
        Padding.masked, "what lies beyond the end of an answer that is shorter; the perceptron has no such places"
    )
    embed_dim: int = setting(8, "width of the embedding", at_least=1, at_most=LARGEST_WIDTH)
    activation: str = setting(
        "ELU",
        "class name in `torch.nn`; follows every hidden layer",
        one_of=ACTIVATIONS,
    )

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        if self.kernels and len(self.kernels) != len(self.hidden):
            yield fault("kernels", f"as many as `hidden` ({len(self.hidden)}) or none", self.kernels)


@dataclass
class HeadConfig:
    """The classifier that reads an embedding; it has no dropout."""

    hidden: list[int] = setting([48, 24, 12], "widths of the hidden layers", at_least=1, at_most=LARGEST_WIDTH)
    activation: str = setting(
        "ELU",
        "class name in `torch.nn`; follows every hidden layer",
        one_of=ACTIVATIONS,
    )


@dataclass
class StageConfig:
    """One run of the optimiser."""

    steps: int = setting(
        5000,
        "mini-batches, or the most of them where `passes` is set; 0 leaves the stage out and keeps the weights as they "
        "come",
        at_least=0,
        at_most=LARGEST_COUNT,
    )
    batch_size: int = setting(
        64, "rows (pairs in the contrastive stage) of a mini-batch", at_least=1, at_most=LARGEST_COUNT
    )
    optimizer: Optimizer = setting(Optimizer.adam, "Adam, or AdamW with decoupled weight decay")
    learning_rate: float = setting(0.0001, "constant: there is no schedule", above=0, at_most=LARGEST_FLOAT)
    weight_decay: float = setting(
        0.01,
        "coefficient of the L2 term that Adam adds to the gradient, or of AdamW's decoupled decay",
        at_least=0,
        at_most=1000,
    )
    encoder_dropout: float = setting(
        0.05, "dropout after each hidden layer of the encoder during this stage", at_least=0, below=1
    )
    eval_every: int = setting(
        500,
        "steps between two passes over the validation rows; step 0 and the last step are always evaluated",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    passes: float | None = setting(
        None,
        "how often training goes through the rows, rounded up to whole evaluations: the steps follow the data; null "
        "for `steps` of them however many rows there are",
        above=0,
        at_most=LARGEST_COUNT,
    )

    def steps_for(self, rows: int) -> int:
        """Mini-batches for so many training rows."""
        if self.passes is None:
            return self.steps
        evaluations = math.ceil(self.passes * rows / (self.batch_size * self.eval_every))
        return min(self.steps, evaluations * self.eval_every)


@dataclass
class ProbeConfig:
    """The probe of CCPS (arXiv 2505.21772) for multiple choice, with the settings of the released code."""

    encoder: EncoderConfig = setting(
        EncoderConfig, "network fitted first by the contrastive loss, then together with the head"
    )
    head: HeadConfig = setting(HeadConfig, "classifier on the embedding")
    margin: float = setting(
        1.0, "distance that the contrastive loss asks for between rows with different labels", above=0, at_most=1e6
    )
    contrastive: StageConfig = setting(StageConfig, "stage 1: the encoder alone, on pairs of rows")
    classifier: StageConfig = setting(
        StageConfig(batch_size=32, encoder_dropout=0.1), "stage 2: encoder and head together, by cross-entropy"
    )
    validation_fraction: float = setting(
        0.1, "share of the training questions held out; a question's rows are never divided", above=0, below=1
    )
    checkpoint: Checkpoint = setting(Checkpoint.last, "which weights each stage hands on")
    never_flips: NeverFlips = setting(
        NeverFlips.strict,
        "what an infinite `epsilon_to_flip_token` becomes at evaluation; in training it is always the radius",
    )
    average: bool = setting(
        False,
        "whether the probes of all seeds become one, whose logit is the mean of theirs; it is what is then reported "
        "and given away",
    )
    refits: int = setting(
        0,
        "further seeds that a fit which has collapsed is tried from, where probes are averaged; one that stays so is "
        "left out of the average",
        at_least=0,
        at_most=100,
    )
    accelerator: Accelerator = setting(
        Accelerator.cpu,
        "where it is trained: one seed gives the same bytes on one kind of device, and a GPU gains nothing with "
        "networks so small",
    )

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        if self.refits and not self.average:
            yield fault("refits", "0 where probes are not averaged", self.refits, "set `average` to true")


@dataclass
class ProbesConfig:
    """The probe of CCPS for each format of answers."""

    mc: ProbeConfig = setting(ProbeConfig, "for multiple choice, reads one token")
    oe: ProbeConfig = setting(ProbeConfig, "for open-ended answers, reads all tokens")
