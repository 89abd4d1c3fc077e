"""From a benchmark's description to its questions."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase
from typing import Any, NamedTuple

from ccps.data.fields import lookup, number, render
from ccps.data.records import Question
from ccps.data.rows import read_rows
from ccps.data.sources import members
from ccps.errors import UserError

CHOICES = {
    "source": ("asset", "folder", "file"),
    "loader": ("arrow", "requests", "table"),
    "format": ("mc", "oe"),
    "answer_kind": ("index", "one_based_index", "letter", "label", "text"),
}


# Not frozen: Hydra cannot compose files into a frozen schema (its nodes are read-only).
@dataclass
class BenchmarkSpec:
    """Where a benchmark lies and how its records become questions; usable as a structured config.

    Columns are named as they stand in the data; a dot goes into nested columns (``choices.text``).

    Attributes:
        name: name of the benchmark, the first part of every question id.
        location: asset name (`ccps.assets`), folder, or file, as `source` says.
        question: a column, or a text with columns in braces: ``{context} {question}``.
        answer: column of the right answer.
        source: "asset", "folder" or "file".
        member: which files inside the asset or folder: ``*`` within one folder level, ``**`` over several;
            ``{subject}`` stands for one folder or file name part and becomes the subject.
        loader: "arrow" (Arrow IPC streams, as `datasets` saves them), "requests" (``requests.jsonl.gz`` with
            a row per document and option) or "table" (csv, jsonl, parquet).
        question_pattern: regular expression on the question text (the dot matches line ends too); its first
            group is kept.
        options: one column per option (trailing empty cells mean fewer options), or the one column that
            lists them.
        option_texts: the same options for every question, instead of columns.
        answer_kind: how `answer` is written: "index" (from 0; false and true are 0 and 1), "one_based_index",
            "letter", "label" (one of the column `labels`) or "text" (the option itself; for open-ended
            questions every accepted text, one or a list).
        labels: column that lists the options' labels, for `answer_kind` "label".
        subject: column of the subject, where it is not part of `member`; the benchmark's name stands in for
            an empty one.
        shuffle_options: order the options by a hash of the question's id, for data with a fixed place for the
            right one.
        format: "mc" for multiple choice, "oe" for open-ended (options, if any, only give the accepted text).
        split: split of the data that this is.
        licence: licence of the data.
    """

    name: str
    location: str
    question: str
    answer: str
    source: str = "asset"
    member: str = ""
    loader: str = "arrow"
    question_pattern: str | None = None
    options: list[str] = field(default_factory=list)
    option_texts: list[str] = field(default_factory=list)
    answer_kind: str = "index"
    labels: str | None = None
    subject: str | None = None
    shuffle_options: bool = False
    format: str = "mc"
    split: str = "test"
    licence: str = "unknown"

    def __post_init__(self) -> None:
        faults = [
            f"`{key}` to be one of {', '.join(allowed)}, but got {getattr(self, key)!r}"
            for key, allowed in CHOICES.items()
            if getattr(self, key) not in allowed
        ]
        if self.source != "file" and not self.member:
            faults.append(f"`member` to say which files of the {self.source} to read, but got nothing")
        if self.options and self.option_texts:
            faults.append("either `options` or `option_texts`, but got both")
        if self.format == "mc" and not (self.options or self.option_texts):
            faults.append("`options` (columns) or `option_texts` for multiple choice, but got neither")
        if not (self.options or self.option_texts) and self.answer_kind != "text":
            faults.append(f"`answer_kind` to be text where there are no options, but got {self.answer_kind!r}")
        if (self.answer_kind == "label") != (self.labels is not None):
            faults.append(f"`labels` with `answer_kind` label and only then, but got {self.labels!r}")
        if self.subject is not None and "{subject}" in self.member:
            faults.append("the subject from either `subject` or `member`, but got both")
        if self.question_pattern is not None and not _has_group(self.question_pattern):
            faults.append(
                f"`question_pattern` to be a regular expression with a group, but got {self.question_pattern!r}"
            )
        if faults:
            lines = "".join(f"\n  - {fault}" for fault in faults)
            raise UserError(f"Expected of benchmark `{self.name}`:{lines}\nCorrect these settings and run again.")


class Fault(NamedTuple):
    """A record that is no question, and why."""

    file: str
    record: str
    reason: str


class Records(NamedTuple):
    """What was read of a benchmark: the well-formed questions and the faulty records."""

    questions: list[Question]
    faults: list[Fault]


def load_questions(spec: BenchmarkSpec) -> list[Question]:
    """Read a benchmark, all or nothing.

    Raises:
        UserError: files missing or unreadable, or faulty records (one message: the first five and a count).
    """
    questions, faults = read_questions(spec)
    if faults:
        shown = "".join(f"\n  {fault.file}, {fault.record}: {fault.reason}" for fault in faults[:5])
        more = f"\n  and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise UserError(
            f"Expected benchmark `{spec.name}` to hold only well-formed questions, but got {len(faults)} "
            f"faulty of {len(faults) + len(questions)} records:{shown}{more}\n"
            f"Correct the data, or the columns named in the configuration of `{spec.name}`."
        )
    return questions


def read_questions(spec: BenchmarkSpec) -> Records:
    """Read a benchmark and return faulty records beside the questions.

    Raises:
        UserError: files missing or unreadable.
    """
    records = Records([], [])
    seen: Counter[str] = Counter()
    for member in members(spec.source, spec.location, spec.member):
        file = str(member.path)
        for record, row in read_rows(spec.loader, member):
            try:
                subject = member.subject if spec.subject is None else render(row, spec.subject)
                # Faulty records count too, so that mending one does not rename the others.
                position = seen[subject or ""]
                seen[subject or ""] += 1
                records.questions.append(_question(spec, row, subject, position))
            except ValueError as error:
                records.faults.append(Fault(file, record, str(error)))
    return records


def _question(spec: BenchmarkSpec, row: dict[str, Any], subject: str | None, position: int) -> Question:
    """Turn one record into a question; ValueError says what is wrong with it."""
    identity = "/".join(part for part in (spec.name, subject, str(position)) if part)
    text = render(row, spec.question)
    if spec.question_pattern is not None:
        match = re.search(spec.question_pattern, text, re.DOTALL)
        if match is None:
            raise ValueError(f"the question does not match `question_pattern`: {text[:80]!r}")
        text = match[1]
    if not text.strip():
        raise ValueError("the question is empty")

    options = _options(spec, row)
    answer = lookup(row, spec.answer)
    if options:
        right = _right_option(spec, row, options, answer)
        order = list(range(len(options)))
        if spec.shuffle_options:
            order.sort(key=lambda i: hashlib.blake2b(f"{identity}/{i}".encode()).digest())
        accepted = [options[right]] if spec.format == "oe" else [ascii_lowercase[order.index(right)]]
        options = [] if spec.format == "oe" else [options[i] for i in order]
    else:
        accepted = [str(item) for item in (answer if isinstance(answer, list) else [answer])]
        if not accepted or answer is None or not all(item.strip() for item in accepted):
            raise ValueError(f"no accepted answer: {answer!r}")
    return Question(
        id=identity,
        subject=subject or spec.name,
        text=text,
        options=tuple(options),
        accepted=tuple(accepted),
        split=spec.split,
        source=spec.name,
    )


def _options(spec: BenchmarkSpec, row: dict[str, Any]) -> list[str]:
    if spec.option_texts:
        return list(spec.option_texts)
    if not spec.options:
        return []
    values: Any = [lookup(row, column) for column in spec.options]
    if len(values) == 1:
        values = values[0]
        if not isinstance(values, list):
            raise ValueError(f"`{spec.options[0]}` is not a list of options: {values!r}")
    options = ["" if value is None else str(value) for value in values]
    if len(spec.options) > 1:
        while options and not options[-1].strip():
            options.pop()
    if len(options) < 2:
        raise ValueError("no options" if not options else "only one option")
    if len(options) > len(ascii_lowercase):
        raise ValueError(f"{len(options)} options, more than there are letters (26)")
    empty = [letter for letter, option in zip(ascii_lowercase, options, strict=False) if not option.strip()]
    if empty:
        raise ValueError(f"option {empty[0]} is empty")
    return options


def _right_option(spec: BenchmarkSpec, row: dict[str, Any], options: Sequence[str], answer: object) -> int:
    """Index of the right option."""
    kind = spec.answer_kind
    if kind == "index":
        found = [number(answer)]
    elif kind == "one_based_index":
        found = [number(answer) - 1]
    elif kind == "letter":
        found = [i for i, letter in enumerate(ascii_lowercase) if letter == str(answer).strip().lower()]
    else:
        names = lookup(row, spec.labels) if spec.labels else options
        found = [i for i, name in enumerate(names) if str(name).strip() == str(answer).strip()]
    if len(found) > 1:
        raise ValueError(f"the answer {answer!r} is more than one of the options")
    if not found or not 0 <= found[0] < len(options):
        raise ValueError(f"the answer {answer!r} ({kind}) is none of the {len(options)} options")
    return found[0]


def _has_group(pattern: str) -> bool:
    try:
        return re.compile(pattern).groups > 0
    except re.error:
        return False
