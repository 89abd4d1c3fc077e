import numpy as np
import numpy.typing as npt

from ccps.methods.evidence import Evidence
from ccps.methods.registry import register
from ccps.methods.states import StateMethod


@register
class PIK(StateMethod):
    """A probe that reads off the prompt alone whether the model will answer correctly.

    Source: P(IK), "I know", Kadavath et al. 2022 (arXiv 2207.05221); the network and its training are those that the
    authors of CCPS use for it in later work (`StateProbeConfig`); what CCPS (arXiv 2505.21772) used is not known. The
    state is the final-normed one of the last prompt token, generation prompt included. Settings: `conf/state_probe`.
    """

    name = "p_ik"
    label = "P(IK)"
    place = 20
    source = "probe on the hidden state of the last prompt token"
    needs = frozenset({"prompt_states"})

    def states(self, evidence: Evidence) -> npt.NDArray[np.float32]:
        """The prompt states."""
        states: npt.NDArray[np.float32] = evidence.read("prompt_states")
        return states
