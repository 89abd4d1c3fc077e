"""Weights & Biases as a mirror of what the files hold: offline without a key, never required, never the record."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
from lightning.pytorch.loggers import Logger, WandbLogger
from pyarrow import csv

from ccps.core.artifacts import ROWS, Artifact
from ccps.core.console import say
from ccps.core.errors import UserError
from ccps.settings.run import LoggerConfig

RESULTS = "tables/results.csv"

# Larger files (states, heads) stay where they are; W&B gets the manifest, which names them by hash.
_MAX_FILE_BYTES = 8 * 2**20
_MAX_TABLE_ROWS = 10_000  # as many as a table of W&B takes
_MAX_TABLE_CELLS = 25_000  # W&B looks at each for a while: more would take longer than many a stage


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


def mirror_artifact(logger: Logger, title: str, artifact: Artifact) -> None:
    """Log a stage's counts as metrics, its first rows as a table, and its small files as a W&B artifact.

    What W&B cannot take is said and let go: the files are the record.
    """
    import wandb

    try:
        _mirror(logger, title, artifact)
    except (wandb.Error, OSError) as error:
        say("w&b", title, f"{type(error).__name__}: {error}", state=f"{artifact.stage} not mirrored")


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
            record.add_file(str(artifact.folder / name), name=name)
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
