"""How confidences are judged."""

from dataclasses import dataclass

from ccps.core.fields import LARGEST_COUNT, LARGEST_RESAMPLES, LARGEST_SEED, setting


@dataclass
class EvaluationConfig:
    """How confidences are judged."""

    convention: str = setting(
        "p_correct", "which calibration error is the headline; the others stand beside it in the report"
    )
    aggregate: str = setting(
        "auto",
        "which figures lead: pooled, over all questions of a benchmark; macro, means over its subjects; auto, pooled "
        "where half of the subjects have fewer than 30 questions, and macro where they have more",
        one_of=("auto", "pooled", "macro"),
    )
    resamples: int = setting(1000, "bootstrap resamples, clustered by subject", at_least=1, at_most=LARGEST_RESAMPLES)
    level: float = setting(0.95, "of the intervals", above=0, below=1)
    seed: int = setting(23, "of the resampling", at_least=0, at_most=LARGEST_SEED)
    label_counts: list[int] = setting(
        [0, 25, 50, 100, 200],
        "numbers of test questions that are labelled, to move a confidence to their base rate and test it on the "
        "others; what would take more than half of a test is left out there",
        at_least=0,
        at_most=LARGEST_COUNT,
        different=True,
    )
    label_draws: int = setting(
        200, "how often such questions are drawn, for each of these numbers", at_least=1, at_most=LARGEST_RESAMPLES
    )
