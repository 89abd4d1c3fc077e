"""Questions that come together are worked on together, by one thread, which alone touches the model.

Work comes in steps, a token of every answer of a batch each. So batches that run at the same time take turns at each
token, and what is written is told as it is written; whoever reads it slowly finds it waiting and holds nobody up.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from ccps.core.errors import UserError
from ccps.serve.limits import Limits

Item = TypeVar("Item")
Result = TypeVar("Result")
_ENDS = "the server is shutting down"


class BusyError(Exception):
    """More is waiting than the server takes."""


class Piece(NamedTuple, Generic[Result]):
    """What a step of work has brought for one of its items.

    Attributes:
        place: of the item.
        what: is told to whoever asked.
        is_last: whether the item is done with it.
    """

    place: int
    what: Result
    is_last: bool


class _Waiting(Generic[Item, Result]):
    """An item, and what has been told of it; an answer's limit of tokens bounds how much that is."""

    def __init__(self, item: Item) -> None:
        self.item, self.since, self.begun, self.done = item, time.monotonic(), False, False
        self._told = asyncio.Queue[Piece[Result] | Exception]()

    def tell(self, what: Piece[Result] | Exception) -> None:
        """Put down what there is to tell."""
        self._told.put_nowait(what)
        self.begun = True
        self.done = self.done or isinstance(what, Exception) or what.is_last

    async def next(self) -> Piece[Result]:
        """What is told next.

        Raises:
            Exception: the item cannot be worked on.
        """
        told = await self._told.get()
        if isinstance(told, Exception):
            raise told
        return told

    async def last(self) -> Result:
        """What is told last."""
        while not (piece := await self.next()).is_last:
            pass
        return piece.what


class Batcher(Generic[Item, Result]):
    """Has items worked on in batches.

    A batch begins as soon as none of its kind is being worked on, with all of that kind that wait; and beside one that
    is, once its first item has waited for `patience_s`.

    Args:
        work: from items to the steps of work on them, each with what it has brought; goes on in a thread of its own.
        limits: how many wait, how many are worked on together, how many batches at a time.
        together: the kind of an item: what must be alike in a batch.
        on_batch: is told of the size of each.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Generator[Iterable[Piece[Result]]]],
        limits: Limits,
        together: Callable[[Item], object] = lambda item: None,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._work, self._limits, self._together, self._on_batch = work, limits, together, on_batch
        self._waiting = list[_Waiting[Item, Result]]()
        self._news, self._came = asyncio.Event(), 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ccps-model")
        self._running = dict[asyncio.Task[None], object]()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work; to be called within a running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End after the steps in hand; whoever still waits is refused."""
        if self._task is not None:
            tasks = [self._task, *self._running]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for one in self._waiting:
            one.tell(BusyError(_ENDS))
        self._waiting.clear()
        await asyncio.to_thread(self._thread.shutdown)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def ask(self, items: Sequence[Item]) -> list[Result]:
        """Wait for the last piece of each item. If the caller is cancelled, what has not begun is not done.

        Raises:
            BusyError: too many wait already.
            UserError: an item is none that the work can be done for.
            TimeoutError: it took longer than `answer_s`.
        """
        mine = self._enter(items)
        try:
            async with asyncio.timeout(self._limits.answer_s):
                return [await one.last() for one in mine]
        finally:
            self._leave(mine)

    async def pieces(self, item: Item) -> AsyncGenerator[Result]:
        """Every piece of an item as it comes. If the caller leaves, so does the item.

        Raises:
            BusyError: too many wait already.
            UserError: it is none that the work can be done for.
            TimeoutError: a piece took longer than `answer_s`.
        """
        [mine] = self._enter([item])
        try:
            is_last = False
            while not is_last:
                async with asyncio.timeout(self._limits.answer_s):
                    _, what, is_last = await mine.next()
                yield what
        finally:
            self._leave([mine])

    def _enter(self, items: Sequence[Item]) -> list[_Waiting[Item, Result]]:
        if len(self._waiting) + len(items) > self._limits.queued:
            raise BusyError(f"{len(self._waiting)} questions wait, and no more than {self._limits.queued} may")
        mine = [_Waiting[Item, Result](item) for item in items]
        self._waiting += mine
        self._came += len(mine)
        self._news.set()
        return mine

    def _leave(self, mine: Sequence[_Waiting[Item, Result]]) -> None:
        for one in mine:
            one.done = True

    async def _run(self) -> None:
        while True:
            if self._first() is None:
                await self._wait()
                continue
            await self._gather()
            first = self._first()
            if first is not None:
                batch = self._taken(first)
                task = asyncio.create_task(self._work_off(batch))
                self._running[task] = self._together(first.item)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._news.set()

    async def _wait(self) -> None:
        """Until something comes or ends, or the patience of the one that has waited longest does."""
        self._news.clear()
        patience = None
        if self._waiting and len(self._running) < self._limits.at_once:
            patience = self._waiting[0].since + self._limits.patience_s - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._news.wait()

    async def _gather(self) -> None:
        """Wait for others as long as they keep coming: who was answered together asks again nearly at once."""
        came = -1
        while came != self._came and len(self._waiting) < self._limits.batch:
            came = self._came
            await asyncio.sleep(self._limits.gather_s)

    def _first(self) -> _Waiting[Item, Result] | None:
        """Whose batch may begin; nobody does what nobody waits for any more."""
        self._waiting = [one for one in self._waiting if not one.done]
        if len(self._running) >= self._limits.at_once:
            return None
        patient = time.monotonic() - self._limits.patience_s
        kinds = list(self._running.values())
        return next(
            (one for one in self._waiting if one.since <= patient or self._together(one.item) not in kinds), None
        )

    def _taken(self, first: _Waiting[Item, Result]) -> list[_Waiting[Item, Result]]:
        """It and those alike, which wait no more."""
        kind = self._together(first.item)
        batch = [one for one in self._waiting if self._together(one.item) == kind][: self._limits.batch]
        taken = set(map(id, batch))
        self._waiting = [one for one in self._waiting if id(one) not in taken]
        return batch

    async def _work_off(self, batch: Sequence[_Waiting[Item, Result]]) -> None:
        self._on_batch(len(batch))
        steps = self._work([one.item for one in batch])
        try:
            while not all(one.done for one in batch):
                step = await asyncio.get_running_loop().run_in_executor(self._thread, next, steps, None)
                if step is None:
                    return
                for piece in step:
                    batch[piece.place].tell(piece)
        except UserError as error:
            if len(batch) == 1 or any(one.begun for one in batch):
                _tell_all(batch, error)
            else:  # whose fault it is shows when each is asked alone
                for one in batch:
                    await self._work_off([one])
        except asyncio.CancelledError:
            _tell_all(batch, BusyError(_ENDS))
            raise
        except Exception as error:  # whoever waits is told; the server goes on
            _tell_all(batch, error)
        finally:
            self._thread.submit(steps.close)  # after the step in hand, and in its thread


def _tell_all(batch: Sequence[_Waiting[Item, Result]], error: Exception) -> None:
    for one in batch:
        one.tell(error)
