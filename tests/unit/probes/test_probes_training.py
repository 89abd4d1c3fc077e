import logging
import random
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers.logger import DummyLogger
from sklearn.metrics import roc_auc_score
from torch import nn

from ccps.core.errors import UserError
from ccps.core.quiet import quiet_lightning
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import ProbeConfig, Reporting, fit_probe
from ccps.probes.encoders import ProbeNetwork, build_head
from ccps.probes.optimizer import make_optimizer
from ccps.probes.pairs import Examples
from ccps.probes.preparation import prepare
from ccps.probes.split import split_by_question
from ccps.probes.stacked_training import train_stacked
from ccps.settings.probe import Accelerator, Checkpoint, Optimizer, StageConfig


def fit(table: Any, config: Any, seed: int = 0, **options: Any) -> Any:
    return fit_probe(table.features, table.labels, table.questions, config, seed, radius=20.0, **options)


def weights(probe: Any) -> dict[Any, Any]:
    return {name: value.clone() for name, value in probe.network.state_dict().items()}


def same(one: Any, other: Any) -> Any:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def fast() -> ProbeConfig:
    """A few hundred steps at ten times the paper's learning rate."""
    return ProbeConfig(
        contrastive=StageConfig(steps=200, learning_rate=1e-3),
        classifier=StageConfig(steps=300, batch_size=32, learning_rate=1e-3, encoder_dropout=0.1),
    )


def test_a_separable_problem_is_learned(make_table: Any, fast: ProbeConfig) -> None:
    train, test = make_table(600, 0), make_table(400, 1)
    confidence = fit(train, fast).predict(test.features)
    assert roc_auc_score(test.labels, confidence) > 0.95


def test_shuffled_labels_leave_chance(make_table: Any, fast: ProbeConfig) -> None:
    train, test = make_table(600, 0), make_table(400, 1)
    shuffled = train._replace(labels=np.random.default_rng(0).permutation(train.labels))
    confidence = fit(shuffled, fast).predict(test.features)
    # Four standard errors of an AUROC under chance, with 200 rows of either label.
    assert abs(roc_auc_score(test.labels, confidence) - 0.5) < 4 * np.sqrt(401 / (12 * 200 * 200))


def test_the_contrastive_stage_alone_pulls_the_labels_apart(make_table: Any, fast: ProbeConfig) -> None:
    train, test = make_table(600, 0), make_table(400, 1)
    probe = fit(train, replace(fast, classifier=StageConfig(steps=0)))
    inputs = torch.from_numpy(probe.scaler.transform(test.features).astype(np.float32))
    distance = torch.cdist(*[probe.network.encoder(inputs).detach()] * 2).numpy()
    differ = test.labels[:, None] != test.labels[None, :]
    other = ~np.eye(len(test.labels), dtype=bool)
    assert distance[differ].mean() > 2 * distance[~differ & other].mean()


def test_same_seed_same_bytes_another_seed_other_weights(table: Any, config: ProbeConfig) -> None:
    torch.manual_seed(1)
    first = fit(table, config, seed=5)
    torch.manual_seed(2)
    again = fit(table, config, seed=5)
    assert same(weights(first), weights(again))
    assert first.training == again.training
    assert not same(weights(first), weights(fit(table, config, seed=6)))


def test_evaluations_do_not_change_the_weights(table: Any, config: ProbeConfig) -> None:
    seldom = replace(config, contrastive=replace(config.contrastive, eval_every=100))
    assert same(weights(fit(table, config)), weights(fit(table, seldom)))


def test_global_random_states_are_left_alone(table: Any, config: ProbeConfig) -> None:
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002
    random.seed(7)
    before = (torch.get_rng_state(), np.random.get_state(legacy=True)[1].copy(), random.getstate())  # type: ignore[index]  # noqa: NPY002
    fit(table, config)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state(legacy=True)[1]).all()  # type: ignore[index]  # noqa: NPY002
    assert before[2] == random.getstate()


