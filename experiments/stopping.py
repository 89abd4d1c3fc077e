"""How a run ends that is told to: by Ctrl-C, by `kill`, by a scheduler, by the end of its terminal."""

import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

_TOLD: list[int] = []


def stop_when_told() -> None:
    """Have SIGTERM and SIGHUP end a run as Ctrl-C does: what is whole is kept, and nothing is left half done.

    A signal that is ignored (`nohup`), or that somebody else sees to (a scheduler's launcher), is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def end_stopped() -> NoReturn:
    """Say how to go on, and leave with 128 plus the signal's number, as shells have it."""
    print("\nStopped. Run the same command again to go on from the last whole shard.", file=sys.stderr)
    sys.exit(128 + (_TOLD[-1] if _TOLD else signal.SIGINT))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _TOLD.append(number)
    raise KeyboardInterrupt
