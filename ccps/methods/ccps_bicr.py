from collections.abc import Sequence
from pathlib import Path

from ccps.methods.base import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.pooled_features import FittedOnFeatures, TrainingFeatures
from ccps.methods.registry import register
from ccps.probes import Reporting
from ccps.probes.ranked import FittedRanked, RankedRecipe, fit_ranked


@register
class CCPSBICR(TrainedMethod):
    """A perceptron on the features of CCPS with the loss of BICR: probabilities are scored, and answers ranked.

    Source: BICR, Khanmohammadi et al. 2026 (arXiv 2605.10893), a loss for probes of models that see: cross-entropy and
    Brier score, and for right answers a ranking by a margin of the confidence with the image above that with the image
    blacked out. Ours: the features of CCPS (arXiv 2505.21772) instead of a hidden state; right answers ranked above
    wrong ones, there being no image; and all numbers, which the authors tuned and which could not be read when this was
    written (`RankedRecipe`). Features are pooled over tokens as for `ccps_logistic`. Settings: none.
    """

    name = "ccps_bicr"
    label = "CCPS, loss of BICR"
    place = 16
    source = "perceptron on the 75 features; cross-entropy, Brier score and ranking (arXiv 2605.10893)"
    reads_features = True

    def recipe(self, settings: TrainingSettings) -> RankedRecipe:
        """Nothing of it is set."""
        return RankedRecipe()

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit from each seed."""
        known, fitted = TrainingFeatures.of(answers, settings.radius), list[Fitted]()
        for seed in seeds:
            rows = known.columns, known.correct, known.question_ids
            probe = fit_ranked(*rows, self.recipe(settings), seed)
            reporting.for_seed(seed).log(probe.training.curve)
            fitted.append(FittedOnFeatures(probe, known.made, known.left_out, known.dropped))
            reporting.say(len(fitted), len(seeds))
        return fitted

    def load(self, folder: Path) -> Fitted:
        """Read the perceptron, and how its rows are made."""
        return FittedOnFeatures.load(folder, FittedRanked.load)
