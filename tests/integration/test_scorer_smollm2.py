"""A scorer of SmolLM2 from first to last: handed over in memory, fitted to what it answers, saved, loaded again."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ccps import ConfidenceScorer
from ccps.llm import LanguageModel
from ccps.scorer import Reply


def sums(n: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Sums with four options, and the right one's text."""
    rng = random.Random(0)
    questions, right = [], []
    for _ in range(n):
        a, b = rng.randint(1, 9), rng.randint(1, 9)
        options = rng.sample(range(2, 19), 4)
        if a + b not in options:
            options[rng.randrange(4)] = a + b
        questions.append({"text": f"What is {a} + {b}?", "options": [str(one) for one in options]})
        right.append(str(a + b))
    return questions, right


@pytest.fixture(scope="module")
def scorer(smollm2: LanguageModel) -> ConfidenceScorer:
    questions, right = sums(80)
    return ConfidenceScorer(smollm2.model, smollm2.tokenizer).fit(questions, correct=right)


def test_numbers_for_new_questions(scorer: ConfidenceScorer) -> None:
    new, _ = sums(90)
    p = scorer.predict_proba(new[80:])
    assert p.shape == (10,)
    assert np.isfinite(p).all()
    assert scorer.summary is not None
    assert scorer.summary.n == 80
    assert "AUROC" in str(scorer.summary)
    # Its answers are near chance: at a risk of 1 % nothing is certified.
    assert all(one.abstain for one in scorer.decide(new[80:], risk=0.01))


def test_it_is_saved_and_finds_its_model(scorer: ConfidenceScorer, smollm2: LanguageModel, tmp_path: Path) -> None:
    new, _ = sums(90)
    scorer.save(tmp_path)
    folder = smollm2.files.folder
    assert folder is not None
    assert str(folder).encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("*.json"))
    for place in (None, folder):
        again = ConfidenceScorer.load(tmp_path, location=place, device="cpu")
        assert np.allclose(again.predict_proba(new[80:]), scorer.predict_proba(new[80:]), atol=1e-6)


def test_an_answer_as_it_is_written(smollm2: LanguageModel) -> None:
    questions = [f"Which number comes after {place}?" for place in range(40)]
    before = {name: value.clone() for name, value in smollm2.model.state_dict().items()}
    scorer = ConfidenceScorer(smollm2.model, smollm2.tokenizer)
    scorer.fit(questions, correct=[place % 2 for place in range(40)], method="answer_probability")
    *tokens, reply = scorer.generate("What is the capital of France?", stream=True, say=True)
    assert isinstance(reply, Reply)
    assert "Paris" in reply.text
    assert "".join(one.text for one in tokens).strip() == reply.text
    assert all(one.stability > 0 for one in tokens)  # type: ignore[union-attr]
    assert reply.said
    assert all(torch.equal(value, before[name]) for name, value in smollm2.model.state_dict().items())
