"""Offsets by the tokenizer of the 1.5B model."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from transformers import AutoTokenizer

from ccps.faithful import misalignment
from ccps.llm import ModelConfig, find_model
from ccps.reasoning.offsets import token_offsets
from experiments.configs import CONF

TEXT = (
    "<think>\nOkay 🤔 … ∑ᵢ xᵢ² ≤ ½·π.\r\n\n"
    "语言模型: “naïve” 👩‍👩‍👧 — ⟨ψ|φ⟩.\n\n</think>\n\n\\boxed{42} Ещё مرحبا 안녕\u200b"
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    config: Any = OmegaConf.to_container(OmegaConf.load(CONF / "model" / "qwen25_coder_1b5.yaml"))
    return AutoTokenizer.from_pretrained(
        find_model("qwen25_coder_1b5", ModelConfig(**config["qwen25_coder_1b5"])).folder
    )


def test_offsets_of_a_text_with_everything_in_it(tokenizer: Any) -> None:
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    text, offsets = token_offsets(tokenizer, ids)
    assert text == TEXT
    assert misalignment(text, offsets, len(ids)) == ""
    for token, (start, end) in zip(ids, offsets.tolist(), strict=True):
        alone = tokenizer.decode([token])
        assert "\ufffd" in alone or alone == text[start:end]


@given(ids=st.lists(st.integers(0, 151_935), max_size=40))
def test_offsets_of_any_ids(tokenizer: Any, ids: list[int]) -> None:
    text, offsets = token_offsets(tokenizer, ids)
    assert text == tokenizer.decode(ids, skip_special_tokens=True)
    assert misalignment(text, offsets, len(ids)) == ""
