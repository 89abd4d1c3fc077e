"""Which questions the model reads together."""

import asyncio

import pytest

from ccps.serve import Limits
from ccps.serve.batcher import Batcher


@pytest.mark.parametrize(("most", "sizes", "never_came"), [(16, [6], 0), (4, [4], 2)])
def test_a_batch_waits_as_long_as_others_come_and_no_longer_than_until_it_is_full(
    monkeypatch: pytest.MonkeyPatch, most: int, sizes: list[int], never_came: int
) -> None:
    pause, left, seen = asyncio.sleep, [1, 2, 3, 4, 5], list[int]()
    others: list[asyncio.Task[list[int]]] = []

    async def run() -> list[list[int]]:
        batcher = Batcher[int, int](
            lambda items: [2 * item for item in items], Limits(batch=most), on_batch=seen.append
        )

        async def another_comes(_: float) -> None:
            if left:
                others.append(asyncio.create_task(batcher.ask([left.pop()])))
            await pause(0)  # lets it in

        monkeypatch.setattr(asyncio, "sleep", another_comes)
        batcher.start()
        try:
            return [await batcher.ask([9]), *[await one for one in others]]
        finally:
            await batcher.stop()

    found = asyncio.run(run())
    assert seen == sizes
    assert len(left) == never_came
    assert found == [[18], *([2 * item] for item in (5, 4, 3, 2, 1)[: 5 - never_came])]
