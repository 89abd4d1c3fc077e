"""Fixtures of all tests. The environment is set before anything imports transformers or wandb.

What hands out tests to processes reads this file and those beside it too, and waits for it. So what takes seconds to
import is imported by the fixtures.
"""

import gc
import os
import re
import ssl

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from collections.abc import Callable, Generator, Iterator
from functools import cache as memoise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from judge_server import Proxy, proxy

if TYPE_CHECKING:
    from ccps.llm import LanguageModel, ModelConfig, ModelFiles

# Hypothesis would fail a test that a busy machine makes slow; how fast things are is for `make bench` to say.
settings.register_profile("ccps", deadline=None)
settings.load_profile("ccps")

TESTS = Path(__file__).parent
# Rooms whose tests compare what torch computed; another processor rounds it otherwise.
NUMERIC = {"asking", "llm", "methods", "perturbation", "probes", "tuning"}
# Rooms that count in Python and numpy, but for the files that name torch, a model or what is worked out with one.
PARTLY_NUMERIC = {"calibrators", "faithful", "metrics", "reasoning"}
TORCH = re.compile(r"torch|tiny_|lm\b")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier and, by its room, as numeric; have the long files run first."""
    for item in items:
        tier, *rooms = item.path.relative_to(TESTS).parts
        item.add_marker(tier)
        if tier == "unit" and (rooms[0] in NUMERIC or (rooms[0] in PARTLY_NUMERIC and _names_torch(item.path))):
            item.add_marker("numeric")
        if any("needs a GPU" in str(mark.kwargs.get("reason")) for mark in item.iter_markers("skipif")):
            item.add_marker("gpu")
    # Processes are given files whole, in this order: they end together if what is left at the end is short. What starts
    # or builds something whole comes first, the tests of single rooms last.
    items.sort(key=lambda item: _place(item.path.relative_to(TESTS).parts))


def _place(parts: tuple[str, ...]) -> int:
    if parts[0] == "integration":
        return 0
    return 1 if len(parts) == 2 or parts[1] == "experiments" else 2


@memoise
def _names_torch(file: Path) -> bool:
    return TORCH.search(file.read_text(encoding="utf-8")) is not None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Imports and tests that are found all stay, and to look for garbage among them takes a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What is loaded by now stays: half a million objects that the collector need not go through again and again."""
    from experiments.sources import parse_files_once

    parse_files_once()  # for tests that compose `conf/` by Hydra itself; each time takes twice as long without
    gc.collect()
    gc.freeze()


# Weights large enough that the context moves the states far above the rounding of float32.
TINY = {
    "vocab_size": 259,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}


@pytest.fixture(scope="session", autouse=True)
def looked_up_once() -> Iterator[None]:
    """What is the same each time, but looked up each time.

    Every client of HTTP reads all certificates of authorities, though it speaks to this machine without any; every
    Trainer of Lightning goes through all packages that are installed, for callbacks.
    """
    import httpcore2
    from lightning.fabric.utilities import registry

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (ssl, "create_default_context"),
            (httpcore2, "default_ssl_context"),
            (registry, "entry_points"),
        ):
            patch.setattr(owner, name, memoise(getattr(owner, name)))
        yield


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where assets and converted models lie: CCPS_CACHE if set, else the user's own cache."""
    from ccps.assets import catalogue as assets

    return assets.cache_folder()


def tiny_config(architecture: str, dtype: str = "float32", seed: int = 0, **changes: Any) -> "ModelConfig":
    from ccps.llm import ModelConfig

    return ModelConfig(source="random", location=architecture, dtype=dtype, seed=seed, architecture={**TINY, **changes})


@pytest.fixture(scope="session", name="tiny_config")
def tiny_config_fixture() -> "Callable[..., ModelConfig]":
    """Configurations of tiny random models: `tiny_config("qwen2", dtype="bfloat16", vocab_size=300)`."""
    return tiny_config


@pytest.fixture(scope="session")
def tiny_model() -> "Callable[..., LanguageModel]":
    """Tiny random models by the same arguments, each built once. Leave them as they are."""
    from ccps.llm import find_model, load_model

    @memoise
    def build(architecture: str, **changes: Any) -> "LanguageModel":
        return load_model(find_model(f"tiny-{architecture}", tiny_config(architecture, **changes)))

    return build


@pytest.fixture(scope="session")
def smollm2_files(cache: Path) -> "ModelFiles":
    """SmolLM2-135M-Instruct as `conf/model/smollm2_135m.yaml` names it, for integration tests."""
    from ccps.llm import ModelConfig, find_model

    return find_model("smollm2_135m", ModelConfig(source="asset", location="smollm2-135m-instruct"))


@pytest.fixture(scope="session")
def smollm2(smollm2_files: "ModelFiles") -> "LanguageModel":
    from ccps.llm import load_model

    return load_model(smollm2_files)


@pytest.fixture
def judge_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for a judge's endpoint on loopback, which no proxy of this machine's stands before."""
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-tests")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Proxy]:
    """A judge's endpoint on loopback, which says what a test has it say."""
    with proxy() as found:
        yield found
