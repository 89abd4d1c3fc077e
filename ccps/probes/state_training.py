"""Training of probes on hidden states, several at a time.

Such a probe has hundreds of thousands of weights and a few hundred rows: an update takes the time of reading and
writing the weights and what Adam keeps of each. A stack of many would leave the cache for that, and gain nothing. So
each is trained by itself, on a thread of its own, with random sources of its own.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ccps.core.errors import UserError
from ccps.probes.curve import CurvePoint, check_best, check_finite
from ccps.probes.optimizer import make_optimizer
from ccps.probes.pairs import Examples, in_blocks, row_batches
from ccps.probes.threads import GoOn, on_threads
from ccps.settings.probe import StageConfig
from ccps.settings.state_probe import StateProbeConfig

STAGE = "state"


class StateFit(NamedTuple):
    """One network, and what it is fitted to."""

    network: nn.Sequential
    """From `[rows, width]` to logits `[rows, 1]`."""
    train: Examples
    validation: Examples
    positive_weight: float
    """Of a right answer in the loss."""
    seed: int
    """Decides batches and dropout."""


def train_states(
    fits: Sequence[StateFit], config: StateProbeConfig, device: torch.device
) -> Iterator[tuple[CurvePoint, ...]]:
    """Train the networks in place, as many at a time as torch has threads; which thread takes one does not matter.

    The same fit gives the same weights, bit for bit, on one kind of device. Global random states are left alone.

    Args:
        fits: networks with their data.
        config: the recipe.
        device: where to compute; the networks end on the CPU, in evaluation mode.

    Returns:
        The curve of each, one point before training and one after each epoch, as it is done.

    Raises:
        UserError: training diverges.
    """
    yield from on_threads(lambda fit, go_on: tuple(_train(fit, config, device, go_on)), fits, torch.get_num_threads())


def weighted_loss(logits: torch.Tensor, labels: torch.Tensor, positive_weight: float) -> torch.Tensor:
    """Binary cross-entropy of logits `[rows]`, right answers weighted, mean over the rows.

    Raises:
        UserError: it is not finite.
    """
    weight = logits.new_tensor(positive_weight)
    loss = functional.binary_cross_entropy_with_logits(logits, labels.to(logits), pos_weight=weight)
    if not torch.isfinite(loss):
        raise UserError(
            f"Expected the loss of the state probe to be finite, but got {loss.item()}: training diverged. "
            "Lower `state_probe.learning_rate`, or set `state_probe.standardise`."
        )
    return loss


class _Dropout(nn.Module):
    """Dropout of a generator of its own, on the CPU, with the masks that torch's would draw from it."""

    def __init__(self, probability: float, generator: torch.Generator) -> None:
        super().__init__()
        self._kept = 1 - probability
        self._generator = generator

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the inputs times a new mask; as they are in evaluation."""
        if not self.training or self._kept == 1:
            return inputs
        mask = torch.empty(inputs.shape).bernoulli_(self._kept, generator=self._generator).div_(self._kept)
        return inputs * mask.to(inputs.device)


def _train(fit: StateFit, config: StateProbeConfig, device: torch.device, go_on: GoOn) -> list[CurvePoint]:
    row_seed, dropout_seed = np.random.SeedSequence(fit.seed).generate_state(2).tolist()
    generator = torch.Generator().manual_seed(dropout_seed)
    network = nn.Sequential(
        *(_Dropout(one.p, generator) if isinstance(one, nn.Dropout) else one for one in fit.network)
    ).to(device)
    epoch = math.ceil(len(fit.train.labels) / config.batch_size)
    stage = StageConfig(learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    optimizer = make_optimizer(stage, network.parameters())
    train, validation = (Examples(*(part.to(device) for part in side)) for side in (fit.train, fit.validation))
    batches = row_batches(train, config.batch_size, row_seed)

    def loss_of(examples: Examples) -> torch.Tensor:
        return weighted_loss(network(examples.inputs).squeeze(1), examples.labels, fit.positive_weight)

    def evaluate(step: int, train_loss: float | None) -> CurvePoint:
        network.eval()
        with torch.no_grad():
            return CurvePoint(STAGE, step, train_loss, loss_of(validation).item(), None)

    def copied() -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in network.state_dict().items()}

    points, best = [evaluate(0, None)], copied()
    lowest, lowest_trained, since = points[0].val_loss, math.inf, 0  # patience counts epochs, not what was before them
    for block in in_blocks(batches, config.max_epochs * epoch, epoch):
        network.train()
        losses = []
        for batch in block:
            go_on()
            loss = loss_of(batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            optimizer.step()
            losses.append(loss.detach())
        point = evaluate(points[-1].step + len(losses), torch.stack(losses).mean().item())
        points.append(point)
        if point.val_loss < lowest:
            lowest, best = point.val_loss, copied()
        since = 0 if point.val_loss < lowest_trained else since + 1
        lowest_trained = min(lowest_trained, point.val_loss)
        if since >= config.patience:
            break
    check_finite(STAGE, network.state_dict().values())
    check_best(points)
    network.load_state_dict(best)
    fit.network.cpu().eval()
    return points
