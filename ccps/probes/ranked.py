"""A small perceptron whose loss scores probabilities and ranks right answers above wrong ones, after BICR."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from ccps.core.stored import write_json
from ccps.probes.curve import CurvePoint, check_best
from ccps.probes.encoders import build_encoder, count_parameters
from ccps.probes.preparation import reproducibly
from ccps.probes.preprocess import Standardizer
from ccps.probes.split import check_labels, split_by_question
from ccps.probes.stored import read_config, read_settings, read_tensors
from ccps.settings.probe import EncoderConfig

FORMAT_VERSION = 1
WEIGHTS_FILE = "ranked.safetensors"
SETTINGS_FILE = "ranked.json"


@dataclass
class RankedRecipe:
    """How the perceptron is fitted; of arXiv 2605.10893 it has the terms of the loss, the numbers are ours."""

    brier_weight: float = 1.0
    """Of the Brier score, that of the cross-entropy being 1."""
    rank_weight: float = 1.0
    """Of the ranking."""
    margin: float = 0.1
    """By which P of a right answer is to be above P of a wrong one."""
    hidden: list[int] = field(default_factory=lambda: [32])
    """Widths of the hidden layers."""
    steps: int = 300
    """Updates, each on all rows."""
    eval_every: int = 10
    """Validation after so many updates; the weights of the lowest loss are kept."""
    learning_rate: float = 0.003
    weight_decay: float = 0.1
    """Of AdamW, decoupled from the gradient, so that it cannot outweigh the loss."""
    validation_fraction: float = 0.1


@dataclass(frozen=True)
class RankedRecord:
    """How a fit came about."""

    seed: int
    train_rows: int
    validation_rows: int
    curve: tuple[CurvePoint, ...]
    """Before training and whenever it was validated."""

    def summary(self) -> dict[str, Any]:
        """Rows used."""
        return {"train_rows": self.train_rows, "validation_rows": self.validation_rows}


@dataclass(frozen=True)
class FittedRanked:
    """A perceptron on standardised columns."""

    recipe: RankedRecipe
    scaler: Standardizer
    network: nn.Module
    """From `[rows, columns]` to logits `[rows, 1]`, on the CPU and in evaluation mode."""
    training: RankedRecord

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return count_parameters(self.network)

    def predict(self, inputs: ArrayLike) -> NDArray[np.float64]:
        """P(correct) of each row of finite columns `[rows, columns]`."""
        with torch.inference_mode():
            logits = self.network(_scaled(self.scaler, np.asarray(inputs, dtype=np.float64)))
        p: NDArray[np.float64] = logits.squeeze(1).double().sigmoid().numpy()
        return p

    def save(self, folder: Path) -> None:
        """Write `ranked.safetensors` and `ranked.json` into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(_tensors(self.network, self.scaler), folder / WEIGHTS_FILE)
        curve = [point._asdict() for point in self.training.curve]
        settings = {
            "columns": len(self.scaler.mean),
            "config": asdict(self.recipe),
            "training": {**asdict(self.training), "curve": curve},
        }
        write_json(folder / SETTINGS_FILE, FORMAT_VERSION, settings)

    @classmethod
    def load(cls, folder: Path) -> "FittedRanked":
        """Read what `save` wrote.

        Raises:
            UserError: a file is missing, unreadable, or does not hold what the other says.
        """
        path = folder / SETTINGS_FILE
        settings = read_settings(path, FORMAT_VERSION, ("columns", "config"), RankedRecord)
        recipe, columns = read_config(settings["config"], RankedRecipe, path), settings["columns"]
        network, scaler = _network(recipe, columns), Standardizer.fit(np.zeros((1, columns)))
        tensors = read_tensors(folder / WEIGHTS_FILE, _tensors(network, scaler))
        scaler = Standardizer(**{name: tensors.pop(f"scaler.{name}").numpy() for name in vars(scaler)})
        network.load_state_dict(tensors)
        training = settings["training"]
        curve = tuple(CurvePoint(**point) for point in training.pop("curve"))
        return cls(recipe, scaler, network.eval(), RankedRecord(**training, curve=curve))


