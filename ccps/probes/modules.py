"""The two training stages as Lightning modules; they take any encoder."""

from collections.abc import Iterator
from typing import Generic, TypeVar

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities import move_data_to_device
from torch import nn
from torch.nn import functional

from ccps.probes.encoders import ProbeNetwork
from ccps.probes.losses import contrastive_loss
from ccps.probes.pairs import Examples, PairBatch
from ccps.settings.probe import Optimizer, StageConfig

VAL_LOSS = "val_loss"
VAL_ACCURACY = "val_accuracy"

OPTIMIZERS: dict[Optimizer, type[torch.optim.Adam]] = {
    Optimizer.adam: torch.optim.Adam,
    Optimizer.adamw: torch.optim.AdamW,
}

BatchT = TypeVar("BatchT", Examples, PairBatch)


class StageModule(pl.LightningModule, Generic[BatchT]):
    """What the stages share: the optimiser, and one Lightning step for a block of mini-batches.

    Lightning spends longer on a step of its own than so small a network on an update. So its step is the run
    of mini-batches between two evaluations; `global_step` still counts updates.
    """

    def __init__(self, trained: nn.Module, config: StageConfig) -> None:
        super().__init__()
        self.trained = trained
        self.config = config
        self.automatic_optimization = False

    def loss(self, batch: BatchT) -> torch.Tensor:
        """Return the loss of a mini-batch."""
        raise NotImplementedError

    def training_step(self, block: Iterator[BatchT], batch_idx: int) -> torch.Tensor:
        """Update once for every mini-batch of the block and return their mean loss."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, pl.core.optimizer.LightningOptimizer)
        losses = []
        for batch in block:
            loss = self.loss(move_data_to_device(batch, self.device))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the stage's optimiser."""
        return OPTIMIZERS[self.config.optimizer](
            self.trained.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=True,
        )


class ContrastiveModule(StageModule[PairBatch]):
    """Stage 1: fit the encoder so that rows with one label lie together (CCPS, arXiv 2505.21772)."""

    def __init__(self, encoder: nn.Module, config: StageConfig, margin: float) -> None:
        super().__init__(encoder, config)
        self.margin = margin

    def loss(self, batch: PairBatch) -> torch.Tensor:
        """Embed anchors and partners in one pass and compare them."""
        left, right = self.trained(batch.inputs).chunk(2)
        return contrastive_loss(left, right, batch.different, self.margin)

    def validation_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Hand the loss of the validation pairs to the callbacks."""
        self.log(VAL_LOSS, self.loss(batch), logger=False, batch_size=len(batch.different))


class ClassifierModule(StageModule[Examples]):
    """Stage 2: fit encoder and head together by cross-entropy (CCPS, arXiv 2505.21772)."""

    def __init__(self, network: ProbeNetwork, config: StageConfig) -> None:
        super().__init__(network, config)

    def loss(self, batch: Examples) -> torch.Tensor:
        """Return the cross-entropy of a batch."""
        return functional.cross_entropy(self.trained(batch.inputs), batch.labels)

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Hand loss and accuracy on the validation rows to the callbacks."""
        logits = self.trained(batch.inputs)
        accuracy = (logits.argmax(dim=1) == batch.labels).float().mean()
        metrics = {VAL_LOSS: functional.cross_entropy(logits, batch.labels), VAL_ACCURACY: accuracy}
        self.log_dict(metrics, logger=False, batch_size=len(batch.labels))
