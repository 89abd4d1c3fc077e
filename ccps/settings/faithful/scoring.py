"""How traces become scores."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_RESAMPLES, LARGEST_SEED, setting

MODES = ("strict", "parity")


@dataclass
class ScoringSettings:
    """How traces become scores."""

    mode: str = setting(
        "strict",
        "`strict` does what is right, `parity` what the released code of arXiv 2606.03969 does: it leaves out"
        " traces whose answer could not be read, for instance",
        one_of=MODES,
    )
    bins: int = setting(10, "of confidence, in cMFG and cMFG*", at_least=1, at_most=1_000_000)
    resamples: int = setting(1000, "of the bootstrap", at_least=1, at_most=LARGEST_RESAMPLES)
    level: float = setting(0.95, "probability that an interval is to hold", above=0, below=1)
    seed: int = setting(42, "of the resampling", at_least=0, at_most=LARGEST_SEED)
