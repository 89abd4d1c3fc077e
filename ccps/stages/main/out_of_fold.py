"""What a method says of training answers when it has learnt from the others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ccps.core.artifacts import ROWS, Artifact
from ccps.methods import TrainedMethod, TrainingSettings
from ccps.methods.out_of_fold import FOLD_SEED, FOLDS, out_of_fold_rows
from ccps.probes import Reporting
from ccps.stages.main.fit import BaseArtifacts, LearningStage
from ccps.stages.main.runs import Side

REFUSED = "cannot be fitted to a part of the answers"


class OutOfFoldStage(LearningStage):
    """Rows of question id, fold, P(correct) by a fit to the other folds, and `correct`: one for each training answer.

    The method is fitted as it is taken along: from all seeds if these are averaged, else from the first. Folds are
    made of whole questions, stratified by whether they were answered right, and the same for all methods. Where a fold
    leaves too little to learn from, P is missing in all rows, and the line of the stage says why.
    """

    name = "out_of_fold"

    def __init__(
        self,
        method: TrainedMethod,
        train: Side,
        head: Artifact,
        model: str,
        settings: TrainingSettings,
        seeds: Sequence[int],
        bases: Sequence[BaseArtifacts] = (),
    ) -> None:
        used = seeds if method.averages(settings) else seeds[:1]
        super().__init__(method, train, head, model, settings, used, bases)

    def inputs(self) -> Mapping[str, Any]:
        """What decides what the method learns, and the folds."""
        return {**super().inputs(), "folds": [FOLDS, FOLD_SEED]}

    def step(self, content: None) -> tuple[pd.DataFrame, str]:
        """Fit without each fold, and score it; the second of the result is why that could not be done, if so."""
        reporting = Reporting(None, on_progress=self.progress_within)
        return out_of_fold_rows(self.method, self.known(), self.settings, self.numbers(), reporting)

    def save_shard(self, outputs: list[tuple[pd.DataFrame, str]], folder: Path) -> Mapping[str, float]:
        """Write the rows, and why P is missing if it is."""
        rows, refusal = outputs[0]
        rows.to_parquet(folder / ROWS, index=False)
        (folder / "refusal.txt").write_text(refusal)
        return {"n": len(rows)}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """Folds, mean squared error, and why there is none."""
        rows = artifact.written_rows().to_pandas()
        refusal = (artifact.shard_folder(0) / "refusal.txt").read_text()
        if refusal:
            return {"answers": len(rows), REFUSED: refusal}
        error = rows["p_correct"] - rows["correct"]
        return {"answers": len(rows), "folds": int(rows["fold"].max() + 1), "brier": float((error**2).mean())}
