import math

import numpy as np
import pytest

from ccps.methods.base import Method
from ccps.methods.evidence import Evidence, Samples
from ccps.methods.self_consistency import SelfConsistency
from ccps.methods.semantic_entropy import SemanticEntropy
from ccps.methods.semantic_entropy_weighted import WeightedSemanticEntropy
from ccps.methods.verbalised import Verbalised
from ccps.perturbation import FEATURE_NAMES

NOTHING = Evidence(np.zeros((2, len(FEATURE_NAMES)), np.float32), np.array([1, 1]), 100)
DRAWN = [
    ["b", "(B)", "b.", "c"],
    ["the river", "A lake.", "sea", "pond"],
    ["river", "lake", "The lake!", "lake"],
    ["x1", "x1", "x2", "x2"],
]
LOGS = np.log([[0.3, 0.1, 0.2, 0.4], [0.1, 0.2, 0.3, 0.4], [0.5, 0.2, 0.1, 0.1], [1e-9, 0.9, 0.3, 0.5]])
SEEN = NOTHING._replace(texts=["b", "River", "lake", "x3"], lengths=np.ones(4, np.int64)).having(
    samples=Samples(DRAWN, LOGS, np.array([[2, 2, 2, 2], [1, 3, 4, 5], [1, 2, 3, 4], [2, 3, 3, 7]]))
)


def test_self_consistency_is_the_share_that_agrees() -> None:
    p = SelfConsistency().p_correct(SEEN)
    assert p.dtype == np.float64
    assert p.tolist() == [0.75, 0.25, 0.75, 0.0]


def test_semantic_entropy_in_closed_form() -> None:
    three_to_one = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4)
    p = SemanticEntropy().p_correct(SEEN)
    assert p.tolist() == pytest.approx([1 - three_to_one, 0.0, 1 - three_to_one, 0.5], abs=1e-12)


def test_semantic_entropy_is_one_if_all_agree_and_stays_in_range() -> None:
    for k in range(2, 12):
        drawn = [["river"] * k, [f"river {index}" for index in range(k)]]
        p = SemanticEntropy().p_correct(
            NOTHING._replace(texts=["x", "y"]).having(
                samples=Samples(drawn, np.zeros((2, k)), np.ones((2, k), np.int64))
            )
        )
        assert p.tolist() == pytest.approx([1.0, 0.0], abs=1e-12)
        assert p.min() >= 0
        assert p.max() <= 1


def test_weighted_semantic_entropy_by_hand() -> None:
    p = WeightedSemanticEntropy().p_correct(SEEN)
    for row, groups in enumerate(([[0, 1, 2], [3]], [[0], [1], [2], [3]], [[0], [1, 2, 3]], [[0, 1], [2, 3]])):
        weights = [math.exp(LOGS[row, n] / SEEN.read("samples").lengths[row, n]) for n in range(4)]
        shares = [sum(weights[n] for n in group) / sum(weights) for group in groups]
        assert p[row] == pytest.approx(1 + sum(s * math.log(s) for s in shares) / math.log(4), abs=1e-12)


def test_of_equally_likely_samples_the_weighted_entropy_is_the_discrete_one() -> None:
    same = SEEN.having(samples=Samples(DRAWN, np.full((4, 4), -3.0), np.full((4, 4), 2)))
    np.testing.assert_allclose(WeightedSemanticEntropy().p_correct(same), SemanticEntropy().p_correct(same), atol=1e-12)


def test_verbalised_is_what_the_model_named_and_nothing_else() -> None:
    named = np.array([0.85, math.nan])
    assert Verbalised().p_correct(NOTHING.having(verbalised=named)).tolist() == pytest.approx(
        [0.85, math.nan], nan_ok=True
    )


@pytest.mark.parametrize("method", [SelfConsistency(), SemanticEntropy(), WeightedSemanticEntropy(), Verbalised()])
def test_missing_evidence_is_named(method: Method) -> None:
    [need] = method.needs
    with pytest.raises(ValueError, match=f"evidence.{need}"):
        method.p_correct(NOTHING)


def test_texts_are_needed_for_every_answer() -> None:
    with pytest.raises(ValueError, match="zip"):
        SelfConsistency().p_correct(SEEN._replace(texts=["b"]))
