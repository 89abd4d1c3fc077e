"""Chat prompts as token ids, built once: rendered text is never tokenised a second time, except in parity mode."""

from collections.abc import Sequence
from typing import Any, Literal

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
        Token ids, at least one. A tokenizer without a chat template gets `plain_text` of the messages.
    """
    if not tokenizer.chat_template:
        return list(tokenizer(plain_text(messages))["input_ids"])
    if mode == "strict":
        return list(tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))
    rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return list(tokenizer(rendered)["input_ids"])


def plain_text(messages: Messages) -> str:
    """Lay out messages for a model without a chat template: contents separated by blank lines."""
    return "\n\n".join(message["content"] for message in messages)
