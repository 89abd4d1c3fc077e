"""The whole experiment, stage by stage: for each model, train methods and judge them on every benchmark."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ccps.core.artifacts import Artifact
from ccps.core.console import say, show
from ccps.llm import ModelConfig, ModelFiles, find_model
from ccps.methods import METHODS, Method, TrainedMethod, TrainingSettings, find_method
from ccps.needs.base import AnsweredQuestions, is_portable
from ccps.perturbation.ways import Way, chosen_way
from ccps.pipeline.job import Job, asked_of
from ccps.pipeline.model import SharedModel
from ccps.pipeline.order import Reads, check_order
from ccps.pipeline.provenance import provenance
from ccps.pipeline.publish import check_writable, copy_report, printed, publishing
from ccps.pipeline.stage import Run
from ccps.pipeline.trainer import run_device
from ccps.settings.experiment import STAGES, Config
from ccps.stages.main.answering import Answering
from ccps.stages.main.audit import AuditStage
from ccps.stages.main.choose import ChooseStage, candidates_of
from ccps.stages.main.evaluate import EvaluateStage
from ccps.stages.main.evaluate_chosen import EvaluateChosenStage
from ccps.stages.main.extract import ExtractStage
from ccps.stages.main.fit import BaseArtifacts, FitStage, check_some_fitted
from ccps.stages.main.mirrored import mirror_outcome
from ccps.stages.main.out_of_fold import OutOfFoldStage
from ccps.stages.main.questions import AllQuestions, all_questions
from ccps.stages.main.report import ReportStage
from ccps.stages.main.runs import REFERENCE, MethodScores, ModelAnswers, ModelRun, Side, Tested
from ccps.stages.main.score import ScoreStage
from ccps.stages.main.scorers import save_scorers
from ccps.stages.main.shifts import ShiftsStage

READS: Reads = {
    **dict.fromkeys(("grade", "options", "option_radius", "sample", "verbalise", "reference", "extract"), ("answer",)),
    "tune": ("answer", "grade"),
    "ask_tuned": ("tune",),
    **dict.fromkeys(("fit", "out_of_fold", "score", "shifts"), ("extract", "grade")),
    "choose": ("out_of_fold",),
    "evaluate": ("score",),
    "audit": ("fit",),
    "report": ("evaluate",),
}
"""What every stage of the job reads, whichever methods are chosen."""


class Pipeline:
    """The stages of an experiment, in their order.

    Args:
        config: the experiment.
        settings: the same as plain values, printed in the report and mirrored to W&B.
        job: takes in the stages.
        find: finds a model by its name and settings.
    """

    def __init__(
        self,
        config: Config,
        settings: Mapping[str, Any],
        job: Job,
        find: Callable[[str, ModelConfig], ModelFiles] = find_model,
    ) -> None:
        self.config = config
        self.settings = settings
        self.job = job
        self.find = find
        self.methods = [find_method(method.name, method.calibrator) for method in config.method.values()]

    def run(self) -> Path | None:
        """Run everything that is asked for.

        Returns:
            The folder with the report, or None if the report stage was not asked for.

        Raises:
            UserError: see each stage; or an earlier stage is missing that was not asked for.
        """
        output = Path(self.config.paths.output)
        job, ranks = self.job, self.job.run_settings.ranks
        if self.config.paths.store is None:  # of what lies in a store the job finds out
            ranks.together(lambda: check_order(self.config.stages, READS, self.config.paths.folder))
        if job.asks(ReportStage):
            ranks.on_first(lambda: check_writable(output))
        judged = job.asks(EvaluateStage, AuditStage, ReportStage)
        questions = ranks.node_by_node(lambda: all_questions(self.config, judged=judged))
        report, runs = self.lay_out(questions)
        job.run()
        if not job.asks(ReportStage):
            return None
        ranks.on_first(lambda: self._publish(report, runs, output))
        return output

    def lay_out(self, questions: AllQuestions) -> tuple[Artifact, list[ModelRun]]:
        """Give all stages to the job; returns the report that is to be, and what it is made of."""
        job, ranks = self.job, self.job.run_settings.ranks
        runs = [self._model_run(name, questions) for name in self.config.model]
        fits = {
            f"{run.model}, {form}, {method}": fitted
            for run in runs
            for form, by_method in run.trained.items()
            for method, fitted in by_method.items()
        }
        job.then(lambda: ranks.together(lambda: check_some_fitted(fits)), list(fits.values()))
        stage = ReportStage(runs, questions, job.reused, self.config, printed(self.settings), provenance())
        return job.add(stage), runs

    def _publish(self, report: Artifact, runs: list[ModelRun], output: Path) -> None:
        with publishing(output) as folder:
            copy_report(report, folder)
            for run in runs:
                save_scorers(run, self.config, folder / "scorers" / run.model)
        mirror = self.job.run_settings.mirror
        if mirror is not None and mirror.run is not None:
            formats = {run.model: list(run.trains) for run in runs}
            mirror_outcome(mirror.run, output, self.config.experiment, formats)
        show((output / "claims.txt").read_text(encoding="utf-8"))
        say("output", self.config.experiment, f"open {output / 'report.html'}", state="written")

    def answers(self, name: str, questions: AllQuestions) -> ModelAnswers:
        """What one model answers, graded, with whatever else methods need from it."""
        files = self.job.run_settings.ranks.node_by_node(lambda: self.find(name, self.config.model[name]))
        model = SharedModel(files, self.config.engine)
        answers = Answering(self.job, model, questions, self.methods, self.config).run()
        self.job.then(model.release)
        return answers

    def _model_run(self, name: str, questions: AllQuestions) -> ModelRun:
        answers = self.answers(name, questions)
        head = answers.head
        trains = {form: self._side(answers, one) for form, one in answers.trains.items()}
        tests = {label: self._side(answers, one) for label, one in answers.tests.items()}
        learnt = {form: self._train(name, side, head) for form, side in trains.items()}
        trained = {form: fitted for form, (fitted, _) in learnt.items()}
        out_of_fold = {form: found for form, (_, found) in learnt.items()}
        choices = self._choose(name, trains, head, trained, out_of_fold)
        scored = {label: self._scores(side, name, head, trained.get(side.format, {})) for label, side in tests.items()}
        tested = [self._judge(side, scored[label], name, choices.get(side.format)) for label, side in tests.items()]
        audits = {
            form: self._audit(answers, train, list(tests.values()), trained[form])
            for form, train in trains.items()
            if REFERENCE in {method.name for method in self.methods}
        }
        shifts = {form: self._shifts(train, answers) for form, train in trains.items() if self.config.audit.shifts}
        return ModelRun(answers, trains, trained, out_of_fold, choices, tested, audits, shifts)

    def _side(self, answers: ModelAnswers, answered: AnsweredQuestions) -> Side:
        """Some of a model's answers with their features along every direction that a method reads."""
        directions = dict.fromkeys(method.direction for method in self.methods)
        where, perturbation = f"{answered.label}, {answers.model}", self.config.perturbation
        features: dict[str, Artifact] = {
            direction: self.job.add(
                ExtractStage(answered.answers, answers.head, where, perturbation, direction, self._way(answers.model))
            )
            for direction in directions
        }
        return answers.side(answered, features)

    def _way(self, model: str) -> Way:
        """How features of a model's head are computed where this job runs."""
        return chosen_way(self.config.model[model].dtype, run_device(self.job.run_settings))

    def training_settings(self, form: str) -> TrainingSettings:
        """How methods are trained on answers of a format."""
        config = self.config
        return TrainingSettings(
            getattr(config.probe, form),
            config.state_probe,
            config.perturbation.radius,
            config.litcab,
            getattr(config.paper_probe, form),
        )

    def _to_train(self, form: str) -> dict[TrainedMethod, Sequence[int]]:
        """Every method that is trained on a format, with its seeds; those that others are built on before these."""
        chosen = dict(zip(self.methods, self.config.method.values(), strict=True))
        asked = {
            method: self.config.seeds[: config.seeds]
            for method, config in chosen.items()
            if isinstance(method, TrainedMethod)
        }
        below = _bases(*asked)
        bases = {base: asked.get(base, self.config.seeds) for base in below if isinstance(base, TrainedMethod)}
        return {method: seeds for method, seeds in {**bases, **asked}.items() if form in method.formats}

    def _train(self, model: str, train: Side, head: Artifact) -> tuple[dict[str, Artifact], dict[str, Artifact]]:
        """Every trained method, from all seeds; and those that can be taken along, out of fold."""
        settings = self.training_settings(train.format)
        fitted, out_of_fold = dict[str, Artifact](), dict[str, Artifact]()
        for method, seeds in self._to_train(train.format).items():
            bases = [
                BaseArtifacts(base, fitted.get(base.name), out_of_fold.get(base.name))
                for base in _bases(method)
                if train.format in base.formats
            ]
            fitted[method.name] = self.job.add(FitStage(method, train, head, model, settings, seeds, bases))
            if is_portable(method):
                stage = OutOfFoldStage(method, train, head, model, settings, seeds, bases)
                out_of_fold[method.name] = self.job.add(stage)
        return fitted, out_of_fold

    def _choose(
        self,
        model: str,
        trains: Mapping[str, Side],
        head: Artifact,
        trained: Mapping[str, Mapping[str, Artifact]],
        out_of_fold: Mapping[str, Mapping[str, Artifact]],
    ) -> dict[str, Artifact]:
        """The best of the methods that can be taken along, by format; nothing where there is none, or nobody asks."""
        chosen = dict(zip(self.methods, self.config.method.values(), strict=True))
        choices = {}
        for form, train in trains.items():
            portable = [config for method, config in chosen.items() if is_portable(method) and form in method.formats]
            if not portable:
                continue
            candidates = candidates_of(portable, trained[form], out_of_fold[form])
            settings = self.training_settings(form)
            stage = ChooseStage(candidates, train, head, model, settings, self.config.evaluation)
            if self.job.asks(ChooseStage) or stage.artifact(self.job.run_settings).complete:
                choices[form] = self.job.add(stage)
        return choices

    def _scores(self, side: Side, model: str, head: Artifact, trained: Mapping[str, Artifact]) -> list[MethodScores]:
        return [
            MethodScores(method.name, self.job.add(ScoreStage(method, side, head, trained.get(method.name), model)))
            for method in self.methods
            if side.format in method.formats
        ]

    def _judge(self, side: Side, scored: list[MethodScores], model: str, choice: Artifact | None) -> Tested:
        where = f"{side.label}, {model}"
        rows = scored, side.labels, where, self.config.evaluation
        evaluation = self.job.add(EvaluateStage(*rows))
        chosen = self.job.add(EvaluateChosenStage(*rows, choice)) if choice else None
        return Tested(side, scored, evaluation, choice, chosen)

    def _audit(
        self, answers: ModelAnswers, train: Side, tests: Sequence[Side], trained: Mapping[str, Artifact]
    ) -> Artifact:
        return self.job.add(
            AuditStage(
                train,
                [side for side in tests if side.format == train.format],
                answers.head,
                trained[REFERENCE],
                answers.model,
                self.training_settings(train.format),
                self.config.seeds[0],
                self.config.audit,
                self.config.evaluation,
            )
        )

    def _shifts(self, train: Side, answers: ModelAnswers) -> Artifact:
        methods = [method for method in self.methods if train.format in method.formats]
        settings = self.training_settings(train.format)
        return self.job.add(ShiftsStage(methods, train, answers.head, answers.model, settings, self.config.seeds))


def _bases(*methods: TrainedMethod) -> list[Method | TrainedMethod]:
    """What some methods are built on, each once."""
    return [METHODS.find(name) for name in dict.fromkeys(name for method in methods for name in method.bases)]


def run_experiment(config: Config, settings: Mapping[str, Any], run: Run) -> Path | None:
    """Run an experiment, see `Pipeline`."""
    return Pipeline(config, settings, Job(run, asked_of(config.stages, STAGES))).run()
