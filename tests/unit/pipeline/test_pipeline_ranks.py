"""Processes in step, played by threads: what they gather goes over a barrier instead of a network."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from ccps.core.errors import UserError
from ccps.pipeline.ranks import Ranks


class Meeting:
    """Where threads leave a value each and take all."""

    def __init__(self, world: int) -> None:
        self.values: list[Any] = [None] * world
        self.barrier = threading.Barrier(world, timeout=600)


@dataclass(frozen=True)
class Player(Ranks):
    meeting: Meeting = field(default_factory=lambda: Meeting(1))

    def _gathered(self, value: Any) -> list[Any]:
        self.meeting.values[self.rank] = value
        self.meeting.barrier.wait()
        values = list(self.meeting.values)
        self.meeting.barrier.wait()
        return values


def play(work: Callable[[Ranks], Any], world: int = 3, per_node: int = 2) -> list[Any]:
    """Run something as every one of several processes; what each returns or raises, in their order."""
    meeting = Meeting(world)

    def one(rank: int) -> Any:
        try:
            return work(Player(rank, rank % per_node, world, meeting))
        except (Exception, SystemExit) as error:
            return error

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(one, range(world)))


def test_shares_hold_everything_once() -> None:
    shares = [Ranks(rank, rank, 3).own(range(8)) for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]


def test_a_process_alone_does_all_by_itself() -> None:
    alone = Ranks()
    assert alone.is_first
    assert alone.own([1, 2]) == [1, 2]
    assert alone.agreed("x") == "x"
    assert alone.together(lambda: 3) == 3
    assert alone.node_by_node(lambda: 4) == 4
    with pytest.raises(KeyError):
        alone.together(lambda: {}["absent"])  # type: ignore[index]


def test_the_first_process_decides() -> None:
    assert play(lambda ranks: ranks.agreed(ranks.rank == 0)) == [True, True, True]


def test_each_process_gets_what_it_has_done_itself() -> None:
    assert play(lambda ranks: ranks.together(lambda: ranks.rank * 10)) == [0, 10, 20]


def test_only_the_first_does_what_one_must_do() -> None:
    done: list[int] = []
    assert play(lambda ranks: ranks.on_first(lambda: done.append(ranks.rank))) == [None] * 3
    assert done == [0]


def test_what_the_user_must_mend_is_said_once_and_ends_all() -> None:
    def fail(ranks: Ranks) -> None:
        if ranks.rank:
            raise UserError("The model is not on this node.")

    first, second, third = play(lambda ranks: ranks.together(lambda: fail(ranks)))
    assert isinstance(first, UserError)
    assert str(first) == "The model is not on this node."
    for silent in (second, third):
        assert isinstance(silent, SystemExit)
        assert silent.code == 0


def test_a_fault_keeps_its_trace_where_it_arose() -> None:
    def fail(ranks: Ranks) -> None:
        if ranks.rank == 2:
            raise ZeroDivisionError("a bug")

    first, second, third = play(lambda ranks: ranks.together(lambda: fail(ranks)))
    assert "Process 2 of this run failed (ZeroDivisionError: a bug)" in str(first)
    assert isinstance(second, SystemExit)
    assert isinstance(third, ZeroDivisionError)


def test_one_process_of_each_node_fills_its_cache() -> None:
    """Four processes on two nodes: the others of a node begin when all caches are full."""
    order: list[int] = []
    play(lambda ranks: ranks.node_by_node(lambda: order.append(ranks.rank)), world=4)
    assert sorted(order[:2]) == [0, 2]
    assert sorted(order[2:]) == [1, 3]
