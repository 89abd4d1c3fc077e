"""How a language model is tuned to judge its own answers: `conf/tuning/*.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from ccps.core.fields import LARGEST_COUNT, LARGEST_FLOAT, LARGEST_SEED, LARGEST_WIDTH, setting
from ccps.core.settings import Fault, fault


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

    rank: int = setting(8, "of the low-rank matrices", at_least=1, at_most=LARGEST_WIDTH)
    alpha: int = setting(32, "their product is scaled by alpha / rank", at_least=1, at_most=1_000_000)
    dropout: float = setting(0.1, "on what goes into them, in training", at_least=0, below=1)
    target_modules: list[str] = setting(
        [],
        "names of the layers that get them, the head excepted; empty for peft's choice: query and value "
        "projections of most architectures",
    )
    divergence: Divergence = setting(
        Divergence.jsd, "what keeps the tuned model close to the untuned one on the tokens of its answers"
    )
    divergence_weight: float = setting(
        1.0, "of that divergence in the loss; see `unregularised`", at_least=0, at_most=1e6
    )
    steps: int = setting(10000, "updates", at_least=1, at_most=LARGEST_COUNT)
    warmup_steps: int = setting(
        1000,
        "updates over which the learning rate rises from 0, after which it falls to 0 along a cosine",
        at_least=0,
        at_most=LARGEST_COUNT,
    )
    batch_size: int = setting(32, "answers of an update", at_least=1, at_most=LARGEST_COUNT)
    micro_batch: int = setting(
        4,
        "answers that are read at once; an update adds up their gradients. Bounds memory",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    learning_rate: float = setting(0.0001, "of AdamW, the highest", above=0, at_most=LARGEST_FLOAT)
    weight_decay: float = setting(0.0, "of AdamW", at_least=0, at_most=1000)
    clip_norm: float = setting(
        1.0, "gradients with a longer Euclidean norm, all weights together, are shortened to this", above=0, at_most=1e9
    )
    save_every: int = setting(
        1000,
        "updates between two saved states: the most that is lost when a run is killed",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    seed: int = setting(23, "of the initial weights, the batches and the dropout", at_least=0, at_most=LARGEST_SEED)

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        if self.warmup_steps > self.steps:
            yield fault("warmup_steps", f"at most `steps` ({self.steps})", self.warmup_steps)


def unregularised(config: TuningConfig) -> TuningConfig:
    """The same recipe without the divergence: instruction tuning."""
    return replace(config, divergence=Divergence.jsd, divergence_weight=0.0)
