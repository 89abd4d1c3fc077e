"""Probes that read one hidden state per answer as the probability that the answer is correct: P(IK) and SAPLMA."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from ccps.core.errors import expected
from ccps.core.settings import check
from ccps.core.stored import write_json
from ccps.probes.curve import CurvePoint
from ccps.probes.encoders import build_encoder, count_parameters
from ccps.probes.pairs import Examples
from ccps.probes.preparation import reproducibly, training_device
from ccps.probes.preprocess import Standardizer
from ccps.probes.reporting import SILENT, Reporting
from ccps.probes.split import check_labels, split_by_question
from ccps.probes.state_training import StateFit, train_states
from ccps.probes.stored import read_config, read_settings, read_tensors
from ccps.settings.probe import EncoderConfig
from ccps.settings.state_probe import StateProbeConfig

FORMAT_VERSION = 2
"""1: `base_rate` was no setting, and P(correct) was as if half of the answers were right."""
WEIGHTS_FILE = "state_probe.safetensors"
SETTINGS_FILE = "state_probe.json"


@dataclass(frozen=True)
class StateTrainingRecord:
    """How a state probe came about."""

    seed: int
    train_rows: int
    """Answers that the network was fitted to."""
    validation_rows: int
    """Answers held out."""
    positive_weight: float
    """Weight of a right answer in the loss: wrong ones per right one in training."""
    epochs: int
    """Passes that were made."""
    best_epoch: int
    """The epoch, counted from 1, whose weights were kept; 0 if none did better than the initial weights."""
    curve: tuple[CurvePoint, ...]
    """Before training and after each epoch, in order."""

    def summary(self) -> dict[str, int]:
        """Answers used."""
        return {"train_rows": self.train_rows, "validation_rows": self.validation_rows}


@dataclass(frozen=True)
class FittedStateProbe:
    """Everything that turns hidden states into P(correct)."""

    config: StateProbeConfig
    width: int
    """Numbers in a state."""
    scaler: Standardizer | None
    """None if the states are read as they are."""
    network: nn.Module
    """From `[answers, width]` to logits `[answers, 1]`, on the CPU and in evaluation mode."""
    training: StateTrainingRecord

    @property
    def parameters(self) -> int:
        """Numbers that training has set: the network's weights and biases."""
        return count_parameters(self.network)

    def predict(self, states: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that each answer is correct.

        Args:
            states: `[answers, width]`, the same token and layer as in training.

        Returns:
            `[answers]` in [0, 1]; higher means more confident. The network runs in float32, the sigmoid in float64.
            Where right answers weighed w in the loss, the network learnt log-odds of w · P(correct) against 1 −
            P(correct), so log(w) is subtracted from its logits, unless `base_rate` is `half`.

        Raises:
            UserError: the states are not of the width trained on, or not finite.
        """
        values = _check_states(states)
        if values.shape[1] != self.width:
            raise expected(
                "`states`",
                f"{self.width} numbers wide",
                values.shape[1],
                "Take them from the language model and layer that the probe was fitted to.",
            )
        with torch.inference_mode():
            logits = self.network(_to_inputs(values, self.scaler))
        known = self.config.base_rate == "training"
        log_weight = math.log(self.training.positive_weight) if known else 0.0
        probabilities: NDArray[np.float64] = (logits.squeeze(1).double() - log_weight).sigmoid().numpy()
        return probabilities

    def notes(self, states: ArrayLike) -> dict[str, int]:
        """Nothing is changed on the way."""
        return {}

    def save(self, folder: Path) -> None:
        """Write `state_probe.safetensors` and `state_probe.json` into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(_tensors(self.network, self.scaler), folder / WEIGHTS_FILE)
        settings = {
            "width": self.width,
            "config": asdict(self.config),
            "training": {**asdict(self.training), "curve": [point._asdict() for point in self.training.curve]},
        }
        write_json(folder / SETTINGS_FILE, FORMAT_VERSION, settings)

    @classmethod
    def load(cls, folder: Path) -> "FittedStateProbe":
        """Read a probe that `save` wrote.

        Raises:
            UserError: a file is missing or unreadable, is of another format version, or does not hold exactly
                the keys and tensor shapes that its own settings ask for.
        """
        path = folder / SETTINGS_FILE
        settings = read_settings(path, FORMAT_VERSION, ("width", "config"), StateTrainingRecord)
        config, width = read_config(settings["config"], StateProbeConfig, path), settings["width"]
        network = _build_network(config, width)
        scaler = Standardizer.fit(np.zeros((1, width))) if config.standardise else None
        tensors = read_tensors(folder / WEIGHTS_FILE, _tensors(network, scaler))
        if scaler is not None:
            scaler = Standardizer(**{name: tensors.pop(f"scaler.{name}").numpy() for name in vars(scaler)})
        network.load_state_dict(tensors)
        training = settings["training"]
        curve = tuple(CurvePoint(**point) for point in training.pop("curve"))
        return cls(config, width, scaler, network.eval(), StateTrainingRecord(**training, curve=curve))


def fit_state_probe(
    states: ArrayLike,
    labels: ArrayLike,
    question_ids: Sequence[object],
    config: StateProbeConfig,
    seed: int,
    reporting: Reporting = SILENT,
) -> FittedStateProbe:
    """Fit a probe to one hidden state of each answer that is known to be right or wrong.

    With the state of the last prompt token it is P(IK), with a state of the last token SAPLMA. Right answers weigh
    wrong/right as counted in training, so that both labels weigh the same; by `config.base_rate`, P(correct) is then
    that among answers like the training ones, or as if half of all were right. The weights kept are those with the
    lowest validation loss. The same arguments give the same weights, bit for bit, on one kind of device; global random
    states are left as they were.

    Args:
        states: `[answers, width]`, any float type, finite.
        labels: `[answers]`, 1 where the answer is correct, else 0.
        question_ids: `[answers]`; answers to one question are never divided between training and validation.
        config: the recipe.
        seed: decides the split, the initial weights, the batches and the dropout.
        reporting: receives the curve; the stage is named `state`.

    Raises:
        UserError: the settings are out of range, the states are not a finite table, labels or ids are missing, or
            the answers cannot be fitted (all right, all wrong, too few to stratify, training diverges).
    """
    [probe] = fit_state_probes(states, labels, question_ids, config, [seed])
    reporting.log(probe.training.curve)
    return probe


def fit_state_probes(
    states: ArrayLike,
    labels: ArrayLike,
    question_ids: Sequence[object],
    config: StateProbeConfig,
    seeds: Sequence[int],
    on_progress: Callable[[int, int], None] | None = None,
) -> list[FittedStateProbe]:
    """Fit a probe from each seed, with the result of `fit_state_probe`, as many at a time as torch has threads.

    Args:
        states: see `fit_state_probe`.
        labels: likewise.
        question_ids: likewise.
        config: likewise.
        seeds: a probe is fitted from each.
        on_progress: called after each with the number of probes that are done, and of all.

    Raises:
        UserError: see `fit_state_probe`.
    """
    check(config, "state_probe")
    device = training_device(config.accelerator, "state_probe")
    values = _check_states(states)
    known = check_labels(labels, len(values))
    if len(question_ids) != len(values):
        count = f"{len(values)} identifiers"
        raise expected("`question_ids`", count, len(question_ids), "Name the question of every answer.")
    fits, scalers = [], []
    for seed in seeds:
        split = split_by_question(known, question_ids, config.validation_fraction, seed)
        scaler = Standardizer.fit(values[split.train].astype(np.float64)) if config.standardise else None
        train, validation = (Examples(_to_inputs(values[one], scaler), torch.from_numpy(known[one])) for one in split)
        right = int(known[split.train].sum())
        with reproducibly(seed):
            network = _build_network(config, values.shape[1])
        fits.append(StateFit(network, train, validation, (len(split.train) - right) / right, seed))
        scalers.append(scaler)
    probes: list[FittedStateProbe] = []
    for fit, scaler, curve in zip(fits, scalers, train_states(fits, config, device), strict=True):
        probes.append(FittedStateProbe(config, values.shape[1], scaler, fit.network, _record(fit, curve)))
        if on_progress is not None:
            on_progress(len(probes), len(seeds))
    return probes


def _record(fit: StateFit, curve: tuple[CurvePoint, ...]) -> StateTrainingRecord:
    losses = [point.val_loss for point in curve]
    return StateTrainingRecord(
        seed=fit.seed,
        train_rows=len(fit.train.labels),
        validation_rows=len(fit.validation.labels),
        positive_weight=fit.positive_weight,
        epochs=len(curve) - 1,
        best_epoch=losses.index(min(losses)),
        curve=curve,
    )


def _check_states(states: ArrayLike) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        values = np.asarray(states).astype(np.float32)
    if values.ndim != 2 or values.shape[1] == 0:
        way_out = "Pass one state per answer."
        raise expected("`states`", "a table `[answers, width]`", f"an array of shape {values.shape}", way_out)
    unusable = ~np.isfinite(values).all(axis=1)
    if unusable.any():
        raise expected(
            "`states`",
            "finite in float32",
            f"NaN or ±inf in {int(unusable.sum())} of {len(values)} rows",
            "Leave these answers out, and count them; or compute the states in a wider type.",
        )
    return values


def _to_inputs(values: NDArray[np.float32], scaler: Standardizer | None) -> torch.Tensor:
    return torch.from_numpy(
        values if scaler is None else scaler.transform(values.astype(np.float64)).astype(np.float32)
    )


def _build_network(config: StateProbeConfig, width: int) -> nn.Sequential:
    encoder = EncoderConfig(hidden=config.hidden, embed_dim=1, activation=config.activation)
    network = build_encoder(encoder, width, config.dropout)
    assert isinstance(network, nn.Sequential)  # without kernels it is a perceptron
    return network


def _tensors(network: nn.Module, scaler: Standardizer | None) -> dict[str, torch.Tensor]:
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    scaling = {} if scaler is None else vars(scaler)
    return weights | {f"scaler.{name}": torch.from_numpy(value) for name, value in scaling.items()}
