"""The typed shape of a run of the faithful system; `conf/` fills it, and nothing that does not fit it is accepted."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from ccps.engines import EngineConfig
from ccps.llm.config import ModelConfig
from ccps.pipeline.config import LoggerConfig, PathsConfig, TrainerConfig
from ccps.reasoning.conditions import PromptCondition
from ccps.reasoning.continuations import ContinuationSettings
from ccps.reasoning.decide_config import DecisivenessConfig
from ccps.reasoning.generate import TraceSettings
from ccps.reasoning.judge_choice import JudgeChoice
from ccps.reasoning.resampling import ScoringSettings
from ccps.reasoning.tasks import TaskSpec

ESTIMATORS = ("deepconf", "rcc", "sampling", "stability")
STAGES = ("trace", "read", "continue", "mark", "decide", "judge", "radii", "confidence", "faith", "faith_report")


@dataclass
class DeepConfConfig:
    """Confidence from the log-probabilities of the likeliest tokens.

    Attributes:
        k: alternatives per position.
        scale: what the mean of a step is divided by.
    """

    k: int = 5
    scale: float = 8.0


@dataclass
class RccConfig:
    """Confidence chained through hidden states.

    Attributes:
        mu: attention from which a token counts as attended to.
        delta: weight of a step against those before it.
        hidden: states it reads, `pre_norm` (the last layer's output, as the released code) or `post_norm`.
        similarity: `dot`, or `cosine`.
        token: whose probability counts, that of the likeliest token (`argmax`, as the released code) or of the one that
            was drawn (`sampled`).
    """

    mu: float = 0.5
    delta: float = 0.4
    hidden: str = "pre_norm"
    similarity: str = "dot"
    token: str = "argmax"


@dataclass
class StabilityConfig:
    """Confidence from the stability of the final state under perturbation; ours.

    Attributes:
        scorer: folder of a scorer for open-ended answers of the same model, as the main job writes them
            (`outputs/<experiment>/scorers/<model>/oe`); empty for the normalised flip radius, which needs no probe.
    """

    scorer: str | None = None


@dataclass
class TraceFile:
    """Traces made elsewhere.

    Attributes:
        path: JSONL, see `ccps.reasoning.jsonl`.
        model: name of what made them; if it is a key of `model`, that model reads them (log-probabilities, states,
            continuations), which takes their token ids and those of their prompts.
        dataset: what they answer.
        prompt: name of the prompt condition they were made under.
    """

    path: str = MISSING
    model: str = "unknown"
    dataset: str = "file"
    prompt: str = "baseline"


@dataclass
class FaithfulSettings:
    """What is asked, and how steps and the model's confidence in them are told.

    Attributes:
        mode: `strict` does what is right, `parity` what the released code of arXiv 2606.03969 does.
        unit: a step is a `paragraph` or a `sentence`.
        think_tag: who opens the thinking block, see `ccps.reasoning.messages`.
        estimators: of the model's confidence, of those in `ESTIMATORS`.
        p_true: whether the model is asked at the end whether its answer is right.
        dataset: tasks by name.
        questions: the most of each dataset; empty means as many as the task says.
        prompt: prompt conditions by name.
        files: traces made elsewhere, by name.
        traces: how traces are generated.
        shard_traces: traces per shard, at least: what is lost when a run is killed. A batch is never split.
        decisiveness: who judges the words.
        deepconf: see there.
        rcc: see there.
        sampling: how continuations of steps are drawn.
        judge: who compares continuations with the step.
        stability: see there.
        scoring: bins, intervals, baselines.
    """

    mode: str = "strict"
    unit: str = "paragraph"
    think_tag: str = "auto"
    estimators: list[str] = field(default_factory=lambda: list(ESTIMATORS))
    p_true: bool = True
    dataset: dict[str, TaskSpec] = field(default_factory=dict)
    questions: int | None = None
    prompt: dict[str, PromptCondition] = field(default_factory=dict)
    files: dict[str, TraceFile] = field(default_factory=dict)
    traces: TraceSettings = field(default_factory=TraceSettings)
    shard_traces: int = 8
    decisiveness: DecisivenessConfig = field(default_factory=DecisivenessConfig)
    deepconf: DeepConfConfig = field(default_factory=DeepConfConfig)
    rcc: RccConfig = field(default_factory=RccConfig)
    sampling: ContinuationSettings = field(default_factory=ContinuationSettings)
    judge: JudgeChoice = field(default_factory=JudgeChoice)
    stability: StabilityConfig = field(default_factory=StabilityConfig)
    scoring: ScoringSettings = field(default_factory=ScoringSettings)


@dataclass
class FaithfulConfig:
    """A run: which models reason about what, under which prompts, and how it is judged.

    Attributes:
        experiment: its name.
        stages: which stages to run, of those in `STAGES`.
        model: language models by key.
        faithful: everything else that bears on results.
    """

    experiment: str = MISSING
    stages: list[str] = field(default_factory=lambda: list(STAGES))
    model: dict[str, ModelConfig] = field(default_factory=dict)
    faithful: FaithfulSettings = field(default_factory=FaithfulSettings)
    engine: EngineConfig = field(default_factory=EngineConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
