"""How a run is run: where, how it is mirrored, and where it puts things."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ccps.core.fields import MISSING, setting
from ccps.core.objects import copy_of, is_url, url_problem
from ccps.core.places import cache_folder, place_problem
from ccps.core.settings import Fault, fault
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


WHEN_HELD = ("refuse", "wait")


@dataclass
class PathsConfig:
    """Where things are kept."""

    artifacts: str = setting(
        "artifacts",
        "what stages compute, shared by all experiments: a folder, or a place in an object store (s3://bucket/prefix)",
        not_empty=True,
    )
    output: str = setting(MISSING, "tables, figures and report of this experiment", not_empty=True)
    wandb: str = setting("artifacts", "W&B's own files", not_empty=True)
    cache: str | None = setting(
        None,
        "folder of this machine for what is in use of an object store; null means one for each store below the "
        "cache of ccps (CCPS_CACHE)",
        not_empty=True,
    )
    when_held: str | None = setting(
        None,
        "what becomes of a run that needs an artifact which another process is writing: `refuse` ends it, `wait` has "
        "it wait and take what the other has made. null: jobs of one multirun wait for each other, others are refused",
        one_of=WHEN_HELD,
    )

    def faults(self) -> Iterator[Fault]:
        """Folders that cannot be had on this machine, or hold what others write, and stores that are none."""
        found = [*self._store_faults(), *place_faults({f"paths.{name}": one for name, one in self._named().items()})]
        yield from found or self._shared_faults()

    def _named(self) -> dict[str, str]:
        """Folders of this machine, by the setting that names them."""
        return {"cache" if self.store else "artifacts": str(self.folder), "output": self.output, "wandb": self.wandb}

    def _store_faults(self) -> Iterator[Fault]:
        if problem := self.store and url_problem(self.store):
            yield fault("paths.artifacts", "a folder, or a place in an object store", *problem)
        elif self.store is None and (store := _copied(self.folder)):
            yield fault("paths.artifacts", "a folder of artifacts", f"one with parts of {store}", f"set it to {store}")
        for name in ("output", "wandb"):
            if is_url(folder := self._named()[name]):
                yield fault(f"paths.{name}", "a folder of this machine", f"`{folder}`")

    def _shared_faults(self) -> Iterator[Fault]:
        """An output folder that is exchanged whole, and holds what has to stay, or lies among what stages compute.

        Where somebody works in the output folder or below it, it is filled file by file, and may hold everything.
        """
        output = Path(os.path.realpath(self.output))
        if output in (here := Path.cwd(), *here.parents):
            return
        for name, folder in self._named().items():
            other = Path(os.path.realpath(folder))
            if name == "output":
                continue
            if output == other:
                got = f"`paths.{name}` itself"
            elif output in other.parents:
                got = f"a folder that holds `paths.{name}`"
            elif name != "wandb" and other in output.parents:
                got = f"a folder in `paths.{name}`"
            else:
                continue
            wanted = "a folder by itself, as each run exchanges it for a new one"
            yield fault("paths.output", wanted, f"{got} ({other})", "choose another")
            return

    @property
    def store(self) -> str | None:
        """URL of the object store that artifacts are kept in; None for a folder."""
        return self.artifacts if is_url(self.artifacts) else None

    @property
    def folder(self) -> Path:
        """Folder of artifacts on this machine: all that there are, or what is in use of the store."""
        if self.store is None:
            return Path(self.artifacts)
        name = hashlib.blake2b(self.store.rstrip("/").encode(), digest_size=8).hexdigest()
        return Path(self.cache) if self.cache else cache_folder() / "artifacts" / name


def _copied(folder: Path) -> str | None:
    try:
        return copy_of(folder)
    except OSError:  # which `place_faults` says better
        return None


def place_faults(paths: Mapping[str, str]) -> Iterator[Fault]:
    """Folders, by the setting that names them, that cannot be had."""
    for setting_path, folder in paths.items():
        if problem := place_problem(folder):
            yield fault(setting_path, "a folder that is there or can be made", problem)


def spread_faults(models: Mapping[str, ModelConfig], trainer: TrainerConfig) -> Iterator[Fault]:
    """Models that are spread over all devices, in runs that start a process for each."""
    for name, model in models.items():
        if model.device_map is not None and trainer.processes > 1:
            says = (
                f" and `trainer.num_nodes` to be 1 with `model.{name}.device_map`, as then one process uses all "
                "devices: leave out one or the other"
            )
            yield Fault("trainer.devices", says)
