"""The 1.5B model that `make reproduce` uses, on one real question of each MMLU subject: about a minute on two cores."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from ccps.asking.interview import Answer, Interview, Manner
from ccps.data import BenchmarkSpec, Question, load_questions, sample
from ccps.grading import is_option_letter
from ccps.grading.open_ended import Contains
from ccps.grading.rules import Substring
from ccps.llm import LanguageModel, ModelConfig, find_model, load_model
from ccps.perturbation import FEATURE_NAMES, stability_features
from experiments.configs import CONF


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    config: Any = OmegaConf.to_container(OmegaConf.load(CONF / "model" / "qwen25_coder_1b5.yaml"))
    return load_model(find_model("qwen25_coder_1b5", ModelConfig(**config["qwen25_coder_1b5"])))


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    spec: Any = OmegaConf.to_container(OmegaConf.load(CONF / "benchmark" / "mmlu.yaml"))
    return sample(load_questions(BenchmarkSpec(**spec["mmlu"])).questions, per_subject=1, seed=23)


@pytest.fixture(scope="module")
def answers(model: LanguageModel, questions: list[Question]) -> list[Answer]:
    """One greedy token for each question."""
    return Interview(model, questions, Manner()).answer_all()


def test_it_answers_with_letters_and_above_chance(questions: list[Question], answers: list[Answer]) -> None:
    texts = [answer.text for answer in answers]
    right = sum(verdict.correct is True for verdict in Substring().grade_all(list(zip(questions, texts, strict=True))))
    letters = sum(is_option_letter(text, question) for text, question in zip(texts, questions, strict=True))
    assert letters >= 0.9 * len(questions)
    # Chance is 25 %: with 57 questions, 21 right lie more than two standard deviations above it.
    assert right >= 21


def test_it_answers_open_questions_in_words(model: LanguageModel) -> None:
    """Known to any such model; the tokens are those that one teacher-forced pass over the text gives too."""
    asked = [
        Question("france", "s", "What is the capital of France?", (), ("Paris",), "test", "s"),
        Question("spider", "s", "How many legs does a spider have?", (), ("eight", "8"), "test", "s"),
    ]
    written = Interview(model, asked, Manner()).answer_all()
    for question, answer in zip(asked, written, strict=True):
        assert Contains().is_right(answer.text, question), answer.text
        assert not answer.is_cut
    given = [replace(question, given_answer=answer.text) for question, answer in zip(asked, written, strict=True)]
    for ours, read in zip(written, Interview(model, given, Manner()).answer_all(), strict=True):
        assert read.tokens == ours.tokens
        # bfloat16 kernels of another shape round in another order.
        assert (ours.states.float() - read.states.float()).norm() <= 0.05 * read.states.float().norm()


def test_its_features_are_finite_and_ordered(model: LanguageModel, answers: list[Answer]) -> None:
    states = torch.cat([answer.states for answer in answers])
    tokens = torch.tensor([token for answer in answers for token in answer.tokens])
    features = stability_features(states, model.head.weight, tokens)
    columns = dict(zip(FEATURE_NAMES, features.T, strict=True))
    flips = columns.pop("epsilon_to_flip_token")
    assert all(torch.isfinite(column).all() for column in columns.values())
    assert set(flips.tolist()) <= {4.0, 8.0, 12.0, 16.0, 20.0, math.inf}
    # bfloat16 logits tie now and then, so the greedy token is not always the float32 argmax.
    assert columns["is_actual_token_original_argmax"].mean() > 0.9
    assert (columns["perturbed_log_prob_actual_max"] <= columns["original_log_prob_actual"] + 1e-4).all()
