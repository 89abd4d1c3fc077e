"""Instruction tuning, Calibration-Tuning and LitCab as methods."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ccps.core.errors import UserError
from ccps.methods.base import TrainingAnswers
from ccps.methods.calibration_tuning import CalibrationTuning
from ccps.methods.evidence import AnswerStates, Evidence, References
from ccps.methods.instruction_tuning import InstructionTuning
from ccps.methods.litcab import FittedLitCab, LitCab
from ccps.perturbation import FEATURE_NAMES, Head
from ccps.probes.reporting import SILENT
from ccps.settings.litcab import LitCabConfig
from ccps.settings.probe import Accelerator

WIDTH, VOCABULARY, RIGHT, WRONG = 4, 9, 5, 6
SETTINGS: Any = SimpleNamespace(
    litcab=LitCabConfig(learning_rate=0.05, batch_size=16, epochs=5, accelerator=Accelerator.cpu)
)


def no_features(lengths: list[int]) -> Evidence:
    """Whoever reads features shows NaN."""
    features = np.full((sum(lengths), len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    return Evidence(features, np.array(lengths), VOCABULARY)


@pytest.mark.parametrize(
    ("method", "field"), [(CalibrationTuning(), "calibration_tuned"), (InstructionTuning(), "instruction_tuned")]
)
def test_tuned_methods_are_the_softmax_over_no_and_yes(method: Any, field: str) -> None:
    logits = np.array([[0.0, 0.0], [1.0, 3.0], [800.0, -800.0]], dtype=np.float32)
    p = method.p_correct(no_features([1, 1, 1]).having(**{field: logits}))
    assert p.tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-2)), 0.0])
    assert method.needs == {field}
    with pytest.raises(ValueError, match=field):
        method.p_correct(no_features([1]))


def head() -> Head:
    return Head(torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(1)))


def stack(ids: list[list[int]], seed: int) -> tuple[AnswerStates, np.ndarray]:
    tokens = torch.tensor([token for answer in ids for token in answer], dtype=torch.long)
    states = torch.randn(len(tokens), WIDTH, generator=torch.Generator().manual_seed(seed))
    return AnswerStates(states, tokens, head()), np.array([len(answer) for answer in ids])


def training(n: int = 60) -> TrainingAnswers:
    """Right answers end in one token, wrong ones in another; the first and second question lack one of them."""
    correct = np.arange(n) % 2 == 0
    own, lengths = stack([[RIGHT, RIGHT] if good else [WRONG] for good in correct], 2)
    right, right_lengths = stack([[], *[[RIGHT]] * (n - 1)], 3)
    wrong, wrong_lengths = stack([[WRONG], [], *[[WRONG, WRONG]] * (n - 2)], 4)
    evidence = no_features(lengths.tolist()).having(
        answer_states=own, references=References(right, right_lengths, wrong, wrong_lengths)
    )
    return TrainingAnswers(evidence, correct, [f"q{i}" for i in range(n)])


def test_litcab_learns_saves_and_loads(tmp_path: Path) -> None:
    answers = training()
    first, second = LitCab().fit(answers, SETTINGS, [3, 4], SILENT)
    p = first.p_correct(answers.evidence)
    assert roc_auc_score(answers.correct, p) > 0.85
    assert second.p_correct(answers.evidence).tolist() != p.tolist()
    assert first.summary() == {"train_rows": 46, "validation_rows": 12, "left_out": 2, "best_epoch": 5}
    assert first.parameters == VOCABULARY * WIDTH + VOCABULARY
    assert first.curve()["step"].tolist() == [0, 3, 6, 9, 12, 15]
    assert first.notes(answers.evidence) == {}
    first.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"litcab.safetensors", "litcab.json"}
    again = LitCab().load(tmp_path)
    assert again.p_correct(answers.evidence).tolist() == p.tolist()
    assert again.summary() == first.summary()
    assert again.curve().equals(first.curve())


def test_litcab_that_has_learnt_nothing_is_the_answer_probability() -> None:
    answers = training()
    (fitted,) = LitCab().fit(answers, SETTINGS, [3], SILENT)
    assert isinstance(fitted, FittedLitCab)
    blank = FittedLitCab(
        fitted.config, type(fitted.weights)(*(torch.zeros_like(part) for part in fitted.weights)), fitted.training
    )
    own = answers.evidence.read("answer_states")
    probability = (own.states @ head().weight.T).softmax(1)[torch.arange(len(own.states)), own.token_ids].tolist()
    expected, start = [], 0
    for length in answers.evidence.lengths:
        expected.append(math.prod(probability[start : start + length]) ** (1 / length))
        start += length
    assert blank.p_correct(answers.evidence).tolist() == pytest.approx(expected, rel=1e-5)


def test_a_litcab_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    (fitted,) = LitCab().fit(training(), SETTINGS, [3], SILENT)
    fitted.save(tmp_path)
    text = (tmp_path / "litcab.json").read_text()
    (tmp_path / "litcab.json").write_text(text.replace(f'"width": {WIDTH}', f'"width": {WIDTH + 1}'))
    with pytest.raises(UserError, match=r"others for \['weight'\]"):
        LitCab().load(tmp_path)
