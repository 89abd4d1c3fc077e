"""A model that is in memory already is read, and stays what it was."""

import copy
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, final_states, find_model, load_model
from ccps.llm.forward import Passage
from ccps.llm.handed import PREFIX, SAMPLED, as_it_is, check_same, take_model, weights_fingerprint


@pytest.fixture
def own(tiny_config: Callable[..., ModelConfig]) -> LanguageModel:
    """A model of the test's own, which it may change."""
    return load_model(find_model("own", tiny_config("llama")))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_it_is_read_like_one_that_was_loaded(own: LanguageModel, dtype: str) -> None:
    model = copy.deepcopy(own.model).to(getattr(torch, dtype))
    taken = take_model(model, own.tokenizer)
    assert taken.model is model
    assert taken.tokenizer is not own.tokenizer
    assert taken.head.weight.dtype == getattr(torch, dtype)
    [states] = final_states(taken, [Passage([1, 2, 3], [4, 5])])
    assert states.dtype == getattr(torch, dtype)
    [wanted] = final_states(own, [Passage([1, 2, 3], [4, 5])])
    assert torch.allclose(states.float(), wanted, atol=0.1)


def test_the_fingerprint_is_of_what_decides(own: LanguageModel) -> None:
    found = weights_fingerprint(own.model, own.tokenizer)
    assert found.startswith(PREFIX)
    same = copy.deepcopy(own.model).train()
    same.generation_config.temperature = 0.3
    same.config.use_cache = False
    same.config._name_or_path = "elsewhere"
    assert weights_fingerprint(same, own.tokenizer) == found
    assert weights_fingerprint(copy.deepcopy(own.model).bfloat16(), own.tokenizer) != found
    other = copy.deepcopy(own.model)
    other.config.rms_norm_eps *= 2
    assert weights_fingerprint(other, own.tokenizer) != found
    trained = copy.deepcopy(own.model)
    with torch.no_grad():
        trained.get_input_embeddings().weight[-1, -1] += 0.5
    assert trained.get_input_embeddings().weight.numel() > SAMPLED  # and yet the last is seen
    assert weights_fingerprint(trained, own.tokenizer) != found
    tokenizer = copy.deepcopy(own.tokenizer)
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    assert weights_fingerprint(own.model, tokenizer) != found


def test_another_model_is_refused(own: LanguageModel, tiny_config: Callable[..., ModelConfig]) -> None:
    other = load_model(find_model("other", tiny_config("llama", seed=1)))
    wanted = weights_fingerprint(own.model, own.tokenizer)
    check_same(own, wanted)
    with pytest.raises(
        UserError, match=r"model `other` to be the one the probe was fitted on.*Give the scorer the same"
    ):
        check_same(other, wanted)


def test_every_module_comes_back_in_its_mode(own: LanguageModel) -> None:
    model = own.model.train()
    model.get_decoder().layers[0].eval()
    before = [module.training for module in model.modules()]
    with as_it_is(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before


def test_one_thread_at_a_time(own: LanguageModel) -> None:
    inside, most = 0, 0

    def read() -> None:
        nonlocal inside, most
        for _ in range(50):
            with as_it_is(own.model):
                inside += 1
                most = max(most, inside)
                own.model(input_ids=torch.tensor([[1]]))
                inside -= 1

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_a_pipeline_brings_its_tokenizer(own: LanguageModel) -> None:
    assert take_model(SimpleNamespace(model=own.model, tokenizer=own.tokenizer)).model is own.model


@pytest.mark.parametrize(
    ("model", "tokenizer", "message"),
    [
        (lambda own: own.model, None, "`tokenizer` to be given with a loaded model"),
        (lambda own: own.model, "gpt2", "`tokenizer` to be one of transformers, but got a str"),
        (
            lambda own: own.model.get_decoder(),
            "own",
            "a causal language model of transformers, .* but got a LlamaModel",
        ),
        (lambda own: 7, "own", "but got a int"),
        (
            lambda own: own.model.to(torch.complex64),
            "own",
            "bfloat16, float16, float32 or float64, but got one in torch.compl",
        ),
    ],
)
def test_what_is_no_model(own: LanguageModel, model: Any, tokenizer: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        take_model(model(own), own.tokenizer if tokenizer == "own" else tokenizer)


def test_an_adapter_is_part_of_the_model(own: LanguageModel) -> None:
    lora = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    model = get_peft_model(copy.deepcopy(own.model), lora)
    taken = take_model(model, own.tokenizer)
    assert taken.files.fingerprint != weights_fingerprint(own.model, own.tokenizer)
    ids = [1, 2, 3, 4]
    [states] = final_states(taken, [Passage(ids)])
    wanted = model(input_ids=torch.tensor([ids])).logits[0, -1:]
    assert torch.allclose(taken.head.logits(states), wanted, atol=1e-4)
    assert not torch.allclose(own.model(input_ids=torch.tensor([ids])).logits[0, -1:], wanted, atol=1e-2)
