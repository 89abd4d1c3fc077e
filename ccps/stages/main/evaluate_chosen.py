"""Judge the confidence that was chosen, where no row of the comparison is it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ccps.core.artifacts import ROWS, Artifact
from ccps.pipeline.stage import Work
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.choose import newly_scored
from ccps.stages.main.evaluate import EvaluateStage
from ccps.stages.main.runs import MethodScores


class EvaluateChosenStage(EvaluateStage):
    """Rows as those of `EvaluateStage`, of a method that learns nothing and was chosen with its calibrator.

    There are none where the chosen method is among those that were scored, or nothing could be chosen.
    """

    def __init__(
        self,
        scored: Sequence[MethodScores],
        grades: Artifact,
        label: str,
        config: EvaluationConfig,
        choice: Artifact,
    ) -> None:
        super().__init__(scored, grades, label, config)
        self.choice = choice

    @property
    def title(self) -> str:
        """What is judged."""
        return f"{super().title}, what was chosen"

    def inputs(self) -> Mapping[str, Any]:
        """What was chosen, too."""
        return {**super().inputs(), "choice": self.choice}

    def tables(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """The scores of what was chosen."""
        found = newly_scored(self.scored, self.choice)
        if found is not None:
            yield found

    def prepare(self, device: torch.device) -> None:
        """Read the scores, if there is anything to judge."""
        self.items = []
        if newly_scored(self.scored, self.choice) is not None:
            super().prepare(device)

    def plan(self) -> Sequence[Sequence[Work]]:
        """One step, also where there is nothing to judge."""
        return super().plan() if self.items else [[Work(None)]]

    def step(self, content: int | None) -> list[dict[str, Any]]:
        """Judge the method, if there is one."""
        return [] if content is None else super().step(content)

    def save_shard(self, outputs: list[list[dict[str, Any]]], folder: Path) -> Mapping[str, float]:
        """Write the results."""
        if any(outputs):
            return super().save_shard(outputs, folder)
        pd.DataFrame(columns=["method", "convention", "metric", "value"]).to_parquet(folder / ROWS, index=False)
        return {"n": 0}

    def summarise(self, artifact: Artifact) -> Mapping[str, Any]:
        """As of all methods, if there is one."""
        return super().summarise(artifact) if artifact.n_written_rows() else {}
