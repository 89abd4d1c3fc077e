import numpy as np

from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.logistic import LogisticMethod
from ccps.methods.registry import register


@register
class MiddleLogistic(LogisticMethod):
    """L2-logistic regression on the mean state of the answer's tokens in the middle of the model.

    Source: arXiv 2604.11662, as a linear probe on mean-pooled middle layers is described of it; the paper itself could
    not be read when this was written. Ours, therefore: the layer (the entry L//2 of a model's hidden states), the
    standardised columns, the strength by cross-validation over questions. Settings: none.
    """

    name = "middle_logistic"
    label = "Middle layer, logistic"
    place = 33
    source = "L2-logistic regression on the mean state of the answer in the middle layer (arXiv 2604.11662)"
    needs = frozenset({"pooled_states"})

    def columns(self, evidence: Evidence) -> FloatArray:
        """The means."""
        return np.asarray(evidence.read("pooled_states"), dtype=np.float64)
