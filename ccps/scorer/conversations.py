"""Conversations whose last turn is a question."""

from collections.abc import Mapping

from ccps.core.errors import expected
from ccps.data.values import as_list, as_text
from ccps.scorer.asked import Messages, misread

MESSAGES = "messages"
ROLES = ("system", "user", "assistant")


def is_message(item: object) -> bool:
    """Whether it is one turn of a conversation."""
    return isinstance(item, Mapping) and "role" in item and "content" in item


def messages_of(value: object, name: str) -> Messages:
    """A conversation that ends with a user's turn.

    Args:
        value: its turns, each a mapping with a role and a content.
        name: of the question, for messages.

    Raises:
        UserError: it is none, or ends otherwise.
    """
    what = f"`{MESSAGES}` of question {name!r}"
    way_out = "Each has a role and a content, and the last is the user's."
    try:
        listed = as_list(value, f"`{MESSAGES}`")
    except ValueError as error:
        raise misread(f"question {name!r}", error) from error
    if not listed or not all(is_message(one) for one in listed):
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
