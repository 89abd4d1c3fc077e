"""Who is given the states of texts while these are read: to keep them, or to make log-probabilities of them."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor

from ccps.metrics.inputs import FloatArray
from ccps.perturbation import Head

StateName = Literal["pre_norm", "post_norm", "final"]
"""`pre_norm` and `post_norm` are of every token of prompt and text, before the final norm and after it; `final` is what
predicted each token of the text, after it."""

STATE_NAMES: tuple[StateName, ...] = get_args(StateName)

_TOKENS_PER_BLOCK = 256


class Taker(Protocol):
    """Whoever is given the states of a text while it is read."""

    def take(self, states: Tensor) -> None:
        """Take those of the next tokens, `[tokens, d]` in the model's dtype, on its device: a view, to be copied."""


Takers = Mapping[StateName, Sequence[Taker]]
"""Of one text, by what they are given."""


class Keeper:
    """Takes states to keep them, on the CPU."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []

    def take(self, states: Tensor) -> None:
        """Copy them."""
        self._parts.append(states.to("cpu", copy=True))

    def states(self) -> Tensor:
        """All of them, `[tokens, d]`; what was taken is let go."""
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class LogProbs:
    """Log-probabilities of the tokens of some texts, made of states of all of them at a time.

    Args:
        k: how many of the likeliest.
        head: the model's head.
        tokens: of each text.
    """

    def __init__(self, k: int, head: Head, tokens: Sequence[Sequence[int]]) -> None:
        self.k = k
        self.head = head
        self.tokens = tokens
        self._done = [0] * len(tokens)
        self._top: list[list[FloatArray]] = [[np.empty((0, k))] for _ in tokens]
        self._own: list[list[FloatArray]] = [[np.empty(0)] for _ in tokens]

    def take(self, finals: Sequence[Tensor]) -> None:
        """Take the states `[tokens, d]` that predicted the next tokens of each text; of some there may be none."""
        sizes = [len(own) for own in finals]
        if not sum(sizes):
            return
        states = torch.cat(list(finals)).to(self.head.weight.device)
        parts = zip(self.tokens, self._done, sizes, strict=True)
        ids = torch.tensor([token for own, done, n in parts for token in own[done : done + n]], device=states.device)
        blocks = zip(states.split(_TOKENS_PER_BLOCK), ids.split(_TOKENS_PER_BLOCK), strict=True)
        top, own = zip(*(self._block(*block) for block in blocks), strict=True)
        for index, (likeliest, its_own) in enumerate(
            zip(torch.cat(top).split(sizes), torch.cat(own).split(sizes), strict=True)
        ):
            self._top[index].append(likeliest.numpy())
            self._own[index].append(its_own.numpy())
            self._done[index] += sizes[index]

    def _block(self, states: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.head.logits(states)
        total = logits.logsumexp(dim=-1, keepdim=True)
        likeliest = logits.topk(self.k, dim=-1).values - total
        return likeliest.double().cpu(), (logits.gather(-1, ids[:, None]) - total)[:, 0].double().cpu()

    def found(self) -> list[tuple[FloatArray, FloatArray]]:
        """Of each text `[tokens, k]` of the likeliest and `[tokens]` of its own."""
        return [(np.concatenate(top), np.concatenate(own)) for top, own in zip(self._top, self._own, strict=True)]
