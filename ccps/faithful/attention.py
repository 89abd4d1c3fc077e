"""Which tokens of a step the tokens before it attend to: all that RCC takes from hidden states, as a few numbers.

A row of attention sums to 1, so at most ten entries of it reach `LEAST`, and with real states one or two. They are kept
with their weights, and from them RCC follows for every threshold from `LEAST` on, without the states.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ccps.metrics.inputs import check_choice

Similarity = Literal["dot", "cosine"]

LEAST = 0.1
"""Attention from which on a pair of tokens is kept."""

# Bounds the memory of a long prompt's attention over a long first step.
_ROWS = 1024


class Attention(NamedTuple):
    """The pairs of tokens of which the earlier attends to the later, in the order of steps and of the earlier tokens.

    Attributes:
        pairs: `[pairs, 3]` int32: the step; the earlier token, by its place in the step before or in the prompt; the
            later token, counted from the first generated one.
        weights: `[pairs]` float32 in [least, 1], how much of the earlier token's attention the later one has.
        n_tokens: generated tokens of the trace.
        least: attention from which on pairs are here.
    """

    pairs: Tensor
    weights: Tensor
    n_tokens: int
    least: float


class Attending:
    """Finds them while states come in, a few tokens at a time: of these, two steps at most are held.

    Args:
        step_token_indices: tokens of each step, counted from the first generated one.
        prompt_length: tokens of the prompt, whose states come first; at least one.
        similarity: `dot`, or `cosine`, which scales states to length √d first, so that no token wins by its norm.
        least: attention from which on a pair is kept, above 0.

    Raises:
        ValueError: a setting out of range.
    """

    def __init__(
        self,
        step_token_indices: Sequence[npt.ArrayLike],
        prompt_length: int,
        *,
        similarity: Similarity = "dot",
        least: float = LEAST,
    ) -> None:
        check_choice("similarity", similarity, get_args(Similarity))
        if prompt_length < 1 or not 0 < least <= 1:
            raise ValueError(
                f"Expected `prompt_length` to be at least 1 and `least` to lie in (0, 1], but got {prompt_length} and "
                f"{least}. The first step is compared with the prompt."
            )
        self.similarity: Similarity = similarity
        self.least = least
        self.prompt_length = prompt_length
        own = [torch.tensor(np.asarray(step, dtype=np.int64)) for step in step_token_indices]
        everything = [(number, tokens + prompt_length) for number, tokens in enumerate(own) if len(tokens)]
        self._coming = [(-1, torch.arange(prompt_length)), *everything]
        self._held: Tensor | None = None
        self._first, self._end = 0, 0  # places of the states that are held
        self._before: Tensor | None = None
        self._pairs: list[Tensor] = []
        self._weights: list[Tensor] = []

    @property
    def held(self) -> int:
        """How many tokens' states are held."""
        return (0 if self._held is None else len(self._held)) + (0 if self._before is None else len(self._before))

    def take(self, states: Tensor) -> None:
        """Take the states of the next tokens, `[tokens, d]`, on whatever device.

        Raises:
            ValueError: a state of a step is not finite.
        """
        self._held = states if self._held is None else torch.cat([self._held, states])
        self._end += len(states)
        while self._coming and int(self._coming[0][1].max()) < self._end:
            number, places = self._coming.pop(0)
            current = _vectors(_rows(self._held, places - self._first), self.similarity)
            if self._before is not None:
                self._attend(number, self._before, current, places - self.prompt_length)
            self._before = current
        wanted = min((int(places.min()) for _, places in self._coming), default=self._end)
        self._held = self._held[min(wanted, self._end) - self._first :].clone()
        self._first = min(wanted, self._end)

    def found(self) -> Attention:
        """All pairs, on the CPU, once every state has come.

        Raises:
            ValueError: a step has tokens whose states have not come.
        """
        if self._coming:
            number, places = self._coming[0]
            raise ValueError(
                f"Expected the tokens of step {number} to be among {self._end - self.prompt_length} generated ones "
                f"that have states, but got index {int(places.max()) - self.prompt_length}. Pass the state of every "
                "generated token, the last included."
            )
        pairs = torch.cat([torch.empty(0, 3, dtype=torch.int32), *self._pairs])
        weights = torch.cat([torch.empty(0), *self._weights])
        return Attention(pairs, weights, self._end - self.prompt_length, self.least)

    def _attend(self, number: int, before: Tensor, current: Tensor, tokens: Tensor) -> None:
        columns = current.T / math.sqrt(current.shape[1])
        for at, part in enumerate(before.split(_ROWS)):
            attention = (part @ columns).softmax(dim=1)
            rows, chosen = (attention >= self.least).nonzero(as_tuple=True)
            self._weights.append(attention[rows, chosen].cpu())
            own = torch.stack([torch.full_like(rows, number), rows + at * _ROWS], dim=1).cpu()
            self._pairs.append(torch.cat([own, tokens[chosen.cpu()][:, None]], dim=1).int())


def _rows(states: Tensor, indices: Tensor) -> Tensor:
    """Some of the states; of tokens that follow each other, as those of a step do, without a copy."""
    first, last = int(indices[0]), int(indices[-1])
    follow = last - first + 1 == len(indices) and bool((indices.diff() == 1).all())
    return states[first : last + 1] if follow else states[indices.to(states.device)]


def _vectors(states: Tensor, similarity: Similarity) -> Tensor:
    # A copy, since a part of a chunk would keep all of it alive.
    vectors = states.to(torch.float32, copy=True)
    # One sum takes a tenth of the time of a look at every number.
    if not vectors.sum().isfinite():
        raise ValueError(
            "Expected `states` to be finite, but got NaN or infinity. Run the model in bfloat16 or float32."
        )
    if similarity == "dot":
        return vectors
    return torch.nn.functional.normalize(vectors, dim=1) * math.sqrt(vectors.shape[1])
