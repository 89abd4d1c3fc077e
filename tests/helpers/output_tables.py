"""What a run has left in its folder, for comparisons."""

from pathlib import Path

import pandas as pd
from tiny import Tiny

NOT_CONTENT = ("costs.0.jsonl", ".lock")


def contents(folder: Path, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in without
    }


def results(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "tables" / "results.csv", keep_default_na=True)
    return table[table["aggregate"] == "pooled"]  # what leads where subjects are small


def chosen(folder: Path) -> dict[str, str]:
    """The method of the least error out of fold, by model; here all are tested on one format."""
    choices = pd.read_csv(folder / "tables" / "choice.csv").dropna(subset="brier")
    best = choices.loc[choices.groupby("model")["brier"].idxmin()]
    return dict(zip(best["model"], best["method"], strict=True))


def stored(place: Tiny) -> set[str]:
    """The stages that have artifacts; what begins with a dot are notes of runs."""
    return {path.name for path in place.artifacts.iterdir() if not path.name.startswith(".")}
