"""The two parts of the loss of Calibration-Tuning (arXiv 2406.08391)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from ccps.settings.tuning import Divergence


def query_losses(logits: Tensor, is_right: Tensor) -> Tensor:
    """Cross-entropy over the two options of the self-evaluation query.

    Args:
        logits: `[answers, 2]` of "no" and "yes".
        is_right: `[answers]` bool, whether the answer is.

    Returns:
        `[answers]` in nats.
    """
    return functional.cross_entropy(logits, is_right.long(), reduction="none")


def divergences(logits: Tensor, reference: Tensor, kind: Divergence) -> Tensor:
    """How far next-token distributions p = softmax(logits) are from r = softmax(reference), see `Divergence`.

    Args:
        logits: `[tokens, vocab]` of the tuned model.
        reference: `[tokens, vocab]` of the untuned one.
        kind: which divergence.

    Returns:
        `[tokens]` in nats, not negative up to rounding.
    """
    p, r = logits.log_softmax(dim=-1), reference.log_softmax(dim=-1)
    if kind is Divergence.forward_kl:
        return _kl(r, p)
    if kind is Divergence.reverse_kl:
        return _kl(p, r)
    middle = torch.logaddexp(p, r) - math.log(2)
    return (_kl(p, middle) + _kl(r, middle)) / 2


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p‖q) of log-probabilities."""
    return functional.kl_div(q, p, reduction="none", log_target=True).sum(dim=-1)
