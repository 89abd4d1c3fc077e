"""Weights & Biases as a mirror of what the files hold: offline without a key, never required, never the record."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from lightning.pytorch.loggers import Logger, WandbLogger
from pyarrow import csv

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.console import say
from ccps.core.errors import UserError
from ccps.pipeline.mirrored import Place, find_mirrored, note_mirrored
from ccps.settings.run import LoggerConfig

RESULTS = "tables/results.csv"

# Larger files (states, heads) stay where they are; W&B gets the manifest, which names them by hash.
_MAX_FILE_BYTES = 8 * 2**20
_MAX_TABLE_ROWS = 10_000  # as many as a table of W&B takes
_MAX_TABLE_CELLS = 25_000  # W&B looks at each for a while: more would take longer than many a stage


class Mirror:
    """The W&B run of a run of ours, which is opened when something is to be computed.

    What was found complete waits until then. Where nothing is computed, W&B holds it all already if an earlier run has
    mirrored it: then none is opened, as that takes longer than all else; else one is at the end.

    Args:
        config: mode and project.
        folder: where W&B keeps its files.
        name: name of the run.
        settings: the resolved configuration, shown with the run.
    """

    def __init__(self, config: LoggerConfig, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        self._config = config
        self._folder = folder
        self._name = name
        self._settings = dict(settings)
        self._waiting: list[tuple[str, Artifact]] = []
        self._mirrored: set[str] = set()
        self._logger: WandbLogger | None = None

    def open(self) -> Logger | None:
        """The logger, opened if it is not; None where W&B is disabled.

        Raises:
            UserError: see `open_logger`.
        """
        if self._logger is None:
            self._logger = open_logger(self._config, self._folder, self._name, self._settings)
            waiting, self._waiting = self._waiting, []
            for title, artifact in waiting:
                self.add(title, artifact)
        return self._logger

    @property
    def run(self) -> Any:
        """The run of W&B; None where none has been opened, as nothing was computed or W&B is disabled."""
        return None if self._logger is None else self._logger.experiment

    def add(self, title: str, artifact: Artifact) -> None:
        """Take in what a stage has made, or had made before."""
        if self._config.mode == "disabled":
            return
        if self._logger is None:
            self._waiting.append((title, artifact))
        elif mirror_artifact(self._logger, title, artifact):
            self._mirrored.add(_name(title, artifact))

    def close(self, *, failed: bool) -> None:
        """Finish the run, whatever happened."""
        if self._waiting and not failed:
            held = self._held()
            if held is not None:
                say("w&b", self._name, f"nothing is new since {held}", state="reused")
                return
            self.open()
        logger = self._logger
        if logger is None:
            return
        run = Path(logger.experiment.sync_dir)
        online = not logger.experiment.offline
        close_logger(logger, failed=failed)
        if not failed:
            self._note(run, online=online)

    def _held(self) -> Path | None:
        """An earlier run that holds all that waits, where this one would go."""
        modes = {"online": [True], "offline": [False], "auto": [True] if has_key() else [True, False]}
        places = [Place(self._config.project, self._config.entity, online) for online in modes[self._config.mode]]
        return find_mirrored(self._folder / "wandb", places, {_name(title, one) for title, one in self._waiting})

    def _note(self, run: Path, *, online: bool) -> None:
        try:
            note_mirrored(run, Place(self._config.project, self._config.entity, online), self._mirrored)
        except OSError as error:
            say("w&b", self._name, f"{error}: the next run mirrors the same again", state="not noted")


def _name(title: str, artifact: Artifact) -> str:
    return f"{artifact.stage}/{artifact.key} {title}"


def has_key() -> bool:
    """Whether a run may be let in by a server, as far as can be told without loading W&B: rather yes than no."""
    if any(os.environ.get(name) for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL")):
        return True
    named = os.environ.get("NETRC")
    files = [Path(named)] if named else [Path("~/.netrc"), Path("~/_netrc")]
    try:
        return any(
            "wandb" in file.expanduser().read_text(errors="replace") for file in files if file.expanduser().exists()
        )
    except (OSError, RuntimeError):  # the latter where there is no home
        return True


def open_logger(config: LoggerConfig, folder: Path, name: str, settings: dict[str, Any]) -> WandbLogger | None:
    """Open the W&B run of an experiment, or return None where it is disabled.

    Args:
        config: mode and project.
        folder: where W&B keeps its files.
        name: name of the run.
        settings: the resolved configuration, shown with the run.

    Raises:
        UserError: the folder cannot be written, or the mode is `online` and W&B is not to be had. In mode `auto`
            the run is then kept offline, and this is said.
    """
    if config.mode == "disabled":
        return None
    import wandb

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Cannot write W&B's files to {folder}: {error}. Set paths.wandb to another folder, or logger=none."
        ) from error
    # W&B would otherwise put copies of artifacts into the home directory.
    for variable in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        os.environ.setdefault(variable, str((folder / "wandb").resolve()))
    os.environ.setdefault("WANDB_SILENT", "true")
    arguments = {"name": name, "project": config.project, "entity": config.entity, "config": settings}
    try:
        if config.mode == "online" or (config.mode == "auto" and wandb.login(prompt=False)):
            return _connected(arguments, folder, offline=False)
    except wandb.Error as error:
        if config.mode == "online":
            raise UserError(
                f"Weights & Biases cannot be reached or does not let this run in: {error}. Set WANDB_API_KEY and check "
                "the network, or use logger.mode=offline or logger=none."
            ) from error
        say("w&b", name, f"kept offline in {folder / 'wandb'}", state="not reachable")
    return _connected(arguments, folder, offline=True)


def close_logger(logger: WandbLogger | None, *, failed: bool) -> None:
    """Finish the run, whatever happened."""
    if logger is not None:
        logger.experiment.finish(exit_code=int(failed))


def mirror_artifact(logger: Logger, title: str, artifact: Artifact) -> bool:
    """Log a stage's counts as metrics, its first rows as a table, and its small files as a W&B artifact.

    What W&B cannot take is said and let go: the files are the record.

    Returns:
        Whether all of it was taken.
    """
    import wandb

    try:
        _mirror(logger, title, artifact)
    except (wandb.Error, OSError) as error:
        say("w&b", title, f"{type(error).__name__}: {error}", state=f"{artifact.stage} not mirrored")
        return False
    return True


def _mirror(logger: Logger, title: str, artifact: Artifact) -> None:
    numbers = {name: value for name, value in artifact.figures.items() if isinstance(value, int | float)}
    prefix = f"{artifact.stage}/{title}"
    logger.log_metrics({f"{prefix}/{name}": float(value) for name, value in numbers.items()})
    if not isinstance(logger, WandbLogger):
        return
    import wandb

    record = wandb.Artifact(f"{artifact.stage}-{artifact.key}", type=artifact.stage, metadata=dict(artifact.inputs))
    record.add_file(str(artifact.folder / "manifest.json"))
    for name, entry in artifact.manifest["files"].items():
        if entry["bytes"] <= _MAX_FILE_BYTES:
            shard, _, file = name.partition("/")
            record.add_file(str(artifact.written(file, [int(shard)])[0]), name=name)
    logger.experiment.log_artifact(record)
    table = _table(artifact)
    if table is not None:
        data = [list(row.values()) for row in table.to_pylist()]
        logger.log_table(key=f"{prefix}/rows", columns=table.column_names, data=data)


def _table(artifact: Artifact) -> pa.Table | None:
    """The first rows of a stage, without lists of token ids; of a report, its results."""
    files = artifact.files()
    if RESULTS in files:
        return _first(csv.read_csv(artifact.path(RESULTS)))
    if ROWS not in files:
        return None
    rows = artifact.rows(0)
    return _first(rows.select([field.name for field in rows.schema if not pa.types.is_list(field.type)]))


def _first(table: pa.Table) -> pa.Table:
    """As many rows as go to W&B."""
    return table.slice(0, min(_MAX_TABLE_ROWS, _MAX_TABLE_CELLS // max(1, table.num_columns)))


def _connected(arguments: dict[str, Any], folder: Path, *, offline: bool) -> WandbLogger:
    mode = "offline" if offline else "online"
    logger = WandbLogger(save_dir=folder, offline=offline, mode=mode, settings={"console": "off"}, **arguments)
    _ = logger.experiment  # the logger connects when this is first asked for
    return logger
