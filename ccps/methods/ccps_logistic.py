from collections.abc import Sequence
from pathlib import Path

from ccps.methods.base import Fitted, TrainingAnswers, TrainingSettings
from ccps.methods.logistic import Regression
from ccps.methods.pooled_features import FittedOnFeatures, TrainingFeatures
from ccps.methods.registry import register
from ccps.probes import FittedLogistic, Reporting, fit_logistic


@register
class CCPSLogistic(Regression):
    """Logistic regression on the stability features of CCPS, without its encoder.

    Source: features of arXiv 2505.21772; the regression in place of its probe is ours, as the simplest reader of the
    same numbers. A prediction that never flips has the largest radius; a token with any other value that is not finite
    is left out of training, and such a value is 0 afterwards, as the probe of CCPS has it. Of one token the 75 features
    are read, of several `pooled`. Settings: none; the strength is chosen by cross-validation.
    """

    name = "ccps_logistic"
    label = "Logistic on features"
    place = 15
    source = "L2-logistic regression on the 75 stability features of CCPS"
    version = 2
    reads_features = True

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Fit once to whole answers."""
        known = TrainingFeatures.of(answers, settings.radius)
        regression = fit_logistic(known.columns, known.correct, known.question_ids, self.recipe(settings))
        return [FittedOnFeatures(regression, known.made, known.left_out, known.dropped)] * len(seeds)

    def load(self, folder: Path) -> Fitted:
        """Read the regression, and how its rows are made."""
        return FittedOnFeatures.load(folder, FittedLogistic.load)
