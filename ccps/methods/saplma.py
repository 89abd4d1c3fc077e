from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ccps.asking.follow_up import LAYERS
from ccps.methods.evidence import Evidence
from ccps.methods.registry import register
from ccps.methods.states import StateMethod


class SAPLMA(StateMethod):
    """A probe on what one layer holds when the model has read its own answer.

    Source: SAPLMA, Azaria & Mitchell 2023 (arXiv 2304.13734), a perceptron on the state of the last token. Three layers
    L//2, int(0.75 L) and L−1 of a model's L (M, UM, F), where L−1 is the input of the last block; the last token is
    the one that the chat template ends an answer with. These, and the network (`StateProbeConfig`: 512 and 128 hidden
    units, the same as for P(IK)), are what the authors of CCPS use in a later project on oncology questions. In
    another of theirs, as in SAPLMA itself, there are 256, 128 and 64 (`state_probe.hidden=[256,128,64]`). What CCPS
    (arXiv 2505.21772) used is not known. Settings: `conf/state_probe`.
    """

    needs = frozenset({"layer_states"})
    layer: ClassVar[str]
    """One of `LAYERS`."""

    def states(self, evidence: Evidence) -> npt.NDArray[np.float32]:
        """The states of the layer."""
        states: npt.NDArray[np.float32] = evidence.read("layer_states")[:, LAYERS.index(self.layer)]
        return states


@register
class SAPLMAMiddle(SAPLMA):
    """SAPLMA in the middle of the model."""

    name = "saplma_m"
    label = "SAPLMA-M"
    place = 30
    source = "probe on the hidden state of the last token in the middle layer (arXiv 2304.13734)"
    layer = "middle"


@register
class SAPLMAUpperMiddle(SAPLMA):
    """SAPLMA three quarters of the way up."""

    name = "saplma_um"
    label = "SAPLMA-UM"
    place = 31
    source = "probe on the hidden state of the last token in the upper middle layer (arXiv 2304.13734)"
    layer = "upper_middle"


@register
class SAPLMAFinal(SAPLMA):
    """SAPLMA on what the last block reads."""

    name = "saplma_f"
    label = "SAPLMA-F"
    place = 32
    source = "probe on the hidden state of the last token before the last block (arXiv 2304.13734)"
    layer = "final"
