"""Questions that come together are read together, by one thread, which alone touches the model."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ccps.core.errors import UserError
from ccps.serve.limits import Limits

Item = TypeVar("Item")
Result = TypeVar("Result")


class BusyError(Exception):
    """More is waiting than the server takes."""


@dataclass
class _Waiting(Generic[Item, Result]):
    item: Item
    done: "asyncio.Future[Result]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Item, Result]):
    """Hands over what waits in batches.

    Args:
        work: from items to as many results, in their order; runs in a thread of its own.
        limits: how many wait, and how many are handed over at a time.
        together: what of an item must be alike in a batch.
        on_batch: is told of the size of each.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        limits: Limits,
        together: Callable[[Item], object] = lambda item: None,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._work, self._limits, self._together, self._on_batch = work, limits, together, on_batch
        self._waiting = list[_Waiting[Item, Result]]()
        self._arrived, self._came = asyncio.Event(), 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ccps-model")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work; to be called within a running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, with the batch in hand; whoever still waits is refused."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for one in self._waiting:
            if not one.done.done():
                one.done.set_exception(BusyError("the server is shutting down"))
        self._waiting.clear()
        await asyncio.to_thread(self._thread.shutdown)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def ask(self, items: Sequence[Item]) -> list[Result]:
        """Wait for the results of some items. If the caller is cancelled, what has not begun is not done.

        Raises:
            BusyError: too many wait already.
            UserError: an item is none that the work can be done for.
            TimeoutError: it took longer than `answer_s`.
        """
        if len(self._waiting) + len(items) > self._limits.queued:
            raise BusyError(f"{len(self._waiting)} questions wait, and no more than {self._limits.queued} may")
        mine = [_Waiting[Item, Result](item) for item in items]
        self._waiting += mine
        self._came += len(mine)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._limits.answer_s):
                return [await one.done for one in mine]
        finally:
            for one in mine:
                one.done.cancel()  # nothing to do for one that is done

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            await self._gather()
            batch = self._next()
            if batch:
                await self._do(batch)

    async def _gather(self) -> None:
        """Wait for others as long as they keep coming: who was answered together asks again nearly at once."""
        came = -1
        while came != self._came and len(self._waiting) < self._limits.batch:
            came = self._came
            await asyncio.sleep(self._limits.gather_s)

    def _next(self) -> list[_Waiting[Item, Result]]:
        """The first that waits, and those alike; nobody does what nobody waits for any more."""
        self._waiting = [one for one in self._waiting if not one.done.done()]
        alike = [one for one in self._waiting if self._together(one.item) == self._together(self._waiting[0].item)]
        batch = alike[: self._limits.batch]
        taken = set(map(id, batch))
        self._waiting = [one for one in self._waiting if id(one) not in taken]
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _do(self, batch: list[_Waiting[Item, Result]]) -> None:
        self._on_batch(len(batch))
        try:
            results = await self._in_thread([one.item for one in batch])
        except UserError as error:
            if len(batch) == 1:
                _fail(batch[0], error)
            else:  # whose fault it is shows when each is asked alone
                for one in batch:
                    await self._do([one])
        except Exception as error:  # whoever waits is told; the server goes on
            for one in batch:
                _fail(one, error)
        else:
            for one, result in zip(batch, results, strict=True):
                if not one.done.done():
                    one.done.set_result(result)

    async def _in_thread(self, items: Sequence[Item]) -> Sequence[Result]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, items)


def _fail(one: _Waiting[Item, Result], error: Exception) -> None:
    if not one.done.done():
        one.done.set_exception(error)
