"""Feature rows joined with grades: what probes are fitted on and methods are scored on."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.artifacts import Artifact
from ccps.perturbation import FEATURE_NAMES

UNKNOWN = "correctness unknown"
NO_TOKEN = "empty, no token to probe"


class GradedAnswers(NamedTuple):
    """Answers that are known to be right or wrong, with the features of all their tokens.

    Attributes:
        question_ids: `[answers]`.
        correct: `[answers]` bool.
        lengths: `[answers]`, tokens of each, at least one.
        features: `[tokens, 75]` float32, answer by answer.
        left_out: reason, and how many answers were left out for it.
    """

    question_ids: list[str]
    correct: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    left_out: dict[str, int]


def graded_answers(features: Artifact, grades: Artifact) -> GradedAnswers:
    """Join the features of all answer tokens with the grades of their answers, in the order of the features."""
    rows = features.rows().to_pandas()
    graded = grades.rows().select(["question_id", "correct"]).to_pandas()
    correct = graded.dropna(subset="correct").set_index("question_id")["correct"].astype(bool)
    lengths: pd.Series[int] = rows.groupby("question_id", sort=False).size()
    kept = lengths[lengths.index.isin(correct.index)]
    left_out = {
        UNKNOWN: int(graded["correct"].isna().sum()),
        NO_TOKEN: int((~correct.index.isin(lengths.index)).sum()),
    }
    return GradedAnswers(
        kept.index.tolist(),
        correct.loc[kept.index].to_numpy(),
        kept.to_numpy(dtype=np.int64),
        rows.loc[rows["question_id"].isin(kept.index), list(FEATURE_NAMES)].to_numpy(dtype=np.float32),
        {reason: number for reason, number in left_out.items() if number},
    )
