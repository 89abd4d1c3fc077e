"""What is known about answers, joined with their grades: what methods are trained on and score."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.core.artifacts import Artifact
from ccps.methods import Evidence, Method, TrainedMethod
from ccps.needs.base import NEEDS, Source
from ccps.perturbation import FEATURE_NAMES
from ccps.stages.main.runs import Side

UNKNOWN = "correctness unknown"
NO_TOKEN = "empty, no token to probe"


class GradedAnswers(NamedTuple):
    """Answers that are known to be right or wrong.

    Attributes:
        question_ids: `[answers]`.
        correct: `[answers]` bool.
        evidence: what a method reads about them.
        left_out: reason, and how many answers were left out for it.
    """

    question_ids: list[str]
    correct: npt.NDArray[np.bool_]
    evidence: Evidence
    left_out: dict[str, int]


def graded_answers(
    side: Side, method: Method | TrainedMethod, head: Artifact, *, for_training: bool = False
) -> GradedAnswers:
    """Join what a method reads with the grades of the answers, in the order of the features.

    Args:
        side: the answers.
        method: whose needs are read.
        head: the model's output head.
        for_training: whether what it needs only when it is fitted is read too.
    """
    rows = side.features[method.direction].rows().to_pandas()
    graded = side.labels.rows().select(["question_id", "correct"]).to_pandas()
    correct = graded.dropna(subset="correct").set_index("question_id")["correct"].astype(bool)
    lengths: pd.Series[int] = rows.groupby("question_id", sort=False).size()
    kept = lengths[lengths.index.isin(correct.index)]
    left_out = {
        UNKNOWN: int(graded["correct"].isna().sum()),
        NO_TOKEN: int((~correct.index.isin(lengths.index)).sum()),
    }
    ids = kept.index.tolist()
    texts = side.answers.rows().select(["question_id", "text"]).to_pandas().set_index("question_id")["text"]
    evidence = Evidence(
        features=rows.loc[rows["question_id"].isin(kept.index), list(FEATURE_NAMES)].to_numpy(dtype=np.float32),
        lengths=kept.to_numpy(dtype=np.int64),
        vocabulary=int(head.summary["vocabulary"]),
        texts=texts.loc[ids].tolist(),
        needs={
            need: NEEDS.find(need).read(Source(side.answers, head, side.needs.get(need)), ids)
            for need in sorted(method.reads(for_training=for_training))
            if side.format in NEEDS.find(need).formats
        },
    )
    left_out = {reason: number for reason, number in left_out.items() if number}
    return GradedAnswers(ids, correct.loc[kept.index].to_numpy(), evidence, left_out)
