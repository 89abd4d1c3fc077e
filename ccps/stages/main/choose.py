"""Choose the confidence that is best taken along, on training answers alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ccps.analysis.data import CHOICE_COLUMNS, NO_CALIBRATOR
from ccps.calibrators import Calibrator
from ccps.core.artifacts import ROWS, Artifact
from ccps.core.errors import UserError
from ccps.core.reasons import with_reasons
from ccps.methods import Method, TrainedMethod, TrainingSettings, find_method
from ccps.methods.comparison import CALIBRATOR, WHY_NOT, Judged, compare
from ccps.methods.out_of_fold import FOLD_SEED, FOLDS, out_of_fold_rows
from ccps.pipeline.stage import Stage, Work
from ccps.probes import ONE_P, is_collapsed, spread
from ccps.probes.reporting import SILENT
from ccps.settings.evaluation import EvaluationConfig
from ccps.settings.method import MethodConfig
from ccps.stages.main.fit import living_seeds, training_answers, why_unfitted
from ccps.stages.main.out_of_fold import REFUSED
from ccps.stages.main.runs import MethodScores, Side

NOT_COMPARED = "not compared"


class Candidate(NamedTuple):
    """A method that a scorer can compute.

    Attributes:
        config: which, with the calibrator that it is taken along with.
        fitted: of the fit stage; None for a method that learns nothing, and has its calibrator, if any, fitted here.
        out_of_fold: of the out-of-fold stage; None likewise.
    """

    config: MethodConfig
    fitted: Artifact | None = None
    out_of_fold: Artifact | None = None

    @property
    def method(self) -> Method | TrainedMethod:
        """With its calibrator."""
        return find_method(self.config.name, self.config.calibrator)


class ChooseStage(Stage):
    """Rows of `CHOICE_COLUMNS`: the out-of-fold Brier score of every candidate, and which one is the least.

    Nothing here looks at a test. Methods that learn are judged by fits without each fold of the training questions;
    those that learn nothing get Platt's map, fitted likewise without the fold, and are judged as they are too where
    they give a probability: there is nothing to fit then, and no folds. The candidate with the smallest mean is
    chosen, of equal ones the first of the configuration: any other rule gives away Brier score on average. One that
    is silent about some answer, or has collapsed, is not compared. Beside the rows lies, for each method that learns
    nothing, its calibrator fitted to all training answers, in a folder of the name of both.
    """

    name = "choose"
    version = 2
    unit = "methods"

    def __init__(
        self,
        candidates: Sequence[Candidate],
        train: Side,
        head: Artifact,
        model: str,
        settings: TrainingSettings,
        config: EvaluationConfig,
    ) -> None:
        super().__init__()
        self.candidates = list(candidates)
        self.train_side = train
        self.head = head
        self.model = model
        self.settings = settings
        self.config = config

    @property
    def title(self) -> str:
        """For which model and format."""
        return f"{self.model}, {self.train_side.format}"

    def inputs(self) -> Mapping[str, Any]:
        """What each candidate has learnt and said out of fold; grades, folds and resampling."""
        return {
            "candidates": [
                [
                    one.method.name,
                    one.method.version,
                    one.fitted,
                    one.out_of_fold,
                    self.train_side.evidence(one.method, for_training=True),
                ]
                for one in self.candidates
            ],
            "grades": self.train_side.labels,
            "folds": [FOLDS, FOLD_SEED],
            "resamples": self.config.resamples,
            "level": self.config.level,
            "seed": self.config.seed,
        }

    def reads(self) -> Sequence[Artifact]:
        """Features too, of methods that do not look at them: they say which answers have a token."""
        return [*super().reads(), *(self.train_side.features[one.method.direction] for one in self.candidates)]

    def plan(self) -> Sequence[Sequence[Work]]:
        """A step for each candidate; all in one shard."""
        return [[Work(number) for number in range(len(self.candidates))]]

    def step(self, content: int) -> Judged:
        """Judge one candidate."""
        one = self.candidates[content]
        name, calibrator = one.method.name, one.config.calibrator or NO_CALIBRATOR
        if isinstance(one.method, Method):
            return self._as_it_is(one.method)
        if one.fitted is None or one.out_of_fold is None:
            return self._calibrate(one.method, calibrator)
        rows = one.out_of_fold.rows().to_pandas()
        if why_not := why_unfitted(one.fitted):
            return Judged(name, calibrator, rows, why_not)
        if not living_seeds(one.fitted):
            return Judged(name, calibrator, rows, ONE_P)
        return Judged(name, calibrator, rows, one.out_of_fold.summary.get(REFUSED, ""))

    def _as_it_is(self, method: Method) -> Judged:
        known = training_answers(self.train_side, method, self.head)
        p = method.p_correct(known.evidence)
        rows = pd.DataFrame({"question_id": known.question_ids, "fold": -1, "correct": known.correct, "p_correct": p})
        return Judged(method.name, NO_CALIBRATOR, rows, ONE_P if is_collapsed(spread(p)) else "")

    def _calibrate(self, method: TrainedMethod, calibrator: str) -> Judged:
        known = training_answers(self.train_side, method, self.head)
        rows, why_not = out_of_fold_rows(method, known, self.settings, [0], SILENT)
        if why_not:
            return Judged(method.name, calibrator, rows, why_not)
        try:
            (calibrated,) = method.fit(known, self.settings, [0], SILENT)
        except UserError as error:
            return Judged(method.name, calibrator, rows.assign(fold=-1, p_correct=np.nan), str(error))
        why_not = ONE_P if is_collapsed(spread(rows["p_correct"].to_numpy())) else ""
        return Judged(method.name, calibrator, rows, why_not, calibrated)

    def save_shard(self, outputs: list[Judged], folder: Path) -> Mapping[str, float]:
        """Write the comparison, and the calibrators that were fitted here."""
        for one in outputs:
            if one.fitted is not None:
                one.fitted.save(folder / one.name)
        table = compare(outputs, self.config).assign(model=self.model, format=self.train_side.format)
        table[[*CHOICE_COLUMNS, WHY_NOT]].to_parquet(folder / ROWS, index=False)
        return {"n": len(table)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """The one that is chosen, and why others were not compared."""
        rows = artifact.written_rows().to_pandas()
        reasons = {f"{row.method}: {row.why_not}": 1 for row in rows.itertuples() if row.why_not}
        best = rows[rows["chosen"]]
        found = {"chosen": best["method"].item(), "brier": best["brier"].item()} if len(best) else {"chosen": "none"}
        return with_reasons({"candidates": len(rows), **found, NOT_COMPARED: reasons})


def candidates_of(
    methods: Sequence[MethodConfig], trained: Mapping[str, Artifact], out_of_fold: Mapping[str, Artifact]
) -> list[Candidate]:
    """The candidates among the methods of a run, which a scorer can compute.

    Args:
        methods: of the run.
        trained: artifacts of the fit stage, by method.
        out_of_fold: of the out-of-fold stage, by method.
    """
    names = {find_method(one.name, one.calibrator).name for one in methods}
    found = []
    for config in methods:
        method = find_method(config.name, config.calibrator)
        if isinstance(method, TrainedMethod):
            found.append(Candidate(config, trained[method.name], out_of_fold[method.name]))
            continue
        if method.is_probability:
            found.append(Candidate(config))
        if find_method(config.name, CALIBRATOR).name not in names:
            found.append(Candidate(MethodConfig(config.name, CALIBRATOR)))
    return found


def chosen_of(choice: Artifact) -> str | None:
    """Name of the method that a complete choose artifact has chosen; None where nothing could be compared."""
    rows = choice.rows().to_pandas()
    best = rows.loc[rows["chosen"], "method"]
    return str(best.item()) if len(best) else None


def newly_scored(scored: Sequence[MethodScores], choice: Artifact) -> tuple[str, pd.DataFrame] | None:
    """What was chosen with its scores, if it is none of the methods that were scored, but one of them calibrated.

    Args:
        scored: of complete score artifacts.
        choice: a complete choose artifact.
    """
    scores = {item.method: item.scores for item in scored}
    name = chosen_of(choice)
    folder = None if name is None or name in scores else fitted_here(choice, name)
    if name is None or folder is None:
        return None
    rows = scores[name.removesuffix(f"_{CALIBRATOR}")].rows().to_pandas()
    if rows.empty:
        return None
    return name, rows.assign(p_correct=Calibrator.load(folder).predict(rows["p_correct"]))


def fitted_here(choice: Artifact, name: str) -> Path | None:
    """The folder of a method whose calibrator was fitted by the choose stage; None if it was not."""
    folders = {choice.path(file).parent for file in choice.files() if file.startswith(f"{name}/")}
    return min(folders, key=lambda folder: len(folder.parts)) if folders else None
