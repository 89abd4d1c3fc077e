import math

from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class Entropy(Method):
    """How far the next-token distributions are from uniform, on average over the answer's tokens.

    Source: predictive entropy H (with 1e-6 inside the logarithm, as feature 6 of CCPS, arXiv 2505.21772, has it).
    Ours: the map 1 − H / ln V into [0, 1], where V is the vocabulary; it keeps the order, so ACC, ECE and Brier
    depend on it but AUROC and AUCPR do not.
    """

    name = "entropy"
    label = "Entropy"
    place = 110
    source = "1 − entropy / ln(vocabulary) of the next-token distribution, mean over the answer's tokens"
    reads_features = True
    version = 2

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = 1 − mean H / ln V."""
        return (1.0 - evidence.mean("original_entropy") / math.log(evidence.vocabulary)).clip(0.0, 1.0)
