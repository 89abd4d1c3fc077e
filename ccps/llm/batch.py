"""Prompts laid out for one model: they fit its context window, what all begin with is read once, the rest in batches.

Sequences of like length share a batch, so little is padded; and the tokens that all prompts begin with (system prompt
and header) are computed once, after which their key-value cache is copied for every batch.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ccps.core.errors import expected
from ccps.llm.forward import Prefix, compute_prefix
from ccps.llm.load import LanguageModel
from ccps.llm.memory import in_parts

Result = TypeVar("Result")

LITTLE_PADDING = 1 / 20
"""Of a batch that is only read: padding takes as long as anything, and one pass more as long as some twenty tokens."""


@dataclass(frozen=True)
class Layout:
    """Prompts that fit a model's context window, each with what follows it; made by `lay_out`.

    Attributes:
        lm: the model.
        prompts: token ids.
        room: how many tokens may follow each prompt.
        shared: how many tokens all prompts begin with, which leaves each at least one of its own.
    """

    lm: LanguageModel
    prompts: list[list[int]]
    room: list[int]
    shared: int

    def own(self, index: int) -> int:
        """How many tokens of a prompt are its own: what it costs to read it."""
        return len(self.prompts[index]) - self.shared

    def read_shared(self) -> Prefix | None:
        """Read what all prompts begin with, as the model is now; None if that is nothing."""
        return compute_prefix(self.lm, self.prompts[0][: self.shared]) if self.prompts else None

    def batches(
        self, max_batch_tokens: int, *, rows: int = 1, kinds: Sequence[Hashable] | None = None
    ) -> list[list[int]]:
        """Positions of the prompts of each batch, see `plan_batches`; each position exactly once.

        Args:
            max_batch_tokens: bound on rows times width of a batch, what follows the prompts included.
            rows: how many rows each prompt takes.
            kinds: one for each prompt; those of a batch are of one kind.
        """
        groups: dict[Hashable, list[int]] = defaultdict(list)
        for index in range(len(self.prompts)):
            groups[kinds[index] if kinds else None].append(index)
        return [
            [group[place] for place in batch]
            for group in groups.values()
            for batch in plan_batches([rows * (self.own(i) + self.room[i]) for i in group], max_batch_tokens)
        ]


def lay_out(
    lm: LanguageModel,
    names: Sequence[str],
    prompts: Sequence[list[int]],
    room: int | Sequence[int],
    *,
    after: int = 0,
) -> Layout:
    """Lay out prompts that are to be continued.

    Args:
        lm: the model.
        names: what to call each prompt in the message, for instance question ids.
        prompts: token ids.
        room: how many tokens may follow each prompt, or any of them.
        after: how many more tokens the context window must hold behind those.

    Raises:
        UserError: a prompt with what follows is too long; naming the longest and how many there are.
    """
    rooms = [room] * len(prompts) if isinstance(room, int) else list(room)
    # One token at least is predicted.
    lengths = [len(prompt) + max(1, own + after) for prompt, own in zip(prompts, rooms, strict=True)]
    window = lm.context_window
    long = [(length, name) for length, name in zip(lengths, names, strict=True) if length > window]
    if long:
        length, name = max(long)
        raise expected(
            f"every prompt with its answer to fit the context window of model `{lm.files.name}`, and the longest",
            f"at most {window} tokens",
            f"{length} tokens for question {name} ({len(long)} are too long)",
            "Leave these questions out, or use a model with a longer window.",
        )
    return Layout(lm, list(prompts), rooms, common_prefix(prompts))


def common_prefix(sequences: Sequence[list[int]]) -> int:
    """Count the tokens that all sequences share from the start, leaving each at least one token of its own."""
    if not sequences:
        return 0
    shortest, longest = min(sequences), max(sequences)  # lexicographic extremes differ first where any two do
    limit = min(map(len, sequences)) - 1
    shared = 0
    while shared < limit and shortest[shared] == longest[shared]:
        shared += 1
    return shared


def plan_batches(lengths: Sequence[int], max_batch_tokens: int, most_padding: float = 1.0) -> list[list[int]]:
    """Group sequences of like length so that no padded batch holds more than a number of tokens.

    Args:
        lengths: tokens to compute for each sequence (beyond the shared prefix).
        max_batch_tokens: bound on rows times width of a batch. A single longer sequence gets a batch of its own.
        most_padding: bound on the share of a batch that may be padding.

    Returns:
        Indices, shortest sequences first; every index exactly once. The plan depends on the lengths alone.
    """
    batches: list[list[int]] = []
    held = 0
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        # In ascending order the newest is the widest: its length is the width of the whole batch.
        size = (len(batches[-1]) + 1) * lengths[index] if batches else 0
        held += lengths[index]
        if batches and size <= max_batch_tokens and size - held <= most_padding * size:
            batches[-1].append(index)
        else:
            batches.append([index])
            held = lengths[index]
    return batches


def work_off(work: Callable[[list[int]], list[Result]], batches: Sequence[Sequence[int]], model: str) -> list[Result]:
    """Work off batches, in parts where memory runs out, see `in_parts`.

    Args:
        work: gives one result for each position of a batch, in their order.
        batches: positions, each exactly once.
        model: name of the model that works, for messages.

    Returns:
        The results in the order of the positions.

    Raises:
        UserError: there is too little memory for one position.
    """
    found: dict[int, Result] = {}
    for batch in batches:
        found |= zip(batch, in_parts(work, batch, model), strict=True)
    return [found[position] for position in sorted(found)]
