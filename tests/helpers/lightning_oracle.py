"""Fits of one probe written plainly, one network and one Lightning trainer: the oracles of the fits of many.

Dropout is torch's own, the losses are means over a batch, and nothing is stacked, masked or filled up.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import EarlyStopping
from numpy.typing import NDArray
from torch import nn

from ccps.core.quiet import quiet_lightning
from ccps.perturbation import FEATURE_NAMES
from ccps.probes import FittedProbe, ProbeConfig, ProbeTask
from ccps.probes.curve import CurvePoint
from ccps.probes.encoders import ProbeNetwork
from ccps.probes.fitted import build_network
from ccps.probes.lightning_stage import VAL_ACCURACY, VAL_LOSS, StageModule, run_stage
from ccps.probes.losses import pair_losses
from ccps.probes.pairs import Examples, draw_pairs, pair_indices, row_batches
from ccps.probes.preparation import derive_seeds, prepare, reproducibly
from ccps.probes.reporting import SILENT
from ccps.probes.state_training import StateFit
from ccps.settings.probe import StageConfig
from ccps.settings.state_probe import StateProbeConfig


def fit_alone(task: ProbeTask, config: ProbeConfig) -> FittedProbe:
    """Fit one probe to a task."""
    rows = task.features, task.labels, task.question_ids
    table = prepare(*rows, config, task.seed, task.radius, FEATURE_NAMES)
    with reproducibly(task.seed):
        network = build_network(config, len(FEATURE_NAMES))
    return table.fitted(network, train_network(network, table.train, table.validation, config, task.seed))


def train_network(
    network: ProbeNetwork,
    train: Examples,
    validation: Examples,
    config: ProbeConfig,
    seed: int,
) -> tuple[CurvePoint, ...]:
    """Run both stages on `network`, in place; it ends on the CPU in evaluation mode.

    The encoder may be any module that maps `inputs[rows]` to what the head reads. Batches, pairs and dropout
    come from `seed`.

    Raises:
        UserError: the accelerator is not there, or training diverges.
    """
    seeds = derive_seeds(seed)
    everyone = np.arange(len(validation.labels))
    # One fixed set of validation pairs, so that evaluations differ by the weights and not by the draw.
    validation_pairs = make_pairs(validation, everyone, np.random.default_rng(seeds.validation))

    with reproducibly(seeds.dropout), quiet_lightning():
        set_dropout(network.encoder, config.contrastive.encoder_dropout)
        first = run_stage(
            "contrastive",
            ContrastiveModule(network.encoder, config.contrastive, config.margin),
            pair_batches(train, config.contrastive.batch_size, seeds.pairs),
            validation_pairs,
            config.accelerator,
            SILENT,
            checkpoint=config.checkpoint,
        )
        set_dropout(network.encoder, config.classifier.encoder_dropout)
        second = run_stage(
            "classifier",
            ClassifierModule(network, config.classifier),
            row_batches(train, config.classifier.batch_size, seeds.rows),
            validation,
            config.accelerator,
            SILENT,
            checkpoint=config.checkpoint,
        )
    network.cpu().eval()
    return (*first, *second)


class PairBatch(NamedTuple):
    """Pairs for the contrastive loss."""

    inputs: torch.Tensor
    """`[2 · pairs, ...]`: all anchors, then all partners, so that one pass embeds both."""
    different: torch.Tensor
    """`[pairs]`, true where the labels of anchor and partner differ."""


class ContrastiveModule(StageModule[PairBatch]):
    """Stage 1: fit the encoder so that rows with one label lie together (CCPS, arXiv 2505.21772)."""

    def __init__(self, encoder: nn.Module, config: StageConfig, margin: float) -> None:
        super().__init__(encoder, config)
        self.margin = margin

    def loss(self, batch: PairBatch) -> torch.Tensor:
        """Embed anchors and partners in one pass and compare them."""
        left, right = self.trained(batch.inputs).chunk(2)
        return pair_losses(left, right, batch.different, self.margin).mean()

    def validation_step(self, batch: PairBatch, batch_idx: int) -> None:
        """Hand the loss of the validation pairs to the callbacks."""
        self.log(VAL_LOSS, self.loss(batch), logger=False, batch_size=len(batch.different))


class ClassifierModule(StageModule[Examples]):
    """Stage 2: fit encoder and head together by cross-entropy (CCPS, arXiv 2505.21772)."""

    def __init__(self, network: ProbeNetwork, config: StageConfig) -> None:
        super().__init__(network, config)

    def loss(self, batch: Examples) -> torch.Tensor:
        """Return the cross-entropy of a batch."""
        return F.cross_entropy(self.trained(batch.inputs), batch.labels)

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Hand loss and accuracy on the validation rows to the callbacks."""
        logits = self.trained(batch.inputs)
        accuracy = (logits.argmax(dim=1) == batch.labels).float().mean()
        metrics = {VAL_LOSS: F.cross_entropy(logits, batch.labels), VAL_ACCURACY: accuracy}
        self.log_dict(metrics, logger=False, batch_size=len(batch.labels))


