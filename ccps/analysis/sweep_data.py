"""What a report of a sweep shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

SWEEP_COLUMNS = (
    "model",
    "benchmark",
    "format",
    "direction",
    "radius",
    "steps",
    "seed",
    "metric",
    "value",
    "collapsed",
)
BEST_COLUMNS = (
    "model",
    "benchmark",
    "format",
    "direction",
    "choice",
    "radius",
    "steps",
    "metric",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "seeds",
    "reservation",
    "collapsed",
)
RADIUS_COLUMNS = (
    "model",
    "format",
    "direction",
    "radius",
    "radius_low",
    "radius_high",
    "steps",
    "benchmark",
    "n",
    "value",
    "ci_low",
    "ci_high",
    "paper",
    "lost",
    "lost_low",
    "lost_high",
    "reservation",
)
CHANCE_COLUMNS = ("model", "source", "side", "format", "n", "right", "guessing", "p_value", "used")
CHOSEN, PAPER, ON_TEST = "chosen on training folds", "paper", "best on the test"
"""How the strength of a row in `best` came about; `ON_TEST` is hindsight and has no interval."""


class Strength(NamedTuple):
    """A point of the grid."""

    radius: float
    steps: int

    @property
    def words(self) -> str:
        """The same in words."""
        return f"radius {self.radius:g} in {self.steps} {'step' if self.steps == 1 else 'steps'}"


class Place(NamedTuple):
    """One model on one benchmark."""

    model: str
    benchmark: str

    @property
    def heading(self) -> str:
        """As a heading."""
        return f"{self.model} · {self.benchmark}"


@dataclass(frozen=True)
class SweepData:
    """Everything about a sweep.

    Attributes:
        title: of the page.
        sweep: columns `SWEEP_COLUMNS`; the benchmark `cross-validation` is the training side.
        best: columns `BEST_COLUMNS`, means over seeds, of which `collapsed` give one P for every answer.
        radii: columns `RADIUS_COLUMNS`, by the metric of the choice; `lost` is how much worse the paper's strength is,
            and `reservation` why nothing can be said of that.
        chance: columns `CHANCE_COLUMNS`, a row for each model, source and side.
        flips: columns model, benchmark, question_id, flip_radius, correct; one row per answer, its first token to flip.
        paper: the strength of the paper, or of the experiment.
        choose_by: metric by which strengths were chosen.
        chance_level: p-value from which a source was left out; None if none was.
        folds: of the training questions.
        level: of the intervals.
        convention: of the calibration error.
        costs: columns stage, seconds, tokens, bytes, peak_memory, n.
        notes: what else there is to say, a line each.
        run: versions, settings and inputs.
    """

    title: str
    sweep: pd.DataFrame
    best: pd.DataFrame
    radii: pd.DataFrame
    chance: pd.DataFrame
    flips: pd.DataFrame
    paper: Strength
    choose_by: str
    chance_level: float | None
    folds: int
    level: float
    convention: str
    costs: pd.DataFrame
    notes: tuple[str, ...]
    run: Mapping[str, Any]

    @property
    def places(self) -> list[Place]:
        """Models and benchmarks in order, without cross-validation."""
        return [Place(*pair) for pair in self.flips[["model", "benchmark"]].drop_duplicates().itertuples(index=False)]

    def at(self, place: Place) -> pd.DataFrame:
        """The rows of `sweep` for one place."""
        here = (self.sweep["model"] == place.model) & (self.sweep["benchmark"] == place.benchmark)
        return self.sweep[here]
