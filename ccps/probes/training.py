"""Fitting a probe: the contrastive stage, then encoder and classifier together."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import Logger
from numpy.typing import ArrayLike
from torch.utils.data import DataLoader

from ccps.core.errors import UserError, expected
from ccps.core.settings import check
from ccps.perturbation import FEATURE_NAMES
from ccps.pipeline.quiet import quiet_lightning
from ccps.probes.curve import CurvePoint, CurveRecorder, check_best
from ccps.probes.encoders import ProbeNetwork, set_dropout
from ccps.probes.fitted import FittedProbe, build_network
from ccps.probes.modules import BatchT, ClassifierModule, ContrastiveModule, StageModule
from ccps.probes.pairs import Examples, in_blocks, make_pairs, pair_batches, row_batches
from ccps.probes.preparation import derive_seeds, prepare, reproducibly
from ccps.settings.probe import Accelerator, Checkpoint, ProbeConfig, StageConfig


class Reporting(NamedTuple):
    """Where training is heard of; none of it changes the result."""

    logger: Logger | None = None
    """Lightning logger that receives the curves."""
    log_prefix: str = "probe"
    """Metrics are named `<log_prefix>/<stage>/<metric>`."""
    callbacks: tuple[pl.Callback, ...] = ()
    """Further Lightning callbacks, for both stages."""
    progress: bool = False
    """Show Lightning's progress bar."""
    on_progress: Callable[[int, int], None] | None = None
    """Called now and then with how much of a fit is done and how much it is in all, in units of the fit's own."""

    def for_seed(self, seed: int) -> "Reporting":
        """The same for one of several fits, whose metrics are named by its seed."""
        return self._replace(log_prefix=f"{self.log_prefix}/seed{seed}")

    def say(self, done: int, total: int) -> None:
        """Tell whoever listens to the progress."""
        if self.on_progress is not None:
            self.on_progress(done, total)


SILENT = Reporting()


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
        reporting: logger, callbacks, progress bar.

    Raises:
        UserError: the settings are out of range, the table does not fit its names, labels are missing, or the
            rows cannot be fitted (none left, all right, all wrong, too few to stratify, training diverges); with
            kernels also if a question id comes back after another one, or labels differ within an answer.
    """
    check(config, "probe")
    table = prepare(features, labels, question_ids, config, seed, radius, feature_names)
    with reproducibly(seed):
        network = build_network(config, len(feature_names))
    curve = train_network(network, table.train, table.validation, config, seed, reporting)
    return table.fitted(network, curve)


def train_network(
    network: ProbeNetwork,
    train: Examples,
    validation: Examples,
    config: ProbeConfig,
    seed: int,
    reporting: Reporting,
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
            config,
            reporting,
        )
        set_dropout(network.encoder, config.classifier.encoder_dropout)
        second = run_stage(
            "classifier",
            ClassifierModule(network, config.classifier),
            row_batches(train, config.classifier.batch_size, seeds.rows),
            validation,
            config,
            reporting,
        )
    network.cpu().eval()
    return (*first, *second)


def run_stage(
    name: str,
    module: StageModule[BatchT],
    batches: Iterator[BatchT],
    validation: BatchT,
    config: ProbeConfig,
    reporting: Reporting,
) -> list[CurvePoint]:
    """Train one module on mini-batches and return its evaluations.

    Args:
        name: of the stage, for curves and messages.
        module: what is trained, in place.
        batches: mini-batches, as many as the stage has steps.
        validation: what is evaluated, whole.
        config: says which weights are kept, and on which accelerator.
        reporting: logger, callbacks, progress bar.

    Raises:
        UserError: the accelerator is not there, training diverges, or the best weights are asked for and no
            evaluation is finite.
    """
    stage, trained = module.config, module.trained
    recorder = CurveRecorder(name, trained, reporting.log_prefix)
    # A loader draws a number each time it starts: from its own generator, lest evaluations change dropout.
    whole: DataLoader[BatchT] = DataLoader(
        [validation],  # type: ignore[arg-type]  # a list is a dataset too
        batch_size=None,
        generator=torch.Generator(),
    )
    trainer = _trainer(stage, config.accelerator, [recorder, *reporting.callbacks], reporting)
    trainer.validate(module, whole, verbose=False)
    if stage.steps:
        trainer.fit(module, in_blocks(batches, stage.steps, stage.eval_every), whole)
    check_finite(name, trained.state_dict().values())
    if config.checkpoint is Checkpoint.best:
        check_best(recorder.points)
        trained.load_state_dict(recorder.best_weights)
    return recorder.points


def check_finite(stage: str, weights: Iterable[torch.Tensor]) -> None:
    """Refuse weights that hold ±inf or NaN at the end of a stage.

    Raises:
        UserError: they do.
    """
    if not all(torch.isfinite(value).all() for value in weights):
        raise UserError(
            f"Expected the {stage} stage to end with finite weights, but training diverged. "
            f"Lower `probe.{stage}.learning_rate`, or look for features out of all proportion."
        )


def _trainer(
    stage: StageConfig, accelerator: Accelerator, callbacks: list[pl.Callback], reporting: Reporting
) -> pl.Trainer:
    try:
        return pl.Trainer(
            accelerator=accelerator.value,
            devices=1,
            # A probe trains in its own process, also inside a job that a cluster's scheduler has described.
            plugins=[LightningEnvironment()],
            max_steps=stage.steps,
            max_epochs=1,
            limit_train_batches=math.ceil(stage.steps / stage.eval_every),
            val_check_interval=1,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            logger=reporting.logger or False,
            callbacks=callbacks,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=reporting.progress,
        )
    except MisconfigurationException as error:
        raise expected(
            "`probe.accelerator`",
            "one that this machine has",
            f"{accelerator} ({error})",
            "Set it to `cpu` or `auto`.",
        ) from error
