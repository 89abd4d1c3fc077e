"""Attention of one new token in each row where several query heads share keys and values, on a CPU.

`transformers` repeats the keys and values of a padded batch for every query head that shares them, in each layer and
for each token that is written. On a CPU that is where most of a step goes: 53 rows of 180 tokens, with six query heads
to a key head, took 32 ms a layer. Here the query heads of a key head are its queries, as if they were so many tokens:
nothing is repeated, and the same attention took 3 ms. The numbers are the same but for rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ccps.core.quiet import quiet_transformers
from ccps.llm.load import LanguageModel

_NAME = "ccps_grouped"
_PLAIN = "sdpa"
# What some models add to their scores, or keep their keys in.
_MORE = ("position_bias", "softcap", "s_aux", "cache")


@contextmanager
def grouped_queries(lm: LanguageModel) -> Iterator[None]:
    """Inside the block a model on a CPU attends so; one on another device, or with attention of its own, as ever."""
    if lm.device.type != "cpu" or lm.model.config._attn_implementation != _PLAIN:
        yield
        return
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, ALL_MASK_ATTENTION_FUNCTIONS[_PLAIN])
    with quiet_transformers():
        lm.model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        with quiet_transformers():
            lm.model.set_attn_implementation(_PLAIN)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What `transformers` calls in every layer."""
    rows, heads, tokens, width = query.shape
    shared_by = heads // key.shape[1]
    if tokens != 1 or shared_by == 1 or any(others.get(name) is not None for name in _MORE):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
    found = scaled_dot_product_attention(
        query.reshape(rows, -1, shared_by, width),
        key,
        value,
        attn_mask=None if attention_mask is None else attention_mask.expand(rows, key.shape[1], shared_by, -1),
        dropout_p=dropout,
        scale=scaling,
    )
    return found.reshape(rows, 1, heads, -1), None
