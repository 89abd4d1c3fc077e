"""The output head as a measured fact: `head(h)` equals the model's own logits, or the model is refused.

Everything downstream treats the head as one matrix (with an optional bias): `L = W h + b`. Whether that is true of a
given model is not read off its configuration, which may name a scale or a soft cap in a dozen ways, but measured on
real tokens.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ccps.errors import UserError

# One rounding of a bfloat16 or float16 logit, with room for the order of summation.
_RELATIVE_TOLERANCE = {torch.bfloat16: 2**-7, torch.float16: 2**-9, torch.float32: 2**-16}
_ROWS_PER_BLOCK = 16_384


@dataclass(frozen=True)
class Head:
    """A linear output head.

    Attributes:
        weight: `[vocab, d]`, on the CPU, in the model's dtype; in float32 if a constant logit scale is folded in.
        bias: `[vocab]` float32 or None.
    """

    weight: Tensor
    bias: Tensor | None = None

    def logits(self, hidden: Tensor) -> Tensor:
        """Compute float32 logits `[tokens, vocab]` of final states `[tokens, d]`, a block of rows at a time."""
        hidden = hidden.float()
        blocks = [hidden @ rows.float().T for rows in self.weight.split(_ROWS_PER_BLOCK)]
        logits = torch.cat(blocks, dim=1)
        return logits if self.bias is None else logits + self.bias

    def save(self, file: Path) -> None:
        """Write the head as safetensors."""
        tensors = {"weight": self.weight.contiguous()}
        if self.bias is not None:
            tensors["bias"] = self.bias
        save_file(tensors, file)

    @classmethod
    def load(cls, file: Path) -> "Head":
        """Read a head that `save` wrote."""
        with safe_open(file, framework="pt") as tensors:
            bias = tensors.get_tensor("bias") if "bias" in tensors.keys() else None  # noqa: SIM118
            return cls(tensors.get_tensor("weight"), bias)


def measure_head(name: str, weight: Tensor, bias: Tensor | None, hidden: Tensor, logits: Tensor) -> Head:
    """Find the linear head that reproduces a model's logits, or refuse.

    Three readings are tried: the plain product, a product times one constant (Cohere's and Granite's logit scale),
    both with padding rows of the weight cut off where the model returns fewer logits than rows.

    Args:
        name: the model's name, for the message.
        weight: `[rows, d]` the output embedding.
        bias: `[rows]` or None.
        hidden: `[tokens, d]` final-normed states of real tokens.
        logits: `[tokens, vocab]` what the model itself returned for them.

    Returns:
        A head whose logits agree with the model's within one rounding of the model's dtype.

    Raises:
        UserError: no such head exists: a soft cap, a non-linear head, or states that are not the head's input.
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
    if _agree(product, own, tolerance):
        return plain
    scale = ((product * own).sum() / (product * product).sum()).item()
    if _agree(scale * product, own, tolerance):
        return Head(plain.weight.float() * scale, None if plain.bias is None else plain.bias * scale)
    worst = (product - own).abs().max().item()
    raise UserError(
        f"Expected the head of model `{name}` to be linear (logits = W·h + b, up to one constant scale), but got "
        f"logits that differ from W·h by up to {worst:.3g} (largest logit {own.abs().max():.3g}, best scale "
        f"{scale:.4g}). A soft cap or a non-linear head is not supported: choose a model without one."
    )


def _agree(ours: Tensor, own: Tensor, tolerance: Tensor) -> bool:
    return bool(((ours - own).abs() <= tolerance).all())
