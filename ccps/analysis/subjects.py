"""Every method within each subject of a benchmark."""

import math

import pandas as pd

from ccps.analysis.averages import mean_of_seeds
from ccps.analysis.data import ReportData
from ccps.metrics import CONTEST


def per_subject(data: ReportData, measured: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every method within each subject, means over seeds, under the headline convention.

    Args:
        data: scores, and the methods in order.
        measured: the table of `ccps.analysis.resamples.by_subject`.

    Returns:
        Columns model, benchmark, subject, n (distinct questions), llm_accuracy, then `<metric>_<method>`;
        a metric that is not defined on a subject, or was not measured there, is missing.
    """
    keys = ["model", "benchmark", "subject"]
    questions = data.scores.drop_duplicates([*keys, "question_id"]).groupby(keys, sort=True)["correct"]
    table = pd.DataFrame({"n": questions.size(), "llm_accuracy": questions.mean()})
    names = list(CONTEST)
    means = measured.groupby([*keys, "method"])[names].agg(lambda seeds: mean_of_seeds(str(seeds.name), seeds))
    known = set(measured["method"])
    columns = {
        f"{name}_{method}": means[name].xs(method, level="method") if method in known else math.nan
        for method in data.methods
        for name in names
    }
    return table.join(pd.DataFrame(columns, index=table.index)).reset_index()
