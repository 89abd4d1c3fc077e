"""A job: stages that are all known before the first of them computes anything."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.core.errors import UserError, expected
from ccps.core.text import listed
from ccps.pipeline.computing import run_stage
from ccps.pipeline.graph import Graph, Node
from ccps.pipeline.stage import Run, Stage
from ccps.pipeline.worker import Step, share


class Job:
    """Takes in stages in the order in which they are to run; computes what was asked for, and finds what that reads.

    The keys of artifacts follow from inputs alone. So a pipeline adds all its stages, each with the artifacts of those
    before it, none of which need be there yet; what is missing is then told before anything runs. What hangs on the
    content of an artifact is added after `run`, which may be called again.

    Args:
        run: how stages are run.
        asked: names of the stages that may compute something; None for all.
        later: names of stages that may compute something too, and are added after a `run`.

    Attributes:
        run_settings: how stages are run.
        reused: folders of what was complete when it was added.
    """

    def __init__(self, run: Run, asked: Collection[str] | None = None, later: Collection[str] = ()) -> None:
        self.run_settings = run
        self.asked = None if asked is None else {*asked, *later}
        self._named = [] if asked is None else list(dict.fromkeys(asked))
        self.reused: set[Path] = set()
        self._graph = Graph()
        self._artifacts: dict[str, Artifact] = {}
        self._steps: deque[Step] = deque()
        self._kept: set[str] = set()

    def add(self, stage: Stage) -> Artifact:
        """Take in a stage after all that it reads; returns what it will fill, or has filled."""
        artifact = stage.artifact(self.run_settings)
        self._note(artifact, stage.title, stage.reads())
        self._steps.append(Step(lambda: run_stage(stage, self.run_settings), [artifact], stage))
        return artifact

    def keep(self, artifact: Artifact, save: Callable[[], object]) -> Artifact:
        """Take in what is no stage's: it is saved at its turn, whatever was asked for, if it is not there."""
        self._kept.add(artifact.stage)
        self._note(artifact, artifact.stage, ())
        self._steps.append(Step(lambda: self.run_settings.ranks.on_first(save), [artifact], makes=True))
        return artifact

    def then(self, work: Callable[[], object], after: Sequence[Artifact] = ()) -> None:
        """Do something between two stages; only if one of some artifacts is wanted, if there are any."""
        self._steps.append(Step(work, after))

    def asks(self, *stages: type[Stage]) -> bool:
        """Whether one of these was asked for by its name."""
        return self.asked is None or any(stage.name in self.asked for stage in stages)

    def idle(self) -> list[str]:
        """Stages that were named and are none of this run: nothing that it does needs them."""
        there = self._stages()
        return [name for name in self._named if name not in there]

    def run(self) -> None:
        """Work off what has been added since the last time.

        Raises:
            UserError: something is missing that was not asked for, or nothing was asked for; or see `run_stage`.
            WorkerEnds: a worker has done its part, and others have not, or it is left to gather; see `share`.
        """
        self.run_settings.ranks.together(self._check)
        if idle := self.idle():
            self._named = []  # once
            there = f"this run has {', '.join(self._stages())}"
            self.run_settings.ranks.on_first(lambda: say("stages", listed(idle), there, state="nothing to do"))
        self.run_settings.ranks.on_first(self._log)
        wanted = self._graph.wanted(self._to_make)
        self.run_settings.ranks.on_first(lambda: self._open_mirror(wanted))
        if (worker := self.run_settings.worker) is not None:
            steps = [step for step in self._steps if _is_wanted(step, wanted)]
            self._steps.clear()
            share(steps, self.run_settings, worker)
        while self._steps:
            step = self._steps.popleft()  # a stage that is done may hold much
            if _is_wanted(step, wanted):
                step.work()

    def _note(self, artifact: Artifact, title: str, reads: Sequence[Artifact]) -> None:
        if artifact.complete:
            self.reused.add(artifact.folder)
        self._artifacts[_key(artifact)] = artifact
        self._graph.add(Node(_key(artifact), artifact.stage, title, [_key(one) for one in reads]))

    def _log(self) -> None:
        if self.run_settings.log is not None:
            self.run_settings.log.plan(self._artifacts)

    def _open_mirror(self, wanted: Collection[str]) -> None:
        """Find out now whether W&B lets this run in, if there is something to compute."""
        mirror = self.run_settings.mirror
        if mirror is not None and not all(self._is_there(key) for key in wanted):
            mirror.open()

    def _is_there(self, key: str) -> bool:
        return self._artifacts[key].complete

    def _stages(self) -> list[str]:
        """Names of the stages of this run, as far as they have been added."""
        return list(dict.fromkeys(node.stage for node in self._graph.nodes if node.stage not in self._kept))

    @property
    def _to_make(self) -> set[str] | None:
        """Names of what may be made, by users' wish or without it."""
        return None if self.asked is None else self.asked | self._kept

    def _check(self) -> None:
        """Refuse a list of stages that cannot work."""
        if self.asked is None:
            return
        there = self._stages()
        if self.asked.isdisjoint(there):
            got = ", ".join(sorted(self.asked))
            way_out = f"This run has {', '.join(there)}; leave `stages` out to run all."
            raise expected("`stages`", "a list with something that there is to do", got, way_out)
        missing = self._graph.missing(self._to_make, self._is_there)
        if missing:
            raise _missing(missing, self._artifacts[missing[0].key].folder)


def asked_of(stages: Collection[str], usual: Collection[str]) -> Collection[str] | None:
    """What to ask a job for: all of the usual stages stand for everything, stages registered from elsewhere too."""
    return None if set(usual) <= set(stages) else stages


def _is_wanted(step: Step, wanted: Collection[str]) -> bool:
    return not step.about or any(_key(one) in wanted for one in step.about)


def _key(artifact: Artifact) -> str:
    return f"{artifact.stage}/{artifact.key}"


def _missing(nodes: Sequence[Node], folder: Path) -> UserError:
    first, *others = nodes
    counts = {name: sum(node.stage == name for node in others) for name in dict.fromkeys(node.stage for node in others)}
    more = ", ".join(f"{number} of `{name}`" for name, number in counts.items())
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(node.stage for node in nodes))
    return UserError(
        f"Expected the stage `{first.stage}` ({first.title}) to have been run before, but got no complete artifact at "
        f"{folder}{f'; nor are there {more}' if more else ''}. Add {names} to `stages`, or leave `stages` out to run "
        "all."
    )
