import numpy as np

from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class SequenceProbability(Method):
    """The model's own probability of its whole answer, not normalised by length: long answers look improbable.

    Source: softmax of the model's logits, multiplied over the answer's tokens; of one token it is the answer
    probability. Settings: none.
    """

    name = "sequence_probability"
    label = "Sequence probability"
    place = 100
    source = "softmax probability of the whole answer, product over its tokens"
    is_probability = True
    reads_features = True

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = Π p(token), each over the whole vocabulary."""
        return np.exp(evidence.total("original_log_prob_actual")).clip(0.0, 1.0)
