from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ccps.core.errors import UserError
from ccps.llm import LanguageModel
from ccps.llm.final_norm import final_norm


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mistral", "olmo2"])
def test_it_turns_the_output_of_the_last_layer_into_final_states(
    architecture: str, tiny_model: Callable[..., LanguageModel]
) -> None:
    lm = tiny_model(architecture)
    decoder, caught = lm.model.get_decoder(), list[Tensor]()

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        caught.append(output if isinstance(output, Tensor) else output[0])

    hook = decoder.layers[-1].register_forward_hook(keep)
    with torch.inference_mode():
        last = decoder(input_ids=torch.tensor([[5, 6, 7]]), use_cache=False).last_hidden_state
    hook.remove()
    norm = final_norm(lm)
    with torch.inference_mode():
        assert torch.equal(norm(caught[0]), last)
        assert not torch.equal(caught[0], last)
    assert not norm._forward_hooks


class Doubled(nn.Module):
    """What leaves it is the output of none of its modules."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.norm = nn.Embedding(8, 4), nn.LayerNorm(4)

    def forward(self, input_ids: Tensor, use_cache: bool) -> Any:
        assert not use_cache
        return SimpleNamespace(last_hidden_state=2 * self.norm(self.embedding(input_ids)) + 1)


def test_a_decoder_that_goes_on_after_its_norm_is_refused() -> None:
    decoder = Doubled()
    shape = SimpleNamespace(vocab_size=8)
    model = SimpleNamespace(get_decoder=lambda: decoder, config=SimpleNamespace(get_text_config=lambda: shape))
    lm: Any = SimpleNamespace(model=model, device=torch.device("cpu"), files=SimpleNamespace(name="odd"))
    with pytest.raises(UserError, match="the decoder of model `odd` to be one whose states leave it from one module"):
        final_norm(lm)
    assert not decoder.norm._forward_hooks
