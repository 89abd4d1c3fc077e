import math

import numpy as np
import pytest

from ccps.core.errors import UserError
from ccps.methods import METHODS, Evidence, Method, find_method, register
from ccps.methods.evidence import FloatArray
from ccps.perturbation import FEATURE_NAMES


def evidence(vocabulary: int = 100, lengths: list[int] | None = None, **columns: list[float]) -> Evidence:
    rows = len(next(iter(columns.values())))
    features = np.full((rows, len(FEATURE_NAMES)), np.nan, dtype=np.float32)  # a method that reads others shows NaN
    for name, values in columns.items():
        features[:, FEATURE_NAMES.index(name)] = values
    return Evidence(features, np.array(lengths or [1] * rows), vocabulary)


def untrained(name: str) -> Method:
    """A method that learns nothing."""
    method = find_method(name)
    assert isinstance(method, Method)
    return method


def test_every_method_is_found_by_its_name_and_says_what_it_is() -> None:
    for name in METHODS:
        method = find_method(name)
        assert method.name == name
        assert method.label
        assert method.source


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(
        UserError,
        match=r"one of ccps, ccps_paper, stack, stack_full, ccps_logistic, ccps_bicr, p_ik, .*, but got 'ccpz'",
    ):
        find_method("ccpz")


def test_answer_probability_of_one_token_is_its_probability() -> None:
    log_probs = [-math.inf, math.log(0.25), 0.0]
    p = untrained("answer_probability").p_correct(evidence(original_log_prob_actual=log_probs))
    assert p.dtype == np.float64
    assert p.tolist() == pytest.approx([0.0, 0.25, 1.0], rel=1e-6)


def test_answer_probability_of_several_tokens_is_their_geometric_mean() -> None:
    log_probs = [math.log(p) for p in (0.5, 0.125, 0.9, 0.1, 0.1, 0.1)]
    p = untrained("answer_probability").p_correct(evidence(lengths=[2, 1, 3], original_log_prob_actual=log_probs))
    assert p.tolist() == pytest.approx([0.25, 0.9, 0.1], rel=1e-6)


def test_answer_probability_stays_a_probability_when_rounding_exceeds_one() -> None:
    p = untrained("answer_probability").p_correct(evidence(original_log_prob_actual=[1e-7]))
    assert p.tolist() == [1.0]


def test_entropy_of_several_tokens_is_averaged() -> None:
    entropies = [0.0, math.log(100), math.log(10)]
    p = untrained("entropy").p_correct(evidence(lengths=[2, 1], original_entropy=entropies))
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
    p = untrained("entropy").p_correct(evidence(vocabulary=100, original_entropy=[entropy]))
    assert p.tolist() == pytest.approx([expected], abs=1e-6)
    assert 0.0 <= p[0] <= 1.0


def test_sequence_probability_is_the_product() -> None:
    log_probs = [math.log(p) for p in (0.5, 0.125, 0.9)]
    p = untrained("sequence_probability").p_correct(evidence(lengths=[2, 1], original_log_prob_actual=log_probs))
    assert p.tolist() == pytest.approx([0.0625, 0.9], rel=1e-6)


def test_p_true_is_the_softmax_over_both_options() -> None:
    known = evidence(original_entropy=[0.0] * 4)
    logits = np.array([[0.0, 0.0], [1.0, 3.0], [800.0, -800.0], [-800.0, 800.0]], dtype=np.float32)
    p = untrained("p_true").p_correct(known.having(self_evaluation=logits))
    assert p.tolist() == pytest.approx([0.5, math.exp(3) / (math.exp(1) + math.exp(3)), 0.0, 1.0])
    with pytest.raises(ValueError, match="self_evaluation"):
        untrained("p_true").p_correct(known)


def test_a_method_from_outside_is_found_by_name_and_stands_last() -> None:
    @register
    class Certain(Method):
        name = "certain"
        label = "Certain"
        source = "this test"

        def p_correct(self, evidence: Evidence) -> FloatArray:
            return np.ones(len(evidence.lengths))

    try:
        assert list(METHODS)[-1] == "certain"
        assert untrained("certain").p_correct(evidence(original_entropy=[0.0] * 2)).tolist() == [1.0, 1.0]
        assert find_method("certain", "platt").name == "certain_platt"
        with pytest.raises(ValueError, match="got two called `certain`"):
            register(Certain)
    finally:
        METHODS.remove("certain")
    with pytest.raises(UserError, match="got 'certain'"):
        find_method("certain")
