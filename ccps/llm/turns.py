"""More to write than fits a batch: what ends leaves it, and what waits takes its place.

Texts differ in length, and how long one becomes is known when it ends. A batch that is filled once, with room for
every row to reach its limit, is nearly empty most of the time: first of tokens, and in the end of rows. So rows are
seated by what they have read so far, as many as the batch holds. When they have grown beyond that, those that came last
go back to wait, and are read again, prompt and all they have written, when there is a place: reading is many times as
fast as writing.

What is written after a prompt is what would be written after it alone, but for the last bits of its states.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from ccps.llm.decode import DONE, PAD, Choose, RowT, take
from ccps.llm.forward import Prefix
from ccps.llm.load import LanguageModel
from ccps.llm.room import RowsWithRoom

# Columns that are laid out beyond what is read: when they are full the rows are laid out anew, which copies them.
_ROOM = 64
# Who comes in should be able to grow by this share of the longest row before anybody must go: who goes is read again.
_GROWTH = 0.5


@dataclass(eq=False)
class Turn(Generic[RowT]):
    """A text to be written.

    Attributes:
        row: what is filled.
        prompt: token ids that it follows, at least one.
        limit: after so many tokens it is cut off, at least 1.
    """

    row: RowT
    prompt: Sequence[int]
    limit: int

    @property
    def length(self) -> int:
        """How many tokens there are of prompt and text."""
        return len(self.prompt) + len(self.row.tokens)

    @property
    def most(self) -> int:
        """How many of them the model reads at most: the last one that is written is not read."""
        return len(self.prompt) + self.limit - 1

    @property
    def last(self) -> int:
        """The token that has not been read yet; padding for a row that is done."""
        if self.row.done:
            return PAD
        return self.row.tokens[-1] if self.row.tokens else self.prompt[-1]

    @property
    def read(self) -> list[int]:
        """The tokens before it."""
        return [*self.prompt, *self.row.tokens][:-1]


def write_in_turns(
    lm: LanguageModel,
    turns: Sequence[Turn[RowT]],
    choose: Choose[RowT],
    max_batch_tokens: int,
    prefix: Prefix | None = None,
) -> None:
    """Write every text until it ends or has reached its limit.

    Args:
        lm: the model; one for which `has_room` is true.
        turns: what is written, in the order in which it comes in.
        choose: see `Choose`; what it says for a row that is done is not used.
        max_batch_tokens: bound on rows times width of the batch, what all prompts share left out. A single text that is
            longer is written by itself.
        prefix: tokens that all prompts begin with and go on after, already computed.
    """
    batch, places = RowsWithRoom(lm, prefix), _Places(max_batch_tokens, prefix.length if prefix else 0)
    waiting, seated = deque(turns), list[Turn[RowT]]()
    while True:
        done = sum(turn.row.done for turn in seated)
        if not seated or done == len(seated) or batch.is_full or done >= DONE * len(seated):
            stay, go = places.that_stay([turn for turn in seated if not turn.row.done])
            waiting.extendleft(reversed(go))
            come = places.that_come(stay, waiting)
            if not stay and not come:
                return
            staying = set(map(id, stay))
            kept = [place for place, turn in enumerate(seated) if id(turn) in staying]
            seated = [*stay, *come]
            batch.seat(kept, [turn.read for turn in come], places.room(seated))
        states = batch.read([turn.last for turn in seated])
        for turn, token in zip(seated, choose(states, [turn.row for turn in seated]), strict=True):
            take(turn.row, token, lm.end_tokens, limit=turn.limit)


class _Places:
    """How many rows a batch has places for.

    Args:
        tokens: rows times columns at most.
        shared: columns that are not counted.
    """

    def __init__(self, tokens: int, shared: int) -> None:
        self.tokens = tokens
        self.shared = shared

    def room(self, seated: Sequence[Turn[RowT]]) -> int:
        """For how many further tokens rows are laid out."""
        width = max(turn.length for turn in seated) - 1
        fits = self.tokens // len(seated) + self.shared - width if len(seated) > 1 else _ROOM
        return max(1, min(_ROOM, fits, max(turn.most for turn in seated) - width))

    def that_stay(self, seated: Sequence[Turn[RowT]]) -> tuple[list[Turn[RowT]], list[Turn[RowT]]]:
        """Who can read one more round of tokens, and who came last and must go."""
        n = len(seated)
        while n > 1 and not self._hold(seated[:n], _ROOM):
            n -= 1
        return list(seated[:n]), list(seated[n:])

    def that_come(self, seated: Sequence[Turn[RowT]], waiting: deque[Turn[RowT]]) -> list[Turn[RowT]]:
        """Take out of those who wait, in their order, who finds a place."""
        come: list[Turn[RowT]] = []
        while waiting:
            together = [*seated, *come, waiting[0]]
            growth = _ROOM + int(_GROWTH * max(turn.length for turn in together))
            if len(together) > 1 and not self._hold(together, growth):
                break
            come.append(waiting.popleft())
        return come

    def _hold(self, turns: Sequence[Turn[RowT]], growth: int) -> bool:
        """Whether there are places for rows of which the longest grows so much, or as far as any of them can."""
        width = min(max(turn.length for turn in turns) + growth, max(turn.most for turn in turns))
        return len(turns) * (width - self.shared) <= self.tokens
