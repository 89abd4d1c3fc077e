"""Write down what the stages have found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ccps.methods import METHODS
from ccps.metrics import CONVENTIONS
from ccps.report import Fact, ReportData, parse_claims, write_report
from ccps.stages import gather
from ccps.stages.config import Config
from ccps.stages.counts import count_all
from ccps.stages.runs import OWN, Count, ModelRun, all_tests, reference_of
from ccps.stages.stage import Stage, Work


class ReportStage(Stage):
    """Writes tables, figures, `report.html`, `claims.json`, `costs.csv` and `run.json`."""

    name = "report"
    unit = "reports"

    def __init__(
        self,
        runs: Sequence[ModelRun],
        left_out: Sequence[Count],
        reused: set[Path],
        config: Config,
        settings: Mapping[str, Any],
        made: Any,
    ) -> None:
        super().__init__()
        self.runs = list(runs)
        self.left_out = list(left_out)
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
            "artifacts": [artifact.key for run in self.runs for _, artifact in run.artifacts()],
            "left_out": self.left_out,
            "settings": self.settings,
            "made": self.made,
        }

    def plan(self) -> Sequence[Sequence[Work]]:
        """One report."""
        return [[Work(None)]]

    def step(self, content: None) -> ReportData:
        """Gather the data."""
        convention = self.config.evaluation.convention
        methods = [method.name for method in self.config.method.values()]
        return ReportData(
            title=f"CCPS · {self.config.experiment}",
            question=(
                "Does a small probe that reads how a language model's answer holds up under perturbation know when "
                "the answer is right, and does it know better than the model's own probability does?"
            ),
            results=gather.results(self.runs, lambda name: name == convention),
            results_other=gather.results(self.runs, lambda name: name != convention),
            scores=gather.scores(self.runs),
            differences=gather.differences(self.runs),
            costs=gather.costs(self.runs, self.reused),
            counts=count_all(self.runs, self.left_out, convention, self.config.grader),
            agreement=gather.agreements(self.runs, self.config.evaluation.level),
            disagreements=gather.disagreements(self.runs),
            run=self._run(),
            facts=self._facts(),
            reference=reference_of(methods),
            own_method=OWN if OWN in methods else None,
            method_labels={name: method.label for name, method in METHODS.items()},
            convention=convention,
            convention_notes=_convention_notes(),
            mode=self._modes(),
            level=self.config.evaluation.level,
            curves=gather.curves(self.runs),
            examples=gather.examples(self.runs),
            claims=parse_claims(self.config.claims) if self.config.claims else None,
        )

    def save_shard(self, outputs: list[ReportData], folder: Path) -> Mapping[str, float]:
        """Write all files of the report."""
        write_report(outputs[0], folder)
        return {"n": 1}

    def _facts(self) -> list[Fact]:
        train = self.runs[0].train
        n_sources = len({question.source for question in train.questions})
        facts = [
            Fact("Language models", ", ".join(run.model for run in self.runs)),
            Fact("Training questions", f"{len(train.questions):,} from {n_sources} benchmarks"),
        ]
        for test in self.runs[0].tested:
            subjects = len({question.subject for question in test.side.questions})
            facts.append(
                Fact(
                    f"Test questions, {test.side.label}",
                    f"{len(test.side.questions):,} of {subjects} subjects",
                )
            )
        for run, test in all_tests(self.runs):
            accuracy, grader = float(test.side.labels.summary["accuracy"]), next(iter(test.side.grades))
            right = f"{accuracy:.1%} of answers right, by the grader {grader}"
            facts.append(Fact(f"{run.model} on {test.side.label}", right))
        radius = f"radius {self.config.perturbation.radius:g} in {self.config.perturbation.steps} steps"
        facts.append(Fact("Perturbation", radius))
        facts.append(Fact("Probes", f"one for each of {len(self.config.seeds)} seeds"))
        return facts

    def _run(self) -> dict[str, Any]:
        inputs: dict[str, list[str]] = {}
        for run in self.runs:
            for label, artifact in run.artifacts():
                inputs.setdefault(f"{run.model}/{label}/{artifact.stage}", []).append(artifact.key)
        models = {run.model: run.train.answers.inputs["model"] for run in self.runs}
        return {
            "config": self.settings,
            "seeds": list(self.config.seeds),
            "input_hashes": {"models": models, "artifacts": inputs},
            **self.made,
        }

    def _modes(self) -> str:
        """Every choice between the released way and another, by name."""
        asked, probe = self.config.answering, self.config.probe
        return ", ".join(
            [
                f"prompt {asked.prompt}",
                *([f"answers {asked.method}"] if self.runs[0].train.format == "mc" else []),
                f"grader {next(iter(self.config.grader))}",
                f"checkpoint {probe.checkpoint}",
                f"never_flips {probe.never_flips}",
                *([f"padding {probe.encoder.padding}"] if probe.encoder.kernels else []),
            ]
        )


def _convention_notes() -> dict[str, str]:
    notes = {name: convention.description for name, convention in CONVENTIONS.items()}
    pooled = {
        f"pooled {name}": f"{text}; over all questions, not averaged over subjects" for name, text in notes.items()
    }
    return notes | pooled
