"""On which sources of questions each model is above chance."""

import pandas as pd

from ccps.analysis.sweep_data import SweepData
from ccps.core.text import percent
from ccps.report.kit.section import Section
from ccps.report.kit.table import Table
from ccps.report.sweep.radius import FORMATS


def chance_section(data: SweepData) -> Section:
    """A row for each model and source, and the sources that are left out by name."""
    head = ["Model", "Source", "Side", "n", "Right", "Without reading", "p", "Swept"]
    rows = [
        [
            str(row.model),
            f"{row.source}, {FORMATS[row.format]}",
            str(row.side),
            f"{row.n:,}",
            f"{percent(row.right / row.n)} %",
            f"{percent(row.guessing)} %",
            f"{row.p_value:.2g}",
            "yes" if row.used else "no",
        ]
        for row in data.chance.itertuples(index=False)
    ]
    words = "Without reading: what guessing among the options gives, or the same answer always, whichever is more. p: "
    words += "how probable it is to do as well like that (exact binomial test, one-sided)."
    if data.chance_level is not None:
        words += (
            f" A source is left out where p is {data.chance_level:g} or more on its training questions, or on the test "
            "of a source that nothing is trained on."
        )
    return Section("chance", "Above chance, or not", _left_out(data), [Table("", head, rows, "lllrrrr")], [words])


def _left_out(data: SweepData) -> list[str]:
    words = []
    for model, rows in data.chance.groupby("model", sort=False):
        used = [_names(rows[rows["used"] == flag]) for flag in (True, False)]
        words.append(
            f"{model} is above chance on {used[0] or 'no source'}"
            + (f"; at chance, and left out: {used[1]}." if used[1] else ".")
        )
    return words


def _names(rows: pd.DataFrame) -> str:
    sources = rows[["source", "format"]].drop_duplicates()
    return ", ".join(f"{source} ({FORMATS[form]})" for source, form in sources.itertuples(index=False))
