"""The typed shape of an experiment; `conf/` fills it, and nothing that does not fit it is accepted."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from ccps.asking.samples import SamplesConfig
from ccps.data.benchmarks import BenchmarkSpec
from ccps.engines import EngineConfig
from ccps.grading import GraderConfig
from ccps.llm.config import ModelConfig
from ccps.pipeline.config import LoggerConfig, PathsConfig, TrainerConfig
from ccps.probes import ProbeConfig, StateProbeConfig
from ccps.tuning import TuningConfig
from ccps.tuning.litcab_config import LitCabConfig

STAGES = (
    "answer",
    "grade",
    "sample",
    "verbalise",
    "reference",
    "tune",
    "ask_tuned",
    "extract",
    "fit",
    "score",
    "evaluate",
    "audit",
    "report",
)


@dataclass
class SamplingConfig:
    """How many questions are used.

    Attributes:
        train_total: training questions of each format over all sources, equal shares; empty means all.
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
        max_scratch_mib: MiB of logits that are held at a time; bounds memory.
    """

    radius: float = 20.0
    steps: int = 5
    max_scratch_mib: int = 256


@dataclass
class ProbesConfig:
    """The probe of CCPS for each format of answers.

    Attributes:
        mc: for multiple choice, reads one token.
        oe: for open-ended answers, reads all tokens.
    """

    mc: ProbeConfig = field(default_factory=ProbeConfig)
    oe: ProbeConfig = field(default_factory=ProbeConfig)


@dataclass
class MethodConfig:
    """A confidence method of the comparison.

    Attributes:
        name: which one, a name in `ccps.methods.METHODS`.
        calibrator: `temperature`, `platt` or `isotonic`, fitted on top of it; empty for none.
        seeds: from how many of the seeds it is trained, the first ones; empty for all.
    """

    name: str = MISSING
    calibrator: str | None = None
    seeds: int | None = None


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
class AuditConfig:
    """How the probe of CCPS is audited.

    Attributes:
        repeats: how often each group of features is permuted.
        explained: test answers whose Shapley values are averaged.
        background: training answers that stand for an absent feature.
        permutations: orders in which features are taken away, for each answer.
    """

    repeats: int = 20
    explained: int = 100
    background: int = 25
    permutations: int = 2


@dataclass
class Config:
    """An experiment: which models, trained and tested on what, judged how.

    Attributes:
        experiment: its name.
        stages: which stages to run, of those in `STAGES`.
        seeds: every method that learns is trained from each.
        model: language models by key.
        train: benchmarks whose questions methods are trained on; both formats may be among them.
        test: benchmarks they are tested on, each after training on the questions of its own format.
        grader: what says whether an answer is right; of those that know a format the first one decides, the others are
            compared with it.
        claims: published figures that a comparable run is held against, by the name of the set; empty for none.
    """

    experiment: str = MISSING
    stages: list[str] = field(default_factory=lambda: list(STAGES))
    seeds: list[int] = field(default_factory=lambda: [23])
    model: dict[str, ModelConfig] = field(default_factory=dict)
    train: dict[str, BenchmarkSpec] = field(default_factory=dict)
    test: dict[str, BenchmarkSpec] = field(default_factory=dict)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    answering: AnsweringConfig = field(default_factory=AnsweringConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    grader: dict[str, GraderConfig] = field(default_factory=dict)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    probe: ProbesConfig = field(default_factory=ProbesConfig)
    state_probe: StateProbeConfig = field(default_factory=StateProbeConfig)
    method: dict[str, MethodConfig] = field(default_factory=dict)
    samples: SamplesConfig = field(default_factory=SamplesConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    litcab: LitCabConfig = field(default_factory=LitCabConfig)
    claims: dict[str, Any] = field(default_factory=dict)
    audit: AuditConfig = field(default_factory=AuditConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
