"""The report of an experiment: what its figures register with, and how settings and seeds are called."""

import pandas as pd

from ccps.analysis.findings import Findings
from ccps.analysis.records import Setting
from ccps.methods.base import ALL_SEEDS
from ccps.report.kit.job import ReportJob

MAIN: ReportJob[Findings] = ReportJob("ccps.report.main")


def heading_of(setting: Setting) -> str:
    """A setting as a heading."""
    return f"{setting.model} · {setting.benchmark}"


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
