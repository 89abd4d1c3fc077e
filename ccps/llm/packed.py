"""The weights of a bfloat16 model as this CPU multiplies them: laid out once, not anew for every product.

oneDNN multiplies bfloat16 by tiles, into which a plain weight is brought at every call. With hundreds of rows that is
little beside the products; with one it is most of the time. Here the layers keep a copy that is in tiles. What they
give is bit for bit the same, which is tried for each shape of layer before it is believed.
"""

import ctypes
import mmap
import sys
from contextlib import suppress
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ccps.core.machine import memory

_ROWS_TRIED = (1, 5, 130)
_SHARE = 0.25  # of the memory that is free may the copies take: other processes may load the same model
_MADV_PAGEOUT = 21


class PackedLinear(nn.Linear):
    """A linear layer that multiplies with a copy of its weight in tiles, where nothing is to be learnt.

    The weight is still there, for whoever trains, moves or saves the layer.

    Attributes:
        packed: the copy, opaque.
        version: of the weight that it is a copy of.
    """

    packed: Tensor
    version: int

    def forward(self, states: Tensor) -> Tensor:
        """Multiply: by the weight itself if a gradient is wanted, or it has been moved, cast or changed in place."""
        elsewhere = states.dtype != torch.bfloat16 or states.device.type != "cpu"
        if elsewhere or torch.is_grad_enabled() or self.weight._version != self.version:
            return functional.linear(states, self.weight, self.bias)
        return _product(states, self.packed, self.bias)


def pack(model: Any) -> int:
    """Give the layers of a decoder copies of their weights in tiles.

    Nothing happens where it would not help or not be the same: on another device, in another dtype, without oneDNN's
    product of bfloat16, without room for the copies, or where a product of the copy differs in a bit.

    Args:
        model: of transformers, on its device.

    Returns:
        How many layers have one.
    """
    layers = [layer for layer in model.get_decoder().modules() if type(layer) is nn.Linear and _is_plain(layer)]
    size = sum(layer.weight.nbytes for layer in layers)
    if not layers or not _can_pack() or size > _SHARE * (memory().available or 0):
        return 0
    same: dict[tuple[int, ...], bool] = {}
    for layer in layers:
        packed = _laid_out(layer.weight)
        shape = tuple(layer.weight.shape)
        if shape not in same:
            same[shape] = _agrees(layer, packed)
        if same[shape]:
            _turn(layer, packed)
    return sum(type(layer) is PackedLinear for layer in layers)


def _turn(layer: nn.Linear, packed: Tensor) -> None:
    layer.__class__ = PackedLinear
    turned = cast(PackedLinear, layer)
    turned.packed, turned.version = packed, layer.weight._version
    _let_go(layer.weight)


def _is_plain(layer: nn.Linear) -> bool:
    """Whether its weight is all there is to it: on the CPU, in bfloat16, moved about by nobody."""
    weight = layer.weight
    here = weight.device.type == "cpu" and weight.dtype == torch.bfloat16
    return here and not weight.is_inference() and not hasattr(layer, "_hf_hook")


def _can_pack() -> bool:
    if not torch.backends.mkldnn.is_available():
        return False
    with suppress(RuntimeError, AttributeError, TypeError):  # of torch's inside: what is not as it was is not used
        weight = torch.eye(32, dtype=torch.bfloat16)
        _product(weight, _laid_out(weight), None)
        return True
    return False


def _laid_out(weight: Tensor) -> Tensor:
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
    return laid_out


def _product(states: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(states, packed, bias, "none", [], "")
    return product


@torch.inference_mode()
def _agrees(layer: nn.Linear, packed: Tensor) -> bool:
    generator = torch.Generator().manual_seed(0)
    for rows in _ROWS_TRIED:
        states = torch.randn(rows, layer.in_features, generator=generator).bfloat16()
        if not torch.equal(_product(states, packed, layer.bias), functional.linear(states, layer.weight, layer.bias)):
            return False
    return True


def _let_go(weight: Tensor) -> None:
    """Let the kernel have back what it can read again from the checkpoint's file; nothing is lost where it cannot."""
    if not sys.platform.startswith("linux"):
        return
    first = -(-weight.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    length = weight.data_ptr() + weight.numel() * weight.element_size() - first
    if length > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), _MADV_PAGEOUT)
