import pytest
import torch

from ccps.errors import UserError
from ccps.llm import Head, find_model, load_model, measure_head

ROWS, WIDTH, TOKENS = 50, 16, 12


@pytest.fixture
def weight():
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def hidden():
    return torch.randn(TOKENS, WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def bias():
    return torch.randn(ROWS, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_plain_head_is_taken_as_it_is(weight, hidden, dtype):
    weight, hidden = weight.to(dtype), hidden.to(dtype)
    head = measure_head("m", weight, None, hidden, hidden @ weight.T)
    assert torch.equal(head.weight, weight)
    assert head.weight.dtype == dtype
    assert head.bias is None


def test_bias_is_part_of_the_head(weight, bias, hidden):
    logits = hidden @ weight.T + bias
    head = measure_head("m", weight, bias, hidden, logits)
    torch.testing.assert_close(head.logits(hidden), logits)
    with pytest.raises(UserError, match="to be linear"):
        measure_head("m", weight, None, hidden, logits)


@pytest.mark.parametrize("scale", [0.0625, 1 / 8, 13.0])
def test_constant_scale_is_found_and_folded_in(weight, bias, hidden, scale):
    logits = scale * (hidden @ weight.T + bias)
    head = measure_head("m", weight, bias, hidden, logits)
    torch.testing.assert_close(head.weight, scale * weight)
    torch.testing.assert_close(head.bias, scale * bias)
    assert (head.logits(hidden) - logits).abs().max() <= 1e-5 * logits.abs().max()


def test_padding_rows_are_cut(weight, bias, hidden):
    logits = (hidden @ weight.T + bias)[:, : ROWS - 7]
    head = measure_head("m", weight, bias, hidden, logits)
    assert head.weight.shape == (ROWS - 7, WIDTH)
    torch.testing.assert_close(head.logits(hidden), logits)


def test_soft_cap_is_refused_with_the_reason(weight, hidden):
    logits = 5 * torch.tanh(hidden @ weight.T / 5)
    with pytest.raises(
        UserError,
        match=r"Expected the head of model `gem` to be linear .*but got logits that differ.*soft cap.*choose a model",
    ):
        measure_head("gem", weight, None, hidden, logits)


def test_states_that_are_not_the_heads_input_are_refused(weight, hidden):
    with pytest.raises(UserError, match="to be linear"):
        measure_head("m", weight, None, hidden.flip(0), hidden @ weight.T)


def test_one_wrong_logit_is_enough(weight, hidden):
    logits = hidden @ weight.T
    logits[3, 7] += 0.01 * logits.abs().max()
    with pytest.raises(UserError, match="to be linear"):
        measure_head("m", weight, None, hidden, logits)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_logits_are_refused(weight, hidden, value):
    logits = hidden @ weight.T
    logits[0, 0] = value
    with pytest.raises(UserError, match=r"`m` returns NaN or infinite logits.*torch\.float32.*model\.m\.dtype=float32"):
        measure_head("m", weight, None, hidden, logits)


def test_blocks_of_rows_make_one_product(monkeypatch, weight, bias, hidden):
    monkeypatch.setattr("ccps.llm.head._ROWS_PER_BLOCK", 7)
    torch.testing.assert_close(Head(weight, bias).logits(hidden), hidden @ weight.T + bias)


def test_half_precision_head_gives_float32_logits(weight, hidden):
    logits = Head(weight.bfloat16()).logits(hidden.bfloat16())
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, hidden.bfloat16().float() @ weight.bfloat16().float().T)


@pytest.mark.parametrize("with_bias", [True, False])
def test_head_is_read_as_it_was_written(tmp_path, weight, bias, with_bias):
    head = Head(weight.bfloat16().T.contiguous().T, bias if with_bias else None)
    head.save(tmp_path / "head.safetensors")
    read = Head.load(tmp_path / "head.safetensors")
    assert read.weight.dtype == torch.bfloat16
    assert torch.equal(read.weight, head.weight)
    assert torch.equal(read.bias, bias) if with_bias else read.bias is None


@pytest.mark.parametrize(
    ("architecture", "changes", "scale"),
    [
        ("llama", {}, 1.0),
        ("qwen2", {"tie_word_embeddings": True}, 1.0),
        ("granite", {"logits_scaling": 8.0}, 1 / 8),
        ("cohere", {"logit_scale": 0.0625}, 0.0625),
    ],
)
def test_measured_head_reproduces_the_models_own_logits(tiny_model, architecture, changes, scale):
    lm = tiny_model(architecture, **changes)
    ids = torch.tensor([lm.tokenizer("Another text, not the one it was measured on.")["input_ids"]])
    hidden = lm.model.get_decoder()(input_ids=ids).last_hidden_state[0]
    own = lm.model(input_ids=ids).logits[0]
    torch.testing.assert_close(lm.head.weight, scale * lm.model.get_output_embeddings().weight)
    torch.testing.assert_close(lm.head.logits(hidden), own)
    assert torch.equal(lm.own_logits(hidden).argmax(dim=-1), own.argmax(dim=-1))


def test_gemma2_is_refused_for_its_soft_cap_and_accepted_without(tiny_config):
    changes = {"head_dim": 8, "final_logit_softcapping": 3.0}
    with pytest.raises(UserError, match="soft cap"):
        load_model(find_model("gem", tiny_config("gemma2", **changes)))
    load_model(find_model("gem", tiny_config("gemma2", **{**changes, "final_logit_softcapping": None})))
