"""Fits: all grid points, seeds and folds of one recipe as one batched problem; one probe is a batch of one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike

from ccps.core.settings import check
from ccps.perturbation import FEATURE_NAMES
from ccps.probes.curve import CurvePoint
from ccps.probes.encoders import ProbeNetwork
from ccps.probes.fitted import FittedProbe, build_network
from ccps.probes.preparation import PreparedTable, prepare, reproducibly, training_device
from ccps.probes.reporting import SILENT, Reporting
from ccps.probes.stacked_training import naming_task, train_stacked
from ccps.probes.threads import GoOn, on_threads
from ccps.settings.probe import ProbeConfig

STACKED = 100
"""Probes that are fitted as one stack, if nothing else is said."""


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


def fit_probe(
    features: ArrayLike,
    labels: ArrayLike,
    question_ids: Sequence[object],
    config: ProbeConfig,
    seed: int,
    *,
    radius: float,
    feature_names: Sequence[str] = FEATURE_NAMES,
    reporting: Reporting = SILENT,
) -> FittedProbe:
    """Fit a probe to feature rows of answers that are known to be right or wrong (CCPS, arXiv 2505.21772).

    The perceptron is fitted to single rows. An encoder with kernels is fitted to answers: consecutive rows with
    one question id, in token order.

    Rows with NaN or ±inf are dropped and counted in the result's `training.dropped`, except that an infinite
    `epsilon_to_flip_token` becomes `radius`; an answer that has lost all its rows is left out and counted too. A
    share of the questions is held out for validation; the scaler sees the other rows only, all of them, also
    those beyond `max_tokens`. The same arguments give the same weights, bit for bit, on one kind of device;
    global random states are left as they were.

    Args:
        features: `[rows, features]`, one row per answer token.
        labels: `[rows]`, 1 where the row's answer is correct, else 0.
        question_ids: `[rows]`; rows of one question are never divided between training and validation. With
            kernels, the id of the answer that the row belongs to.
        config: the recipe.
        seed: decides the split, the initial weights, the batches, the pairs and the dropout.
        radius: largest perturbation radius of the grid that the features were computed on.
        feature_names: names of the columns.
        reporting: receives the curve once the probe is fitted, and hears of the progress.

    Raises:
        UserError: the settings are out of range, the table does not fit its names, labels are missing, or the
            rows cannot be fitted (none left, all right, all wrong, too few to stratify, training diverges); with
            kernels also if a question id comes back after another one, or labels differ within an answer.
    """
    task = ProbeTask(features, labels, question_ids, seed, radius)
    [probe] = _fit([task], config, feature_names, 1, reporting.on_progress, numbered=False)
    reporting.log(probe.training.curve)
    return probe


def fit_probes(
    tasks: Sequence[ProbeTask],
    config: ProbeConfig,
    *,
    feature_names: Sequence[str] = FEATURE_NAMES,
    at_once: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[FittedProbe]:
    """Fit one probe to each task, with the result of `fit_probe` up to rounding.

    Split, scaler, initial weights, batches, pairs and dropout masks of a task come from its seed alone, and are drawn
    on the CPU also when a GPU computes. Weights are stacked `[probes, …]`, and one optimiser updates them all. Tables
    may have different numbers of rows; where the steps follow these, those with as many steps are a stack.

    On the CPU, convolutions gain nothing from being stacked: their arithmetic takes the time, not the calls. There
    each probe is a stack of its own, and as many are fitted at a time as torch has threads.

    Args:
        tasks: tables, seeds and radii.
        config: the recipe.
        feature_names: names of the columns of every table.
        at_once: probes whose scaled rows are in memory at the same time; without it 100, or as many as torch has
            threads if each is fitted on a thread of its own.
        on_progress: called after evaluations, by one thread at a time, with the updates made so far and those in all,
            summed over probes and stages.

    Returns:
        Probes in the order of the tasks, on the CPU.

    Raises:
        UserError: the settings are out of range, the accelerator is not there, or `fit_probe` would refuse a task,
            which the message then names by its number, counted from 0.
        ValueError: `at_once` is below 1.
    """
    return _fit(tasks, config, feature_names, at_once, on_progress, numbered=True)


def _fit(
    tasks: Sequence[ProbeTask],
    config: ProbeConfig,
    feature_names: Sequence[str],
    at_once: int | None,
    on_progress: Callable[[int, int], None] | None,
    *,
    numbered: bool,
) -> list[FittedProbe]:
    """Fit one probe to each task; messages name the task at fault if tasks are `numbered`."""
    check(config, "probe")
    device, threads = training_device(config.accelerator, "probe"), torch.get_num_threads()
    apart = bool(config.encoder.kernels) and device.type == "cpu"
    size = (threads if apart else STACKED) if at_once is None else at_once
    if size < 1:
        raise ValueError(f"Expected `at_once` to be at least 1, but got {at_once}.")
    most = config.contrastive.steps + config.classifier.steps
    advance = _Progress(len(tasks) * most, on_progress)
    probes: list[FittedProbe] = []
    for first in range(0, len(tasks), size):
        tables, networks = [], []
        for number, task in enumerate(tasks[first : first + size], start=first):
            with naming_task(number if numbered else None), reproducibly(task.seed):
                rows = task.features, task.labels, task.question_ids
                tables.append(prepare(*rows, config, task.seed, task.radius, feature_names))
                networks.append(build_network(config, len(feature_names)))
        curves: list[list[CurvePoint]] = [[] for _ in tables]
        # Every probe has random sources of its own; this is for the one thread.
        with reproducibly(seed=0):
            for steps, places in _alike(config, tables).items():
                fixed, tasks_here = _with_steps(config, steps), [first + place for place in places]
                group = [networks[place] for place in places], [tables[place] for place in places], fixed
                named = tasks_here if numbered else None
                found = (
                    _train_apart(*group, named, advance, threads)
                    if apart
                    else train_stacked(*group, device, named, advance)
                )
                for place, curve in zip(places, found, strict=True):
                    curves[place] = curve
                if sum(steps) < most:
                    advance((most - sum(steps)) * len(places))  # updates that these do not need
        probes += [table.fitted(network, curve) for table, network, curve in zip(tables, networks, curves, strict=True)]
    return probes


def _steps(config: ProbeConfig, table: PreparedTable) -> tuple[int, int]:
    """Mini-batches of each stage for a table."""
    rows = len(table.train.labels)
    return config.contrastive.steps_for(rows), config.classifier.steps_for(rows)


def _alike(config: ProbeConfig, tables: Sequence[PreparedTable]) -> dict[tuple[int, int], list[int]]:
    """Which tables take as many mini-batches: those can be fitted as one stack."""
    groups: dict[tuple[int, int], list[int]] = {}
    for place, table in enumerate(tables):
        groups.setdefault(_steps(config, table), []).append(place)
    return groups


def _with_steps(config: ProbeConfig, steps: tuple[int, int]) -> ProbeConfig:
    contrastive, classifier = steps
    return replace(
        config,
        contrastive=replace(config.contrastive, steps=contrastive),
        classifier=replace(config.classifier, steps=classifier),
    )


def _train_apart(
    networks: Sequence[ProbeNetwork],
    tables: Sequence[PreparedTable],
    config: ProbeConfig,
    tasks: Sequence[int] | None,
    advance: Callable[[int], None],
    threads: int,
) -> list[list[CurvePoint]]:
    """Run `train_stacked` for each network alone, so many at a time; which thread takes it does not matter."""

    def train(number: int, go_on: GoOn) -> list[CurvePoint]:
        def step(updates: int) -> None:
            go_on()
            advance(updates)

        here, cpu = slice(number, number + 1), torch.device("cpu")
        named = None if tasks is None else tasks[here]
        return train_stacked(networks[here], tables[here], config, cpu, named, step, apart=True)[0]

    return list(on_threads(train, range(len(networks)), threads))


class _Progress:
    """Adds up the updates made by all threads, and passes on the sum."""

    def __init__(self, total: int, listener: Callable[[int, int], None] | None) -> None:
        self._total = total
        self._listener = listener
        self._done = 0
        self._lock = Lock()

    def __call__(self, updates: int) -> None:
        with self._lock:
            self._done += updates
            if self._listener is not None:
                self._listener(self._done, self._total)
