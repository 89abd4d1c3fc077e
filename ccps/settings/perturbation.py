"""How far and how finely the final state is pushed."""

from dataclasses import dataclass

from ccps.core.fields import setting


@dataclass
class PerturbationConfig:
    """How far and how finely the final state is pushed."""

    radius: float = setting(
        20.0, "largest distance from the original state (the paper's code: 20)", at_least=1e-6, at_most=1e6
    )
    steps: int = setting(5, "equally spaced radii up to it (the paper's code: 5)", at_least=1, at_most=10_000)
    max_scratch_mib: int = setting(
        256, "MiB of logits that are held at a time; bounds memory", at_least=1, at_most=16_777_216
    )
