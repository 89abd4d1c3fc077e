"""What is known about answers, joined with their grades: what methods are trained on and score."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from ccps.core.artifacts import Artifact
from ccps.methods import Evidence, Method, TrainedMethod
from ccps.methods.evidence import AnswerStates
from ccps.needs.answers import kept_answers
from ccps.needs.registry import NEEDS
from ccps.perturbation import FEATURE_NAMES
from ccps.pipeline.model import load_head
from ccps.stages.main.runs import Side
from ccps.tuning import Answered

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
    wanted = set(method.needs)
    if for_training and isinstance(method, TrainedMethod):
        wanted |= method.training_needs
    evidence = Evidence(
        features=rows.loc[rows["question_id"].isin(kept.index), list(FEATURE_NAMES)].to_numpy(dtype=np.float32),
        lengths=kept.to_numpy(dtype=np.int64),
        vocabulary=int(head.summary["vocabulary"]),
        texts=texts.loc[ids].tolist(),
        needs={need: _read(need, side, head, ids) for need in sorted(wanted)},
    )
    left_out = {reason: number for reason, number in left_out.items() if number}
    return GradedAnswers(ids, correct.loc[kept.index].to_numpy(), evidence, left_out)


def _read(need: str, side: Side, head: Artifact, question_ids: list[str]) -> Any:
    """One field of the evidence about some questions, in their order."""
    if need in side.needs:
        return NEEDS[need].read(side.needs[need], question_ids)
    if need == "prompt_states":
        return np.stack([one.states[0].float().numpy() for one in _kept(side.answers, question_ids)])
    if need == "answer_states":
        kept = _kept(side.answers, question_ids)
        states = torch.cat([one.states for one in kept]).float()
        return AnswerStates(states, torch.tensor([token for one in kept for token in one.answer]), load_head(head))
    return _after_answers(side.answers, need, question_ids)


def _kept(answers: Artifact, question_ids: list[str]) -> list[Answered]:
    """The answers to some questions, in their order."""
    found = {one.question_id: one for one in kept_answers(answers)}
    return [found[question_id] for question_id in question_ids]


def _after_answers(answers: Artifact, name: str, question_ids: list[str]) -> npt.NDArray[np.float32]:
    """What was collected after each answer, `[answers, …]` float32."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    for shard in range(answers.n_shards):
        rows = answers.rows(shard).select(["question_id", "answer_ids"]).to_pydict()
        answered = [row for row, tokens in zip(rows["question_id"], rows["answer_ids"], strict=True) if tokens]
        if answered:
            found |= zip(answered, answers.tensors(shard)[name].float().numpy(), strict=True)
    return np.stack([found[question_id] for question_id in question_ids])
