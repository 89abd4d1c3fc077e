"""Judge the confidence that was chosen, where no row of the comparison is it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ccps.core.artifacts import Artifact
from ccps.settings.evaluation import EvaluationConfig
from ccps.stages.main.choose import newly_scored
from ccps.stages.main.evaluate import EvaluateStage
from ccps.stages.main.runs import MethodScores


class EvaluateChosenStage(EvaluateStage):
    """Rows as those of `EvaluateStage`, of a method that learns nothing and was chosen with its calibrator.

    There are none where the chosen method is among those that were scored, or nothing could be chosen.
    """

    may_be_empty = True

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
