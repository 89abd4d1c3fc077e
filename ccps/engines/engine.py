"""The interface of an engine: token ids in, token ids and their log-probabilities out."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Continuation(NamedTuple):
    """What an engine wrote after a prompt.

    Attributes:
        tokens: token ids, without the token that ends the turn.
        log_probs: natural logarithm of the probability of each token under the model as it is, neither tempered nor cut
            to a nucleus; one more than `tokens` if the turn ended, for the token that ended it.
        ended: whether the model ended its turn; if not, it was cut off at the limit.
    """

    tokens: list[int]
    log_probs: list[float]
    ended: bool


class Drawing(NamedTuple):
    """How tokens are drawn at random.

    Attributes:
        temperature: logits are divided by it, above 0.
        top_p: tokens are drawn from the fewest that have so much of the probability together, in (0, 1].
        seeds: one for each prompt, in [0, 2^63); what is drawn after a prompt depends on no other prompt.
    """

    temperature: float
    top_p: float
    seeds: Sequence[int]


class Engine(Protocol):
    """Writes what a language model would write, without its states."""

    @property
    def name(self) -> str:
        """What to call it in messages."""
        ...

    def write(self, prompts: Sequence[Sequence[int]], limit: int, drawing: Drawing | None = None) -> list[Continuation]:
        """Continue each prompt, by the most probable tokens or by tokens drawn at random.

        Args:
            prompts: token ids.
            limit: after so many tokens a continuation is cut off.
            drawing: how tokens are drawn; None takes the most probable one.
        """
        ...

    def close(self) -> None:
        """Free its memory; it writes no more."""
        ...
