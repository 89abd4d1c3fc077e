"""A run of the faithful system: the shape of what `conf/faithful.yaml` composes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from ccps.core.fields import LARGEST_COUNT, MISSING, setting
from ccps.core.settings import NAMES, Fault, fault, is_name, shown
from ccps.settings.engine import EngineConfig, vllm_faults
from ccps.settings.faithful.condition import PromptCondition
from ccps.settings.faithful.continuations import ContinuationSettings
from ccps.settings.faithful.decisiveness import DecisivenessConfig
from ccps.settings.faithful.estimators import DeepConfConfig, RccConfig, StabilityConfig
from ccps.settings.faithful.judge import JudgeChoice
from ccps.settings.faithful.rollouts import RolloutSettings
from ccps.settings.faithful.scoring import MODES, ScoringSettings
from ccps.settings.faithful.task import IN_BRACES, TaskSpec
from ccps.settings.faithful.traces import TraceFile, TraceSettings
from ccps.settings.model import ModelConfig
from ccps.settings.run import LoggerConfig, PathsConfig, TrainerConfig, spread_faults
from ccps.settings.sharing import RUN_ON, RUN_ON_HELP, WAIT_HELP, WORKER_HELP, RayConfig, sharing_faults

STAGES = ("trace", "read", "continue", "mark", "decide", "judge", "radii", "confidence", "faith", "faith_report")


@dataclass
class FaithfulSettings:
    """What is asked, and how steps and the model's confidence in them are told."""

    mode: str = setting(
        "strict", "`strict` does what is right, `parity` what the released code of arXiv 2606.03969 does", one_of=MODES
    )
    unit: str = setting("paragraph", "a step is a `paragraph` or a `sentence`", one_of=("paragraph", "sentence"))
    think_tag: str = setting(
        "auto", "who opens the thinking block, see `ccps.reasoning.messages`", one_of=("auto", "none", "user", "prompt")
    )
    estimators: list[str] = setting(
        ["deepconf", "rcc", "sampling", "stability"],
        "how the model's confidence in a step is told, see `ccps.estimators`",
        different=True,
        not_empty=True,
    )
    p_true: bool = setting(True, "whether the model is asked at the end whether its answer is right")
    dataset: dict[str, TaskSpec] = setting({}, "tasks by name")
    questions: int | None = setting(
        None, "the most of each dataset; null means as many as the task says", at_least=1, at_most=LARGEST_COUNT
    )
    prompt: dict[str, PromptCondition] = setting({}, "prompt conditions by name")
    files: dict[str, TraceFile] = setting({}, "traces made elsewhere, by name")
    rollouts: RolloutSettings = setting(RolloutSettings, "traces with what else was said at each step, made elsewhere")
    traces: TraceSettings = setting(TraceSettings, "how traces are generated")
    shard_traces: int = setting(
        8,
        "traces per shard, at least: what is lost when a run is killed. A batch is never split",
        at_least=1,
        at_most=1_000_000,
    )
    decisiveness: DecisivenessConfig = setting(DecisivenessConfig, "who judges the words")
    deepconf: DeepConfConfig = setting(DeepConfConfig)
    rcc: RccConfig = setting(RccConfig)
    sampling: ContinuationSettings = setting(ContinuationSettings, "how continuations of steps are drawn")
    judge: JudgeChoice = setting(JudgeChoice, "who compares continuations with the step")
    stability: StabilityConfig = setting(StabilityConfig)
    own: dict[str, Any] = setting({}, "settings of estimators that are not named here, by name")
    scoring: ScoringSettings = setting(ScoringSettings, "bins, intervals, baselines")

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        if self.scoring.mode != ScoringSettings.mode:
            yield fault("scoring.mode", "left out", repr(self.scoring.mode), "`faithful.mode` holds for everything")
        listing = [name for name, task in self.dataset.items() if "options" in IN_BRACES.findall(task.prompt)]
        for name, condition in self.prompt.items():
            if condition.demonstrations and listing:
                got = f"{len(condition.demonstrations)} beside the task `{listing[0]}`, whose prompt lists options"
                way_out = "a demonstration is a question without options: choose another condition or task"
                yield fault(f"prompt.{name}.demonstrations", "empty", got, way_out)


@dataclass
class FaithfulConfig:
    """A run: which models reason about what, under which prompts, and how it is judged."""

    experiment: str = setting(MISSING, "name of the run")
    stages: list[str] = setting(
        list(STAGES), "which stages to run; those left out must have been run before", not_empty=True
    )
    model: dict[str, ModelConfig] = setting({}, "language models by key")
    faithful: FaithfulSettings = setting(FaithfulSettings, "everything else that bears on results")
    claims: dict[str, Any] = setting(
        {}, "published figures that a comparable run is held against, by the name of the set; empty for none"
    )
    engine: EngineConfig = setting(EngineConfig)
    trainer: TrainerConfig = setting(TrainerConfig)
    worker: str | None = setting(None, WORKER_HELP)
    worker_wait: float = setting(0.0, WAIT_HELP, at_least=0, at_most=10_080)
    run_on: str = setting("here", RUN_ON_HELP, one_of=RUN_ON)
    ray: RayConfig = setting(RayConfig)
    logger: LoggerConfig = setting(LoggerConfig)
    paths: PathsConfig = setting(PathsConfig)

    def cross_faults(self) -> Iterator[Fault]:
        """What does not go together."""
        if not is_name(self.experiment):
            yield fault("experiment", "one of the " + NAMES, shown(self.experiment))
        yield from self._source_faults()
        yield from spread_faults(self.model, self.trainer)
        yield from sharing_faults(self.worker, self.run_on, self.trainer, self.ray)
        if self.engine.name == "vllm":
            traces, sampling = self.faithful.traces, self.faithful.sampling
            temperatures = {
                "faithful.traces.temperature": traces.temperature,
                "faithful.sampling.temperature": sampling.temperature,
            }
            yield from vllm_faults(self.model, self.trainer, temperatures)

    def _source_faults(self) -> Iterator[Fault]:
        """Traces come from models that are asked, or from files."""
        asked = (self.model, self.faithful.dataset, self.faithful.prompt)
        if not self.faithful.files and self.faithful.rollouts.path is None and not all(asked):
            says = (
                ", `faithful.dataset` and `faithful.prompt` to hold at least one entry each, or `faithful.files` or "
                "`faithful.rollouts.path` to name traces made elsewhere, but one of them is empty"
            )
            yield Fault("model", says)
        named = [(file.model, file.dataset, file.prompt) for file in self.faithful.files.values()]
        named += list(product(*asked))
        for one in sorted({one for one in named if named.count(one) > 1}):
            got = f"{' · '.join(one)} {named.count(one)} times"
            yield fault(
                "faithful.files", "to leave every model, dataset and prompt once", got, "give each names of its own"
            )