def make_pairs(examples: Examples, anchors: NDArray[np.int64], rng: np.random.Generator) -> PairBatch:
    """Join the anchors `[pairs]` with random partners out of the same examples."""
    return _gather_pairs(examples, draw_pairs(anchors, len(examples.labels), rng))


def pair_batches(examples: Examples, batch_size: int, seed: int) -> Iterator[PairBatch]:
    """Yield the pairs that `pair_indices` names."""
    for pairs in pair_indices(len(examples.labels), batch_size, seed):
        yield _gather_pairs(examples, pairs)


def _gather_pairs(examples: Examples, pairs: NDArray[np.int64]) -> PairBatch:
    anchors, partners = np.split(examples.labels.numpy()[pairs], 2)
    return PairBatch(inputs=examples.inputs[torch.from_numpy(pairs)], different=torch.from_numpy(anchors != partners))


def set_dropout(module: nn.Module, probability: float) -> None:
    """Give every dropout layer inside `module` this probability: the two stages use different ones."""
    for layer in module.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = probability


class StateModule(StageModule[Examples]):
    """A probe on states: binary cross-entropy on one logit per answer, right answers weighted, gradients clipped."""

    def __init__(self, network: nn.Module, config: StageConfig, positive_weight: float, clip_norm: float) -> None:
        super().__init__(network, config)
        self.positive_weight = positive_weight
        self.clip_norm = clip_norm

    def loss(self, batch: Examples) -> torch.Tensor:
        """Return the weighted cross-entropy of a batch."""
        logits = self.trained(batch.inputs).squeeze(1)
        weight = logits.new_tensor(self.positive_weight)
        return F.binary_cross_entropy_with_logits(logits, batch.labels.to(logits), pos_weight=weight)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip here: Lightning's own clipping leaves modules alone that step their optimiser themselves."""
        nn.utils.clip_grad_norm_(self.trained.parameters(), self.clip_norm)

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Hand the loss of the validation answers to the callbacks."""
        self.log(VAL_LOSS, self.loss(batch), logger=False, batch_size=len(batch.labels))


def fit_state_alone(fit: StateFit, config: StateProbeConfig) -> tuple[CurvePoint, ...]:
    """Train the network of a state probe in place; batches and dropout come from the seed."""
    row_seed, torch_seed = np.random.SeedSequence(fit.seed).generate_state(2).tolist()
    epoch = math.ceil(len(fit.train.labels) / config.batch_size)
    stage = StageConfig(
        steps=config.max_epochs * epoch,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        encoder_dropout=config.dropout,
        eval_every=epoch,
    )
    with reproducibly(torch_seed), quiet_lightning():
        curve = run_stage(
            "state",
            StateModule(fit.network, stage, fit.positive_weight, config.clip_norm),
            row_batches(fit.train, config.batch_size, row_seed),
            fit.validation,
            config.accelerator,
            SILENT,
            callbacks=[EarlyStopping(VAL_LOSS, patience=config.patience)],
        )
    fit.network.cpu().eval()
    return tuple(curve)
