"""Whether an engine and the model are of one mind: their log-probabilities of the same tokens, held against each other.

What the engine writes is only a proposal, since all states and features come from the model. But answers of other
weights, or log-probabilities of another distribution, would pass for the model's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ccps.core.errors import expected
from ccps.engines.engine import Continuation
from ccps.llm import LanguageModel
from ccps.llm.sample import log_probs
from ccps.settings.engine import EngineConfig

_TOKENS_AT_ONCE = 256
_LARGEST, _MEAN = "engine_parity_max", "engine_parity_mean"


class Deviation(NamedTuple):
    """Absolute differences between the log-probabilities of an engine and those of the model, in nats.

    Attributes:
        largest: the largest over all tokens.
        mean: their mean.
        tokens: over how many.
    """

    largest: float
    mean: float
    tokens: int


def deviation_cost(deviation: Deviation | None) -> dict[str, float]:
    """What to note of it with the costs of a shard; nothing if it is not known."""
    return {} if deviation is None else {_LARGEST: deviation.largest, _MEAN: deviation.mean}


def deviation_summary(costs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sum up what shards have noted: the largest difference, and the mean over shards; nothing if none has any."""
    noted = [cost for cost in costs if _LARGEST in cost]
    if not noted:
        return {}
    mean = sum(cost[_MEAN] for cost in noted) / len(noted)
    return {_LARGEST: max(cost[_LARGEST] for cost in noted), _MEAN: mean}


@torch.inference_mode()
def measure_deviation(
    lm: LanguageModel, states: Sequence[Tensor], continuations: Sequence[Continuation]
) -> Deviation | None:
    """Compare an engine's log-probabilities with log softmax(head(h)).

    Args:
        lm: the model.
        states: for each continuation `[tokens, d]`, the final-normed states from which the model predicts its tokens.
        continuations: what the engine wrote.

    Returns:
        The differences; None if there are no tokens.
    """
    tokens = torch.tensor([token for one in continuations for token in one.tokens], device=lm.device)
    if not len(tokens):
        return None
    claimed = torch.tensor([number for one in continuations for number in one.log_probs[: len(one.tokens)]])
    head = lm.head.to(lm.device)
    parts = zip(
        torch.cat(list(states)).to(lm.device).split(_TOKENS_AT_ONCE), tokens.split(_TOKENS_AT_ONCE), strict=True
    )
    own = torch.cat([log_probs(head.logits(hidden), ids[:, None])[:, 0] for hidden, ids in parts])
    differences = (own.cpu().double() - claimed.double()).abs()
    return Deviation(float(differences.max()), float(differences.mean()), len(differences))


class DeviationGate:
    """Lets an engine's answers pass once its first tokens have been held against the model.

    Args:
        lm: the model.
        engine: what to call the engine.
        config: how far they may differ.
    """

    def __init__(self, lm: LanguageModel, engine: str, config: EngineConfig) -> None:
        self.lm = lm
        self.engine = engine
        self.config = config
        self.deviation: Deviation | None = None

    def check(self, states: Sequence[Tensor], continuations: Sequence[Continuation]) -> None:
        """Measure the deviation, unless it has been measured already or there are no tokens to measure it on.

        Raises:
            UserError: engine and model differ by more than rounding.
        """
        if self.deviation is not None:
            return
        deviation = measure_deviation(self.lm, states, continuations)
        # Not a number lies within no tolerance.
        if deviation is not None and not (
            deviation.largest <= self.config.tolerance_max and deviation.mean <= self.config.tolerance_mean
        ):
            raise expected(
                f"the log-probabilities of engine `{self.engine}`",
                f"those of model `{self.lm.files.name}` itself, log softmax(head(h)), within "
                f"{self.config.tolerance_max:g} nats for each token and {self.config.tolerance_mean:g} in the mean",
                f"differences of up to {deviation.largest:.3g}, {deviation.mean:.3g} in the mean of "
                f"{deviation.tokens} tokens",
                "The engine does not compute this model (other weights, precision or head), and nothing it wrote was "
                "kept: set engine=transformers. If you know that all of it is rounding, raise engine.tolerance_max and "
                "engine.tolerance_mean.",
            )
        self.deviation = deviation
