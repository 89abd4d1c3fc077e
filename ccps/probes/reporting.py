"""Where training is heard of; none of it changes the result."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ccps.probes.curve import CurvePoint, log_point

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


class Reporting(NamedTuple):
    """Who is told of a fit."""

    logger: "Logger | None" = None
    """Lightning logger that receives the curves."""
    log_prefix: str = "probe"
    """Metrics are named `<log_prefix>/<stage>/<metric>`."""
    on_progress: Callable[[int, int], None] | None = None
    """Called now and then with how much of a fit is done and how much it is in all, in units of the fit's own."""

    def for_seed(self, seed: int) -> "Reporting":
        """The same for one of several fits, whose metrics are named by its seed."""
        return self._replace(log_prefix=f"{self.log_prefix}/seed{seed}")

    def say(self, done: int, total: int) -> None:
        """Tell whoever listens to the progress."""
        if self.on_progress is not None:
            self.on_progress(done, total)

    def log(self, curve: Sequence[CurvePoint]) -> None:
        """Pass evaluations to the logger, if there is one."""
        if self.logger is not None:
            for point in curve:
                log_point(self.logger, self.log_prefix, point)


SILENT = Reporting()
