"""What the number of draws does to a score: the same continuations, the first K of each step."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ccps.faithful import step_faithfulness
from ccps.metrics.inputs import FloatArray
from ccps.metrics.resampling import percentile_ends
from ccps.reasoning.resampling import question_labels
from ccps.reasoning.weighted import DealtExcess, WeightedResamples
from ccps.settings.faithful.scoring import ScoringSettings

DRAWS_COLUMNS = ("part", "k", "metric", "value", "ci_low", "ci_high", "n")
PARTS = ("all steps", "ten steps of each trace")
"""Ten are spread evenly over a trace: what its confidence would be if it were short."""
_DRAWS, _FEW = (3, 10, 30, 100), 10


def draws_rows(
    judged: pd.DataFrame, steps: pd.DataFrame, traces: pd.DataFrame, settings: ScoringSettings
) -> Iterator[tuple[str, int, str, float, float, float, int]]:
    """cMFG*, its excess over dealt-out words, and what K costs against all draws; rows of `DRAWS_COLUMNS`.

    Args:
        judged: columns trace_id, step, sample (from 0) and inconsistency.
        steps: columns trace_id, step, decisiveness.
        traces: columns trace_id, question_id.
        settings: bins, intervals.
    """
    known = judged.dropna(subset="inconsistency")
    if known.empty:
        return
    most = int(known["sample"].max()) + 1
    for part in PARTS:
        own = steps if part == PARTS[0] else _spread(steps)
        scores = {k: _scored(known[known["sample"] < k], own, traces, settings) for k in {*_DRAWS, most} if k <= most}
        for k in sorted(scores):
            cmfg, excess = scores[k]
            cost = cmfg - scores[most][0]
            for metric, values in (("cmfg_star", cmfg), ("excess_permutation", excess), ("cost", cost)):
                low, high = percentile_ends(values[1:], settings.level)
                yield part, k, metric, float(values[0]), low, high, len(traces)


def _spread(steps: pd.DataFrame) -> pd.DataFrame:
    """Ten steps of each trace, the first and the last among them."""
    ordered = steps.sort_values(["trace_id", "step"], kind="stable")
    place = ordered.groupby("trace_id").cumcount().to_numpy()
    size = ordered.groupby("trace_id")["step"].transform("size").to_numpy()
    kept = [here in np.unique(np.linspace(0, n - 1, _FEW).round()) for here, n in zip(place, size, strict=True)]
    return ordered[kept]


def _scored(
    judged: pd.DataFrame, steps: pd.DataFrame, traces: pd.DataFrame, settings: ScoringSettings
) -> tuple[FloatArray, FloatArray]:
    """cMFG* and its excess in each resample."""
    confidence = 1 - judged.groupby(["trace_id", "step"], sort=False)["inconsistency"].mean().rename("c")
    table = steps.merge(confidence.reset_index(), on=["trace_id", "step"]).dropna(subset=["decisiveness", "c"])
    table = table.assign(f=step_faithfulness(table["decisiveness"], table["c"]))
    of_trace = table.groupby("trace_id")[["c", "f"]].mean()
    own = traces[traces["trace_id"].isin(of_trace.index)].sort_values("trace_id", kind="stable")
    of_trace = of_trace.loc[own["trace_id"]]
    resamples = WeightedResamples(of_trace["c"].to_numpy(), question_labels(own), settings)
    levels, words = np.unique(table["decisiveness"], return_inverse=True)
    trace = of_trace.index.get_indexer(table["trace_id"]).astype(np.int64)
    excess = DealtExcess(table["c"].to_numpy(), trace, levels, resamples)
    return resamples.cmfg_star(of_trace["f"].to_numpy()), excess.of(words)
