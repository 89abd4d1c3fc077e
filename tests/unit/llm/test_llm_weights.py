from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from saved_models import WEIGHTS, in_folder, load

from ccps.core.errors import UserError
from ccps.llm import LanguageModel, Passage, final_states, find_model, load_model


def test_saved_model_is_the_model(folder: Any, tiny_model: Callable[..., LanguageModel]) -> None:
    original, read = tiny_model("llama"), load(folder)
    passages = [Passage([1, 2, 3], [4, 5])]
    assert torch.equal(final_states(read, passages)[0], final_states(original, passages)[0])
    assert torch.equal(read.head.weight, original.head.weight)
    assert read.tokenizer("héllo")["input_ids"] == original.tokenizer("héllo")["input_ids"]
    assert read.files.folder == folder


def test_dtype_is_that_of_the_settings(folder: Any) -> None:
    model = load_model(find_model("mine", in_folder(folder, "bfloat16"))).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_tied_weights_are_not_taken_for_missing_ones(tiny_model: Callable[..., LanguageModel], tmp_path: Path) -> None:
    lm = tiny_model("llama", tie_word_embeddings=True)
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / WEIGHTS)
    assert torch.equal(load(tmp_path).head.weight, lm.head.weight)


def test_missing_weights_are_never_made_up(folder: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"`mine`.*1 weights are missing.*model\.layers\.1\.mlp\.up_proj\.weight"):
        load(folder)


def test_weights_of_another_shape_are_refused(folder: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["model.norm.weight"] = tensors["model.norm.weight"][:5].clone()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(UserError, match="`mine` cannot be loaded"):
        load(folder)


def test_cut_weights_are_refused(folder: Any) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="`mine` cannot be loaded"):
        load(folder)


def test_broken_weights_show_in_the_logits(folder: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["model.norm.weight"][0] = float("nan")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(UserError, match="`mine` returns NaN or infinite logits"):
        load(folder)
