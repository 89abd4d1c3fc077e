"""The typed shape of an experiment; `conf/` fills it, and nothing that does not fit it is accepted."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from ccps.data.benchmarks import BenchmarkSpec
from ccps.grading import GraderConfig
from ccps.llm.config import ModelConfig
from ccps.probes import ProbeConfig, StateProbeConfig

STAGES = ("answer", "self_evaluate", "grade", "extract", "fit", "score", "evaluate", "report")


@dataclass
class SamplingConfig:
    """How many questions are used.

    Attributes:
        train_total: training questions over all sources, equal shares; empty means all.
        test_per_subject: test questions per subject; empty means all.
        order: `shuffled` (by a hash of seed and question) or `first` (rows as they stand).
        remainder: what becomes of a share that a source is too small to fill: `deal` it to the other sources, or
            `drop` it, as Calibration-Tuning does.
        seed: of the shuffle.
    """

    train_total: int | None = None
    test_per_subject: int | None = None
    order: str = "shuffled"
    remainder: str = "deal"
    seed: int = 23


@dataclass
class AnsweringConfig:
    """How the language model is asked.

    Attributes:
        method: of multiple choice: `greedy` takes the most probable token as the answer; `letters` the most probable
            option letter.
        prompt: `strict` uses the chat template's token ids; `parity` tokenises the rendered text again, as the
            released code does, which doubles the BOS token of some models.
        max_new_tokens: after so many tokens an open-ended answer is cut off (the paper's code: 30).
        max_batch_tokens: rows times width of a batch; bounds memory.
        shard_questions: questions per shard: the most that is lost when a run is killed.
    """

    method: str = "greedy"
    prompt: str = "strict"
    max_new_tokens: int = 30
    max_batch_tokens: int = 1024
    shard_questions: int = 64


@dataclass
class PerturbationConfig:
    """How far and how finely the final state is pushed.

    Attributes:
        radius: largest distance from the original state (the paper's code: 20).
        steps: equally spaced radii up to it (the paper's code: 5).
    """

    radius: float = 20.0
    steps: int = 5


@dataclass
class MethodConfig:
    """A confidence method of the comparison.

    Attributes:
        name: which one, a name in `ccps.methods.METHODS`.
    """

    name: str = MISSING


@dataclass
class EvaluationConfig:
    """How confidences are judged.

    Attributes:
        convention: which calibration error is the headline; the others stand beside it in the report.
        resamples: bootstrap resamples, clustered by subject.
        level: of the intervals.
        seed: of the resampling.
    """

    convention: str = "ct"
    resamples: int = 1000
    level: float = 0.95
    seed: int = 23


@dataclass
class TrainerConfig:
    """Where Lightning runs the stages.

    Attributes:
        accelerator: `auto`, `cpu` or `gpu`.
        threads: CPU threads of torch; empty means as many as there are cores.
    """

    accelerator: str = "auto"
    threads: int | None = None


@dataclass
class LoggerConfig:
    """Weights & Biases, a mirror of what the files hold.

    Attributes:
        mode: `auto` (online with an API key, else offline), `online`, `offline` or `disabled`.
        project: W&B project.
        entity: W&B user or team; empty means the default.
    """

    mode: str = "auto"
    project: str = "ccps"
    entity: str | None = None


@dataclass
class PathsConfig:
    """Where things are kept.

    Attributes:
        artifacts: what stages compute, shared by all experiments.
        output: tables, figures and report of this experiment.
        wandb: W&B's own files.
    """

    artifacts: str = "artifacts"
    output: str = MISSING
    wandb: str = "artifacts"


@dataclass
class Config:
    """An experiment: which models, trained and tested on what, judged how.

    Attributes:
        experiment: its name.
        stages: which stages to run, of those in `STAGES`.
        seeds: one probe is fitted for each.
        model: language models by key.
        train: benchmarks whose questions the probe is fitted on.
        test: benchmarks it is tested on.
        grader: what says whether an answer is right; the first one decides, the others are compared with it.
        claims: published figures that a comparable run is held against; empty for none.
    """

    experiment: str = MISSING
    stages: list[str] = field(default_factory=lambda: list(STAGES))
    seeds: list[int] = field(default_factory=lambda: [23])
    model: dict[str, ModelConfig] = field(default_factory=dict)
    train: dict[str, BenchmarkSpec] = field(default_factory=dict)
    test: dict[str, BenchmarkSpec] = field(default_factory=dict)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    answering: AnsweringConfig = field(default_factory=AnsweringConfig)
    grader: dict[str, GraderConfig] = field(default_factory=dict)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    state_probe: StateProbeConfig = field(default_factory=StateProbeConfig)
    method: dict[str, MethodConfig] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
