"""`ccps doctor`: what there is to work with, and what is in the way."""

import os
import platform
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib import metadata
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any

from ccps import __version__
from ccps.cli.command import Answer, Command, register
from ccps.core.machine import gpus, instruction_set, memory, processor, usable_cores
from ccps.core.text import byte_size

_OPTIONAL = ("vllm", "torchao", "bitsandbytes", "hydra-submitit-launcher", "hydra-joblib-launcher", "ray")
_MALICIOUS = {"lightning": {"2.6.2", "2.6.3"}, "pytorch-lightning": {"2.6.2", "2.6.3"}}
_KEYS = ("WANDB_API_KEY", "HF_TOKEN", "OPENAI_API_KEY", "CCPS_JUDGE_BASE_URL", "CCPS_JUDGE_MODEL")
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "WANDB_MODE")


def run(arguments: Namespace) -> Answer:
    """Look at everything; 2 where something keeps ccps from working."""
    found = {
        "versions": _versions(),
        "machine": _machine(),
        "places": _places(),
        "assets": _assets(),
        "keys": _keys(),
        "environment": {name: os.environ.get(name) for name in _OFFLINE},
    }
    problems = list(_problems(found["versions"], found["machine"]))
    lines = [line for name, values in found.items() for line in _section(name, values)]
    verdict = ["Nothing is in the way."] if not problems else ["In the way:", *(f"  - {one}" for one in problems)]
    return Answer({**found, "problems": problems}, [*lines, *verdict], 2 if problems else 0)


def _versions() -> dict[str, str | None]:
    names = [_name(text) for text in _required()]
    return {
        "ccps": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in dict.fromkeys([*names, *_OPTIONAL])},
    }


def _required() -> list[str]:
    """What ccps needs, as its metadata say; without the extras."""
    try:
        return [text for text in metadata.requires("ccps") or [] if "extra ==" not in text]
    except metadata.PackageNotFoundError:
        return []


def _name(requirement: str) -> str:
    from packaging.requirements import Requirement

    return Requirement(requirement).name


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _machine() -> dict[str, Any]:
    room = memory()
    return {
        "system": platform.platform(),
        "processor": processor(),
        "instructions": instruction_set(),
        "cores": usable_cores(),
        "memory": room.total,
        "memory_available": room.available,
        "gpus": gpus(),
    }


def _places() -> dict[str, dict[str, Any]]:
    from ccps.assets.catalogue import cache_folder

    hub = os.environ.get("HF_HUB_CACHE") or str(_hub_home() / "hub")
    folders = {
        "cache of ccps": cache_folder(),
        "cache of the hub": Path(hub).expanduser(),
        "current folder": Path.cwd(),
    }
    return {
        name: {
            "path": str(folder),
            "exists": folder.is_dir(),
            "bytes": None if name == "current folder" else _size(folder),
            "free": shutil.disk_usage(_existing(folder)).free,
        }
        for name, folder in folders.items()
    }


def _hub_home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or Path(base) / "huggingface").expanduser()


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _size(folder: Path) -> int:
    """Bytes of all files below a folder, links not followed."""
    paths = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in paths)


def _assets() -> dict[str, dict[str, Any]]:
    from ccps.assets.catalogue import ASSETS, is_fetched

    return {name: {"found": is_fetched(asset), "bytes": asset.size} for name, asset in ASSETS.items()}


def _keys() -> dict[str, bool]:
    """Whether each key is there; never what it is."""
    there = {name: bool(os.environ.get(name, "").strip()) for name in _KEYS}
    there["WANDB_API_KEY"] |= _knows_wandb(Path.home() / ".netrc")
    token = os.environ.get("HF_TOKEN_PATH") or _hub_home() / "token"
    there["HF_TOKEN"] |= Path(token).expanduser().is_file()
    return there


def _knows_wandb(path: Path) -> bool:
    """Whether `wandb login` has left a key."""
    try:
        return path.is_file() and any("wandb" in host for host in netrc(path).hosts)
    except (OSError, NetrcParseError):
        return False


def _problems(versions: dict[str, str | None], machine: dict[str, Any]) -> Iterator[str]:
    from packaging.requirements import Requirement

    required = _required()
    if not required:
        yield "ccps is not installed, only importable: pip install it, so that what it needs is known"
    for text in required:
        wanted = Requirement(text)
        version = versions[wanted.name]
        if version is None:
            yield f"{wanted.name} is missing: pip install '{wanted.name}{wanted.specifier}'"
        elif version in _MALICIOUS.get(wanted.name, ()):
            yield (
                f"{wanted.name} {version} is a malicious release (GHSA-w37p-236h-pfx3): remove it, change every key "
                "that this machine held, and install another"
            )
        elif not wanted.specifier.contains(version, prereleases=True):
            yield f"{wanted.name} {version} does not do: pip install '{wanted.name}{wanted.specifier}'"
    if machine["gpus"] and "+cpu" in (versions.get("torch") or ""):
        yield f"there is a GPU, but torch {versions['torch']} is built without: install a build with CUDA"


def _section(name: str, values: dict[str, Any]) -> Iterator[str]:
    yield f"{name}:"
    width = max(map(len, values), default=0)
    for key, value in values.items():
        yield f"  {key:<{width}}  {_words(name, key, value)}"
    yield ""


def _words(section: str, key: str, value: Any) -> str:
    if section == "keys":
        return "set" if value else "not set"
    if section == "assets":
        return f"{'found' if value['found'] else 'not fetched'}, {byte_size(value['bytes'])}"
    if section == "places":
        held = "" if value["bytes"] is None else f"{byte_size(value['bytes'])}, "
        return f"{value['path']} ({'' if value['exists'] else 'not there, '}{held}{byte_size(value['free'])} free)"
    if key.startswith("memory") and value is not None:
        return byte_size(value)
    if isinstance(value, list):
        return "; ".join(value) or "none"
    return "–" if value is None else str(value)


def _no_arguments(parser: ArgumentParser) -> None:
    """It takes none."""


register(
    Command(
        name="doctor",
        place=90,
        summary="Say what there is to work with, and what is in the way",
        description="Of keys it tells whether they are there, never what they are.",
        examples={
            "ccps doctor": "versions, machine, caches, assets, keys",
            "ccps doctor --json": "the same for a bug report",
        },
        arguments=_no_arguments,
        run=run,
    )
)
