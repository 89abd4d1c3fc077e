"""What a run was made with: package versions, commit, machine."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ccps.core.machine import processor

_PACKAGES = (
    "ccps",
    "torch",
    "transformers",
    "lightning",
    "peft",
    "shap",
    "hydra-core",
    "omegaconf",
    "wandb",
    "datasets",
    "scikit-learn",
    "scipy",
    "numpy",
    "pandas",
    "pyarrow",
    "safetensors",
    "gguf",
)


def provenance() -> dict[str, Any]:
    """Collect versions of the packages that decide results, the commit of the code, and the machine."""
    return {
        "versions": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "commit": _commit(),
        "machine": {
            "system": platform.system(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the checkout this file lies in, marked if files differ from it; None outside a checkout.

    An installed package may lie in somebody else's checkout, which does not know its files.
    """
    here = Path(__file__)
    try:
        _git("ls-files", "--error-unmatch", here.name, folder=here.parent)
        return _git("describe", "--always", "--dirty", "--abbrev=12", folder=here.parent) or None
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str, folder: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
