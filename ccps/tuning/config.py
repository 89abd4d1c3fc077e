"""How a language model is tuned to judge its own answers: the schema behind `conf/tuning/*.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ccps.core.errors import UserError
from ccps.probes.ranges import NOT_NEGATIVE, POSITIVE_INTEGER, fault, faults, refuse


class Divergence(StrEnum):
    """How the distance of the tuned model's next-token distribution p from the untuned one's, r, is measured."""

    jsd = "jsd"
    """Jensen–Shannon: half of KL(p‖m) plus half of KL(r‖m), with m halfway between both. The released default."""
    forward_kl = "forward_kl"
    """KL(r‖p)."""
    reverse_kl = "reverse_kl"
    """KL(p‖r)."""


@dataclass
class TuningConfig:
    """Calibration-Tuning (arXiv 2406.08391) by LoRA (arXiv 2106.09685), with the numbers of the paper.

    The released command line takes fewer: batches of 4, 5000 steps.
    """

    rank: int = 8
    """Of the low-rank matrices."""
    alpha: int = 32
    """Their product is scaled by alpha / rank."""
    dropout: float = 0.1
    """On what goes into them, in training."""
    target_modules: list[str] = field(default_factory=list)
    """Names of the layers that get them, the head excepted; empty for peft's choice: query and value projections of
    most architectures."""
    divergence: Divergence = Divergence.jsd
    """What keeps the tuned model close to the untuned one on the tokens of its answers."""
    divergence_weight: float = 1.0
    """Of that divergence in the loss; see `unregularised`."""
    steps: int = 10_000
    """Updates."""
    warmup_steps: int = 1000
    """Updates over which the learning rate rises from 0, after which it falls to 0 along a cosine."""
    batch_size: int = 32
    """Answers of an update."""
    micro_batch: int = 4
    """Answers that are read at once; an update adds up their gradients. Bounds memory."""
    learning_rate: float = 1e-4
    """Of AdamW, the highest."""
    weight_decay: float = 0.0
    """Of AdamW."""
    clip_norm: float = 1.0
    """Gradients with a longer Euclidean norm, all weights together, are shortened to this."""
    save_every: int = 1000
    """Updates between two saved states: the most that is lost when a run is killed."""
    seed: int = 23
    """Of the initial weights, the batches and the dropout."""


def unregularised(config: TuningConfig) -> TuningConfig:
    """The same recipe without the divergence: instruction tuning."""
    return replace(config, divergence=Divergence.jsd, divergence_weight=0.0)


def check_tuning(config: TuningConfig) -> None:
    """Refuse settings that cannot be trained, all faults in one message.

    Raises:
        UserError: naming every setting that is out of range.
    """
    refuse(_faults(config))


def _faults(config: TuningConfig) -> Iterator[UserError]:
    yield from faults(config, "tuning")
    for name in ("rank", "alpha", "steps", "micro_batch", "save_every"):
        value = getattr(config, name)
        if not POSITIVE_INTEGER.holds(value):
            yield fault(f"tuning.{name}", POSITIVE_INTEGER.wanted, value)
    if not NOT_NEGATIVE.holds(config.divergence_weight):
        yield fault("tuning.divergence_weight", NOT_NEGATIVE.wanted, config.divergence_weight)
    if not 0 <= config.warmup_steps <= config.steps:
        wanted = f"between 0 and `tuning.steps` ({config.steps})"
        yield fault("tuning.warmup_steps", wanted, config.warmup_steps)
