from typing import ClassVar

import numpy as np

from ccps.asking.options import OptionScores
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


@register
class PermutedOptionProbability(Method):
    """The probability of the chosen option among the options, averaged over all cyclic permutations of them.

    Source: Zheng et al. 2023 (arXiv 2309.03882): models favour letters and places; each option stands once at every
    letter, so that such a preference is shared out. They average the observed distributions of the options' contents,
    as here. Ours: each option summed over its spellings, see `option_probability`. A question of n options is read n
    times in all. One that the data hold word for word cannot be put again, and is not scored. Settings: none.
    """

    name = "permuted_options"
    label = "Option probability, permuted"
    place = 97
    source = "mean over the cyclic permutations of the options of the chosen one's probability (arXiv 2309.03882)"
    is_probability = True
    formats: ClassVar[frozenset[str]] = frozenset({"mc"})
    needs = frozenset({"option_scores", "permuted_options"})
    takes = "several times as long as answering, for multiple choice"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = Σ p(chosen | permutation) / permutations; 0 where the answer names no option."""
        scores: OptionScores = evidence.read("option_scores")
        sums: FloatArray = evidence.read("permuted_options")
        options = np.isfinite(scores.log_probs).sum(axis=1)
        rows = np.arange(len(options))
        total = scores.of_chosen + sums[rows, scores.chosen]
        p_correct: FloatArray = np.where(scores.chosen >= 0, total / options, np.where(np.isnan(total), np.nan, 0.0))
        return p_correct.clip(0.0, 1.0)
