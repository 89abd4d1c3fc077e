import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ccps.llm import LanguageModel


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing here reads or writes the user's cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CCPS_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def saved(tiny_model: "Callable[..., LanguageModel]", tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A whole checkpoint; copy it before changing anything."""
    lm = tiny_model("llama")
    folder = tmp_path_factory.mktemp("saved")
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Any, tmp_path: Path) -> Any:
    return shutil.copytree(saved, tmp_path / "checkpoint")
