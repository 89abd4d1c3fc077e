from ccps.asking.follow_up import probability_of_yes
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class PTrue(Method):
    """The model's own "yes" when it is asked whether its answer is correct.

    Source: P(True), Kadavath et al. 2022 (arXiv 2207.05221); the question is the self-evaluation query of the code
    released with CCPS (arXiv 2505.21772). Ours: the query is a turn of its own after the answer. Settings: none.
    """

    name = "p_true"
    label = "P(True)"
    place = 40
    source = 'softmax over the options "no" and "yes" of a self-evaluation query'
    is_probability = True
    needs = frozenset({"self_evaluation"})

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = softmax over the logits of the two option letters, at "yes".

        Raises:
            ValueError: the evidence holds no self-evaluation.
        """
        return probability_of_yes(evidence.read("self_evaluation"))
