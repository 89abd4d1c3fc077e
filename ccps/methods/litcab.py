from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from ccps.core.stored import write_json
from ccps.methods.base import Fitted, TrainedMethod, TrainingAnswers, TrainingSettings, curve_table
from ccps.methods.evidence import AnswerStates, Evidence, FloatArray
from ccps.methods.registry import register
from ccps.probes import Reporting
from ccps.probes.curve import CurvePoint
from ccps.probes.stored import read_config, read_settings, read_tensors
from ccps.settings.litcab import LitCabConfig
from ccps.tuning.litcab import LitCabWeights, Pair, Reading

FORMAT_VERSION = 1
WEIGHTS_FILE = "litcab.safetensors"
SETTINGS_FILE = "litcab.json"


@dataclass(frozen=True)
class LitCabRecord:
    """How a LitCab layer came about."""

    seed: int
    train_rows: int
    """Questions trained on."""
    validation_rows: int
    """Questions held out."""
    left_out: int
    """Questions without a right or without a wrong answer to read."""
    best_epoch: int
    """The epoch, counted from 1, whose weights were kept; 0 if none did better than none at all."""
    curve: tuple[CurvePoint, ...]
    """Before training and after each epoch."""


@dataclass(frozen=True)
class FittedLitCab:
    """A LitCab layer as the pipeline uses it."""

    config: LitCabConfig
    weights: LitCabWeights
    training: LitCabRecord

    @property
    def parameters(self) -> int:
        """Numbers that training has set."""
        return sum(part.numel() for part in self.weights)

    def p_correct(self, evidence: Evidence) -> FloatArray:
        """P(correct) = (Π p(token))^(1 / tokens) under head and layer together."""
        answers: AnswerStates = evidence.read("answer_states")
        logs = self.weights.log_probs(Reading(answers.states, answers.token_ids), answers.head).double().numpy()
        starts = np.cumsum(evidence.lengths) - evidence.lengths
        means: FloatArray = np.add.reduceat(logs, starts) / evidence.lengths
        return np.exp(means).clip(0.0, 1.0)

    def save(self, folder: Path) -> None:
        """Write `litcab.safetensors` and `litcab.json` into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.weights._asdict(), folder / WEIGHTS_FILE)
        vocabulary, width = self.weights.weight.shape
        settings = {
            "vocabulary": vocabulary,
            "width": width,
            "config": asdict(self.config),
            "training": {**asdict(self.training), "curve": [point._asdict() for point in self.training.curve]},
        }
        write_json(folder / SETTINGS_FILE, FORMAT_VERSION, settings)

    def summary(self) -> Mapping[str, Any]:
        """Questions used and left out, and when training was at its best."""
        return {name: value for name, value in asdict(self.training).items() if name not in ("seed", "curve")}

    def curve(self) -> pd.DataFrame:
        """Training by epochs."""
        return curve_table(self.training.curve)

    def notes(self, evidence: Evidence) -> Mapping[str, Any]:
        """Nothing is changed on the way."""
        return {}


@register
class LitCab(TrainedMethod):
    """The model's probability of its answer once a linear layer beside its head has learnt right answers from wrong.

    Source: LitCab (arXiv 2310.19208). logits = head(h) + W·ReLU(h) + b at the final-normed state h, where head(h) is
    what the model says, under its soft cap if it has one; confidence is the geometric mean of the answer's token
    probabilities. As many parameters as the head, and a bias: d·V + V. Ours: the layer begins at zero, bias included;
    one right and one wrong answer per question, see `ReferenceStage`; the best of 20 epochs is kept. Settings:
    `conf/litcab`.
    """

    name = "litcab"
    label = "LitCab"
    place = 80
    source = "probability of the answer under head and a trained linear layer (arXiv 2310.19208)"
    needs = frozenset({"answer_states"})
    training_needs = frozenset({"references"})
    is_light = False
    takes = (
        "a layer as large as the head of the language model for each seed: an hour and a gigabyte at 1.5B parameters"
    )

    def recipe(self, settings: TrainingSettings) -> LitCabConfig:
        """Its own."""
        return settings.litcab

    def fit(
        self, answers: TrainingAnswers, settings: TrainingSettings, seeds: Sequence[int], reporting: Reporting
    ) -> list[Fitted]:
        """Train the layer on right and wrong answers to the training questions, once for each seed."""
        from ccps.tuning.litcab_training import fit_litcab

        pairs = _pairs(answers.evidence)
        head = answers.evidence.read("answer_states").head
        labels = np.array([int(answers.correct[position]) for position in pairs])
        ids = [answers.question_ids[position] for position in pairs]
        fitted: list[Fitted] = []
        for seed in seeds:
            own = reporting.for_seed(seed)
            trained = fit_litcab(list(pairs.values()), labels, ids, head, settings.litcab, seed, own)
            losses = [point.val_loss for point in trained.curve]
            record = LitCabRecord(
                seed=seed,
                train_rows=len(trained.train),
                validation_rows=len(trained.validation),
                left_out=len(answers.question_ids) - len(pairs),
                best_epoch=losses.index(min(losses)),
                curve=trained.curve,
            )
            fitted.append(FittedLitCab(settings.litcab, trained.weights, record))
            reporting.say(len(fitted), len(seeds))
        return fitted

    def load(self, folder: Path) -> Fitted:
        """Read what `FittedLitCab.save` wrote.

        Raises:
            UserError: a file is missing, unreadable, or does not hold what the other says.
        """
        path = folder / SETTINGS_FILE
        settings = read_settings(path, FORMAT_VERSION, ("vocabulary", "width", "config"), LitCabRecord)
        vocabulary, width = settings["vocabulary"], settings["width"]
        shapes = {"weight": (vocabulary, width), "bias": (vocabulary,)}
        like = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        training = settings["training"]
        curve = tuple(CurvePoint(**point) for point in training.pop("curve"))
        return FittedLitCab(
            read_config(settings["config"], LitCabConfig, path),
            LitCabWeights(**read_tensors(folder / WEIGHTS_FILE, like)),
            LitCabRecord(**training, curve=curve),
        )


def _pairs(evidence: Evidence) -> dict[int, Pair]:
    """Right and wrong answers by the position of their question; those that lack one of them are not there."""
    references = evidence.read("references")
    sides = (
        zip(
            answers.states.split(lengths.tolist()),
            answers.token_ids.split(lengths.tolist()),
            strict=True,
        )
        for answers, lengths in (
            (references.right, references.right_lengths),
            (references.wrong, references.wrong_lengths),
        )
    )
    return {
        position: Pair(Reading(*right), Reading(*wrong))
        for position, (right, wrong) in enumerate(zip(*sides, strict=True))
        if len(right[0]) and len(wrong[0])
    }
