"""How the layer of LitCab is trained, by Lightning, which takes seconds to import."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

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
from ccps.probes.lightning_stage import VAL_LOSS, StageModule, run_stage
from ccps.probes.pairs import row_indices
from ccps.probes.reporting import Reporting
from ccps.probes.split import split_by_question
from ccps.settings.litcab import LitCabConfig
from ccps.settings.probe import Optimizer, StageConfig
from ccps.tuning.litcab import LitCabWeights, Pair, Reading, Trained

STAGE = "litcab"


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
