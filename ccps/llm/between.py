"""States between the layers of a decoder, caught while it reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ccps.core.errors import expected
from ccps.llm.load import LanguageModel

# As most decoders call their layers; as those of GPT-2, Falcon and BLOOM do.
_NAMES_OF_LAYERS = ("layers", "h")


def number_of_layers(lm: LanguageModel) -> int:
    """How many layers the decoder has.

    Raises:
        UserError: it keeps them in another place than most do.
    """
    return len(_layers(lm))


def _layers(lm: LanguageModel) -> nn.ModuleList:
    decoder = lm.model.get_decoder()
    layers = next((getattr(decoder, name) for name in _NAMES_OF_LAYERS if hasattr(decoder, name)), None)
    if not isinstance(layers, nn.ModuleList):
        raise expected(
            f"the decoder of model `{lm.files.name}`",
            f"a list of its layers by one of the names {', '.join(_NAMES_OF_LAYERS)}",
            type(lm.model.get_decoder()).__name__,
            "Leave out the methods that read states between layers (saplma_m, saplma_um, saplma_f).",
        )
    return layers


@contextmanager
def caught_between(lm: LanguageModel, wanted: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """Keep the states `[rows, tokens, d]` that went into some layers in the last forward pass.

    Args:
        lm: the model.
        wanted: entries of the model's hidden states, 0 for the embeddings, i for the output of its i-th layer.

    Raises:
        UserError: the decoder keeps its layers in another place than most do.
        ValueError: a layer does not exist.
    """
    layers = _layers(lm) if wanted else nn.ModuleList()
    caught: dict[int, Tensor] = {}
    handles = []
    for index in wanted:
        if not 0 <= index < len(layers):
            raise ValueError(f"Expected `layers` to be between 0 and {len(layers) - 1}, but got {index}.")

        def catch(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any], index: int = index) -> None:
            caught[index] = (given[0] if given else named["hidden_states"]).clone()

        handles.append(layers[index].register_forward_pre_hook(catch, with_kwargs=True))
    try:
        yield caught
    finally:
        for handle in handles:
            handle.remove()
