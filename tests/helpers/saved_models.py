"""Models in folders that `save_pretrained` wrote."""

from pathlib import Path
from typing import Any

from ccps.llm import ModelConfig, find_model, load_model

WEIGHTS = "model.safetensors"


def in_folder(path: Path, dtype: str = "float32") -> ModelConfig:
    return ModelConfig(source="folder", location=str(path), dtype=dtype)


def load(path: Path) -> Any:
    return load_model(find_model("mine", in_folder(path)))
