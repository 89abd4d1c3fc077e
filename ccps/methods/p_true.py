import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ccps.methods.base import Evidence, FloatArray, Method


def probability_of_yes(logits: npt.NDArray[np.float32]) -> FloatArray:
    """Softmax over the logits of "no" and "yes" `[answers, 2]`, at "yes": `[answers]`."""
    no, yes = logits.astype(np.float64).T
    probability: FloatArray = expit(yes - no)
    return probability


class PTrue(Method):
    """The model's own "yes" when it is asked whether its answer is correct.

    Source: P(True), Kadavath et al. 2022 (arXiv 2207.05221); the question is the self-evaluation query of the code
    released with CCPS (arXiv 2505.21772). Ours: the query is a turn of its own after the answer. Settings: none.
    """

    name = "p_true"
    label = "P(True)"
    source = 'softmax over the options "no" and "yes" of a self-evaluation query'
    needs = frozenset({"self_evaluation"})

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = softmax over the logits of the two option letters, at "yes".

        Raises:
            ValueError: the evidence holds no self-evaluation.
        """
        return probability_of_yes(evidence.read("self_evaluation"))
