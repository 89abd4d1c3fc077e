"""One question, out of a text, a mapping, a conversation or a `Question` record."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ccps.core.errors import expected
from ccps.core.visible import seen
from ccps.data.option_labels import check_order
from ccps.data.records import Question
from ccps.data.values import NOTHING, as_list, as_text, refuse_printed
from ccps.scorer.asked import Asked, misread
from ccps.scorer.conversations import MESSAGES, is_message, messages_of

TEXT = ("text", "question", "prompt")
OPTIONS = ("options", "choices")
CONTEXT, ACCEPTED, ID = "context", "accepted", "id"
KEYS = (*TEXT, *OPTIONS, CONTEXT, MESSAGES, ACCEPTED, ID)


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
    if isinstance(item, list | tuple) and item and all(is_message(one) for one in item):
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
    messages = messages_of(item[MESSAGES], own) if MESSAGES in item else None
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
    """What is accepted of a question as it stands; `ccps.scorer.answers` makes it letters where there are options."""
    try:
        listed = as_list(value, f"`{ACCEPTED}`") if not isinstance(value, str) else [value]
        return tuple(as_text(one, f"`{ACCEPTED}.{place}`") for place, one in enumerate(listed))
    except ValueError as error:
        raise misread(f"question {name!r}", error) from error
