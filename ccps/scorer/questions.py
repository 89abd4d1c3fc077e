"""What people have for questions, as the questions that a model is asked.

Texts, mappings, conversations, `Question` records; in a list, a table of pandas, polars or Arrow, a data set, a file.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ccps.core.errors import UserError, expected
from ccps.core.places import local_path
from ccps.core.visible import seen
from ccps.data.option_labels import check_order
from ccps.data.prompts import SystemRole, chat_messages
from ccps.data.records import Question
from ccps.data.rows import TableFormat, read_rows
from ccps.data.sources import Member
from ccps.data.values import NOTHING, as_list, as_text, refuse_printed

TEXT = ("text", "question", "prompt")
OPTIONS = ("options", "choices")
CONTEXT, MESSAGES, ACCEPTED, ID = "context", "messages", "accepted", "id"
FILES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
ROLES = ("system", "user", "assistant")
_KEYS = (*TEXT, *OPTIONS, CONTEXT, MESSAGES, ACCEPTED, ID)

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Asked:
    """A question, and how it is put.

    Attributes:
        question: its text, options and what is accepted.
        messages: the conversation that ends with it, word for word; None to put it as the house puts questions.
        row: what else came with it, by name.
    """

    question: Question
    messages: Messages | None = None
    row: Mapping[str, Any] | None = None

    def conversation(self, system_role: SystemRole) -> Messages:
        """The messages before the answer."""
        if self.messages is None:
            return chat_messages(self.question, system_role=system_role)
        first, *rest = self.messages
        if first["role"] == "system" and rest and system_role == "prepend":
            return [{**rest[0], "content": f"{first['content']}\n\n{rest[0]['content']}"}, *rest[1:]]
        return self.messages


def as_asked(questions: object, format: str | None = None) -> list[Asked]:
    """Read questions in whatever form they come.

    Args:
        questions: a list of texts, mappings, conversations or `Question` records; a table whose columns are named as
            the keys of such mappings; or the path of a file of one.
        format: `mc` if all must have options, `oe` if none may have; None if they must only be alike.

    Returns:
        The questions, in order. One without an id is named by its place, counted from 0.

    Raises:
        UserError: naming the first question that is none, or the file that cannot be read.

    Example:
        >>> [one] = as_asked([{"text": "Which river runs through Cologne?", "options": ["Elbe", "Rhine", "Main"]}])
        >>> one.question.letters
        'abc'
        >>> as_asked([[{"role": "user", "content": "Who wrote Hamlet?"}]])[0].question.text
        'Who wrote Hamlet?'
    """
    asked = [as_one(item, place) for place, item in enumerate(_listed(questions))]
    form = format or (asked[0].question.format if asked else None)
    for one in asked:
        _check_format(one.question, form, format is not None)
    return asked


def one_question(item: object, place: int, format: str) -> Question:
    """One question of a format, `mc` or `oe`; errors as of `as_asked`."""
    question = as_one(item, place).question
    _check_format(question, format, is_fitted=True)
    return question


def _listed(questions: object) -> list[Any]:
    """The single questions."""
    way_out = "Pass a list of questions, a table, or the path of a .csv, .tsv, .jsonl, .json or .parquet file."
    if isinstance(questions, str | Path):
        if Path(questions).suffix.lower() in FILES:
            return _of_file(local_path(questions))
        raise expected("`questions`", "several", "a single text", way_out)
    if isinstance(questions, Mapping) or questions is None:
        kind = "nothing" if questions is None else "a single mapping"
        raise expected("`questions`", "several", kind, way_out)
    if hasattr(questions, "to_pylist"):  # of Arrow
        return _rows(questions.to_pylist())
    if hasattr(questions, "to_dicts"):  # of polars
        return _rows(questions.to_dicts())
    if hasattr(questions, "to_dict") and hasattr(questions, "columns"):  # of pandas
        return _rows(questions.to_dict("records"))
    if hasattr(questions, "tolist"):  # a column of a table
        questions = questions.tolist()
    if isinstance(questions, str | bytes | Question) or not hasattr(questions, "__iter__"):
        raise expected("`questions`", "several", f"a {type(questions).__name__}", way_out)
    listed = list(questions)
    if listed and all(_is_message(item) for item in listed):
        raise expected("`questions`", "a list of questions", "a single conversation", "Put it into a list.")
    return listed


def _of_file(path: Path) -> list[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise expected(f"`{path}`", "a file of questions", error.strerror, "Correct the path.") from error
    member = Member(PurePosixPath(path.as_posix()), None, content)
    rows = [row for _, row in read_rows("table", member, TableFormat(columns=_KEYS))]
    if rows and not any(name in rows[0] for name in (*TEXT, MESSAGES)):
        raise expected(
            f"`{path}`",
            f"a table with a column called {', '.join(TEXT)} or {MESSAGES}",
            f"the columns {', '.join(map(str, list(rows[0])[:10]))}",
            "Rename the column of the questions.",
        )
    return _rows(rows)


def _rows(rows: list[Any]) -> list[Any]:
    """Rows of a table, in which NaN and empty cells are what is not there."""
    return [
        {name: one for name, one in row.items() if not _is_missing(one)} if isinstance(row, dict) else row
        for row in rows
    ]


def _is_missing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in ("NAType", "NaTType")
    )


def as_one(item: object, place: int) -> Asked:
    """One question.

    Args:
        item: a text, a mapping, a conversation, or a `Question`.
        place: of it, counted from 0.
    """
    if isinstance(item, Question):
        return Asked(_with_texts(item, place))
    name = f"question {place}"
    if isinstance(item, str):
        return Asked(_question(str(place), _text({TEXT[0]: item}, TEXT[0], name)))
    if isinstance(item, list | tuple) and item and all(_is_message(one) for one in item):
        item = {MESSAGES: item}
    if not isinstance(item, Mapping) and not hasattr(item, "keys"):
        wanted = "a `Question` or a mapping with `text`, a text, or a list of messages"
        raise expected(name, wanted, f"a {type(item).__name__}", "Pass a list of questions.")
    return _of_mapping(item, place)  # type: ignore[arg-type]


def _with_texts(question: Question, place: int) -> Question:
    """A question made elsewhere, with texts in all of its fields; what they print is meant as it stands."""
    try:
        given = {
            name: as_text(value, f"`{name}`")
            for name in ("id", "text", "asked", "given_answer")
            if (value := getattr(question, name)) is not None or name in ("id", "text")
        }
    except ValueError as error:
        raise misread(f"question {place}", error) from error
    options = _options({OPTIONS[0]: question.options}, given["id"])
    return replace(question, options=options, **given)  # type: ignore[arg-type]


def _of_mapping(item: Mapping[str, Any], place: int) -> Asked:
    name = f"question {place}"
    own = _text(item, ID, name) if ID in item else str(place)
    messages = _messages(item[MESSAGES], own) if MESSAGES in item else None
    fields = [one for one in TEXT if one in item]
    text = messages[-1]["content"] if messages else _text(item, fields[0], name) if fields else ""
    said = " ".join(" ".join(one["content"] for one in messages).split()) if messages else ""
    for field in fields if messages else fields[1:]:
        _refuse_two(name, field, MESSAGES if messages else fields[0], _text(item, field, name), said or text)
    if CONTEXT in item and messages:
        _refuse_two(name, CONTEXT, MESSAGES, _text(item, CONTEXT, name), said)
    if CONTEXT in item and text.strip() and not messages:
        text = f"{_text(item, CONTEXT, name)}\n\n{text}"
    accepted = _accepted(item[ACCEPTED], own) if ACCEPTED in item else ()
    return Asked(replace(_question(own, text, _options(item, own)), accepted=accepted), messages, item)


def _refuse_two(name: str, field: str, first: str, text: str, said: str) -> None:
    """Refuse a question that is told twice, of which one would be left out without a word.

    Args:
        name: of the question.
        field: that tells it again.
        first: that would be asked.
        text: what stands in the one.
        said: what stands in the other.
    """
    if " ".join(text.split()) not in " ".join(said.split()):
        got = f"both, which differ: {text.strip()[:60]!r} would not be asked"
        raise expected(name, f"one with `{first}` or `{field}`", got, "Leave one out, or give it another name.")


def _question(name: str, text: str, options: tuple[str, ...] = ()) -> Question:
    return Question(id=name, subject="", text=text, options=options, accepted=(), split="", source="")


def _check_format(question: Question, format: str | None, is_fitted: bool) -> None:
    name = f"question {question.id!r}"
    if not seen(question.text):
        raise expected(name, "one with a `text`", "none", "Give every question its text.")
    if format == "oe" and question.options:
        why = "the probe is for open-ended answers" if is_fitted else "so is the first"
        raise expected(name, f"without options: {why}", "some", "Leave them out.")
    if format == "mc" and not 2 <= len(question.options) <= 26:
        way_out = "Correct them." if is_fitted or question.options else "Fit multiple choice and open questions apart."
        raise expected(f"`options` of {name}", "a list of 2 to 26 texts", len(question.options), way_out)


def _text(item: Mapping[str, Any], field: str, name: str) -> str:
    try:
        refuse_printed(item[field], f"`{field}`", "pass a `Question`")
        text = as_text(item[field], f"`{field}`")
        if field in TEXT and text.strip() in NOTHING:
            raise ValueError(
                f"`{field}` is {text.strip()!r}, as programs write nothing; pass a `Question` if it is meant"
            )
        return text
    except ValueError as error:
        raise misread(name, error) from error


def _options(item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The options of a question: a list of texts that hold something; none where the key is not there."""
    fields = [one for one in OPTIONS if item.get(one) is not None]
    if not fields:
        return ()
    field, value = fields[0], item[fields[0]]
    if len(fields) > 1 and not _are_equal(value, item[fields[1]]):
        wanted, got = f"one with `{fields[0]}` or `{fields[1]}`", "both, which differ"
        raise expected(f"question {name!r}", wanted, got, "Leave one out, or give it another name.")
    if isinstance(value, Mapping) and set(value) == {"text", "label"}:  # as the hub has ARC and CommonsenseQA
        value, labels = value["text"], value["label"]
    else:
        labels = None
    try:
        check_order("letter", labels, f"{field}.label")
        listed = as_list(value, f"`{field}`")
        options = tuple(as_text(option, f"`{field}.{place}`") for place, option in enumerate(listed))
    except ValueError as error:
        raise misread(f"question {name!r}", error) from error
    empty = [place for place, option in enumerate(options) if not seen(option)]
    if empty:
        raise expected(f"`{field}.{empty[0]}` of question {name!r}", "a text", "an empty one", "Leave it out.")
    return options


