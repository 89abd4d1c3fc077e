from collections.abc import Callable
from typing import Any

import pytest
import torch

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model, measure_head

ROWS, WIDTH, TOKENS = 50, 16, 12


@pytest.fixture
def weight() -> torch.Tensor:
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def hidden() -> torch.Tensor:
    return torch.randn(TOKENS, WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def bias() -> torch.Tensor:
    return torch.randn(ROWS, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_plain_head_is_taken_as_it_is(weight: torch.Tensor, hidden: torch.Tensor, dtype: Any) -> None:
    weight, hidden = weight.to(dtype), hidden.to(dtype)
    head = measure_head("m", weight, None, hidden, hidden @ weight.T)
    assert torch.equal(head.weight, weight)
    assert head.weight.dtype == dtype
    assert head.bias is None


def test_bias_is_part_of_the_head(weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor) -> None:
    logits = hidden @ weight.T + bias
    head = measure_head("m", weight, bias, hidden, logits)
    torch.testing.assert_close(head.logits(hidden), logits)
    with pytest.raises(UserError, match="to be linear"):
        measure_head("m", weight, None, hidden, logits)


@pytest.mark.parametrize("scale", [0.0625, 1 / 8, 13.0])
def test_constant_scale_is_found_and_folded_in(
    weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor, scale: float
) -> None:
    logits = scale * (hidden @ weight.T + bias)
    head = measure_head("m", weight, bias, hidden, logits)
    torch.testing.assert_close(head.weight, scale * weight)
    torch.testing.assert_close(head.bias, scale * bias)
    assert (head.logits(hidden) - logits).abs().max() <= 1e-5 * logits.abs().max()


def test_padding_rows_are_cut(weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor) -> None:
    logits = (hidden @ weight.T + bias)[:, : ROWS - 7]
    head = measure_head("m", weight, bias, hidden, logits)
    assert head.weight.shape == (ROWS - 7, WIDTH)
    torch.testing.assert_close(head.logits(hidden), logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_soft_cap_is_found_where_the_configuration_names_it(
    weight: torch.Tensor, hidden: torch.Tensor, dtype: Any
) -> None:
    weight, hidden = weight.to(dtype), hidden.to(dtype)
    logits = 5 * torch.tanh(hidden @ weight.T / 5)  # rounded at each step, as models do
    head = measure_head("m", weight, None, hidden, logits, softcap=5.0)
    assert head.softcap == 5.0
    assert torch.equal(head.weight, weight)
    torch.testing.assert_close(head.logits(hidden), 5 * torch.tanh(hidden.float() @ weight.float().T / 5))


@pytest.mark.parametrize("scale", [0.25, 13.0])
def test_scale_under_a_soft_cap_is_found_too(
    weight: torch.Tensor, bias: torch.Tensor, hidden: torch.Tensor, scale: float
) -> None:
    """At 13 most of the logits are at the cap, where no scale can be read off them."""
    logits = 5 * torch.tanh(scale * (hidden @ weight.T + bias) / 5)
    head = measure_head("m", weight, bias, hidden, logits, softcap=5.0)
    assert head.softcap == 5.0
    assert head.scale == pytest.approx(scale, rel=1e-4)
    torch.testing.assert_close(head.logits(hidden), logits, rtol=1e-3, atol=1e-3)


def test_soft_cap_that_is_named_and_not_applied_is_none(weight: torch.Tensor, hidden: torch.Tensor) -> None:
    assert measure_head("m", weight, None, hidden, hidden @ weight.T, softcap=5.0).softcap is None
    assert measure_head("m", weight, None, hidden, 2 * hidden @ weight.T, softcap=5.0).softcap is None


def test_soft_cap_far_above_the_logits_is_believed(weight: torch.Tensor, hidden: torch.Tensor) -> None:
    hidden = hidden / 100
    head = measure_head("m", weight, None, hidden, hidden @ weight.T, softcap=1000.0)
    assert head.softcap == 1000.0


@pytest.mark.parametrize(("named", "what"), [(None, "names none"), (6.0, "names 6, which does not give these")])
def test_another_soft_cap_is_refused_with_the_reason(
    weight: torch.Tensor, hidden: torch.Tensor, named: float | None, what: str
) -> None:
    logits = 5 * torch.tanh(hidden @ weight.T / 5)
    message = (
        r"Expected the head of model `gem` to be linear .* soft cap .*`final_logit_softcapping`\), but got logits that "
        rf"differ.*of a soft cap the configuration {what}.*choose a model"
    )
    with pytest.raises(UserError, match=message):
        measure_head("gem", weight, None, hidden, logits, named)


def test_states_that_are_not_the_heads_input_are_refused(weight: torch.Tensor, hidden: torch.Tensor) -> None:
    with pytest.raises(UserError, match="to be linear"):
        measure_head("m", weight, None, hidden.flip(0), hidden @ weight.T)


def test_one_wrong_logit_is_enough(weight: torch.Tensor, hidden: torch.Tensor) -> None:
    logits = hidden @ weight.T
    logits[3, 7] += 0.01 * logits.abs().max()
    with pytest.raises(UserError, match="to be linear"):
        measure_head("m", weight, None, hidden, logits)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_logits_are_refused(weight: torch.Tensor, hidden: torch.Tensor, value: float) -> None:
    logits = hidden @ weight.T
    logits[0, 0] = value
    with pytest.raises(UserError, match=r"`m` returns NaN or infinite logits.*torch\.float32.*model\.m\.dtype=float32"):
        measure_head("m", weight, None, hidden, logits)


@pytest.mark.parametrize(
    ("architecture", "changes", "scale"),
    [
        ("llama", {}, 1.0),
        ("qwen2", {"tie_word_embeddings": True}, 1.0),
        ("granite", {"logits_scaling": 8.0}, 1 / 8),
        ("cohere", {"logit_scale": 0.0625}, 0.0625),
    ],
)
def test_measured_head_reproduces_the_models_own_logits(
    tiny_model: Callable[..., LanguageModel], architecture: str, changes: dict[str, Any], scale: float
) -> None:
    lm = tiny_model(architecture, **changes)
    ids = torch.tensor([lm.tokenizer("Another text, not the one it was measured on.")["input_ids"]])
    hidden = lm.model.get_decoder()(input_ids=ids).last_hidden_state[0]
    own = lm.model(input_ids=ids).logits[0]
    torch.testing.assert_close(lm.head.weight, scale * lm.model.get_output_embeddings().weight)
    torch.testing.assert_close(lm.head.logits(hidden), own)
    torch.testing.assert_close(lm.own_logits(hidden), own)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", ["gemma2", "gemma3_text"])
def test_gemmas_soft_cap_is_measured(tiny_config: Callable[..., ModelConfig], architecture: str, dtype: str) -> None:
    changes = {"head_dim": 8, "final_logit_softcapping": 3.0}
    lm = load_model(find_model("gem", tiny_config(architecture, dtype=dtype, **changes)))
    assert lm.head.softcap == 3.0
    ids = torch.tensor([lm.tokenizer("Another text, not the one it was measured on.")["input_ids"]])
    hidden = lm.model.get_decoder()(input_ids=ids).last_hidden_state[0]
    own = lm.model(input_ids=ids).logits[0]
    assert own.abs().max() > 2
    tolerance = 1e-5 if dtype == "float32" else 2**-7 * 3
    torch.testing.assert_close(lm.head.logits(hidden), own.float(), rtol=0, atol=tolerance)
    assert torch.equal(lm.own_logits(hidden), own)


def test_gemma_without_a_soft_cap_has_none(tiny_config: Callable[..., ModelConfig]) -> None:
    lm = load_model(find_model("gem", tiny_config("gemma2", head_dim=8, final_logit_softcapping=None)))
    assert lm.head.softcap is None
