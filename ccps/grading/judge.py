"""A language model that says whether an open-ended answer means the same as an accepted one."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ccps.data.records import Question
from ccps.grading.base import EMPTY, Grader, Usage, Verdict, check_gradable, is_empty
from ccps.grading.cache import Judgement, JudgementCache
from ccps.grading.config import GraderConfig, JudgeConfig, endpoint
from ccps.grading.question import PROMPT_VERSION, judge_messages, read_reply

if TYPE_CHECKING:
    from ccps.grading.endpoint import Endpoint

# The same for all: the reply itself stands in the cache.
_UNCLEAR = "the judge said neither yes nor no"

Pair = tuple[Question, str]


class LlmJudge(Grader):
    """Asks any OpenAI-compatible endpoint; every judgement is kept on disk as it arrives."""

    name = "llm_judge"
    version = 2
    formats = frozenset({"oe"})

    def __init__(self, config: JudgeConfig, cache: Path) -> None:
        self.config = config
        self.folder = cache
        self._account = _Account()

    @classmethod
    def make(cls, config: GraderConfig, cache: Path) -> Self:
        """With the judge of the settings."""
        return cls(config.judge or JudgeConfig(), cache)

    @property
    def usage(self) -> Usage:
        """Replies, and tokens of all judgements that were used since construction."""
        return self._account.usage

    @property
    def step_size(self) -> int:
        """So many that the last ones of a step, which leave connections idle, are few."""
        return max(super().step_size, 4 * self.config.concurrency)

    def settings(self) -> dict[str, Any]:
        """Who is asked, what, and how."""
        config = self.config
        return {
            **super().settings(),
            "endpoint": endpoint(config.base_url or ""),
            "model": config.model,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "prompt": PROMPT_VERSION,
        }

    def grade_all(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Judge answers; an empty one is wrong unasked, equal ones are asked about once, known ones not at all.

        Raises:
            UserError: a question that cannot be graded; no key; an endpoint that does not answer (what it has answered
                is kept); a cache that cannot be used.
        """
        for question, _ in pairs:
            check_gradable(self, question)
        keys = ["" if is_empty(answer) else self._key(question, answer) for question, answer in pairs]
        known = self._account.judgements
        pending = {key: pair for key, pair in zip(keys, pairs, strict=True) if key and key not in known}
        try:
            for key in list(pending):
                if found := self._cache.get(key):
                    self._account.found(key, found)
                    del pending[key]
            if pending:
                self._ask_all(pending)
        except BaseException:
            self.close()
            raise
        return [EMPTY if not key else Verdict(known[key].correct, known[key].reason) for key in keys]

    def close(self) -> None:
        """Drop what is not yet asked, and the connections; what is under way fails."""
        pool, server, cache = (vars(self).pop(name, None) for name in ("_pool", "_server", "_cache"))
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)
        if server:
            server.close()
        if pool:
            pool.shutdown()
        if cache:
            cache.close()

    @cached_property
    def _cache(self) -> JudgementCache:
        return JudgementCache(self.folder)

    @cached_property
    def _server(self) -> "Endpoint":
        # Here and not above: importing the openai package takes a second, and most runs have no judge.
        from ccps.grading.endpoint import Endpoint

        return Endpoint(self.config)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.config.concurrency)

    def _ask_all(self, pending: Mapping[str, Pair]) -> None:
        """Ask about each, `concurrency` at a time; the first failure ends it, and so does Ctrl-C."""
        server, cache = self._server, self._cache
        tasks: list[Future[None]] = [
            self._pool.submit(self._judge, key, pair, server, cache) for key, pair in pending.items()
        ]
        done = wait(tasks, return_when=FIRST_EXCEPTION).done
        failure = next((error for task in done if (error := task.exception())), None)
        if failure:
            # What the others have under way is paid for: let it arrive.
            self._pool.shutdown(cancel_futures=True)
            raise failure

    def _judge(self, key: str, pair: Pair, server: "Endpoint", cache: JudgementCache) -> None:
        """Ask once, and once more if the reply is neither yes nor no; keep what comes of it."""
        if found := cache.get(key):  # another process was faster
            self._account.found(key, found)
            return
        replies = [server.ask(judge_messages(*pair))]
        if read_reply(replies[0].text) is None:
            replies.append(server.ask(judge_messages(*pair, again=True)))
        correct = read_reply(replies[-1].text)
        judgement = Judgement(
            reply=replies[-1].text,
            correct=correct,
            reason=_UNCLEAR if correct is None else "",
            prompt_tokens=_sum([reply.prompt_tokens for reply in replies]),
            completion_tokens=_sum([reply.completion_tokens for reply in replies]),
        )
        cache.put(key, judgement)
        self._account.asked(key, judgement, len(replies))

    def _key(self, question: Question, answer: str) -> str:
        asked = [self.settings(), question.text, list(question.accepted), answer]
        text = json.dumps(asked, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class _Account:
    """Every judgement used, once, and what it took; threads write to it."""

    def __init__(self) -> None:
        self.judgements: dict[str, Judgement] = {}
        self._lock = threading.Lock()
        self._calls = self._cached = 0

    def found(self, key: str, judgement: Judgement) -> None:
        with self._lock:
            self.judgements[key] = judgement
            self._cached += 1

    def asked(self, key: str, judgement: Judgement, calls: int) -> None:
        with self._lock:
            self.judgements[key] = judgement
            self._calls += calls

    @property
    def usage(self) -> Usage:
        with self._lock:
            all_used = list(self.judgements.values())
            return Usage(
                calls=self._calls,
                cached=self._cached,
                prompt_tokens=sum(used.prompt_tokens or 0 for used in all_used),
                completion_tokens=sum(used.completion_tokens or 0 for used in all_used),
                uncounted=sum(None in (used.prompt_tokens, used.completion_tokens) for used in all_used),
            )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
