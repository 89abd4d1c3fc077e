import math
from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from ccps.meaning.clusters import meaning
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray, Samples
from ccps.methods.registry import register


@register
class WeightedSemanticEntropy(Method):
    """How much the meaning of sampled answers varies, each weighing as much as the model finds it likely.

    Source: semantic entropy, Kuhn et al. 2023 (arXiv 2302.09664). As in their released code, a sample's log-likelihood
    is its mean over the tokens (`average_neg_log_likelihoods`; that of the sum is their variant), the token that ends
    the turn included; likelihoods of one meaning are added up. As in that of Farquhar et al. 2024 (Nature 630,
    625-630), they are divided by their sum over all samples before the entropy is taken, where the code of 2023
    averages their negative logarithms, which need not sum to anything. Ours: what means the same, and the map, see
    `semantic_entropy`. Settings: how samples are drawn (`samples`).
    """

    name = "semantic_entropy_weighted"
    label = "Semantic entropy, weighted"
    place = 131
    source = "1 − entropy of the meanings of k sampled answers, weighted by length-normalised likelihood, / ln k"
    needs = frozenset({"samples"})
    takes = "several times as long as answering, for open-ended questions"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = 1 − H / ln k, H the entropy of the meanings' shares of the likelihood of k samples.

        Raises:
            ValueError: the evidence holds no samples.
        """
        samples: Samples = evidence.read("samples")
        logs = samples.log_probs / samples.lengths
        found = [_entropy(texts, row) / math.log(len(texts)) for texts, row in zip(samples.texts, logs, strict=True)]
        return (1.0 - np.array(found)).clip(0.0, 1.0)


def _entropy(texts: Sequence[str], logs: FloatArray) -> float:
    by_meaning: dict[str, list[float]] = {}
    for text, log in zip(texts, logs.tolist(), strict=True):
        by_meaning.setdefault(meaning(text), []).append(log)
    shares = np.array([logsumexp(group) for group in by_meaning.values()]) - logsumexp(logs)
    return float(-(np.exp(shares) * shares).sum())
