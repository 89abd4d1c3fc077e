"""What stages cost, for the cost table of a report."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ccps.core.artifacts import Artifact

if TYPE_CHECKING:
    import pandas as pd


def total_cost(artifact: Artifact, name: str) -> float:
    """Sum one cost over the shards of an artifact."""
    return sum(cost.get(name, 0.0) for cost in artifact.costs())


def costs_by_stage(artifacts: Iterable[Artifact]) -> "pd.DataFrame":
    """What each stage cost, over everything; an artifact that is named twice counts once.

    Returns:
        Columns stage, seconds, tokens, bytes, n, peak_memory (bytes), in the order of the artifacts.
    """
    import pandas as pd

    rows = [
        {
            "stage": artifact.stage,
            "seconds": total_cost(artifact, "seconds"),
            "tokens": total_cost(artifact, "tokens"),
            "bytes": artifact.n_bytes,
            "n": total_cost(artifact, "n"),
            "peak_memory": max((cost["peak_memory"] for cost in artifact.costs()), default=float("nan")),
        }
        for artifact in {artifact.folder: artifact for artifact in artifacts}.values()
    ]
    by_stage = pd.DataFrame(rows).groupby("stage", sort=False)
    sums = by_stage[["seconds", "tokens", "bytes", "n"]].sum()
    return sums.assign(peak_memory=by_stage["peak_memory"].max()).reset_index()
