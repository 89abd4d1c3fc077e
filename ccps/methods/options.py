"""Methods that read the options of a multiple-choice question, and nothing else of the vocabulary."""

from typing import ClassVar

import numpy as np

from ccps.asking.options import OptionScores
from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.registry import register


class OptionMethod(Method):
    """A method of multiple choice alone."""

    formats: ClassVar[frozenset[str]] = frozenset({"mc"})
    needs = frozenset({"option_scores"})


@register
class OptionProbability(OptionMethod):
    """The probability of the chosen option among the options, each summed over all tokens that spell it.

    Source: answer letters scored against each other are how multiple choice is read of base models (MMLU, Hendrycks et
    al. 2021, arXiv 2009.03300). Ours: the sum over spellings (`b`, ` b`, `B`, `(b`), between which a model divides the
    probability of one option. An answer that names no option has 0. Settings: none.
    """

    name = "option_probability"
    label = "Option probability"
    place = 92
    source = "softmax over the options alone, each summed over its spellings"
    is_probability = True

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = p(chosen) / Σ p(option)."""
        return _scores(evidence).of_chosen.clip(0.0, 1.0)


@register
class OptionEntropy(OptionMethod):
    """How far the probabilities of the options are from being equal.

    Source: entropy of the options' distribution, a common baseline. Ours: the map 1 − H / ln n into [0, 1], n options,
    which keeps the order among questions of as many options. It does not look at which option was answered. Settings:
    none.
    """

    name = "option_entropy"
    label = "Option entropy"
    place = 93
    source = "1 − entropy over the n options / ln n"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = 1 − H / ln n."""
        scores = _scores(evidence)
        p, options = scores.probabilities, np.isfinite(scores.log_probs).sum(axis=1)
        entropy = -np.where(p > 0, p * np.where(p > 0, scores.log_probs, 0.0), 0.0).sum(axis=1)
        # Of a single option there is nothing to be unsure of.
        p_correct: FloatArray = (1.0 - entropy / np.log(np.maximum(options, 2))).clip(0.0, 1.0)
        return p_correct


@register
class OptionMargin(OptionMethod):
    """How far the chosen option is ahead of the next.

    Source: the margin of the two most probable classes (best versus second best, Joshi et al. 2009). Ours: the map
    (1 + margin) / 2 into [0, 1]; of two options it is the probability itself. An answer that names no option has the
    margin of one whose probability is 0. Settings: none.
    """

    name = "option_margin"
    label = "Option margin"
    place = 94
    source = "(1 + p(chosen) − largest p of another option) / 2"

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = (1 + p(chosen) − max p(other)) / 2."""
        scores = _scores(evidence)
        others = scores.probabilities
        named = np.flatnonzero(scores.chosen >= 0)
        others[named, scores.chosen[named]] = 0.0
        p_correct: FloatArray = ((1.0 + scores.of_chosen - others.max(axis=1)) / 2).clip(0.0, 1.0)
        return p_correct


@register
class OptionRadius(Method):
    """How far the state must be pushed against its answer until another option overtakes.

    Source: the ray of CCPS (arXiv 2505.21772). Ours: the radius is exact, no grid, and counts options alone, where the
    flip that CCPS looks for may be one to any token, often another spelling of the same option. The map r / (1 + r)
    into [0, 1] keeps the order and says nothing of calibration: its log-odds are ln r, so that a calibrator `platt` on
    top is a logistic regression on ln r. An answer that names no option has 0. Settings: none.
    """

    name = "option_radius"
    label = "Option radius"
    place = 96
    source = "r / (1 + r), r the radius at which another option overtakes along the gradient ray"
    formats: ClassVar[frozenset[str]] = frozenset({"mc"})
    needs = frozenset({"option_radii"})

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = r / (1 + r); 1 where no option ever overtakes."""
        radius: FloatArray = np.nan_to_num(np.asarray(evidence.read("option_radii"), dtype=np.float64), posinf=np.inf)
        return np.where(np.isinf(radius), 1.0, radius / (1.0 + np.where(np.isinf(radius), 0.0, radius)))


def _scores(evidence: Evidence) -> OptionScores:
    scores: OptionScores = evidence.read("option_scores")
    return scores
