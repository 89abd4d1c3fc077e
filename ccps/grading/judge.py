"""A language model that says whether an open-ended answer means the same as an accepted one."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ccps.data.records import Question
from ccps.grading.asker import Asker, asked_of, content_key
from ccps.grading.base import EMPTY, Grader, Usage, Verdict, check_gradable, is_empty
from ccps.grading.cache import Judgement, JudgementCache
from ccps.grading.endpoint import NoReply
from ccps.grading.question import PROMPT_VERSION, judge_messages, read_reply
from ccps.grading.registry import register
from ccps.settings.grading import GraderConfig, JudgeConfig

if TYPE_CHECKING:
    from ccps.grading.endpoint import Endpoint

# The same for all: the reply itself stands in the cache.
_UNCLEAR = "the judge said neither yes nor no"

Pair = tuple[Question, str]


@register
class LlmJudge(Grader):
    """Asks any OpenAI-compatible endpoint; every judgement is kept on disk as it arrives."""

    name = "llm_judge"
    version = 2
    formats = frozenset({"oe"})

    def __init__(self, config: JudgeConfig, cache: Path) -> None:
        self.config = config
        self._asker: Asker[Judgement] = Asker(config, partial(JudgementCache, cache))

    @classmethod
    def make(cls, config: GraderConfig, cache: Path) -> Self:
        """With the judge of the settings."""
        return cls(config.judge or JudgeConfig(), cache)

    @property
    def usage(self) -> Usage:
        """Replies, and tokens of all judgements that were used since construction."""
        return self._asker.usage

    @property
    def step_size(self) -> int:
        """So many that the last ones of a step, which leave connections idle, are few."""
        return max(super().step_size, 4 * self.config.concurrency)

    def settings(self) -> dict[str, Any]:
        """Who is asked, what, and how."""
        return {**super().settings(), **asked_of(self.config), "prompt": PROMPT_VERSION}

    def grade_all(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Judge answers; an empty one is wrong unasked, equal ones are asked about once, known ones not at all.

        Raises:
            UserError: a question that cannot be graded; no key; an endpoint that does not answer (what it has answered
                is kept); a cache that cannot be used.
        """
        for question, _ in pairs:
            check_gradable(self, question)
        keys = ["" if is_empty(answer) else self._key(question, answer) for question, answer in pairs]
        found = self._asker.ask_all({key: partial(_judge, pair) for key, pair in zip(keys, pairs, strict=True) if key})
        return [EMPTY if not key else Verdict(found[key].correct, found[key].reason) for key in keys]

    def close(self) -> None:
        """Drop what is not yet asked, and the connections; what is under way fails."""
        self._asker.close()

    def _key(self, question: Question, answer: str) -> str:
        return content_key([self.settings(), question.text, list(question.accepted), answer])


def _judge(pair: Pair, server: "Endpoint") -> tuple[Judgement, int]:
    """Ask once, and once more if the reply is neither yes nor no; that none comes is a reason for no verdict."""
    try:
        replies = [server.ask(judge_messages(*pair))]
        if read_reply(replies[0].text) is None:
            replies.append(server.ask(judge_messages(*pair, again=True)))
    except NoReply as what:
        return Judgement(what.sample, None, f"the judge sent {what}", None, None), 2
    correct = read_reply(replies[-1].text)
    judgement = Judgement(
        reply=replies[-1].text,
        correct=correct,
        reason=_UNCLEAR if correct is None else "",
        prompt_tokens=_sum([reply.prompt_tokens for reply in replies]),
        completion_tokens=_sum([reply.completion_tokens for reply in replies]),
    )
    return judgement, len(replies)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
