"""Chat templates, rendered so that what was asked stands in the prompt, on any day.

A template is a program that came with the weights. What it leaves out would never be asked, and what it takes from the
clock would make other prompts of the same question tomorrow.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError

from ccps.core.errors import UserError, expected

Messages = Sequence[dict[str, str]]

TODAY = datetime(2025, 1, 1, tzinfo=UTC)
"""The date of every prompt whose template asks for one; part of the fingerprint of such a model."""

_CLOCKS = ("strftime_now",)
_ARGUMENTS = "ccps_template_arguments"
# What must stand in the prompt as it was given; of earlier answers templates may leave out the thinking.
_KEPT_ROLES = ("system", "user")


def set_template(tokenizer: Any, name: str, chosen: str | None, arguments: Mapping[str, Any]) -> None:
    """Choose the chat template of a tokenizer and what it is told beside the messages.

    Args:
        tokenizer: a transformers tokenizer.
        name: the model's key in the configuration.
        chosen: the template's name, for a tokenizer with several.
        arguments: for the template, such as `enable_thinking`.

    Raises:
        UserError: there is no template of that name, or several and none is named.
    """
    templates = tokenizer.chat_template
    if isinstance(templates, dict):
        wanted = chosen or "default"
        if wanted not in templates:
            raise expected(
                f"`model.{name}.template`",
                f"one of {', '.join(sorted(templates))}",
                repr(chosen),
                "Set it to one of these.",
            )
        tokenizer.chat_template = templates[wanted]
    elif chosen is not None:
        raise expected(f"`model.{name}.template`", "null, as the model has one template", repr(chosen), "Leave it out.")
    setattr(tokenizer, _ARGUMENTS, dict(arguments))


def depends_on_clock(template: str) -> bool:
    """Whether a template asks what day it is."""
    return any(name in template for name in _CLOCKS)


def render(tokenizer: Any, messages: Messages, *, add_generation_prompt: bool = False) -> str:
    """Lay out messages by the tokenizer's chat template.

    Raises:
        UserError: the template refuses the messages, or what the user or the system says does not stand in the result.
    """
    arguments = getattr(tokenizer, _ARGUMENTS, {})
    _stop_clock(tokenizer.chat_template)
    try:
        rendered = str(
            tokenizer.apply_chat_template(
                messages,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
                **arguments,
            )
        )
    except (TemplateError, TypeError) as error:
        raise UserError(
            f"The chat template of {_name(tokenizer)} refuses the messages ({error}). "
            "If it knows no system message, set the model's `system_role` to `prepend` or `omit`."
        ) from error
    _check_all_said(tokenizer, messages, rendered)
    return rendered


@lru_cache
def _stop_clock(template: str) -> None:
    """Have a template see one date for ever; transformers keeps the compiled template that this changes."""
    if depends_on_clock(template):
        from transformers.utils.chat_template_utils import _compile_jinja_template

        _compile_jinja_template(template).globals["strftime_now"] = TODAY.strftime


def _check_all_said(tokenizer: Any, messages: Messages, rendered: str) -> None:
    """Refuse a prompt in which a question or a system message does not stand."""
    spaced = " ".join(rendered.split())
    for message in messages:
        said = " ".join(message["content"].split())
        if message["role"] in _KEPT_ROLES and said not in spaced:
            way_out = (
                "Set the model's `system_role` to `prepend` or `omit`"
                if message["role"] == "system"
                else "It may be a template for lists of parts, as models that see have it: put one for texts into the "
                "model's folder (`chat_template.jinja`), or name another with `template`"
            )
            raise expected(
                f"the prompt of {_name(tokenizer)}",
                f"one that holds the text of the {message['role']}",
                f"a prompt without {said[:60]!r}",
                f"{way_out}.",
            )


def _name(tokenizer: Any) -> str:
    return str(tokenizer.name_or_path or "the model")
