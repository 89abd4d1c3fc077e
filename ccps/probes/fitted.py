"""A probe that has been fitted: predict, save, load."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import ArrayLike, NDArray

from ccps.core.stored import write_json
from ccps.probes.curve import CurvePoint
from ccps.probes.encoders import ProbeNetwork, build_encoder, build_head, count_parameters
from ccps.probes.preprocess import EvaluationRows, Standardizer, clean_for_evaluation
from ccps.probes.sequences import check_lengths, count_truncated, read_answers
from ccps.probes.stored import read_config, read_settings, read_tensors
from ccps.settings.probe import EncoderConfig, ProbeConfig

FORMAT_VERSION = 3
WEIGHTS_FILE = "probe.safetensors"
SETTINGS_FILE = "probe.json"


@dataclass(frozen=True)
class TrainingRecord:
    """How a probe came about."""

    seed: int
    train_rows: int
    """What the network was fitted to: rows, or whole answers if it reads sequences."""
    validation_rows: int
    """Held out, counted likewise."""
    dropped: dict[str, int]
    """Reason → number of token rows left out of training and validation."""
    left_out: int
    """Answers left out because all their rows were dropped; 0 for the perceptron, whose rows stand alone."""
    truncated: int
    """Answers in training and validation that are longer than `max_tokens`; 0 for the perceptron."""
    curve: tuple[CurvePoint, ...]
    """All evaluations of both stages, in order."""

    def summary(self) -> dict[str, Any]:
        """Rows used, and those left out and why, `dropped` by reason."""
        return {
            "train_rows": self.train_rows,
            "validation_rows": self.validation_rows,
            "truncated": self.truncated,
            "left_out": self.left_out,
            "dropped": self.dropped,
        }


@dataclass(frozen=True)
class FittedProbe:
    """Everything that turns feature rows into P(correct)."""

    config: ProbeConfig
    feature_names: tuple[str, ...]
    """Columns that `predict` expects, in this order."""
    radius: float
    """Largest perturbation radius of the features, which stands for a prediction that never flips."""
    scaler: Standardizer
    network: ProbeNetwork
    """Encoder and head, on the CPU and in evaluation mode."""
    training: TrainingRecord

    @property
    def parameters(self) -> int:
        """Numbers that training has set: weights and biases of encoder and head."""
        return count_parameters(self.network)

    def clean(self, features: ArrayLike) -> EvaluationRows:
        """Return the rows as `predict` sees them before scaling, with the count of values it sets to 0."""
        return clean_for_evaluation(features, self.feature_names, self.radius, self.config.never_flips)

    def predict(self, features: ArrayLike, lengths: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return the probability that each answer is correct.

        The perceptron reads the last token of an answer, a sequence encoder the first `max_tokens`.

        Args:
            features: `[tokens, features]`, columns as in `feature_names`, the answers one after the other.
            lengths: `[answers]`, tokens of each; without it every row is an answer of one token.

        Returns:
            `[answers]` in [0, 1]; higher means more confident. Networks run in float32, the softmax in float64.

        Raises:
            UserError: the number of columns is not that of `feature_names`, or the lengths are not positive
                integers that sum to the rows.
        """
        rows = self.clean(features).features
        inputs = to_inputs(self.config.encoder, self.scaler, rows, check_lengths(lengths, len(rows)))
        with torch.inference_mode():
            probabilities: NDArray[np.float64] = self.network(inputs).double().softmax(dim=1)[:, 1].numpy()
        return probabilities

    def notes(self, features: ArrayLike, lengths: Sequence[int]) -> dict[str, Any]:
        """Count what `predict` changes: values `set to 0`, by reason, and answers whose end it does not read."""
        zeroed, truncated = self.clean(features).zeroed, self.truncated(lengths)
        return {**({"set to 0": zeroed} if zeroed else {}), **({"truncated": truncated} if truncated else {})}

    def truncated(self, lengths: Sequence[int]) -> int:
        """Count the answers, of lengths `[answers]`, of which `predict` reads only the first `max_tokens` tokens."""
        return count_truncated(np.asarray(lengths, dtype=np.int64), self.config.encoder)

    def save(self, folder: Path) -> None:
        """Write `probe.safetensors` and `probe.json` into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(_tensors(self.network, self.scaler), folder / WEIGHTS_FILE)
        settings = {
            "feature_names": self.feature_names,
            "radius": self.radius,
            "config": asdict(self.config),
            "training": {
                **asdict(self.training),
                "curve": [point._asdict() for point in self.training.curve],
            },
        }
        write_json(folder / SETTINGS_FILE, FORMAT_VERSION, settings)

    @classmethod
    def load(cls, folder: Path) -> "FittedProbe":
        """Read a probe that `save` wrote.

        Raises:
            UserError: a file is missing or unreadable, is of another format version, or does not hold exactly
                the keys and tensor shapes that its own settings ask for.
        """
        path = folder / SETTINGS_FILE
        settings = read_settings(path, FORMAT_VERSION, ("feature_names", "radius", "config"), TrainingRecord)
        _complete(settings["config"])
        config = read_config(settings["config"], ProbeConfig, path)
        names = tuple(settings["feature_names"])
        network = build_network(config, len(names))
        empty = np.zeros(len(names))
        blank = Standardizer(mean=empty, scale=empty, constant=empty.astype(np.bool_))
        tensors = read_tensors(folder / WEIGHTS_FILE, _tensors(network, blank))
        scaler = Standardizer(
            mean=tensors.pop("scaler.mean").numpy(),
            scale=tensors.pop("scaler.scale").numpy(),
            constant=tensors.pop("scaler.constant").numpy(),
        )
        network.load_state_dict(tensors)
        training = settings["training"]
        curve = tuple(CurvePoint(**point) for point in training.pop("curve"))
        return cls(
            config=config,
            feature_names=names,
            radius=settings["radius"],
            scaler=scaler,
            network=network.eval(),
            training=TrainingRecord(**training, curve=curve),
        )


def _complete(config: dict[str, Any]) -> None:
    """Give the settings of a probe that was stored before there were some of them what it was fitted with."""
    config.pop("fitting", None)  # there was once a choice of trainers, with one result
    config.setdefault("average", False)
    config.setdefault("refits", 0)
    for stage in ("contrastive", "classifier"):
        config[stage].setdefault("passes", None)


def build_network(config: ProbeConfig, inputs: int) -> ProbeNetwork:
    """Build encoder and head for tokens of `inputs` features, with torch's default initialisation."""
    encoder = build_encoder(config.encoder, inputs, config.contrastive.encoder_dropout)
    return ProbeNetwork(encoder, build_head(config.head, config.encoder.embed_dim))


def to_inputs(
    encoder: EncoderConfig, scaler: Standardizer, features: NDArray[np.float64], lengths: NDArray[np.int64]
) -> torch.Tensor:
    """Scale finite rows `[rows, features]` and return, as float32, what the encoder reads of each answer."""
    scaled = torch.from_numpy(scaler.transform(features).astype(np.float32))
    return read_answers(scaled, lengths, encoder)


def _tensors(network: ProbeNetwork, scaler: Standardizer) -> dict[str, torch.Tensor]:
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    scaling = {f"scaler.{name}": torch.from_numpy(value) for name, value in vars(scaler).items()}
    return weights | scaling
