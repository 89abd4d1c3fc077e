"""How the probe of CCPS is audited."""

from dataclasses import dataclass
from enum import StrEnum

from ccps.core.fields import LARGEST_COUNT, setting


class TransferBy(StrEnum):
    """What is carried from source to source."""

    logistic = "logistic"
    """Logistic regression on the features (`ccps_logistic`): no seed, and fitted in a blink."""
    probe = "probe"
    """The probe of CCPS, trained three times for each source: takes longer than the probes themselves."""


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
    looks: int | None = setting(
        None,
        "answers that the probe is shown for Shapley values, at most; where the numbers above come to more, each "
        "explained answer gets its own smaller draw of the background. Null means no limit",
        at_least=1,
        at_most=LARGEST_COUNT,
    )
    shifts: bool = setting(
        False, "whether each source of the training questions is left out in its turn, and methods tested on it"
    )
    transfer: TransferBy = setting(
        TransferBy.logistic, "what is trained on one source of questions and tested on all others"
    )
