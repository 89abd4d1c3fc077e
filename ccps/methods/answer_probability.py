import numpy as np

from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class AnswerProbability(Method):
    """The model's own probability of the tokens it answered with: their geometric mean.

    Source: softmax of the model's logits; the first baseline of any calibration paper. The mean over tokens, in
    logarithms, takes the length out (as LitCab, arXiv 2310.19208, has it); of one token it is the plain probability.
    Settings: none.
    """

    name = "answer_probability"
    label = "Answer probability"
    place = 90
    source = "softmax probability of the answer, geometric mean over its tokens"
    is_probability = True
    reads_features = True
    version = 2

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = (Π p(token))^(1 / tokens), each over the whole vocabulary."""
        return np.exp(evidence.mean("original_log_prob_actual")).clip(0.0, 1.0)
