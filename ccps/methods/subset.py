"""The evidence about some of the answers."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ccps.methods.base import AnswerStates, Evidence, References, Samples

Index = npt.NDArray[np.int64]

BY_ANSWER = (
    "lengths",
    "prompt_states",
    "layer_states",
    "self_evaluation",
    "verbalised",
    "instruction_tuned",
    "calibration_tuned",
)
"""Fields of `Evidence` that are arrays `[answers, …]`."""


def select(evidence: Evidence, index: Index) -> Evidence:
    """Take the evidence about some answers, in the order of the index.

    Args:
        evidence: what is known about all answers.
        index: numbers of the answers that are wanted, counted from 0.
    """
    taken: dict[str, Any] = {
        name: getattr(evidence, name)[index] for name in BY_ANSWER if getattr(evidence, name) is not None
    }
    tokens = token_rows(evidence.lengths, index)
    if evidence.samples is not None:
        texts = [evidence.samples.texts[number] for number in index]
        taken["samples"] = Samples(texts, evidence.samples.log_probs[index])
    if evidence.answer_states is not None:
        taken["answer_states"] = _select_states(evidence.answer_states, tokens)
    if evidence.references is not None:
        taken["references"] = _select_references(evidence.references, index)
    return evidence._replace(
        features=evidence.features[tokens],
        texts=[evidence.texts[number] for number in index] if evidence.texts else (),
        **taken,
    )


def token_rows(lengths: Index, index: Index) -> Index:
    """The rows of the tokens of some answers, when `lengths` `[answers]` follow each other in a table."""
    wanted = lengths[index]
    first, place = np.cumsum(lengths) - lengths, np.cumsum(wanted) - wanted
    rows: Index = np.repeat(first[index] - place, wanted) + np.arange(wanted.sum())
    return rows


def _select_states(states: AnswerStates, tokens: Index) -> AnswerStates:
    rows = torch.from_numpy(tokens)
    return states._replace(states=states.states[rows], token_ids=states.token_ids[rows])


def _select_references(references: References, index: Index) -> References:
    return References(
        right=_select_states(references.right, token_rows(references.right_lengths, index)),
        right_lengths=references.right_lengths[index],
        wrong=_select_states(references.wrong, token_rows(references.wrong_lengths, index)),
        wrong_lengths=references.wrong_lengths[index],
    )
