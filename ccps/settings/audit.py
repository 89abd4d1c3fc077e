"""How the probe of CCPS is audited."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, setting


@dataclass
class AuditConfig:
    """How the probe of CCPS is audited."""

    repeats: int = setting(20, "how often each group of features is permuted", at_least=1, at_most=1_000_000)
    explained: int = setting(100, "test answers whose Shapley values are averaged", at_least=1, at_most=LARGEST_COUNT)
    background: int = setting(
        25, "training answers that stand for an absent feature", at_least=1, at_most=LARGEST_COUNT
    )
    permutations: int = setting(
        2, "orders in which features are taken away, for each answer", at_least=1, at_most=1_000_000
    )
