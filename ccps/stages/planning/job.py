"""A job that takes in its stages and runs none of them."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from ccps.core.artifacts import Artifact
from ccps.pipeline.job import Job
from ccps.pipeline.stage import Run, Stage


class Planned(NamedTuple):
    """What a job would see to.

    Attributes:
        artifact: that is filled.
        stage: that fills it; None for a model's head, which is kept when the model is loaded.
    """

    artifact: Artifact
    stage: Stage | None


class PlannedJob(Job):
    """Notes what it is given; `run` refuses what a run would refuse, and does nothing else.

    Args:
        run: where artifacts lie.
        asked: names of the stages that may compute something; None for all.
        later: as of `Job`.

    Attributes:
        planned: in the order in which it would run.
    """

    def __init__(self, run: Run, asked: Collection[str] | None = None, later: Collection[str] = ()) -> None:
        super().__init__(run, asked, later)
        self.planned: list[Planned] = []

    def add(self, stage: Stage) -> Artifact:
        """Note a stage."""
        artifact = super().add(stage)
        self.planned.append(Planned(artifact, stage))
        return artifact

    def keep(self, artifact: Artifact, save: Callable[[], object]) -> Artifact:
        """Note what is kept beside the stages."""
        super().keep(artifact, save)
        self.planned.append(Planned(artifact, None))
        return artifact

    def run(self) -> None:
        """Refuse a list of stages that cannot work.

        Raises:
            UserError: something is missing that was not asked for, or nothing was asked for.
        """
        self._check()
        self._steps.clear()

    def wanted(self) -> list[Planned]:
        """What was asked for, and all that it depends on; each artifact once."""
        keys = self._graph.wanted(self._to_make)
        found = {one.artifact.folder: one for one in self.planned}
        return [one for one in found.values() if f"{one.artifact.stage}/{one.artifact.key}" in keys]
