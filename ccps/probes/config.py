"""What a probe is made of and how it is fitted: the schema behind `conf/probe/*.yaml`.

The dataclasses are not frozen: OmegaConf makes frozen ones read-only, which would refuse every override.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ccps.core.errors import UserError
from ccps.probes.ranges import fault, faults, refuse


class Checkpoint(StrEnum):
    """Which weights of a stage are kept."""

    last = "last"
    """Those after the last step. What the released code does in effect, though it means to keep the best."""
    best = "best"
    """Those with the lowest validation loss (contrastive) or the highest validation accuracy (classifier)."""


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


class Fitting(StrEnum):
    """How one recipe is fitted from several seeds; the probes are the same up to rounding."""

    batched = "batched"
    """All at once: their weights are stacked, and one optimiser updates them together."""
    lightning = "lightning"
    """One after the other, each by Lightning trainers of its own, as the logger and callbacks see them."""


class Accelerator(StrEnum):
    """Where a probe is trained."""

    cpu = "cpu"
    gpu = "gpu"
    auto = "auto"


@dataclass
class EncoderConfig:
    """The network that embeds an answer: a perceptron on one token's row, or convolutions over its tokens."""

    hidden: list[int] = field(default_factory=lambda: [64, 32, 16])
    """Widths of the hidden layers."""
    kernels: list[int] = field(default_factory=list)
    """Tokens that each convolution spans, one odd number per entry of `hidden`; empty for the perceptron."""
    max_tokens: int = 30
    """The convolutions read the first so many tokens of an answer; the perceptron reads the last one."""
    padding: Padding = Padding.masked
    """What lies beyond the end of an answer that is shorter; the perceptron has no such places."""
    embed_dim: int = 8
    """Width of the embedding."""
    activation: str = "ELU"
    """Class name in `torch.nn`, one of `ccps.probes.ranges.ACTIVATIONS`; follows every hidden layer."""


@dataclass
class HeadConfig:
    """The classifier that reads an embedding; it has no dropout."""

    hidden: list[int] = field(default_factory=lambda: [48, 24, 12])
    """Widths of the hidden layers."""
    activation: str = "ELU"
    """Class name in `torch.nn`, one of `ccps.probes.ranges.ACTIVATIONS`; follows every hidden layer."""


@dataclass
class StageConfig:
    """One run of the optimiser."""

    steps: int = 5000
    """Mini-batches; 0 leaves the stage out and keeps the weights as they come."""
    batch_size: int = 64
    """Rows (pairs in the contrastive stage) of a mini-batch."""
    optimizer: Optimizer = Optimizer.adam
    """Adam, or AdamW with decoupled weight decay."""
    learning_rate: float = 1e-4
    """Constant: there is no schedule."""
    weight_decay: float = 0.01
    """Coefficient of the L2 term that Adam adds to the gradient, or of AdamW's decoupled decay."""
    encoder_dropout: float = 0.05
    """Dropout after each hidden layer of the encoder during this stage."""
    eval_every: int = 500
    """Steps between two passes over the validation rows; step 0 and the last step are always evaluated."""


@dataclass
class ProbeConfig:
    """The probe of CCPS (arXiv 2505.21772) for multiple choice, with the settings of the released code."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Network fitted first by the contrastive loss, then together with the head."""
    head: HeadConfig = field(default_factory=HeadConfig)
    """Classifier on the embedding."""
    margin: float = 1.0
    """Distance that the contrastive loss asks for between rows with different labels."""
    contrastive: StageConfig = field(default_factory=StageConfig)
    """Stage 1: the encoder alone, on pairs of rows."""
    classifier: StageConfig = field(default_factory=lambda: StageConfig(batch_size=32, encoder_dropout=0.1))
    """Stage 2: encoder and head together, by cross-entropy."""
    validation_fraction: float = 0.1
    """Share of the training questions held out; a question's rows are never divided."""
    checkpoint: Checkpoint = Checkpoint.last
    """Which weights each stage hands on."""
    never_flips: NeverFlips = NeverFlips.strict
    """What an infinite `epsilon_to_flip_token` becomes at evaluation; in training it is always the radius."""
    fitting: Fitting = Fitting.batched
    """Whether the seeds of a method are fitted together."""
    accelerator: Accelerator = Accelerator.cpu
    """One seed gives the same bytes on one kind of device; the networks are too small to gain from a GPU."""


def check_config(config: ProbeConfig, name: str = "probe") -> None:
    """Refuse settings that cannot be trained, all faults in one message.

    Args:
        config: the recipe.
        name: where it stands in an experiment.

    Raises:
        UserError: naming every setting that is out of range.
    """
    refuse(_faults(config, name))


def _faults(config: ProbeConfig, name: str) -> Iterator[UserError]:
    yield from faults(config, name)
    encoder = config.encoder
    if encoder.kernels and len(encoder.kernels) != len(encoder.hidden):
        wanted = f"as many as `encoder.hidden` ({len(encoder.hidden)}) or none"
        yield fault(f"{name}.encoder.kernels", wanted, encoder.kernels)
