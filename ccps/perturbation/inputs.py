"""One check of what every function of this package takes."""

from typing import NamedTuple

import torch
from torch import Tensor

from ccps.perturbation.directions import DIRECTIONS, Direction
from ccps.perturbation.head import Head


class Inputs(NamedTuple):
    """Checked inputs, ready for float32 arithmetic."""

    hidden: Tensor
    """Final-normed hidden states, float32 `[tokens, d]`."""
    head: Head
    """Weight in the type it came in, bias in float32."""
    token_ids: Tensor
    """The tokens that the states predicted, int64 `[tokens]`."""
    direction: Direction
    """Where the states are moved."""
    seed: int
    """Seed of the random direction."""


def checked(
    hidden: Tensor,
    weight: Tensor | Head,
    token_ids: Tensor,
    bias: Tensor | None = None,
    direction: Direction = "gradient",
    seed: int = 0,
    softcap: float | None = None,
) -> Inputs:
    """Refuse what cannot be perturbed, with the reason; the weight itself is neither copied nor scanned.

    Raises:
        ValueError: a shape, type, device or value is wrong, there is no such direction, or a bias or soft cap is given
            beside a head, which has its own.
    """
    weight, bias, softcap = _parts(weight, bias, softcap)
    if hidden.ndim != 2 or not hidden.is_floating_point():
        raise _unexpected("hidden", "floating point [tokens, d]", _describe(hidden), "Stack one state per token.")
    tokens, width = hidden.shape
    if weight.ndim != 2 or not weight.is_floating_point() or weight.shape[1] != width or weight.shape[0] < 2:
        way_out = "Pass the head's weight with one row per vocabulary entry, dequantised if need be."
        raise _unexpected("weight", f"floating point [vocab ≥ 2, {width}]", _describe(weight), way_out)
    if token_ids.shape != (tokens,) or token_ids.dtype not in _INTEGERS:
        raise _unexpected("token_ids", f"integers [{tokens}]", _describe(token_ids), "Give one id per state.")
    if bias is not None and (bias.shape != weight.shape[:1] or not bias.is_floating_point()):
        wanted = f"floating point [{weight.shape[0]}]"
        raise _unexpected("bias", wanted, _describe(bias), "Give one number per row of `weight`, or None.")
    for name, tensor in (("weight", weight), ("token_ids", token_ids), ("bias", bias)):
        if tensor is not None and tensor.device != hidden.device:
            raise _unexpected(name, f"on {hidden.device}", f"one on {tensor.device}", "Move it beside `hidden`.")
    if tokens and not torch.isfinite(hidden).all():
        bad = int((~torch.isfinite(hidden).all(dim=1)).sum())
        raise _unexpected("hidden", "finite", f"NaN or inf in {bad} of {tokens} states", "Drop these tokens.")
    if tokens and not 0 <= int(token_ids.min()) <= int(token_ids.max()) < weight.shape[0]:
        got = f"{int(token_ids.min())} to {int(token_ids.max())}"
        way_out = "Check that tokenizer and head belong to the same model."
        raise _unexpected("token_ids", f"within 0 to {weight.shape[0] - 1}", got, way_out)
    if direction not in DIRECTIONS:
        raise _unexpected("direction", f"one of {', '.join(DIRECTIONS)}", repr(direction), "The paper's is gradient.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise _unexpected("seed", "an integer of at least 0", repr(seed), "It chooses the random directions.")
    if softcap is not None and not 0.0 < softcap < float("inf"):
        raise _unexpected("softcap", "a positive finite number or None", str(softcap), "Pass the model's own.")
    head = Head(weight, None if bias is None else bias.float(), softcap)
    return Inputs(hidden.float(), head, token_ids.long(), direction, seed)


def _parts(
    weight: Tensor | Head, bias: Tensor | None, softcap: float | None
) -> tuple[Tensor, Tensor | None, float | None]:
    """Take a head apart to be checked; its scale is in the weight already."""
    if not isinstance(weight, Head):
        return weight, bias, softcap
    for name, given in (("bias", bias), ("softcap", softcap)):
        if given is not None:
            raise _unexpected(name, "None beside a head, which has its own", "another one", "Leave it out.")
    return weight.weight, weight.bias, weight.softcap


def checked_grid(radius: float, steps: int) -> None:
    """Refuse a perturbation grid without a length or without a step.

    Raises:
        ValueError: `radius` is not a positive finite number, or `steps` not a positive integer.
    """
    if not 0.0 < radius < float("inf"):
        raise _unexpected("radius", "a positive finite number", str(radius), "The paper's is 20.0.")
    if isinstance(steps, bool) or steps != int(steps) or steps < 1:
        raise _unexpected("steps", "a positive integer", str(steps), "The paper's is 5.")


_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8)


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _unexpected(name: str, wanted: str, got: str, way_out: str) -> ValueError:
    return ValueError(f"Expected `{name}` to be {wanted}, but got {got}. {way_out}")
