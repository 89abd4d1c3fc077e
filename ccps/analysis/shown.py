"""Which methods, seeds and answers a figure draws."""

import pandas as pd

from ccps.analysis.data import ReportData
from ccps.analysis.records import Setting


def main_methods(data: ReportData, setting: Setting) -> tuple[str, ...]:
    """The methods drawn in full: the reference, the own probability, and the rival with the lowest Brier score."""
    results = at(data.results, setting)
    brier = results[results["metric"] == "brier"].groupby("method")["value"].mean().dropna()
    rivals = [method for method in data.rivals if method in brier and method != data.own_method]
    strongest = min(rivals, key=lambda method: brier[method]) if rivals else None
    wanted = (data.reference, data.own_method, strongest)
    return tuple(method for method in data.methods if method in wanted)


def at(table: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The rows of one setting."""
    return table[(table["model"] == setting.model) & (table["benchmark"] == setting.benchmark)]


def first_seed(scores: pd.DataFrame, setting: Setting, method: str) -> pd.DataFrame:
    """The scores of one method in one setting, of its lowest seed where there are several."""
    rows = at(scores, setting)
    rows = rows[rows["method"] == method]
    seeds = rows["seed"].dropna()
    return rows if seeds.empty else rows[rows["seed"] == seeds.min()]


def subject_methods(data: ReportData) -> list[str]:
    """The methods compared within subjects: the reference and the model's own probability, if they were run."""
    return [method for method in (data.reference, data.own_method) if method in data.methods]
