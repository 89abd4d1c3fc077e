"""Many questions to one endpoint, several at a time and none of them twice."""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property, partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic

from ccps.grading.base import Usage
from ccps.grading.cache import Cache, Kept, Reply, ReplyCache
from ccps.grading.endpoint import NoReply
from ccps.grading.price import endpoint
from ccps.settings.grading import JudgeConfig

if TYPE_CHECKING:
    from ccps.grading.endpoint import Endpoint

Chat = list[dict[str, str]]
Task = Callable[["Endpoint"], tuple[Kept, int]]
"""Asks an endpoint; gives what is to be kept, and how many replies it took."""


def asked_of(config: JudgeConfig, top_p: float | None = None) -> dict[str, Any]:
    """Who is asked and how: all of the settings that decides a reply."""
    return {
        "endpoint": endpoint(config.base_url or ""),
        "model": config.model,
        "temperature": config.temperature,
        "max_tokens": config.max_tokens,
        **({} if top_p is None else {"top_p": top_p}),
    }


def content_key(content: object) -> str:
    """A name for anything that JSON can hold."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


class Asker(Generic[Kept]):
    """Works off tasks that ask one endpoint, `concurrency` at a time; what comes of each is on disk as it arrives.

    Args:
        config: the endpoint.
        open_cache: opens the file in which results are kept.
        top_p: of the sampling; none is sent if it is None.
    """

    def __init__(self, config: JudgeConfig, open_cache: Callable[[], Cache[Kept]], top_p: float | None = None) -> None:
        self.config = config
        self.top_p = top_p
        self._open_cache: Callable[[], Cache[Kept]] = open_cache
        self._account: _Account[Kept] = _Account()

    @property
    def usage(self) -> Usage:
        """Replies, and tokens of all results that were used since construction."""
        return self._account.usage

    def ask_all(self, tasks: Mapping[str, Task[Kept]]) -> Mapping[str, Kept]:
        """Do each task that is not known by its key; the first failure ends it, and so does Ctrl-C.

        Raises:
            UserError: no key; an endpoint that does not answer (what it has answered is kept); a cache that cannot be
                used.
        """
        known = self._account.results
        pending = {key: task for key, task in tasks.items() if key not in known}
        try:
            for key in list(pending):
                if (found := self._cache.get(key)) is not None:
                    self._account.found(key, found)
                    del pending[key]
            if pending:
                self._work_off(pending)
        except BaseException:
            # What closing finds at fault is no news to whom this error, or Ctrl-C, tells why it ends.
            with suppress(Exception):
                self.close()
            raise
        return {key: known[key] for key in tasks}

    def close(self) -> None:
        """Drop the connections; what is under way fails, and nobody waits for it. Asking again opens all anew."""
        server, cache = (vars(self).pop(name, None) for name in ("_server", "_cache"))
        # Each whatever became of the other.
        with ExitStack() as closing:
            if cache:
                closing.callback(cache.close)
            if server:
                closing.callback(server.close)

    @cached_property
    def _cache(self) -> Cache[Kept]:
        return self._open_cache()

    @cached_property
    def _server(self) -> "Endpoint":
        # Here and not above: importing the openai package takes a second, and most runs have no judge.
        from ccps.grading.endpoint import Endpoint

        return Endpoint(self.config, self.top_p)

    def _work_off(self, pending: Mapping[str, Task[Kept]]) -> None:
        """Do all tasks, or all up to the first that fails; what is under way then is paid for, so it may arrive."""
        server, cache = self._server, self._cache
        waiting, finished = deque(pending.items()), SimpleQueue[BaseException | None]()

        def work() -> None:
            error: BaseException | None = None
            try:
                while (task := _taken(waiting)) is not None:
                    self._do(*task, server, cache)
            except BaseException as failure:
                error = failure
                waiting.clear()
            finished.put(error)

        # Threads of no pool: a pool's are waited for at the end of the program, also by who has pressed Ctrl-C.
        threads = [Thread(target=work, daemon=True) for _ in range(min(self.config.concurrency, len(pending)))]
        for thread in threads:
            thread.start()
        try:
            errors = [finished.get() for _ in threads]
        finally:
            waiting.clear()
        if failures := [error for error in errors if error is not None]:
            raise failures[0]

    def _do(self, key: str, task: Task[Kept], server: "Endpoint", cache: Cache[Kept]) -> None:
        if (found := cache.get(key)) is not None:  # another process was faster
            self._account.found(key, found)
            return
        result, replies = task(server)
        cache.put(key, result)
        self._account.asked(key, result, replies)


def _taken(waiting: "deque[tuple[str, Task[Kept]]]") -> tuple[str, Task[Kept]] | None:
    """The next task, None if there is none: several threads take from the same queue."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


class ChatAsker(Asker[Reply]):
    """Puts whole chats, each once, and keeps the replies word for word.

    Args:
        config: the endpoint.
        folder: where the replies are kept.
        top_p: of the sampling; none is sent if it is None.
    """

    def __init__(self, config: JudgeConfig, folder: Path, top_p: float | None = None) -> None:
        super().__init__(config, partial(ReplyCache, folder), top_p)

    def ask(self, chats: Sequence[Chat]) -> list[Reply]:
        """The reply to each chat; one without text, and with the reason, where something else came.

        Raises:
            UserError: see `ask_all`.
        """
        whom = asked_of(self.config, self.top_p)
        keys = [content_key([whom, chat]) for chat in chats]
        found = self.ask_all({key: partial(_put, chat) for key, chat in zip(keys, chats, strict=True)})
        return [found[key] for key in keys]


def _put(chat: Chat, server: "Endpoint") -> tuple[Reply, int]:
    try:
        return server.ask(chat), 1
    except NoReply as what:
        return Reply("", None, None, f"the judge sent {what}"), 2


class _Account(Generic[Kept]):
    """Every result used, once, and what it took; threads write to it."""

    def __init__(self) -> None:
        self.results: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._calls = self._cached = 0

    def found(self, key: str, result: Kept) -> None:
        with self._lock:
            self.results[key] = result
            self._cached += 1

    def asked(self, key: str, result: Kept, calls: int) -> None:
        with self._lock:
            self.results[key] = result
            self._calls += calls

    @property
    def usage(self) -> Usage:
        with self._lock:
            all_used = list(self.results.values())
            return Usage(
                calls=self._calls,
                cached=self._cached,
                prompt_tokens=sum(used.prompt_tokens or 0 for used in all_used),
                completion_tokens=sum(used.completion_tokens or 0 for used in all_used),
                uncounted=sum(None in (used.prompt_tokens, used.completion_tokens) for used in all_used),
            )
