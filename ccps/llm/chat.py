"""Chat prompts as token ids, built once: rendered text is never tokenised a second time, except in parity mode."""

from collections.abc import Sequence
from typing import Any, Literal

from jinja2 import TemplateError

from ccps.errors import UserError

PromptMode = Literal["strict", "parity"]
Messages = Sequence[dict[str, str]]


def prompt_ids(tokenizer: Any, messages: Messages, mode: PromptMode = "strict") -> list[int]:
    """Turn chat messages into the token ids of a prompt that ends where the answer begins.

    Args:
        tokenizer: a transformers tokenizer.
        messages: role and content of each message.
        mode: `strict` takes the template's ids as they are. `parity` renders the template to text and tokenises
            that text with default special-token handling, as the released code of CCPS does; tokenizers whose
            template already holds a BOS token then get two.

    Returns:
        Token ids. A tokenizer without a chat template gets `plain_text` of the messages.

    Raises:
        UserError: the chat template refuses the messages.
    """
    if not tokenizer.chat_template:
        return list(tokenizer(plain_text(messages))["input_ids"])
    try:
        if mode == "strict":
            return list(tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))
        rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise UserError(
            f"The chat template of {tokenizer.name_or_path or 'the model'} refuses the messages ({error}). "
            "If it knows no system message, set the model's `system_role` to `prepend` or `omit`."
        ) from error
    return list(tokenizer(rendered)["input_ids"])


def plain_text(messages: Messages) -> str:
    """Lay out messages for a model without a chat template: contents separated by blank lines."""
    return "\n\n".join(message["content"] for message in messages)
