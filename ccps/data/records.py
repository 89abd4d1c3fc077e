"""The record every later stage starts from: one question with its accepted answers."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from string import ascii_lowercase
from typing import Literal

import pyarrow as pa

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("options", pa.list_(pa.string()), nullable=False),
        pa.field("accepted", pa.list_(pa.string()), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("asked", pa.string()),
        pa.field("given_answer", pa.string()),
        pa.field("given_label", pa.bool_()),
    ]
)


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


def questions_to_table(questions: Iterable[Question]) -> pa.Table:
    """One row per question, columns named as the fields of `Question`."""
    return pa.Table.from_pylist([asdict(question) for question in questions], schema=SCHEMA)


def questions_from_table(table: pa.Table) -> list[Question]:
    """The inverse of `questions_to_table`."""
    rows = table.select(SCHEMA.names).to_pylist()
    return [Question(**row | {key: tuple(row[key]) for key in ("options", "accepted")}) for row in rows]


def questions_hash(questions: Iterable[Question]) -> str:
    """Hash of content and order: blake2b, 32 hex digits, over canonical JSON."""
    rows = [asdict(question) for question in questions]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
