"""LitCab (arXiv 2310.19208): a linear layer beside the head that makes right answers likelier and wrong ones less."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ccps.perturbation import Head
from ccps.probes.curve import CurvePoint

_TOKENS_AT_ONCE = 256


class Reading(NamedTuple):
    """Answer tokens and the final-normed states that predict them.

    Attributes:
        states: `[tokens, d]`.
        token_ids: `[tokens]`.
    """

    states: Tensor
    token_ids: Tensor


class Pair(NamedTuple):
    """A right and a wrong answer to one question, or to some."""

    right: Reading
    wrong: Reading


class LitCabWeights(NamedTuple):
    """What has been learnt: d·V + V numbers, which is 0.93 GB at d = 1536 and V = 151,936.

    Attributes:
        weight: `[vocab, d]` float32.
        bias: `[vocab]` float32.
    """

    weight: Tensor
    bias: Tensor

    def log_probs(self, reading: Reading, head: Head) -> Tensor:
        """Log-probability of each token under head and layer together, `[tokens]` float32, some tokens at a time."""
        found = []
        with torch.inference_mode():
            for states, ids in zip(*(part.split(_TOKENS_AT_ONCE) for part in reading), strict=True):
                hidden = states.float()
                logits = head.logits(hidden) + functional.linear(hidden.relu(), self.weight, self.bias)
                found.append(-functional.cross_entropy(logits, ids, reduction="none"))
        return torch.cat(found)


class Trained(NamedTuple):
    """Weights, and how they came about.

    Attributes:
        weights: those of the best epoch.
        train: positions of the pairs that were trained on.
        validation: positions of those held out.
        curve: before training and after each epoch.
    """

    weights: LitCabWeights
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    curve: tuple[CurvePoint, ...]
