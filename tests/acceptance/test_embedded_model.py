"""The 1.5B model that `make reproduce` uses, on one real question of each MMLU subject: about a minute on two cores."""

import math

import pytest
import torch
from omegaconf import OmegaConf

from ccps.data import BenchmarkSpec, Question, chat_messages, load_questions, sample
from ccps.grading import is_option_letter
from ccps.grading.rules import Substring
from ccps.llm import (
    LanguageModel,
    ModelConfig,
    Passage,
    choose_tokens,
    find_model,
    load_model,
    prompt_ids,
    read_in_batches,
)
from ccps.perturbation import FEATURE_NAMES, stability_features
from experiments.launch import CONF


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    config = OmegaConf.load(CONF / "model" / "qwen25_coder_1b5.yaml")["qwen25_coder_1b5"]
    return load_model(find_model("qwen25_coder_1b5", ModelConfig(**config)))


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    spec = OmegaConf.load(CONF / "benchmark" / "mmlu.yaml")["mmlu"]
    return sample(load_questions(BenchmarkSpec(**OmegaConf.to_container(spec))).questions, per_subject=1, seed=23)


@pytest.fixture(scope="module")
def answered(model: LanguageModel, questions: list[Question]) -> tuple[torch.Tensor, list[int]]:
    """Final states and greedy tokens, `[57, d]` and 57."""
    passages = [Passage(prompt_ids(model.tokenizer, chat_messages(question))) for question in questions]
    states: dict[int, torch.Tensor] = {}
    for batch, found in read_in_batches(model, passages, 1024):
        states |= dict(zip(batch, found, strict=True))
    stacked = torch.cat([states[index] for index in range(len(passages))])
    tokens = choose_tokens(model, model.own_logits(stacked), [4] * len(passages), "greedy")
    return stacked, tokens


def test_it_answers_with_letters_and_above_chance(
    model: LanguageModel, questions: list[Question], answered: tuple[torch.Tensor, list[int]]
) -> None:
    texts = [model.tokenizer.decode([token]).strip() for token in answered[1]]
    right = sum(verdict.correct is True for verdict in Substring().grade_all(list(zip(questions, texts, strict=True))))
    # "(b" is how the first token of "(b)" reads.
    letters = sum(is_option_letter(text.removeprefix("("), q) for text, q in zip(texts, questions, strict=True))
    assert letters >= 0.9 * len(questions)
    # Chance is 25 %: with 57 questions, 21 right lie more than two standard deviations above it.
    assert right >= 21


def test_its_features_are_finite_and_ordered(model: LanguageModel, answered: tuple[torch.Tensor, list[int]]) -> None:
    states, tokens = answered
    features = stability_features(states, model.head.weight, torch.tensor(tokens))
    columns = dict(zip(FEATURE_NAMES, features.T, strict=True))
    flips = columns.pop("epsilon_to_flip_token")
    assert all(torch.isfinite(column).all() for column in columns.values())
    assert set(flips.tolist()) <= {4.0, 8.0, 12.0, 16.0, 20.0, math.inf}
    # bfloat16 logits tie now and then, so the greedy token is not always the float32 argmax.
    assert columns["is_actual_token_original_argmax"].mean() > 0.9
    assert (columns["perturbed_log_prob_actual_max"] <= columns["original_log_prob_actual"] + 1e-4).all()
