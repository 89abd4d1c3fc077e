"""Rows of scores made into as many as a verdict needs."""

import pandas as pd


def repeated(scores: pd.DataFrame, times: int) -> pd.DataFrame:
    """Every question so many times under other ids, so that no metric of a subject changes."""
    copies = [scores.assign(question_id=scores["question_id"] + f"-{copy}") for copy in range(times)]
    return pd.concat(copies, ignore_index=True)
