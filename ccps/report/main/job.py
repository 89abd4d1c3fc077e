"""The report of an experiment: what its figures register with, and how settings and seeds are called."""

import math

import pandas as pd

from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.core.text import percent
from ccps.methods.base import ALL_SEEDS
from ccps.metrics import METRICS
from ccps.report.kit.job import ReportJob

MAIN: ReportJob[Findings] = ReportJob("ccps.report.main")


def heading_of(setting: Setting) -> str:
    """A setting as a heading."""
    return f"{setting.model} · {setting.benchmark}"


def best_words(found: Findings, metric: str) -> str:
    """The best value of a metric in the first main table, and whose it is: "lowest ECE 4.9 %, CCPS"."""
    table = found.tables[0]
    place = [one.name for one in table.metrics].index(metric)
    known = [(row.cells[place].value, row.method) for row in table.rows if not row.control]
    known = [(value, method) for value, method in known if not math.isnan(value)]
    label, lowest = METRICS[metric].label, METRICS[metric].lower_is_better
    if not known:
        return f"no method has {label}"
    value, method = (min if lowest else max)(known)
    word = "lowest" if lowest else "highest"
    return f"{word} {label} {percent(value)} %, {found.data.label(method)} ({table.benchmark})"


def seed_words(rows: pd.DataFrame) -> str:
    """Which seed is drawn and how many answers had no score, or nothing when neither needs saying."""
    seeds, missing = rows["seed"].dropna().unique(), int(rows["p_correct"].isna().sum())
    parts = [
        _named(int(seeds[0])) if len(seeds) else "",
        f"{missing:,} without a score left out." if missing else "",
    ]
    return " ".join(part for part in parts if part)


def _named(seed: int) -> str:
    return "All seeds together." if seed == ALL_SEEDS else f"Seed {seed}."
