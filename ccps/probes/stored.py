"""Files of a fitted probe: JSON settings and safetensors weights, read back as strictly as they were written."""

from collections.abc import Collection
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError

from ccps.core.errors import expected
from ccps.core.settings import SettingsError, typed
from ccps.core.stored import check_keys, read_json
from ccps.probes.curve import CurvePoint

WAY_OUT = "Fit the probe again, or load a folder that its `save` wrote."

ConfigT = TypeVar("ConfigT")


def read_settings(path: Path, format_version: int, keys: Collection[str], training: type) -> dict[str, Any]:
    """Read the settings of a probe.

    Args:
        path: the JSON file.
        format_version: the only one that is read.
        keys: what it holds beside its format version and the training record.
        training: dataclass of the training record.

    Raises:
        UserError: the file cannot be read, is of another format version, or holds other keys.
    """
    settings = read_json(path, "a probe's settings", format_version, {"training", *keys}, WAY_OUT)
    check_keys(settings["training"], {item.name for item in fields(training)}, path, WAY_OUT)
    for point in settings["training"]["curve"]:
        check_keys(point, CurvePoint._fields, path, WAY_OUT)
    return settings


def read_config(stored: dict[str, Any], kind: type[ConfigT], path: Path) -> ConfigT:
    """Build a configuration out of stored settings, which must be complete.

    Raises:
        UserError: a setting is missing, unknown or of the wrong type.
    """
    try:
        config = typed(stored, kind)
    except SettingsError as error:
        raise expected(f"`config` in {path}", "a probe's settings", "; ".join(error.faults), WAY_OUT) from error
    # Defaults stand in for keys that are absent; a stored probe must not change with them.
    if asdict(config) != stored:  # type: ignore[call-overload]
        raise expected(f"`config` in {path}", "complete", stored, WAY_OUT)
    return config


def read_tensors(path: Path, like: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Read weights that must have the names, types and shapes of others.

    Raises:
        UserError: they have not, or cannot be read.
    """
    try:
        tensors: dict[str, torch.Tensor] = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise expected(f"`{path}`", "a probe's weights", str(error), WAY_OUT) from error
    wanted, got = ({name: (t.dtype, *t.shape) for name, t in group.items()} for group in (like, tensors))
    if wanted != got:
        differing = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
        raise expected(f"the tensors in {path}", "those of the settings", f"others for {differing}", WAY_OUT)
    return tensors
