"""A language model that says whether an open-ended answer means the same as an accepted one."""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ccps.data.records import Question
from ccps.grading.base import EMPTY, Grader, Usage, Verdict, check_gradable, is_empty
from ccps.grading.cache import Judgement, JudgementCache
from ccps.grading.config import JudgeConfig, endpoint
from ccps.grading.question import PROMPT_VERSION, judge_messages, read_reply

if TYPE_CHECKING:
    from ccps.grading.endpoint import Endpoint, Reply

# So often grading comes back to an answer on which the judge has said neither yes nor no.
_ROUNDS = 3

Pair = tuple[Question, str]


class LlmJudge(Grader):
    """Asks any OpenAI-compatible endpoint; every judgement is kept on disk as it arrives."""

    name = "llm_judge"
    formats = frozenset({"oe"})

    def __init__(self, config: JudgeConfig, cache: Path) -> None:
        self.config = config
        self.cache = cache
        self._tally = _Tally()

    @property
    def label(self) -> str:
        """With the model that judges."""
        return f"judge {self.config.model}"

    @property
    def usage(self) -> Usage:
        """Requests answered, tokens and cost since construction."""
        return self._tally.usage(self.config)

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
        distinct = {key: pair for key, pair in zip(keys, pairs, strict=True) if key}
        cache = JudgementCache(self.cache)
        try:
            judgements = {key: found for key in distinct if (found := _final(cache.get(key)))}
            self._tally.found(len(judgements))
            pending = {key: pair for key, pair in distinct.items() if key not in judgements}
            if pending:
                judgements |= self._ask_all(pending, cache)
        finally:
            cache.close()
        return [EMPTY if not key else Verdict(judgements[key].correct, judgements[key].reason) for key in keys]

    def _ask_all(self, pending: Mapping[str, Pair], cache: JudgementCache) -> dict[str, Judgement]:
        """Ask about each, `concurrency` at a time; the first failure ends it, and so does Ctrl-C."""
        # Here and not above: importing the openai package takes a second, and most runs have no judge.
        from ccps.grading.endpoint import Endpoint

        server = Endpoint(self.config)
        pool = ThreadPoolExecutor(self.config.concurrency)
        try:
            tasks: dict[str, Future[Judgement]] = {
                key: pool.submit(self._judge, key, pair, server, cache) for key, pair in pending.items()
            }
            done = wait(tasks.values(), return_when=FIRST_EXCEPTION).done
            failure = next((error for task in done if (error := task.exception())), None)
            if failure:
                # What the others have under way is paid for: let it arrive.
                pool.shutdown(cancel_futures=True)
                raise failure
            return {key: task.result() for key, task in tasks.items()}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            server.close()
            pool.shutdown()

    def _judge(self, key: str, pair: Pair, server: "Endpoint", cache: JudgementCache) -> Judgement:
        """Ask once, and once more if the reply is neither yes nor no; keep what comes of it."""
        before = cache.get(key)
        if found := _final(before):  # another process was faster
            self._tally.found(1)
            return found
        replies = [self._ask(server, pair, again=False)]
        if read_reply(replies[0].text) is None:
            replies.append(self._ask(server, pair, again=True))
        text = replies[-1].text
        correct = read_reply(text)
        judgement = Judgement(
            reply=text,
            correct=correct,
            reason="" if correct is not None else f"the judge said neither yes nor no: {text[:100]!r}",
            rounds=1 + (before.rounds if before else 0),
            prompt_tokens=_sum([reply.prompt_tokens for reply in replies]),
            completion_tokens=_sum([reply.completion_tokens for reply in replies]),
        )
        cache.put(key, judgement)
        return judgement

    def _ask(self, server: "Endpoint", pair: Pair, again: bool) -> "Reply":
        reply = server.ask(judge_messages(*pair, again=again))
        self._tally.answered(reply)
        return reply

    def _key(self, question: Question, answer: str) -> str:
        asked = [self.settings(), question.text, list(question.accepted), answer]
        text = json.dumps(asked, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class _Tally:
    """Counts what threads spend."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = self._cached = self._prompt = self._completion = self._uncounted = 0

    def found(self, n: int) -> None:
        with self._lock:
            self._cached += n

    def answered(self, reply: "Reply") -> None:
        with self._lock:
            self._calls += 1
            self._prompt += reply.prompt_tokens or 0
            self._completion += reply.completion_tokens or 0
            self._uncounted += reply.prompt_tokens is None or reply.completion_tokens is None

    def usage(self, config: JudgeConfig) -> Usage:
        with self._lock:
            cost = None
            if config.price_prompt is not None and config.price_completion is not None and not self._uncounted:
                cost = (self._prompt * config.price_prompt + self._completion * config.price_completion) / 1e6
            return Usage(self._calls, self._cached, self._prompt, self._completion, cost)


def _final(judgement: Judgement | None) -> Judgement | None:
    """A judgement that stands: a yes, a no, or silence that was met often enough."""
    if judgement is None or (judgement.correct is None and judgement.rounds < _ROUNDS):
        return None
    return judgement


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
