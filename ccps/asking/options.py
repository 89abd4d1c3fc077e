"""What a model says of the options of a question, read from the state that predicted its answer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.data.records import Question
from ccps.grading.letters import answer_letter
from ccps.llm.spellings import letter_spellings
from ccps.perturbation import Head
from ccps.perturbation.options import option_log_probs, option_radius


class OptionScores(NamedTuple):
    """Options of multiple-choice questions, as the model weighs them.

    Attributes:
        log_probs: `[answers, options]`, log-probability among the options, each summed over its spellings; −inf beyond
            the last option of a question.
        chosen: `[answers]`, the option that the answer names, counted from 0; −1 if it names none.
    """

    log_probs: npt.NDArray[np.float64]
    chosen: npt.NDArray[np.int64]

    def select(self, index: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> "OptionScores":
        """Those of some answers."""
        return OptionScores(self.log_probs[index], self.chosen[index])

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """`[answers, options]`, 0 beyond the last option."""
        p: npt.NDArray[np.float64] = np.exp(self.log_probs)
        return p

    @property
    def of_chosen(self) -> npt.NDArray[np.float64]:
        """`[answers]`, the probability of the chosen option; 0 where the answer names none."""
        rows = np.arange(len(self.chosen))
        return np.where(self.chosen >= 0, self.probabilities[rows, self.chosen], 0.0)


def score_options(
    tokenizer: Any, head: Head, questions: Sequence[Question], texts: Sequence[str], states: Tensor
) -> OptionScores:
    """Read the options' probabilities off the states `[answers, d]` that predicted the answers' first tokens."""
    return OptionScores(option_log_probs_of(tokenizer, head, questions, states), _chosen(questions, texts).numpy())


def option_log_probs_of(
    tokenizer: Any, head: Head, questions: Sequence[Question], states: Tensor
) -> npt.NDArray[np.float64]:
    """Log-probabilities among the options, `[questions, options]`, from states `[questions, d]` after the prompts."""
    found = option_log_probs(states, head, _spellings(tokenizer, head, questions), _n_options(questions))
    log_probs: npt.NDArray[np.float64] = found.numpy()
    return log_probs


def radii_of_options(
    tokenizer: Any, head: Head, questions: Sequence[Question], texts: Sequence[str], states: Tensor, token_ids: Tensor
) -> npt.NDArray[np.float64]:
    """The radii at which another option overtakes, `[answers]`, see `ccps.perturbation.options.option_radius`."""
    spellings = _spellings(tokenizer, head, questions)
    found = option_radius(states, head, token_ids, spellings, _n_options(questions), _chosen(questions, texts))
    radii: npt.NDArray[np.float64] = found.double().numpy()
    return radii


def _spellings(tokenizer: Any, head: Head, questions: Sequence[Question]) -> list[list[int]]:
    """Token ids of as many letters as any of the questions has options."""
    letters = max(questions, key=lambda question: len(question.options)).letters
    return letter_spellings(tokenizer, letters, len(head.weight))


def _n_options(questions: Sequence[Question]) -> Tensor:
    return torch.tensor([len(question.options) for question in questions])


def _chosen(questions: Sequence[Question], texts: Sequence[str]) -> Tensor:
    """The option that each answer names, −1 for none."""
    named = [(question.letters, answer_letter(text)) for question, text in zip(questions, texts, strict=True)]
    return torch.tensor([-1 if letter is None else letters.find(letter) for letters, letter in named])
