"""From a table of feature rows to the examples that a probe is fitted to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from ccps.core.errors import WrongSettingError, expected
from ccps.probes.curve import CurvePoint
from ccps.probes.encoders import ProbeNetwork
from ccps.probes.fitted import FittedProbe, TrainingRecord, to_inputs
from ccps.probes.pairs import Examples
from ccps.probes.preprocess import Standardizer, clean_for_training
from ccps.probes.sequences import count_truncated, group_by_question, rows_as_answers
from ccps.probes.split import check_labels, split_by_question
from ccps.settings.probe import Accelerator, ProbeConfig


class Seeds(NamedTuple):
    """What the one seed of a fit becomes for each thing that is random in training."""

    pairs: int
    rows: int
    validation: int
    dropout: int


@dataclass(frozen=True)
class PreparedTable:
    """Examples, and all that a fitted probe holds beside its network and curve."""

    config: ProbeConfig
    feature_names: tuple[str, ...]
    radius: float
    seed: int
    scaler: Standardizer
    train: Examples
    validation: Examples
    dropped: dict[str, int]
    """Reason → number of token rows left out."""
    left_out: int
    """Answers of which no row was left."""
    truncated: int
    """Answers longer than `max_tokens`."""

    def fitted(self, network: ProbeNetwork, curve: Sequence[CurvePoint]) -> FittedProbe:
        """Return the probe with a network that has been fitted to the examples."""
        return FittedProbe(
            config=self.config,
            feature_names=self.feature_names,
            radius=self.radius,
            scaler=self.scaler,
            network=network,
            training=TrainingRecord(
                seed=self.seed,
                train_rows=len(self.train.labels),
                validation_rows=len(self.validation.labels),
                dropped=self.dropped,
                left_out=self.left_out,
                truncated=self.truncated,
                curve=tuple(curve),
            ),
        )


def prepare(
    features: ArrayLike,
    labels: ArrayLike,
    question_ids: Sequence[object],
    config: ProbeConfig,
    seed: int,
    radius: float,
    feature_names: Sequence[str],
) -> PreparedTable:
    """Clean, split and scale the rows; the arguments are those of `fit_probe`.

    Raises:
        UserError: the table does not fit its names, labels are missing, or the rows cannot be fitted.
    """
    rows = clean_for_training(features, feature_names, radius)
    known = check_labels(labels, len(rows.kept))
    if len(question_ids) != len(rows.kept):
        count = f"{len(rows.kept)} identifiers"
        raise expected("`question_ids`", count, len(question_ids), "Name the question of every row.")
    collect = group_by_question if config.encoder.kernels else rows_as_answers
    answers = collect(question_ids, known, rows.kept)
    split = split_by_question(answers.labels, answers.questions, config.validation_fraction, seed)
    in_train = np.isin(np.arange(len(answers.lengths)), split.train)
    scaler = Standardizer.fit(rows.features[np.repeat(in_train, answers.lengths)])
    inputs = to_inputs(config.encoder, scaler, rows.features, answers.lengths)
    targets = torch.from_numpy(answers.labels)
    train, validation = (Examples(inputs[side], targets[side]) for side in split)
    return PreparedTable(
        config=config,
        feature_names=tuple(feature_names),
        radius=radius,
        seed=seed,
        scaler=scaler,
        train=train,
        validation=validation,
        dropped=rows.dropped,
        left_out=answers.left_out,
        truncated=count_truncated(answers.lengths, config.encoder),
    )


def derive_seeds(seed: int) -> Seeds:
    """Draw the seeds of training, which are independent of each other, from the seed of a fit."""
    return Seeds(*np.random.SeedSequence(seed).generate_state(len(Seeds._fields)).tolist())


@contextmanager
def reproducibly(seed: int) -> Iterator[None]:
    """Seed torch and use one CPU thread inside the block; put both back after it.

    The matrices are so small that a second thread only waits, and one thread adds in one order.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def training_device(accelerator: Accelerator, group: str) -> torch.device:
    """Where a probe is trained, by the settings of a group.

    Raises:
        UserError: the accelerator is not there.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is Accelerator.gpu and found is None:
        way_out = "Set it to `cpu` or `auto`."
        raise expected(f"`{group}.accelerator`", "one that this machine has", accelerator, way_out, WrongSettingError)
    return torch.device("cpu") if found is None or accelerator is Accelerator.cpu else found
