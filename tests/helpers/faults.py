"""What can befall a process while it writes: each is switched on in a process of its own and stays until its end.

Python announces most of what it does to files (`sys.addaudithook`) before it does it, whoever asks: nothing in the
package knows of these tests. What pyarrow and safetensors write by themselves lies between two such events.
"""

import errno
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from toy_jobs import die

Event = Callable[[str], None]
_MADE = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "shutil.rmtree", "shutil.copyfile")


def watch(folder: Path, event: Event) -> None:
    """Call something before each change of a file or folder below a folder, with a name for its kind.

    Kinds are told apart by what is done, in which stage's artifact or part of the output, to which kind of file:
    "os.rename artifacts/answer/KEY/.N.partial".
    """
    root = str(folder)
    busy = False

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy or not (name == "open" or name in _MADE) or not arguments:
            return
        path = os.fspath(arguments[0]) if isinstance(arguments[0], str | os.PathLike) else ""
        if not path.startswith(root) or (name == "open" and not _writes(*arguments[1:3])):
            return
        busy = True
        try:
            event(f"{name} {_kind(path.removeprefix(root).lstrip('/'))}")
        finally:
            busy = False

    sys.addaudithook(hook)


def _writes(mode: str | None, flags: int) -> bool:
    """Whether a file is opened to be written; what is only synced is opened to be read, and counts too."""
    return mode is None or bool(set(mode) & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR))


def _kind(path: str) -> str:
    path = re.sub(r"\b[0-9a-f]{16}\b", "KEY", path)
    path = re.sub(r"\d{5}", "N", path)
    return re.sub(r"(output[^/]*/[^/]+)/.*", r"\1/…", path)


def record(folder: Path, log: Path) -> None:
    """Write down every event."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    watch(folder, lambda kind: (os.write(output, f"{kind}\n".encode()), None)[1])


def die_at(folder: Path, kinds: Collection[str], name: Callable[[str], str], log: Path) -> None:
    """Be killed at the first event of one of some kinds; the log then holds it.

    Args:
        folder: to watch.
        kinds: of events.
        name: the kind of an event.
        log: file to write.
    """

    def event(what: str) -> None:
        if name(what) in kinds:
            log.write_text(what, encoding="utf-8")
            die()

    watch(folder, event)


def fail_from(folder: Path, number: int, error: int = errno.ENOSPC) -> None:
    """Let every change fail from one of them on, as on a disk that is full or has become read-only.

    What is taken away still goes, unless the disk is read-only.
    """
    count = 0

    def event(kind: str) -> None:
        nonlocal count
        count += 1
        frees = kind.startswith(("os.remove", "os.rmdir", "shutil.rmtree"))
        if count >= number and not (frees and error == errno.ENOSPC):
            raise OSError(error, os.strerror(error))

    watch(folder, event)


def die_after(seconds: float) -> None:
    """Be ended by the kernel, without a last word, after so many seconds of computing."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def be_told_after(seconds: float, number: int, told: Callable[[], object]) -> None:
    """Get a signal as from outside after so many seconds of computing; `told` is called before.

    A shell has what it starts in the background ignore Ctrl-C, `nohup` the end of the terminal: both are undone here,
    as a run leaves alone what is ignored.
    """

    def tell(profiler: int, frame: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        told()
        os.kill(os.getpid(), number)

    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.signal(signal.SIGPROF, tell)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def tear(folder: Path, number: int) -> None:
    """Be killed halfway through a text that is written below a folder."""
    write, count = Path.write_text, 0

    def half(self: Path, data: str, *more: Any, **options: Any) -> int:
        nonlocal count
        if folder in self.parents:
            count += 1
            if count == number:
                write(self, data[: len(data) // 2], *more, **options)
                die()
        return write(self, data, *more, **options)

    Path.write_text = half  # type: ignore[method-assign]


def no_file_above(size: int) -> None:
    """Let no file grow beyond a size, whoever writes it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
