"""The loss of the contrastive stage."""

import torch
from torch.nn import functional


def contrastive_loss(left: torch.Tensor, right: torch.Tensor, different: torch.Tensor, margin: float) -> torch.Tensor:
    """Pull pairs with one label together and push pairs with two labels `margin` apart.

    L = mean[(1 − y)·D² + y·max(0, margin − D)²], y = 1 where the labels differ, D the Euclidean distance with
    1e-6 added to each coordinate difference so that its gradient exists at zero (the max-margin loss of CCPS,
    arXiv 2505.21772, with the sign conventions of its released code).

    Args:
        left: embeddings `[pairs, embed_dim]`.
        right: embeddings of the partners `[pairs, embed_dim]`.
        different: `[pairs]`, true where the two labels differ.
        margin: distance beyond which a pair with two labels costs nothing.

    Returns:
        A scalar.
    """
    return pair_losses(left, right, different, margin).mean()


def pair_losses(left: torch.Tensor, right: torch.Tensor, different: torch.Tensor, margin: float) -> torch.Tensor:
    """Return the terms `[..., pairs]` whose mean is `contrastive_loss`; embeddings may be `[..., pairs, embed_dim]`."""
    distance = functional.pairwise_distance(left, right, eps=1e-6)
    apart = (margin - distance).clamp(min=0.0)
    return torch.where(different, apart.square(), distance.square())
