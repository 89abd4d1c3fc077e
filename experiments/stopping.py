"""How a run ends that is told to: by Ctrl-C, by `kill`, by a scheduler, by the end of its terminal."""

import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What ends a run beside Ctrl-C; the last two are those by which schedulers warn of a time limit (docs/cluster.md)."""

_TOLD: list[int] = []


def stop_when_told() -> None:
    """Have signals end a run as Ctrl-C does: what is whole is kept, and nothing is left half done.

    A signal that is ignored (`nohup`), or that somebody else sees to (a scheduler's launcher), is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def end_stopped() -> NoReturn:
    """Say how to go on, and leave with 128 plus the signal's number, as shells have it."""
    for number in (*SIGNALS, signal.SIGINT):  # a second one would be a traceback
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, signal.SIG_IGN)
    with suppress(OSError, ValueError, AttributeError):  # nobody may be left to read it
        print("\nStopped. Run the same command again to go on from the last whole shard.", file=sys.stderr, flush=True)
    sys.exit(128 + (_TOLD[-1] if _TOLD else signal.SIGINT))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _TOLD.append(number)
    raise KeyboardInterrupt
