"""A run of W&B that keeps what it is given."""

from typing import Any

import wandb


class Run:
    """Keeps what a run of W&B would send."""

    def __init__(self) -> None:
        self.logged: dict[str, Any] = {}
        self.artifacts: list[wandb.Artifact] = []

    def log(self, values: dict[str, Any]) -> None:
        self.logged |= values

    def log_artifact(self, artifact: wandb.Artifact) -> None:
        self.artifacts.append(artifact)