def test_the_number_of_threads_is_put_back_even_after_an_error(table: Any, config: ProbeConfig) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fit(table, config)
        assert torch.get_num_threads() == 2
        with pytest.raises(UserError):
            fit(table, replace(config, contrastive=replace(config.contrastive, learning_rate=1e38)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("gradient", [0.0, 0.25])
def test_weight_decay_is_part_of_adams_gradient(gradient: float) -> None:
    module: Any = nn.Linear(4, 1, bias=False)
    before = module.weight.detach().clone()
    stage = StageConfig(learning_rate=1e-3, weight_decay=0.5)
    module.weight.grad = torch.full_like(module.weight, gradient)
    make_optimizer(stage, module.parameters()).step()
    # The first step of Adam is the learning rate times the sign of its gradient, here g + decay·w.
    expected = before - 1e-3 * torch.sign(gradient + 0.5 * before)
    torch.testing.assert_close(module.weight.detach(), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("gradient", [0.0, 0.25])
def test_weight_decay_of_adamw_is_decoupled_from_the_gradient(gradient: float) -> None:
    module: Any = nn.Linear(4, 1, bias=False)
    before = module.weight.detach().clone()
    stage = StageConfig(optimizer=Optimizer.adamw, learning_rate=0.1, weight_decay=0.5)
    module.weight.grad = torch.full_like(module.weight, gradient)
    make_optimizer(stage, module.parameters()).step()
    # The weights shrink by learning rate · decay; the gradient then moves them by the learning rate, if there is one.
    expected = before * (1 - 0.1 * 0.5) - 0.1 * np.sign(gradient)
    torch.testing.assert_close(module.weight.detach(), expected, rtol=0, atol=1e-6)


def test_each_stage_uses_its_own_optimizer(table: Any, config: ProbeConfig) -> None:
    plain = fit(table, config).training.curve
    first = replace(config, contrastive=replace(config.contrastive, optimizer=Optimizer.adamw))
    second = replace(config, classifier=replace(config.classifier, optimizer=Optimizer.adamw))
    assert fit(table, first).training.curve[1:4] != plain[1:4]
    curve = fit(table, second).training.curve
    assert curve[:4] == plain[:4]
    assert curve[5:] != plain[5:]


def test_the_curve_holds_both_stages_from_step_0_to_the_last(table: Any, config: ProbeConfig) -> None:
    curve = fit(table, config).training.curve
    assert [(point.stage, point.step) for point in curve] == [
        *[("contrastive", step) for step in (0, 8, 16, 20)],
        *[("classifier", step) for step in (0, 10, 20, 30)],
    ]
    assert [point.train_loss is None for point in curve] == [point.step == 0 for point in curve]
    assert [point.val_accuracy is None for point in curve] == [point.stage == "contrastive" for point in curve]


def test_best_returns_the_weights_of_the_best_evaluation_and_last_those_of_the_last(
    table: Any, config: ProbeConfig
) -> None:
    # With steps this large the accuracy soon peaks, and wanders after that.
    wild = replace(
        config,
        contrastive=replace(config.contrastive, steps=0),
        classifier=replace(config.classifier, learning_rate=0.05, encoder_dropout=0.0, eval_every=1),
    )
    last, best = fit(table, wild), fit(table, replace(wild, checkpoint=Checkpoint.best))
    assert last.training.curve == best.training.curve
    accuracies = [point.val_accuracy for point in last.training.curve if point.stage == "classifier"]
    assert accuracies[-1] < max(accuracies)
    # The split is that of the seed, so accuracy on the held-out rows can be worked out from outside.
    held_out = split_by_question(table.labels, table.questions, 0.1, 0).validation
    for probe, wanted in ((last, accuracies[-1]), (best, max(accuracies))):
        predicted = probe.predict(table.features[held_out]) > 0.5
        assert (predicted == table.labels[held_out]).mean() == pytest.approx(wanted)


def test_best_of_the_contrastive_stage_has_the_lowest_loss(table: Any, config: ProbeConfig) -> None:
    # Steps this large only do harm: the best encoder is the first one.
    harmful = replace(
        config,
        contrastive=replace(config.contrastive, learning_rate=10.0),
        classifier=replace(config.classifier, steps=0),
        checkpoint=Checkpoint.best,
    )
    probe = fit(table, harmful)
    losses = [point.val_loss for point in probe.training.curve if point.stage == "contrastive"]
    assert losses[0] == min(losses)
    untrained = fit(table, replace(harmful, contrastive=replace(harmful.contrastive, steps=0)))
    assert same(weights(probe), weights(untrained))


def test_stage_two_uses_its_own_dropout(table: Any, config: ProbeConfig) -> None:
    other = replace(config, classifier=replace(config.classifier, encoder_dropout=0.5))
    curves = [fit(table, c).training.curve for c in (config, other)]
    assert curves[0][:4] == curves[1][:4]
    assert curves[0][5:] != curves[1][5:]


def test_scaler_sees_training_rows_only_and_rows_left_out_are_counted(table: Any, config: ProbeConfig) -> None:
    features = table.features.copy()
    features[3, 2] = np.nan
    features[5, 13] = np.inf
    probe = fit(table._replace(features=features), config)
    assert probe.training.dropped == {"original_logit_actual is NaN": 1}
    assert (probe.training.left_out, probe.training.truncated) == (0, 0)
    assert probe.training.train_rows + probe.training.validation_rows == len(features) - 1
    left = np.delete(np.arange(len(features)), 3)
    train = split_by_question(table.labels[left], [table.questions[row] for row in left], 0.1, 0).train
    features[5, 13] = 20.0
    np.testing.assert_allclose(probe.scaler.mean, features[left[train]].mean(axis=0), rtol=1e-12)


def test_another_encoder_trains_by_the_same_code(table: Any, config: ProbeConfig) -> None:
    class MeanOverTime(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(3, 8)

        def forward(self, inputs: Any) -> Any:
            return self.out(inputs.mean(dim=1))

    torch.manual_seed(0)
    inputs = torch.randn(64, 5, 3)
    examples = Examples(inputs, (inputs.mean(dim=(1, 2)) > 0).long())
    network = ProbeNetwork(MeanOverTime(), build_head(config.head, 8))
    prepared = prepare(table.features, table.labels, table.questions, config, 0, 20.0, FEATURE_NAMES)
    prepared = replace(prepared, train=examples, validation=examples)
    [curve] = train_stacked([network], [prepared], config, torch.device("cpu"), None, lambda updates: None)
    assert curve[-1].val_loss < curve[4].val_loss
    assert not network.training


def test_curves_reach_the_logger(table: Any, config: ProbeConfig) -> None:
    class Notes(DummyLogger):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[Any] = []

        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            self.lines.append((step, dict(metrics)))

    notes, progress = Notes(), []
    reporting = Reporting(notes, log_prefix="seed0", on_progress=lambda *update: progress.append(update))
    probe = fit(table, config, reporting=reporting)
    steps = config.contrastive.steps + config.classifier.steps
    assert progress[-1] == (steps, steps)
    assert [step for step, _ in notes.lines] == [point.step for point in probe.training.curve]
    assert notes.lines[0][1] == {"seed0/contrastive/val_loss": probe.training.curve[0].val_loss}
    assert set(notes.lines[-1][1]) == {
        f"seed0/classifier/{name}" for name in ("train_loss", "val_loss", "val_accuracy")
    }
    assert same(weights(probe), weights(fit(table, config)))


def test_nothing_is_printed_and_levels_come_back(
    table: Any, config: ProbeConfig, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    with caplog.at_level(logging.INFO), warnings.catch_warnings():
        warnings.filterwarnings("error", module="lightning", category=UserWarning)
        fit(table, config)
    assert capsys.readouterr() == ("", "")
    assert not caplog.records
    assert logger.level == level


def test_quiet_lets_other_warnings_through() -> None:
    with pytest.warns(UserWarning, match="mind the gap"), quiet_lightning():
        warnings.warn("mind the gap", stacklevel=1)


def test_errors_name_the_fault(table: Any, config: ProbeConfig) -> None:
    with pytest.raises(UserError, match="all 400 questions are answered right"):
        fit(table._replace(labels=np.ones(400)), config)
    with pytest.raises(UserError, match="all 400 questions are answered wrong"):
        fit(table._replace(labels=np.zeros(400)), config)
    with pytest.raises(UserError, match="no rows are left"):
        fit(table._replace(features=np.full((400, 75), np.nan)), config)
    with pytest.raises(UserError, match=r"Expected `labels` .* \[nan\] in 1 of 400 rows"):
        fit(table._replace(labels=np.r_[np.nan, table.labels[1:]]), config)
    with pytest.raises(UserError, match=r"a table of 75 columns, but got an array of shape \(400, 74\)"):
        fit(table._replace(features=table.features[:, 1:]), config)
    with pytest.raises(UserError, match="Expected `question_ids` to be 400 identifiers, but got 399"):
        fit(table._replace(questions=table.questions[1:]), config)
    with pytest.raises(UserError, match=r"probe\.margin"):
        fit(table, replace(config, margin=-1.0))


def test_divergence_is_an_error(table: Any, config: ProbeConfig) -> None:
    diverging = replace(config, contrastive=replace(config.contrastive, learning_rate=1e38))
    with pytest.raises(UserError, match=r"training diverged. Lower `probe.contrastive.learning_rate`"):
        fit(table, diverging)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_accelerator_is_an_error(table: Any, config: ProbeConfig) -> None:
    with pytest.raises(UserError, match=r"Expected `probe.accelerator` to be one that this machine has, but got gpu"):
        fit(table, replace(config, accelerator=Accelerator.gpu))
