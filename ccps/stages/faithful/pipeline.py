"""The whole run: have models reason, read what they wrote, judge words and steps, score, and write it down."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.core.errors import expected
from ccps.core.places import local_path
from ccps.estimators.base import ESTIMATORS, Estimator, TraceRun
from ccps.estimators.given import given_estimator
from ccps.faithful import Mode
from ccps.faithful.segment import Unit
from ccps.llm import ModelConfig, ModelFiles, find_model
from ccps.llm.shape import read_config
from ccps.pipeline.job import Job, asked_of
from ccps.pipeline.model import SharedModel
from ccps.pipeline.order import Reads, check_order
from ccps.pipeline.provenance import provenance
from ccps.pipeline.publish import check_writable, printed, publish_report
from ccps.pipeline.stage import Run, Stage
from ccps.reasoning.decisiveness.base import SCORERS, decisiveness_inputs
from ccps.reasoning.jsonl import LoadedTraces, read_traces
from ccps.reasoning.jsonl_choice import Choice
from ccps.reasoning.measures import Measure
from ccps.reasoning.messages import ThinkTag
from ccps.reasoning.tasks import LoadedTask, load_task
from ccps.reasoning.thought_anchors import from_hub
from ccps.reasoning.trace import Segmentation
from ccps.settings.faithful.run import STAGES, FaithfulConfig
from ccps.settings.faithful.task import TaskSpec
from ccps.settings.faithful.traces import TraceFile, TraceSettings
from ccps.stages.faithful.cells import Place, RunCell, places
from ccps.stages.faithful.confidence import ConfidenceStage
from ccps.stages.faithful.mark import MarkStage
from ccps.stages.faithful.read import ReadStage
from ccps.stages.faithful.report import FaithReportStage, ScoredRun
from ccps.stages.faithful.score import FaithStage
from ccps.stages.faithful.steps import StepStage
from ccps.stages.faithful.tables import MeasuredRun
from ccps.stages.faithful.trace import Asking, ImportStage, TraceStage

# Of bytes alone there are more tokens; the configurations of models are not read for less.
_SMALLEST_VOCABULARY = 100

HUB = "hub:"
"""Before the name of a data set of the hub."""

READS: Reads = {
    **dict.fromkeys(("read", "continue", "mark", "decide"), ("trace",)),
    "judge": ("continue",),
    "confidence": ("mark",),
    "faith": ("confidence", "decide"),
    "faith_report": ("faith",),
}
"""What every stage of the job reads, whatever is asked and estimated."""


class FaithfulPipeline:
    """The stages of a run, in their order.

    Args:
        config: the run.
        settings: the same as plain values, printed in the report.
        job: takes in the stages.
        find: finds a model by its name and settings.
        load: loads the questions of a task.
    """

    def __init__(
        self,
        config: FaithfulConfig,
        settings: Mapping[str, Any],
        job: Job,
        find: Callable[[str, ModelConfig], ModelFiles] = find_model,
        load: Callable[[TaskSpec], LoadedTask] = load_task,
    ) -> None:
        self.find = find
        self.load = load
        self.config = config
        self.settings = settings
        self.job = job
        self.faithful = config.faithful
        self.segmentation = Segmentation(cast(Unit, self.faithful.unit), cast(Mode, self.faithful.mode))
        self.replies = config.paths.folder / "judgements"
        self.estimators = [
            ESTIMATORS.find(name).open(self.faithful, self.segmentation, self.replies)
            for name in self.faithful.estimators
        ]

    def run(self) -> Path | None:
        """Run everything that is asked for.

        Returns:
            The folder with the report, or None if the report was not asked for.

        Raises:
            UserError: see each stage; or an earlier stage is missing that was not asked for.
        """
        output, ranks = Path(self.config.paths.output), self.job.run_settings.ranks
        if self.config.paths.store is None:  # of what lies in a store the job finds out
            ranks.together(lambda: check_order(self.config.stages, READS, self.config.paths.folder))
        ranks.on_first(lambda: check_writable(output))
        report = self.lay_out()
        self.job.run()
        if not self.job.asks(FaithReportStage):
            return None
        ranks.on_first(lambda: publish_report(report, output))
        say("output", self.config.experiment, f"open {output / 'report.html'}", state="written")
        return output

    def lay_out(self) -> Artifact:
        """Give all stages to the job; returns the report that is to be."""
        models, everything = self.job.run_settings.ranks.node_by_node(self._look_ahead)
        self.estimators += self._given(everything)
        scored: list[ScoredRun] = []
        for name in dict.fromkeys(place.model for place in everything):
            scored += self._model([place for place in everything if place.model == name], models.get(name))
        scored += self._pooled(scored)
        return self.job.add(
            FaithReportStage(scored, self.estimators, self.config, printed(self.settings), provenance())
        )

    def _look_ahead(self) -> tuple[dict[str, SharedModel], list[Place]]:
        """Find all that will be needed, so that what is missing is missed before any model has worked for hours."""
        faithful, config = self.faithful, self.config
        models = {name: SharedModel(self.find(name, one), config.engine) for name, one in config.model.items()}
        tasks = {name: self._questions(spec) for name, spec in faithful.dataset.items()}
        found = places(faithful, list(models) if tasks else [], tasks, self._rollouts())
        for place in found:
            if place.file is not None:
                self._import(place, place.file, None).inputs()
        if twice := [name for name, n in Counter(place[:3] for place in found).items() if n > 1]:
            got = f"{' · '.join(twice[0])} twice"
            way_out = "Give another name as faithful.rollouts.dataset."
            raise expected("the traces", "of every model, dataset and prompt once", got, way_out)
        decisiveness_inputs(faithful.decisiveness)
        SCORERS.find(faithful.decisiveness.name).check_places(faithful.decisiveness, len(found))
        for model in models.values():
            self._check_alternatives(model.files)
            for estimator in self.estimators:
                estimator.check(model.files)
        return models, found

    def _check_alternatives(self, files: ModelFiles) -> None:
        """Refuse more alternatives than a model has tokens before it has written traces for hours."""
        k = self._kept().alternatives
        if k > _SMALLEST_VOCABULARY and k > (tokens := read_config(files).get_text_config().vocab_size):
            what = "`faithful.traces.alternatives` and `faithful.deepconf.k`"
            way_out = "Lower the larger one."
            raise expected(what, f"at most {tokens}, the tokens of the model `{files.name}`", k, way_out)

    def _rollouts(self) -> LoadedTraces | None:
        """The traces with rollouts, looked through; None if there are none."""
        settings = self.faithful.rollouts
        if settings.path is None:
            return None
        only, hub = tuple(settings.only), settings.path.removeprefix(HUB)
        if settings.path.startswith(HUB):
            path = from_hub(hub, only, alternatives=settings.alternatives)
        else:
            path = local_path(settings.path)
            if not path.exists():
                way_out = f"Set it to a file of traces, a folder of rollouts or {HUB}OWNER/NAME, see docs/faithful.md."
                raise expected(
                    "`faithful.rollouts.path`", "a file or folder that exists", str(path.absolute()), way_out
                )
        scores = None if settings.scores is None else tuple(settings.scores)
        return read_traces(path, choice=Choice(None, only, scores, settings.alternatives, settings.k))

    def _given(self, everything: Sequence[Place]) -> list[Estimator]:
        """An estimator for each score that any traces bring."""
        scores = dict.fromkeys(name for place in everything for name in place.brings.scores)
        kinds = [given_estimator(name, inverted=name in self.faithful.rollouts.inverted) for name in scores]
        return [kind.open(self.faithful, self.segmentation, self.replies) for kind in kinds]

    def _questions(self, spec: TaskSpec) -> LoadedTask:
        limits = [n for n in (spec.n, self.faithful.questions) if n is not None]
        return self.load(replace(spec, n=min(limits, default=None)))

    def _model(self, own: Sequence[Place], shared: SharedModel | None) -> list[ScoredRun]:
        """Everything about the traces of one model."""
        cells = [self._with_model(place, shared) for place in own]
        if shared is not None and not any(estimator.keeps_model for estimator in self.estimators):
            self.job.then(shared.release)
        scored = [self._judged(cell) for cell in cells]
        for estimator in self.estimators:
            self.job.then(estimator.release)
        if shared is not None:
            self.job.then(shared.release)
        return scored

    def _with_model(self, place: Place, shared: SharedModel | None) -> RunCell:
        """What needs the model's layers."""
        traces = self.job.add(self._trace_stage(place, shared))
        run = TraceRun(
            place.label, traces, shared, alternatives=place.brings.alternatives > 0, scores=place.brings.scores
        )
        cell = RunCell(place, run, artifacts=[traces])
        cell.absent |= {one.name: why for one in self.estimators if (why := one.obstacle(run))}
        if shared is None:
            return cell
        settings, p_true = self._kept(), self.faithful.p_true
        run.readings = self.job.add(
            ReadStage(traces, place.label, shared, settings, self._measures(), ask_p_true=p_true)
        )
        cell.artifacts.append(run.readings)
        self._own_stages(cell, reads_layers=True)
        return cell

    def _own_stages(self, cell: RunCell, *, reads_layers: bool) -> None:
        """Stages that estimators need for themselves: those that need the model's layers, or the others."""
        for estimator in self.estimators:
            for own in estimator.stages if estimator.name not in cell.absent else ():
                if own.reads_layers == reads_layers and (stage := own.make(estimator, cell.run)) is not None:
                    cell.run.made[own.name] = self.job.add(stage)
                    cell.artifacts.append(cell.run.made[own.name])

    def _trace_stage(self, place: Place, shared: SharedModel | None) -> Stage:
        faithful = self.faithful
        if place.file is not None:
            return self._import(place, place.file, shared)
        assert shared is not None
        assert place.task is not None
        assert place.condition is not None
        asking = Asking(
            place.task[0],
            place.condition,
            self.segmentation.mode,
            cast(ThinkTag, faithful.think_tag),
            faithful.traces,
            faithful.shard_traces,
        )
        return TraceStage(place.questions, place.label, shared, asking, ask_p_true=faithful.p_true)

    def _import(self, place: Place, file: TraceFile, shared: SharedModel | None) -> ImportStage:
        size, k = self.faithful.shard_traces, self._kept().alternatives
        return ImportStage(file.path, place.label, size, k, shared, place.choice)

    def _judged(self, cell: RunCell) -> ScoredRun:
        """What needs no more than what the model has left behind."""
        faithful, place, run = self.faithful, cell.place, cell.run
        marks = self.job.add(MarkStage(run.traces, place.label, place.questions, place.kind, self.segmentation.mode))
        steps = self.job.add(StepStage(run.traces, place, self.segmentation, faithful.decisiveness, self.replies))
        cell.artifacts += [marks, steps]
        self._own_stages(cell, reads_layers=False)
        confidences = {
            estimator.name: self.job.add(ConfidenceStage(run, marks, self.segmentation, estimator))
            for estimator in self.estimators
            if estimator.name not in cell.absent
        }
        cell.artifacts += confidences.values()
        return self._scored(cell, [MeasuredRun(run, marks, steps, confidences)])

    def _scored(self, cell: RunCell, measured: Sequence[MeasuredRun]) -> ScoredRun:
        """The tables of a run, or of several taken together."""
        scores = self.job.add(FaithStage(measured, cell.place.label, self.segmentation, self.faithful.scoring))
        cell.artifacts.append(scores)
        return ScoredRun(cell, measured, scores)

    def _pooled(self, scored: Sequence[ScoredRun]) -> list[ScoredRun]:
        """The models of the rollouts taken together, if there are several: they answer the same questions."""
        path = self.faithful.rollouts.path
        own = [one for one in scored if one.cell.place.choice.model is not None]
        if path is None or len(own) < 2:
            return []
        first = own[0].cell
        place = first.place._replace(model=f"{len(own)} models together")
        cell = RunCell(
            place,
            first.run,
            absent=dict(first.absent),
            artifacts=[artifact for one in own for artifact in one.cell.artifacts if artifact is not one.scores],
            together=True,
        )
        return [self._scored(cell, [measured for one in own for measured in one.measured])]

    def _kept(self) -> TraceSettings:
        """What is kept of each token: whatever is set, and what an estimator reads."""
        traces, kept = self.faithful.traces, [estimator.kept for estimator in self.estimators]
        return replace(
            traces,
            states=sorted({*traces.states, *(state for one in kept for state in one.states)}),
            alternatives=max(traces.alternatives, *(one.alternatives for one in kept)),
        )

    def _measures(self) -> list[Measure]:
        """What estimators have made of the states of traces.

        Raises:
            ValueError: two of them have one name and differ.
        """
        measures = list(dict.fromkeys(measure for one in self.estimators for measure in one.kept.measures))
        names = [one.name for one in measures]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"Expected measures of different names, but got several called {', '.join(twice)}.")
        return measures


def run_faithful(config: FaithfulConfig, settings: Mapping[str, Any], run: Run) -> Path | None:
    """Run the faithful system, see `FaithfulPipeline`."""
    return FaithfulPipeline(config, settings, Job(run, asked_of(config.stages, STAGES))).run()
