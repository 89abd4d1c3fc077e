"""The whole experiment, stage by stage: for each model, fit probes and judge them on every benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ccps.artifacts import Artifact
from ccps.console import say
from ccps.data.benchmarks import load_questions
from ccps.data.records import Question
from ccps.data.sampling import deduplicate, sample
from ccps.errors import UserError, expected
from ccps.grading import make_grader
from ccps.interview import Manner
from ccps.llm import find_model
from ccps.methods import TrainedMethod, TrainingSettings, find_method
from ccps.probes import FittedProbe
from ccps.scorer import ConfidenceScorer, ScorerSettings
from ccps.stages.answer import AnswerStage
from ccps.stages.config import STAGES, Config
from ccps.stages.evaluate import EvaluateStage, Scored
from ccps.stages.extract import ExtractStage
from ccps.stages.fit import FitStage
from ccps.stages.grade import GradeStage
from ccps.stages.model import SharedModel
from ccps.stages.provenance import provenance
from ccps.stages.publish import check_writable, copy_report, forget_others, output_errors
from ccps.stages.report import ReportStage
from ccps.stages.runs import REFERENCE, Count, ModelRun, Side, Tested, reference_of
from ccps.stages.score import ScoreStage
from ccps.stages.self_evaluate import SelfEvaluateStage
from ccps.stages.stage import Run, Stage, run_device, run_stage

TRAIN = "train"


class Pipeline:
    """Runs the stages of an experiment; what is complete is found again, what is missing is computed.

    Args:
        config: the experiment.
        settings: the same as plain values, printed in the report and mirrored to W&B.
        run: where artifacts lie, and the logger.
    """

    def __init__(self, config: Config, settings: Mapping[str, Any], run: Run) -> None:
        self.config = config
        self.settings = settings
        self.run_settings = run
        self.methods = [find_method(method.name) for method in config.method.values()]
        self.reused: set[Path] = set()
        self.last = max(STAGES.index(stage) for stage in config.stages)

    def run(self) -> Path | None:
        """Run everything that is asked for.

        Returns:
            The folder with the report, or None if the report stage was not asked for.

        Raises:
            UserError: see each stage; or an earlier stage is missing that was not asked for.
        """
        output = Path(self.config.paths.output)
        if not self._ends_with("evaluate"):
            check_writable(output)
        questions, left_out = self._questions()
        runs = [self._model_run(name, questions) for name in self.config.model]
        if self._ends_with("evaluate"):
            return None
        complete = [run for run in runs if run is not None]
        stage = ReportStage(complete, left_out, self.reused, self.config, self._printed_settings(), provenance())
        artifact = self._do(stage)
        files = copy_report(artifact, output)
        for run in complete:
            with output_errors(output):
                files += self._save_scorer(run, output / "scorers" / run.model)
        forget_others(output, files)
        say("output", self.config.experiment, f"open {output / 'report.html'}", state="written")
        return output

    def _questions(self) -> tuple[dict[str, list[Question]], list[Count]]:
        """Load and sample all questions; leave out of training what stands in a test."""
        sampling = self.config.sampling
        tests = {name: load_questions(spec) for name, spec in self.config.test.items()}
        sources = {name: load_questions(spec) for name, spec in self.config.train.items()}
        questions = {
            name: sample(
                loaded.questions,
                per_subject=sampling.test_per_subject,
                order=sampling.order,  # type: ignore[arg-type]
                seed=sampling.seed,
            )
            for name, loaded in tests.items()
        }
        # What a test holds beyond its sample counts too: the training set must not depend on the sample's size.
        kept, dropped = deduplicate(
            [question for loaded in sources.values() for question in loaded.questions],
            [question for loaded in tests.values() for question in loaded.questions],
        )
        questions[TRAIN] = sample(
            kept,
            total=sampling.train_total,
            order=sampling.order,  # type: ignore[arg-type]
            seed=sampling.seed,
            remainder=sampling.remainder,  # type: ignore[arg-type]
        )
        sizes = ", ".join(f"{len(group):,} {name}" for name, group in questions.items())
        say(
            "questions",
            self.config.experiment,
            f"{sizes}; {len(dropped)} training candidates stand in a test: left out",
        )
        _check_questions(questions, len(dropped), judged=not self._ends_with("score"))
        left_out = [Count("training questions left out", len(dropped), "their text stands in a test benchmark too")]
        left_out += [
            Count(f"records left out of {name}", number, reason)
            for name, loaded in (sources | tests).items()
            for reason, number in loaded.left_out.items()
        ]
        return questions, left_out

    def _model_run(self, name: str, questions: Mapping[str, Sequence[Question]]) -> ModelRun | None:
        config = self.config
        model = SharedModel(find_model(name, config.model[name]))
        labels = [TRAIN, *config.test]
        answers = {
            label: self._do(
                AnswerStage(questions[label], label, model, self._manner(name), config.answering.shard_questions)
            )
            for label in labels
        }
        # The head is kept too, so that nothing after this needs the model.
        head = model.save_head(self.run_settings, run_device(self.run_settings))
        if self._ends_with("answer"):
            return None
        asked = self._self_evaluations(model, answers, questions)
        model.release()
        if self._ends_with("self_evaluate"):
            return None
        where = {label: f"{label}, {name}" for label in labels}
        grades = {label: self._grades(answers[label], questions[label], where[label]) for label in labels}
        if self._ends_with("grade"):
            return None
        features = {label: self._features(answers[label], head, where[label]) for label in labels}
        if self._ends_with("extract"):
            return None
        sides = {
            label: Side(label, questions[label], answers[label], grades[label], features[label], asked.get(label))
            for label in labels
        }
        trained = self._train(name, sides[TRAIN], head)
        if self._ends_with("fit"):
            return None
        scored = {label: self._scores(sides[label], name, head, trained) for label in config.test}
        if self._ends_with("score"):
            return None
        reference = reference_of(method.name for method in self.methods)
        tested = [
            Tested(
                sides[label],
                scored[label],
                self._do(EvaluateStage(scored[label], sides[label].labels, where[label], reference, config.evaluation)),
            )
            for label in config.test
        ]
        return ModelRun(name, head, sides[TRAIN], trained, tested)

    def _grades(self, answers: Artifact, questions: Sequence[Question], where: str) -> dict[str, Artifact]:
        """The answers graded by every grader, the one that decides first.

        Raises:
            UserError: that one knows of no answer whether it is right.
        """
        kept = Path(self.config.paths.artifacts) / "judgements"
        grades = {
            name: self._do(GradeStage(answers, questions, where, make_grader(grader, kept)))
            for name, grader in self.config.grader.items()
        }
        deciding, labels = next(iter(grades.items()))
        if "accuracy" not in labels.summary:
            raise expected(
                f"the grader `{deciding}`",
                f"able to say of some answer whether it is right ({where})",
                ", ".join(f"{name}: {number}" for name, number in labels.summary.items() if name.startswith("unknown")),
                "Name another grader first.",
            )
        return grades

    def _manner(self, model: str) -> Manner:
        """How questions are put to a model."""
        answering = self.config.answering
        return Manner(
            choice=answering.method,  # type: ignore[arg-type]
            prompt=answering.prompt,  # type: ignore[arg-type]
            max_new_tokens=answering.max_new_tokens,
            system_role=self.config.model[model].system_role,  # type: ignore[arg-type]
            max_batch_tokens=answering.max_batch_tokens,
        )

    def _save_scorer(self, run: ModelRun, folder: Path) -> list[Path]:
        """Write the probe of the first seed as a scorer that users load, and return its files."""
        probes = run.trained.get(REFERENCE, {})
        if not probes:
            return []
        settings = ScorerSettings(
            model_name=run.model,
            model=self.config.model[run.model],
            fingerprint=run.train.answers.inputs["model"],
            radius=self.config.perturbation.radius,
            steps=self.config.perturbation.steps,
            format=run.train.format,
            manner=self._manner(run.model),
        )
        probe = FittedProbe.load(probes[self.config.seeds[0]].path("probe.json").parent)
        ConfidenceScorer(probe, settings).save(folder)
        return [path for path in folder.rglob("*") if path.is_file()]

    def _self_evaluations(
        self, model: SharedModel, answers: Mapping[str, Artifact], questions: Mapping[str, Sequence[Question]]
    ) -> dict[str, Artifact]:
        """What the model says of its answers to the test questions, if any method reads it (none is trained on it)."""
        needed = any("self_evaluation" in method.needs for method in self.methods)
        # Only scores need it: a run that ends before them need not name the stage.
        if not needed or (self._ends_with("fit") and "self_evaluate" not in self.config.stages):
            return {}
        manner, size = self._manner(model.name), self.config.answering.shard_questions
        return {
            label: self._do(SelfEvaluateStage(answers[label], questions[label], label, model, manner, size))
            for label in self.config.test
        }

    def _features(self, answers: Artifact, head: Artifact, where: str) -> dict[str, Artifact]:
        """Features along every direction that a method reads."""
        directions = dict.fromkeys(method.direction for method in self.methods)
        return {
            direction: self._do(ExtractStage(answers, head, where, self.config.perturbation, direction))
            for direction in directions
        }

    def _train(self, model: str, train: Side, head: Artifact) -> dict[str, dict[int, Artifact]]:
        """Every trained method from every seed."""
        config = self.config
        settings = TrainingSettings(config.probe, config.state_probe, config.perturbation.radius)
        return {
            method.name: {seed: self._do(FitStage(method, train, head, model, settings, seed)) for seed in config.seeds}
            for method in self.methods
            if isinstance(method, TrainedMethod)
        }

    def _scores(
        self, side: Side, model: str, head: Artifact, trained: Mapping[str, Mapping[int, Artifact]]
    ) -> list[Scored]:
        scored = []
        for method in self.methods:
            by_seed: Mapping[int, Artifact] | dict[None, None] = trained.get(method.name, {None: None})
            for seed, fitted in by_seed.items():
                scored.append(Scored(method.name, seed, self._do(ScoreStage(method, side, head, fitted, model))))
        return scored

    def _do(self, stage: Stage) -> Artifact:
        """Run a stage, or find what it has left; a stage that was not asked for must have been run before."""
        artifact = stage.artifact(self.run_settings)
        if artifact.complete:
            self.reused.add(artifact.folder)
        elif stage.name not in self.config.stages:
            raise UserError(
                f"Expected the stage `{stage.name}` ({stage.title}) to have been run before, but got no complete "
                f"artifact at {artifact.folder}. Add `{stage.name}` to `stages`, or leave `stages` out to run all."
            )
        return run_stage(stage, self.run_settings)

    def _ends_with(self, stage: str) -> bool:
        """Whether nothing after this stage was asked for."""
        return self.last <= STAGES.index(stage)

    def _printed_settings(self) -> dict[str, Any]:
        """The settings without what does not bear on results: paths, logger, which stages ran."""
        return {key: value for key, value in self.settings.items() if key not in ("paths", "logger", "stages")}


def _check_questions(questions: Mapping[str, Sequence[Question]], dropped: int, *, judged: bool) -> None:
    """Refuse what would only fail after hours: no questions, or too few for intervals."""
    for label, group in questions.items():
        what = "the training questions" if label == TRAIN else f"the benchmark `{label}`"
        if not group:
            left_out = f" ({dropped} stand in a test and are left out)" if label == TRAIN else ""
            raise expected(what, "at least one question", f"none{left_out}", "Choose other benchmarks.")
        if judged and label != TRAIN and len(group) < 2:
            raise expected(what, "at least two questions, for intervals", "one", "Raise the number of test questions.")


def run_experiment(config: Config, settings: Mapping[str, Any], run: Run) -> Path | None:
    """Run an experiment (see `Pipeline`); the number of CPU threads is set first."""
    if config.trainer.threads is not None:
        torch.set_num_threads(config.trainer.threads)
    return Pipeline(config, settings, run).run()
