"""The whole run: have models reason, read what they wrote, judge words and steps, score, and write it down."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from ccps.core.artifacts import Artifact
from ccps.core.console import say
from ccps.core.errors import expected
from ccps.faithful import Mode
from ccps.faithful.segment import Unit
from ccps.llm import find_model
from ccps.methods.stored_scorer import StoredScorer
from ccps.pipeline.job import Job
from ccps.pipeline.model import SharedModel
from ccps.pipeline.provenance import provenance
from ccps.pipeline.publish import check_writable, copy_report, forget_others, printed
from ccps.pipeline.stage import Run, Stage, run_device
from ccps.reasoning.consistency_judges import judge_inputs
from ccps.reasoning.decide import decisiveness_inputs
from ccps.reasoning.external_scores import names_places
from ccps.reasoning.messages import ThinkTag
from ccps.reasoning.stability import check_step_probe
from ccps.reasoning.tasks import LoadedTask, load_task
from ccps.settings.faithful.decisiveness import DecisivenessConfig
from ccps.settings.faithful.run import STAGES, FaithfulConfig
from ccps.settings.faithful.task import TaskSpec
from ccps.settings.faithful.traces import TraceFile, TraceSettings
from ccps.stages.faithful.cells import Cell, Place, places
from ccps.stages.faithful.confidence import ConfidenceStage
from ccps.stages.faithful.cut import Segmentation
from ccps.stages.faithful.estimators import DeepConfEstimator, Estimator, RccEstimator, SamplingEstimator
from ccps.stages.faithful.judge import JudgeStage, SharedJudge
from ccps.stages.faithful.mark import MarkStage
from ccps.stages.faithful.read import ReadStage
from ccps.stages.faithful.report import FaithReportStage, Scored
from ccps.stages.faithful.sampling import ContinueStage
from ccps.stages.faithful.score import FaithStage
from ccps.stages.faithful.stability import ProbeEstimator, RadiiStage, RadiusEstimator
from ccps.stages.faithful.steps import StepStage
from ccps.stages.faithful.tables import Measured
from ccps.stages.faithful.trace import Asking, ImportStage, TraceStage

NO_MODEL = "the model that wrote the traces is not among `model`"


class FaithfulPipeline:
    """The stages of a run, in their order.

    Args:
        config: the run.
        settings: the same as plain values, printed in the report.
        job: takes in the stages.
    """

    def __init__(self, config: FaithfulConfig, settings: Mapping[str, Any], job: Job) -> None:
        self.config = config
        self.settings = settings
        self.job = job
        self.faithful = config.faithful
        self.cut = Segmentation(cast(Unit, self.faithful.unit), cast(Mode, self.faithful.mode))
        self.replies = Path(config.paths.artifacts) / "judgements"
        self.judge = SharedJudge(config.faithful.judge, self.replies)

    def run(self) -> Path | None:
        """Run everything that is asked for.

        Returns:
            The folder with the report, or None if the report was not asked for.

        Raises:
            UserError: see each stage; or an earlier stage is missing that was not asked for.
        """
        output, ranks = Path(self.config.paths.output), self.job.run_settings.ranks
        ranks.on_first(lambda: check_writable(output))
        models, everything = ranks.node_by_node(self._look_ahead)
        scored: list[Scored] = []
        for name in dict.fromkeys(place.model for place in everything):
            scored += self._model([place for place in everything if place.model == name], models.get(name))
        report = self.job.add(FaithReportStage(scored, self.config, printed(self.settings), provenance()))
        self.job.run()
        if not self.job.asks(FaithReportStage):
            return None
        ranks.on_first(lambda: forget_others(output, copy_report(report, output)))
        say("output", self.config.experiment, f"open {output / 'report.html'}", state="written")
        return output

    def _look_ahead(self) -> tuple[dict[str, SharedModel], list[Place]]:
        """Find all that will be needed, so that what is missing is missed before any model has worked for hours."""
        faithful, config = self.faithful, self.config
        models = {name: SharedModel(find_model(name, one), config.engine) for name, one in config.model.items()}
        tasks = {name: self._questions(spec) for name, spec in faithful.dataset.items()}
        found = places(faithful, list(models) if tasks else [], tasks)
        for place in found:
            if place.file is not None:
                self._import(place, place.file, None).inputs()
        decisiveness_inputs(faithful.decisiveness)
        _check_scores(faithful.decisiveness, len(found))
        for model in models.values():
            if "sampling" in faithful.estimators:
                judge_inputs(faithful.judge, model.files)
            if "stability" in faithful.estimators and faithful.stability.scorer is not None:
                check_step_probe(StoredScorer.load(faithful.stability.scorer), model.files.fingerprint)
        return models, found

    def _questions(self, spec: TaskSpec) -> LoadedTask:
        limits = [n for n in (spec.n, self.faithful.questions) if n is not None]
        return load_task(replace(spec, n=min(limits, default=None)))

    def _model(self, own: Sequence[Place], shared: SharedModel | None) -> list[Scored]:
        """Everything about the traces of one model."""
        cells = [self._with_model(place, shared) for place in own]
        head = self._head(shared)
        if shared is not None and not self.faithful.judge.is_model_under_study:
            self.job.then(shared.release)
        scored = [self._judged(cell, shared, head) for cell in cells]
        self.job.then(self.judge.release)
        if shared is not None:
            self.job.then(shared.release)
        return scored

    def _with_model(self, place: Place, shared: SharedModel | None) -> Cell:
        """What needs the model's layers."""
        faithful = self.faithful
        traces = self.job.add(self._trace_stage(place, shared))
        cell = Cell(place, traces, artifacts=[traces])
        if shared is None:
            cell.absent |= {name: NO_MODEL for name in faithful.estimators if name != "deepconf"}
            return cell
        reading = ReadStage(traces, place.label, shared, self._kept(), ask_p_true=faithful.p_true)
        cell.readings = self.job.add(reading)
        cell.artifacts.append(cell.readings)
        if "sampling" in faithful.estimators:
            room = faithful.traces.max_batch_tokens
            stage = ContinueStage(traces, place.label, shared, self.cut, faithful.sampling, room)
            cell.drawn = self.job.add(stage)
            cell.artifacts.append(cell.drawn)
        return cell

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
            self.cut.mode,
            cast(ThinkTag, faithful.think_tag),
            faithful.traces,
            faithful.shard_traces,
        )
        return TraceStage(place.questions, place.label, shared, asking, ask_p_true=faithful.p_true)

    def _import(self, place: Place, file: TraceFile, shared: SharedModel | None) -> ImportStage:
        return ImportStage(file.path, place.label, self.faithful.shard_traces, self._kept().alternatives, shared)

    def _judged(self, cell: Cell, shared: SharedModel | None, head: Artifact | None) -> Scored:
        """What needs no more than what the model has left behind."""
        faithful, place = self.faithful, cell.place
        marks = self.job.add(MarkStage(cell.traces, place.label, place.questions, place.kind, self.cut.mode))
        steps = self.job.add(StepStage(cell.traces, place, self.cut, faithful.decisiveness, self.replies))
        cell.artifacts += [marks, steps]
        estimators = [self._estimator(name, cell, shared, head) for name in faithful.estimators]
        confidences = {
            one.name: self.job.add(ConfidenceStage(cell.traces, cell.readings, marks, place.label, self.cut, one))
            for one in estimators
            if one is not None
        }
        cell.artifacts += confidences.values()
        measured = Measured(cell.traces, cell.readings, marks, steps, confidences)
        scores = self.job.add(FaithStage(measured, place.label, self.cut, faithful.scoring))
        cell.artifacts.append(scores)
        return Scored(cell, measured, scores)

    def _estimator(self, name: str, cell: Cell, shared: SharedModel | None, head: Artifact | None) -> Estimator | None:
        """An estimator with all it reads, which stages of its own may have to make; None if it is not to be had."""
        faithful, label = self.faithful, cell.place.label
        if name == "deepconf":
            return DeepConfEstimator(faithful.deepconf, self.cut)
        if name == "rcc":
            return None if name in cell.absent else RccEstimator(faithful.rcc, self.cut)
        if shared is None or cell.readings is None:
            return None
        if name == "sampling":
            assert cell.drawn is not None
            judged = self.job.add(JudgeStage(cell.traces, cell.drawn, label, self.cut, self.judge, shared))
            cell.artifacts.append(judged)
            return SamplingEstimator(judged)
        assert head is not None
        if faithful.stability.scorer is not None:
            return ProbeEstimator(faithful.stability.scorer, head, shared.files.fingerprint)
        radii = self.job.add(RadiiStage(cell.traces, cell.readings, head, label))
        cell.artifacts.append(radii)
        return RadiusEstimator(radii)

    def _kept(self) -> TraceSettings:
        """What is kept of each token: whatever is set, and what an estimator reads."""
        faithful = self.faithful
        wanted = {"rcc": faithful.rcc.hidden, "stability": "final"}
        needed = {states for name, states in wanted.items() if name in faithful.estimators}
        k = faithful.deepconf.k if "deepconf" in faithful.estimators else 0
        return replace(
            faithful.traces,
            states=sorted({*faithful.traces.states, *needed}),
            alternatives=max(faithful.traces.alternatives, k),
        )

    def _head(self, shared: SharedModel | None) -> Artifact | None:
        """The model's head, if it will be needed."""
        if shared is None or "stability" not in self.faithful.estimators:
            return None
        run = self.job.run_settings
        return self.job.keep(shared.head_artifact(run), lambda: shared.save_head(run, run_device(run)))


def _check_scores(config: DecisivenessConfig, places: int) -> None:
    """Refuse scores made elsewhere that do not say whose they are, where there are several runs."""
    if config.name == "external" and places > 1 and not names_places(config.path or ""):
        raise expected(
            f"the scores of {config.path}",
            f"with columns model, dataset and prompt, as there are {places} runs",
            "without",
            "Add them, or score one run at a time.",
        )


def run_faithful(config: FaithfulConfig, settings: Mapping[str, Any], run: Run) -> Path | None:
    """Run the faithful system, see `FaithfulPipeline`."""
    asked = None if set(STAGES) <= set(config.stages) else config.stages
    return FaithfulPipeline(config, settings, Job(run, asked)).run()
