"""What a figure says of the seed that it draws."""

import pandas as pd


def seed_words(rows: pd.DataFrame) -> str:
    """Which seed is drawn and how many answers had no score, or nothing when neither needs saying."""
    seeds, missing = rows["seed"].dropna().unique(), int(rows["p_correct"].isna().sum())
    parts = [
        f"Seed {seeds[0]:g}." if len(seeds) else "",
        f"{missing:,} without a score left out." if missing else "",
    ]
    return " ".join(part for part in parts if part)
