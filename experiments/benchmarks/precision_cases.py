"""States and heads that features are computed of: ordinary ones, and those that bring rounding to its limits."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Case(NamedTuple):
    """States, the head, and the tokens that were chosen, all float32 (ids aside)."""

    hidden: Tensor
    weight: Tensor
    token_ids: Tensor
    bias: Tensor | None = None


def _case(vocabulary: int, width: int, tokens: int, *, logits: float, seed: int = 0) -> Case:
    """Random states, logits of this standard deviation; half of the tokens are the model's own choice.

    Weights are numbers of bfloat16, as those of most checkpoints, so that reading them so loses nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = (torch.randn(vocabulary, width, generator=generator) / math.sqrt(width)).bfloat16().float()
    hidden = torch.randn(tokens, width, generator=generator) * logits
    ids = torch.randint(vocabulary, (tokens,), generator=generator)
    ids[::2] = (hidden @ weight.T).argmax(1)[::2]
    return Case(hidden, weight, ids)


def ordinary() -> Case:
    """Logits as those of a language model."""
    return _case(4096, 64, 64, logits=4.0)


def saturated() -> Case:
    """The chosen token has all probability, up to where 1 − p is 1e-15."""
    case = _case(4096, 64, 24, logits=1.0, seed=1)
    ids = case.token_ids
    ahead = torch.linspace(10, 60, len(ids))[:, None]
    rows = case.weight[ids]
    return case._replace(hidden=case.hidden + ahead * rows / rows.norm(dim=1, keepdim=True) ** 2)


def tied() -> Case:
    """Every row of the head stands there twice, so that the two largest logits are equal."""
    case = _case(2048, 64, 24, logits=4.0, seed=2)
    return case._replace(weight=case.weight.repeat(2, 1))


def uniform() -> Case:
    """All logits of the unmoved state are nearly equal."""
    case = _case(4096, 64, 24, logits=1.0, seed=3)
    return case._replace(hidden=case.hidden * 1e-4)


def huge() -> Case:
    """Logits in the thousands."""
    return _case(4096, 64, 24, logits=1500.0, seed=4)


def tiny() -> Case:
    """A head so small that all moves change logits by less than a thousandth."""
    case = _case(4096, 64, 24, logits=1.0, seed=5)
    return case._replace(weight=case.weight * 1e-5)


def vocabulary_256k() -> Case:
    """As large a vocabulary as there is."""
    return _case(262_144, 64, 8, logits=4.0, seed=6)


def masked() -> Case:
    """A tenth of the vocabulary is ruled out by a bias of −10,000."""
    case = _case(4096, 64, 24, logits=4.0, seed=7)
    bias = torch.zeros(4096)
    bias[::10] = -1e4
    ids = torch.where(case.token_ids % 10 == 0, case.token_ids + 1, case.token_ids)
    return case._replace(bias=bias, token_ids=ids)


CASES: Mapping[str, Callable[[], Case]] = {
    "ordinary": ordinary,
    "saturated": saturated,
    "tied": tied,
    "uniform": uniform,
    "huge": huge,
    "tiny": tiny,
    "256k": vocabulary_256k,
    "masked": masked,
}
