"""What is known about answers: the one thing that every method reads."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.perturbation import FEATURE_NAMES, Head

FloatArray = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@runtime_checkable
class ByAnswer(Protocol):
    """What a need may be beside an array `[answers, …]` or a sequence of one entry per answer."""

    def select(self, index: Index, lengths: Index) -> Self:
        """Take what is known about some answers.

        Args:
            index: numbers of the answers that are wanted, counted from 0, in the order that is wanted.
            lengths: `[answers]`, tokens of each of all answers.
        """


class Evidence(NamedTuple):
    """What the pipeline has computed about some answers.

    Attributes:
        features: `[tokens, 75]` stability features of every answer token, answer by answer, columns as in
            `FEATURE_NAMES`.
        lengths: `[answers]`, tokens of each answer, at least one.
        vocabulary: number of tokens of the language model.
        texts: `[answers]`, the answers.
        needs: what only some methods need, by the names that they give in `needs`; each an array `[answers, …]`, a
            sequence of one entry per answer, or a record that can `select`. `ccps/needs/` says what they are.
    """

    features: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    vocabulary: int
    texts: Sequence[str] = ()
    needs: Mapping[str, Any] = MappingProxyType({})

    def read(self, need: str) -> Any:
        """What is there only if a method needs it.

        Raises:
            ValueError: it is not there.
        """
        if need not in self.needs:
            raise ValueError(
                f"Expected `evidence.{need}` to be given, but got nothing. Name it in `needs` of the method."
            )
        return self.needs[need]

    def having(self, **needs: Any) -> "Evidence":
        """The same evidence, and more."""
        return self._replace(needs={**self.needs, **needs})

    def column(self, name: str) -> FloatArray:
        """One feature of every token, `[tokens]`."""
        return self.features[:, FEATURE_NAMES.index(name)].astype(np.float64)

    def total(self, name: str) -> FloatArray:
        """One feature, summed over the tokens of each answer, `[answers]`."""
        starts = np.cumsum(self.lengths) - self.lengths
        sums: FloatArray = np.add.reduceat(self.column(name), starts)
        return sums

    def mean(self, name: str) -> FloatArray:
        """One feature, averaged over the tokens of each answer, `[answers]`."""
        return self.total(name) / self.lengths

    def select(self, index: Index) -> "Evidence":
        """Take the evidence about some answers, in the order of the index.

        Args:
            index: numbers of the answers that are wanted, counted from 0.
        """
        return self._replace(
            features=self.features[token_rows(self.lengths, index)],
            lengths=self.lengths[index],
            texts=_select(self.texts, index, self.lengths) if self.texts else (),
            needs={name: _select(value, index, self.lengths) for name, value in self.needs.items()},
        )


def token_rows(lengths: Index, index: Index) -> Index:
    """The rows of the tokens of some answers, when `lengths` `[answers]` follow each other in a table."""
    wanted = lengths[index]
    first, place = np.cumsum(lengths) - lengths, np.cumsum(wanted) - wanted
    rows: Index = np.repeat(first[index] - place, wanted) + np.arange(wanted.sum())
    return rows


def _select(value: Any, index: Index, lengths: Index) -> Any:
    if isinstance(value, np.ndarray):
        return value[index]
    if isinstance(value, ByAnswer):
        return value.select(index, lengths)
    return [value[number] for number in index]


class Samples(NamedTuple):
    """Answers drawn at random, some for each question.

    Attributes:
        texts: `[answers][k]`, in the words of the first that means the same, the given answer being the very first.
        log_probs: `[answers, k]`, log-probability of each sample under the model, in nats: that of its one token if it
            is an option, else summed over its tokens and the one that ends the turn, if it was not cut off.
        lengths: `[answers, k]`, how many tokens that is.
    """

    texts: Sequence[Sequence[str]]
    log_probs: FloatArray
    lengths: npt.NDArray[np.int64]

    def select(self, index: Index, lengths: Index) -> "Samples":
        """Those of some answers."""
        return Samples([self.texts[number] for number in index], self.log_probs[index], self.lengths[index])


class AnswerStates(NamedTuple):
    """Final-normed states, what they predicted, and the head that reads them.

    Attributes:
        states: `[tokens, d]`, answer by answer.
        token_ids: `[tokens]`, the token that each state predicted.
        head: the model's output head.
    """

    states: Tensor
    token_ids: Tensor
    head: Head

    def select(self, index: Index, lengths: Index) -> "AnswerStates":
        """Those of some answers, `lengths` being the tokens of all."""
        rows = torch.from_numpy(token_rows(lengths, index))
        return self._replace(states=self.states[rows], token_ids=self.token_ids[rows])


class References(NamedTuple):
    """A right and a wrong answer to each question, read by the model.

    Attributes:
        right: states and tokens of the right ones.
        right_lengths: `[answers]`, tokens of each.
        wrong: states and tokens of the wrong ones.
        wrong_lengths: `[answers]`, tokens of each.
    """

    right: AnswerStates
    right_lengths: npt.NDArray[np.int64]
    wrong: AnswerStates
    wrong_lengths: npt.NDArray[np.int64]

    def select(self, index: Index, lengths: Index) -> "References":
        """Those to some questions; the tokens of the model's own answers do not matter."""
        return References(
            right=self.right.select(index, self.right_lengths),
            right_lengths=self.right_lengths[index],
            wrong=self.wrong.select(index, self.wrong_lengths),
            wrong_lengths=self.wrong_lengths[index],
        )
