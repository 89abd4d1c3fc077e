"""How an entry point ends: each kind of failure in words of its own and with an exit code of its own.

0 done; 2 something that only the user can mend; 70 a fault of this project; 128 + n told to end by signal n.
"""

import errno
import os
import platform
import select
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from ccps.core.errors import UserError
from experiments.stopping import STOPPED, end_stopped, is_first_process

FAULT_OF_OURS = 70
"""The exit code of what no user can mend: EX_SOFTWARE of sysexits.h."""

_VERSIONS = ("ccps", "torch", "transformers", "lightning", "hydra-core", "numpy", "pyarrow", "datasets", "wandb")
_ROOT = Path(__file__).parents[1]
_OURS = ("ccps", "experiments")
# What the system refuses: room, rights, numbers of open files, a disk that fails. Other errors of files are faults.
_SYSTEM = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ESTALE")
    if hasattr(errno, name)
}


@contextmanager
def in_words(stopped: str = STOPPED) -> Iterator[None]:
    """End the process, where the block fails, with a message and an exit code in place of a traceback.

    Args:
        stopped: what is said where it was told to end.
    """
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        end_stopped(stopped)
    except UserError as error:
        end_refused(error)
    except Exception as error:
        _let_go_of_output()
        if isinstance(error, BrokenPipeError) and _is_unheard():
            sys.exit(128 + signal.SIGPIPE)  # without a word, as other commands do
        if _is_the_systems(error):
            end_refused(UserError(f"The system refuses to go on: {error}. {_GO_ON}"))
        if _is_memory(error):
            end_refused(UserError(f"There is too little memory: {_line(error)}. {_LESS_MEMORY} {_GO_ON}"))
        end_at_fault(error)


_GO_ON = "Run the same command again when that is mended: what has been computed is kept."
_LESS_MEMORY = "Lower answering.max_batch_tokens or perturbation.max_scratch_mib (docs/memory.md)."


def end_refused(error: UserError) -> NoReturn:
    """Say what the user is to mend; once, although several processes may have found it."""
    if is_first_process():
        _say(str(error))
    sys.exit(2)


def end_at_fault(error: Exception) -> NoReturn:
    """Say that the fault is ours, and where all lies that finding it takes."""
    record = _record(error)
    kept = _kept(record)
    if kept is None:
        _say(record)
    where = "what stands above" if kept is None else str(kept)
    _say(
        f"This is a fault of ours, not of your settings: {_line(error)}{_place(error)}\n"
        f"Please send us {where}: traceback, versions and command. What has been computed is kept."
    )
    sys.exit(FAULT_OF_OURS)


def _is_unheard() -> bool:
    """Whether whoever read the output is gone, as with `| head`."""
    with suppress(OSError, ValueError, AttributeError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
    return False


def _let_go_of_output() -> None:
    """Give up what could not be written: at the end of the process it would be tried, and fail, once more."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def speak_anywhere() -> None:
    """Have what is said fit wherever it goes: no character fails for want of an encoding, no stream is missing.

    A terminal of `LC_ALL=C` or `PYTHONIOENCODING=ascii` shows what it lacks as an escape. In the place of a stream that
    was closed (`>&-`), the next file to be opened would get all that is printed.
    """
    for number in range(3):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _say(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # of a stream that is closed or full
        print(text, file=sys.stderr, flush=True)


def _is_the_systems(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _SYSTEM


def _is_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules:
        return False
    from ccps.llm.memory import is_out_of_memory

    return is_out_of_memory(error)


def _line(error: BaseException) -> str:
    """The error's kind and its first line."""
    said = " ".join(str(error).split())
    short = said if len(said) <= 200 else f"{said[:197]}…"
    return f"{type(error).__name__}: {short}" if short else type(error).__name__


def _place(error: BaseException) -> str:
    """The last line of this project that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    # From a wheel, all other packages lie beside ours.
    folders = [_ROOT / name for name in _OURS]
    own = [
        frame
        for frame in frames
        if frame.filename != __file__ and any(Path(frame.filename).is_relative_to(folder) for folder in folders)
    ]
    return f" ({Path(own[-1].filename).relative_to(_ROOT)}, line {own[-1].lineno})" if own else ""


def _record(error: BaseException) -> str:
    versions = "\n".join(f"{name} {_version(name)}" for name in _VERSIONS)
    system = f"Python {platform.python_version()} on {platform.platform()}"
    trace = "".join(traceback.format_exception(error))
    return f"{shlex.join(sys.orig_argv)}\n\n{system}\n{versions}\n\n{trace}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "is not installed"


def _kept(record: str) -> Path | None:
    """Write the record where the system keeps such files; None where that fails."""
    try:
        number, name = tempfile.mkstemp(prefix="ccps-fault-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(record)
    except OSError:
        return None
    return Path(name)
