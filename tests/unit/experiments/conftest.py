from collections.abc import Callable, Iterator

import numpy as np
import pytest
from nursery import Nursery, nursery

from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from experiments.benchmarks import scorer


@pytest.fixture(scope="session", name="nursery")
def nursery_fixture() -> Iterator[Nursery]:
    """Runs programs that find loaded and read what every entry point loads and reads."""
    with nursery() as found:
        yield found


@pytest.fixture(scope="module")
def lm(tiny_config: Callable[..., ModelConfig], tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """A model that lies in a folder; its tokens are bytes."""
    made = load_model(find_model("tiny", tiny_config("llama", max_position_embeddings=1024)))
    made.model.save_pretrained(folder := tmp_path_factory.mktemp("tiny"))
    made.tokenizer.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCPS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_model(find_model("tiny", ModelConfig(source="folder", location=str(folder), dtype="float32")))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench fits scorers to few questions, every second of them answered right; how well is of no account."""
    for name, number in (("ASKED", 6), ("LEARNT", 30), ("FITTED", 30)):
        monkeypatch.setattr(scorer, name, number)
    monkeypatch.setattr("ccps.scorer.fitting.SEEDS", (23,))
    monkeypatch.setattr("ccps.scorer.learning.grade", lambda _, texts: np.arange(len(texts)) % 2.0)
