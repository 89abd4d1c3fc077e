"""Two controls that every table carries: CCPS that has learnt nothing, and CCPS for which no direction is special."""

import numpy as np
import numpy.typing as npt

from ccps.methods.ccps import CCPS
from ccps.methods.registry import register


@register
class ShuffledLabels(CCPS):
    """CCPS fitted to labels that have been dealt out anew among the training answers.

    Ours: a leak audit. It sees the same features with the same share of right answers, so that whatever it ranks better
    than chance on the test has come in by another way than learning.
    """

    name = "ccps_shuffled"
    label = "CCPS, labels shuffled"
    place = 160
    source = "control: the probe of CCPS on labels that mean nothing"
    is_control = True

    def labels(self, correct: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.bool_]:
        """The labels in another order for each seed."""
        return np.random.default_rng(seed).permutation(correct)


@register
class RandomDirections(CCPS):
    """CCPS on states that are pushed in random directions instead of up the gradient.

    Ours: an ablation. What it reaches owes nothing to the direction; the features of the unmoved state are the same.
    """

    name = "ccps_random"
    label = "CCPS, random directions"
    place = 150
    source = "control: the probe of CCPS on features along random directions"
    direction = "random"
    is_control = True
