"""Teach a language model to judge its own answers, update by update."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ccps.core.errors import UserError, expected
from ccps.core.settings import check
from ccps.llm import LanguageModel, letter_tokens
from ccps.settings.tuning import TuningConfig
from ccps.tuning.adapter import Adapter
from ccps.tuning.conversations import Example
from ccps.tuning.losses import divergences, query_losses

OPTIMIZER_FILE = "optimizer.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")


class Update(NamedTuple):
    """What one update saw before it changed the weights; means over its answers.

    Attributes:
        step: updates made before it.
        loss: what was minimised.
        query: cross-entropy of the self-evaluation, in nats.
        divergence: from the untuned model, summed over the answer's tokens, in nats; None where it has no weight.
        accuracy: share of answers that were judged as they are.
        tokens: how many were read, padding not counted; not a mean.
    """

    step: int
    loss: float
    query: float
    divergence: float | None
    accuracy: float
    tokens: int


class Tuner:
    """Trains an adapter on a model by the loss of Calibration-Tuning (arXiv 2406.08391).

    L = CE(no/yes, is right) + weight · Σ over answer tokens of the divergence from the untuned model, both averaged
    over the answers of an update. The untuned model need not be run: the states from which it predicted each answer
    were kept when it answered, and the head that reads them is not tuned. Logits are computed at the answer's tokens
    and after the query, nowhere else.

    The same settings and batches give the same weights on one kind of device; dropout depends on the seed and the
    number of the update alone, so that training can go on where it stopped.

    Args:
        lm: the model; it wears the adapter until `close` is called.
        config: the recipe.

    Raises:
        UserError: a setting is out of range, an option letter is not one token of the model, or its layers are not
            found.
    """

    def __init__(self, lm: LanguageModel, config: TuningConfig) -> None:
        check(config, "tuning")
        self.lm = lm
        self.config = config
        self.letters = letter_tokens(lm, 2)
        self.adapter = Adapter.new(lm, config)
        self.parameters = self.adapter.parameters()
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.updates = 0

    def update(self, batch: Sequence[Example]) -> Update:
        """Change the weights once.

        Raises:
            UserError: the loss is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.updates)
        self.optimizer.zero_grad()
        query, divergence, agreed = 0.0, 0.0, 0
        with torch.enable_grad(), _seeded([self.config.seed, self.updates], self.lm.device):
            for part in _parts(batch, self.config.micro_batch):
                logits, apart = self._judge(part)
                is_right = torch.tensor([example.is_right for example in part], device=logits.device)
                losses = query_losses(logits, is_right).sum()
                torch.autograd.backward((losses + self.config.divergence_weight * apart) / len(batch))
                query += losses.item() / len(batch)
                divergence += apart.item() / len(batch)
                agreed += int(((logits[:, 1] > logits[:, 0]) == is_right).sum())
        loss = query + self.config.divergence_weight * divergence
        if not math.isfinite(loss):
            name = self.lm.files.name
            raise UserError(
                f"Expected the loss of tuning model `{name}` to be finite, but got {loss} after {self.updates} "
                f"updates. Lower `tuning.learning_rate`, or set model.{name}.dtype=float32."
            )
        if any(value.grad is None for value in self.parameters.values()):
            raise expected(
                f"model `{self.lm.files.name}`",
                "one whose adapter can be trained",
                "no gradient, as with quantisation=nf4 on a CPU",
                "Leave out the methods it and ct, or hold the weights as they are or with quantisation=int8.",
            )
        nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip_norm)
        self.optimizer.step()
        self.updates += 1
        apart_by = divergence if self.config.divergence_weight else None
        tokens = sum(len(example.tokens) for example in batch)
        return Update(self.updates - 1, loss, query, apart_by, agreed / len(batch), tokens)

    def save(self, folder: Path) -> None:
        """Write the adapter as peft reads it, and `optimizer.safetensors` to go on from."""
        self.adapter.save(folder)
        moments = {
            f"{name}.{moment}": self.optimizer.state[value][moment].cpu()
            for name, value in self.parameters.items()
            for moment in _MOMENTS
        }
        save_file(moments, folder / OPTIMIZER_FILE)

    def resume(self, folder: Path, updates: int) -> None:
        """Go on from what `save` wrote after so many updates."""
        self.adapter.restore(folder)
        moments = load_file(folder / OPTIMIZER_FILE)
        for name, value in self.parameters.items():
            state = {moment: moments[f"{name}.{moment}"].to(value.device) for moment in _MOMENTS}
            self.optimizer.state[value] = {"step": torch.tensor(float(updates)), **state}
        self.updates = updates

    def close(self) -> None:
        """Take the adapter off the model."""
        self.adapter.take_off()

    def _judge(self, part: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """Logits of "no" and "yes" `[answers, 2]`, and the divergence, summed over all tokens and answers."""
        ids = torch.zeros(len(part), max(len(example.tokens) for example in part), dtype=torch.long)
        for row, example in enumerate(part):
            ids[row, : len(example.tokens)] = torch.tensor(example.tokens)
        # Padded on the right: under causal attention nothing that is read can see it.
        hidden = self.lm.model.get_decoder()(input_ids=ids.to(self.lm.device), use_cache=False).last_hidden_state
        last = torch.stack([hidden[row, len(example.tokens) - 1] for row, example in enumerate(part)])
        logits = self.lm.own_logits(last)[:, self.letters].float()
        if not self.config.divergence_weight:
            return logits, logits.new_zeros(())
        before = [slice(example.start - 1, example.start - 1 + len(example.states)) for example in part]
        own = torch.cat([hidden[row, place] for row, place in enumerate(before)])
        untuned = torch.cat([example.states for example in part]).to(own)
        with torch.no_grad():
            reference = self.lm.own_logits(untuned).float()
        return logits, divergences(self.lm.own_logits(own).float(), reference, self.config.divergence).sum()


def learning_rate(config: TuningConfig, update: int) -> float:
    """Rises linearly from 0 over the warm-up, then falls to 0 along half a cosine."""
    if update < config.warmup_steps:
        return config.learning_rate * update / config.warmup_steps
    done = (update - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def _parts(batch: Sequence[Example], size: int) -> Iterator[list[Example]]:
    """Cut a batch into parts of like length, lest much be padded."""
    ordered = sorted(batch, key=lambda example: len(example.tokens))
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


@contextmanager
def _seeded(entropy: Sequence[int], device: torch.device) -> Iterator[None]:
    """Seed torch inside the block, on the CPU and on the device; put its state back after it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        yield
