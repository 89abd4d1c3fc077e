from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ccps.asking.follow_up import LAYERS
from ccps.core.errors import expected
from ccps.methods.base import Fitted, TrainingAnswers, TrainingSettings
from ccps.methods.evidence import Evidence, FloatArray
from ccps.methods.logistic import FittedByLogistic, LogisticMethod
from ccps.methods.registry import register
from ccps.methods.semantic_entropy import entropy_of_meanings
from ccps.probes import Reporting, fit_logistic

_LAYER = LAYERS.index("upper_middle")


@register
class SemanticEntropyProbe(LogisticMethod):
    """A linear probe that tells from one state whether sampled answers would differ in meaning; it samples in training.

    Source: semantic entropy probes, Kossen et al. 2024 (arXiv 2406.15927): logistic regression from a hidden state to
    semantic entropy, made binary at the threshold that leaves the least sum of squares on its two sides. No label of
    correctness is used, so that P(correct) is P(low entropy), which knows nothing of the share of right answers: a
    calibrator on top does. Theirs: states of several layers before and at the end of the answer. Ours: one, the last
    token of the answer's turn three quarters of the way up; the discrete entropy of `semantic_entropy`; the strength
    of the regression by cross-validation. Settings: how samples are drawn (`samples`).
    """

    name = "semantic_entropy_probe"
    label = "Semantic entropy probe"
    place = 34
    source = "L2-logistic regression from a hidden state to low or high semantic entropy (arXiv 2406.15927)"
    needs = frozenset({"layer_states"})
    training_needs = frozenset({"samples"})
    takes = "several times as long as answering, for open-ended training questions"

    def columns(self, evidence: Evidence) -> FloatArray:
        """The state."""
        return np.asarray(evidence.read("layer_states")[:, _LAYER], dtype=np.float64)

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit once, to low and high entropy.

        Raises:
            UserError: all questions have one entropy.
        """
        entropies = np.array([entropy_of_meanings(texts) for texts in answers.evidence.read("samples").texts])
        is_low = entropies < best_split(entropies)
        columns = self.columns(answers.evidence)
        regression = fit_logistic(columns, is_low, answers.question_ids, self.recipe(settings))
        return [FittedByLogistic(regression, self.columns)] * len(seeds)


def best_split(values: npt.ArrayLike) -> float:
    """The threshold of least Σ (v − mean below)² + Σ (v − mean above)², of equal ones the lowest.

    Args:
        values: at least two different ones.

    Returns:
        Half-way between the two values that it parts.

    Raises:
        UserError: all values are the same.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    # Sums round; values that differ by rounding alone are one.
    edges = np.flatnonzero(np.diff(ordered) > 1e-12) + 1
    if not len(edges):
        raise expected(
            "the semantic entropy of the training questions",
            "low for some and high for others",
            f"{ordered[0]:.3g} for all {len(ordered)}" if len(ordered) else "none",
            "Draw more samples (`samples.k`) or warmer ones (`samples.temperature`), or leave this method out.",
        )
    spread = [
        ((ordered[:edge] - ordered[:edge].mean()) ** 2).sum() + ((ordered[edge:] - ordered[edge:].mean()) ** 2).sum()
        for edge in edges
    ]
    edge = edges[int(np.argmin(spread))]
    return float((ordered[edge - 1] + ordered[edge]) / 2)
