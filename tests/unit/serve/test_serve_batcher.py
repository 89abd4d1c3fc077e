"""Which questions the model works on together, who waits for whom, and what is told when."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.serve import Limits
from ccps.serve.batcher import Batcher, BusyError, Piece

Work = Callable[[Sequence[int]], Generator[list[Piece[int]]]]


def doubled(items: Sequence[int]) -> Generator[list[Piece[int]]]:
    yield [Piece(place, 2 * item, is_last=True) for place, item in enumerate(items)]


def counted(items: Sequence[int]) -> Generator[list[Piece[int]]]:
    """As many pieces of an item as it says, one a step."""
    for step in range(max(items)):
        yield [Piece(place, step, is_last=step == item - 1) for place, item in enumerate(items) if step < item]


def at_work(
    work: Work, ask: Callable[[Batcher[int, int]], Awaitable[Any]], limits: Limits | None = None, **settings: Any
) -> Any:
    async def run() -> Any:
        batcher = Batcher[int, int](work, limits or Limits(), **settings)
        batcher.start()
        try:
            return await ask(batcher)
        finally:
            await batcher.stop()

    return asyncio.run(run())


@pytest.mark.parametrize(("most", "sizes", "never_came"), [(16, [6], 0), (4, [4], 2)])
def test_a_batch_waits_as_long_as_others_come_and_no_longer_than_until_it_is_full(
    monkeypatch: pytest.MonkeyPatch, most: int, sizes: list[int], never_came: int
) -> None:
    pause, left, seen = asyncio.sleep, [1, 2, 3, 4, 5], list[int]()
    others: list[asyncio.Task[list[int]]] = []

    async def ask(batcher: Batcher[int, int]) -> list[list[int]]:
        async def another_comes(_: float) -> None:
            if left:
                others.append(asyncio.create_task(batcher.ask([left.pop()])))
            await pause(0)  # lets it in

        monkeypatch.setattr(asyncio, "sleep", another_comes)
        return [await batcher.ask([9]), *[await one for one in others]]

    found = at_work(doubled, ask, Limits(batch=most), on_batch=seen.append)
    assert seen == sizes
    assert len(left) == never_came
    assert found == [[18], *([2 * item] for item in (5, 4, 3, 2, 1)[: 5 - never_came])]


def test_whoever_reads_slowly_holds_nobody_up_and_misses_nothing() -> None:
    async def ask(batcher: Batcher[int, int]) -> tuple[list[int], list[int]]:
        slow = batcher.pieces(50)
        first = await anext(slow)
        found = await batcher.ask([3])
        return found, [first, *[piece async for piece in slow]]

    assert at_work(counted, ask) == ([2], list(range(50)))


class Gated:
    """Work of which each step waits until it is let go on; notes whose steps were taken, and which batches ended."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.steps, self.closed = list[int](), list[int]()

    def __call__(self, items: Sequence[int]) -> Generator[list[Piece[int]]]:
        try:
            for step in counted(items):
                self.gate.acquire()
                self.steps.append(items[0])
                yield step
        finally:
            self.closed.append(items[0])


def both(patience: float) -> tuple[list[int], list[int]]:
    """Steps taken, and sizes of batches, of an item of four steps and one of three that comes once it has begun."""
    work, sizes = Gated(), list[int]()

    async def ask(batcher: Batcher[int, int]) -> None:
        one = batcher.pieces(4)
        work.gate.release()
        await anext(one)
        other = asyncio.create_task(batcher.ask([3]))
        while batcher.waiting != 1 and len(sizes) == 1:
            await asyncio.sleep(0)
        while patience == 0 and len(sizes) == 1:
            await asyncio.sleep(0)
        work.gate.release(6)
        assert [piece async for piece in one] == [1, 2, 3]
        assert await other == [2]

    at_work(work, ask, Limits(patience_s=patience), on_batch=sizes.append)
    return work.steps, sizes


def test_one_that_comes_later_waits_for_the_batch_before_it() -> None:
    assert both(patience=60) == ([4, 4, 4, 4, 3, 3, 3], [1, 1])


def test_one_that_has_waited_too_long_takes_turns_with_the_batch_before_it() -> None:
    steps, sizes = both(patience=0)
    assert sizes == [1, 1]
    assert sorted(steps) == [3, 3, 3, 4, 4, 4, 4]
    assert steps.index(3) < 4  # the first has not ended by then


def test_another_kind_does_not_wait() -> None:
    work = Gated()

    async def ask(batcher: Batcher[int, int]) -> list[int]:
        one = batcher.pieces(100_000)
        work.gate.release()
        await anext(one)
        other = asyncio.create_task(batcher.ask([1]))
        while not other.done():
            work.gate.release()
            await asyncio.sleep(0.001)
        await one.aclose()
        work.gate.release(2)
        return await other

    assert at_work(work, ask, Limits(patience_s=60), together=lambda item: item) == [0]
    assert work.closed == [1, 100_000]


def test_what_nobody_listens_to_any_more_is_ended() -> None:
    work = Gated()

    async def ask(batcher: Batcher[int, int]) -> list[int]:
        one = batcher.pieces(1000)
        work.gate.release(3)
        await anext(one)
        await one.aclose()
        work.gate.release(2)
        return await batcher.ask([1])

    assert at_work(work, ask) == [0]
    assert work.closed == [1000, 1]
    assert len(work.steps) <= 5


def test_whose_fault_it_is_is_told_to_that_one_alone() -> None:
    def work(items: Sequence[int]) -> Generator[list[Piece[int]]]:
        if 7 in items:
            raise UserError("no sevens")
        yield from doubled(items)

    async def ask(batcher: Batcher[int, int]) -> list[Any]:
        return await asyncio.gather(*(batcher.ask([item]) for item in (1, 7, 2)), return_exceptions=True)

    one, fault, other = at_work(work, ask)
    assert (one, str(fault), other) == ([2], "no sevens", [4])


def test_who_is_in_hand_when_it_stops_is_refused() -> None:
    work = Gated()

    async def run() -> None:
        batcher = Batcher[int, int](work, Limits())
        batcher.start()
        asked = [asyncio.create_task(batcher.ask([item])) for item in (100_000, 90_000)]
        work.gate.release()
        while not work.steps:
            await asyncio.sleep(0.001)
        stopping = asyncio.create_task(batcher.stop())
        while not stopping.done():
            work.gate.release()
            await asyncio.sleep(0.001)
        for one in asked:
            with pytest.raises(BusyError, match="shutting down"):
                await one

    asyncio.run(run())


def test_one_that_has_not_begun_may_stop_and_refuses_who_waits() -> None:
    async def run() -> None:
        batcher = Batcher[int, int](doubled, Limits())
        asked = asyncio.create_task(batcher.ask([1]))
        await asyncio.sleep(0)  # it is in the queue, and nobody works
        await batcher.stop()
        with pytest.raises(BusyError, match="shutting down"):
            await asked

    asyncio.run(run())


def test_a_fault_of_the_work_is_told_and_the_next_batch_is_worked_on() -> None:
    def work(items: Sequence[int]) -> Generator[list[Piece[int]]]:
        if 7 in items:
            raise ZeroDivisionError("a bug")
        yield from doubled(items)

    async def ask(batcher: Batcher[int, int]) -> tuple[Any, list[int]]:
        [fault] = await asyncio.gather(batcher.ask([7]), return_exceptions=True)
        return fault, await batcher.ask([2])

    fault, found = at_work(work, ask)
    assert isinstance(fault, ZeroDivisionError)
    assert found == [4]
