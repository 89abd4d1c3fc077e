"""How many tokens conversations take, and how they fall into batches."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from ccps.llm import common_prefix, plain_text, plan_batches, prompt_ids
from ccps.llm.chat import PromptMode
from ccps.plan.work import Amount, read_batch, write_batch
from ccps.stages.planning.subject import Subject

T = TypeVar("T")

Messages = Sequence[dict[str, str]]

CHARACTERS = 4
"""Of a token, where there is no tokenizer to ask: about what English text has in vocabularies of 50,000 to 150,000."""
_TEMPLATE = 12
"""Tokens that a chat template adds to a conversation, likewise."""
MOST = 4096
"""So many conversations are counted at most; each then stands for several."""


class Lengths(NamedTuple):
    """Tokens of conversations.

    Attributes:
        shared: with which all begin.
        own: what each has beyond these.
        each: how many conversations each of them stands for.
    """

    shared: int
    own: list[int]
    each: float

    @property
    def n(self) -> float:
        """How many conversations there are."""
        return self.each * len(self.own)

    @property
    def tokens(self) -> float:
        """What all have beyond the shared ones."""
        return self.each * sum(self.own)

    def longer(self, by: float) -> "Lengths":
        """The same conversations with so many tokens more, rounded up."""
        return self._replace(own=[own + math.ceil(by) for own in self.own])

    def batches(self, most: int, room: int, rows: int = 1) -> list[list[int]]:
        """Their own lengths, batch by batch, as `Layout.batches` forms these."""
        return [
            [self.own[place] for place in batch] for batch in plan_batches([rows * (n + room) for n in self.own], most)
        ]

    def read(self, most: int, room: int = 1) -> Amount:
        """All of them read, each once, in batches of like length."""
        return self._summed(self.batches(most, room), lambda batch: read_batch(len(batch), max(batch), self.shared))

    def write(self, most: int, steps: int, rows: int = 1, shrinks: float = 0.0) -> Amount:
        """After each so many tokens written, in so many rows; a batch goes on until its longest has ended.

        Args:
            most: tokens of a batch, see `Layout.batches`.
            steps: passes of a batch.
            rows: for each conversation.
            shrinks: where rows that have ended leave a batch, how many tokens each has; 0 where they stay.
        """

        def write(batch: list[int]) -> Amount:
            written = write_batch(rows * len(batch), self.shared + max(batch), steps)
            part = min(1.0, shrinks / steps) if shrinks else 1.0
            return written._replace(tokens=part * written.tokens, pairs=part * written.pairs, keys=part * written.keys)

        return self._summed(self.batches(most, steps, rows), write)

    def _summed(self, batches: Sequence[list[int]], amount: Callable[[list[int]], Amount]) -> Amount:
        found = Amount()
        for batch in batches:
            found = found.joined(amount(batch))
        # The largest batch of a part of them is as large as that of all, which is bounded.
        return found.scaled(self.each)


def some(things: Sequence[T], most: int = MOST) -> tuple[list[T], float]:
    """So many of some things, spread evenly, and how many each stands for."""
    step = max(1, math.ceil(len(things) / most))
    chosen = list(things[::step])
    return chosen, len(things) / max(1, len(chosen))


def lengths_of(subject: Subject, conversations: Sequence[Messages], mode: PromptMode = "strict") -> Lengths:
    """Count the tokens of conversations, or estimate them by their characters where there is no tokenizer.

    Args:
        subject: the model that reads them.
        conversations: messages; a part of them is counted if there are many.
        mode: see `ccps.llm.prompt_ids`.

    Raises:
        UserError: the chat template refuses one.
    """
    chosen, each = some(conversations)
    if subject.tokenizer is None:
        texts = [plain_text(messages) for messages in chosen]
        shared = common_prefix([list(map(ord, text)) for text in texts]) // CHARACTERS
        own = [max(1, math.ceil(len(text) / CHARACTERS) + _TEMPLATE - shared) for text in texts]
        return Lengths(shared, own, each)
    prompts = [prompt_ids(subject.tokenizer, messages, mode) for messages in chosen]
    shared = common_prefix(prompts)
    return Lengths(shared, [len(prompt) - shared for prompt in prompts], each)


def text_tokens(subject: Subject, text: str) -> int:
    """Tokens of a text by itself."""
    if subject.tokenizer is None:
        return math.ceil(len(text) / CHARACTERS)
    return len(subject.tokenizer(text, add_special_tokens=False)["input_ids"])
