from ccps.methods.base import TrainingSettings
from ccps.methods.ccps import CCPS
from ccps.methods.registry import register
from ccps.probes import ProbeConfig


@register
class CCPSByThePaper(CCPS):
    """CCPS with the probe fitted as in the paper, whatever recipe `ccps` follows.

    Source: arXiv 2505.21772; the recipes of the released code, `conf/probe/mc.yaml` and `conf/probe/oe_released.yaml`.
    """

    name = "ccps_paper"
    label = "CCPS, the paper's recipe"
    place = 11
    source = "probe on 75 stability features, fitted as in the released code (arXiv 2505.21772)"

    def recipe(self, settings: TrainingSettings) -> ProbeConfig:
        """The paper's, if the settings name it; else the one there is."""
        return settings.paper_probe or settings.probe
