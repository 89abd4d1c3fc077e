import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ccps.meaning.clusters import meaning
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class SemanticEntropy(Method):
    """How much the meaning of sampled answers varies.

    Source: semantic entropy, Kuhn et al. 2023 (arXiv 2302.09664), in the discrete form of Farquhar et al. 2024 (Nature
    630, 625-630): the probability of a meaning is its share of the samples, whatever their likelihoods. Ours: texts
    with one option letter or one normalised form are one meaning, unless `samples.nli_model` names a model of
    entailment; the given answer opens the first group, but is not counted; and the map 1 − H / ln k into [0, 1], which
    keeps the order. Settings: how samples are drawn (`samples`).
    """

    name = "semantic_entropy"
    label = "Semantic entropy"
    place = 130
    source = "1 − entropy of the meanings of k sampled answers / ln k"
    version = 2
    needs = frozenset({"samples"})
    takes = "several times as long as answering, for open-ended questions"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = 1 − H / ln k, H the entropy of the shares of the meanings among k samples.

        Raises:
            ValueError: the evidence holds no samples.
        """
        drawn = evidence.read("samples").texts
        return np.array([1.0 - entropy_of_meanings(texts) / math.log(len(texts)) for texts in drawn]).clip(0.0, 1.0)


def entropy_of_meanings(texts: Sequence[str]) -> float:
    """Entropy, in nats, of the shares of the meanings among texts."""
    counts = Counter(map(meaning, texts))
    return sum(-count / len(texts) * math.log(count / len(texts)) for count in counts.values())
