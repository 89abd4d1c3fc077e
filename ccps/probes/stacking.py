"""Many networks of one shape as one: their weights stacked, their dropout masks given from outside."""

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from ccps.probes.encoders import ProbeNetwork

Tensors = dict[str, torch.Tensor]


class GivenDropout(nn.Module):
    """Dropout whose mask comes from outside as the buffer `mask`; without one it lets everything through."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(()))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the inputs times the mask."""
        return inputs * self.get_buffer("mask")


class DropoutSite(NamedTuple):
    """A place in a network that takes a mask."""

    name: str
    """Of the buffer."""
    shape: tuple[int, ...]
    """Of the mask without its first axis, the rows."""
    order: tuple[int, ...]
    """Axes of the layer's input from the outermost in memory to the innermost."""


class StackedNetworks:
    """Networks of one shape, computed together."""

    def __init__(self, networks: Sequence[ProbeNetwork], device: torch.device) -> None:
        self.weights: Tensors = {
            name: value.detach().to(device).requires_grad_()
            for name, value in stack_module_state(list(networks))[0].items()
        }
        """Name → `[networks, …]`."""
        self.template = deepcopy(networks[0]).to(device)
        """One of the networks, its dropout layers replaced by `GivenDropout`."""
        _replace_dropout(self.template)

    def copy_to(self, networks: Sequence[ProbeNetwork]) -> None:
        """Give each network its weights."""
        weights = {name: value.detach().cpu() for name, value in self.weights.items()}
        for number, network in enumerate(networks):
            network.load_state_dict({name: value[number] for name, value in weights.items()})


def call_stacked(module: nn.Module, weights: Tensors, masks: Tensors, inputs: torch.Tensor) -> torch.Tensor:
    """Apply each network to its own inputs.

    Args:
        module: says what is computed.
        weights: name → `[networks, …]`.
        masks: name → `[networks, rows, …]`, for the `GivenDropout` layers.
        inputs: `[networks, rows, …]`.

    Returns:
        `[networks, rows, outputs]`.
    """

    def call(weights: Tensors, masks: Tensors, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = functional_call(module, (weights, masks), (inputs,))
        return output

    outputs: torch.Tensor = vmap(call)(weights, masks, inputs)
    return outputs


def dropout_sites(module: nn.Module, inputs: torch.Tensor) -> list[DropoutSite]:
    """List the `GivenDropout` layers in the order in which `module` reaches them.

    Args:
        module: whatever has such layers.
        inputs: an example `[rows, …]` of at least two rows, on the CPU.
    """
    sites: list[DropoutSite] = []
    # A GPU may lay out the same tensors differently; the masks are drawn on the CPU.
    module = deepcopy(module).cpu()

    def watch(name: str, layer: GivenDropout) -> None:
        def note(_: nn.Module, given: tuple[torch.Tensor]) -> None:
            hidden = given[0]
            order = sorted(range(hidden.ndim), key=hidden.stride, reverse=True)
            sites.append(DropoutSite(f"{name}.mask", tuple(hidden.shape[1:]), tuple(order)))

        layer.register_forward_pre_hook(note)

    for name, layer in module.named_modules():
        if isinstance(layer, GivenDropout):
            watch(name, layer)
    with torch.no_grad():
        module(inputs)
    return sites


def _replace_dropout(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, GivenDropout())
        else:
            _replace_dropout(child)
