"""How a run is run: where, how it is mirrored, and where it puts things."""

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class TrainerConfig:
    """Where Lightning runs the stages.

    Attributes:
        accelerator: `auto`, `cpu` or `gpu`.
        devices: of each node; a process for each, which share the work of a stage among them.
        num_nodes: how many nodes there are.
        strategy: `auto` or `ddp`, which is what it comes to with several devices: each holds the whole model. A model
            that is too large for one is spread by `model.*.device_map` instead.
        threads: CPU threads of torch in each process; empty means its share of the cores.
    """

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
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
