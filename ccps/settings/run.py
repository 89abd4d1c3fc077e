"""How a run is run: where, how it is mirrored, and where it puts things."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ccps.core.fields import MISSING, setting
from ccps.core.settings import Fault
from ccps.settings.model import ModelConfig

LOGGER_MODES = ("auto", "online", "offline", "disabled")


@dataclass
class TrainerConfig:
    """Where Lightning runs the stages."""

    accelerator: str = setting("auto", "`auto`, `cpu` or `gpu`", one_of=("auto", "cpu", "gpu"))
    devices: int = setting(
        1, "of each node; a process for each, which share the work of a stage among them", at_least=1, at_most=1024
    )
    num_nodes: int = setting(1, "how many nodes there are", at_least=1, at_most=100_000)
    strategy: str = setting(
        "auto",
        "`auto` or `ddp`, which is what it comes to with several devices: each holds the whole model. A model"
        " that is too large for one is spread by `model.*.device_map` instead",
        one_of=("auto", "ddp"),
    )
    threads: int | None = setting(
        None, "CPU threads of torch in each process; null means its share of the cores", at_least=1, at_most=4096
    )

    @property
    def processes(self) -> int:
        """How many take part in a run."""
        return self.devices * self.num_nodes


@dataclass
class LoggerConfig:
    """Weights & Biases, a mirror of what the files hold."""

    mode: str = setting(
        "auto", "`auto` (online with an API key, else offline), `online`, `offline` or `disabled`", one_of=LOGGER_MODES
    )
    project: str = setting("ccps", "W&B project")
    entity: str | None = setting(None, "W&B user or team; null means the default")


@dataclass
class PathsConfig:
    """Where things are kept."""

    artifacts: str = setting("artifacts", "what stages compute, shared by all experiments")
    output: str = setting(MISSING, "tables, figures and report of this experiment")
    wandb: str = setting("artifacts", "W&B's own files")


def spread_faults(models: Mapping[str, ModelConfig], trainer: TrainerConfig) -> Iterator[Fault]:
    """Models that are spread over all devices, in runs that start a process for each."""
    for name, model in models.items():
        if model.device_map is not None and trainer.processes > 1:
            says = (
                f" and `trainer.num_nodes` to be 1 with `model.{name}.device_map`, as then one process uses all "
                "devices: leave out one or the other"
            )
            yield Fault("trainer.devices", says)
