from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ccps.llm import LanguageModel


@pytest.fixture
def lm(tiny_model: "Callable[..., LanguageModel]") -> "LanguageModel":
    """Some of its traces end early."""
    return replace(tiny_model("llama"), end_tokens=tuple(range(0, 259, 8)))
