"""How a run ends that is told to: by Ctrl-C, by `kill`, by a scheduler, by the end of its terminal."""

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What ends a run beside Ctrl-C; the last two are those by which schedulers warn of a time limit (docs/cluster.md)."""

STOPPED = "Stopped. Run the same command again to go on from the last whole shard."

_TOLD: list[int] = []
_AGAIN = 0.1  # seconds until an interrupt that was lost comes again
_hook = sys.unraisablehook


def stop_when_told() -> None:
    """Have signals end a run as Ctrl-C does: what is whole is kept, and nothing is left half done.

    A signal that is ignored (`nohup`), or that somebody else sees to (a scheduler's launcher), is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)
    sys.unraisablehook = _come_again


def end_stopped(said: str = STOPPED) -> NoReturn:
    """Say how to go on, and leave with 128 plus the signal's number, as shells have it."""
    if not is_first_process():
        _leave(0)  # the first process says it for all, and its exit code counts
    with suppress(OSError, ValueError, AttributeError):  # nobody may be left to read it
        print(f"\n{said}", file=sys.stderr, flush=True)
    _leave(128 + (_TOLD[-1] if _TOLD else signal.SIGINT))


def is_first_process() -> bool:
    """Whether no other process of the same run, started by a cluster or by Lightning, speaks for this one."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "SUBMITIT_LOCAL_GLOBALID", "LOCAL_RANK"))
    return next((rank for rank in ranks if rank is not None), "0") == "0"


def _leave(code: int) -> NoReturn:
    """End the process; where it belongs to a group, at once, as the group's threads would abort a regular end."""
    # Looked up, not imported: a signal in the midst of torch's import leaves parts of it that cannot be imported again.
    is_initialized = getattr(sys.modules.get("torch.distributed"), "is_initialized", None)
    if is_initialized is not None and is_initialized():
        with suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _come_again(lost: "sys.UnraisableHookArgs") -> None:
    """Have an interrupt that fell into a place that can raise nothing, as the end of an object, come once more."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        _hook(lost)
        return
    # Not from here, where it would be lost too.
    again = threading.Timer(_AGAIN, os.kill, (os.getpid(), _TOLD[-1] if _TOLD else signal.SIGINT))
    again.daemon = True
    again.start()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _TOLD.append(number)
    raise KeyboardInterrupt
