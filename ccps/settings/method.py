"""A method of the comparison: `conf/method/*.yaml`."""

from dataclasses import dataclass

from ccps.core.fields import MISSING, setting


@dataclass
class MethodConfig:
    """A confidence method of the comparison."""

    name: str = setting(MISSING, "which one, a name in `ccps.methods.METHODS`")
    calibrator: str | None = setting(
        None, "`temperature`, `platt`, `isotonic` or `intercept`, fitted on top of it; null for none"
    )
    seeds: int | None = setting(
        None, "from how many of the seeds it is trained, the first ones; null for all", at_least=1, at_most=10_000
    )
