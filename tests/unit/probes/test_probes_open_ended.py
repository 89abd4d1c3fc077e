from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from ccps.core.errors import UserError
from ccps.probes import FittedProbe, ProbeConfig, ProbeTask, fit_probe, fit_probes
from ccps.probes.sequences import pad_answers
from ccps.probes.split import split_by_question
from ccps.settings.probe import EncoderConfig, HeadConfig, Padding, StageConfig

MAX_TOKENS = 8


class Answered(NamedTuple):
    features: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray

    @property
    def token_labels(self) -> Any:
        return np.repeat(self.labels, self.lengths)

    @property
    def token_questions(self) -> list[str]:
        return [f"q{number}" for number in np.repeat(np.arange(len(self.lengths)), self.lengths)]

    @property
    def first_rows(self) -> Any:
        return np.cumsum(self.lengths) - self.lengths


def make_answers(count: Any, seed: int) -> Answered:
    """Noise, but in the second token of right answers ten columns lie two standard deviations higher."""
    rng = np.random.default_rng(seed)
    labels, lengths = rng.integers(2, size=count), rng.integers(3, 12, size=count)
    features = rng.normal(size=(lengths.sum(), 75))
    answers = Answered(features, labels, lengths)
    features[answers.first_rows[labels == 1] + 1, :10] += 2.0
    return answers


def fit(answers: Any, config: Any, seed: int = 0, **changes: Any) -> Any:
    given = {
        "features": answers.features,
        "labels": answers.token_labels,
        "question_ids": answers.token_questions,
    } | changes
    return fit_probe(**given, config=config, seed=seed, radius=20.0)


@pytest.fixture(scope="module")
def answers() -> Answered:
    return make_answers(300, seed=0)


@pytest.fixture(scope="module")
def config() -> ProbeConfig:
    return ProbeConfig(
        encoder=EncoderConfig([16, 8], [3, 3], MAX_TOKENS, Padding.masked, 4, "ReLU"),
        head=HeadConfig(hidden=[8], activation="ReLU"),
        contrastive=StageConfig(steps=20, batch_size=32, eval_every=10),
        classifier=StageConfig(steps=20, batch_size=32, eval_every=10),
    )


@pytest.mark.parametrize("padding", list(Padding))
def test_one_telling_token_of_an_answer_is_found(config: ProbeConfig, padding: Any) -> None:
    stage = StageConfig(steps=100, batch_size=32, learning_rate=3e-3)
    encoder = replace(config.encoder, padding=padding)
    learning = replace(config, encoder=encoder, contrastive=stage, classifier=stage)
    train, test = make_answers(400, 0), make_answers(300, 1)
    probe = fit(train, learning)
    assert roc_auc_score(test.labels, probe.predict(test.features, test.lengths)) > 0.95
    # It is the second token that tells, and only that.
    shuffled = test.features.copy()
    shuffled[test.first_rows + 1] = np.random.default_rng(2).permutation(shuffled[test.first_rows + 1])
    assert abs(roc_auc_score(test.labels, probe.predict(shuffled, test.lengths)) - 0.5) < 0.15


