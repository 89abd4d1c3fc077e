from ccps.asking.follow_up import probability_of_yes
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class CalibrationTuning(Method):
    """The "yes" of the model to its own answer, after it was tuned to judge its answers and else to stay as it was.

    Source: Calibration-Tuning, LoRA + Prompt (arXiv 2406.08391). LoRA on the model; cross-entropy over the two options
    of the self-evaluation query, plus the divergence from the untuned model on the tokens of the answer. The numbers
    are the paper's. Ours: the query is that of CCPS (arXiv 2505.21772) in a turn of its own; the divergence is taken on
    the model's own answers, where the released code takes the data's; the model is held in its own dtype and not in
    int8. Settings: `conf/tuning`.
    """

    name = "ct"
    label = "Calibration-Tuning"
    place = 70
    source = 'softmax over "no" and "yes" of a self-evaluation query, after tuning with LoRA (arXiv 2406.08391)'
    is_probability = True
    needs = frozenset({"calibration_tuned"})
    takes = "tuning the language model, a week or more on a CPU"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = softmax over the logits of the two option letters, at "yes".

        Raises:
            ValueError: the evidence does not hold them.
        """
        return probability_of_yes(evidence.read("calibration_tuned"))
