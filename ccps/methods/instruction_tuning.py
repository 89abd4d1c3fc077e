from ccps.asking.follow_up import probability_of_yes
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class InstructionTuning(Method):
    """The "yes" of the model to its own answer, after it was tuned to judge its answers and nothing else.

    Source: Calibration-Tuning (arXiv 2406.08391) without what keeps the model close to the untuned one. That the
    baseline of this name in CCPS (arXiv 2505.21772) is this one is presumed, not known. Settings: `conf/tuning`, of
    which `divergence` and `divergence_weight` have no effect.
    """

    name = "it"
    label = "Instruction tuning"
    place = 60
    source = 'softmax over "no" and "yes" of a self-evaluation query, after tuning with LoRA, without a regulariser'
    is_probability = True
    needs = frozenset({"instruction_tuned"})
    takes = "tuning the language model, a week or more on a CPU"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = softmax over the logits of the two option letters, at "yes".

        Raises:
            ValueError: the evidence does not hold them.
        """
        return probability_of_yes(evidence.read("instruction_tuned"))
