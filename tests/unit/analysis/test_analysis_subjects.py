from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ccps.analysis.data import ReportData
from ccps.analysis.resamples import by_subject
from ccps.analysis.subjects import per_subject

Make = Callable[..., ReportData]


def _per_subject(data: ReportData) -> pd.DataFrame:
    return per_subject(data, by_subject(data.scores, data.convention))


def test_per_subject_averages_seeds(make_data: Make) -> None:
    data = make_data()
    table = _per_subject(data).set_index("subject")
    assert list(table["n"]) == [4, 4]
    assert list(table["llm_accuracy"]) == [0.75, 0.25]
    correct = np.array([1, 0, 1, 1])
    p = np.array([0.9, 0.2, 0.8, 0.6])
    brier = np.mean([np.mean((p + shift - correct) ** 2) for shift in (0.0, 0.05)])
    assert table.loc["abstract_algebra", "brier_ccps"] == pytest.approx(brier)
    anatomy = data.scores[(data.scores["subject"] == "anatomy") & (data.scores["method"] == "own")]
    auroc = roc_auc_score(anatomy["correct"], anatomy["p_correct"])
    assert table.loc["anatomy", "auroc_own"] == pytest.approx(auroc)


def test_per_subject_leaves_undefined_metrics_missing(make_data: Make) -> None:
    scores = make_data().scores
    table = _per_subject(make_data(scores=scores[scores["correct"] & (scores["method"] == "ccps")]))
    assert table["auroc_ccps"].isna().all()
    assert table["brier_ccps"].notna().all()
    assert table["brier_own"].isna().all()
