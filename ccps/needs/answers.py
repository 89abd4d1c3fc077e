"""What the answer stage has stored of each answer: for stages that go on from there, and for methods."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from ccps.core.artifacts import Artifact
from ccps.core.errors import UserError, expected
from ccps.methods.evidence import AnswerStates
from ccps.needs.base import Given, Need, Source, register
from ccps.perturbation import Head
from ccps.pipeline.heads import load_head
from ccps.tuning import Answered


def stored_answers(answers: Artifact, most_states: int | None = None) -> list[Answered]:
    """All answers of at least one token, in the order of the rows.

    Args:
        answers: artifact of the answer stage.
        most_states: how many states are kept of each answer, from its first token on, by default all; the others are
            let go, so that what only needs the texts does not hold the states of a whole benchmark.
    """
    kept = []
    for shard in range(answers.n_shards):
        rows = answers.rows(shard).select(["question_id", "text", "prompt_ids", "answer_ids"]).to_pylist()
        states, start = answers.tensors(shard)["states"], 0
        for row in rows:
            end = start + len(row["answer_ids"])
            if end > start:
                own = states[start:end] if most_states is None else states[start:end][:most_states].clone()
                one = Answered(row["question_id"], row["text"], row["prompt_ids"], row["answer_ids"], own)
                kept.append(one)
            start = end
    return kept


def all_empty(label: str) -> UserError:
    """The refusal to go on from nothing but empty answers to the questions of a benchmark."""
    return expected(
        f"the answers to {label}",
        "texts of at least one token",
        "only empty ones",
        "Look at `text` in the rows of the answer stage: the model may want another chat template.",
    )


@register
class PromptStates(Need):
    """`[answers, d]` float32, the final-normed state of the last prompt token, which predicts the answer's first."""

    name = "prompt_states"
    is_portable = True

    def read(self, source: Source, question_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """The first state of each answer."""
        return _firsts([one.states for one in _in_order(source.answers, question_ids)])

    def of_given(self, given: Given) -> npt.NDArray[np.float32]:
        """The same."""
        return _firsts([answer.states for answer in given.answers])


@register
class StatesOfAnswers(Need):
    """`AnswerStates`, the final states of every answer token."""

    name = "answer_states"
    is_portable = True

    def read(self, source: Source, question_ids: Sequence[str]) -> AnswerStates:
        """States and tokens, answer by answer, in float32."""
        answers = _in_order(source.answers, question_ids)
        return _joined([one.states for one in answers], [one.answer for one in answers], load_head(source.head))

    def of_given(self, given: Given) -> AnswerStates:
        """The same."""
        answers = given.answers
        return _joined([one.states for one in answers], [one.tokens for one in answers], given.model.head)


class _Collected(Need):
    """What the answer stage collects after each answer, under the need's own name."""

    is_collected = True
    is_portable = True

    def read(self, source: Source, question_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """What was collected."""
        return _after_answers(source.answers, self.name, question_ids)

    def of_given(self, given: Given) -> npt.NDArray[np.float32]:
        """The same."""
        return _after_given(given, self.name)


@register
class LayerStates(_Collected):
    """`[answers, 3, d]` float32, states of the last token of prompt and answer at the `LAYERS` of a model.

    What the chat template puts after the answer counts too. The layers are the entries L//2, int(0.75 L) and L−1 of a
    model's hidden states, L its layers.
    """

    name = "layer_states"

    def share_of_follow_up(self, answers: Artifact) -> float:
        """What ends the answer's turn."""
        return float(answers.summary["tokens_to_end_of_turn"] / answers.summary["tokens_after_answer"])


@register
class PooledStates(_Collected):
    """`[answers, d]` float32, the mean over an answer's tokens of their states in the middle of the model.

    The layer is the entry L//2 of a model's hidden states, L its layers.
    """

    name = "pooled_states"

    def share_of_follow_up(self, answers: Artifact) -> float:
        """The answer's last token, which nobody has read before; the others were on the way."""
        return float(1 / answers.summary["tokens_after_answer"])


@register
class SelfEvaluation(_Collected):
    """`[answers, 2]` float32, logits of "no" and "yes" when the model is asked whether its answer is correct."""

    name = "self_evaluation"

    def share_of_follow_up(self, answers: Artifact) -> float:
        """All of it."""
        return 1.0


def _firsts(states: Sequence[torch.Tensor]) -> npt.NDArray[np.float32]:
    """The first state of each answer, `[answers, d]`."""
    firsts: npt.NDArray[np.float32] = torch.stack([own[0].float().cpu() for own in states]).numpy()
    return firsts


def _joined(states: Sequence[torch.Tensor], tokens: Sequence[Sequence[int]], head: Head) -> AnswerStates:
    """States and tokens, answer by answer, in float32."""
    joined = torch.cat(list(states)).float().cpu()
    return AnswerStates(joined, torch.tensor([token for own in tokens for token in own]), head)


def _in_order(answers: Artifact, question_ids: Sequence[str]) -> list[Answered]:
    """The answers to some questions, in their order."""
    found = {one.question_id: one for one in stored_answers(answers)}
    return [found[question_id] for question_id in question_ids]


def _after_given(given: Given, name: str) -> npt.NDArray[np.float32]:
    """What was collected after each answer that has just been given, `[answers, …]` float32."""
    found: npt.NDArray[np.float32] = torch.stack([getattr(one.after, name) for one in given.answers]).float().numpy()
    return found


def _after_answers(answers: Artifact, name: str, question_ids: Sequence[str]) -> npt.NDArray[np.float32]:
    """What was collected after each answer, `[answers, …]` float32."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    for shard in range(answers.n_shards):
        rows = answers.rows(shard).select(["question_id", "answer_ids"]).to_pydict()
        answered = [row for row, tokens in zip(rows["question_id"], rows["answer_ids"], strict=True) if tokens]
        if answered:
            found |= zip(answered, answers.tensors(shard)[name].float().numpy(), strict=True)
    return np.stack([found[question_id] for question_id in question_ids])
