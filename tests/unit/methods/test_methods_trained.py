from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers.logger import DummyLogger
from sklearn.metrics import roc_auc_score

from ccps.asking.follow_up import LAYERS
from ccps.methods import TrainingAnswers, TrainingSettings
from ccps.methods.ccps import CCPS
from ccps.methods.controls import RandomDirections, ShuffledLabels
from ccps.methods.p_ik import PIK
from ccps.methods.saplma import SAPLMAFinal, SAPLMAMiddle, SAPLMAUpperMiddle
from ccps.probes.reporting import SILENT, Reporting
from ccps.settings.probe import EncoderConfig

ON_STATES = [PIK(), SAPLMAMiddle(), SAPLMAUpperMiddle(), SAPLMAFinal()]
ALL = [CCPS(), RandomDirections(), ShuffledLabels(), *ON_STATES]


class Notes(DummyLogger):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Any] = []

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        self.lines.append((step, dict(metrics)))


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_a_method_learns_saves_and_loads_once_for_each_seed(
    method: Any, answers: TrainingAnswers, settings: TrainingSettings, tmp_path: Path
) -> None:
    one, other = method.fit(answers, settings, [3, 4], SILENT)
    p = one.p_correct(answers.evidence)
    assert p.shape == (80,)
    assert (roc_auc_score(answers.correct, p) > 0.9) == (method.name != "ccps_shuffled")
    assert p.tolist() != other.p_correct(answers.evidence).tolist()
    one.save(tmp_path)
    loaded = method.load(tmp_path)
    assert loaded.p_correct(answers.evidence).tolist() == p.tolist()
    assert loaded.summary() == one.summary()
    assert (one.summary()["train_rows"], one.summary()["validation_rows"]) == (72, 8)
    assert {"stage", "step", "loss", "accuracy"} <= set(one.curve().columns)
    assert one.notes(answers.evidence) == {}


def test_parameters_are_counted_by_hand(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    (ccps,) = CCPS().fit(answers, settings, [0], SILENT)
    assert ccps.parameters == (75 * 8 + 8) + (8 * 4 + 4) + (4 * 2 + 2)
    (p_ik,) = PIK().fit(answers, settings, [0], SILENT)
    assert p_ik.parameters == (5 * 8 + 8) + (8 + 1)


def test_the_fit_of_a_seed_does_not_depend_on_the_other_seeds(
    answers: TrainingAnswers, settings: TrainingSettings
) -> None:
    for method in (CCPS(), ShuffledLabels(), SAPLMAFinal()):
        together = method.fit(answers, settings, [1, 2, 3], SILENT)
        alone = method.fit(answers, settings, [3], SILENT)
        expected = alone[0].p_correct(answers.evidence)
        np.testing.assert_allclose(together[2].p_correct(answers.evidence), expected, atol=1e-5)


def test_every_probe_is_heard_of_under_its_seed(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    notes, progress = Notes(), []
    reporting = Reporting(logger=notes, log_prefix="fit/tiny", on_progress=lambda *update: progress.append(update))
    fitted = CCPS().fit(answers, settings, [1, 2], reporting)
    for seed, probe in zip((1, 2), fitted, strict=True):
        name = f"fit/tiny/seed{seed}/classifier/val_loss"
        logged = [(step, metrics[name]) for step, metrics in notes.lines if name in metrics]
        curve = probe.curve().query("stage == 'classifier'")
        assert logged == list(zip(curve["step"], curve["loss"], strict=True))
        assert [step for step, _ in logged] == [0, 100, 200]
    assert progress[-1] == (400, 400)


def test_state_probes_are_heard_of_under_their_seed(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    notes, progress = Notes(), []
    reporting = Reporting(logger=notes, log_prefix="fit", on_progress=lambda *update: progress.append(update))
    PIK().fit(answers, settings, [1, 2], reporting)
    assert {name for _, metrics in notes.lines for name in metrics if "val" in name} == {
        "fit/seed1/state/val_loss",
        "fit/seed2/state/val_loss",
    }
    assert progress == [(1, 2), (2, 2)]


@pytest.mark.parametrize("layer", LAYERS)
def test_saplma_reads_its_own_layer_and_no_other(
    layer: Any, answers: TrainingAnswers, settings: TrainingSettings
) -> None:
    (method,) = (method for method in ON_STATES[1:] if getattr(method, "layer", None) == layer)
    (fitted,) = method.fit(answers, settings, [0], SILENT)
    p = fitted.p_correct(answers.evidence)
    for number, name in enumerate(LAYERS):
        states = answers.evidence.read("layer_states").copy()
        states[:, number] += 1.0
        changed = fitted.p_correct(answers.evidence.having(layer_states=states))
        assert (changed.tolist() != p.tolist()) == (name == layer)


def test_what_a_method_needs_is_asked_for(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    bare = answers._replace(evidence=answers.evidence._replace(needs={}))
    for method in ON_STATES:
        (need,) = method.needs
        with pytest.raises(ValueError, match=rf"Expected `evidence\.{need}` to be given"):
            method.fit(bare, settings, [0], SILENT)


def test_shuffling_keeps_the_share_of_right_answers_and_differs_by_seed(answers: TrainingAnswers) -> None:
    first, again, other = (ShuffledLabels().labels(answers.correct, seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    assert first.sum() == answers.correct.sum()
    assert first.tolist() != answers.correct.tolist()
    assert CCPS().labels(answers.correct, 1) is answers.correct


def test_answers_of_several_tokens(answers: TrainingAnswers, settings: TrainingSettings) -> None:
    # Only the last token of an answer tells; the perceptron reads that one, the convolutions find it.
    known = answers.evidence
    noise = np.random.default_rng(1).normal(size=known.features.shape).astype(np.float32)
    features = np.stack([noise, known.features], axis=1).reshape(160, -1)
    longer = answers._replace(evidence=known._replace(features=features, lengths=known.lengths * 2))
    sequences = replace(settings.probe, encoder=EncoderConfig([8], [3], 2, embed_dim=4))
    for probe, rows in ((settings.probe, 144), (sequences, 72)):
        (fitted,) = CCPS().fit(longer, settings._replace(probe=probe), [0], SILENT)
        assert fitted.summary()["train_rows"] == rows
        if probe is sequences:
            assert roc_auc_score(answers.correct, fitted.p_correct(longer.evidence)) > 0.9
            cut = longer.evidence._replace(lengths=np.full(40, 4))
            assert fitted.notes(cut) == {"truncated": 40}


def test_the_shuffled_control_is_at_chance_over_twenty_seeds(
    answers: TrainingAnswers, settings: TrainingSettings
) -> None:
    """Single seeds may rank a signal that is there either way; over seeds the AUROC has a mean of one half."""
    fits = ShuffledLabels().fit(answers, settings, range(20), SILENT)
    found = [roc_auc_score(answers.correct, fit.p_correct(answers.evidence)) for fit in fits]
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - 0.5) < 3.6 * error  # t with 19 degrees of freedom, 1 in 500
    assert error < 0.1
    # A control that saw the labels after all would not be: the same answers, unshuffled, are all but told apart.
    (told,) = CCPS().fit(answers, settings, [0], SILENT)
    assert roc_auc_score(answers.correct, told.p_correct(answers.evidence)) > 0.9
