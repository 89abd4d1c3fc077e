"""Both stages of training for many probes at once, on stacked weights."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from ccps.core.errors import UserError
from ccps.probes.curve import CurvePoint, check_best, check_finite
from ccps.probes.encoders import ProbeNetwork
from ccps.probes.losses import pair_losses
from ccps.probes.optimizer import make_optimizer
from ccps.probes.pairs import Examples, draw_pairs, in_blocks, pair_indices, row_indices
from ccps.probes.preparation import PreparedTable, derive_seeds
from ccps.probes.stacking import StackedNetworks, Tensors, call_alone, call_stacked, dropout_sites
from ccps.probes.streams import StackedBatch, Stream, open_stream, stacked_batches
from ccps.settings.probe import Checkpoint, ProbeConfig, StageConfig

_Call = Callable[[nn.Module, Tensors, Tensors, torch.Tensor], torch.Tensor]
"""`call_stacked`, or `call_alone`."""


class _Data(NamedTuple):
    """The training rows of all probes, one probe after the other."""

    inputs: torch.Tensor
    labels: torch.Tensor
    first_row: torch.Tensor
    """`[probes]`"""
    streams: list[Stream]
    stream_of: torch.Tensor
    """`[probes]`, number of the stream."""


class _Stage(NamedTuple):
    """What the two stages differ in."""

    name: str
    settings: StageConfig
    module: nn.Module
    weights: Tensors
    """Those that are trained, named as in `module`, `[probes, …]`."""
    batches: Iterator[StackedBatch]
    losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """From outputs `[probes, members · size, …]` and labels `[probes, members · size]` to losses `[probes, size]`."""
    validation: list[Examples]
    """Of each probe; in the contrastive stage all anchors, then all partners."""
    classifies: bool
    """The outputs are logits, so there is an accuracy."""


@contextmanager
def naming_task(number: int | None) -> Iterator[None]:
    """Begin the message of a `UserError` with the task at fault, if it has a number."""
    try:
        yield
    except UserError as error:
        if number is None:
            raise
        raise UserError(f"Task {number}: {error}") from error


def train_stacked(
    networks: Sequence[ProbeNetwork],
    tables: Sequence[PreparedTable],
    config: ProbeConfig,
    device: torch.device,
    tasks: Sequence[int] | None,
    advance: Callable[[int], None],
    *,
    apart: bool = False,
) -> list[list[CurvePoint]]:
    """Run both stages on `networks`, which are of one shape, in place; they end in evaluation mode.

    Args:
        networks: one for each table.
        tables: what they are fitted to.
        config: the recipe.
        device: where to compute.
        tasks: number of each probe in error messages; None to name none.
        advance: called after each evaluation with the updates made since the one before, over all networks.
        apart: whether such networks are always handed over one by one, so that there is one.

    Returns:
        The curve of each probe.

    Raises:
        UserError: the training of a probe diverges, or its best weights are asked for and no evaluation is finite.
    """
    stacked = StackedNetworks(networks, device)
    data = _lay_out(tables, device)
    stages = (_contrastive(stacked, tables, data, config), _classifier(stacked, tables, data, config))
    call = call_alone if apart else call_stacked
    curves = [_run_stage(stage, data, call, config.checkpoint, tasks, advance) for stage in stages]
    stacked.copy_to(networks)
    for network in networks:
        network.eval()
    return [[*first, *second] for first, second in zip(*curves, strict=True)]


def _lay_out(tables: Sequence[PreparedTable], device: torch.device) -> _Data:
    counts = [len(table.train.labels) for table in tables]
    keys = [(table.seed, count) for table, count in zip(tables, counts, strict=True)]
    distinct = list(dict.fromkeys(keys))
    return _Data(
        inputs=torch.cat([table.train.inputs for table in tables]).to(device),
        labels=torch.cat([table.train.labels for table in tables]).to(device),
        first_row=torch.tensor(np.cumsum(counts) - counts, device=device),
        streams=[open_stream(seed, count) for seed, count in distinct],
        stream_of=torch.tensor([distinct.index(key) for key in keys], device=device),
    )


def _contrastive(stacked: StackedNetworks, tables: Sequence[PreparedTable], data: _Data, config: ProbeConfig) -> _Stage:
    stage, module = config.contrastive, stacked.template.encoder

    def losses(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        left, right = embeddings.chunk(2, dim=1)
        anchors, partners = labels.chunk(2, dim=1)
        return pair_losses(left, right, anchors != partners, config.margin)

    return _Stage(
        name="contrastive",
        settings=stage,
        module=module,
        weights={
            name.removeprefix("encoder."): value
            for name, value in stacked.weights.items()
            if name.startswith("encoder.")
        },
        batches=stacked_batches(
            data.streams,
            lambda stream: pair_indices(stream.rows, stage.batch_size, stream.seeds.pairs),
            members=2,
            sites=dropout_sites(module, tables[0].train.inputs[:2]),
            probability=stage.encoder_dropout,
        ),
        losses=losses,
        validation=[_move(_validation_pairs(table), data.inputs.device) for table in tables],
        classifies=False,
    )


def _classifier(stacked: StackedNetworks, tables: Sequence[PreparedTable], data: _Data, config: ProbeConfig) -> _Stage:
    stage, module = config.classifier, stacked.template
    return _Stage(
        name="classifier",
        settings=stage,
        module=module,
        weights=stacked.weights,
        batches=stacked_batches(
            data.streams,
            lambda stream: row_indices(stream.rows, stage.batch_size, stream.seeds.rows),
            members=1,
            sites=dropout_sites(module, tables[0].train.inputs[:2]),
            probability=stage.encoder_dropout,
        ),
        losses=lambda logits, labels: functional.cross_entropy(logits.mT, labels, reduction="none"),
        validation=[_move(table.validation, data.inputs.device) for table in tables],
        classifies=True,
    )


def _validation_pairs(table: PreparedTable) -> Examples:
    """One fixed set of pairs, so that evaluations differ by the weights and not by the draw."""
    inputs, labels = table.validation
    rng = np.random.default_rng(derive_seeds(table.seed).validation)
    index = torch.from_numpy(draw_pairs(np.arange(len(labels)), len(labels), rng))
    return Examples(inputs[index], labels[index])


def _move(examples: Examples, device: torch.device) -> Examples:
    return Examples(examples.inputs.to(device), examples.labels.to(device))


def _run_stage(
    stage: _Stage,
    data: _Data,
    call: _Call,
    checkpoint: Checkpoint,
    tasks: Sequence[int] | None,
    advance: Callable[[int], None],
) -> list[list[CurvePoint]]:
    settings = stage.settings
    optimizer = make_optimizer(settings, stage.weights.values())
    best = _Best(stage.weights, len(data.first_row), checkpoint)
    curves = [[point] for point in _evaluate(stage, 0, [None] * len(data.first_row))]
    if checkpoint is not Checkpoint.lowest_loss or not settings.steps:  # which is one of a network that has learnt
        best.update([points[-1] for points in curves])
    step = 0
    for block in in_blocks(stage.batches, settings.steps, settings.eval_every):
        losses = torch.stack([_update(stage, optimizer, data, call, batch) for batch in block])
        step += len(losses)
        points = _evaluate(stage, step, losses.mean(dim=0).tolist())
        best.update(points)
        for curve, point in zip(curves, points, strict=True):
            curve.append(point)
        advance(losses.numel())
    for probe in range(len(curves)):
        with naming_task(None if tasks is None else tasks[probe]):
            check_finite(stage.name, (value[probe] for value in stage.weights.values()))
            if checkpoint is not Checkpoint.last:
                check_best(curves[probe], checkpoint)
    if checkpoint is not Checkpoint.last:
        best.restore()
    return curves


def _update(
    stage: _Stage, optimizer: torch.optim.Optimizer, data: _Data, call: _Call, batch: StackedBatch
) -> torch.Tensor:
    """Update every probe once and return their losses `[probes]`."""

    def of_probes(of_streams: torch.Tensor) -> torch.Tensor:
        return of_streams.to(data.stream_of.device).index_select(0, data.stream_of)

    index = of_probes(batch.rows) + data.first_row[:, None]
    masks = {name: of_probes(mask) for name, mask in batch.masks.items()}
    # `index_select` copies whole rows, which is faster than `inputs[index]`.
    inputs = data.inputs.index_select(0, index.flatten()).unflatten(0, index.shape)
    outputs = call(stage.module, stage.weights, masks, inputs)
    losses = (stage.losses(outputs, data.labels[index]) * of_probes(batch.share)).sum(dim=1)
    optimizer.zero_grad()
    # No weight belongs to two probes, so the gradient of the sum is that of each probe's own loss.
    torch.autograd.backward(losses.sum())
    optimizer.step()
    return losses.detach()


@torch.no_grad()
def _evaluate(stage: _Stage, step: int, train_losses: Sequence[float | None]) -> list[CurvePoint]:
    """Evaluate the probes one by one: their validation rows differ in number, and it is seldom done."""
    points = []
    for probe, ((inputs, labels), train_loss) in enumerate(zip(stage.validation, train_losses, strict=True)):
        weights = {name: value[probe] for name, value in stage.weights.items()}
        outputs = functional_call(stage.module, weights, (inputs,))
        loss = stage.losses(outputs[None], labels[None]).mean().item()
        accuracy = (outputs.argmax(dim=1) == labels).float().mean().item() if stage.classifies else None
        points.append(CurvePoint(stage.name, step, train_loss, loss, accuracy))
    return points


class _Best:
    """Copies of each probe's weights at its best evaluation: the highest score, of equals the first."""

    def __init__(self, weights: Tensors, probes: int, checkpoint: Checkpoint) -> None:
        self._live = weights
        self._checkpoint = checkpoint
        self._best = {name: value.detach().clone() for name, value in weights.items()}
        self._scores = [float("-inf")] * probes

    def update(self, points: Sequence[CurvePoint]) -> None:
        """Copy the weights of the probes that have not been better before."""
        for probe, point in enumerate(points):
            score = point.score_by(self._checkpoint)
            if score > self._scores[probe]:
                self._scores[probe] = score
                for name, value in self._live.items():
                    self._best[name][probe] = value[probe].detach()

    def restore(self) -> None:
        """Put the best weights back."""
        with torch.no_grad():
            for name, value in self._live.items():
                value.copy_(self._best[name])
