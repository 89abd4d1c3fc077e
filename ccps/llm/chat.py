"""Chat prompts as token ids, built once: rendered text is never tokenised a second time, except in parity mode."""

from collections.abc import Sequence
from typing import Any, Literal

from ccps.core.errors import UserError
from ccps.data.thinking import KNOWN, Marks
from ccps.llm.templates import Messages, render

PromptMode = Literal["strict", "parity"]


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
        UserError: the chat template refuses the messages, or leaves out what is asked.
    """
    if not tokenizer.chat_template:
        return list(tokenizer(plain_text(messages))["input_ids"])
    rendered = render(tokenizer, messages, add_generation_prompt=True)
    # In strict the template alone says which special tokens there are.
    return list(tokenizer(rendered, add_special_tokens=mode == "parity")["input_ids"])


def answer_ids(tokenizer: Any, messages: Messages, answer: str, mode: PromptMode = "strict") -> list[int]:
    """Turn the text of an answer into the token ids that are probed.

    Args:
        tokenizer: a transformers tokenizer.
        messages: the conversation before the answer.
        answer: its text, without white space at either end.
        mode: `strict` tokenises the answer by itself. `parity` does as the released code of CCPS: it renders the
            conversation with and without the answer, tokenises both texts, and takes what the longer has beyond the
            length of the shorter: with what the chat template puts after the answer, see `closing_ids`.

    Returns:
        Token ids.
    """
    if mode == "strict" or not tokenizer.chat_template:
        return list(tokenizer(answer, add_special_tokens=False)["input_ids"])
    whole = render(tokenizer, [*messages, {"role": "assistant", "content": answer}])
    before = prompt_ids(tokenizer, messages, "parity")
    return list(tokenizer(whole)["input_ids"][len(before) :])


def ids_after_answer(tokenizer: Any, messages: Messages, following: Messages = ()) -> list[int]:
    """Token ids of what comes after an answer, whatever the answer is.

    Args:
        tokenizer: a transformers tokenizer.
        messages: a conversation before the answer.
        following: messages after it; none to end the conversation there.

    Returns:
        What the chat template puts at the end of the answer's turn, then all that follows up to where the next answer
        begins. Without a chat template nothing ends a turn.

    Raises:
        UserError: the chat template refuses the messages.
    """
    if not tokenizer.chat_template:
        text = "\n\n" + plain_text(following) if following else ""
    else:
        mark = "(answer)"
        turns = [*messages, {"role": "assistant", "content": mark}, *following]
        text = render(tokenizer, turns, add_generation_prompt=bool(following)).rpartition(mark)[2]
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the chat template puts right after an answer; None if it puts none there."""
    if not tokenizer.chat_template:
        return None
    try:
        after = ids_after_answer(tokenizer, [{"role": "user", "content": "(question)"}])
    except UserError:  # a template that refuses so plain a conversation will be asked, and refuse, later
        return None
    special = {*tokenizer.all_special_ids, *(token for token in tokenizer.added_tokens_decoder)}
    return after[0] if after and after[0] in special else None


def opens_thinking(tokenizer: Any, ids: Sequence[int]) -> Marks | None:
    """The marks of the thought that a prompt ends by opening, white space aside: what is written will not hold it."""
    # Longer than the mark in any tokenizer, white space included, and independent of the prompt's length.
    end = str(tokenizer.decode(list(ids[-32:]))).rstrip()
    return next((marks for marks in KNOWN if end.lower().endswith(marks.opening.lower())), None)


def closing_ids(tokenizer: Any, messages: Messages) -> set[int]:
    """Token ids of what the chat template puts after an answer: the end of the turn and white space, if any.

    The released code of CCPS drops these by name before it fits a probe, wherever they stand: for Llama the end of
    turn, for Mistral the end of text, for Qwen the end of turn and the line break, also one inside an answer.
    """
    return set(ids_after_answer(tokenizer, messages))


def plain_text(messages: Messages) -> str:
    """Lay out messages for a model without a chat template: contents separated by blank lines."""
    return "\n\n".join(message["content"] for message in messages)
