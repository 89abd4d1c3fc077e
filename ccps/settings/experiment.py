"""An experiment: the shape of what `conf/config.yaml` composes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ccps.core.fields import LARGEST_SEED, MISSING, setting
from ccps.core.settings import NAMES, Fault, fault, is_name, shown
from ccps.settings.answering import AnsweringConfig
from ccps.settings.audit import AuditConfig
from ccps.settings.benchmark import BenchmarkSpec
from ccps.settings.engine import EngineConfig, vllm_faults
from ccps.settings.evaluation import EvaluationConfig
from ccps.settings.grading import GraderConfig
from ccps.settings.litcab import LitCabConfig
from ccps.settings.method import MethodConfig
from ccps.settings.model import ModelConfig
from ccps.settings.perturbation import PerturbationConfig
from ccps.settings.probe import ProbesConfig
from ccps.settings.questions import QuestionSampling
from ccps.settings.run import LoggerConfig, PathsConfig, TrainerConfig, spread_faults
from ccps.settings.samples import SamplesConfig
from ccps.settings.sharing import RUN_ON, RUN_ON_HELP, WAIT_HELP, WORKER_HELP, RayConfig, sharing_faults
from ccps.settings.state_probe import StateProbeConfig
from ccps.settings.tuning import TuningConfig

STAGES = (
    "answer",
    "grade",
    "options",
    "option_radius",
    "permute",
    "sample",
    "verbalise",
    "reference",
    "tune",
    "ask_tuned",
    "extract",
    "fit",
    "out_of_fold",
    "choose",
    "score",
    "evaluate",
    "audit",
    "shifts",
    "report",
)
# A training benchmark of each format, to name in messages.
_FOR_TRAINING = {"mc": "arc_easy", "oe": "trivia_qa"}

# Nothing is learnt of a single answer.
_FEWEST = 2


@dataclass
class Config:
    """An experiment: which models, trained and tested on what, judged how."""

    experiment: str = setting(MISSING, "name of the experiment")
    stages: list[str] = setting(
        list(STAGES), "which stages to run; those left out must have been run before", not_empty=True
    )
    seeds: list[int] = setting(
        [23],
        "every method that learns is trained from each",
        at_least=0,
        at_most=LARGEST_SEED,
        different=True,
        not_empty=True,
    )
    model: dict[str, ModelConfig] = setting({}, "language models by key", not_empty=True)
    train: dict[str, BenchmarkSpec] = setting(
        {}, "benchmarks whose questions methods are trained on; both formats may be among them", not_empty=True
    )
    test: dict[str, BenchmarkSpec] = setting(
        {}, "benchmarks they are tested on, each after training on the questions of its own format", not_empty=True
    )
    sampling: QuestionSampling = setting(QuestionSampling)
    answering: AnsweringConfig = setting(AnsweringConfig)
    engine: EngineConfig = setting(EngineConfig)
    grader: dict[str, GraderConfig] = setting(
        {},
        "what says whether an answer is right; of those that know a format the first one decides, the others "
        "are compared with it",
        not_empty=True,
    )
    perturbation: PerturbationConfig = setting(PerturbationConfig)
    probe: ProbesConfig = setting(ProbesConfig)
    paper_probe: ProbesConfig = setting(ProbesConfig)
    state_probe: StateProbeConfig = setting(StateProbeConfig)
    method: dict[str, MethodConfig] = setting({}, "confidence methods of the comparison", not_empty=True)
    samples: SamplesConfig = setting(SamplesConfig)
    tuning: TuningConfig = setting(TuningConfig)
    litcab: LitCabConfig = setting(LitCabConfig)
    claims: dict[str, Any] = setting(
        {}, "published figures that a comparable run is held against, by the name of the set; empty for none"
    )
    audit: AuditConfig = setting(AuditConfig)
    evaluation: EvaluationConfig = setting(EvaluationConfig)
    trainer: TrainerConfig = setting(TrainerConfig)
    worker: str | None = setting(None, WORKER_HELP)
    worker_wait: float = setting(0.0, WAIT_HELP, at_least=0, at_most=10_080)
    run_on: str = setting("here", RUN_ON_HELP, one_of=RUN_ON)
    ray: RayConfig = setting(RayConfig)
    logger: LoggerConfig = setting(LoggerConfig)
    paths: PathsConfig = setting(PathsConfig)

    @property
    def trained(self) -> set[str]:
        """The formats of the training benchmarks."""
        return {spec.format for spec in self.train.values()}

    @property
    def tested(self) -> set[str]:
        """The formats of the test benchmarks."""
        return {spec.format for spec in self.test.values()}

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        if not is_name(self.experiment):
            yield fault("experiment", "one of the " + NAMES, shown(self.experiment))
        yield from self._benchmark_faults()
        chosen = [(method.name, method.calibrator) for method in self.method.values()]
        for one in sorted({one for one in chosen if chosen.count(one) > 1}, key=str):
            yield fault("method", "to hold each method once", f"`{one[0]}` {chosen.count(one)} times")
        if "oe" in self.tested and not self.probe.oe.encoder.kernels:
            wanted, got = "to read all tokens of open-ended answers", "a probe that reads one"
            yield fault("probe.oe", wanted, got, "choose probe@probe.oe=oe_released")
        yield from spread_faults(self.model, self.trainer)
        yield from sharing_faults(self.worker, self.run_on, self.trainer, self.ray)
        if self.engine.name == "vllm":
            yield from vllm_faults(self.model, self.trainer, {"samples.temperature": self.samples.temperature})

    def _benchmark_faults(self) -> Iterator[Fault]:
        for side, specs in (("train", self.train), ("test", self.test)):
            names = [spec.name for spec in specs.values()]
            for name in sorted({name for name in names if names.count(name) > 1}):
                yield fault(side, "to give each benchmark a `name` of its own", f"`{name}` more than once")
        for form in sorted(self.tested - self.trained) if self.train else ():
            others = ", ".join(self.train)
            way_out = f"add one, for instance benchmark@train=[{_FOR_TRAINING[form]}]"
            wanted, got = "to have a benchmark of every format that is tested", f"none of format {form} ({others})"
            yield fault("train", wanted, got, way_out)
        yield from self._sampling_faults()
        graders = [grader.name for grader in self.grader.values()]
        for side, specs in (("train", self.train), ("test", self.test)):
            for key, spec in specs.items():
                if spec.given_label and graders and "given" not in graders:
                    way_out = f"put it first to use them, or set `{side}.{key}.given_label=null`"
                    wanted = f"to have given among others, as `{side}.{key}` has labels of its own"
                    yield fault("grader", wanted, ", ".join(graders), way_out)

    def _sampling_faults(self) -> Iterator[Fault]:
        """Fewer training questions than there are benchmarks to take them from."""
        total = self.sampling.train_total
        if total is None:
            return
        for form in sorted(self.tested):
            sources = [name for name, spec in self.train.items() if spec.format == form and not spec.is_own]
            if len(sources) > total or (sources and total < _FEWEST):
                wanted = f"at least {max(len(sources), _FEWEST)}, one for each training benchmark of format {form}"
                way_out = "raise it, or choose fewer with benchmark@train=[…]" if len(sources) > 1 else "raise it"
                yield fault("sampling.train_total", wanted, total, way_out)
