"""Attention with nothing repeated, against that of `transformers`, family by family."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ccps.llm import LanguageModel
from ccps.llm import grouped as module
from ccps.llm.forward import compute_prefix
from ccps.llm.grouped import grouped_queries
from ccps.llm.sample import sample

START = [5, 6, 7]
PROMPTS = [[*START, *own] for own in ([8], [9, 10, 11, 12, 13], [20, 21], list(range(30, 42)))]
SHARED = {"num_attention_heads": 4, "num_key_value_heads": 2}
FAMILIES: list[tuple[str, dict[str, Any], bool]] = [
    ("llama", SHARED, True),
    ("llama", {"num_attention_heads": 4, "num_key_value_heads": 4}, False),
    ("qwen2", SHARED, True),
    ("qwen3", {"head_dim": 16, **SHARED}, True),
    ("mistral", {"sliding_window": 64, **SHARED}, True),
    ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4}, False),
]


def samples(lm: LanguageModel, shared: int) -> list[Any]:
    numbers = np.random.default_rng(0).random((len(PROMPTS), 3, 14))
    return sample(lm, PROMPTS, numbers, 1.3, 0.95, compute_prefix(lm, START[:shared]), drop_ended=True)


@pytest.mark.parametrize(("architecture", "changes", "is_grouped"), FAMILIES)
@pytest.mark.parametrize("shared", [0, 3])
def test_samples_are_the_same(
    architecture: str,
    changes: dict[str, Any],
    is_grouped: bool,
    shared: int,
    tiny_model: Callable[..., LanguageModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lm = replace(tiny_model(architecture, **changes), end_tokens=tuple(range(0, 259, 16)))
    wanted = samples(lm, shared)
    shapes: list[tuple[int, ...]] = []

    def spied(query: torch.Tensor, key: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        shapes.append((*query.shape[1:3], key.shape[1]))
        return torch.nn.functional.scaled_dot_product_attention(query, key, *others, **named)

    monkeypatch.setattr(module, "scaled_dot_product_attention", spied)
    before = lm.model.config._attn_implementation
    with grouped_queries(lm):
        got = samples(lm, shared)
    assert lm.model.config._attn_implementation == before == "sdpa"
    assert set(shapes) == ({(2, 2, 2)} if is_grouped else set())
    assert [[one.tokens for one in row] for row in got] == [[one.tokens for one in row] for row in wanted]
    for row, other in zip(got, wanted, strict=True):
        assert [one.log_prob for one in row] == pytest.approx([one.log_prob for one in other], abs=1e-3)
    assert {one.ended for row in got for one in row} == {True, False}


def test_attention_of_another_kind_is_left_alone(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")
    lm.model.set_attn_implementation("eager")
    try:
        with grouped_queries(lm):
            assert lm.model.config._attn_implementation == "eager"
        assert lm.model.config._attn_implementation == "eager"
    finally:
        lm.model.set_attn_implementation("sdpa")


def test_it_is_left_as_it_was_when_something_fails(tiny_model: Callable[..., LanguageModel]) -> None:
    lm = tiny_model("llama")

    def fail() -> None:
        with grouped_queries(lm):
            assert lm.model.config._attn_implementation != "sdpa"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert lm.model.config._attn_implementation == "sdpa"
