import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ccps.errors import UserError
from ccps.methods import METHODS, Evidence, TrainedMethod, TrainingAnswers, TrainingSettings, find_method
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import ProbeConfig, StateProbeConfig
from ccps.probes.config import EncoderConfig, HeadConfig, StageConfig
from ccps.probes.training import SILENT


def evidence(vocabulary: int = 100, lengths: list[int] | None = None, **columns: list[float]) -> Evidence:
    rows = len(next(iter(columns.values())))
    features = np.full((rows, len(FEATURE_NAMES)), np.nan, dtype=np.float32)  # a method that reads others shows NaN
    for name, values in columns.items():
        features[:, FEATURE_NAMES.index(name)] = values
    return Evidence(features, np.array(lengths or [1] * rows), vocabulary)


def test_every_method_is_found_by_its_name_and_says_what_it_is() -> None:
    assert len(METHODS) == 8
    for name in METHODS:
        method = find_method(name)
        assert method.name == name
        assert method.label
        assert method.source


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"one of ccps, p_ik, .*, but got 'ccpz'"):
        find_method("ccpz")


def test_which_methods_are_trained_and_what_they_read() -> None:
    trained = {name for name, method in METHODS.items() if isinstance(method, TrainedMethod)}
    assert trained == {"ccps", "p_ik", "ccps_random", "ccps_shuffled"}
    assert {name for name, method in METHODS.items() if method.direction != "gradient"} == {"ccps_random"}
    assert {name: set(method.needs) for name, method in METHODS.items() if method.needs} == {
        "p_ik": {"prompt_states"},
        "p_true": {"self_evaluation"},
    }


def test_answer_probability_of_one_token_is_its_probability() -> None:
    log_probs = [-math.inf, math.log(0.25), 0.0]
    p = find_method("answer_probability").p_correct(evidence(original_log_prob_actual=log_probs))
    assert p.dtype == np.float64
    assert p.tolist() == pytest.approx([0.0, 0.25, 1.0], rel=1e-6)


def test_answer_probability_of_several_tokens_is_their_geometric_mean() -> None:
    log_probs = [math.log(p) for p in (0.5, 0.125, 0.9, 0.1, 0.1, 0.1)]
    p = find_method("answer_probability").p_correct(evidence(lengths=[2, 1, 3], original_log_prob_actual=log_probs))
    assert p.tolist() == pytest.approx([0.25, 0.9, 0.1], rel=1e-6)


def test_answer_probability_stays_a_probability_when_rounding_exceeds_one() -> None:
    p = find_method("answer_probability").p_correct(evidence(original_log_prob_actual=[1e-7]))
    assert p.tolist() == [1.0]


def test_entropy_of_several_tokens_is_averaged() -> None:
    entropies = [0.0, math.log(100), math.log(10)]
    p = find_method("entropy").p_correct(evidence(lengths=[2, 1], original_entropy=entropies))
    assert p.tolist() == pytest.approx([0.5, 0.5], abs=1e-6)


@pytest.mark.parametrize(
    ("entropy", "expected"),
    [
        (0.0, 1.0),  # one certain token
        (math.log(100), 0.0),  # uniform over the vocabulary
        (math.log(10), 0.5),  # uniform over its square root
        (math.log(100) + 1e-3, 0.0),  # the 1e-6 in the logarithm and rounding may pass the end
        (-1e-4, 1.0),
    ],
)
def test_entropy_closed_forms(entropy: float, expected: float) -> None:
    p = find_method("entropy").p_correct(evidence(vocabulary=100, original_entropy=[entropy]))
    assert p.tolist() == pytest.approx([expected], abs=1e-6)
    assert 0.0 <= p[0] <= 1.0


def test_sequence_probability_is_the_product() -> None:
    log_probs = [math.log(p) for p in (0.5, 0.125, 0.9)]
    p = find_method("sequence_probability").p_correct(evidence(lengths=[2, 1], original_log_prob_actual=log_probs))
    assert p.tolist() == pytest.approx([0.0625, 0.9], rel=1e-6)


def test_p_true_is_the_softmax_over_both_options() -> None:
    known = evidence(original_entropy=[0.0] * 4)
    logits = np.array([[0.0, 0.0], [1.0, 3.0], [800.0, -800.0], [-800.0, 800.0]], dtype=np.float32)
    p = find_method("p_true").p_correct(known._replace(self_evaluation=logits))
    assert p.tolist() == pytest.approx([0.5, math.exp(3) / (math.exp(1) + math.exp(3)), 0.0, 1.0])
    with pytest.raises(ValueError, match="self_evaluation"):
        find_method("p_true").p_correct(known)


def training(n: int = 80) -> tuple[TrainingAnswers, TrainingSettings]:
    """Answers whose first feature, and whose prompt state, say whether they are right."""
    rng = np.random.default_rng(0)
    correct = np.arange(n) % 2 == 0
    features = rng.normal(size=(n, len(FEATURE_NAMES))).astype(np.float32)
    features[:, 0] += 6 * correct
    states = rng.normal(size=(n, 5)).astype(np.float32)
    states[:, 2] += 6 * correct
    known = Evidence(features, np.ones(n, dtype=np.int64), 100, prompt_states=states)
    probe = ProbeConfig(
        encoder=EncoderConfig(hidden=[8], embed_dim=4),
        head=HeadConfig(hidden=[]),
        contrastive=StageConfig(steps=0),
        classifier=StageConfig(steps=200, eval_every=100, learning_rate=1e-2, weight_decay=0.0),
    )
    settings = TrainingSettings(probe, StateProbeConfig(hidden=[8]), 20.0)
    return TrainingAnswers(known, correct, [str(index) for index in range(n)]), settings


@pytest.mark.parametrize("name", ["ccps", "p_ik", "ccps_random", "ccps_shuffled"])
def test_trained_methods_learn_save_and_load(name: str, tmp_path: Path) -> None:
    method = find_method(name)
    assert isinstance(method, TrainedMethod)
    answers, settings = training()
    fitted = method.fit(answers, settings, 3, SILENT)
    p = fitted.p_correct(answers.evidence)
    assert p.shape == (80,)
    auroc = roc_auc_score(answers.correct, p)
    assert (auroc > 0.9) == (name != "ccps_shuffled")
    fitted.save(tmp_path)
    assert method.load(tmp_path).p_correct(answers.evidence).tolist() == p.tolist()
    assert fitted.summary()["train_rows"] == 72
    assert {"stage", "step", "loss", "accuracy"} <= set(fitted.curve().columns)


def test_shuffling_keeps_the_share_of_right_answers_and_the_answers_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("ccps.methods.ccps.CCPS.fit", lambda self, answers, *_: seen.append(answers))
    answers, settings = training()
    for seed in (1, 1, 2):
        METHODS["ccps_shuffled"].fit(answers, settings, seed, SILENT)  # type: ignore[union-attr]
    first, again, other = (got.correct for got in seen)
    assert first.tolist() == again.tolist() != other.tolist()
    assert first.sum() == answers.correct.sum()
    assert first.tolist() != answers.correct.tolist()
    assert all(got.evidence is answers.evidence for got in seen)
