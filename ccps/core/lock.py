"""The lock by which one process holds an artifact; it goes with the process, however that ends."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from ccps.core.errors import UserError

# By these a disk says that it knows no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def take_lock(lock: TextIO, folder: Path, waits: Callable[[str], None] | None = None) -> None:
    """Hold a folder by its lock until that is closed; on a disk that knows no locks nothing is held.

    Args:
        lock: the open file of the lock, which says whose it is.
        folder: what is held, for the message.
        waits: is told who holds it, before this waits for that process; None does not wait.

    Raises:
        UserError: another process holds it, and this one does not wait.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return
        if not isinstance(error, BlockingIOError):
            raise
        lock.seek(0)
        writer = f"pid {lock.read().strip() or 'unknown'}"
        if waits is None:
            raise UserError(
                f"Another process ({writer}) is writing {folder}. Wait until it has ended and run this again, "
                "let this run wait for it (paths.when_held=wait), or give this run other settings."
            ) from error
        waits(writer)
        fcntl.flock(lock, fcntl.LOCK_EX)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
