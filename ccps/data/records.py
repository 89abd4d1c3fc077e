"""The record every later stage starts from: one question with its accepted answers."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from string import ascii_lowercase
from typing import Any, Literal


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: stable and unique, "benchmark/subject/number" ("benchmark/number" where there are no subjects).
        subject: subject within the benchmark; the benchmark's name where there are none.
        text: the question as the benchmark words it.
        options: option texts in the order of their letters; empty for an open-ended question.
        accepted: the lower-case letter of the right option, or every accepted text of an open-ended question.
        split: split of the benchmark it comes from.
        source: name of the benchmark.
        asked: the user's turn word for word, where the data say how the question was put; None to lay it out anew.
        given_answer: the answer that the data hold, which is then read and not generated; None if there is none.
        given_label: whether the data call that answer correct; None if they do not say.
    """

    id: str
    subject: str
    text: str
    options: tuple[str, ...]
    accepted: tuple[str, ...]
    split: str
    source: str
    asked: str | None = None
    given_answer: str | None = None
    given_label: bool | None = None

    @property
    def format(self) -> Literal["mc", "oe"]:
        """Multiple choice ("mc") or open-ended ("oe")."""
        return "mc" if self.options else "oe"

    @property
    def letters(self) -> str:
        """The option letters, "abcd" for four options."""
        return ascii_lowercase[: len(self.options)]


# What a model is shown of a question, or reads as its answer; the rest decides what becomes of the answer.
_ASKED = ("id", "text", "options", "asked", "given_answer")


def questions_hash(questions: Iterable[Question]) -> str:
    """Hash of all content and the order: blake2b, 32 hex digits, over canonical JSON."""
    return _hash([asdict(question) for question in questions])


def asked_hash(questions: Iterable[Question]) -> str:
    """Hash of what decides the answers, and the order: blake2b, 32 hex digits, over canonical JSON.

    Id, text, options, `asked` and `given_answer` count. Subject, accepted answers, label, split and source do not:
    correcting one of these changes no answer.
    """
    return _hash([{name: getattr(question, name) for name in _ASKED} for question in questions])


def _hash(rows: list[dict[str, Any]]) -> str:
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
