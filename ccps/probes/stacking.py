"""Many networks of one shape as one: their weights stacked, their dropout masks given from outside.

A probe is so small that a step of training costs calls, not arithmetic: dozens of kernels of a few microseconds each,
on matrices of some dozens of rows. A hundred probes laid side by side cost no more calls than one. `torch.func` does
that without a line of the network being written anew:

- `stack_module_state` turns a hundred weights `[out, in]` into one `[100, out, in]`;
- `_holding` runs a module with weights that are handed to it instead of its own, as `functional_call` does;
- `vmap` runs that over the first axis of weights and inputs, so that each matrix product becomes a batched one.

The gradient needs no thought: no weight is in two networks, so the gradient of the sum of all losses holds that of each
network's own loss, and one Adam, which works number by number, is a hundred of them.

Dropout is what does not go through. Inside `vmap` one generator would have to serve all networks, and what a network
draws would depend on its company. So every network draws its masks beforehand, from a generator of its own
(`ccps.probes.streams`), and `GivenDropout` multiplies by what it is given.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.func import stack_module_state, vmap

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
    # A network alone goes through it too: without, the last bits of a seed would depend on its company.
    outputs: torch.Tensor = vmap(lambda *own: _call(module, *own))(weights, masks, inputs)
    return outputs


def call_alone(module: nn.Module, weights: Tensors, masks: Tensors, inputs: torch.Tensor) -> torch.Tensor:
    """Apply the only network to its inputs, as `call_stacked` does up to rounding, without the copies of `vmap`.

    These take a fifth of the time of convolutions. It is for networks that never have company, however many are fitted.
    """
    own, given = ({name: value[0] for name, value in tensors.items()} for tensors in (weights, masks))
    return _call(module, own, given, inputs[0])[None]


def _call(module: nn.Module, weights: Tensors, masks: Tensors, inputs: torch.Tensor) -> torch.Tensor:
    with _holding(module, weights, masks):
        output: torch.Tensor = module(inputs)
    return output


@contextmanager
def _holding(module: nn.Module, weights: Tensors, masks: Tensors) -> Iterator[None]:
    """Put tensors in the place of a module's own.

    That is what `functional_call` does; but it looks for tied weights each time, which takes longer than the network.
    """
    places = [(module.get_submodule(name.rpartition(".")[0]), name) for name in (*weights, *masks)]
    slots: list[tuple[dict[str, Any], str]] = [
        (owner._parameters if name in weights else owner._buffers, name.rpartition(".")[2]) for owner, name in places
    ]
    own = [slot[name] for slot, name in slots]
    try:
        for (slot, name), value in zip(slots, (*weights.values(), *masks.values()), strict=True):
            slot[name] = value
        yield
    finally:
        for (slot, name), value in zip(slots, own, strict=True):
            slot[name] = value


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
