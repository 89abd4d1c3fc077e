from scipy.special import expit

from ccps.methods.base import Evidence, FloatArray, Method


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
        if evidence.self_evaluation is None:
            raise ValueError("Expected `evidence.self_evaluation` to be given, but got None. Ask the model first.")
        no, yes = evidence.self_evaluation.astype("float64").T
        probability: FloatArray = expit(yes - no)
        return probability
