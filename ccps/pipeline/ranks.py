"""Several processes that share a run, each on a device of its own and in step with the others from stage to stage.

Nothing is exchanged but words: what one process computes reaches the others through the artifacts. So the process
group is gloo's, whatever the device, and a process may wait for as long as another one works.
"""

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from ccps.core.console import console
from ccps.core.errors import UserError, expected
from ccps.core.quiet import quiet_lightning
from ccps.settings.run import TrainerConfig

T = TypeVar("T")

_PATIENCE = timedelta(days=30)
# Any of these tells that processes of other nodes are, or will be, there.
_CLUSTER = {"SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", "SUBMITIT_LOCAL_GLOBALID", "WORLD_SIZE", "MASTER_ADDR", "LSB_JOBID"}
_LAUNCHER_LOG = "lightning.fabric.strategies.launchers.subprocess_script"


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run; by default the only one.

    Attributes:
        rank: its number, from 0.
        local_rank: its number among those of its node, which is that of its device.
        world: how many there are.
    """

    rank: int = 0
    local_rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def own(self, items: Sequence[T]) -> list[T]:
        """This process's share of what all have before them: every `world`-th item."""
        return list(items[self.rank :: self.world])

    def agreed(self, value: T) -> T:
        """What the first process holds for true."""
        return value if self.world == 1 else self._gathered(value)[0]

    def together(self, work: Callable[[], T]) -> T:
        """Do something in every process, and go on when all have done it.

        Raises:
            UserError: in the first process, if it failed in any, naming each reason once; the others end silently.
            Exception: in the process where it arose, if it is none of the user's.
        """
        if self.world == 1:
            return work()
        result, fault = None, None
        try:
            result = work()
        except Exception as error:
            fault = error
        reasons = self._gathered(None if fault is None else _reason(fault, self.rank))
        if fault is not None and not isinstance(fault, UserError):
            raise fault
        self._raise_for_all([reason for reason in reasons if reason is not None])
        return result  # type: ignore[return-value]

    def on_first(self, work: Callable[[], object]) -> None:
        """Do something in the first process alone, while the others wait.

        Raises:
            UserError: as in `together`.
        """
        self.together(work if self.is_first else _nothing)

    def node_by_node(self, work: Callable[[], T]) -> T:
        """Do in one process of each node what fills a cache that the node's other processes then find filled.

        Raises:
            UserError: as in `together`.
        """
        if self.world == 1:
            return work()
        found = self.together(work if self.local_rank == 0 else _nothing)
        return self.together(lambda: found if self.local_rank == 0 else work())  # type: ignore[return-value]

    def _gathered(self, value: Any) -> list[Any]:
        values: list[Any] = [None] * self.world
        try:
            dist.all_gather_object(values, value)
        except RuntimeError as error:
            if not self.is_first:
                raise SystemExit(1) from None
            raise UserError(
                "Another process of this run has died; what it had to say stands above, or in its node's log. Run the "
                "same command again: the shards written so far are kept."
            ) from error
        return values

    def _raise_for_all(self, reasons: Sequence[str]) -> None:
        if not reasons:
            return
        if not self.is_first:
            raise SystemExit(0)  # the first process says it for all
        raise UserError("\n".join(dict.fromkeys(reasons)))


def _nothing() -> None:
    return None


def _reason(fault: Exception, rank: int) -> str:
    if isinstance(fault, UserError):
        return str(fault)
    return (
        f"Process {rank} of this run failed ({type(fault).__name__}: {fault}); what it had to say stands beside this. "
        "The shards written so far are kept."
    )


def start_ranks(config: TrainerConfig) -> Ranks:
    """Start the other processes of a run, or join them: by Lightning, by `torchrun`, by SLURM's `srun` or by submitit.

    Raises:
        UserError: a node has fewer GPUs than there are to be processes on it, or far fewer cores; or there are to be
            several nodes, and nothing that starts processes on them.
    """
    if config.devices * config.num_nodes == 1:
        return Ranks()
    uses_gpu = config.accelerator == "gpu" or (config.accelerator == "auto" and torch.cuda.is_available())
    if uses_gpu and config.devices > torch.cuda.device_count():
        raise expected(
            "`trainer.devices`",
            f"at most {torch.cuda.device_count()}, the GPUs of this node",
            config.devices,
            "Lower it, or ask the cluster for more.",
        )
    if not uses_gpu and config.devices > (most := most_at_once()):
        raise expected("`trainer.devices`", f"at most {most} on the CPU of this machine", config.devices, "Lower it.")
    if config.num_nodes > 1 and not _CLUSTER & set(os.environ):
        raise expected(
            "`trainer.num_nodes`",
            "1 where no cluster starts the processes of the other nodes",
            config.num_nodes,
            "Start the run by launcher=slurm, srun or torchrun (docs/cluster.md).",
        )
    from lightning.fabric import Fabric
    from lightning.fabric.strategies.ddp import DDPStrategy

    _join_submitit()
    _speak_of_deaths()
    with quiet_lightning():
        fabric = Fabric(
            accelerator="cpu",  # of the words; each process gives its own device to its trainers
            devices=config.devices,
            num_nodes=config.num_nodes,
            strategy=DDPStrategy(process_group_backend="gloo", timeout=_PATIENCE),
        )
        fabric.launch()
    _hand_on_signals(getattr(fabric.strategy.launcher, "procs", []))
    ranks = Ranks(fabric.global_rank, fabric.local_rank, fabric.world_size)
    console.quiet = not ranks.is_first
    return ranks


def _hand_on_signals(others: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Have the processes that this one started told whatever it is told: `kill` tells the first alone.

    A thread does it, as the process itself may be waiting for the others, and hears nothing meanwhile. Ctrl-C reaches
    all of them by itself.
    """
    if not others:
        return
    told, heard = os.pipe()
    os.set_blocking(heard, False)
    signal.set_wakeup_fd(heard, warn_on_full_buffer=False)
    handed_on = {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}

    def watch() -> None:
        while numbers := os.read(told, 64):
            for number in handed_on.intersection(numbers):
                for other in others:
                    if other.poll() is None:
                        other.send_signal(number)

    threading.Thread(target=watch, daemon=True).start()


def most_at_once() -> int:
    """Threads or processes that this machine may have at a time: beyond a few for each core they only end in faults."""
    return max(16, 4 * (os.cpu_count() or 1))


def end_ranks() -> None:
    """Leave the group: its threads would otherwise be cut off when Python ends, which now and then aborts a process."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _join_submitit() -> None:
    """Tell Lightning of the processes that submitit's local executor has started; SLURM's it knows by itself."""
    if "SUBMITIT_LOCAL_GLOBALID" in os.environ:
        from submitit.helpers import TorchDistributedEnvironment

        TorchDistributedEnvironment().export(set_cuda_visible_devices=False)


def _speak_of_deaths() -> None:
    """Let Lightning say why it ends all processes: one of them is gone, and could not say so itself."""
    log = logging.getLogger(_LAUNCHER_LOG)
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
        log.setLevel(logging.INFO)
        log.propagate = False
