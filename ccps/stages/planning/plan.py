"""The three jobs, laid out as for a run and counted instead of run."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ccps.core.artifacts import Artifact
from ccps.core.keys import own_name
from ccps.core.text import listed
from ccps.llm import ModelFiles
from ccps.perturbation import Grid
from ccps.pipeline.costs import total_cost
from ccps.pipeline.job import Job, asked_of
from ccps.pipeline.model import SharedModel
from ccps.pipeline.provenance import provenance
from ccps.pipeline.publish import printed
from ccps.pipeline.run import opened_store
from ccps.pipeline.stage import Run
from ccps.plan.device import PREDICTED, Device
from ccps.plan.table import BEGUN, FOUND, MISSING, Plan, Row
from ccps.settings.experiment import STAGES, Config
from ccps.settings.faithful.run import STAGES as FAITHFUL_STAGES
from ccps.settings.faithful.run import FaithfulConfig
from ccps.settings.model import ModelConfig
from ccps.settings.plan import PlanConfig
from ccps.settings.run import PathsConfig, TrainerConfig
from ccps.stages.faithful.pipeline import FaithfulPipeline
from ccps.stages.main.pipeline import Pipeline
from ccps.stages.main.runs import ModelAnswers
from ccps.stages.planning import from_states, learnt, traces  # noqa: F401 (they register what stages take)
from ccps.stages.planning.asked import loading
from ccps.stages.planning.job import Planned, PlannedJob
from ccps.stages.planning.questions import planned_questions, planned_task
from ccps.stages.planning.subject import Subject, find_subject
from ccps.stages.planning.taken import HOST_BYTES, QUESTIONS_OF, Known, taken
from ccps.stages.sweep.checks import Swept
from ccps.stages.sweep.pipeline import OWN_STAGES, FormatSweep, best_by, of_swept_formats
from ccps.stages.sweep.report import SweepReportStage
from ccps.stages.sweep.sources import above_chance

_ALL_SOURCES = (
    "the sweep leaves out sources on which a model is at chance; which these are is known once it has answered"
)
_NAMED = 4
"""Of so many benchmarks that could not be had each is named."""
_A_STRENGTH = "which strength is best is known once the grid is judged; another one takes as long"


class Planning(NamedTuple):
    """What a plan is made with.

    Attributes:
        settings: of the plan.
        device: what it is made for.
        shapes: models of known sizes, by the names of those they stand for.
    """

    settings: PlanConfig
    device: Device
    shapes: Mapping[str, ModelConfig]

    def subjects(self, models: Mapping[str, ModelConfig]) -> dict[str, Subject]:
        """The models of a job."""
        return {name: find_subject(name, config, self.shapes) for name, config in models.items()}


def plan_experiment(config: Config, settings: Mapping[str, Any], planning: Planning) -> Plan:
    """The plan of the main job.

    Args:
        config: the experiment.
        settings: the same as plain values, which the report prints.
        planning: what the plan is made with.

    Raises:
        UserError: as the job would, where settings or stages do not go together.
    """
    subjects, asked = planning.subjects(config.model), planned_questions(config, planning.settings.questions)
    job = PlannedJob(_run(config.paths), asked_of(config.stages, STAGES))
    Pipeline(config, settings, job, _finder(subjects)).lay_out(asked.questions)
    job.run()
    return _plan(job, planning, subjects, config.trainer, asked.assumed)


def plan_sweep(swept: Swept, settings: Mapping[str, Any], planning: Planning) -> Plan:
    """The plan of a sweep: of all sources, and of some strength as the best, where these are not known yet.

    Arguments as of `plan_experiment`.

    Raises:
        UserError: as the job would, where settings or stages do not go together.
    """
    config, sweep = swept
    subjects, asked = planning.subjects(config.model), planned_questions(config, planning.settings.questions)
    questions = of_swept_formats(asked.questions, sweep)
    job = PlannedJob(_run(config.paths), asked_of(config.stages, STAGES), OWN_STAGES)
    pipeline = Pipeline(config, settings, job, _finder(subjects))
    answers, notes = [pipeline.answers(name, questions) for name in config.model], list[str]()
    if sweep.at_chance == "leave_out":
        if all(_is_graded(own) for own in answers):
            answers = above_chance(answers, sweep.chance_level)
        else:
            notes.append(_ALL_SOURCES)
    sweeps = [FormatSweep(swept, own, form, job) for own in answers for form in own.trains]

    def choose(judged: Artifact, points: Sequence[Grid]) -> Grid:
        if judged.complete:
            return best_by(sweep.choose_by)(judged, points)
        notes.append(_A_STRENGTH)
        usual = Grid(float(config.perturbation.radius), config.perturbation.steps)
        return next((point for point in points if point != usual), usual)

    formats = [one.finals(choose) for one in sweeps]
    job.add(SweepReportStage(formats, [], [], swept, printed(settings), provenance()))
    job.run()
    return _plan(job, planning, subjects, config.trainer, asked.assumed, notes)


def plan_faithful(config: FaithfulConfig, settings: Mapping[str, Any], planning: Planning) -> Plan:
    """The plan of a run of the faithful system; arguments as of `plan_experiment`.

    Raises:
        UserError: as the job would, where settings or stages do not go together, or a file of traces is missing.
    """
    subjects, absent = planning.subjects(config.model), list[str]()
    job = PlannedJob(_run(config.paths), asked_of(config.stages, FAITHFUL_STAGES))
    load = planned_task(planning.settings.questions, absent)
    FaithfulPipeline(config, settings, job, _finder(subjects), load).lay_out()
    job.run()
    return _plan(job, planning, subjects, config.trainer, absent)


def _run(paths: PathsConfig) -> Run:
    objects = opened_store(paths)
    return Run(paths.folder, own=own_name("plan") if objects else "", objects=objects)


def _finder(subjects: Mapping[str, Subject]) -> Callable[[str, ModelConfig], ModelFiles]:
    return lambda name, _: subjects[name].files


def _is_graded(answers: ModelAnswers) -> bool:
    return all(side.labels.complete for side in [*answers.trains.values(), *answers.tests.values()])


def _plan(
    job: PlannedJob,
    planning: Planning,
    subjects: Mapping[str, Subject],
    trainer: TrainerConfig,
    assumed: Sequence[str],
    notes: Sequence[str] = (),
) -> Plan:
    known = Known(subjects, planning.settings, job.run_settings, assumed)
    heads = {_head_key(job, subject.files): name for name, subject in subjects.items()}
    rows = [_row(one, known, planning, trainer.processes, heads) for one in job.wanted()]
    words = planning.device.config.label
    settings = planning.settings
    return Plan(
        rows,
        words,
        trainer.processes,
        trainer.num_nodes,
        settings.price_per_hour,
        [*dict.fromkeys([*notes, *_idle(job), *_notes(rows, planning)])],
    )


def _idle(job: Job) -> list[str]:
    """What `stages` names and the run has not."""
    names = job.idle()
    return [f"nothing to do: {listed(names)}, named in `stages` and no part of this run"] if names else []


def _head_key(job: Job, files: ModelFiles) -> str:
    return SharedModel(files).head_artifact(job.run_settings).key


def _row(one: Planned, known: Known, planning: Planning, processes: int, heads: Mapping[str, str]) -> Row:
    device, stage = planning.device, one.stage
    found = loading(known, heads[one.artifact.key]) if stage is None else taken(stage, known)
    state = _state(one.artifact, planning.settings.times)
    shared = processes if stage is not None and stage.independent else 1
    multiplies = bool(found.work.parts)
    seconds = (device.seconds(found.work) + found.host_seconds) / shared
    host = HOST_BYTES if device.config.kind == "cpu" else 0.0
    return Row(
        model=found.model,
        benchmark=found.benchmark,
        stage=one.artifact.stage,
        states=Counter({state: 1}),
        tokens=found.tokens,
        seconds=0.0 if state == FOUND or not found.is_known else seconds,
        disk=one.artifact.n_bytes if state == FOUND else found.disk,
        memory=found.memory + host if found.memory else 0.0,
        is_predicted=multiplies and not device.is_measured(found.work),
        is_measured=multiplies and device.is_measured(found.work),
        unknown=int(not found.is_known),
        assumed=found.assumed,
        whole=seconds if found.is_known else 0.0,
        took=total_cost(one.artifact, "seconds") if state == FOUND and stage is not None else None,
    )


def _state(artifact: Artifact, times: int) -> str:
    """Whether an artifact is there; of a plan for more questions than there are, none is."""
    if times > 1:
        return MISSING
    if artifact.complete:
        return FOUND
    return BEGUN if artifact.has_shard(0) else MISSING


def _notes(rows: Sequence[Row], planning: Planning) -> list[str]:
    """What a reader of the plan must know."""
    notes = []
    if any(row.is_predicted for row in rows):
        shares = ", ".join(
            f"{kind} {share:g}" for kind, share in PREDICTED.items() if kind not in planning.device.config.efficiency
        )
        notes.append(
            f"predicted: shares of the peak that were not measured on this device, but are taken to be: {shares}"
        )
    assumed = dict.fromkeys(what for row in rows for what in row.assumed)
    if assumed:
        notes.append(f"assumed: {'; '.join(_shortened(list(assumed)))}")
    unknown = dict.fromkeys(row.stage for row in rows if row.unknown)
    if unknown:
        notes.append(
            f"not known, and in no sum: what {', '.join(unknown)} takes where an endpoint or another model is asked, "
            "or the sizes of a model are not known"
        )
    full = [row for row in rows if row.memory > planning.device.config.memory]
    if full:
        names = dict.fromkeys(row.model for row in full)
        notes.append(f"more than the device holds: {', '.join(names)} (device_map spreads a model over several)")
    return notes


def _shortened(assumed: Sequence[str]) -> list[str]:
    """What is assumed, with benchmarks counted where there are many."""
    absent = [what for what in assumed if what.startswith(QUESTIONS_OF)]
    if len(absent) <= _NAMED:
        return list(assumed)
    others = [what for what in assumed if what not in absent]
    return [*others, f"{QUESTIONS_OF}{len(absent)} benchmarks, {absent[0].removeprefix(QUESTIONS_OF)} among them"]
