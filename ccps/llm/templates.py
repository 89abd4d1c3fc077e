"""Chat templates, rendered so that what was asked stands in the prompt, on any day.

A template is a program that came with the weights: it runs in a process of its own. What it leaves out would never be
asked, and what it takes from the clock would make other prompts of the same question tomorrow.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ccps.core.errors import UserError, expected
from ccps.llm.template_process import PROCESS, TemplateExcessError, TemplateRefusalError

Messages = Sequence[dict[str, str]]

TODAY = datetime(2025, 1, 1, tzinfo=UTC)
"""The date of every prompt whose template asks for one; part of the fingerprint of such a model."""

MORE_TEMPLATES = "additional_chat_templates/*.jinja"
"""Where in a checkpoint folder further templates lie."""

_CLOCKS = ("strftime_now",)
_ARGUMENTS = "ccps_template_arguments"
# By which templates of several families are told how to think.
_SWITCHES = ("enable_thinking", "thinking", "reasoning_effort", "thinking_budget", "thinking_mode")
# What a template must not touch: signs of markup, quotes, lines and indents. Empty lines some leave out (Falcon's).
_DELICATE = "(question) if a < b && c[\"d\"]:\n    return 'e' # {{ f }} <b>\n\t`g`"
_CHANCE = re.compile(r"\blipsum\b|\|\s*random\b")


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
    _check_known(tokenizer, name, arguments)
    setattr(tokenizer, _ARGUMENTS, dict(arguments))
    if tokenizer.chat_template:
        PROCESS.start()


def _check_known(tokenizer: Any, name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse what a template is told and does not ask for: the thought that it was to switch off would stay."""
    template = tokenizer.chat_template or ""
    unknown = [argument for argument in arguments if not re.search(rf"\b{re.escape(argument)}\b", template)]
    if unknown:
        used = [known for known in _SWITCHES if re.search(rf"\b{known}\b", template)]
        way_out = f"It knows {', '.join(used)}." if used else "Leave it out."
        wanted = "what the chat template asks for"
        got = f"{unknown[0]!r}, which it never names" if template else f"{unknown[0]!r}, and the model has no template"
        raise expected(f"`model.{name}.template_arguments`", wanted, got, way_out)


def depends_on_clock(template: str) -> bool:
    """Whether a template asks what day it is."""
    return any(name in template for name in _CLOCKS)


def has_clock(folder: Path) -> bool:
    """Whether the chat template in a checkpoint folder asks what day it is."""
    files = [
        *folder.glob("*.jinja"),
        *folder.glob(MORE_TEMPLATES),
        folder / "tokenizer_config.json",
    ]
    return any(depends_on_clock(file.read_text(encoding="utf-8", errors="replace")) for file in files if file.is_file())


def render(tokenizer: Any, messages: Messages, *, add_generation_prompt: bool = False) -> str:
    """Lay out messages by the tokenizer's chat template.

    Raises:
        UserError: the template refuses the messages, or what the user or the system says does not stand in the result.
    """
    arguments = getattr(tokenizer, _ARGUMENTS, {})
    if _CHANCE.search(tokenizer.chat_template):
        raise expected(
            f"the chat template of {_name(tokenizer)}",
            "one that says the same each time",
            "one that throws dice",
            "Put another into the model's folder (`chat_template.jinja`).",
        )
    try:
        rendered = PROCESS.render(
            tokenizer.chat_template,
            messages,
            {name: str(token) for name, token in tokenizer.special_tokens_map.items()} | arguments,
            add_generation_prompt=add_generation_prompt,
            today=TODAY.isoformat(),
        )
    except TemplateRefusalError as error:
        raise UserError(
            f"The chat template of {_name(tokenizer)} refuses the messages ({error}). "
            "If it knows no system message, set the model's `system_role` to `prepend` or `omit`."
        ) from error
    except TemplateExcessError as error:
        raise expected(
            f"the chat template of {_name(tokenizer)}",
            "one that lays out a prompt in little time and memory",
            str(error),
            "Put another into the model's folder (`chat_template.jinja`).",
        ) from error
    if not _is_whole(rendered):
        raise expected(
            f"the prompt of {_name(tokenizer)}",
            "text",
            "half a surrogate pair, which its chat template puts there",
            "Put another into the model's folder (`chat_template.jinja`).",
        )
    _check_all_said(tokenizer, messages, rendered)
    return rendered


def _is_whole(text: str) -> bool:
    """Whether all of its characters are whole."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _check_all_said(tokenizer: Any, messages: Messages, rendered: str) -> None:
    """Refuse a prompt in which a question or a system message does not stand, or questions stand in another order."""
    rest, place = " ".join(rendered.split()), 0
    missing: list[int] = []
    # A system message may be put before the last question, and must not be taken for a part of one.
    for role in ("user", "system"):
        for number, message in enumerate(messages):
            said = " ".join(message["content"].split())
            if message["role"] != role or not said:
                continue
            found = rest.find(said, place if role == "user" else 0)
            if found < 0:
                missing.append(number)
            else:
                rest = f"{rest[:found]}\0{rest[found + len(said) :]}"
                place = found + 1
    if missing:
        first = messages[min(missing)]
        raise _unsaid(tokenizer, first["role"], " ".join(first["content"].split()))


def _unsaid(tokenizer: Any, role: str, said: str) -> UserError:
    way_out = (
        "Set the model's `system_role` to `prepend` or `omit`"
        if role == "system"
        else "It may be a template for lists of parts, as models that see have it: put one for texts into the model's "
        "folder (`chat_template.jinja`), or name another with `template`"
    )
    return expected(
        f"the prompt of {_name(tokenizer)}",
        f"one that holds the text of the {role}",
        f"a prompt without {said[:60]!r}",
        f"{way_out}.",
    )


def check_opens_answer(tokenizer: Any) -> None:
    """Refuse a template that does not end a prompt by what comes before an answer: the model would write that first.

    Templates that know no generation prompt may still need none, if nothing but white space stands before an answer.

    Raises:
        UserError: it is such a one.
    """
    if not tokenizer.chat_template:
        return
    asked, mark = [{"role": "user", "content": "(question)"}], "(answer)"
    try:
        prompt = render(tokenizer, asked, add_generation_prompt=True)
        if prompt != render(tokenizer, asked):
            return
        before = render(tokenizer, [*asked, {"role": "assistant", "content": mark}]).partition(mark)[0]
    except UserError:  # so plain a conversation it refuses; what is asked will tell
        return
    if before.startswith(prompt) and before[len(prompt) :].strip():
        raise expected(
            f"the chat template of {_name(tokenizer)}",
            "one that knows `add_generation_prompt`",
            f"one that leaves {before[len(prompt) :].strip()[:40]!r} to the model",
            "Put one that does into the model's folder (`chat_template.jinja`), or name another with `template`.",
        )


def check_leaves_texts(tokenizer: Any) -> None:
    """Refuse a template that escapes a question, joins its lines or cuts it, which only some questions would show.

    Raises:
        UserError: it is such a one.
    """
    if not tokenizer.chat_template:
        return
    try:
        render(tokenizer, [{"role": "user", "content": "1 2 3"}])
    except UserError:  # so plain a conversation it refuses; what is asked will tell
        return
    if _DELICATE not in render(tokenizer, [{"role": "user", "content": _DELICATE}]):
        raise expected(
            f"the chat template of {_name(tokenizer)}",
            "one that leaves questions as they are",
            "one that lays out their white space anew",
            "Put another into the model's folder (`chat_template.jinja`), or name another with `template`.",
        )


def _name(tokenizer: Any) -> str:
    return str(tokenizer.name_or_path or "the model")
