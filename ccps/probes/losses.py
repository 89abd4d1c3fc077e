"""The loss of the contrastive stage."""

import torch
from torch.nn import functional


def pair_losses(left: torch.Tensor, right: torch.Tensor, different: torch.Tensor, margin: float) -> torch.Tensor:
    """Pull pairs with one label together and push pairs with two labels `margin` apart.

    L = (1 − y)·D² + y·max(0, margin − D)², y = 1 where the labels differ, D the Euclidean distance with 1e-6 added to
    each coordinate difference so that its gradient exists at zero (the max-margin loss of CCPS, arXiv 2505.21772, with
    the sign conventions of its released code).

    Args:
        left: embeddings `[..., pairs, embed_dim]`.
        right: embeddings of the partners, likewise.
        different: `[..., pairs]`, true where the two labels differ.
        margin: distance beyond which a pair with two labels costs nothing.

    Returns:
        `[..., pairs]`; what is minimised is their mean.
    """
    distance = functional.pairwise_distance(left, right, eps=1e-6)
    apart = (margin - distance).clamp(min=0.0)
    return torch.where(different, apart.square(), distance.square())
