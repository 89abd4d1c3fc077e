"""The output head of a language model as one record: what turns a final state into logits.

`L = W h + b`, or `L = c·tanh((W h + b)/c)` where there is a soft cap c. That a given model's head is of this form is
measured where the model is loaded (`ccps.llm.measure_head`); here it is taken as a fact.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ccps.perturbation.softcap import soft_capped

# A weight in bfloat16 is cast to float32 so many rows at a time: the whole of it would be a second copy of the head.
_ROWS_PER_BLOCK = 16_384


@dataclass(frozen=True)
class Head:
    """A linear output head, with a soft cap or without.

    Attributes:
        weight: `[vocab, d]`, on the CPU as it is measured, in the model's dtype; in float32 if a constant logit scale
            is folded in.
        bias: `[vocab]` float32 or None.
        softcap: c of c·tanh(L/c), or None.
        scale: the constant that is folded in.
    """

    weight: Tensor
    bias: Tensor | None = None
    softcap: float | None = None
    scale: float = 1.0

    def logits(self, hidden: Tensor) -> Tensor:
        """Compute float32 logits `[tokens, vocab]` of final states `[tokens, d]`, a block of rows at a time."""
        hidden = hidden.float()
        blocks = [hidden @ rows.float().T for rows in self.weight.split(_ROWS_PER_BLOCK)]
        logits = torch.cat(blocks, dim=1)
        return soft_capped(logits if self.bias is None else logits + self.bias, self.softcap)

    def scaled_and_capped(self, product: Tensor) -> Tensor:
        """Turn what the model's own output layer gives into the model's logits, in the same dtype."""
        return soft_capped(product if self.scale == 1.0 else product * self.scale, self.softcap)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "Head":
        """Put the head on a device, the weight in another dtype if one is given."""
        bias = None if self.bias is None else self.bias.to(device)
        return replace(self, weight=self.weight.to(device=device, dtype=dtype), bias=bias)

    def save(self, file: Path) -> None:
        """Write the head as safetensors."""
        tensors = {"weight": self.weight.contiguous()}
        if self.bias is not None:
            tensors["bias"] = self.bias
        if self.softcap is not None:
            tensors["softcap"] = torch.tensor(self.softcap, dtype=torch.float64)
        if self.scale != 1.0:
            tensors["scale"] = torch.tensor(self.scale, dtype=torch.float64)
        save_file(tensors, file)

    @classmethod
    def load(cls, file: Path) -> "Head":
        """Read a head that `save` wrote."""
        with safe_open(file, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        numbers = {name: tensors[name].item() for name in ("softcap", "scale") if name in tensors}
        return cls(tensors["weight"], tensors.get("bias"), **numbers)
