"""A question as it is put to a model: what people have, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ccps.core.errors import UserError, expected
from ccps.data.prompts import SystemRole, chat_messages
from ccps.data.records import Question

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


def misread(what: str, error: ValueError) -> UserError:
    """The refusal of fields that are no texts."""
    return expected(what, "one whose fields are texts, and options a list of them", str(error), "Correct it.")
