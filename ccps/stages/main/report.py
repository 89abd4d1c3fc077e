"""Write down what the stages have found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ccps.analysis.claims import parse_claims
from ccps.analysis.data import ReportData, apart
from ccps.analysis.records import Fact, LeftOutMethod
from ccps.analysis.terms import FORMAT_NAMES
from ccps.core.text import listed, percent
from ccps.grading import GRADERS
from ccps.methods import METHODS, Method, TrainedMethod, find_method
from ccps.methods.comparison import CALIBRATOR
from ccps.metrics import CONVENTIONS
from ccps.metrics.aggregates import variant
from ccps.pipeline.stage import Stage, Work
from ccps.report.main.write import write_report
from ccps.settings.experiment import Config
from ccps.stages.main import gather
from ccps.stages.main.counts import count_all
from ccps.stages.main.evaluate import LEAST_ANSWERS
from ccps.stages.main.fit import why_unfitted
from ccps.stages.main.method_costs import method_costs
from ccps.stages.main.questions import AllQuestions
from ccps.stages.main.runs import CHANCE, OWN, UNTRAINED, ModelRun, Tested, all_tests, reference_of


class ReportStage(Stage):
    """Writes tables, figures, `report.html`, `claims.json`, `costs.csv` and `run.json`."""

    name = "report"
    version = 3
    unit = "reports"
    gathers = True

    def __init__(
        self,
        runs: Sequence[ModelRun],
        questions: AllQuestions,
        reused: set[Path],
        config: Config,
        settings: Mapping[str, Any],
        made: Any,
    ) -> None:
        super().__init__()
        self.runs = list(runs)
        self.questions = questions
        self.reused = reused
        self.config = config
        self.settings = settings
        self.made = made

    @property
    def title(self) -> str:
        """The experiment."""
        return self.config.experiment

    def inputs(self) -> Mapping[str, Any]:
        """Every artifact the report speaks of, and the settings it prints."""
        return {
            "artifacts": [artifact for run in self.runs for _, artifact in run.artifacts()],
            "left_out": self.questions.left_out,
            "overlaps": self.questions.overlaps,
            "settings": self.settings,
            "made": self.made,
        }

    def plan(self) -> Sequence[Sequence[Work]]:
        """One report."""
        return [[Work(None)]]

    def step(self, content: None) -> ReportData:
        """Gather the data."""
        convention = self.config.evaluation.convention
        chosen = [find_method(method.name, method.calibrator) for method in self.config.method.values()]
        methods = [method.name for method in chosen]
        taken_along = [find_method(one.name, CALIBRATOR) for one in self.config.method.values() if not one.calibrator]
        labels = {method.name: method.label for method in [*METHODS.values(), *taken_along, *chosen]}
        results, single_seeds = apart(gather.results(self.runs, leading=True))
        judged = [name for name in methods if name in set(results["method"])]
        return ReportData(
            title=f"CCPS · {self.config.experiment}",
            question=(
                "Does a small probe that reads how a language model's answer holds up under perturbation know when "
                "the answer is right, and does it know better than the model's own probability does?"
            ),
            results=results,
            single_seeds=single_seeds,
            results_other=apart(gather.results(self.runs, leading=False))[0],
            aggregates=gather.aggregates(self.runs, self.config.evaluation),
            scores=apart(gather.scores(self.runs))[0],
            costs=gather.costs(self.runs, self.reused),
            counts=count_all(self.runs, self.questions, convention, self.config.grader),
            agreement=gather.agreements(self.runs, self.config.evaluation.level),
            disagreements=gather.disagreements(self.runs),
            run=self._run(),
            facts=self._facts(),
            reference=reference_of(judged),
            own_method=OWN if OWN in judged else None,
            method_labels=labels,
            controls=[method.name for method in chosen if method.is_control],
            unfitted=[one.name for one in chosen if not isinstance(one, TrainedMethod) and not one.is_control],
            chance_control=CHANCE if CHANCE in judged else None,
            left_out_methods=self._left_out(chosen, labels),
            method_costs=method_costs(self.runs, list(self.config.method.values())),
            audit=gather.audit(self.runs, self.questions.overlaps),
            importance=gather.importance(self.runs),
            shifts=gather.shifts(self.runs),
            resamples=self.config.evaluation.resamples,
            resampling_seed=self.config.evaluation.seed,
            label_counts=self.config.evaluation.label_counts,
            label_draws=self.config.evaluation.label_draws,
            untrained=UNTRAINED,
            convention=convention,
            convention_notes=_convention_notes(),
            mode=self._modes(),
            level=self.config.evaluation.level,
            curves=gather.curves(self.runs),
            choice=gather.choice(self.runs),
            examples=gather.examples(self.runs),
            claims=parse_claims(self.config.claims),
        )

    def save_shard(self, outputs: list[ReportData], folder: Path) -> Mapping[str, float]:
        """Write all files of the report."""
        write_report(outputs[0], folder)
        return {"n": 1}

    def _facts(self) -> list[Fact]:
        facts = [Fact("Language models", ", ".join(run.model for run in self.runs))]
        for form, questions in self.questions.trains.items():
            sources = sorted({question.source for question in questions})
            name = f"Training questions, {FORMAT_NAMES[form]}"
            facts.append(Fact(name, f"{len(questions):,}, from {listed(sources)}"))
        for test in self.runs[0].tested:
            n_subjects = len({question.subject for question in test.side.questions})
            subjects = f", of {n_subjects:,} subjects" if n_subjects > 1 else ""
            facts.append(Fact(f"Test questions, {test.side.label}", f"{len(test.side.questions):,}{subjects}"))
        for run, test in all_tests(self.runs):
            accuracy, grader = float(test.side.labels.summary["accuracy"]), next(iter(test.side.grades))
            right = f"{percent(accuracy)} %, by the grader {grader}"
            facts.append(Fact(f"Right answers, {run.model} on {test.side.label}", right))
        radius = f"up to a radius of {self.config.perturbation.radius:g}, in {self.config.perturbation.steps} steps"
        facts.append(Fact("Perturbation", radius))
        facts.append(Fact("Seeds of what starts at random", listed([str(seed) for seed in self.config.seeds])))
        return facts

    def _run(self) -> dict[str, Any]:
        inputs: dict[str, list[str]] = {}
        for run in self.runs:
            for label, artifact in run.artifacts():
                inputs.setdefault(f"{run.model}/{label}/{artifact.stage}", []).append(artifact.key)
        models = {run.model: run.answers.head.inputs["model"] for run in self.runs}
        return {
            "config": self.settings,
            "seeds": list(self.config.seeds),
            "input_hashes": {"models": models, "artifacts": inputs},
            **self.made,
        }

    def _modes(self) -> str:
        """Every choice between the released way and another, by name."""
        asked, formats = self.config.answering, list(self.questions.trains)
        deciding = {
            form: next(name for name, one in self.config.grader.items() if form in GRADERS[one.name].formats)
            for form in formats
        }
        probes = {form: getattr(self.config.probe, form) for form in formats}
        return ", ".join(
            [
                f"prompt {asked.prompt}",
                *([f"answers {asked.method}"] if "mc" in formats else []),
                *(f"grader of {form} {name}" for form, name in deciding.items()),
                *(f"checkpoint of {form} {probe.checkpoint}" for form, probe in probes.items()),
                *(f"never_flips of {form} {probe.never_flips}" for form, probe in probes.items()),
                *(f"padding {probe.encoder.padding}" for probe in probes.values() if probe.encoder.kernels),
            ]
        )

    def _left_out(self, chosen: Sequence[Method | TrainedMethod], labels: Mapping[str, str]) -> list[LeftOutMethod]:
        """Every method that some table of the report lacks, and why."""
        unfitted = [
            LeftOutMethod(labels[name], f"it could not be fitted to the {form} answers of {run.model}: {reason}")
            for run in self.runs
            for form, by_method in run.trained.items()
            for name, fitted in by_method.items()
            if (reason := why_unfitted(fitted))
        ]
        not_run = _not_run([method.name for method in chosen])
        return [*not_run, *self._of_one_format(chosen), *unfitted, *self._silent(labels)]

    def _of_one_format(self, chosen: Sequence[Method | TrainedMethod]) -> list[LeftOutMethod]:
        """Every method that was run, and cannot score the answers to some of the tests."""
        formats = {test.side.label: test.side.format for _, test in all_tests(self.runs)}
        beyond = {
            method.label: [name for name, form in formats.items() if form not in method.formats] for method in chosen
        }
        return [
            LeftOutMethod(label, f"it is not for questions as those of {', '.join(names)}")
            for label, names in beyond.items()
            if names
        ]

    def _silent(self, labels: Mapping[str, str]) -> list[LeftOutMethod]:
        """Every method that had too little to say of the answers to a test."""
        return [
            LeftOutMethod(
                labels[item.method],
                f"it scored {item.scores.summary['scored'] or 'no'} answer of {run.model} to {test.side.label}",
            )
            for run, test in all_tests(self.runs)
            for item in test.scored
            if item.scores.summary["scored"] < LEAST_ANSWERS and not _is_unfitted(run, test, item.method)
        ]


def _is_unfitted(run: ModelRun, test: Tested, method: str) -> bool:
    fitted = run.trained.get(test.side.format, {}).get(method)
    return fitted is not None and bool(why_unfitted(fitted))


def _not_run(chosen: Sequence[str]) -> list[LeftOutMethod]:
    """Every method that was not run."""
    return [
        LeftOutMethod(method.label, f"not asked for{f', as it takes {method.takes}' if method.takes else ''}")
        for name, method in METHODS.items()
        if name not in chosen
    ]


def _convention_notes() -> dict[str, str]:
    notes = {name: convention.description for name, convention in CONVENTIONS.items()}
    pooled = {
        variant(name, "pooled"): f"{text}; over all questions, not averaged over subjects"
        for name, text in notes.items()
    }
    return notes | pooled
