"""LitCab (arXiv 2310.19208): a linear layer beside the head that makes right answers likelier and wrong ones less."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ccps.core.errors import UserError
from ccps.core.quiet import quiet_lightning
from ccps.core.settings import check
from ccps.perturbation import Head
from ccps.perturbation.softcap import soft_capped
from ccps.probes.curve import CurvePoint
from ccps.probes.lightning_stage import VAL_LOSS, StageModule, run_stage
from ccps.probes.pairs import row_indices
from ccps.probes.reporting import Reporting
from ccps.probes.split import split_by_question
from ccps.settings.litcab import LitCabConfig
from ccps.settings.probe import Optimizer, StageConfig

STAGE = "litcab"
_TOKENS_AT_ONCE = 256


class Reading(NamedTuple):
    """Answer tokens and the final-normed states that predict them.

    Attributes:
        states: `[tokens, d]`.
        token_ids: `[tokens]`.
    """

    states: Tensor
    token_ids: Tensor


class Pair(NamedTuple):
    """A right and a wrong answer to one question, or to some."""

    right: Reading
    wrong: Reading


class LitCabWeights(NamedTuple):
    """What has been learnt: d·V + V numbers, which is 0.93 GB at d = 1536 and V = 151,936.

    Attributes:
        weight: `[vocab, d]` float32.
        bias: `[vocab]` float32.
    """

    weight: Tensor
    bias: Tensor

    def log_probs(self, reading: Reading, head: Head) -> Tensor:
        """Log-probability of each token under head and layer together, `[tokens]` float32, some tokens at a time."""
        found = []
        with torch.inference_mode():
            for states, ids in zip(*(part.split(_TOKENS_AT_ONCE) for part in reading), strict=True):
                hidden = states.float()
                logits = head.logits(hidden) + functional.linear(hidden.relu(), self.weight, self.bias)
                found.append(-functional.cross_entropy(logits, ids, reduction="none"))
        return torch.cat(found)


class Trained(NamedTuple):
    """Weights, and how they came about.

    Attributes:
        weights: those of the best epoch.
        train: positions of the pairs that were trained on.
        validation: positions of those held out.
        curve: before training and after each epoch.
    """

    weights: LitCabWeights
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    curve: tuple[CurvePoint, ...]


def fit_litcab(
    pairs: Sequence[Pair],
    labels: NDArray[np.int64],
    question_ids: Sequence[str],
    head: Head,
    config: LitCabConfig,
    seed: int,
    reporting: Reporting,
) -> Trained:
    """Train the layer, which begins at zero, where it changes no probability (ours: the released bias is random).

    A batch costs CE(right) − CE(wrong) + penalty · ‖W‖₂ + 3, each cross-entropy a mean over tokens, the wrong one left
    out where it has reached its bound. The weights kept are those with the lowest CE(right) − CE(wrong) + 3 on the
    questions held out, as measured after each epoch (ours: the released code measures every five batches).

    Takes memory for the head and five times the layer (weights, gradient, two moments, best weights), all in float32.

    Args:
        pairs: of each question.
        labels: `[pairs]`, 1 where the model's own answer is right; the split keeps their share.
        question_ids: `[pairs]`.
        head: the model's output head.
        config: the recipe.
        seed: decides split and batches.
        reporting: receives the curve.

    Raises:
        UserError: a setting is out of range, the questions are too few or too one-sided to be split, the accelerator
            is not there, or training diverges.
    """
    check(config, "litcab")
    split = split_by_question(labels, question_ids, config.validation_fraction, seed)
    train = [pairs[position] for position in split.train]
    epoch = math.ceil(len(train) / config.batch_size)
    stage = StageConfig(
        steps=config.epochs * epoch,
        batch_size=config.batch_size,
        optimizer=Optimizer.adamw,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        eval_every=epoch,
    )
    module = LitCabModule(head, config, stage)
    with quiet_lightning():
        curve = run_stage(
            STAGE,
            module,
            _batches(train, config.batch_size, seed),
            [pairs[position] for position in split.validation],
            config.accelerator,
            reporting,
        )
    weights = LitCabWeights(module.trained.weight.detach().cpu(), module.trained.bias.detach().cpu())
    return Trained(weights, split.train, split.validation, tuple(curve))


class LitCabModule(StageModule[Any]):
    """The layer, trained on batches of pairs (`Pair`) and validated on a list of them."""

    trained: nn.Linear

    def __init__(self, head: Head, config: LitCabConfig, stage: StageConfig) -> None:
        vocabulary, width = head.weight.shape
        layer = nn.utils.skip_init(nn.Linear, width, vocabulary)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        super().__init__(layer, stage)
        self.litcab = config
        self.register_buffer("head_weight", head.weight.float(), persistent=False)
        self.register_buffer("head_bias", head.bias, persistent=False)
        self.softcap = head.softcap

    def loss(self, batch: Pair) -> Tensor:
        """Return the loss of a mini-batch.

        Raises:
            UserError: it is not finite.
        """
        right, wrong = self._cross_entropies(batch)
        loss: Tensor = right.mean() + self.litcab.penalty * torch.linalg.vector_norm(self.trained.weight) + 3
        if wrong.mean() < self.litcab.wrong_bound:
            loss = loss - wrong.mean()
        if not torch.isfinite(loss):
            raise UserError(
                f"Expected the loss of LitCab to be finite, but got {loss.item()}: training diverged. "
                "Lower `litcab.learning_rate`."
            )
        return loss

    def validation_step(self, pairs: Sequence[Pair], batch_idx: int) -> None:
        """Hand the loss of the validation questions, without the penalty, to the callbacks."""
        parts = [
            pairs[start : start + self.config.batch_size] for start in range(0, len(pairs), self.config.batch_size)
        ]
        losses = [self._cross_entropies(_joined(part)) for part in parts]
        right, wrong = (torch.cat(side).mean() for side in zip(*losses, strict=True))
        self.log(VAL_LOSS, right - wrong + 3, logger=False, batch_size=len(pairs))

    def _cross_entropies(self, batch: Pair) -> tuple[Tensor, Tensor]:
        """Of every token of the right and of the wrong answers."""
        logits = self._logits(batch.right.states)
        # Of multiple choice both answers are one token after the same prompt.
        is_same = torch.equal(batch.right.states, batch.wrong.states)
        others = logits if is_same else self._logits(batch.wrong.states)
        return (
            functional.cross_entropy(logits, batch.right.token_ids, reduction="none"),
            functional.cross_entropy(others, batch.wrong.token_ids, reduction="none"),
        )

    def _logits(self, states: Tensor) -> Tensor:
        hidden = states.float()
        own: Tensor = functional.linear(hidden, self.head_weight, self.head_bias)  # type: ignore[arg-type]
        beside: Tensor = self.trained(hidden.relu())
        return soft_capped(own, self.softcap) + beside


def _batches(pairs: Sequence[Pair], size: int, seed: int) -> Iterator[Pair]:
    for rows in row_indices(len(pairs), size, seed):
        yield _joined([pairs[row] for row in rows])


def _joined(pairs: Sequence[Pair]) -> Pair:
    """Many pairs as one, token after token."""
    right, wrong = zip(*pairs, strict=True)
    return Pair(*(Reading(*(torch.cat(part) for part in zip(*side, strict=True))) for side in (right, wrong)))
