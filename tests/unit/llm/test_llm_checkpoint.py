from typing import Any

import pytest
from saved_models import WEIGHTS, in_folder, load

from ccps.core.errors import UserError
from ccps.llm import ModelConfig, find_model


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (WEIGHTS, b""),
        (WEIGHTS, b"garbage" * 100),
        ("config.json", b"{"),
        ("config.json", b"[]"),
        ("config.json", b'{"model_type": "nonsuch"}'),
        ("tokenizer.json", b"{"),
    ],
)
def test_broken_files_are_named_with_a_way_out(folder: Any, file: str, content: Any) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(UserError, match=r"(?s)`mine` cannot be loaded from .*checkpoint.*point `location` at a whole"):
        load(folder)


def test_missing_tokenizer_is_refused(folder: Any) -> None:
    for file in folder.glob("tok*"):
        file.unlink()
    with pytest.raises(UserError, match="`mine` cannot be loaded"):
        load(folder)


def test_folder_without_config_is_refused(folder: Any) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"`model\.mine\.location` to be a checkpoint folder with a config\.json, but"):
        find_model("mine", in_folder(folder))


def test_folder_with_pickled_weights_only_is_refused(folder: Any) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"checkpoint in safetensors format.*pickled weights are not read"):
        find_model("mine", in_folder(folder))


def test_unknown_source_is_refused() -> None:
    with pytest.raises(UserError, match=r"`model\.m\.source` to be one of hub, folder, gguf, .*but got 'cloud'"):
        find_model("m", ModelConfig(source="cloud", location="x"))


def test_unknown_dtype_is_refused() -> None:
    with pytest.raises(UserError, match=r"`model\.m\.dtype` to be one of bfloat16, float16, float32, but got 'int4'"):
        find_model("m", ModelConfig(source="random", location="llama", dtype="int4"))


def test_unknown_asset_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="smollm2-135m-instruct"):
        find_model("m", ModelConfig(source="asset", location="smollm2"))
