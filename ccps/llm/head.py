"""The output head as a measured fact: `head(h)` equals the model's own logits, or the model is refused.

Everything downstream treats the head as one matrix, with an optional bias and an optional soft cap c on what it gives:
`L = W h + b`, or `L = c·tanh((W h + b)/c)`. Whether that is true of a given model is measured on real tokens, since a
configuration may name a scale or a cap in a dozen ways, and name one that is not applied.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ccps.core.errors import UserError
from ccps.perturbation.head import Head
from ccps.perturbation.softcap import soft_capped

# One rounding of a bfloat16 or float16 logit, with room for the order of summation; our own product is in float32.
_RELATIVE_TOLERANCE = {torch.bfloat16: 2**-7, torch.float16: 2**-9, torch.float32: 2**-16, torch.float64: 2**-16}
_CLEAR_OF_CAP = 0.9


def measure_head(
    name: str,
    weight: Tensor,
    bias: Tensor | None,
    hidden: Tensor,
    logits: Tensor,
    softcap: float | None = None,
) -> Head:
    """Find the head that reproduces a model's logits, or refuse.

    Two readings are tried: the plain product, and the product times one constant (Cohere's and Granite's logit scale);
    each first under the soft cap that the configuration names (Gemma's), then without it. Padding rows of the weight
    are cut off where the model returns fewer logits than rows.

    Args:
        name: the model's name, for the message.
        weight: `[rows, d]` the output embedding.
        bias: `[rows]` or None.
        hidden: `[tokens, d]` final-normed states of real tokens.
        logits: `[tokens, vocab]` what the model itself returned for them.
        softcap: a soft cap that the model may have. Where it is so far above the logits that they do not tell, it is
            believed.

    Returns:
        A head whose logits agree with the model's within one rounding of the model's dtype.

    Raises:
        UserError: no such head exists: another soft cap, a non-linear head, or states that are not the head's input.
    """
    vocabulary = logits.shape[1]
    own = logits.float().cpu()
    if not torch.isfinite(own).all():
        raise UserError(
            f"Model `{name}` returns NaN or infinite logits on a plain sentence. Its weights are broken or overflow in "
            f"{logits.dtype}: try model.{name}.dtype=float32, or check the checkpoint."
        )
    plain = Head(weight[:vocabulary].detach().cpu(), None if bias is None else bias[:vocabulary].detach().float().cpu())
    product = plain.logits(hidden.cpu())
    tolerance = _RELATIVE_TOLERANCE[logits.dtype] * own.abs().max()
    for cap in dict.fromkeys((softcap, None)):
        if _agree(soft_capped(product, cap), own, tolerance):
            return replace(plain, softcap=cap)
        scale = _best_scale(product, own, cap)
        if _agree(soft_capped(scale * product, cap), own, tolerance):
            scaled_bias = None if plain.bias is None else plain.bias * scale
            return Head(plain.weight.float() * scale, scaled_bias, cap, scale)
    worst = (product - own).abs().max().item()
    named = "names none" if softcap is None else f"names {softcap:g}, which does not give these logits either"
    raise UserError(
        f"Expected the head of model `{name}` to be linear (logits = W·h + b, up to one constant scale and a soft cap "
        f"that its configuration names as `final_logit_softcapping`), but got logits that differ from W·h by up to "
        f"{worst:.3g} (largest logit {own.abs().max():.3g}, best scale {scale:.4g}; of a soft cap the configuration "
        f"{named}). Another non-linear head is not supported: choose a model without one."
    )


def _best_scale(product: Tensor, own: Tensor, softcap: float | None) -> float:
    """Fit the constant by least squares before the cap, where it has left enough of the logits to be undone."""
    if softcap is not None:
        clear = own.abs() < _CLEAR_OF_CAP * softcap
        product, own = product[clear], softcap * torch.atanh(own[clear] / softcap)
    return ((product * own).sum() / (product * product).sum()).item()


def _agree(ours: Tensor, own: Tensor, tolerance: Tensor) -> bool:
    return bool(((ours - own).abs() <= tolerance).all())
