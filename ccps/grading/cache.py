"""Judgements on disk: no reply is lost, and none is paid for twice."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ccps.errors import UserError, expected

_FILENAME = "judgements.sqlite"
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS judgements (
        key TEXT PRIMARY KEY,
        reply TEXT NOT NULL,
        correct INTEGER,
        reason TEXT NOT NULL,
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        time REAL NOT NULL
    ) WITHOUT ROWID
"""
# Another process may hold the file for as long as it takes to write one row.
_WAIT_S = 60.0


class Judgement(NamedTuple):
    """What a judge said of one answer."""

    reply: str
    """The last reply, word for word."""
    correct: bool | None
    """The verdict; None if no reply was a clear yes or no."""
    reason: str
    """Why there is no verdict."""
    prompt_tokens: int | None
    """Tokens sent until there was a verdict, or none to be had; None if the endpoint did not count them all."""
    completion_tokens: int | None
    """Tokens of all replies; None if the endpoint did not count them all."""


class JudgementCache:
    """A SQLite file of judgements, safe for threads and for several processes; each write is on disk at once."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILENAME
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def get(self, key: str) -> Judgement | None:
        """Look a judgement up.

        Raises:
            UserError: the file cannot be read.
        """
        columns = ", ".join(Judgement._fields)
        try:
            with self._lock:
                row = self._connection.execute(f"SELECT {columns} FROM judgements WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        if row is None:
            return None
        found = Judgement(*row)
        return found._replace(correct=None if found.correct is None else bool(found.correct))

    def put(self, key: str, judgement: Judgement) -> None:
        """Keep a judgement, in place of an earlier one; it is on disk when this returns.

        Raises:
            UserError: the file cannot be written.
        """
        try:
            with self._lock:
                self._connection.execute(
                    "INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?)", (key, *judgement, time.time())
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _unusable(self, error: Exception) -> UserError:
        way_out = (
            "If the file is damaged, move it away: what it held will be asked again. If the disk is full or "
            "may not be written to, mend that and run the same command again."
        )
        return expected(f"{self.path}", "a file of judgements that can be read and written", f"“{error}”", way_out)
