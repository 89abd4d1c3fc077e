"""What the probe of each model and format listens to."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from ccps.analysis.data import ReportData


class ProbeImportance(NamedTuple):
    """Single features and groups of them, of one probe."""

    model: str
    format: str
    shap: pd.DataFrame
    drops: pd.DataFrame

    @property
    def groups(self) -> list[str]:
        """Every group of features, those whose drop was measured first."""
        return list(dict.fromkeys([*self.drops["group"].astype(str), *self.shap["group"].astype(str)]))

    def strongest(self, n: int) -> pd.DataFrame:
        """The `n` features that move P(correct) furthest, the furthest first."""
        return self.shap.sort_values("shap", ascending=False, kind="stable").head(n)


def probes(data: ReportData) -> Iterator[ProbeImportance]:
    """Every probe of which anything was measured."""
    tables = (data.importance.shap, data.importance.drops)
    pairs = pd.concat([table[["model", "format"]] for table in tables]).drop_duplicates()
    for model, format_ in pairs.itertuples(index=False):
        shap, drops = (table[(table["model"] == model) & (table["format"] == format_)] for table in tables)
        yield ProbeImportance(str(model), str(format_), shap, drops)
