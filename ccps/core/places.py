"""Paths that users name: whether the system can have them at all, asked before anything hangs on it."""

import os
from pathlib import Path

from ccps.core.errors import UserError

_ROOM = 300
"""What a run adds to the path of a folder, in bytes at most."""
_LONGEST = 4096
"""Of a whole path, as Linux has it; elsewhere it is less, and the system says so."""


def cache_folder() -> Path:
    """Where things are kept that can be had again: the environment's ``CCPS_CACHE``, else ``~/.cache/ccps``."""
    return Path(os.environ.get("CCPS_CACHE") or "~/.cache/ccps").expanduser()


def local_path(named: str | os.PathLike[str]) -> Path:
    """The path that somebody named, `~` filled in, whether there is anything or not.

    Raises:
        UserError: the system cannot look there: too long, a loop of links, no right to.
    """
    try:
        path = Path(named).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:
        text, why = str(named), error.strerror if isinstance(error, OSError) else error
        shown = text if len(text) <= 100 else f"{text[:100]}…"
        raise UserError(f"Expected `{shown}` to be a usable path, but got: {why}. Correct it.") from error
    return path


def place_problem(path: str) -> str | None:
    """What keeps a folder from being found or made at a path, in words; None if nothing is seen that does.

    Nothing is made. That a folder which is there can be written only shows when it is.
    """
    try:
        if len(os.fsencode(Path(path).absolute())) + _ROOM > _LONGEST:
            return "a path that is too long"
        for one in (Path(path), *Path(path).absolute().parents):
            if one.is_symlink() and not one.exists():
                return f"a path with a link that leads nowhere ({one})"
            if one.exists():
                if not one.is_dir():
                    return f"a path with a file in it ({one})"
                if one != Path(path) and not os.access(one, os.W_OK | os.X_OK):
                    return f"a folder that cannot be made, as {one} may not be written"
                return None
    except (OSError, ValueError) as error:
        return f"a path that the system refuses ({error.strerror if isinstance(error, OSError) else error})"
    return None