def ranked_loss(logits: Tensor, labels: Tensor, recipe: RankedRecipe) -> Tensor:
    """Cross-entropy + λ_B · Brier score + λ_R · mean over pairs of max(0, margin − (p_right − p_wrong)).

    BICR (arXiv 2605.10893) has the first two terms over answers and, for right answers, a ranking of the confidence
    with the image above that without it. Of text there is no blank image: pairs of a right and a wrong answer stand in
    its place, which is ours.

    Args:
        logits: `[rows]`.
        labels: `[rows]`, 1 where right; without rows of both kinds the ranking counts for nothing.
        recipe: weights and margin.
    """
    p = logits.sigmoid()
    loss = (
        functional.binary_cross_entropy_with_logits(logits, labels) + recipe.brier_weight * (p - labels).square().mean()
    )
    right, wrong = p[labels == 1], p[labels == 0]
    if not len(right) or not len(wrong):
        return loss
    return loss + recipe.rank_weight * (recipe.margin - (right[:, None] - wrong[None, :])).clamp(min=0.0).mean()


def fit_ranked(
    inputs: ArrayLike, labels: ArrayLike, question_ids: Sequence[object], recipe: RankedRecipe, seed: int
) -> FittedRanked:
    """Fit to rows that are known to be right or wrong, a share of the questions held out to choose the weights by.

    Args:
        inputs: `[rows, columns]`, finite.
        labels: `[rows]`, 1 where the answer is correct, else 0.
        question_ids: `[rows]`.
        recipe: loss and training.
        seed: decides the split and the initial weights.

    Raises:
        UserError: labels are missing, or too few or one-sided to be fitted and stratified, or training diverges.
    """
    values = np.asarray(inputs, dtype=np.float64)
    known = check_labels(labels, len(values))
    split = split_by_question(known, question_ids, recipe.validation_fraction, seed)
    scaler = Standardizer.fit(values[split.train])
    train, validation = (
        (_scaled(scaler, values[side]), torch.from_numpy(known[side]).float())
        for side in (split.train, split.validation)
    )
    with reproducibly(seed), torch.enable_grad():
        network = _network(recipe, values.shape[1])
        curve = _train(network, train, validation, recipe)
    record = RankedRecord(seed, len(split.train), len(split.validation), tuple(curve))
    return FittedRanked(recipe, scaler, network.eval(), record)


def _train(
    network: nn.Module, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor], recipe: RankedRecipe
) -> list[CurvePoint]:
    """Train in place, and leave the weights of the lowest validation loss."""
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    curve, best = [_validated(network, validation, recipe, 0, None)], _weights(network)
    for step in range(1, recipe.steps + 1):
        optimizer.zero_grad()
        loss = ranked_loss(network(train[0]).squeeze(1), train[1], recipe)
        loss.backward()
        optimizer.step()
        if step % recipe.eval_every == 0 or step == recipe.steps:
            point = _validated(network, validation, recipe, step, float(loss.detach()))
            if point.val_loss < min(before.val_loss for before in curve):
                best = _weights(network)
            curve.append(point)
    check_best(curve)
    network.load_state_dict(best)
    return curve


def _validated(
    network: nn.Module, rows: tuple[Tensor, Tensor], recipe: RankedRecipe, step: int, train_loss: float | None
) -> CurvePoint:
    with torch.no_grad():
        logits = network(rows[0]).squeeze(1)
        accuracy = ((logits > 0) == (rows[1] == 1)).float().mean()
        return CurvePoint("ranked", step, train_loss, float(ranked_loss(logits, rows[1], recipe)), float(accuracy))


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _network(recipe: RankedRecipe, columns: int) -> nn.Module:
    return build_encoder(EncoderConfig(hidden=recipe.hidden, embed_dim=1, activation="ReLU"), columns, dropout=0.0)


def _scaled(scaler: Standardizer, values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(scaler.transform(values).astype(np.float32))


def _tensors(network: nn.Module, scaler: Standardizer) -> dict[str, Tensor]:
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    return weights | {f"scaler.{name}": torch.from_numpy(value) for name, value in vars(scaler).items()}
