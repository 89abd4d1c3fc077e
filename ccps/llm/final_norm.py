"""The final norm of a decoder: what stands between the output of its last layer and the head."""

from typing import Any

import torch
from torch import Tensor, nn

from ccps.core.errors import expected
from ccps.llm.load import LanguageModel


@torch.inference_mode()
def final_norm(lm: LanguageModel) -> nn.Module:
    """Find it by what it gives: of the decoder's own modules the one whose output leaves the decoder.

    Returns:
        A module from `[…, d]` to final-normed states `[…, d]`, which is the model's own: not to be changed.

    Raises:
        UserError: what leaves the decoder is the output of none of its modules alone.
    """
    decoder = lm.model.get_decoder()
    given: dict[str, Tensor] = {}

    def note(name: str) -> Any:
        def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
            if isinstance(output, Tensor):
                given[name] = output

        return hook

    hooks = [child.register_forward_hook(note(name)) for name, child in decoder.named_children()]
    try:
        ids = torch.arange(min(4, lm.model.config.get_text_config().vocab_size), device=lm.device)[None]
        last = decoder(input_ids=ids, use_cache=False).last_hidden_state
    finally:
        for hook in hooks:
            hook.remove()
    found = [name for name, output in given.items() if output.shape == last.shape and torch.equal(output, last)]
    if len(found) != 1:
        raise expected(
            f"the decoder of model `{lm.files.name}`",
            "one whose states leave it from one module of its own, its final norm",
            ", ".join(found) or "none",
            "Have the scorer's own model read the answers: `ccps serve`, with --upstream.",
        )
    norm: nn.Module = decoder.get_submodule(found[0])
    return norm
