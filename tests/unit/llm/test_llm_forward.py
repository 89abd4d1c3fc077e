from collections.abc import Callable
from typing import Any

import pytest
import torch

from ccps.core.errors import UserError
from ccps.llm import (
    LanguageModel,
    ModelConfig,
    Passage,
    compute_prefix,
    final_states,
    find_model,
    load_model,
)

SYSTEM = list(range(10, 30))
PASSAGES = [
    Passage([*SYSTEM, 40, 41, 42], [50, 51, 52, 53]),
    Passage([*SYSTEM, 60], [61]),
    Passage([*SYSTEM, 70, 71, 72, 73, 74, 75, 76, 77]),
    Passage([*SYSTEM, 40, 80], [81, 82]),
]
MODELS = {
    "llama": {},
    "qwen2": {},
    "mistral": {},
    "mistral with a window shorter than the prefix": {"sliding_window": 8},
}


@pytest.fixture(params=MODELS)
def lm(request: pytest.FixtureRequest, tiny_model: Callable[..., LanguageModel]) -> Any:
    return tiny_model(request.param.split()[0], **MODELS[request.param])


def model_says(lm: Any, tokens: Any) -> tuple[Any, Any]:
    """State and logits after a text, from one full forward of the model: no cache, no padding."""
    out = lm.model(torch.tensor([tokens]), use_cache=False, output_hidden_states=True)
    return out.hidden_states[-1][0, -1], out.logits[0, -1]


def one_by_one(lm: Any, passage: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """What the paper's code does: a forward of its own for each answer token."""
    texts = [[*passage.prompt, *passage.answer[:index]] for index in range(max(1, len(passage.answer)))]
    states, logits = zip(*(model_says(lm, text) for text in texts), strict=True)
    return torch.stack(states), torch.stack(logits)


def close(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def shared_prefix(lm: Any) -> Any:
    return compute_prefix(lm, SYSTEM)


@pytest.mark.parametrize("prefix", [lambda lm: None, shared_prefix], ids=["whole", "shared prefix"])
def test_all_states_of_a_batch_are_those_of_single_full_forwards(lm: Any, prefix: Any) -> None:
    ours = final_states(lm, PASSAGES, prefix(lm))
    for passage, states in zip(PASSAGES, ours, strict=True):
        expected_states, expected_logits = one_by_one(lm, passage)
        close(states, expected_states)
        close(lm.head.logits(states), expected_logits)


def test_context_moves_the_states(lm: Any) -> None:
    """Otherwise the comparison above would compare constants."""
    near, far = final_states(lm, [Passage([1, 2, 3, 4]), Passage([9, 2, 3, 4])])
    assert (near - far).abs().max() > 1e-2 * near.abs().max()


@pytest.mark.parametrize("prefix", [lambda lm: None, shared_prefix], ids=["whole", "shared prefix"])
def test_batched_is_single(lm: Any, prefix: Any) -> None:
    together = final_states(lm, PASSAGES, prefix(lm))
    for passage, states in zip(PASSAGES, together, strict=True):
        close(states, final_states(lm, [passage], prefix(lm))[0])


def test_prefix_can_be_used_again_and_again(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    prefix = shared_prefix(lm)
    first = final_states(lm, PASSAGES, prefix)
    final_states(lm, PASSAGES[:1], prefix)
    for before, after in zip(first, final_states(lm, PASSAGES, prefix), strict=True):
        assert torch.equal(before, after)


def test_side_of_the_tokenizers_padding_has_no_say(
    tiny_model: Callable[..., LanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = tiny_model("llama")
    states = {}
    for side in ("left", "right"):
        monkeypatch.setattr(lm.tokenizer, "padding_side", side)
        states[side] = final_states(lm, PASSAGES)
    assert all(torch.equal(left, right) for left, right in zip(states["left"], states["right"], strict=True))


def test_states_keep_the_models_dtype_and_one_row_per_answer_token(tiny_model: Callable[..., LanguageModel]) -> None:
    states = final_states(tiny_model("llama", dtype="bfloat16"), PASSAGES)
    assert [tuple(state.shape) for state in states] == [(4, 32), (1, 32), (1, 32), (2, 32)]
    assert {state.dtype for state in states} == {torch.bfloat16}


def test_states_do_not_hold_on_to_the_batch(tiny_model: Callable[..., LanguageModel]) -> None:
    state = final_states(tiny_model("llama"), PASSAGES)[1]
    assert state.untyped_storage().nbytes() == state.nbytes


def test_no_shared_tokens_means_no_prefix(tiny_model: Callable[..., LanguageModel]) -> None:
    assert compute_prefix(tiny_model("llama"), []) is None


def test_broken_states_are_refused_and_counted(tiny_config: Callable[..., ModelConfig]) -> None:
    lm = load_model(find_model("shaky", tiny_config("llama")))
    lm.model.get_input_embeddings().weight[61] = float("nan")
    healthy = Passage([1, 2, 3], [4])
    broken = Passage([1, 61, 3], [4])
    with pytest.raises(UserError, match=r"`shaky`.* 1 of 2 passages.*model\.shaky\.dtype=float32"):
        final_states(lm, [healthy, broken])
    assert len(final_states(lm, [healthy])) == 1


@pytest.mark.parametrize(
    ("passage", "tokens"),
    [
        (Passage([1, 2, 9, 4], [5]), [1, 2, 3]),
        (Passage([1, 2, 3], [4, 5]), [1, 2, 3]),
        (Passage([1, 2], [3]), [1, 2, 3]),
        (Passage([], [4, 5]), []),
    ],
    ids=["another beginning", "prefix holds the whole prompt", "prefix reaches into the answer", "no prompt"],
)
def test_passages_that_the_prefix_does_not_fit_are_refused(
    tiny_model: Callable[..., LanguageModel], passage: Passage, tokens: list[Any]
) -> None:
    lm = tiny_model("llama")
    with pytest.raises(ValueError, match="to begin with the"):
        final_states(lm, [passage], compute_prefix(lm, tokens))
