"""Replies and judgements on disk: none is lost, and none is paid for twice."""

import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from ccps.core.errors import UserError, expected

# Another process may hold the file for as long as it takes to write one row.
_WAIT_S = 60.0


class Reply(NamedTuple):
    """What a model behind an endpoint said, and what it took."""

    text: str
    """Word for word; empty if it said nothing, or if what came was no reply."""
    prompt_tokens: int | None
    """None if the endpoint did not count."""
    completion_tokens: int | None
    """None if the endpoint did not count."""
    reason: str = ""
    """What came instead of a reply; empty if one came."""


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


Kept = TypeVar("Kept", Reply, Judgement)


class Cache(ABC, Generic[Kept]):
    """A SQLite file of one table, safe for threads and for several processes; each write is on disk at once."""

    table: ClassVar[str]
    """Its name, and that of the file."""
    columns: ClassVar[dict[str, str]]
    """Those between key and time, in the order of the record's fields, with their types."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{self.table}.sqlite"
        self._lock = threading.Lock()
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self.table} "
                f"(key TEXT PRIMARY KEY, {columns}, time REAL NOT NULL) WITHOUT ROWID"
            )
            self._add_columns()
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def get(self, key: str) -> Kept | None:
        """Look a record up.

        Raises:
            UserError: the file cannot be read.
        """
        query = f"SELECT {', '.join(self.columns)} FROM {self.table} WHERE key = ?"
        try:
            with self._lock:
                row = self._connection.execute(query, (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return None if row is None else self.read(row)

    def put(self, key: str, kept: Kept) -> None:
        """Keep a record, in place of an earlier one; it is on disk when this returns.

        Raises:
            UserError: the file cannot be written.
        """
        row = (key, *kept, time.time())
        names = ", ".join(("key", *self.columns, "time"))
        try:
            with self._lock:
                self._connection.execute(
                    f"INSERT OR REPLACE INTO {self.table} ({names}) VALUES ({', '.join('?' * len(row))})", row
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _add_columns(self) -> None:
        """Those with a default that a file of an earlier version lacks."""
        there = {row[1] for row in self._connection.execute(f"PRAGMA table_info({self.table})")}
        for name, kind in self.columns.items():
            if name not in there and "DEFAULT" in kind:
                try:
                    self._connection.execute(f"ALTER TABLE {self.table} ADD COLUMN {name} {kind}")
                except sqlite3.OperationalError as error:
                    if "duplicate column" not in str(error):  # another process was faster
                        raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @abstractmethod
    def read(self, row: tuple[Any, ...]) -> Kept:
        """Make a record of a row."""

    def _unusable(self, error: Exception) -> UserError:
        way_out = (
            "If the file is damaged, move it away: what it held will be asked again. If the disk is full or "
            "may not be written to, mend that and run the same command again."
        )
        return expected(f"{self.path}", f"a file of {self.table} that can be read and written", f"“{error}”", way_out)


class ReplyCache(Cache[Reply]):
    """Replies, each by what was asked of whom."""

    table = "replies"
    columns: ClassVar = {
        "text": "TEXT NOT NULL",
        "prompt_tokens": "INTEGER",
        "completion_tokens": "INTEGER",
        "reason": "TEXT NOT NULL DEFAULT ''",
    }

    def read(self, row: tuple[Any, ...]) -> Reply:
        """Make a reply of a row."""
        return Reply(*row)


class JudgementCache(Cache[Judgement]):
    """Judgements, each by question, answer and judge."""

    table = "judgements"
    columns: ClassVar = {
        "reply": "TEXT NOT NULL",
        "correct": "INTEGER",
        "reason": "TEXT NOT NULL",
        "prompt_tokens": "INTEGER",
        "completion_tokens": "INTEGER",
    }

    def read(self, row: tuple[Any, ...]) -> Judgement:
        """Make a judgement of a row; SQLite knows no truth values."""
        found = Judgement(*row)
        return found._replace(correct=None if found.correct is None else bool(found.correct))