def test_same_seed_same_files_another_seed_other_weights(
    answers: Answered, config: ProbeConfig, tmp_path: Path
) -> None:
    for folder, seed in (("one", 3), ("two", 3), ("other", 4)):
        fit(answers, config, seed).save(tmp_path / folder)
    for name in ("probe.safetensors", "probe.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    one, other = (load_file(tmp_path / folder / "probe.safetensors") for folder in ("one", "other"))
    assert not torch.equal(one["encoder.output.weight"], other["encoder.output.weight"])


def test_save_and_load_return_the_same_probe(answers: Any, config: ProbeConfig, tmp_path: Path) -> None:
    probe = fit(answers, replace(config, encoder=replace(config.encoder, padding=Padding.unmasked)))
    probe.save(tmp_path)
    loaded = FittedProbe.load(tmp_path)
    assert loaded.config == probe.config
    assert loaded.training == probe.training
    before, after = (each.predict(answers.features, answers.lengths) for each in (probe, loaded))
    assert (before == after).all()


def test_predictions_are_the_softmax_of_the_network_on_padded_answers(answers: Answered, config: ProbeConfig) -> None:
    probe = fit(answers, config)
    scaled = torch.tensor((answers.features - probe.scaler.mean) / probe.scaler.scale, dtype=torch.float32)
    with torch.no_grad():
        logits = probe.network(pad_answers(scaled, answers.lengths, MAX_TOKENS)).double().numpy()
    by_hand = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    np.testing.assert_allclose(probe.predict(answers.features, answers.lengths), by_hand, rtol=1e-6)
    assert probe.predict(answers.features).shape == (len(answers.features),)
    assert probe.predict(np.empty((0, 75))).shape == (0,)


def test_tokens_beyond_max_tokens_are_not_read_and_their_answers_are_counted(
    answers: Answered, config: ProbeConfig
) -> None:
    probe = fit(answers, config)
    place = np.arange(len(answers.features)) - np.repeat(answers.first_rows, answers.lengths)
    before = probe.predict(answers.features, answers.lengths)
    for first, same in ((MAX_TOKENS, True), (MAX_TOKENS - 1, False)):
        changed = np.where((place >= first)[:, None], 5.0, answers.features)
        assert (probe.predict(changed, answers.lengths) == before).all() == same
    longer = int((answers.lengths > MAX_TOKENS).sum())
    assert 0 < longer < len(answers.lengths)
    assert probe.training.truncated == longer
    assert probe.truncated(answers.lengths) == longer


def test_what_is_dropped_left_out_and_cut_is_counted_and_the_scaler_sees_the_other_training_tokens(
    answers: Answered, config: ProbeConfig
) -> None:
    features = answers.features.copy()
    start, stop = answers.first_rows[[7, 8]]
    features[start:stop, 2] = np.nan  # the whole of an answer
    long = int(np.flatnonzero(answers.lengths == MAX_TOKENS + 1)[0])
    features[answers.first_rows[long] + 4, 0] = np.inf  # one token: the answer now fits
    never = answers.first_rows[20]
    features[never, 13] = np.inf
    probe = fit(answers, config, features=features)
    assert probe.training.dropped == {
        "original_log_prob_actual is infinite": 1,
        "original_logit_actual is NaN": stop - start,
    }
    assert probe.training.left_out == 1
    left = np.delete(np.arange(300), 7)
    assert probe.training.truncated == (answers.lengths[left] > MAX_TOKENS).sum() - 1
    assert probe.training.train_rows == 269
    assert probe.training.validation_rows == 30
    train = split_by_question(answers.labels[left], [f"q{number}" for number in left], 0.1, 0).train
    in_train = np.isin(np.repeat(np.arange(300), answers.lengths), left[train])
    features[never, 13] = 20.0
    seen = features[in_train & np.isfinite(features).all(axis=1)]
    np.testing.assert_allclose(probe.scaler.mean, seen.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(probe.scaler.scale, seen.std(axis=0), rtol=1e-9)


def test_no_token_is_dropped_at_evaluation(answers: Answered, config: ProbeConfig) -> None:
    probe = fit(answers, config)
    faulty, zeroed = answers.features.copy(), answers.features.copy()
    faulty[4, 2], zeroed[4, 2] = np.nan, 0.0
    assert (probe.predict(faulty, answers.lengths) == probe.predict(zeroed, answers.lengths)).all()


def test_answers_that_do_not_hang_together_are_refused(answers: Answered, config: ProbeConfig) -> None:
    questions = answers.token_questions
    with pytest.raises(UserError, match="'q0' again after another question"):
        fit(answers, config, question_ids=[*questions[:-1], "q0"])
    labels = answers.token_labels
    labels[1] = 1 - labels[0]
    with pytest.raises(UserError, match="both 0 and 1 for 'q0'"):
        fit(answers, config, labels=labels)
    with pytest.raises(UserError, match="no rows are left"):
        fit(answers, config, features=np.full_like(answers.features, np.nan))
    # The perceptron reads rows one by one and minds neither.
    perceptron = replace(config, encoder=EncoderConfig())
    fit(answers, perceptron, labels=labels, question_ids=[*questions[:-1], "q0"])


def test_a_convolutional_fit_is_the_same_bytes_in_company_and_alone(config: ProbeConfig, tmp_path: Path) -> None:
    tables = [make_answers(count, seed) for seed, count in enumerate((90, 90, 70))]
    tasks = [
        ProbeTask(table.features, table.token_labels, table.token_questions, seed, 20.0)
        for seed, table in enumerate(tables)
    ]
    for number, probe in enumerate(fit_probes(tasks, config)):
        probe.save(tmp_path / "in company")
        fit(tables[number], config, seed=number).save(tmp_path / "alone")
        of_both = [(tmp_path / name / "probe.safetensors").read_bytes() for name in ("in company", "alone")]
        assert of_both[0] == of_both[1]
