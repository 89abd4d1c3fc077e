"""What a report of faithfulness shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from ccps.analysis.faithful_claims import FaithfulClaimSet
from ccps.analysis.records import Estimate, check_columns
from ccps.faithful.deliberation import Deliberation

PLACE_COLUMNS = ("model", "dataset", "prompt")
MEASURE_COLUMNS = ("estimator", "metric", "value", "ci_low", "ci_high", "n")
RESULT_COLUMNS = (*PLACE_COLUMNS, *MEASURE_COLUMNS)
TRACE_COLUMNS = ("trace_id", "question_id", "question", "gold", "text", "answer", "correct", "truncated", "n_steps")
STEP_COLUMNS = ("trace_id", "step", "start", "end", "text", "decisiveness")
CORRELATION_COLUMNS = ("first", "second", "rho", "n")
TRAJECTORY_COLUMNS = ("score", "position", "mean", "se", "n")
RELIABILITY_COLUMNS = ("estimator", "confidence", "decisiveness", "n")
BRIDGE_COLUMNS = ("position", "signal", "metric", "value", "ci_low", "ci_high", "n")
DROPPED_COLUMNS = ("what", "why", "n")
CONTROL_COLUMNS = ("estimator", "planted", "share", "found", "of", "excess")
DRAWS_COLUMNS = ("part", "k", "metric", "value", "ci_low", "ci_high", "n")
ALTERNATIVE_COLUMNS = ("trace_id", "step", "text", "n", "inconsistency")
COST_COLUMNS = ("stage", "seconds", "tokens", "bytes", "peak_memory", "n")

Texts = Literal["traces", "steps", "alternatives"]
"""The tables that may be large."""


@dataclass(frozen=True)
class FaithfulCell:
    """One model on one dataset under one prompt. All values are fractions.

    Attributes:
        model: its name.
        dataset: its name.
        prompt: name of the prompt condition.
        estimators: the estimators of confidence that were computed, in the order in which they are shown.
        results: columns `MEASURE_COLUMNS`; the estimator is empty where a metric has none.
        traces: a row per trace, at least `TRACE_COLUMNS`, and `faithfulness_<estimator>`; or what loads them. Many
            texts take much memory: those that are loaded are held of one run at a time.
        steps: a row per trace and step, at least `STEP_COLUMNS`, and a column per estimator; or what loads them.
        correlations: columns `CORRELATION_COLUMNS`; Spearman's rho of every pair of scores of traces.
        trajectory: columns `TRAJECTORY_COLUMNS`; mean and standard error of each score by position in the trace, from
            0 to 1.
        reliability: columns `RELIABILITY_COLUMNS`; mean confidence and decisiveness of the steps in each bin.
        bridge: columns `BRIDGE_COLUMNS`; whether scores tell right from wrong, by position in the trace.
        dropped: columns `DROPPED_COLUMNS`; everything that was left out of something.
        control: columns `CONTROL_COLUMNS`; how often words planted to follow the confidence would have been found.
        draws: columns `DRAWS_COLUMNS`; scores by the number of continuations of a step.
        worst: ids of the most unfaithful traces, the worst first.
        seconds: what each estimator, and "decisiveness", took for all traces.
        absent: estimators that were not computed, and why.
        alternatives: columns `ALTERNATIVE_COLUMNS`, or what loads them: what was said in the place of the steps of the
            worst traces, each text once, how often, and how far a judge finds it to disagree with the step.
        together: whether it is several other cells taken together.
        notes: what else there is to say, a line each.

    Raises:
        ValueError: when a table lacks a column; of one that is loaded, when it is.
    """

    model: str
    dataset: str
    prompt: str
    estimators: tuple[str, ...]
    results: pd.DataFrame
    traces: pd.DataFrame | Callable[[], pd.DataFrame]
    steps: pd.DataFrame | Callable[[], pd.DataFrame]
    correlations: pd.DataFrame
    trajectory: pd.DataFrame
    reliability: pd.DataFrame
    bridge: pd.DataFrame
    dropped: pd.DataFrame
    worst: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    control: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CONTROL_COLUMNS)))
    draws: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(DRAWS_COLUMNS)))
    alternatives: pd.DataFrame | Callable[[], pd.DataFrame] = field(
        default_factory=lambda: pd.DataFrame(columns=list(ALTERNATIVE_COLUMNS))
    )
    together: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_columns("results", self.results, MEASURE_COLUMNS)
        for name in self._needed:
            given = getattr(self, name)
            if isinstance(given, pd.DataFrame):
                check_columns(name, given, self._needed[name])
        check_columns("correlations", self.correlations, CORRELATION_COLUMNS)
        check_columns("trajectory", self.trajectory, TRAJECTORY_COLUMNS)
        check_columns("reliability", self.reliability, RELIABILITY_COLUMNS)
        check_columns("bridge", self.bridge, BRIDGE_COLUMNS)
        check_columns("dropped", self.dropped, DROPPED_COLUMNS)
        check_columns("control", self.control, CONTROL_COLUMNS)
        check_columns("draws", self.draws, DRAWS_COLUMNS)

    @property
    def _needed(self) -> Mapping[str, Sequence[str]]:
        """Columns of the tables that may be loaded."""
        return {
            "traces": (*TRACE_COLUMNS, *(f"faithfulness_{name}" for name in self.estimators)),
            "steps": (*STEP_COLUMNS, *self.estimators),
            "alternatives": ALTERNATIVE_COLUMNS,
        }

    def texts(self, name: Texts) -> pd.DataFrame:
        """Traces, steps or alternatives; if they have to be loaded, anew each time.

        Raises:
            ValueError: what was loaded lacks a column.
        """
        given: pd.DataFrame | Callable[[], pd.DataFrame] = getattr(self, name)
        if isinstance(given, pd.DataFrame):
            return given
        loaded = given()
        check_columns(name, loaded, self._needed[name])
        return loaded

    @cached_property
    def marks(self) -> "pd.Series[Any]":
        """Of each trace whether its answer is right; missing where that is not known."""
        return self.texts("traces")["correct"].copy()

    @property
    def names(self) -> tuple[str, str, str]:
        """Model, dataset and prompt."""
        return self.model, self.dataset, self.prompt

    @property
    def heading(self) -> str:
        """As a heading."""
        return " · ".join(self.names)

    def measured(self, estimator: str, metric: str) -> Estimate:
        """A figure of `results`; the estimator is empty for metrics without one."""
        rows = self.results[(self.results["estimator"] == estimator) & (self.results["metric"] == metric)]
        return _measured(rows)

    def bridged(self, position: str, signal: str, metric: str) -> Estimate:
        """A figure of `bridge`."""
        here = (self.bridge["position"] == position) & (self.bridge["signal"] == signal)
        return _measured(self.bridge[here & (self.bridge["metric"] == metric)])


def _measured(rows: pd.DataFrame) -> Estimate:
    if rows.empty:
        return Estimate()
    ends = pd.to_numeric(rows.iloc[0][["value", "ci_low", "ci_high", "n"]], errors="coerce")
    return Estimate(float(ends["value"]), float(ends["ci_low"]), float(ends["ci_high"]), float(ends["n"]))


@dataclass(frozen=True)
class FaithfulData:
    """Everything about a run.

    Attributes:
        title: of the page.
        cells: one per model, dataset and prompt; at least one.
        mode: `strict` or `parity`.
        level: of the intervals.
        decisiveness: what scored decisiveness, in words.
        judges: what stands behind an estimator, in words, by its name: the judge of sampling, the probe of stability.
        quotes: whether the page of Markdown quotes steps.
        deliberation: what thinking aloud says, see `ccps.faithful.decisiveness`.
        costs: columns `COST_COLUMNS`; bytes and peak_memory in bytes.
        settings: lines of the box at the head of the page, in words.
        run: resolved settings, versions and inputs; written to run.json.
        notes: what else there is to say, a line each.
        claims: published figures to compare with.

    Raises:
        ValueError: without a cell, when two cells have one name, or when the costs lack a column.
    """

    title: str
    cells: Sequence[FaithfulCell]
    mode: str
    level: float
    decisiveness: str
    judges: Mapping[str, str]
    deliberation: Deliberation
    costs: pd.DataFrame
    settings: Mapping[str, str]
    run: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    quotes: bool = True
    claims: Sequence[FaithfulClaimSet] = ()

    def __post_init__(self) -> None:
        check_columns("costs", self.costs, COST_COLUMNS)
        names = [cell.names for cell in self.cells]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                "Expected `cells` to be one per model, dataset and prompt, but got "
                f"{sorted(names)}. Pass at least one, and no two of the same names."
            )

    @property
    def single(self) -> list[FaithfulCell]:
        """The cells that are not others taken together."""
        return [cell for cell in self.cells if not cell.together]

    @property
    def estimators(self) -> list[str]:
        """Every estimator of any cell, in order."""
        return list(dict.fromkeys(name for cell in self.cells for name in cell.estimators))

    def joined(
        self, table: Literal["results", "correlations", "bridge", "dropped", "control", "draws"]
    ) -> pd.DataFrame:
        """The tables of this name of all cells, with model, dataset and prompt in front."""
        parts = []
        for cell in self.cells:
            own: pd.DataFrame = getattr(cell, table)
            places = pd.DataFrame(dict(zip(PLACE_COLUMNS, cell.names, strict=True)), index=own.index)
            parts.append(pd.concat([places, own], axis=1))
        return pd.concat([part for part in parts if not part.empty] or parts[:1], ignore_index=True)