def _are_equal(one: object, other: object) -> bool:
    try:
        return as_list(one, OPTIONS[0]) == as_list(other, OPTIONS[1])
    except ValueError:
        return False


def _accepted(value: object, name: str) -> tuple[str, ...]:
    """What is accepted of a question as it stands; `ccps.scorer.labels` makes it letters where there are options."""
    try:
        listed = as_list(value, f"`{ACCEPTED}`") if not isinstance(value, str) else [value]
        return tuple(as_text(one, f"`{ACCEPTED}.{place}`") for place, one in enumerate(listed))
    except ValueError as error:
        raise misread(f"question {name!r}", error) from error


def _is_message(item: object) -> bool:
    return isinstance(item, Mapping) and "role" in item and "content" in item


def _messages(value: object, name: str) -> Messages:
    """A conversation that ends with a user's turn."""
    what = f"`{MESSAGES}` of question {name!r}"
    way_out = "Each has a role and a content, and the last is the user's."
    try:
        listed = as_list(value, f"`{MESSAGES}`")
    except ValueError as error:
        raise misread(f"question {name!r}", error) from error
    if not listed or not all(_is_message(one) for one in listed):
        raise expected(what, "a list of messages", repr(value)[:60], way_out)
    messages = [{"role": str(one["role"]), "content": _content(one["content"], name)} for one in listed]
    roles = [one["role"] for one in messages]
    if other := sorted(set(roles) - set(ROLES)):
        raise expected(f"the roles in {what}", f"among {', '.join(ROLES)}", repr(other[0]), way_out)
    if roles[-1] != "user" or "system" in roles[1:]:
        got = (
            f"one that ends with that of the {roles[-1]}" if roles[-1] != "user" else "one with a later system message"
        )
        raise expected(what, "a conversation that ends with a user's turn, its system message first", got, way_out)
    return messages


def _content(value: object, name: str) -> str:
    """The text of a message, also where it is given in parts that are all texts."""
    parts = value if isinstance(value, list) else [value]
    texts = [
        one["text"] if isinstance(one, Mapping) and one.get("type") == "text" and "text" in one else one
        for one in parts
    ]
    try:
        return "".join(as_text(one, "`content`") for one in texts)
    except ValueError as error:
        raise misread(f"a message of question {name!r}", error) from error


def misread(what: str, error: ValueError) -> UserError:
    """The refusal of fields that are no texts."""
    return expected(what, "one whose fields are texts, and options a list of them", str(error), "Correct it.")


def column(asked: Sequence[Asked], name: str, argument: str) -> list[Any]:
    """What stands under a name in every question, for an argument that names a column of a table.

    Raises:
        UserError: no question has it.
    """
    rows = [one.row or {} for one in asked]
    if not any(name in row for row in rows):
        columns = dict.fromkeys(key for row in rows for key in row)
        known = f"; the columns are {', '.join(map(str, columns))}" if columns else ""
        wanted = "a list, one for each question, or the name of a column"
        raise expected(f"`{argument}`", wanted, f"a single text, {name!r}{known}", "Give one for each.")
    return [row.get(name) for row in rows]
