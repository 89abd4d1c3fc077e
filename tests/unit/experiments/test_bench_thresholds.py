import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mapie.risk_control import BinaryClassificationController
from sklearn.metrics import roc_auc_score

from experiments.benchmarks import thresholds
from experiments.benchmarks.thresholds import AUROC, CONFIDENCE, DRAWS, SEED, World, draw, measure, truth

ROOT = Path(__file__).parents[3]
MAPIE_DRAWS = 500


def test_answers_are_what_the_page_says() -> None:
    p, correct = draw(World(labels=200_000), np.random.default_rng(0))
    # 200,000 answers: standard errors of 0.001.
    assert correct.mean() == pytest.approx(0.6, abs=0.005)
    assert roc_auc_score(correct, p) == pytest.approx(AUROC, abs=0.005)
    for low in np.arange(0.1, 0.9, 0.1):
        inside = (p >= low) & (p < low + 0.1)
        assert correct[inside].mean() == pytest.approx(p[inside].mean(), abs=0.02)


@pytest.mark.parametrize("threshold", [0.2, 0.6, 0.9])
def test_truth_is_what_many_answers_show(threshold: float) -> None:
    p, correct = draw(World(labels=200_000), np.random.default_rng(1))
    coverage, risk = truth(World(), threshold)
    assert (p >= threshold).mean() == pytest.approx(coverage, abs=0.005)
    assert 1 - correct[p >= threshold].mean() == pytest.approx(risk, abs=0.005)


def test_most_draws_certify_and_few_break_their_word() -> None:
    found = measure(World(), 200)
    # Of 2,000 draws 97.5 % certify and 7.1 % violate (standard errors of 200: 1.1 and 1.8 points).
    assert found.certified >= 0.9
    assert found.violated <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 200)


@pytest.mark.slow
def test_the_page_shows_what_is_measured() -> None:
    page = (ROOT / "docs" / "thresholds.md").read_text(encoding="utf-8")
    found = measure(World(), DRAWS)
    assert found.certified >= 0.9
    assert found.violated <= 0.1
    for share in found:
        assert f"{share:.1%}".replace("%", " %") in page
    cells, _ = thresholds.table()
    assert cells in page


def by_mapie(**settings: Any) -> tuple[float, float]:
    """How often MAPIE's controller certifies, and what share it answers."""
    certified = answered = 0.0
    for number in range(MAPIE_DRAWS):
        p, correct = draw(World(), np.random.default_rng([SEED, number]))
        controller = BinaryClassificationController(
            predict_function=lambda rows: np.column_stack([1 - rows, rows]),
            risk="precision",
            target_level=1 - World().risk,
            confidence_level=CONFIDENCE,
            **settings,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = controller.calibrate(p, correct.astype(int)).best_predict_param
        if found is not None:
            certified += 1
            answered += truth(World(), found)[0]
    return certified / MAPIE_DRAWS, answered / MAPIE_DRAWS


@pytest.mark.slow
def test_what_mapie_certifies_on_thresholds_of_its_own_is_on_the_page() -> None:
    page = (ROOT / "docs" / "thresholds.md").read_text(encoding="utf-8")
    certified, answered = by_mapie()
    assert f"{certified:.1%}".replace("%", " %") in page
    assert f"{answered:.1%}".replace("%", " %") in page
    assert f"{by_mapie(fwer_method='fixed_sequence')[0]:.1%}".replace("%", " %") in page
