from ccps.methods.base import Evidence, FloatArray, Method


class AnswerProbability(Method):
    """The model's own probability of the token it answered with.

    Source: softmax of the model's logits; the first baseline of any calibration paper. Settings: none.
    """

    name = "answer_probability"
    label = "Answer probability"
    source = "softmax probability of the answer token"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = p(answer token), over the whole vocabulary."""
        return evidence.column("original_prob_actual").clip(0.0, 1.0)
