"""Which of the answers that two graders judge differently are shown."""

import numpy as np
import pandas as pd

from ccps.analysis.data import PAIR_COLUMNS, ReportData
from ccps.data.sampling import shares


def chosen_disagreements(data: ReportData, limit: int) -> pd.DataFrame:
    """At most `limit` disagreements, both directions and all pairs of graders in turn, each spread over its rows."""
    table = data.disagreements.reset_index(drop=True)
    directions = [table[table["says"] == says] for says in ("right", "wrong")]
    places: list[int] = []
    for rows, share in zip(directions, shares([len(rows) for rows in directions], limit), strict=True):
        pairs = [pair for _, pair in rows.groupby(list(PAIR_COLUMNS), sort=False)]
        for pair, number in zip(pairs, shares([len(pair) for pair in pairs], share), strict=True):
            places += pair.index[np.linspace(0, len(pair) - 1, number).astype(int)].tolist()
    return table.loc[sorted(places)]
