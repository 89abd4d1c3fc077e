"""What goes into the final norm of a decoder, caught while it reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ccps.core.errors import expected
from ccps.llm.load import LanguageModel


class Call(NamedTuple):
    """What a module was given and what it gave back."""

    given: Tensor
    result: Tensor


@contextmanager
def norm_calls(lm: LanguageModel, *, wanted: bool) -> Iterator[list[Call]]:
    """Collect the calls of whatever may be the final norm, in their order; of nothing if they are not wanted."""
    calls: list[Call] = []

    def catch(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], result: Any) -> None:
        given = arguments[0] if arguments else named.get("hidden_states")
        if isinstance(given, Tensor) and isinstance(result, Tensor):
            calls.append(Call(given, result))

    modules = _possible_norms(lm.model.get_decoder()) if wanted else []
    handles = [module.register_forward_hook(catch, with_kwargs=True) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _possible_norms(decoder: nn.Module) -> list[nn.Module]:
    """The decoder's own modules without matrices: the final norm is among them, whatever it is called."""
    return [
        module
        for module in decoder.children()
        if not isinstance(module, nn.ModuleList) and all(parameter.dim() < 2 for parameter in module.parameters())
    ]


def into_norm(lm: LanguageModel, calls: Sequence[Call], output: Tensor) -> Tensor:
    """What went into the module that gave back what the decoder did.

    Args:
        lm: the model.
        calls: see `norm_calls`.
        output: final-normed states, as the decoder gave them.

    Raises:
        UserError: no module did.
    """
    for call in calls:
        if call.given.shape == output.shape and torch.equal(call.result.to(output.device), output):
            return call.given
    raise expected(
        f"the decoder of model `{lm.files.name}`",
        "one that ends with a norm of its last layer's states",
        f"{type(lm.model.get_decoder()).__name__}, of which no module gives what the decoder gives",
        "Leave out the estimator `rcc`, or have it read the states after the norm (hidden=post_norm).",
    )
