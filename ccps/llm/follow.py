"""Read on after a batch of answers: what the model has read of them already is not read again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ccps.core.errors import expected
from ccps.llm.forward import Context
from ccps.llm.load import LanguageModel

# As most decoders call their layers; as those of GPT-2, Falcon and BLOOM do.
_NAMES_OF_LAYERS = ("layers", "h")


class Followed(NamedTuple):
    """States of tokens that were read after a context.

    Attributes:
        final: `[rows, tokens, d]` final-normed states, in the model's dtype, on its device.
        layers: `[rows, tokens, layers, d]` states between the layers that were asked for.
    """

    final: Tensor
    layers: Tensor


@torch.inference_mode()
def follow(lm: LanguageModel, context: Context, tokens: Tensor, layers: Sequence[int] = ()) -> Followed:
    """Read the same number of tokens after each row of a context; its cache is used up.

    Args:
        lm: the model.
        context: what the rows have read so far.
        tokens: `[rows, tokens]` ids.
        layers: entries of the model's hidden states, 0 for the embeddings, i for the output of its i-th layer; the
            output of the last layer, which is normed, is in `final`.

    Raises:
        UserError: the decoder keeps its layers in another place than most do.
        ValueError: a layer does not exist.
    """
    mask = torch.cat([context.mask, torch.ones_like(tokens)], dim=1).to(lm.device)
    # Padding may stand anywhere: a token's position is how many real ones precede it.
    positions = context.mask.sum(dim=1, keepdim=True) + torch.arange(tokens.shape[1])
    with _inputs_of(_layers(lm) if layers else nn.ModuleList(), layers) as caught:
        final = lm.model.get_decoder()(
            input_ids=tokens.to(lm.device),
            attention_mask=mask,
            position_ids=positions.to(lm.device),
            past_key_values=context.cache,
            use_cache=True,
        ).last_hidden_state
    between = [caught[layer].to(final.device) for layer in layers]  # layers may be on several devices
    return Followed(final, torch.stack(between, dim=2) if between else final[:, :, None][:, :, :0])


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
def _inputs_of(layers: nn.ModuleList, wanted: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """Collect the states `[rows, tokens, d]` that go into some of the layers."""
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
