"""How a head is multiplied, by its type and the device.

A head in float32 has one way. One in bfloat16 has another that is faster where a device multiplies bfloat16 faster and
returns float32 sums (`products`). Its results are as exact and not the same to the last bit, so the way is part of what
determines a result, and is named beside it.
"""

from typing import Literal, NamedTuple, get_args

import torch

from ccps.perturbation.products import CAST, SPLIT, Products

Way = Literal["float32", "split"]
"""Float32 throughout; products by parts in bfloat16."""

WAYS: tuple[Way, ...] = get_args(Way)

_PRODUCTS: dict[Way, Products] = {"float32": CAST, "split": SPLIT}


class Rule(NamedTuple):
    """Where a way is taken."""

    dtype: str
    """Of the head's weight."""
    device: str
    instructions: str
    """What the device multiplies it with, as `instructions` names it."""
    way: Way


TABLE = (Rule("bfloat16", "cuda", "bfloat16 tensor cores", "split"),)
"""What is not in it is computed in float32: on a CPU nothing else has been faster and as exact
(docs/negative-results.md)."""

_AMPERE = (8, 0)


def chosen_way(dtype: str, device: torch.device) -> Way:
    """Look up how a head is multiplied.

    Args:
        dtype: name of the type of its weight, as `bfloat16`.
        device: where that is done.
    """
    here = (dtype, device.type, instructions(device))
    return next((rule.way for rule in TABLE if rule[:3] == here), "float32")


def instructions(device: torch.device) -> str:
    """Name what a device multiplies bfloat16 with; "none" where that is not known to be faster than float32."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= _AMPERE:
        return "bfloat16 tensor cores"
    return "none"


def products(weight: torch.Tensor, way: Way | None) -> Products:
    """Give the products of a way, or of the one that the table names; in float32 unless the weight is in bfloat16.

    Raises:
        ValueError: there is no such way.
    """
    if way is not None and way not in WAYS:
        message = f"Expected `way` to be one of {', '.join(WAYS)} or None, but got {way!r}."
        raise ValueError(f"{message} None is what is fastest on the device.")
    if weight.dtype != torch.bfloat16:
        return CAST
    return _PRODUCTS[way or chosen_way("bfloat16", weight.device)]
