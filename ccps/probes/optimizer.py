"""The optimiser of a stage."""

from collections.abc import Iterable

import torch

from ccps.settings.probe import Optimizer, StageConfig

_CLASSES: dict[Optimizer, type[torch.optim.Adam]] = {
    Optimizer.adam: torch.optim.Adam,
    Optimizer.adamw: torch.optim.AdamW,
}


def make_optimizer(stage: StageConfig, weights: Iterable[torch.Tensor]) -> torch.optim.Optimizer:
    """Build what updates the weights of a stage; one kernel goes through all of them (`fused`)."""
    kind = _CLASSES[stage.optimizer]
    return kind(weights, lr=stage.learning_rate, weight_decay=stage.weight_decay, fused=True)
