"""What is known about answers, joined with their grades: what methods are trained on and score."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ccps.artifacts import Artifact
from ccps.methods import Evidence, Method, TrainedMethod
from ccps.perturbation import FEATURE_NAMES
from ccps.stages.runs import Side

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


def graded_answers(side: Side, method: Method | TrainedMethod, vocabulary: int) -> GradedAnswers:
    """Join what a method reads with the grades of the answers, in the order of the features."""
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
    evidence = Evidence(
        features=rows.loc[rows["question_id"].isin(kept.index), list(FEATURE_NAMES)].to_numpy(dtype=np.float32),
        lengths=kept.to_numpy(dtype=np.int64),
        vocabulary=vocabulary,
        prompt_states=prompt_states(side.answers, ids) if "prompt_states" in method.needs else None,
        self_evaluation=_self_evaluation(side, ids) if "self_evaluation" in method.needs else None,
    )
    left_out = {reason: number for reason, number in left_out.items() if number}
    return GradedAnswers(ids, correct.loc[kept.index].to_numpy(), evidence, left_out)


def prompt_states(answers: Artifact, question_ids: list[str]) -> npt.NDArray[np.float32]:
    """The states from which the first token of each answer was predicted, `[answers, d]` float32."""
    found = {}
    for shard in range(answers.manifest["shards"]):
        rows = answers.rows(shard).select(["question_id", "answer_ids"]).to_pydict()
        states = answers.tensors(shard)["states"]
        start = 0
        for name, tokens in zip(rows["question_id"], rows["answer_ids"], strict=True):
            if tokens:
                found[name] = states[start].float().numpy()
            start += len(tokens)
    return np.stack([found[name] for name in question_ids])


def _self_evaluation(side: Side, question_ids: list[str]) -> npt.NDArray[np.float32]:
    assert side.self_evaluation is not None
    rows = side.self_evaluation.rows().to_pandas().set_index("question_id")
    logits: npt.NDArray[np.float32] = rows.loc[question_ids, ["no", "yes"]].to_numpy(dtype=np.float32)
    return logits
