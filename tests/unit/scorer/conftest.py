"""A tiny random model, questions, and a scorer that has learnt what its own state shows."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccps import ConfidenceScorer
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from ccps.scorer import recipes

WORDS = ("amber", "brisk", "copper", "dune", "ember", "fjord", "grove", "islet")


def made_up(n: int, options: bool, seed: int = 0) -> list[dict[str, Any]]:
    """Questions of random words, with three options or none."""
    rng = random.Random(seed)
    rows = []
    for place in range(n):
        row: dict[str, Any] = {"id": f"q{place}", "text": f"Which {' '.join(rng.choices(WORDS, k=5))}?"}
        rows.append(row | {"options": rng.sample(WORDS, 3)} if options else row)
    return rows


@pytest.fixture(scope="session")
def handed(tiny_config: Callable[..., ModelConfig]) -> LanguageModel:
    """A model that tests hand over; they must leave it as it is."""
    return load_model(find_model("handed", tiny_config("llama", max_position_embeddings=1024)))


@pytest.fixture(scope="session")
def choices() -> list[dict[str, Any]]:
    return made_up(60, options=True)


@pytest.fixture(scope="session")
def quick() -> Any:
    """Probes that train for a few steps."""
    with pytest.MonkeyPatch.context() as patch:
        for form, probe in list(recipes.PROBES.items()):
            short = replace(probe, classifier=replace(probe.classifier, steps=50))
            patch.setitem(recipes.PROBES, form, short)
        patch.setattr("ccps.scorer.fitting.SEEDS", (23, 24))
        yield


@pytest.fixture(scope="session")
def learnable(handed: LanguageModel, choices: list[dict[str, Any]]) -> list[int]:
    """Labels that follow the entropy of the model's answers, but for every tenth."""
    scorer = ConfidenceScorer(handed.model, handed.tokenizer)
    noise = np.random.default_rng(0).integers(0, 2, len(choices))
    p = scorer.fit(choices, correct=noise, method="entropy").predict_proba(choices)
    right = p > np.median(p)
    right[::10] = ~right[::10]
    return [int(one) for one in right]


@pytest.fixture(scope="session")
def fitted(quick: None, handed: LanguageModel, choices: Any, learnable: list[int]) -> ConfidenceScorer:
    """A scorer that has chosen by itself; tests that change it make a copy."""
    return ConfidenceScorer(handed.model, handed.tokenizer).fit(choices, correct=learnable, data="Words, ours, CC0.")


@pytest.fixture
def scorer(fitted: ConfidenceScorer, handed: LanguageModel) -> ConfidenceScorer:
    """A scorer of the same that may be changed."""
    return ConfidenceScorer.of(fitted.learnt, handed.model, tokenizer=handed.tokenizer)
