"""Read on after a batch of answers: what the model has read of them already is not read again."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.llm.between import caught_between
from ccps.llm.forward import Context
from ccps.llm.load import LanguageModel


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
    with caught_between(lm, layers) as caught:
        final = lm.model.get_decoder()(
            input_ids=tokens.to(lm.device),
            attention_mask=mask,
            position_ids=positions.to(lm.device),
            past_key_values=context.cache,
            use_cache=True,
        ).last_hidden_state
    between = [caught[layer].to(final.device) for layer in layers]  # layers may be on several devices
    return Followed(final, torch.stack(between, dim=2) if between else final[:, :, None][:, :, :0])
