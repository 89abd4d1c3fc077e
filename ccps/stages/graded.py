"""Feature rows joined with grades: what probes are fitted on and methods are scored on."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.artifacts import Artifact
from ccps.perturbation import FEATURE_NAMES


class GradedFeatures(NamedTuple):
    """Feature rows of graded answers.

    Attributes:
        question_ids: `[rows]`.
        features: `[rows, 75]` float32.
        correct: `[rows]` bool.
    """

    question_ids: list[str]
    features: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]


def graded_features(features: Artifact, grades: Artifact) -> GradedFeatures:
    """Join the feature rows of all answer tokens with the grades of their answers, in the order of the features."""
    rows = features.rows().to_pandas()
    correct = grades.rows().select(["question_id", "correct"]).to_pandas()
    joined = rows.merge(correct, on="question_id", how="left", validate="many_to_one")
    return _graded(joined)


def last_token_features(features: Artifact, grades: Artifact) -> GradedFeatures:
    """The same, one row per answer: its last token's, as the released evaluation of multiple choice has it."""
    rows = features.rows().to_pandas().sort_values("token_index", kind="stable")
    last = rows.groupby("question_id", sort=False).tail(1)
    correct = grades.rows().select(["question_id", "correct"]).to_pandas()
    return _graded(correct.merge(last, on="question_id", how="left", validate="one_to_one"))


def _graded(joined: pd.DataFrame) -> GradedFeatures:
    return GradedFeatures(
        joined["question_id"].tolist(),
        joined[list(FEATURE_NAMES)].to_numpy(dtype=np.float32),
        joined["correct"].to_numpy(dtype=bool),
    )
