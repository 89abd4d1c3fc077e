import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers.logger import DummyLogger
from lightning_oracle import fit_state_alone
from safetensors.torch import load_file, save_file
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score
from torch import nn

from ccps.core.errors import UserError
from ccps.probes.pairs import Examples
from ccps.probes.reporting import Reporting
from ccps.probes.split import split_by_question
from ccps.probes.state_probe import FittedStateProbe, fit_state_probe, fit_state_probes
from ccps.probes.state_training import StateFit, weighted_loss
from ccps.settings.state_probe import StateProbeConfig


class Answers(NamedTuple):
    states: np.ndarray
    labels: np.ndarray
    questions: list[str]


def make_answers(rows: int, seed: int, right: float = 0.5) -> Answers:
    """States of 12 numbers; along one direction, right answers lie three standard deviations further."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(rows) < right * rows).astype(int)
    states = rng.normal(size=(rows, 12)) + 3 * labels[:, None] * np.full(12, 12**-0.5)
    order = rng.permutation(rows)
    return Answers(states[order].astype(np.float32), labels[order], [f"q{row}" for row in range(rows)])


@pytest.fixture(scope="module")
def answers() -> Answers:
    return make_answers(200, seed=0)


@pytest.fixture
def config() -> StateProbeConfig:
    return StateProbeConfig(hidden=[16, 8], max_epochs=4)


def fit(answers: Any, config: Any, seed: int = 0, **options: Any) -> Any:
    return fit_state_probe(answers.states, answers.labels, answers.questions, config, seed, **options)


def same(one: Any, other: Any) -> Any:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


def test_the_network_is_a_perceptron_with_dropout_after_every_hidden_layer(answers: Answers) -> None:
    network = fit(answers, StateProbeConfig(max_epochs=1)).network
    assert [type(layer).__name__ for layer in network] == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]
    assert [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)] == [
        (12, 512),
        (512, 128),
        (128, 1),
    ]
    assert {layer.p for layer in network if isinstance(layer, nn.Dropout)} == {0.2}


@pytest.mark.parametrize("standardise", [False, True])
def test_a_separable_problem_is_learned(answers: Answers, standardise: bool) -> None:
    config = StateProbeConfig(hidden=[16, 8], max_epochs=40, learning_rate=3e-3, standardise=standardise)
    test = make_answers(400, seed=1)
    # Two normal distributions three standard deviations apart: the best AUROC is Φ(3/√2) = 0.983.
    assert roc_auc_score(test.labels, fit(answers, config).predict(test.states)) > 0.95


def test_shuffled_labels_leave_chance(answers: Answers, config: StateProbeConfig) -> None:
    test = make_answers(400, seed=1)
    shuffled = answers._replace(labels=np.random.default_rng(0).permutation(answers.labels))
    # A direction learned from noise may still lie along the true one by chance, so the test states are noise too.
    noise = np.random.default_rng(2).normal(size=test.states.shape)
    confidence = fit(shuffled, config).predict(noise)
    assert abs(roc_auc_score(test.labels, confidence) - 0.5) < 4 * math.sqrt(401 / (12 * 200 * 200))


def test_the_loss_weighs_right_answers_and_is_the_mean_over_the_batch() -> None:
    logits, labels = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1, 1, 0])
    by_hand = (3 * math.log1p(math.exp(-2)) + 3 * math.log1p(math.exp(1)) + math.log1p(math.exp(0.5))) / 3
    assert weighted_loss(logits, labels, 3.0).item() == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("change", [{}, {"dropout": 0.0}, {"clip_norm": 0.01}, {"patience": 2, "learning_rate": 0.02}])
def test_every_probe_is_the_one_that_lightning_fits_alone(answers: Answers, change: dict[str, Any]) -> None:
    config = replace(StateProbeConfig(hidden=[16, 8], max_epochs=12), **change)
    probes = fit_state_probes(answers.states, answers.labels, answers.questions, config, [3, 4, 5])
    for probe, seed in zip(probes, (3, 4, 5), strict=True):
        start = replace(config, max_epochs=1, learning_rate=1e-30)
        network: Any = fit(answers, start, seed).network.train()  # as it is drawn
        split = split_by_question(answers.labels, answers.questions, 0.1, seed)
        train, held = (
            Examples(torch.from_numpy(answers.states[side]), torch.from_numpy(answers.labels[side])) for side in split
        )
        curve = fit_state_alone(StateFit(network, train, held, probe.training.positive_weight, seed), config)
        assert [point.step for point in probe.training.curve] == [point.step for point in curve]
        for one, other in zip(probe.training.curve, curve, strict=True):
            assert one.val_loss == pytest.approx(other.val_loss, abs=1e-5)
            assert one.train_loss == (other.train_loss and pytest.approx(other.train_loss, abs=1e-5))
        torch.testing.assert_close(probe.network.state_dict(), network.state_dict(), rtol=0, atol=1e-4)


def test_company_and_threads_change_no_byte(answers: Answers, config: StateProbeConfig) -> None:
    rows, before = (answers.states, answers.labels, answers.questions), torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            together = fit_state_probes(*rows, config, [3, 4, 5])
            assert torch.get_num_threads() == threads
            for seed, probe in zip((3, 4, 5), together, strict=True):
                assert same(probe, fit(answers, config, seed))
    finally:
        torch.set_num_threads(before)


def test_progress_counts_probes(answers: Answers, config: StateProbeConfig) -> None:
    heard: list[tuple[int, int]] = []
    fit_state_probes(
        answers.states, answers.labels, answers.questions, config, [3, 4], lambda *update: heard.append(update)
    )
    assert heard == [(1, 2), (2, 2)]


def test_right_answers_weigh_wrong_over_right_of_the_training_rows(config: StateProbeConfig) -> None:
    answers = make_answers(200, seed=0, right=0.2)
    probe = fit(answers, config)
    train = split_by_question(answers.labels, answers.questions, 0.1, 0).train
    right = answers.labels[train].sum()
    assert probe.training.positive_weight == (len(train) - right) / right == pytest.approx(4.0)


def test_weights_make_p_correct_that_of_balanced_labels(answers: Answers) -> None:
    # Without a signal the best constant is one half, whatever the share of right answers.
    blind = make_answers(300, seed=0, right=0.9)
    blind = blind._replace(states=np.ones_like(blind.states))
    config = StateProbeConfig(hidden=[4], max_epochs=60, learning_rate=1e-2, dropout=0.0, base_rate="half")
    assert fit(blind, config).predict(blind.states[:1]) == pytest.approx(0.5, abs=0.05)
    assert fit(blind, replace(config, base_rate="training")).predict(blind.states[:1]) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("right", [0.2, 0.8])
def test_p_correct_is_on_average_the_base_rate_once_the_weight_is_taken_back(right: float) -> None:
    # Right answers lie one standard deviation further along one direction, so P(correct) is known of each.
    def answers_of(rows: int, seed: int) -> tuple[Answers, np.ndarray]:
        answers = make_answers(rows, seed, right)
        states = answers.states - (2 * answers.labels[:, None] * 12**-0.5).astype(np.float32)
        log_odds = states.sum(axis=1) * 12**-0.5 - 0.5 + math.log(right / (1 - right))
        return answers._replace(states=states), expit(log_odds.astype(np.float64))

    config = StateProbeConfig(hidden=[8], max_epochs=40, learning_rate=3e-3, dropout=0.0)
    known, _ = answers_of(3000, seed=0)
    unseen, truth = answers_of(3000, seed=1)
    said = fit(known, config).predict(unseen.states)
    # Of 2,700 training answers the share of right ones has a standard error of 0.008, and so has the mean of the fit.
    assert truth.mean() == pytest.approx(right, abs=0.01)
    assert said.mean() == pytest.approx(right, abs=0.03)
    assert np.abs(said - truth).mean() < 0.05
    half = fit(known, replace(config, base_rate="half"))
    balanced = expit(logit(truth) - logit(right))
    assert half.predict(unseen.states).mean() == pytest.approx(balanced.mean(), abs=0.04)
    assert abs(half.predict(unseen.states).mean() - right) > 0.15
    # Only the log of the weight lies between the two, whatever the answer.
    log_weight = math.log(half.training.positive_weight)
    np.testing.assert_allclose(logit(half.predict(unseen.states)) - logit(said), log_weight, rtol=1e-9)


def test_clipping_takes_part_in_training(answers: Answers, config: StateProbeConfig) -> None:
    # Adam is blind to the scale of gradients until they are small beside its eps of 1e-8: then nothing moves.
    still = replace(config, clip_norm=1e-14, weight_decay=0.0)
    start = fit(answers, replace(config, learning_rate=1e-30, weight_decay=0.0))
    for one, other in zip(fit(answers, still).network.parameters(), start.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert not same(fit(answers, config), start)


def test_the_curve_has_one_point_per_epoch_and_one_before(answers: Answers, config: StateProbeConfig) -> None:
    training = fit(answers, config).training
    # 180 training rows in batches of 32 make 6 steps, the last batch smaller.
    assert [(point.stage, point.step) for point in training.curve] == [("state", step) for step in (0, 6, 12, 18, 24)]
    assert [point.train_loss is None for point in training.curve] == [True, False, False, False, False]
    assert all(point.val_accuracy is None for point in training.curve)
    assert (training.train_rows, training.validation_rows, training.epochs) == (180, 20, 4)


def test_the_best_epoch_is_kept_and_training_stops_when_patience_is_spent(answers: Answers) -> None:
    wild = StateProbeConfig(hidden=[16, 8], learning_rate=0.05, dropout=0.0, patience=3, max_epochs=100)
    probe = fit(answers, wild)
    losses = [point.val_loss for point in probe.training.curve]
    assert 0 < probe.training.best_epoch == int(np.argmin(losses))
    assert probe.training.epochs == len(losses) - 1 == probe.training.best_epoch + 3 < 100
    held_out = split_by_question(answers.labels, answers.questions, 0.1, 0).validation
    p, y = probe.predict(answers.states[held_out]), answers.labels[held_out]
    p = expit(logit(p) + math.log(probe.training.positive_weight))
    weighted = -np.where(y == 1, probe.training.positive_weight * np.log(p), np.log1p(-p)).mean()
    assert weighted == pytest.approx(min(losses), rel=1e-4)
    assert min(losses) < losses[-1]


def test_epoch_0_is_kept_if_training_only_does_harm(answers: Answers) -> None:
    # Every step changes the weights by about the learning rate, far beyond the scale at which they start.
    harmful = StateProbeConfig(hidden=[16], learning_rate=1e4, patience=2)
    probe = fit(answers, harmful)
    assert probe.training.best_epoch == 0
    assert same(probe, fit(answers, replace(harmful, learning_rate=1e-30)))


def test_same_seed_same_files_another_seed_other_weights(
    answers: Answers, config: StateProbeConfig, tmp_path: Path
) -> None:
    for folder, torch_seed in (("one", 1), ("two", 2)):
        torch.manual_seed(torch_seed)
        before = torch.get_rng_state()
        fit(answers, config, seed=5).save(tmp_path / folder)
        assert torch.equal(before, torch.get_rng_state())
    for name in ("state_probe.safetensors", "state_probe.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert not same(fit(answers, config, seed=5), fit(answers, config, seed=6))


def test_half_precision_states_are_read_as_their_values(answers: Answers, config: StateProbeConfig) -> None:
    half = answers.states.astype(np.float16)
    probe = fit(answers._replace(states=half), config)
    assert same(probe, fit(answers._replace(states=half.astype(np.float64)), config))
    assert (probe.predict(torch.from_numpy(half)) == probe.predict(half.astype(np.float32))).all()


def test_predictions_are_the_sigmoid_of_the_network(answers: Answers, config: StateProbeConfig) -> None:
    probe = fit(answers, config)
    logits = probe.network(torch.from_numpy(answers.states)).detach().double().numpy()[:, 0]
    predicted = probe.predict(answers.states)
    assert predicted.dtype == np.float64
    weight = probe.training.positive_weight
    np.testing.assert_allclose(predicted, 1 / (1 + weight * np.exp(-logits)), rtol=1e-6)
    assert probe.predict(answers.states[:0]).shape == (0,)


def test_standardised_states_may_be_moved_and_stretched(answers: Answers, config: StateProbeConfig) -> None:
    config = replace(config, standardise=True)
    # Powers of two are exact in float32 as far as the values allow.
    moved = answers.states.astype(np.float64) * 4 + 64
    one, other = fit(answers, config), fit(answers._replace(states=moved), config)
    np.testing.assert_allclose(one.predict(answers.states), other.predict(moved), atol=1e-3)
    train = split_by_question(answers.labels, answers.questions, 0.1, 0).train
    np.testing.assert_allclose(one.scaler.mean, answers.states[train].astype(np.float64).mean(axis=0), rtol=1e-12)


def test_answers_to_one_question_stay_together(answers: Answers, config: StateProbeConfig) -> None:
    twice = Answers(
        np.repeat(answers.states, 2, 0), np.repeat(answers.labels, 2), np.repeat(answers.questions, 2).tolist()
    )
    assert (fit(twice, config).training.train_rows, fit(twice, config).training.validation_rows) == (360, 40)


def test_curves_reach_the_logger(answers: Answers, config: StateProbeConfig) -> None:
    class Notes(DummyLogger):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[Any] = []

        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            self.lines.append((step, dict(metrics)))

    notes = Notes()
    probe = fit(answers, config, reporting=Reporting(logger=notes, log_prefix="fit"))
    assert [step for step, _ in notes.lines] == [point.step for point in probe.training.curve]
    assert set(notes.lines[-1][1]) == {"fit/state/train_loss", "fit/state/val_loss"}


def test_nothing_is_printed(answers: Answers, config: StateProbeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    fit(answers, config)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("standardise", [False, True])
def test_save_and_load_return_the_same_probe(
    answers: Answers, config: StateProbeConfig, tmp_path: Path, standardise: bool
) -> None:
    probe = fit(answers, replace(config, standardise=standardise))
    probe.save(tmp_path / "new" / "folder")
    loaded = FittedStateProbe.load(tmp_path / "new" / "folder")
    assert (loaded.predict(answers.states) == probe.predict(answers.states)).all()
    assert (loaded.config, loaded.width, loaded.training) == (probe.config, 12, probe.training)
    assert (loaded.scaler is not None) is standardise
    assert not loaded.network.training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(format_version=1), "Expected `format_version` .* to be 2, but got 1"),
        (lambda s: s.pop("width"), "Expected the keys in"),
        (lambda s: s.update(colour="red"), "Expected the keys in"),
        (lambda s: s["training"].pop("best_epoch"), "Expected the keys in"),
        (lambda s: s["training"]["curve"][0].pop("step"), "Expected the keys in"),
        (lambda s: s["config"].pop("patience"), "Expected `config` .* to be complete"),
        (lambda s: s["config"].update(colour="red"), "Expected `config` in"),
        (lambda s: s["config"].update(hidden=[16, 9]), "Expected the tensors in"),
        (lambda s: s["config"].update(standardise=True), r"others for \['scaler.constant', 'scaler.mean', "),
        (lambda s: s.update(width=13), r"others for \['0.weight'\]"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    answers: Answers, config: StateProbeConfig, tmp_path: Path, change: Callable[..., Any], message: str
) -> None:
    fit(answers, replace(config, max_epochs=1)).save(tmp_path)
    settings = json.loads((tmp_path / "state_probe.json").read_text())
    change(settings)
    (tmp_path / "state_probe.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=message):
        FittedStateProbe.load(tmp_path)


def test_files_that_are_missing_or_broken_are_refused(
    answers: Answers, config: StateProbeConfig, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"state_probe.json` to be a probe's settings"):
        FittedStateProbe.load(tmp_path)
    fit(answers, replace(config, max_epochs=1)).save(tmp_path)
    tensors = load_file(tmp_path / "state_probe.safetensors")
    save_file(tensors | {"0.weight": tensors["0.weight"].half()}, tmp_path / "state_probe.safetensors")
    with pytest.raises(UserError, match=r"others for \['0.weight'\]"):
        FittedStateProbe.load(tmp_path)
    (tmp_path / "state_probe.safetensors").unlink()
    with pytest.raises(UserError, match=r"state_probe\.safetensors"):
        FittedStateProbe.load(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "state_probe.json").write_text(text)
        with pytest.raises(UserError, match=r"state_probe\.json"):
            FittedStateProbe.load(tmp_path)


def test_errors_name_the_fault(answers: Answers, config: StateProbeConfig) -> None:
    with pytest.raises(UserError, match="all 200 questions are answered right"):
        fit(answers._replace(labels=np.ones(200)), config)
    with pytest.raises(UserError, match=r"Expected `labels` .* \[nan\] in 1 of 200 rows"):
        fit(answers._replace(labels=np.r_[np.nan, answers.labels[1:]]), config)
    with pytest.raises(UserError, match="Expected `question_ids` to be 200 identifiers, but got 199"):
        fit(answers._replace(questions=answers.questions[1:]), config)
    with pytest.raises(UserError, match=r"Expected `states` to be a table .* shape \(200,\)"):
        fit(answers._replace(states=answers.states[:, 0]), config)
    with pytest.raises(UserError, match=r"`state_probe\.patience`"):
        fit(answers, replace(config, patience=0))
    with pytest.raises(UserError, match="Expected `states` to be 12 numbers wide, but got 11"):
        fit(answers, replace(config, max_epochs=1)).predict(answers.states[:, 1:])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_states_that_are_not_finite_in_float32_are_refused_and_counted(
    answers: Answers, config: StateProbeConfig, value: Any
) -> None:
    states = answers.states.astype(np.float64)
    states[[3, 5], 2] = value
    with pytest.raises(UserError, match="NaN or ±inf in 2 of 200 rows"):
        fit(answers._replace(states=states), config)
    with pytest.raises(UserError, match="NaN or ±inf in 2 of 200 rows"):
        fit(answers, replace(config, max_epochs=1)).predict(states)


def test_divergence_is_an_error(answers: Answers, config: StateProbeConfig) -> None:
    with pytest.raises(UserError, match=r"training diverged\. Lower `state_probe\.learning_rate`"):
        fit(answers, replace(config, learning_rate=1e38))
    # Of the size that float32 can just hold: sums of losses are beyond it from the start.
    huge = np.sign(answers.states) * np.float32(3e38)
    with pytest.raises(UserError, match=r"training diverged.*state_probe\.standardise"):
        fit(answers._replace(states=huge), replace(config, hidden=[]))
