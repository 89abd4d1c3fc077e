"""Put a multiple-choice question again with its options in other places."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ccps.asking.interview import Interview, Manner
from ccps.asking.options import option_log_probs_of
from ccps.data.records import Question
from ccps.llm import LanguageModel


class Rotation(NamedTuple):
    """A question to be put with its options moved round.

    Attributes:
        question: as it was.
        shift: by how many places: what stands first is the option number `shift`, counted from 0.
    """

    question: Question
    shift: int

    @property
    def asked(self) -> Question:
        """The question as it is put."""
        options = self.question.options
        return replace(self.question, options=options[self.shift :] + options[: self.shift], given_answer=None)

    def in_place(self, by_letter: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What is known of letters `[options]`, in the order in which the options were."""
        return np.roll(by_letter, self.shift)


def rotations(questions: Sequence[Question]) -> list[Rotation]:
    """All cyclic permutations of each question's options but the one in which it was put.

    A question that the data hold word for word cannot be put otherwise, and has none.
    """
    return [
        Rotation(question, shift)
        for question in questions
        if question.asked is None
        for shift in range(1, len(question.options))
    ]


class PermutedInterview:
    """Rotations laid out in batches.

    Args:
        lm: the model.
        rotated: what is asked, at least one.
        manner: how the questions were put.

    Raises:
        UserError: as `Interview` does.
    """

    def __init__(self, lm: LanguageModel, rotated: Sequence[Rotation], manner: Manner) -> None:
        self.lm = lm
        self.rotated = list(rotated)
        self.interview = Interview(lm, [one.asked for one in rotated], manner)

    def ask(self, batch: Sequence[int]) -> tuple[list[npt.NDArray[np.float64]], int]:
        """Probabilities among the options, in the order in which they were, of the rotations at some positions.

        Returns:
            `[options]` for each, and the tokens that were read.
        """
        answers = self.interview.answer(batch)
        questions = [self.interview.questions[index] for index in batch]
        states = torch.stack([answer.states[0] for answer in answers]).float().cpu()
        by_letter = np.exp(option_log_probs_of(self.lm.tokenizer, self.lm.head, questions, states))
        found = [
            self.rotated[index].in_place(row[: len(question.options)])
            for index, question, row in zip(batch, questions, by_letter, strict=True)
        ]
        return found, sum(answer.cost for answer in answers)
