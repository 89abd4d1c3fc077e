import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from ccps.llm.random_model import byte_tokenizer, random_model

TOKENIZER = byte_tokenizer()


def weights(config: Any) -> Any:
    return random_model("r", config)[0].state_dict()


def test_same_seed_same_weights_other_seed_others(tiny_config: Callable[..., ModelConfig]) -> None:
    first, again, other = (weights(tiny_config("llama", seed=seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])


def test_global_generators_are_left_alone(tiny_config: Callable[..., ModelConfig]) -> None:
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    undisturbed = torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    weights(tiny_config("llama", seed=9))
    after = torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    assert torch.equal(undisturbed[0], after[0])
    assert undisturbed[1:] == after[1:]


def test_weights_do_not_depend_on_the_global_generator(tiny_config: Callable[..., ModelConfig]) -> None:
    torch.manual_seed(1)
    first = weights(tiny_config("llama"))
    torch.manual_seed(2)
    again = weights(tiny_config("llama"))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_dtype_is_that_of_the_configuration(tiny_config: Callable[..., ModelConfig]) -> None:
    assert {tensor.dtype for tensor in weights(tiny_config("llama", dtype="bfloat16")).values()} == {torch.bfloat16}


def test_loaded_model_is_ready_to_read(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama", max_position_embeddings=77)
    assert not lm.model.training
    assert not any(parameter.requires_grad for parameter in lm.model.parameters())
    assert lm.context_window == 77
    assert lm.device == torch.device("cpu")


@pytest.mark.parametrize("architecture", ["nonsuch", "t5", "llava", "vit"])
def test_what_is_no_causal_language_model_is_refused(
    tiny_config: Callable[..., ModelConfig], architecture: str
) -> None:
    with pytest.raises(UserError, match=rf"`model\.r\.location` to be .*but got '{architecture}'"):
        load_model(find_model("r", tiny_config(architecture)))


@pytest.mark.parametrize("changes", [{"hidden_size": "big"}, {"hidden_size": 30}])
def test_impossible_architecture_is_refused(tiny_config: Callable[..., ModelConfig], changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"`model\.r\.architecture` to be arguments of the llama configuration.*hidden"):
        load_model(find_model("r", tiny_config("llama", **changes)))


def test_small_vocabulary_is_refused(tiny_config: Callable[..., ModelConfig]) -> None:
    with pytest.raises(UserError, match=r"`model\.r\.architecture\.vocab_size` to be at least 259,.* but got 258"):
        load_model(find_model("r", tiny_config("llama", vocab_size=258)))
    load_model(find_model("r", tiny_config("llama", vocab_size=259)))


@settings(max_examples=50)
@given(st.text())
def test_byte_tokenizer_takes_any_text_and_gives_it_back(text: str) -> None:
    ids = TOKENIZER(text)["input_ids"]
    specials = set(TOKENIZER.all_special_tokens)
    if not any(special in text for special in specials):
        assert len(ids) == len(text.encode())
    assert TOKENIZER.decode(ids) == text
