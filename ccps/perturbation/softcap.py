"""The soft cap c·tanh(L/c) that some models put on their logits (Gemma 2, arXiv 2408.00118, section 2).

It keeps the order of the logits, and it bends what was a line along the ray.
"""

import torch
from torch import Tensor


def soft_capped(logits: Tensor, softcap: float | None, out: Tensor | None = None) -> Tensor:
    """Compute c·tanh(L/c), into `out` if given, or return the logits as they are where there is no cap."""
    if softcap is None:
        return logits
    if out is None:
        return softcap * torch.tanh(logits / softcap)  # not in place: a gradient may be wanted
    return torch.div(logits, softcap, out=out).tanh_().mul_(softcap)


def cap_slope(logits: Tensor, softcap: float) -> Tensor:
    """Compute the cap's derivative at uncapped logits, 1 − tanh²(L/c).

    It is taken as 1/cosh², since the difference is lost to rounding where tanh is nearly 1.
    """
    return logits.div(softcap).cosh_().square_().reciprocal_()
