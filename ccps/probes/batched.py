"""Fitting many probes at once: all grid points, seeds and folds of one recipe as one batched problem."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike

from ccps.errors import expected
from ccps.perturbation import FEATURE_NAMES
from ccps.probes.config import Accelerator, ProbeConfig, check_config
from ccps.probes.fitted import FittedProbe, build_network
from ccps.probes.preparation import prepare, reproducibly
from ccps.probes.stacked_training import naming_task, train_stacked


class ProbeTask(NamedTuple):
    """What one probe is fitted to; `fit_probe` says what each must be."""

    features: ArrayLike
    """`[rows, features]`"""
    labels: ArrayLike
    """`[rows]`, 1 = right."""
    question_ids: Sequence[object]
    """`[rows]`"""
    seed: int
    radius: float


def fit_probes(
    tasks: Sequence[ProbeTask],
    config: ProbeConfig,
    *,
    feature_names: Sequence[str] = FEATURE_NAMES,
    at_once: int = 100,
) -> list[FittedProbe]:
    """Fit one probe to each task, by the recipe of `fit_probe` and with its result up to rounding.

    Split, scaler, initial weights, batches, pairs and dropout masks of a task are those that `fit_probe` on the CPU
    takes for its seed, also when a GPU computes. Weights are stacked `[probes, …]`, and one optimiser updates them
    all. Tables may have different numbers of rows.

    Args:
        tasks: tables, seeds and radii.
        config: the recipe.
        feature_names: names of the columns of every table.
        at_once: probes that are fitted together, whose scaled rows are in memory at the same time.

    Returns:
        Probes in the order of the tasks, on the CPU.

    Raises:
        UserError: the settings are out of range, the accelerator is not there, or `fit_probe` would refuse a task,
            which the message then names by its number, counted from 0.
        ValueError: `at_once` is below 1.
    """
    check_config(config)
    if at_once < 1:
        raise ValueError(f"Expected `at_once` to be at least 1, but got {at_once}.")
    device = _device(config.accelerator)
    probes: list[FittedProbe] = []
    for first in range(0, len(tasks), at_once):
        tables, networks = [], []
        for number, task in enumerate(tasks[first : first + at_once], start=first):
            with naming_task(number), reproducibly(task.seed):
                rows = task.features, task.labels, task.question_ids
                tables.append(prepare(*rows, config, task.seed, task.radius, feature_names))
                networks.append(build_network(config, len(feature_names)))
        # Every probe has random sources of its own; this is for the one thread.
        with reproducibly(seed=0):
            curves = train_stacked(networks, tables, config, device, first)
        probes += [table.fitted(network, curve) for table, network, curve in zip(tables, networks, curves, strict=True)]
    return probes


def _device(accelerator: Accelerator) -> torch.device:
    found = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is Accelerator.gpu and found is None:
        raise expected("`probe.accelerator`", "one that this machine has", accelerator, "Set it to `cpu` or `auto`.")
    return torch.device("cpu") if found is None or accelerator is Accelerator.cpu else found
