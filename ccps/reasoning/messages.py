"""From a question to the prompt of a reasoning model: chat messages, token ids, and where thinking begins."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from ccps.core.errors import expected
from ccps.data.prompts import SystemRole
from ccps.data.records import Question
from ccps.data.thinking import OPEN
from ccps.faithful import Mode
from ccps.llm.chat import opens_thinking, prompt_ids
from ccps.reasoning.tasks import task_prompt
from ccps.settings.faithful.condition import PromptCondition
from ccps.settings.faithful.task import TaskSpec

ThinkTag = Literal["auto", "none", "user", "prompt"]
"""Who opens the thinking. `none`: the chat template or the model. `user`: the user's turn ends in the tag, whatever
the template does. `prompt`: the tag follows the prompt, unless the template has put it there. `auto`: `user` in parity,
`none` in strict."""

PHRASES = MappingProxyType(
    {
        "almost certain": 0.920,
        "highly likely": 0.871,
        "very good chance": 0.805,
        "we believe": 0.751,
        "likely": 0.709,
        "probably": 0.687,
        "probable": 0.676,
        "better than even": 0.581,
        "about even": 0.507,
        "probably not": 0.247,
        "we doubt": 0.224,
        "unlikely": 0.212,
        "improbable": 0.168,
        "chances are slight": 0.144,
        "little chance": 0.129,
        "highly unlikely": 0.108,
        "almost no chance": 0.065,
    }
)
"""Hedges and the mean probability that 123 people hear in each (survey of Fagen-Ulmschneider)."""


def filled(text: str) -> str:
    """A text of a prompt condition with the hedges in the place of `{phrases}`, a line each."""
    phrases = "\n".join(f"- {phrase}: {mean:.2f}" for phrase, mean in PHRASES.items())
    return text.replace("{phrases}", phrases).strip()


def reasoning_messages(
    question: Question,
    task: TaskSpec,
    condition: PromptCondition,
    *,
    mode: Mode = "strict",
    think_tag: ThinkTag = "auto",
    system_role: SystemRole = "system",
) -> list[dict[str, str]]:
    """The conversation before a trace, as a chat template takes it.

    Source: released code of arXiv 2606.03969, which opens the thinking in the user's turn even where the template does
    it again (`parity`).

    Demonstrations are earlier turns, each question put as the last one is. No turn but the last opens the thinking: how
    a reply shows it is written in the reply.

    Args:
        question: what is asked.
        task: how it is put.
        condition: what is said beside it.
        mode: decides `think_tag` auto.
        think_tag: who opens the thinking; for `prompt` see `reasoning_prompt`.
        system_role: for templates without a system role, "prepend" puts the system's text before the user's first.

    Raises:
        UserError: an unknown `think_tag` or `system_role`, or a condition with a system's text that "omit" would drop.
    """
    if system_role not in get_args(SystemRole):
        raise expected("`system_role`", "system, omit or prepend", repr(system_role), "Choose one of them.")
    system, opened = filled(condition.system), resolved_tag(think_tag, mode) == "user"
    if system and system_role == "omit":
        raise expected(
            "`system_role`",
            "system or prepend, as the prompt condition speaks as the system",
            "omit, which would leave the condition out",
            "Set the model's `system_role` to prepend, or choose another condition.",
        )
    turns = [{"role": "system", "content": system}] if system and system_role == "system" else []
    before = [system] if system and system_role == "prepend" else []
    for shown in condition.demonstrations:
        content = _user_turn(before, condition, task, replace(question, text=shown.question, options=()))
        turns += [{"role": "user", "content": content}, {"role": "assistant", "content": shown.reply.strip()}]
        before = []
    content = _user_turn(before, condition, task, question) + (f" {OPEN}\n" if opened else "")
    return [*turns, {"role": "user", "content": content}]


def _user_turn(before: Sequence[str], condition: PromptCondition, task: TaskSpec, question: Question) -> str:
    parts = [*before, filled(condition.user), task_prompt(task, question)]
    return "\n\n".join(part for part in parts if part)


def reasoning_prompt(
    tokenizer: Any, messages: Sequence[dict[str, str]], *, mode: Mode = "strict", think_tag: ThinkTag = "auto"
) -> list[int]:
    """Token ids of a prompt that ends where the trace begins.

    Args:
        tokenizer: a transformers tokenizer.
        messages: the conversation.
        mode: see `ccps.llm.chat.prompt_ids`; decides `think_tag` auto.
        think_tag: `prompt` adds the opening tag and a newline unless the template did; all others add nothing here.

    Raises:
        UserError: an unknown `think_tag`, or the chat template refuses the messages.
    """
    ids = prompt_ids(tokenizer, messages, mode)
    if resolved_tag(think_tag, mode) == "prompt" and not opens_thinking(tokenizer, ids):
        ids += tokenizer(f"{OPEN}\n", add_special_tokens=False)["input_ids"]
    return ids


def resolved_tag(think_tag: ThinkTag, mode: Mode) -> ThinkTag:
    """What `think_tag` means in a mode; "auto" no longer.

    Raises:
        UserError: it is none of `ThinkTag`.
    """
    if think_tag not in get_args(ThinkTag):
        raise expected("`think_tag`", ", ".join(get_args(ThinkTag)), repr(think_tag), "Choose one of them.")
    if think_tag == "auto":
        return "user" if mode == "parity" else "none"
    return think_tag
