"""Leave one source of the training questions out, and test on it: how methods do on questions of another kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError
from ccps.core.keys import digest
from ccps.core.reasons import with_reasons
from ccps.methods import Fitted, Method, TrainedMethod, TrainingAnswers, TrainingSettings
from ccps.methods.base import Base
from ccps.methods.evidence import FloatArray
from ccps.methods.registry import METHODS
from ccps.pipeline.stage import Stage, Work
from ccps.probes import Reporting
from ccps.stages.main.graded import graded_answers
from ccps.stages.main.runs import Side

FEWEST_ANSWERS = 20
"""A source with fewer right, or fewer wrong, answers is trained on and never left out: nothing could be said of it."""

AnyMethod = Method | TrainedMethod


class ShiftsStage(Stage):
    """Rows of source, method, question id, P(correct) by a fit to all other sources, and `correct`.

    One row for each training answer of a source that is left out in its turn. A method that learns nothing says what it
    always says. A method that is built on others is fitted to what these say of sources that they have not learnt from.
    """

    name = "shifts"
    unit = "methods"

    def __init__(
        self,
        methods: Sequence[AnyMethod],
        train: Side,
        head: Artifact,
        model: str,
        settings: TrainingSettings,
        seeds: Sequence[int],
    ) -> None:
        super().__init__()
        self.methods = [method for method in methods if is_cheap(method, settings)]
        self.train_side = train
        self.head = head
        self.model = model
        self.settings = settings
        self.seeds = list(seeds)
        self.told: dict[str, tuple[TrainingAnswers, FloatArray]] = {}

    @property
    def title(self) -> str:
        """For which model and format."""
        return f"{self.model}, {self.train_side.format}"

    def inputs(self) -> Mapping[str, Any]:
        """What every method reads and how it learns, its bases included, grades and sources."""
        return {
            "methods": [self._input(method) for method in self.methods],
            "bases": [self._input(METHODS.find(name)) for name in _bases(self.methods)],
            "grades": self.train_side.labels,
            "sources": digest({question.id: question.source for question in self.train_side.questions}),
            "seeds": self.seeds,
        }

    def _input(self, method: AnyMethod) -> list[Any]:
        learns = isinstance(method, TrainedMethod)
        recipe = OmegaConf.structured(method.recipe(self.settings)) if isinstance(method, TrainedMethod) else None
        return [
            method.name,
            method.version,
            self.train_side.evidence(method, for_training=learns),
            None if recipe is None else OmegaConf.to_container(recipe, enum_to_str=True),
        ]

    def reads(self) -> Sequence[Artifact]:
        """Features too, of methods that do not look at them: they say which answers have a token."""
        return [*super().reads(), *(self.train_side.features[method.direction] for method in self.methods)]

    def plan(self) -> Sequence[Sequence[Work]]:
        """A step for each method; all in one shard."""
        return [[Work(place) for place in range(len(self.methods))]]

    def step(self, content: int) -> pd.DataFrame:
        """Test one method on every source that is left out."""
        method = self.methods[content]
        known, p = self._tell(method)
        sources = self._sources(known)
        rows = pd.DataFrame({"source": sources, "question_id": known.question_ids, "p_correct": p})
        rows = rows.assign(method=method.name, correct=known.correct)
        return rows[_folds(sources, known.correct) >= 0].reset_index(drop=True)

    def _tell(self, method: AnyMethod) -> tuple[TrainingAnswers, FloatArray]:
        """Training answers, and P(correct) of each by a fit without its source; NaN where there is none."""
        if method.name not in self.told:
            self.told[method.name] = self._told(method)
        return self.told[method.name]

    def _told(self, method: AnyMethod) -> tuple[TrainingAnswers, FloatArray]:
        learns = isinstance(method, TrainedMethod)
        found = graded_answers(self.train_side, method, self.head, for_training=learns)
        known = TrainingAnswers(found.evidence, found.correct, found.question_ids)
        if isinstance(method, Method):
            return known, method.p_correct(known.evidence)
        if method.bases:
            # Whoever is tested out of fold reads what its bases say, and no fit of theirs to all answers.
            bases = [METHODS.find(name) for name in method.bases]
            told = {base.name: self._tell(base)[1] for base in bases if self.train_side.format in base.formats}
            known = known._replace(bases={name: Base(p, cast("Fitted", None)) for name, p in told.items()})
        folds = _folds(self._sources(known), known.correct)
        tested = folds >= 0
        if not tested.any():
            return known, np.full(len(folds), np.nan)
        reporting = Reporting(None, on_progress=self.progress_within)
        seeds = self.seeds if method.is_seeded else [0]
        try:
            with torch.enable_grad():  # the surrounding pass over the stage's work is a prediction
                p = method.out_of_fold(known, folds, self.settings, seeds, reporting)[0]
        except UserError:
            return known, np.full(len(folds), np.nan)
        return known, np.where(tested, p, np.nan)

    def _sources(self, known: TrainingAnswers) -> "pd.Series[str]":
        source_of = {question.id: question.source for question in self.train_side.questions}
        return pd.Series([source_of[name] for name in known.question_ids], dtype=str)

    def save_shard(self, outputs: list[pd.DataFrame], folder: Path) -> Mapping[str, float]:
        """Write all rows."""
        rows = pd.concat(outputs, ignore_index=True)
        rows.to_parquet(folder / ROWS, index=False)
        return {"n": len(rows)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Sources that were left out in turn, and methods that could not be fitted without one."""
        rows = artifact.written_rows().to_pandas()
        silent = rows.groupby("method")["p_correct"].apply(lambda p: bool(p.isna().all()))
        reasons = {f"{name}: cannot be fitted without a source": 1 for name in silent.index[silent]}
        found = {"methods": len(self.methods), "sources": int(rows["source"].nunique())}
        return with_reasons({**found, "not tested": reasons})


def is_cheap(method: AnyMethod, settings: TrainingSettings) -> bool:
    """Whether fitting a method once for each source takes seconds: it has no seed, or is one of all seeds together.

    So must be what it is built on. Controls are left out: a shift has nothing to say of them.
    """
    if method.is_control:
        return False
    if not isinstance(method, TrainedMethod):
        return True
    light = not method.is_seeded or method.averages(settings)
    return light and all(is_cheap(METHODS.find(name), settings) for name in method.bases)


def _bases(methods: Sequence[AnyMethod]) -> list[str]:
    """The names of all that some of the methods are built on."""
    named = [name for method in methods if isinstance(method, TrainedMethod) for name in method.bases]
    return list(dict.fromkeys(named))


def _folds(sources: "pd.Series[str]", correct: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for every source that is left out in its turn, from 0; −1 for answers that are only trained on."""
    right = pd.Series(correct).groupby(sources.to_numpy(), sort=True).agg(["sum", "size"])
    enough = right.index[(right["sum"] >= FEWEST_ANSWERS) & (right["size"] - right["sum"] >= FEWEST_ANSWERS)]
    numbers = {source: place for place, source in enumerate(enough)} if len(right) > 1 else {}
    return np.array([numbers.get(source, -1) for source in sources], dtype=np.int64)
