"""Processes in step, played by threads: what they gather goes over a barrier instead of a network."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch.distributed as dist

from ccps.core.console import console
from ccps.core.errors import UserError
from ccps.pipeline.ranks import Ranks, _hand_on_signals, start_ranks
from ccps.settings.run import TrainerConfig


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


# --- starting ---


class Fabric:
    """In the place of Lightning's: starts nothing, and remembers what it was asked for."""

    asked: ClassVar[list[dict[str, Any]]] = []
    rank = 0

    def __init__(self, **settings: Any) -> None:
        self.asked.append(settings)
        self.global_rank, self.local_rank, self.world_size = self.rank, self.rank % 2, 4
        self.strategy = SimpleNamespace(launcher=SimpleNamespace())

    def launch(self) -> None:
        self.asked[-1]["launched"] = True


@pytest.fixture
def fabric(monkeypatch: pytest.MonkeyPatch) -> type[Fabric]:
    monkeypatch.setattr("lightning.fabric.Fabric", Fabric)
    monkeypatch.setattr(Fabric, "asked", [])
    monkeypatch.setattr(console, "quiet", console.quiet)
    for name in ("SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", "SUBMITIT_LOCAL_GLOBALID", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    return Fabric


def test_one_process_starts_no_others(fabric: type[Fabric]) -> None:
    assert start_ranks(TrainerConfig()) == Ranks()
    assert fabric.asked == []


@pytest.mark.parametrize(("rank", "is_quiet"), [(0, False), (3, True)])
def test_the_first_of_several_speaks_and_the_others_do_not(
    fabric: type[Fabric], monkeypatch: pytest.MonkeyPatch, rank: int, is_quiet: bool
) -> None:
    monkeypatch.setattr(Fabric, "rank", rank)
    monkeypatch.setenv("MASTER_ADDR", "node1")
    assert start_ranks(TrainerConfig(accelerator="cpu", devices=2, num_nodes=2)) == Ranks(rank, rank % 2, 4)
    [asked] = fabric.asked
    assert (asked["accelerator"], asked["devices"], asked["num_nodes"], asked["launched"]) == ("cpu", 2, 2, True)
    assert console.quiet == is_quiet


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (TrainerConfig(accelerator="cpu", devices=1000), r"`trainer\.devices` to be at most [0-9]+ on the CPU of this"),
        (TrainerConfig(accelerator="gpu", devices=900), r"`trainer\.devices` to be at most [0-9]+, the GPUs of this"),
        (TrainerConfig(accelerator="cpu", num_nodes=2), r"`trainer\.num_nodes` to be 1 where no cluster starts"),
    ],
)
def test_more_than_there_is_is_refused(fabric: type[Fabric], config: TrainerConfig, said: str) -> None:
    with pytest.raises(UserError, match=said):
        start_ranks(config)
    assert fabric.asked == []


def test_of_a_process_that_has_died_the_first_of_the_others_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(values: list[Any], value: Any) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(dist, "all_gather_object", broken)
    with pytest.raises(UserError, match=r"Another process of this run has died.*the shards written so far are kept"):
        Ranks(0, 0, 2).agreed("x")
    with pytest.raises(SystemExit) as silent:
        Ranks(1, 1, 2).agreed("x")
    assert silent.value.code == 1


def test_what_is_gathered_stands_in_the_order_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(values: list[Any], value: Any) -> None:
        values[:] = ["the first", value]

    monkeypatch.setattr(dist, "all_gather_object", gather)
    assert Ranks(1, 1, 2).agreed("the second") == "the first"


def test_a_signal_is_handed_on_to_the_processes_that_were_started() -> None:
    heard: list[int] = []
    usual = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    other = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    try:
        _hand_on_signals([other, ended])
        os.kill(os.getpid(), signal.SIGUSR1)
        assert other.wait(timeout=60) == -signal.SIGUSR1
        assert heard == [signal.SIGUSR1]
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR1, usual)
        other.kill()
        other.wait()


def test_alone_nothing_is_handed_on() -> None:
    before = signal.set_wakeup_fd(-1)
    _hand_on_signals([])
    assert signal.set_wakeup_fd(before) == -1
